"""The chain rule, line by line: what each line says, why, and what it cites, for small programs of every kind."""

from __future__ import annotations

import re
from collections.abc import Callable

import classifier as cl
import programs
import pytest
from sympy import Expr, KroneckerDelta, Sum, Symbol, acos, asin, exp, log, sqrt
from sympy.tensor.indexed import Idx

import symgrad
from symgrad.array.expression import parse
from symgrad.engine.derive import derive_record
from symgrad.engine.partials import _collected_by, _delta_reason, cancelled, divided_by
from symgrad.equations import abbreviation, node
from symgrad.functions import step, where
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import Condition, Record, Value

# A text, the shapes of its arrays, and what is differentiated by.
TEXTS = {
    "two_layers": ("mean((tanh(X @ W) @ v - y) ** 2)", "X: N D, W: D C, v: C, y: N", ("W",)),
    "standardised": ("sum(y * (x - mean(x)) / std(x))", "x: N, y: N", ("x",)),
    "log_cosh": ("sum(log(cosh(X @ w - y)))", "X: N D, w: D, y: N", ("w",)),
    "kinks": ("sum(relu(x) * abs(x) + maximum(x, y))", "x: N, y: N", ("x", "y")),
    "largest": ("sum(max(X * X, axis=1) * y)", "X: N C, y: N", ("X",)),
    "lengths": ("sum(norm(X, axis=1) / norm(Y, axis=1))", "X: N D, Y: N D", ("X", "Y")),
    "gated": ("sum(sigmoid(x) * tanh(x * y))", "x: N, y: N", ("x",)),
    "normalised": ("-sum(Y * log(softmax(X * X, axis=1)))", "X: N C, Y: N C distribution", ("X",)),
    "two_users": ("-sum(Y * log(softmax(X, axis=1))) + sum(max(X, axis=1) ** 2)", "X: N C, Y: N C", ("X",)),
    "two_logarithms": (
        "sum(log(1 + x ** 2)) - sum(y * log(sigmoid(x)) + (1 - y) * log(1 - sigmoid(x)))",
        "x: N, y: N",
        ("x",),
    ),
    "distillation": (
        "-sum(softmax(V, axis=1) * log(softmax(X, axis=1)))",
        "X: N C, V: N C",
        ("X",),
    ),
    "squared_logarithms": ("sum(log(sigmoid(x)) ** 2)", "x: N", ("x",)),
    "transposed": ("sum(A @ A @ x)", "A: N N, x: N", ("A",)),
    "logsumexp": ("sum(logsumexp(X, axis=1) * y)", "X: N C, y: N", ("X",)),
    "entropy": ("sum(softmax(X, axis=1) * log(softmax(X, axis=1)))", "X: N C", ("X",)),
    "both_ways": (
        "-sum(log(softmax(X @ X.T, axis=1)) + log(softmax(X @ X.T, axis=0)))",
        "X: N D",
        ("X",),
    ),
    "as_written": ("sum(3 * x * (x - y) + x * (y - x))", "x: N, y: N", ("x",)),
    "constant": ("sum(x) * sum(y)", "x: N, y: N", ("x", "y")),
    "centred": ("sum((y - mean(X @ w)) ** 2)", "X: N D, w: D, y: N", ("w",)),
    "arcs": ("sum(arcsin(x * y) ** 2 + arccos(y) + arcsin(y)) + sum(arccos(y))", "x: N, y: N", ("x", "y")),
    "arcs_in_products": ("sum((arcsin(X) @ w) ** 2)", "X: N D, w: D", ("X",)),
    "arcs_in_branches": ("sum(where(x > 0, arcsin(y) / x, x * y))", "x: N, y: N", ("x", "y")),
    "distances": ("sum(sum((X[:, None] - X[None, :])**2, axis=2))", "X: N D", ("X",)),
    "one_norm_twice": ("norm(x - y) + norm(y - x)", "x: N, y: N", ("x",)),
    "two_assumptions": (
        "sum(x * (A @ x)) - sum(Y * log(softmax(X, axis=1)))",
        "X: N C, Y: N C distribution, A: D D symmetric, x: D",
        ("X", "x"),
    ),
    "quadratic": ("sum(x * (A @ x)) / sum(x ** 2)", "A: D D symmetric, x: D", ("x",)),
}


