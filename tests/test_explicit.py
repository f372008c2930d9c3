"""Derivations at given sizes: against SymPy's own differentiation of the expanded loss, as functions, and printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from cases import sampled
from catalogue import TYPICAL_PROGRAMS, derived, derived_from, typical
from classifier import LOSSES
from literal import complex_step, forward, random_inputs
from programs import ZOO
from sympy import Expr, ImmutableMatrix, Matrix, Rational, Sum, Symbol, exp, sqrt

from symgrad import derive, loss
from symgrad.codegen import compile_source, to_numpy
from symgrad.engine.derive import derive_record
from symgrad.equations import abbreviation, node
from symgrad.errors import InputError
from symgrad.explicit import Explicit, entries_to_latex, entries_to_text, explicit
from symgrad.functions import MEANINGS
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Record
from trials.examination import limited

BLOG = {"N": 2, "D": 4, "C": 3}
SIZES = {"N": 3, "D": 4, "C": 2, "H": 5, "T": 3, "B": 2, "G": 2, "E": 2, "M": 3, "I": 2, "J": 4, "K": 3, "R": 2}
EVERY = {**{name: (build, ("W", "b")) for name, build in LOSSES.items()}, **ZOO}
STACKS = [name for name, (build, _) in EVERY.items() if any(len(a.axes) > 2 for a in build().arrays.values())]
MATRICES = [name for name in EVERY if name not in STACKS]


def record(name: str) -> Record:
    return derived_from(*EVERY[name]).record


@cache
def at_blog_size(name: str) -> Explicit:
    return explicit(record(name), BLOG)


def sizes_of(name: str) -> dict[str, int]:
    return {axis.name: SIZES[axis.name] for axis in record(name).program.axes}


@pytest.mark.parametrize("name", STACKS)
def test_arrays_of_more_axes_are_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=r"[A-Z]\w* has [34] axes: explicit forms are SymPy matrices"):
        explicit(record(name), sizes_of(name))


def names(matrix: Expr) -> list[str]:
    return [str(entry) for entry in matrix]


# --- matrices -----------------------------------------------------------------------------------------------------


def test_matrices_bear_the_names_of_the_blog() -> None:
    at = at_blog_size("softmax_mse")
    assert at.X.shape == (2, 4) and at.W.shape == (4, 3) and at.b.shape == (3, 1) and at.Y.shape == (2, 3)
    assert names(at.X) == ["x_11", "x_12", "x_13", "x_14", "x_21", "x_22", "x_23", "x_24"]
    assert names(at.W)[-1] == "w_43" and names(at.b) == ["b_1", "b_2", "b_3"] and names(at.Y)[0] == "y_11"
    assert sympy.latex(at.W[3, 2]) == "w_{43}"
    assert isinstance(at.X, ImmutableMatrix) and set(at.inputs) == {"X", "W", "b", "Y"}


def test_entries_are_named_by_the_intermediate_arrays() -> None:
    at = at_blog_size("softmax_cross_entropy")
    p, x, y = (lambda name: lambda n, k: Symbol(f"{name}_{n}{k}", real=True))("p"), at.X, at.Y
    for d in range(4):
        for c in range(3):
            expected = sum(x[n, d] * (p(n + 1, c + 1) - y[n, c]) for n in range(2)) / 2
            assert sympy.expand(at.gradients["W"][d, c] - expected) == 0
    defined = [str(symbol) for symbol, _ in at.definitions]
    assert defined[:6] == ["z_11", "z_12", "z_13", "z_21", "z_22", "z_23"] and defined[-1] == "p_23"


def test_definitions_come_before_their_uses() -> None:
    for name in ("softmax_mse", "two_layer_tanh"):
        at = explicit(record(name), sizes_of(name))
        known = {entry for matrix in at.inputs.values() for entry in matrix}
        for symbol, value in at.definitions:
            assert value.free_symbols <= known
            known.add(symbol)
        for value in (at.loss, *at.gradients.values()):
            assert value.free_symbols <= known


@pytest.mark.parametrize("name", sampled(LOSSES))
def test_expanded_entries_equal_the_derivative_of_the_expanded_loss(name: str) -> None:
    """All 15 entries, to 35 digits at a rational point."""
    at = at_blog_size(name).expanded()
    assert at.definitions == ()
    rng = np.random.default_rng(0)
    inputs = [entry for matrix in at.inputs.values() for entry in matrix]
    assert at.loss.free_symbols <= set(inputs)
    point = {entry: sympy.Rational(int(rng.integers(-9, 9)), 7) for entry in inputs}
    rows = at.Y.subs(point)
    point |= {at.Y[n, 2]: 1 - rows[n, 0] - rows[n, 1] for n in range(2)}
    for wrt in ("W", "b"):
        for entry, found in zip(at.inputs[wrt], at.gradients[wrt], strict=True):
            difference = (at.loss.diff(entry) - found).xreplace(point)
            assert abs(sympy.N(difference, 40, maxn=200)) < 1e-35


def test_labels_are_zero_based_and_make_zeros_and_ones() -> None:
    at = explicit(record("softmax_cross_entropy"), BLOG, [2, 0])
    assert Matrix([[0, 0, 1], [1, 0, 0]]) == at.Y
    assert str(at.loss) == "(-log(p_13) - log(p_21))/2"
    assert str(at.gradients["b"][2]) == "(p_13 + p_23 - 1)/2"


def test_scalars_and_long_axes() -> None:
    at = explicit(record("ridge"), {"N": 2, "D": 12})
    assert at.lambda_ == Symbol("lambda_", real=True)
    assert str(at.X[1, 11]) == "x_2_12" and str(at.w[11]) == "w_12"


def test_names_that_differ_in_case_alone_stay_apart() -> None:
    at = explicit(record("class_weights_normalised"), {"N": 1, "D": 1, "C": 2})
    assert names(at.a) == ["a_1", "a_2"] and "A" in {str(symbol) for symbol, _ in at.definitions}


@pytest.mark.parametrize(
    ("sizes", "labels", "message"),
    [
        ({"N": 2, "D": 4}, None, "a size for the axis C is missing"),
        ({**BLOG, "C": 0}, None, "axis C: expected a whole number, at least 1, got 0"),
        ({**BLOG, "N": 2.5}, None, "axis N: expected a whole number, at least 1, got 2.5"),
        ({**BLOG, "K": 3}, None, "unknown axis K: expected N, D, C"),
        (BLOG, [0], "Y: expected 2 labels from 0 to 2"),
        (BLOG, [0, 3], "Y: expected 2 labels from 0 to 2"),
    ],
)
def test_what_is_given_must_fit(sizes: dict[str, Any], labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        explicit(record("softmax_cross_entropy"), sizes, labels)


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="V"):
        _ = at_blog_size("softmax_mse").V


def test_entries_of_every_array_are_symbols_even_where_labels_are_given() -> None:
    at = explicit(record("softmax_mse"), BLOG, [2, 0])
    assert names(at.entries["P"])[-1] == "p_23" and names(at.entries["Y"])[0] == "y_11" and at.Y[0, 2] == 1
    assert set(at.entries) == {*at.inputs, "Z", "S", "P", "R", "L"} and at.entries["S"].shape == (2, 1)


def test_assumptions_that_were_used_are_equations() -> None:
    (pair,) = at_blog_size("softmax_cross_entropy").assumptions.items()
    assert pair[0].key == "A1" and [str(left) for left, _ in pair[1]] == ["y_11 + y_12 + y_13", "y_21 + y_22 + y_23"]
    assert all(right == 1 for _, right in pair[1])
    assert at_blog_size("softmax_mse").assumptions == {}


@pytest.mark.parametrize("name", typical(MATRICES, TYPICAL_PROGRAMS))
def test_shared_sums_stand_for_their_values(name: str) -> None:
    at = explicit(record(name), sizes_of(name))
    shared = at.with_shared_sums()
    assert shared.definitions[: len(at.definitions)] == at.definitions
    inputs = [entry for array in at.record.program.inputs for entry in np.ravel(at.entries[array.name])]
    drawn = random_inputs(at.record.program, SIZES)
    point = dict(zip(inputs, (x for a in drawn.values() for x in np.ravel(a)), strict=True))
    for symbol, value in shared.definitions:
        (point[symbol],) = at_point(value, point)
    for array in at.gradients:
        assert np.allclose(at_point(shared.gradients[array], point), at_point(at.gradients[array], point)), array


def test_a_shared_sum_is_named_once() -> None:
    shared = at_blog_size("softmax_mse").with_shared_sums()
    t_1 = dict((str(symbol), value) for symbol, value in shared.definitions)["t_1"]
    assert str(t_1) == "p_11*r_11 + p_12*r_12 + p_13*r_13"
    known = {symbol.name for symbol, _ in shared.definitions}
    assert {"t_1", "t_2"} <= known and not any(name.startswith("u") for name in known)
    assert all(Symbol("t_1", real=True) in entry.free_symbols for entry in shared.gradients["W"])


# --- sizes at which factors, numbers, powers and terms become equal -------------------------------------------------

N, C = Axis("N", "rows"), Axis("C", "classes")
x, v, s, L, a, Q = Array("x", (N,)), Array("v", (C,)), Array("s"), Array("L"), Array("a"), Array("Q", (N, C))
n, k, m = N.index("n"), C.index("k"), N.index("m")
SMALL = {
    "halves": node(L.base, Sum(x[n], n) / (2 * N.size)),
    "halves_in_exp": node(L.base, exp(Sum(x[n] ** 2, n) / (2 * N.size))),
    "two_sizes": node(L.base, Sum(x[n] * v[k], n, k) / (N.size * C.size)),
    "inverse_powers": node(L.base, Sum(x[n] ** 2 * v[k], n, k) / (N.size**2 * C.size * 3)),
    "sizes_above": node(L.base, N.size * C.size * Sum(x[n] ** 3, n) * Rational(2, 3)),
    "ratio": node(L.base, N.size * Sum(x[n] * v[k] ** 2, n, k) / C.size),
    "roots": node(L.base, Sum(x[n] ** 2 * v[k] ** 2, n, k) / (sqrt(N.size) * sqrt(C.size))),
    "equal_sums": node(L.base, Sum(x[n] ** 2, n) * Sum(x[n] ** 2, n) * Sum(v[k], k) * a.base / N.size),
    "terms": node(L.base, N.size * a.base + C.size * a.base**2 + Sum(x[n] + v[k] + a.base / N.size, n, k)),
    "size_minus_term": node(L.base, Sum((N.size - C.size) * x[n] * v[k] + x[n] * a.base, n, k)),
    "double_sum": node(L.base, Sum(x[n] * x[m] * v[k], n, m, k) / (N.size * N.size)),
    "numbers_and_entries": node(L.base, Sum(Q[n, k] * Q[n, k] * x[n], n, k) / (4 * N.size * C.size) + 1 / N.size),
}


@cache
def small(name: str, through_s: bool = False) -> Record:
    equations = (SMALL[name],)
    if through_s:
        equations = (abbreviation(s.base, Sum(x[n] ** 2, n)), node(L.base, s.base / (2 * N.size) * SMALL[name].rhs))
    wrt = ("x", "v") if SMALL[name].rhs.has(v.base) else ("x",)
    return derive_record(Program(name, (N, C), (x, v, a, Q), equations, "L"), wrt)


def at_point(entries: Expr, point: dict[Expr, float]) -> np.ndarray[Any, Any]:
    """The value of one entry or of a matrix of them, each subexpression evaluated once."""
    known = dict(point)

    def value(expr: Expr) -> float:
        if expr not in known:
            parts = [value(arg) for arg in expr.args]
            if expr.is_Add or expr.is_Mul:
                known[expr] = sum(parts) if expr.is_Add else math.prod(parts)
            elif expr.is_Pow:
                known[expr] = parts[0] ** parts[1]
            else:
                number = MEANINGS[expr.func].number if expr.func in MEANINGS else None
                call = number or getattr(math, expr.func.__name__, None)
                known[expr] = call(*parts) if call and parts else float(expr)
        return known[expr]

    return np.array([value(e) for e in (entries if isinstance(entries, ImmutableMatrix) else [entries])])


def assert_right(of: Record, sizes: dict[str, int], f: Callable[..., Any], *, literal: bool) -> None:
    """The function and the entries against the literal loss, and its literal gradient or that of generated ``f``.

    The entries are taken through their definitions, and also expanded where that is quick.
    """
    inputs = random_inputs(of.program, sizes)
    arrays = forward(of.program, inputs, sizes)
    _, generated = f(*inputs.values())
    at = explicit(of, sizes)
    entries = [entry for name in inputs for entry in np.ravel(at.entries[name])]
    point = dict(zip(entries, (float(x) for given in inputs.values() for x in np.ravel(given)), strict=True))
    written = at.expanded() if literal and len(of.program.ordered) < 8 else at
    for symbol, value in at.definitions:
        (point[symbol],) = at_point(value, point)
    if written is not at:
        assert set(written.loss.free_symbols) <= set(entries)
    assert at_point(written.loss, point)[0] == pytest.approx(arrays["L"].real, rel=1e-11, abs=1e-13)
    loss, grads = at.lambdify()(*inputs.values())
    assert loss == pytest.approx(arrays["L"].real, rel=1e-11, abs=1e-13), sizes
    for name, gradient, other in zip(of.wrt, grads, generated, strict=True):
        expected = complex_step(of.program, name, arrays, sizes) if literal else other
        found = at_point(written.gradients[name], point).reshape(np.shape(expected))
        for values in (gradient, found, other):
            assert np.allclose(values, expected, rtol=1e-9, atol=1e-11), (name, sizes)


def small_sizes(of: Record) -> Iterator[dict[str, int]]:
    """The shapes in {1, 2}^3, all 3, and all different; a fourth axis has the size of the first, so they are equal."""
    axes = [axis.name for axis in of.program.axes]
    for shape in (*product((1, 2), repeat=min(3, len(axes))), (3, 3, 3), (3, 1, 2), (2, 3, 1)):
        yield dict(zip(axes, (*shape, *shape[:1]), strict=False))


@pytest.mark.parametrize("name", sampled(list(MATRICES)[::2], every=28))
def test_every_small_shape(name: str) -> None:
    f = to_numpy(record(name))
    for sizes in small_sizes(record(name)):
        assert_right(record(name), sizes, f, literal=set(sizes.values()) <= {1, 2})


@pytest.mark.parametrize("through_s", [False, True])
@pytest.mark.parametrize("name", sampled(SMALL, every=4))
def test_equal_factors_are_all_kept(name: str, through_s: bool) -> None:
    f = to_numpy(small(name, through_s))
    for sizes in (*small_sizes(small(name, through_s)), {"N": 4, "C": 2}):
        assert_right(small(name, through_s), sizes, f, literal=True)


def test_the_loss_shows_the_product_of_equal_sizes() -> None:
    assert str(explicit(record("softmax_mse"), {"N": 2, "D": 4, "C": 2}).loss).endswith("/4")
    assert str(explicit(record("softmax_mse"), {"N": 3, "D": 1, "C": 3}).loss).endswith("/9")


# --- functions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sampled(MATRICES, every=4))
def test_functions_agree_with_literal_evaluation(name: str) -> None:
    of, sizes = record(name), sizes_of(name)
    inputs = random_inputs(of.program, SIZES)
    loss, grads = explicit(of, sizes).lambdify()(*inputs.values())
    arrays = forward(of.program, inputs, SIZES)
    assert loss == pytest.approx(arrays["L"].real, rel=1e-12)
    for array, gradient in zip(of.wrt, grads, strict=True):
        expected = complex_step(of.program, array, arrays, SIZES)
        assert np.shape(gradient) == expected.shape
        assert np.allclose(gradient, expected, rtol=1e-10, atol=1e-12), array


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 800.0, 1e4])
def test_functions_stand_large_logits(name: str, scale: float) -> None:
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((2, 4)) * scale, rng.standard_normal((4, 3)), np.zeros(3), [2, 0]
    loss, grads = at_blog_size(name).lambdify()(*inputs)
    expected, expected_grads = to_numpy(record(name))(*inputs)
    assert loss == pytest.approx(expected, rel=1e-12)
    assert np.allclose(grads.W, expected_grads.W, rtol=1e-10, atol=1e-12)
    assert np.allclose(grads.b, expected_grads.b, rtol=1e-10, atol=1e-12)


def test_functions_keep_the_type_and_check_the_inputs() -> None:
    f = at_blog_size("softmax_cross_entropy").lambdify()
    x, w, b = np.ones((2, 4), np.float32), np.ones((4, 3), np.float32), np.zeros(3, np.float32)
    loss, grads = f(x, w, b, [2, 0])
    assert loss.dtype == grads.W.dtype == np.float32
    for wrong, message in [
        ((x, w.T, b, [2, 0]), r"W: expected shape \(D, C\) with D = 4, C = 3, got shape \(3, 4\)"),
        ((x, w, b, [2, 3]), r"Y: expected labels 0\.\.C-1 with C = 3, got 2\.\.3"),
        ((x, w * 1j, b, [2, 0]), "W: expected real numbers, got dtype complex64"),
        ((x, w, b, np.full((2, 3), 0.5)), r"each row of Y sums to one.*assume=\(\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            f(*wrong)
    with pytest.raises(TypeError, match=r"missing a required argument: 'Y': expected evaluate\(X, W, b, Y\)"):
        f(x, w, b)


@pytest.mark.parametrize("target", ["lambdify", "scalar"])
def test_functions_of_scalars_alone(target: str) -> None:
    @loss(shapes="a: scalar, c: scalar", wrt="a c")
    def product_of_numbers(a: Any, c: Any) -> Any:
        return np.exp(a) * c

    derivation = derive(product_of_numbers)
    if target == "lambdify":
        f = derivation.explicit().lambdify()
    else:
        f = compile_source(derivation.to_source(target="scalar", sizes={}), "product_of_numbers_gradient")
    for given in ((0.5, 2.0), (np.float32(0.5), 2)):
        value, grads = f(*given)
        assert value == pytest.approx(2 * math.exp(0.5)) and grads == pytest.approx((2 * math.exp(0.5), math.exp(0.5)))


def test_cost_grows_with_the_number_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the rows take twice the sums, where brute force takes four times as many."""
    made = []
    monkeypatch.setattr("symgrad.explicit.Add", lambda *terms: made.append(None) or sympy.Add(*terms))
    counts = []
    for rows in (4, 8, 16):
        made.clear()
        explicit(record("softmax_mse"), {"N": rows, "D": 4, "C": 3})
        counts.append(len(made))
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0]) > 0


