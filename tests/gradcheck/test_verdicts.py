"""``check_grad`` passes right gradients, names the worst entry of wrong ones, and never passes an unknown entry."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from catalogue import derived
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import symgrad
import symgrad.gradcheck
from symgrad import InputError, check_grad
from symgrad.gradcheck.slopes import Point
from symgrad.gradcheck.verdicts import Verdict

Array = Any
RNG = np.random.default_rng(5)


# --- random functions whose gradients are known -------------------------------------------------------------------

# Each is sum_i w_i g(a_i x_i): g and its derivative; the code of some drops the imaginary part.
PARTS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "square by abs": (lambda x: np.abs(x) ** 2, lambda x: 2 * x),
    "half by abs": (lambda x: x * np.abs(x), lambda x: 2 * np.abs(x)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "log1p of a square": (lambda x: np.log1p((x * x.conj()).real), lambda x: 2 * x / (1 + x * x)),
}
NUMBERS = st.floats(0.05, 4) | st.floats(-4, -0.05)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Callable[..., Any], Callable[..., Any], Array]:
    size = draw(st.integers(1, 6))
    rows = st.lists(NUMBERS, min_size=size, max_size=size).map(np.array)
    x, w, a = draw(rows), draw(rows), draw(rows)
    names = draw(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=3))

    def f(x: Array) -> Any:
        return sum(np.sum(w * PARTS[name][0](a * x)) for name in names)

    def grad(x: Array) -> Array:
        return sum(w * a * PARTS[name][1](a * x) for name in names)

    return f, grad, x


@settings(max_examples=60, deadline=None)
@given(problems())
def test_right_gradients_are_right_within_the_bound(problem: Any) -> None:
    f, grad, x = problem
    report = check_grad(f, grad, x)
    assert report.verdict is not Verdict.WRONG, report
    largest = np.max(np.abs(grad(x)))
    if largest > 0.1 * abs(f(x)):  # a slope that is far less than the value is known less well
        assert all(entry.slope.bound < 1e-6 * largest for entry in report.gradients[0].seen), report
    for entry in report.gradients[0].seen:
        truth = grad(x)[entry.index]
        assert abs(entry.slope.found - truth) <= entry.slope.bound + 1e-14 * largest


@settings(max_examples=60, deadline=None)
@given(problems(), st.data())
def test_wrong_entries_are_found_and_the_worst_is_named(problem: Any, data: st.DataObject) -> None:
    f, grad, x = problem
    assume(np.max(np.abs(grad(x))) > 0.1 * abs(f(x)))
    worst = data.draw(st.integers(0, x.size - 1))
    error = data.draw(st.sampled_from([1e-5, 1e-2, 10.0])) * np.max(np.abs(grad(x)))

    def wrong(x: Array) -> Array:
        found = grad(x)
        found += 0.1 * error * (np.arange(x.size) != worst)
        found[worst] -= error
        return found

    report = check_grad(f, wrong, x)
    assert not report and report.verdict is Verdict.WRONG
    entry = report.worst
    assert entry is not None and entry.index == (worst,) and entry.verdict is Verdict.WRONG
    assert report.gradients[0].count(Verdict.WRONG) == x.size
    assert f"x[{worst}]: given" in repr(report)


# --- what code does that a complex step does not survive ----------------------------------------------------------


def leaky(x: Array) -> Any:
    return np.sum(np.maximum(x, 0.1 * x) ** 2)


UNSAFE: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (lambda x: np.sum(np.abs(x)), np.sign),
    (lambda x: np.linalg.norm(x), lambda x: x / np.linalg.norm(x)),
    (lambda x: np.sum(x) + np.max(np.abs(x)), lambda x: 1 + np.sign(x) * (np.abs(x) == np.max(np.abs(x)))),
    (lambda x: np.vdot(x, x), lambda x: 2 * x),
    (lambda x: sum(math.exp(v) for v in x), np.exp),
    (lambda x: np.sum(np.array(x, dtype=float) ** 2), lambda x: 2 * x),
    (lambda x: np.sum(x**2) + np.sum(x.real**2), lambda x: 4 * x),
    (lambda x: float(np.real(np.sum(x**2))), lambda x: 2 * x),
    (lambda x: np.sum(np.sqrt(x**2 + 1)) if x.dtype == float else 1j * np.sum(x), lambda x: x / np.sqrt(x**2 + 1)),
    (lambda x: np.sum(x**2) + 1e-6 * np.sum(np.abs(x)), lambda x: 2 * x + 1e-6 * np.sign(x)),
]


@pytest.mark.parametrize(("f", "grad"), UNSAFE)
def test_differences_take_over_where_the_imaginary_part_is_lost(f: Any, grad: Any) -> None:
    x = np.array([1.5, -0.7, 0.3, -2.0])
    report = check_grad(f, grad, x)
    assert report.ok, report
    assert {entry.method for entry in report.gradients[0].seen} == {"differences"}


def test_a_mistake_that_the_complex_step_makes_too_is_found() -> None:
    x = np.array([1.5, -0.7, 0.3])
    assert check_grad(lambda x: np.sum(x * np.abs(x)), np.abs, x).verdict is Verdict.WRONG
    forgotten = check_grad(lambda x: np.sum(x**2) + 1e-6 * np.sum(np.abs(x)), lambda x: 2 * x, x)
    assert forgotten.verdict is Verdict.WRONG
    assert check_grad(leaky, lambda x: 2 * x * np.where(x > 0, 1, 0.01), x).ok


# --- kinks, noise, precision --------------------------------------------------------------------------------------


def test_at_a_kink_both_slopes_are_told_and_nothing_is_passed() -> None:
    x = np.array([1.0, 0.0, -3.0])
    report = check_grad(lambda x: np.sum(np.maximum(x, 0.25 * x)), lambda x: np.where(x > 0, 1.0, 0.25), x)
    assert report.verdict is Verdict.UNDECIDED and not report
    assert report.gradients[0].count(Verdict.RIGHT) == 2
    assert repr(report).endswith(
        "x[1]: given 0.25, found 0.625 +- 0.4 (differences), 0.25 to the left and 1 to the right"
    )


@pytest.mark.parametrize("outside", [-0.2, 1.2])
def test_at_a_kink_what_lies_outside_of_the_slopes_is_wrong(outside: float) -> None:
    report = check_grad(lambda x: max(x, 0.0), lambda x: outside, 0.0)
    assert report.verdict is Verdict.WRONG


@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-5, 1e-7])
def test_near_a_kink_the_slope_of_the_own_side_is_found(distance: float) -> None:
    at = 1 + distance

    def f(x: float) -> float:
        return abs(x - 1.0) + x * x

    assert check_grad(f, lambda x: 1 + 2 * x, at, tolerance=1e-6).ok
    assert check_grad(f, lambda x: 2 * x - 1, at, tolerance=1e-6).verdict is Verdict.WRONG
    assert check_grad(f, lambda x: 2 * x, at, tolerance=1e-6).verdict is Verdict.WRONG


def test_a_kink_too_near_to_see_is_undecided() -> None:
    assert check_grad(lambda x: abs(x - 1.0), lambda x: 1.0, 1 + 1e-14).verdict is Verdict.UNDECIDED


def in_float32(x: Array) -> Any:
    return np.sum(np.exp(np.asarray(x, np.float32) * np.float32(0.5)))


@pytest.mark.parametrize("last", [float, np.float32])
def test_the_bound_knows_of_float32_within_the_function(last: Callable[[Any], Any]) -> None:
    x = RNG.normal(size=4)
    report = check_grad(lambda x: last(in_float32(x)), lambda x: 0.5 * np.exp(x / 2), x)
    assert report.verdict is Verdict.UNDECIDED  # not 8 digits can be confirmed
    for entry in report.gradients[0].seen:
        assert 1e-7 < entry.slope.bound < 1e-3
        assert entry.error <= entry.slope.bound
    narrow = x.astype(np.float32)
    right = check_grad(lambda x: last(in_float32(x)), lambda x: np.float32(0.5) * np.exp(x / 2), narrow)
    assert right.ok, right
    assert check_grad(in_float32, lambda x: np.float32(0.51) * np.exp(x / 2), narrow).verdict is Verdict.WRONG


def test_a_gradient_in_float32_is_held_to_float32() -> None:
    x = RNG.normal(size=(3, 2)).astype(np.float32)
    assert check_grad(lambda x: np.sum(np.sin(x)), np.cos, x).ok
    report = check_grad(lambda x: np.sum(np.sin(x)), np.cos, x, tolerance=1e-12)
    assert report.verdict is Verdict.WRONG


def test_the_bound_knows_of_a_result_in_float16() -> None:
    x = np.array([0.3, 1.3, 2.3])
    report = check_grad(lambda x: np.float16(np.sum(np.round(x, 3) ** 2)), lambda x: 2 * x, x)
    assert report.verdict is Verdict.UNDECIDED
    assert all(entry.error <= entry.slope.bound for entry in report.gradients[0].seen)


def test_noise_is_undecided_and_told() -> None:
    noise = np.random.default_rng(0)
    report = check_grad(lambda x: x + 1e-5 * noise.normal(), lambda x: 1.0, 0.5)
    assert not report
    assert report.gradients[0].count(Verdict.UNDECIDED) == 1
    assert report.verdict is Verdict.UNDECIDED and not report.problems
    assert report.doubts[0].startswith("f has two values at the same inputs, 0.5")


@pytest.mark.parametrize("frequency", [1.0, 1e3, 1e6])
def test_fast_functions_are_never_accused(frequency: float) -> None:
    for at in RNG.uniform(-1, 1, 20):
        report = check_grad(lambda x: math.sin(frequency * x), lambda x: frequency * math.cos(frequency * x), float(at))
        assert report.verdict is not Verdict.WRONG, report


@pytest.mark.parametrize("at", [1e-12, 1e-8, 1e-4, 1.0, 1e4, 1e8])
@pytest.mark.parametrize("real", [math.log, np.log])
def test_numbers_of_any_size(at: float, real: Callable[[Any], Any]) -> None:
    assert check_grad(real, lambda x: 1 / x, at).verdict is not Verdict.WRONG
    assert check_grad(real, lambda x: 1.1 / x, at).verdict is Verdict.WRONG


def test_where_a_function_ends_nothing_is_found() -> None:
    report = check_grad(lambda x: math.sqrt(x), lambda x: 0.0, 0.0)
    assert report.verdict is Verdict.UNDECIDED
    assert "nothing found: the function is not finite nearby" in repr(report)


def test_a_slope_far_below_the_largest_may_round() -> None:
    def f(Z: Array) -> Any:
        return np.sum(np.exp(Z) / np.sum(np.exp(Z)))  # 1, whatever Z

    assert check_grad(f, lambda Z: 1e-17 * Z, RNG.normal(size=5)).ok
    assert check_grad(f, lambda Z: 1e-9 * Z, RNG.normal(size=5)).verdict is Verdict.WRONG


# --- inputs, and what grad returns --------------------------------------------------------------------------------


def linear(X: Array, w: Array, y: Array, c: float) -> Any:
    return c * np.mean((X @ w - y) ** 2)


def gradients(X: Array, w: Array, y: Array, c: float) -> tuple[Array, Array, float]:
    r = X @ w - y
    return 2 * c * np.outer(r, w) / len(y), 2 * c * X.T @ r / len(y), float(np.mean(r**2))


INPUTS = (RNG.normal(size=(5, 3)), RNG.normal(size=3), np.array([0, 1, 2, 1, 0]), 0.7)


def test_every_floating_input_is_differentiated_by_and_named() -> None:
    report = check_grad(linear, gradients, *INPUTS)
    assert report.ok, report
    assert [(g.name, g.entries) for g in report.gradients] == [("X", 15), ("w", 3), ("c", 1)]
    assert repr(report).startswith("gradient right, 19 entries\n  X: 15 right\n    X[")
    assert check_grad(lambda *a: linear(*a), gradients, *INPUTS).gradients[1].name == "input 1"


def test_wrt_chooses() -> None:
    assert check_grad(linear, lambda *a: gradients(*a)[1], *INPUTS, wrt=[1]).ok
    assert check_grad(linear, lambda *a: gradients(*a)[::-2], *INPUTS, wrt=(3, 0)).ok
    X, w, y, c = INPUTS
    by_labels = check_grad(linear, lambda X, w, y, c: -2 * c * (X @ w - y) / len(y), *INPUTS, wrt=[2])
    assert by_labels.ok  # integer inputs are differentiated if ``wrt`` names them
    assert check_grad(linear, lambda *a: gradients(*a)[1] * 1.01, X, w, y, c, wrt=[1]).verdict is Verdict.WRONG


def test_generated_functions_are_taken_as_they_are() -> None:
    derivation = derived("softmax_cross_entropy")
    f = derivation.to_numpy()
    X, W, b, y = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=2), np.array([0, 1, 1, 0])
    assert check_grad(lambda *a: f(*a)[0], lambda *a: (f(*a)[0], f(*a)[1][:2]), X, W, b, y, wrt=[1, 2]).ok
    assert check_grad(lambda *a: f(*a)[0], lambda *a: (f(*a)[0], f(*a)[1].W), X, W, b, y, wrt=[1]).ok
    report = check_grad(lambda *a: f(*a)[0], lambda *a: (f(*a)[0] + 0.5, f(*a)[1]), X, W, b, y, wrt=[1, 2])
    assert not report and report.problems[0].startswith("grad returns the value ")


@pytest.mark.parametrize(
    ("grad", "wrt", "expected"),
    [
        (lambda X, w, y, c: w, None, "grad returns 1 gradients, expected 3, with respect to X, w, c; wrt="),
        (lambda X, w, y, c: (X, w), [1], "grad returns 2 gradients, expected 1, with respect to w; wrt="),
        (gradients, [1, 4, 0], "wrt: expected positions of inputs, 0 to 3, not 4"),
        (gradients, ["w"], "wrt: expected positions of inputs, 0 to 3, not 'w'"),
        (gradients, (), "no input to differentiate with respect to"),
        (gradients, 0, "wrt: expected positions of inputs, such as [0], not 0"),
        (gradients, "w", "wrt: expected positions of inputs, such as [0], not 'w'"),
        (None, None, "grad: expected a function, not None"),
    ],
)
def test_what_does_not_fit_is_said(grad: Any, wrt: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        check_grad(linear, grad, *INPUTS, wrt=wrt)
    assert str(error.value).startswith(expected) and "\n" not in str(error.value)


def test_what_is_no_number_is_said() -> None:
    x = np.arange(3.0)
    with pytest.raises(InputError, match=r"^f returns an array of shape \(3,\): expected a number$"):
        check_grad(lambda x: x, lambda x: x, x)
    with pytest.raises(InputError, match=r"^f returns a str: expected a number$"):
        check_grad(lambda x: "1", lambda x: x, x)
    with pytest.raises(InputError, match=r"^f returns a complex number: expected a real one$"):
        check_grad(lambda x: np.sum(x) * 1j, lambda x: x, x)
    with pytest.raises(InputError, match=r"^wrt: the input at 0 is not an array of real numbers$"):
        check_grad(lambda x: 1.0, lambda x: x, "x", wrt=[0])
    with pytest.raises(InputError, match=r"^no input to differentiate with respect to"):
        check_grad(lambda x: 1.0, lambda x: x, np.arange(3))
    for tolerance in (0, -1.0, "a"):
        with pytest.raises(InputError, match=rf"^tolerance: expected a number above 0, not {tolerance!r}$"):
            check_grad(np.sum, np.ones_like, x, tolerance=tolerance)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^f: expected a function, not 3$"):
        check_grad(3, np.ones_like, x)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        check_grad(lambda x: 1 / 0, lambda x: x, x)


@pytest.mark.parametrize(
    ("gradient", "problem"),
    [
        (np.ones((3, 1)), "the gradient with respect to x has the shape (3, 1), expected (3,)"),
        (np.ones(()), "the gradient with respect to x has the shape (), expected (3,)"),
        (np.ones(3) * 1j, "the gradient with respect to x is not an array of real numbers"),
        (None, "the gradient with respect to x is not an array of real numbers"),
    ],
)
def test_gradients_that_do_not_fit_are_problems(gradient: Any, problem: str) -> None:
    report = check_grad(lambda x: np.sum(x), lambda x: gradient, np.arange(3.0))
    assert not report and report.problems == (problem,)
    assert repr(report) == f"gradient wrong, 0 entries\n  {problem}"


def test_changes_in_place_are_found_and_reach_no_input() -> None:
    x = np.arange(4.0)

    def changes(x: Array) -> Array:
        x *= 2
        return x

    assert check_grad(lambda x: np.sum(x**2), changes, x).problems == ("grad changes its inputs in place",)
    report = check_grad(lambda x: np.sum(changes(x)), lambda x: np.full(4, 2.0), x)
    assert report.doubts == ("f changes its inputs in place",) and report.verdict is Verdict.UNDECIDED
    assert report.gradients[0].count(Verdict.RIGHT) == 4
    assert np.array_equal(x, np.arange(4.0))


def test_numbers_arrays_without_axes_and_empty_ones() -> None:
    assert check_grad(lambda t: t**3, lambda t: 3 * t**2, 2.0).ok
    assert check_grad(lambda t: t**3, lambda t: 3 * t**2, np.float32(2.0)).ok
    assert check_grad(lambda t: t**3, lambda t: 3 * t**2, np.array(2.0)).ok
    assert repr(check_grad(lambda t: t**3, lambda t: 3 * t, 2.0)).splitlines()[:2] == [
        "gradient wrong, 1 entry",
        "  t: 1 wrong",
    ]
    empty = check_grad(lambda x, t: np.sum(x) + t, lambda x, t: (x, 1.0), np.zeros((0, 3)), 1.0)
    assert empty.ok and [g.entries for g in empty.gradients] == [0, 1]
    assert not check_grad(lambda x: np.sum(x), lambda x: x.T, np.zeros((0, 3)))


def test_strides_do_not_matter() -> None:
    x = RNG.normal(size=(4, 6))[::2, ::-3].T
    weights = np.arange(4.0).reshape(2, 2)
    assert check_grad(lambda x: np.sum(weights * x**2), lambda x: 2 * weights * x, x).ok
    report = check_grad(lambda x: np.sum(weights * x**2), lambda x: (2 * weights * x).T, x)
    assert report.gradients[0].count(Verdict.WRONG) == 2  # the entries off the diagonal


def test_what_is_not_finite_is_no_right_gradient() -> None:
    x = np.array([1.0, 0.0, 2.0])
    report = check_grad(lambda x: np.sum(x**2), lambda x: np.where(x == 0, np.nan, 2 * x), x)
    assert report.worst is not None and report.worst.index == (1,) and report.verdict is Verdict.WRONG
    assert "x[1]: given nan, found 0 +- " in repr(report)
    with np.errstate(divide="ignore"):
        endless = check_grad(lambda x: np.sum(np.log(x)), lambda x: 1 / x, x)
    assert endless.doubts == ("f is -inf at these inputs",) and endless.verdict is Verdict.UNDECIDED


# --- large ones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [lambda x: x * x, lambda x: np.abs(x) ** 2])
def test_of_large_inputs_some_entries_are_looked_at_and_the_others_together(part: Callable[[Array], Array]) -> None:
    x = RNG.normal(size=(50, 40))
    report = check_grad(lambda x: np.sum(part(x)), lambda x: 2 * x, x)
    assert report.ok, report
    assert "x: 100 right, the 1900 others right together\n" in repr(report)

    def wrong(x: Array) -> Array:
        found = 2 * x
        found[31, 7] += 0.01
        return found

    report = check_grad(lambda x: np.sum(part(x)), wrong, x)
    assert report.worst is not None and report.worst.index == (31, 7), report
    assert report.gradients[0].count(Verdict.WRONG) == 1
    assert "x: 1 wrong, 100 right, 1899 not looked at one by one\n" in repr(report)


def test_the_documentation_says_what_happens() -> None:
    assert doctest.testmod(symgrad.gradcheck, extraglobs={"np": np}).failed == 0


def test_a_complex_step_without_an_error_has_the_bound_of_rounding() -> None:
    point = Point(lambda x: 3.0 * np.sum(x), [np.ones(2)], [0])
    slope = point.complex_step(0, np.array([1.0, 0.0]), np.random.default_rng(1))
    assert slope.found == 3 and 0 < slope.bound < 1e-13


def test_numbers_are_shown_with_the_digits_that_tell_them_apart() -> None:
    def said(factor: float) -> str:
        return repr(check_grad(lambda x: np.sum(x / 7), lambda x: np.full_like(x, factor / 7), np.ones(2)))

    assert "given 0.285714, found 0.142857 +-" in said(2) and "given 0.142857286, found 0.142857143 +-" in said(
        1 + 1e-6
    )