def written(record: Record) -> str:
    """The lines of a record without the matrix forms, one field each."""
    lines: list[str] = []
    for line in record.steps:
        if line.rule == "matrix":
            continue
        kinds = [f"{c.key}: {c.words}" for c in line.conventions]
        needed = [f"{c.nonzero} is not 0: {c.reason}" for c in line.conditions]
        lines += [f"({line.number}) {line.subject}", f"    {line.rule}: {line.reason}; from {list(line.cites)}"]
        lines += [f"    {text}" for text in [*kinds, *needed, *([line.assumption.key] if line.assumption else [])]]
        lines += [f"    {'' if line.before is None else line.before} = {line.after}"]
    closed = [f"{g.array.name}: {g.entry} {g.index}" for g in record.adjoints.values()]
    return "\n".join([*lines, *closed, f"by {record.wrt}", ""])


@pytest.mark.parametrize("name", TEXTS)
def test_lines(name: str, golden: Callable[[str, str], None]) -> None:
    text, shapes, wrt = TEXTS[name]
    golden(f"lines_{name}.txt", written(derive_record(parse(text, shapes).program(), wrt)))


N, D, C, X, Y, Z, P, L, n, d, k, j = cl.N, cl.D, cl.C, cl.X, cl.Y, cl.Z, cl.P, cl.L, cl.n, cl.d, cl.k, cl.j
i, S = N.index("i"), cl.S
w, y, p, x = Array("w", (D,)), Array("y", (N,)), Array("p", (N,)), Array("x", (N,))
mean, variance, eps = Array("mu"), Array("v"), Array("eps", positive=True)


def statistics() -> Program:
    """A mean and a variance that are nodes: adjoints with fewer axes than the gradient."""
    return Program(
        "statistics",
        (N,),
        (x, y, eps),
        (
            node(mean.base, Sum(x[n], n) / N.size),
            node(variance.base, Sum((x[n] - mean.base) ** 2, n) / N.size),
            node(L.base, Sum(y[n] * (x[n] - mean.base) / sqrt(variance.base + eps.base), n)),
        ),
        "L",
    )


def abbreviated(y: Array = y) -> Program:
    """A sigmoid that is no node: what it divides by stands under two sums over the rows."""
    p, p_of_w = Array("p", (N, N)), 1 / (1 + exp(y[i] - Sum(X[n, d] * w[d], d)))
    return Program(
        "abbreviated", (N, D), (X, w, y), (abbreviation(p[n, i], p_of_w), node(L.base, Sum(p[n, i] * y[n], n, i))), "L"
    )


def all_of_a_matrix() -> Program:
    """A slope that has sums over two indices of the axis of its own."""
    A, r, m = Array("A", (N, N)), Array("r", (N,)), N.index("m")
    equations = (node(r[n], y[n] - Sum(x[i], i) * Sum(A[i, m], i, m)), node(L.base, Sum(r[n] ** 2, n)))
    return Program("all", (N,), (x, y, A), equations, "L")


def inverse_total() -> Program:
    """An identity that divides: the sum of the exponentials is 1/S."""
    return Program(
        "inverse",
        (N, C),
        (Z, Y),
        (
            abbreviation(P[n, k], exp(Z[n, k])),
            abbreviation(S[n], 1 / Sum(exp(Z[n, j]), j)),
            node(L.base, Sum(P[n, k] * S[n] * Y[n, k], n, k)),
        ),
        "L",
    )