def test_labels_stand_for_a_matrix_that_is_not_differentiated() -> None:
    @loss(shapes="X: N D, W: D C, Y: N C", wrt="W")
    def squares(X: Any, W: Any, Y: Any) -> Any:
        return np.mean((X @ W - Y) ** 2)

    at = derive(squares).explicit(N=2, D=1, C=3, y=[2, 0])
    assert at.inputs["Y"].tolist() == [[0, 0, 1], [1, 0, 0]]


# --- as printed -------------------------------------------------------------------------------------------------------


def text(loss: str, wrt: tuple[str, ...] = ("W", "b"), shape: tuple[int, int, int] = (2, 4, 3), **kwargs: str) -> str:
    return entries_to_text(derive(loss, wrt, **kwargs).explicit(**dict(zip("NDC", shape, strict=True))))


def line(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(start))


@pytest.mark.parametrize(
    ("shape", "count"), sampled([((2, 4, 2), 4), ((3, 1, 3), 9), ((2, 4, 3), 6), ((1, 1, 1), 1)], every=3)
)
def test_the_loss_is_divided_by_the_number_of_entries(shape: tuple[int, int, int], count: int) -> None:
    found = line(text("softmax_mse", shape=shape), "L = ")
    assert found.endswith(f"/{count}") if count > 1 else "/" not in found


