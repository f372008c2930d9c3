"""What the code evaluates, as lines: proved for any shift, refused when corrupted, and the same as the code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import classifier as cl
import mpmath
import numpy as np
import pytest
from cases import sampled
from catalogue import derived, derived_from
from classifier import LOSSES
from literal import complex_step, forward, random_inputs, value
from programs import attention, label_smoothing, logistic, ridge, temperature
from sympy import Expr, Indexed, Integer, Sum, cosh, exp, log

import symgrad
from symgrad.check.marks import Level
from symgrad.check.obligations import claims
from symgrad.check.proof import Prover, prove
from symgrad.codegen import compile_source, evaluation, to_numpy, to_source
from symgrad.codegen.evaluation import COSH
from symgrad.codegen.plan.stable_forms import evaluated
from symgrad.equations import abbreviation, node
from symgrad.errors import InputError
from symgrad.notation import Array, array_names, bound_indices, sum_over
from symgrad.program import Program
from symgrad.steps import Largest, Record, Step, Value

SIZES = {"N": 3, "D": 4, "C": 3, "H": 2, "T": 3}
N, C, Z, S, P, L, n, k, j = cl.N, cl.C, cl.Z, cl.S, cl.P, cl.L, cl.n, cl.k, cl.j
m = N.index("m")


def total(name: str, loss: Expr, *before: object, inputs: tuple[Array, ...] = (Z,)) -> Program:
    return Program(name, (N, C), inputs, (*before, node(L.base, loss)), "L")  # type: ignore[arg-type]


T, Q, U = Array("T", (C,)), Array("Q", (N, C)), Array("U", (N, C))
A, B, logits = Array("A", (N, N)), Array("B", (N, N)), Array("Z", (N, N))
rows, columns = Array("r", (N,)), Array("c", (N,))
normaliser, softmax = abbreviation(S[n], Sum(exp(Z[n, j]), j)), abbreviation(P[n, k], exp(Z[n, k]) / S[n])


def clip() -> Program:
    """The contrastive loss of two batches: a softmax along the rows and one along the columns of the same logits."""
    loss = -Sum(log(A[n, n]) + log(B[n, n]), n) / (2 * N.size)
    return total(
        "clip",
        loss,
        abbreviation(rows[n], Sum(exp(logits[n, m]), m)),
        abbreviation(columns[m], Sum(exp(logits[n, m]), n)),
        abbreviation(A[n, m], exp(logits[n, m]) / rows[n]),
        abbreviation(B[n, m], exp(logits[n, m]) / columns[m]),
        inputs=(logits,),
    )


def named_exponentials() -> Program:
    """A softmax whose exponentials have a name of their own."""
    before = abbreviation(U[n, k], exp(Z[n, k])), abbreviation(S[n], Sum(U[n, j], j))
    return total("named", Sum(P[n, k] ** 2, n, k), *before, abbreviation(P[n, k], U[n, k] / S[n]))


def both_signs() -> Program:
    """Log-sum-exp of the logits and of their negatives: each has its own largest exponent."""
    return total("both_signs", Sum(log(Sum(exp(Z[n, j]), j)) + log(Sum(exp(-Z[n, j]), j)), n))


def two_axes() -> Program:
    """A softmax along the rows and one along the columns of a matrix that is not square."""
    return total(
        "two_axes",
        -Sum(log(P[n, k]) + log(Q[n, k]), n, k),
        normaliser,
        softmax,
        abbreviation(T[k], Sum(exp(Z[n, k]), n)),
        abbreviation(Q[n, k], exp(Z[n, k]) / T[k]),
    )


PROGRAMS: dict[str, tuple[Callable[[], Program], tuple[str, ...]]] = {
    **{name: (build, ("W", "b")) for name, build in LOSSES.items()},
    "temperature": (temperature, ("W", "b")),
    "label_smoothing": (label_smoothing, ("W", "b")),
    "attention": (attention, ("X", "Wq")),
    "logistic": (logistic, ("w", "b")),
    "log_sum_exp": (lambda: total("log_sum_exp", Sum(log(S[n]), n), normaliser), ("Z",)),
    "softplus": (lambda: total("softplus", Sum(log(1 + exp(Z[n, k])), n, k)), ("Z",)),
    "a factor remains": (lambda: total("entropy", Sum(S[n] * log(S[n]), n), normaliser), ("Z",)),
    "clip": (clip, ("Z",)),
    "two_axes": (two_axes, ("Z",)),
    "named exponentials": (named_exponentials, ("Z",)),
    "both signs": (both_signs, ("Z",)),
}


def source(name: str) -> Record:
    return derived_from(*PROGRAMS[name]).record


@cache
def lines(name: str) -> Record:
    return evaluation(source(name))


def line(record: Record, subject: Expr) -> Step:
    return next(s for s in record.steps if isinstance(s.subject, Value) and s.subject.expr == subject)


# --- the lines are proved -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_line_holds_at_every_shape_for_any_shift(name: str) -> None:
    report = prove(lines(name))
    assert report.ok and report.marks
    assert {mark.level for mark in report.marks} <= {Level.DEFINITION, Level.EVERY_SHAPE}
    definitions = [s.number for s in lines(name).steps if s.rule in ("definition", "choice")]
    assert definitions == [mark.number for mark in report.marks if mark.level == Level.DEFINITION]


@pytest.mark.parametrize("name", sampled(PROGRAMS, every=3))
def test_lines_hold_in_plain_numbers_too(name: str) -> None:
    """Both sides of each line, term by term, at the largest exponents and at other numbers in their place."""
    record = lines(name)
    free = {array.name for array in record.program.inputs} - {array.name for array in source(name).program.inputs}
    choices = {s.subject.entry: s for s in record.steps if isinstance(s.subject, Largest)}
    assert {next(iter(array_names(entry))) for entry in choices} == free
    for seed, is_largest in ((0, True), (1, False)):
        inputs = random_inputs(record.program, SIZES, seed)
        arrays = forward(record.program, inputs, SIZES)
        for entry, step in choices.items() if is_largest else ():
            own = entry.indices if isinstance(entry, Indexed) else ()
            found = evaluate(step.after, (*own, *step.subject.over), arrays)  # type: ignore[union-attr]
            inputs[next(iter(array_names(entry)))] = found.real.max(axis=tuple(range(len(own), found.ndim)))
        arrays = forward(record.program, inputs, SIZES)
        for step in record.steps:
            if isinstance(step.subject, Value):
                free_letters = tuple(sorted(step.subject.expr.atoms(type(n)) - bound_in(step.subject.expr), key=str))
                left = evaluate(step.subject.expr, free_letters, arrays)
                assert np.allclose(left, evaluate(step.after, free_letters, arrays), rtol=1e-10), step


def bound_in(expr: Expr) -> set[Expr]:
    return {i for part in expr.atoms(Sum) for i in bound_indices(part)}


def evaluate(expr: Expr, indices: tuple[Expr, ...], arrays: dict[str, np.ndarray]) -> np.ndarray:
    shape = tuple(SIZES[str(i.upper + 1)] for i in indices)
    found = np.empty(shape, dtype=complex)
    for place in np.ndindex(*shape):
        found[place] = value(expr, arrays, SIZES, dict(zip(indices, place, strict=True)))
    return found


def test_cross_entropy_reads_as_a_text_book_would() -> None:
    derivation = derived("softmax_cross_entropy")
    largest, shifted, relative = Array("Z_max", (N,)), Array("Z_shifted", (N, C)), Array("E", (N, C), positive=True)
    kept = Array("S_shifted", (N,), positive=True)
    record = derivation.evaluation.record
    choice = record.steps[0]
    assert choice.number == len(derivation.steps) + 1
    assert choice.subject == Largest(largest[n], (k,)) and choice.after == Z[n, k]
    assert line(record, shifted[n, k]).after == Z[n, k] - largest[n]
    assert line(record, relative[n, k]).after == exp(shifted[n, k])
    assert line(record, exp(Z[n, k])).after == exp(largest[n]) * relative[n, k]
    assert line(record, kept[n]).after == Sum(relative[n, k], k)
    assert line(record, S[n]).after == exp(largest[n]) * kept[n]
    assert line(record, P[n, k]).after == relative[n, k] / kept[n]
    assert line(record, log(P[n, k])).after == shifted[n, k] - log(kept[n])
    cited = line(record, P[n, k]).cites
    assert derivation.steps[cited[0] - 1].subject == Value(P[n, k])
    assert set(cited[1:]) == {line(record, exp(Z[n, k])).number, line(record, S[n]).number}


def test_log_sum_exp_and_softplus() -> None:
    largest, kept = Array("Z_max", (N,)), Array("S_shifted", (N,), positive=True)
    assert line(lines("log_sum_exp"), log(S[n])).after == largest[n] + log(kept[n])
    assert line(lines("softplus"), log(1 + exp(Z[n, k]))).after == Z[n, k] + log(1 + exp(-Z[n, k]))
    z, q = Array("z", (N,)), Array("p", (N,))
    assert line(lines("logistic"), 1 / (1 + exp(-z[n]))).after == exp(z[n]) / (1 + exp(z[n]))
    assert line(lines("logistic"), log(1 - q[n])).after == -log(1 + exp(z[n]))


def test_a_logarithm_is_opened_for_the_right_reason() -> None:
    cosine = derived("log_cosh").evaluation.steps
    (opened,) = (step for step in cosine if isinstance(step.subject, Value) and step.subject.expr.has(cosh))
    assert opened.reason == COSH and not opened.cites  # the residual in it stays as it is
    assert line(lines("log_sum_exp"), log(S[n])).reason == "the logarithm of a product"
    quotient = line(lines("logistic"), log(Array("p", (N,))[n]))
    assert quotient.reason == "the logarithm of a quotient" and quotient.cites == (2,)


def test_what_needs_no_shift_has_no_lines() -> None:
    derivation = symgrad.derive(ridge(), ("w",))
    assert derivation.evaluation.steps == () and derivation.evaluation.prove().ok
    text = derivation.to_text(code=True)
    assert "As the code evaluates it" not in text and "def ridge_gradient(X, w, y, lambda_):" in text


# --- and can fail -------------------------------------------------------------------------------------------------


def corruptions(record: Record, step: Step) -> Iterator[tuple[str, Expr]]:
    """Right sides that differ in value from that of a line."""
    numbers = {array.name for array in record.program.inputs} & {
        next(iter(array_names(s.subject.entry))) for s in record.steps if isinstance(s.subject, Largest)
    }
    for name in sorted(numbers & array_names(step.after)):
        entries = [e for e in step.after.atoms(Indexed) if e.base.name == name]
        entries += [s for s in step.after.free_symbols if getattr(s, "name", "") == name and not entries]
        yield f"sign of {name}", step.after.xreplace({e: -e for e in entries})
        yield f"{name} left out", step.after.xreplace(dict.fromkeys(entries, Integer(0)))
    for kernel in sorted(step.after.atoms(exp), key=str):
        yield f"{kernel} left out", step.after.xreplace({kernel: Integer(1)})
    for part in sorted(step.after.atoms(log), key=str):
        yield f"{part} left out", step.after.xreplace({part: Integer(0)})
    for entry in sorted(step.after.atoms(Indexed), key=str):
        own = [i for i in entry.indices if str(i.upper + 1) == "N"]
        if own and m not in step.after.atoms(type(n)):
            other = sum_over(entry.xreplace({own[0]: m}), [m])
            yield f"{entry} over the wrong index", step.after.xreplace({entry: other})
    yield "twice", 2 * step.after


@pytest.mark.parametrize("name", sampled(PROGRAMS, every=4))
def test_corrupted_lines_are_refused(name: str) -> None:
    record, tried = lines(name), 0
    prover = Prover(record)
    for place, (step, right) in enumerate(zip(record.steps, claims(record), strict=True)):
        for label, wrong in corruptions(record, step) if isinstance(step.subject, Value) else ():
            corrupted = claims(replace(record, steps=(*record.steps[:place], replace(step, after=wrong))))[-1]
            assert prover.verdict(corrupted).level == Level.WRONG, f"{step.number} {label}: {wrong}"
            tried += 1
        prover.mark(right)
    assert tried > 2


def test_a_number_may_be_put_only_for_what_is_free() -> None:
    record = lines("softmax_cross_entropy")
    choice = record.steps[0]
    d = cl.d
    wrong = {
        "L depends on X": Largest(cl.X[n, d], (k,)),
        "S is not free": Largest(S[n], (k,)),
        "the index k is free": Largest(choice.subject.entry, ()),  # type: ignore[union-attr]
    }
    for why, subject in wrong.items():
        (mark, *_) = prove(replace(record, steps=(replace(choice, subject=subject), *record.steps[1:]))).marks
        assert mark.level == Level.WRONG and why in mark.detail


# --- the lines are those of the code ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_arrays_have_the_same_names_in_lines_and_code(name: str) -> None:
    """Every array of the lines that no program declares is evaluated under its name, or within one line."""
    record, plan = lines(name), evaluated(source(name))
    helpers = {a.name for a in plan.assignments if a.is_helper}
    declared = source(name).program.arrays.keys() | set(plan.schedule.gradients.values())
    declared |= {a.name for a in source(name).adjoint_arrays.values()}
    code = to_source(source(name))
    for array in record.program.arrays:
        if array not in declared:
            assert f"    {array} = " in code or array in helpers, array


def test_an_array_kept_relative_is_not_called_by_the_name_of_the_whole() -> None:
    for name in LOSSES:
        code = to_source(source(name))
        assert "    S_shifted = np.add.reduce(E)" in code and "    S = " not in code


# --- a shift for every sum ----------------------------------------------------------------------------------------


def exact_clip(z: np.ndarray) -> tuple[float, np.ndarray]:
    """The contrastive loss and its gradient at 50 digits."""
    size = len(z)
    with mpmath.workdps(50):
        e = [[mpmath.exp(mpmath.mpf(v)) for v in row] for row in z.tolist()]
        across = [mpmath.fsum(row) for row in e]
        down = [mpmath.fsum(column) for column in zip(*e, strict=True)]
        p = [[e[i][o] / across[i] for o in range(size)] for i in range(size)]
        q = [[e[i][o] / down[o] for o in range(size)] for i in range(size)]
        loss = -mpmath.fsum(mpmath.log(p[i][i]) + mpmath.log(q[i][i]) for i in range(size)) / (2 * size)
        slope = [[float((p[i][o] + q[i][o] - 2 * (i == o)) / (2 * size)) for o in range(size)] for i in range(size)]
    return float(loss), np.array(slope)


def targets(name: str) -> list[Callable[..., object]]:
    of = source(name)
    sizes = {axis.name: SIZES[axis.name] for axis in of.program.axes}
    return [to_numpy(of), compile_source(to_source(of, "f", target="scalar", sizes=sizes), "f")]


@pytest.mark.parametrize("scale", [1.0, 40.0, 1e4, 1e300])
def test_row_and_column_softmax_of_the_same_logits(scale: float) -> None:
    z = scale * np.random.default_rng(0).uniform(-1, 1, (3, 3))
    exact, slope = exact_clip(z)
    for f in targets("clip"):
        loss, grads = f(z)  # type: ignore[misc]
        assert loss == pytest.approx(exact, rel=1e-13)
        assert np.allclose(grads.Z, slope, rtol=1e-11, atol=1e-16)


def test_rows_and_columns_have_shifts_of_their_own() -> None:
    code = to_source(source("two_axes"))
    assert (
        "np.maximum.reduce(Z, axis=1" in code and "np.maximum.reduce(Z, initial" in code and "np.exp(Z_max" not in code
    )
    assert [s.subject.over for s in lines("two_axes").steps if isinstance(s.subject, Largest)] == [(k,), (n,)]


@pytest.mark.parametrize("name", sampled(PROGRAMS, every=3))
def test_gradients_by_the_complex_step(name: str) -> None:
    of = source(name)
    inputs = random_inputs(of.program, SIZES)
    arrays = forward(of.program, inputs, SIZES)
    for f in targets(name):
        loss, grads = f(*inputs.values())  # type: ignore[misc]
        assert loss == pytest.approx(arrays["L"].real, rel=1e-12)
        for array, gradient in zip(of.wrt, grads, strict=True):
            assert np.allclose(gradient, complex_step(of.program, array, arrays, SIZES), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", ["two_axes", "named exponentials", "both signs", "log_sum_exp", "softplus"])
@pytest.mark.parametrize("scale", [1e4, 1e300])
def test_large_logits(name: str, scale: float) -> None:
    z = scale * np.random.default_rng(0).uniform(-1, 1, (3, 3))
    for f in targets(name):
        loss, grads = f(z)  # type: ignore[misc]
        assert np.isfinite(loss) and np.isfinite(grads.Z).all()


# --- shown --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sampled(LOSSES, "softmax_cross_entropy"))
def test_the_section_in_each_format(name: str) -> None:
    derivation = derived(name)
    plain, text = derivation.to_text(detail="full"), derivation.to_text(code=True, detail="full")
    assert text.split()[: len(plain.split())] == plain.split() and "As the code evaluates it" not in plain
    section, code = text.split("As the code evaluates it\n")[1].split("\n\nThe code, ")
    assert "Z_max_n = max_k z_nk" in section and "p_nk = e_nk/S_shifted_n" in section
    assert section.count("✓ every shape") == derivation.evaluation.prove().counts["every shape"]
    assert f"def {name}_gradient(X, W, b, Y):" in code and "    P = np.divide(E, S_shifted, out=E)" in code
    latex = derivation.to_latex(code=True)
    assert r"Z^{(\mathrm{max})}_{n} &= \max_{k} z_{nk}" in latex and r"\begin{verbatim}" in latex
    mathml = derivation.to_mathml(code=True)
    assert "As the code evaluates it" in mathml and "exp(Z_max) &gt; 0 cancels" in mathml
    assert derivation.to_mathml() == mathml[: len(derivation.to_mathml())]


def test_notation_does_not_matter_to_the_section() -> None:
    derivation = derived("softmax_mse")
    sections = [derivation.to_text(notation, code=True) for notation in ("both", "index", "matrix")]
    assert all("exp(z_nk) = e_nk exp(Z_max_n)" in text for text in sections)


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    from symgrad.cli import main

    assert main(["derive", "softmax_mse", "--code"]) == 0
    assert "As the code evaluates it" in capsys.readouterr().out
    assert main(["derive", "softmax_mse", "--code", "--shape", "2,4,3"]) == 2
    assert "--code" in capsys.readouterr().err


@pytest.mark.slow
def test_a_derivation_alone_loads_no_generator() -> None:
    shown = "symgrad.derive('softmax_mse').to_text(detail='full')"
    script = f"import sys, symgrad; {shown}; assert 'symgrad.codegen' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_unknown_notation_is_refused() -> None:
    with pytest.raises(InputError, match="notation"):
        derived("softmax_mse").to_text("prose", code=True)