PROGRAMS: dict[str, tuple[Callable[[], Program], tuple[str, ...]]] = {
    "statistics": (statistics, ("x",)),
    "abbreviated": (abbreviated, ("w",)),
    "inverse_total": (inverse_total, ("Z",)),
    "all_of_a_matrix": (all_of_a_matrix, ("x",)),
    "label_smoothing": (programs.label_smoothing, ("Z",)),
    "probabilities_as_node": (programs.ZOO["probabilities_as_node"][0], ("Z",)),
    "layer_norm": (programs.layer_norm, ("X",)),
    **{name: (make, ("W",)) for name, make in cl.LOSSES.items()},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_lines_of_a_program(name: str, golden: Callable[[str, str], None]) -> None:
    make, wrt = PROGRAMS[name]
    golden(f"lines_{name}.txt", written(derive_record(make(), wrt)))


@pytest.mark.parametrize("term", [x[n], log(p[n])])
def test_the_letter_of_an_entry_names_no_array(term: Expr) -> None:
    m = Array("m", (N,))
    equations = (abbreviation(p[n], 1 + x[n] ** 2), node(L.base, Sum(m[n] * term, n)))
    record = derive_record(Program("letters", (N,), (x, m), equations, "L"), ("x",))
    assert record.gradients["x"].entry == x[i]


def test_a_rule_is_stated_in_letters_of_no_array() -> None:
    record = derive_record(abbreviated(Array("d", (N,))), ("w",))
    (subject,) = (step.subject for step in record.steps if step.rule == "solve")
    assert isinstance(subject, Value) and d not in subject.expr.atoms(Idx)


# --- words and divisors ---------------------------------------------------------------------------------------------

m, q = N.index("m"), N.index("q")


def delta(one: Idx, other: Idx) -> Expr:
    return KroneckerDelta(one, other)


PICKED: dict[str, tuple[Expr, str]] = {
    "one": (Sum(delta(n, m) * x[n], n), "sum over n: only n = m survives"),
    "one of another axis": (Sum(delta(n, m) * delta(k, j) * Z[n, k], n, k), "sum over n: only n = m survives"),
    "two": (Sum(delta(n, m) * delta(i, q) * x[n] * y[i], n, i), "sum over i and n: only i = q and n = m survive"),
    "one of two sums": (Sum(delta(n, i) * x[n] * y[i], n, i), "sum over i: only i = n survives"),
    "one after the other": (
        Sum(delta(n, i) * delta(i, m) * x[n], n, i),
        "sum over i and n: only i = m and n = i survive",
    ),
    "either of two": (
        Sum(delta(n, m) * x[n] + delta(n, i) * y[n], n),
        "sum over n: in each term only n = i or n = m survives",
    ),
    "any of three": (
        Sum(delta(n, m) * x[n] + delta(n, i) * y[n] + delta(n, q), n),
        "sum over n: in each term only n = i, n = m or n = q survives",
    ),
    "one in some terms": (
        Sum((delta(n, m) - p[n]) * x[n], n),
        "sum over n: in terms with a delta in n only n = m survives",
    ),
    "one in all terms and one in some": (
        Sum(delta(n, m) * (delta(i, q) - p[i]) * x[n], n, i),
        "sum over i and n: only n = m survives, and in terms with a delta in i only i = q survives",
    ),
    "one beside another sum": (Sum(delta(n, m) * x[n], n) - Sum(y[n], n), "sum over n: only n = m survives"),
}


@pytest.mark.parametrize("case", PICKED)
def test_what_deltas_pick_is_said(case: str) -> None:
    expr, words = PICKED[case]
    said, picked = _delta_reason(expr, "N")
    assert said == words
    assert picked == (() if "term" in words else tuple(re.findall("[a-z] = [a-z]", words)))


def test_why_a_line_becomes_shorter_is_said() -> None:
    assert _collected_by(x[n] * (y[n] - p[n]) + x[n] * p[n], x[n] * y[n]) == ("cancel", "terms cancel")
    nested = x[n] * (y[n] * (x[n] + p[n]) - p[n] * (x[n] + y[n]))
    assert _collected_by(nested, nested) == ("cancel", "terms cancel")
    common = x[n] * y[n] + x[n] * p[n]
    assert _collected_by(common, x[n] * (y[n] + p[n])) == ("collect", "take out the common factor")
    long = (x[n] + y[n] + 1) ** 200 + x[n]
    assert _collected_by(long, long) == ("collect", "collect common factors")  # too long to multiply out


def test_divisors_that_disappear_have_a_reason() -> None:
    v, r, t, s = (Array(name, (N,)) for name in "vrts")
    of = Program(
        "divisors",
        (N,),
        (x, v, r, t),
        (
            abbreviation(s[n], exp(x[n])),
            node(y[n], x[n] * v[n] ** 2 + sqrt(r[n]) + sqrt(t[n]) + 1 / t[n]),
            node(L.base, Sum(s[n] * y[n], n)),
        ),
        "L",
    )
    before = 1 / (v[n] * r[n] * t[n] * s[n]) + 1 / v[m]
    divides, rooted = "it divides in the forward equations", "a root of it is differentiated"
    found = [(c.nonzero, c.reason) for c in cancelled(of, before, x[n])]
    assert found == [
        (r[n], rooted),
        (s[n], "positive by its definition"),
        (t[n], divides),
        (v[m], divides),
        (v[n], divides),
    ]
    assert [c.nonzero for c in cancelled(of, before, 1 / v[n])] == [r[n], s[n], t[n]]
    assert cancelled(of, before, before) == ()
    assert cancelled(of, where(step(x[n], 0), 1 / v[n], 1 / r[n]), x[n]) == ()  # not zero where the branch is taken
    assert [c.nonzero for c in cancelled(of, where(step(1 / v[n], 0), 1 / r[n], x[n]), x[n])] == [v[n]]


def test_derivatives_of_inverse_functions_say_what_they_divide_by() -> None:
    v = Array("v", (N,))
    expr = x[n] * asin(2 * x[n]) ** 2 * asin(v[n])
    program = cl.softmax_cross_entropy()
    assert divided_by(program, expr, "x") == (Condition(1 - 4 * x[n] ** 2, "asin is differentiated"),)
    assert divided_by(program, acos(x[n]) * exp(acos(x[n])), "x") == (
        Condition(1 - x[n] ** 2, "acos is differentiated"),
    )
    assert divided_by(program, where(step(x[n], 0), asin(x[n]), x[n]), "x") == ()
    q = Symbol("q", real=True)
    assert divided_by(program, x[n] ** q * v[n] ** q, "x") == (Condition(x[n], "needed only where q is less than 1"),)
    assert divided_by(program, exp(x[n]) ** (1 + q**2) + x[n] ** 3 + 2 ** x[n], "x") == ()


# A text -> its gradient in index notation, and in matrix notation.
LEFT_OUT = {
    "sum((1 - eye(N)) * Z ** 3)": ("3 z_ma² (1 − δ_ma)", "3 Z ⊙ Z ⊙ (1_(N×N) − I_N)"),
    "sum((eye(N) - 1) * Z ** 3)": ("−3 z_ma² (1 − δ_ma)", "−3 Z ⊙ Z ⊙ (1_(N×N) − I_N)"),
    "sum((1 - eye(N)) * (x[:, None] - x[None, :]) ** 4)": (
        "8 Σ_n (1 − δ_nm) (x_m − x_n)³",
        "8 ((1_(N×N) − I_N) ⊙ (x 1_Nᵀ − 1_N xᵀ)^⊙3) 1_N",
    ),
    "sum((1 - eye(N)) * x[:, None])": ("N − 1", "(N − 1) 1_N"),
    "sum(log(1 + (1 - eye(N)) * Z ** 2))": (
        "(2 z_ma/(z_ma² (1 − δ_ma) + 1)) (1 − δ_ma)",
        "2 Z ⊙ (1_(N×N) − I_N) ⊘ (1_(N×N) + Z ⊙ Z ⊙ (1_(N×N) − I_N))",
    ),
    "sum(((1 - eye(N)) @ Z) ** 2)": ("2 Σ_n r_na (1 − δ_nm)", "2 (1_(N×N) − I_N) R"),
    "sum((2 - eye(N)) * Z ** 2)": ("2 (2 z_ma − z_aa δ_ma)", "2 (2 Z − Z ⊙ I_N)"),
}


@pytest.mark.parametrize("text", LEFT_OUT)
def test_what_a_sum_leaves_out_stays_out(text: str) -> None:
    derivation = symgrad.derive(parse(text, "Z: N N, x: N", "x" if "x" in text else "Z"))
    printed = derivation.to_text()
    gradients = printed[printed.index("The gradients") :]
    assert all(form in gradients for form in LEFT_OUT[text]) and "unproved" not in printed


def test_what_a_sum_over_another_axis_holds_is_summed_away_too() -> None:
    loss = parse("sum(exp(-sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)))", "X: N D", "X")
    assert not symgrad.derive(loss).record.gradients["X"].index.has(KroneckerDelta)


def test_a_symmetric_mask_takes_no_transposes() -> None:
    loss = parse("mean(log(sum((1 - eye(N)) * exp(S - 9 * eye(N)), axis=1)))", "S: N N")
    printed = symgrad.derive(loss).to_text("matrix", detail="full")
    assert "((1_(N×N) − I_N) ⊙ exp(S − 9 I_N)) 1_N" in printed