def test_sums_are_named_once() -> None:
    page = text("softmax_mse")
    assert line(page, "t_2") == "t_2 = p_21 r_21 + p_22 r_22 + p_23 r_23"
    assert line(page, "∂L/∂w_42") == "∂L/∂w_42 = (x_14 p_12 (r_12 − t_1) + x_24 p_22 (r_22 − t_2))/3"
    assert "t_" not in text("softmax_cross_entropy")


@pytest.mark.parametrize("wrt", sampled(map(pytest.param, [("Z", "P"), ("X", "Y"), ("S",), ("P", "W")]), every=2))
def test_defined_arrays_have_entries(wrt: tuple[str, ...]) -> None:
    loss = "softmax_mse"
    at = derive(loss, wrt).explicit(N=2, D=4, C=3)
    page, latex = entries_to_text(at), entries_to_latex(at)
    for name in wrt:
        count = len(at.entries[name])
        assert page.count(f"∂L/∂{name.lower()}_") == count
        assert latex.count(rf"{{\partial {name.lower()}_{{") == count


def test_assumptions_that_were_used_are_named() -> None:
    page = text("softmax_cross_entropy")
    assert "Assuming [A1] each row of Y sums to one:\ny_11 + y_12 + y_13 = 1\ny_21 + y_22 + y_23 = 1\n" in page
    assert "Assuming" not in text("softmax_mse")
    latex = entries_to_latex(derived("softmax_cross_entropy").explicit(N=1, D=1, C=2))
    assert "Assuming [A1] each row of \\(Y\\) sums to one:\n\\[ y_{11} + y_{12} = 1 \\]" in latex


def test_labels_are_printed_as_numbers() -> None:
    page = entries_to_text(derived("softmax_cross_entropy").explicit(N=2, D=1, C=3, y=[2, 0]))
    assert "Y = [ 0  0  1 ]\n    [ 1  0  0 ]" in page
    assert line(page, "L = ") == "L = −(log p_13 + log p_21)/2"


@pytest.mark.slow
def test_print_stays_quick() -> None:
    with limited(60):  # it takes two
        text("softmax_mse", shape=(8, 8, 8))
