"""The engine: the lines that a reader must find, for the two losses and for programs it was never told about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

import classifier as cl
import numpy as np
import pytest
from cases import sampled
from catalogue import NAMES, TYPICAL_PROGRAMS, derived, derived_from, typical
from classifier import LOSSES
from literal import complex_step, forward, random_inputs, value
from programs import ZOO, deep_tanh, label_smoothing, layer_norm, logistic
from sympy import Expr, Function, Indexed, KroneckerDelta, Max, Sum, Symbol, exp, log
from sympy.tensor.indexed import Idx

import symgrad
from symgrad import Array, InputError, Program, UnsupportedError, node
from symgrad.array.expression import parse
from symgrad.canonical import canonical
from symgrad.engine.derive import derive_record
from symgrad.equations import abbreviation
from symgrad.functions import selection
from symgrad.notation import array_names, axis_name, bound_indices
from symgrad.steps import Partial, Record, Step, Total, Value

SIZES = {"N": 2, "D": 3, "C": 4, "H": 5, "T": 3, "B": 2, "G": 2, "E": 2, "M": 3, "I": 2, "J": 4, "K": 3, "R": 2}
READY_MADE = {f"ready-made {name}": name for name in NAMES}
ALL = {name: (make, ("W", "b")) for name, make in LOSSES.items()} | ZOO

X, W, b, Y, Z, S, P, L = cl.X, cl.W, cl.b, cl.Y, cl.Z, cl.S, cl.P, cl.L
n, d, k, j = cl.n, cl.d, cl.k, cl.j
m, c = cl.N.index("m"), cl.C.index("c")
N, C = cl.N.size, cl.C.size


def record(name: str) -> Record:
    return derived_from(*ALL[name]).record


def lines(of: Record, subject: object) -> list[Step]:
    return [step for step in of.steps if step.subject == subject]


def rights(of: Record, subject: object) -> list[Expr]:
    return [canonical(step.after) for step in lines(of, subject)]


def same(left: Expr, right: Expr) -> bool:
    """Equal after nothing but multiplying out: signs and factors may stand anywhere."""
    return canonical(left).expand() == canonical(right).expand()


# --- the lines that must be there ---------------------------------------------------------------------------------


def test_cross_entropy_has_the_lines_of_the_textbook() -> None:
    of = record("softmax_cross_entropy")
    assert same(rights(of, Value(log(P[n, k])))[0], Z[n, k] - log(S[n]))
    slope = lines(of, Partial(log(P[n, k]), Z[m, c]))
    assert same(slope[-1].after, KroneckerDelta(n, m) * (KroneckerDelta(k, c) - P[n, c]))
    assert slope[0].after.has(exp) and not slope[-1].after.has(exp)
    adjoint = lines(of, Total(Z[m, c]))
    with_delta = -Sum(Y[m, k] * (KroneckerDelta(k, c) - P[m, c]), k) / N
    assert any(canonical(s.after) == canonical(with_delta) for s in adjoint)
    general, final = adjoint[-2:]
    assert same(general.after, (P[m, c] * Sum(Y[m, k], k) - Y[m, c]) / N)
    assert general.assumption is None
    assert final.after == (P[m, c] - Y[m, c]) / N
    assert final.assumption is not None and final.assumption.key == "A1"
    weight = W[d, c]
    assert rights(of, Partial(Z[n, k], weight))[-1] == X[n, d] * KroneckerDelta(k, c)
    G = of.adjoint_arrays["Z"]
    assert any(same(s.after, Sum(X[n, d] * G[n, c], n)) for s in lines(of, Total(weight)))
    assert any(same(s.after, Sum(G[n, c], n)) for s in lines(of, Total(b[c])))


def test_mse_has_the_softmax_jacobian_and_not_the_sigmoid_form() -> None:
    of = record("softmax_mse")
    jacobian = rights(of, Partial(P[n, k], Z[m, c]))[-1]
    assert same(jacobian, KroneckerDelta(n, m) * P[n, k] * (KroneckerDelta(k, c) - P[n, c]))
    R = of.program.arrays["R"]
    found = of.adjoints["Z"].index
    assert same(found, 2 / (N * C) * P[m, c] * (R[m, c] - Sum(R[m, k] * P[m, k], k)))


def test_matrix_forms() -> None:
    of = derived("softmax_cross_entropy")
    residual = P.matrix - Y.matrix
    assert of.gradients["W"].matrix == X.matrix.T * residual / N
    assert str(of.gradients["b"].matrix) == "1/N*(P - Y).T*1"
    assert str(of.record.adjoints["Z"].matrix) == "1/N*(P - Y)"
    general = symgrad.derive("softmax_cross_entropy", assume=())
    assert str(general.record.adjoints["Z"].matrix) == "1/N*(HadamardProduct(P, Y*1*1) - Y)"
    assert general.assumptions == {}


def test_expanded_is_in_the_inputs_alone() -> None:
    form = derived("softmax_mse").gradients["W"].expanded()
    assert form is not None
    assert {s.name for s in form.free_symbols} == {"N", "C", "X", "W", "b", "Y"}


@pytest.mark.parametrize(("reduction", "factor"), [("mean", 1 / N), ("sum", 1), ("batch_mean", 1 / N)])
def test_reductions_of_cross_entropy(reduction: str, factor: Expr) -> None:
    found = symgrad.derive("softmax_cross_entropy", reduction=reduction).record.adjoints["Z"].index
    assert same(found, factor * (P[m, c] - Y[m, c]))


@pytest.mark.parametrize(("reduction", "factor"), [("mean", 1 / (N * C)), ("batch_mean", 1 / N)])
def test_reductions_of_mse(reduction: str, factor: Expr) -> None:
    R = Array("R", (cl.N, cl.C))
    found = symgrad.derive("softmax_mse", reduction=reduction).record.adjoints["Z"].index
    assert same(found, 2 * factor * P[m, c] * (R[m, c] - Sum(R[m, k] * P[m, k], k)))


def test_layer_norm_is_the_textbook_line() -> None:
    of = derive_record(layer_norm(), ("X",))
    xhat, G, sd = of.program.arrays["Xhat"], of.adjoint_arrays["Xhat"], of.program.arrays["S"]
    gradient = of.gradients["X"]
    row, column = gradient.entry.indices
    a = cl.D.index("a")
    D = cl.D.size
    bracket = D * G[row, column] - xhat[row, column] * Sum(G[row, a] * xhat[row, a], a) - Sum(G[row, a], a)
    assert same(gradient.index, bracket / (D * sd[row]))


@pytest.mark.parametrize("is_node", [False, True])
def test_logistic_regression_folds_the_sigmoid(is_node: bool) -> None:
    of = derive_record(logistic(is_node), ("w", "b"))
    (row,) = of.adjoints["z"].entry.indices
    p, y = of.program.arrays["p"], of.program.arrays["y"]
    assert of.adjoints["z"].index == (p[row] - y[row]) / N


def test_label_smoothing_uses_the_assumption_through_a_definition() -> None:
    of = derive_record(label_smoothing(), ("W",))
    mixed = of.program.arrays["T"]
    assert same(of.adjoints["Z"].index, (P[m, c] - mixed[m, c]) / N)
    (used,) = (s for s in of.steps if s.assumption)
    assert used.assumption is not None and used.assumption.key == "A1"
    assert used.cites == (defined(of, "T"),)


@pytest.mark.parametrize(
    ("name", "rule", "reason"),
    [
        ("logistic", "cancel", "terms cancel"),
        ("softmax_mse", "collect", "take out the common factor"),
        ("clip_loss", "contract", "sum over n: in each term only n = i or n = m survives"),
        ("softmax_cross_entropy", "close", "substitute"),
    ],
)
def test_reasons_say_what_happens(name: str, rule: str, reason: str) -> None:
    reasons = [step.reason for step in derived(name).steps if step.rule == rule]
    assert reason in reasons
    assert rule == "contract" or set(reasons) == {reason}


@pytest.mark.parametrize("name", typical(NAMES))
def test_a_sum_keeps_its_letter_when_a_delta_is_summed_away(name: str) -> None:
    """What is summed after it was summed before it, by the same letter."""
    for step in derived(name).steps:
        if step.rule == "contract":
            assert summed(step.after) <= summed(step.before), step.number


def summed(expr: Expr) -> set[tuple[str, int, str]]:
    """The arrays of which a summed letter is an index, which index, and the letter."""
    bound = {i for total in expr.atoms(Sum) for i in bound_indices(total)}
    places = [(e.base.name, place, i) for e in expr.atoms(Indexed) for place, i in enumerate(e.indices)]
    return {(name, place, str(i.label)) for name, place, i in places if i in bound}


@pytest.mark.parametrize("name", typical(NAMES))
def test_a_letter_is_of_one_axis(name: str) -> None:
    of = derived(name)
    axes: dict[str, set[str]] = {}
    for step in (*of.steps, *of.evaluation.steps):
        for index in step.after.atoms(Idx):
            axes.setdefault(str(index.label), set()).add(axis_name(index))
    assert axes and all(len(some) == 1 for some in axes.values())
    assert not axes.keys() & of.record.program.entry_letters


def test_a_gradient_has_the_letters_of_its_last_line() -> None:
    of = derived("info_nce").record
    (last,) = [s for s in of.steps if s.subject == Total(of.gradients["U"].entry)][-1:]
    assert of.gradients["U"].index == last.after
    assert {str(i.label) for total in last.after.atoms(Sum) for i in bound_indices(total)} == {"i"}


def defined(of: Record, name: str) -> int:
    """The number of the line that defines an array."""
    (line,) = (s.number for s in of.steps if s.subject == Value(of.program.definitions[name].entry) and not s.cites)
    return line


@pytest.mark.parametrize("name", [*typical(ALL, TYPICAL_PROGRAMS), *typical(READY_MADE)])
def test_a_derivative_cites_the_definitions_that_it_writes_out(name: str) -> None:
    of = record(name) if name in ALL else derived(READY_MADE[name]).record
    for step in of.steps:
        if step.rule != "differentiate":
            continue
        (wrt,) = array_names(step.subject.wrt)
        sides = [of.steps[cited - 1].after for cited in step.cites if isinstance(of.steps[cited - 1].subject, Value)]
        assert sides
        for side in sides:
            unknown = {call: Symbol("known", real=True) for call in side.atoms(log)}  # with derivatives of their own
            side = side.xreplace(unknown) if isinstance(step.subject, Total) else side
            for used in array_names(side) & of.program.definitions.keys():
                if not of.program.definitions[used].is_node and wrt in of.program.varies_with(used):
                    assert defined(of, used) in step.cites, (step.number, used)


def test_a_derivative_of_entropy_cites_what_stands_outside_of_the_logarithm() -> None:
    """P log P: the logarithm is differentiated on a line of its own, P beside it on the line that cites this one."""
    softmax = abbreviation(P[n, k], exp(Z[n, k]) / S[n])
    equations = (cl.logits(), cl.normaliser(), softmax, node(L.base, Sum(P[n, k] * log(P[n, k]), n, k)))
    of = derive_record(Program("entropy", (cl.N, cl.D, cl.C), (X, W, b), equations, "L"), ("Z",))
    (line,) = (s for s in of.steps if s.subject == Total(Z[m, c]) and s.before is None)
    slope = max(s.number for s in of.steps if s.subject == Partial(log(P[n, k]), Z[m, c]))
    assert line.cites == (defined(of, "S"), defined(of, "P"), defined(of, "L"), slope)


@pytest.mark.parametrize("name", [*typical(ALL, TYPICAL_PROGRAMS), *typical(READY_MADE)])
def test_only_adjoints_of_the_line_above_are_written_out(name: str) -> None:
    of = record(name) if name in ALL else derived(READY_MADE[name]).record
    for step in of.steps:
        if step.rule in ("substitute", "close"):
            cited = [of.steps[number - 1].subject for number in step.cites]
            entries = [name for s in cited if isinstance(s, Total) for name in array_names(s.wrt)]
            assert entries
            assert {of.adjoint_arrays[name].name for name in entries} <= array_names(step.before)


def test_a_sum_of_squares_around_a_mean_has_a_matrix_form_that_fits() -> None:
    """A product of shape 1 x 1 is spread over a column from the left: 1_D (1_D^T u), never column times column."""
    u, mean = Array("u", (cl.D,)), Array("s")
    program = Program(
        "variance",
        (cl.D,),
        (u,),
        (node(mean[()], Sum(u[d], d) / cl.D.size), node(L.base, Sum((u[d] - mean[()]) ** 2, d))),
        "L",
    )
    derivation = symgrad.derive(program, wrt=("u",))
    assert derivation.gradients["u"].matrix is not None
    assert set(derivation.prove().counts) == {"definition", "every shape"}


def test_no_matrix_line_mentions_an_adjoint_that_has_none() -> None:
    z, w = Array("z", (cl.N,)), Array("w", (cl.D,))
    program = Program(
        "largest",
        (cl.N, cl.D),
        (X, w),
        (node(z[n], Sum(X[n, d] * w[d], d)), node(L.base, Sum(selection(z[n], n) * z[n], n))),
        "L",
    )
    of = derive_record(program, ("w",))
    assert of.adjoints["z"].matrix is None and of.gradients["w"].matrix is None
    assert same(of.adjoints["z"].index, selection(z[m], m))


def test_decimals_are_exact() -> None:
    program = Program(
        "decimal", (cl.N,), (Array("x", (cl.N,)),), (node(L.base, Sum(0.1 * Array("x", (cl.N,))[n], n)),), "L"
    )
    assert str(derive_record(program, ("x",)).gradients["x"].index) == "1/10"


# --- what the engine must not do ----------------------------------------------------------------------------------


def test_every_divisor_that_disappears_has_a_reason() -> None:
    of = derive_record(ZOO["probabilities_as_node"][0](), ("Z",))
    conditions = [c for s in of.steps for c in s.conditions]
    assert {str(c.nonzero) for c in conditions} == {"P[m, c]", "S[n]"}
    assert all(c.reason for c in conditions)


def test_a_solution_needs_a_divisor_known_nonzero() -> None:
    """out = gamma xhat + beta must not be solved for xhat: gamma may be zero."""
    of = derive_record(layer_norm(), ("X", "gamma", "beta"))
    for step in of.steps:
        assert not any("gamma" in str(c.nonzero) for c in step.conditions)
        assert "1/gamma" not in str(step.after)


@pytest.mark.parametrize("call", [Function("mystery"), lambda z: Max(z, 0)])
def test_an_unknown_derivative_raises_and_is_named(call: object) -> None:
    program = Program(
        "strange",
        (cl.N, cl.D, cl.C),
        (X, W, b, Y),
        (cl.logits(), node(L.base, Sum(call(Z[n, k]), n, k))),  # type: ignore[operator]
        "L",
    )
    with pytest.raises(UnsupportedError, match=r"(mystery|Max)\(.*Z\[n, k\]\) in the equation of L"):
        derive_record(program, ("W",))


def test_an_array_that_the_output_does_not_use_raises() -> None:
    extra = Array("V", (cl.N,))
    program = replace(LOSSES["softmax_mse"](), inputs=(X, W, b, Y, extra))
    with pytest.raises(InputError, match="L does not depend on V"):
        derive_record(program, ("V",))


@pytest.mark.parametrize(
    ("arguments", "parameters", "words"),
    [
        (("softmax_mes",), {}, "did you mean softmax_mse"),
        (("zzz",), {}, "known losses: softmax_cross_entropy, softmax_mse"),
        (("softmax_mse", ("V",)), {}, "unknown array 'V'; known arrays: X, W, b, Y, Z, S, P, R, L"),
        (("softmax_mse", ()), {}, "no array"),
        (("softmax_mse", ("W", "W")), {}, "named twice"),
        (("softmax_mse",), {"reduction": "max"}, "unknown reduction 'max': expected one of mean, batch_mean, sum"),
        (("softmax_mse",), {"weight": 1}, "no parameter 'weight'"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[str, ...], parameters: Mapping[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        symgrad.derive(*arguments, **parameters)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


# --- nothing depends on names or on the order of declaration ------------------------------------------------------


def renamed(program: Program, names: Mapping[str, str]) -> Program:
    """The same program in other names."""
    swaps = {}
    for old, array in program.arrays.items():
        new = Array(names[old], array.axes, array.positive)
        swaps[array.base] = new.base

    def name(expr: Expr) -> Expr:
        return expr.xreplace(swaps)

    return replace(
        program,
        inputs=tuple(Array(names[a.name], a.axes, a.positive) for a in program.inputs),
        equations=tuple(replace(e, entry=name(e.entry), rhs=name(e.rhs)) for e in program.equations),
        assumptions=tuple(replace(a, lhs=name(a.lhs), words=a.words) for a in program.assumptions),
        output=names[program.output],
    )


@pytest.mark.parametrize(
    "name", sampled(["softmax_cross_entropy", "logistic", "layer_norm", "two_layer_tanh"], "logistic")
)
def test_renaming_the_arrays_gives_the_same_lines(name: str) -> None:
    make, wrt = ALL[name]
    own, program = record(name), make()
    reverse = [chr(ord("z") - place) + "q" for place in range(len(program.arrays))]
    forth = dict(zip(program.arrays, reverse, strict=True))
    other = derive_record(renamed(program, forth), [forth[w] for w in wrt])
    back = {other.program.arrays[new].base: own.program.arrays[old].base for old, new in forth.items()}
    back |= {other.adjoint_arrays[forth[n]].base: a.base for n, a in own.adjoint_arrays.items()}
    index_lines = [[s for s in of.steps if s.rule != "matrix"] for of in (own, other)]
    for mine, theirs in zip(*index_lines, strict=True):
        assert (type(mine.subject), mine.rule, mine.cites) == (type(theirs.subject), theirs.rule, theirs.cites)
        assert canonical(mine.after) == canonical(theirs.after.xreplace(back))


@pytest.mark.parametrize("name", sampled(["softmax_cross_entropy", "attention"], "softmax_cross_entropy"))
def test_permuting_independent_equations_gives_the_same_lines(name: str) -> None:
    make, wrt = ALL[name]
    program = make()
    expected = [(s.subject, s.after, s.reason) for s in record(name).steps]
    for order in list(permutations(program.equations))[1 :: 5041 if len(program.equations) > 5 else 5]:
        again = derive_record(replace(program, equations=order), wrt)
        assert [(s.subject, s.after, s.reason) for s in again.steps] == expected


@pytest.mark.slow
def test_no_internal_index_name_reaches_a_reader() -> None:
    for name in ALL:
        for step in record(name).steps:
            assert "_" not in "".join(str(i) for i in step.after.atoms(Symbol) if i.name.startswith("_"))


# --- numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", typical(ALL, TYPICAL_PROGRAMS))
def test_every_adjoint_agrees_with_the_complex_step(name: str) -> None:
    of = record(name)
    sizes = {axis.name: SIZES[axis.name] for axis in of.program.axes}
    arrays = forward(of.program, random_inputs(of.program, sizes), sizes)
    known = dict(arrays)
    for node_name, gradient in of.adjoints.items():
        expected = complex_step(of.program, node_name, arrays, sizes)
        indices = gradient.entry.indices if isinstance(gradient.entry, Indexed) else ()
        found = np.empty(expected.shape)
        for place in np.ndindex(*expected.shape):
            found[place] = value(gradient.index, known, sizes, dict(zip(indices, place, strict=True))).real
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
        known[of.adjoint_arrays[node_name].name] = expected.astype(complex)


@pytest.mark.parametrize("layers", [3])
def test_a_deeper_network_keeps_its_adjoints_named(layers: int) -> None:
    of = derive_record(deep_tanh(layers), ("W1",))
    assert of.gradients["W1"].index.atoms(Indexed)
    assert len(of.steps) < 40 * layers


@pytest.mark.slow
def test_a_delta_leaves_the_bracket_of_a_branch() -> None:
    """The slope of the branch multiplies a bracket in which each term has the delta; the cosine embedding loss."""
    text = (
        "mean(where(y > 0, 1 - sum(A*B, axis=1)/norm(A, axis=1), maximum(sum(A*B, axis=1)/norm(A, axis=1) - 0.5, 0)))"
    )
    derivation = symgrad.derive(parse(text, "A: N D, B: N D, y: N sign", "A"))
    assert not derivation.gradients["A"].index.has(KroneckerDelta)
    assert not derivation.prove().weaker() and not derivation.assignments.prove().weaker()
