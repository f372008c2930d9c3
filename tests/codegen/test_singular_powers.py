"""Powers that are infinite at 0 beside factors that vanish there: which are kept finite, and which cancel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Expr, Integer, KroneckerDelta, Mul, Pow, Rational, Sum, exp, log, preorder_traversal, sqrt, tanh

import symgrad
from symgrad.array import softmax
from symgrad.codegen.plan.schedule import Assignment, written_out
from symgrad.codegen.plan.singular_powers import poles_cancelled, slopes_kept_finite
from symgrad.codegen.plan.stable_functions import log1p, logaddexp, nonzero, sigmoid
from symgrad.equations import in_domain, node, one_hot
from symgrad.notation import Array, Axis, array_names
from symgrad.program import Program

N, C = Axis("N"), Axis("C")
n, m, k = N.index("n"), N.index("m"), C.index("k")
NAMES = ("z", "w", "v", "y", "count", "share")
z, w, v, y, count, share, p, d, e = (Array(name, (N,))[n] for name in (*NAMES, "p", "d", "e"))
P, S, T, B, Q, R, J = (Array(name, (N,))[n] for name in "PSTBQRJ")
Z, Y = (Array(name, (N, C))[n, k] for name in "ZY")
c = Array("c", positive=True)[()]
L = Array("L")
HALF = Rational(1, 2)


def slope_of(base: Expr, loss: Expr | None = None, wrt: str = "z Z", slope: Expr | None = None) -> Expr:
    """The slope of a root in a loss, as it is computed."""
    arrays = [Array(name, (N,)) for name in NAMES]
    inputs = (*arrays, Array("Z", (N, C)), Array("Y", (N, C)), Array("c", positive=True))
    said = (
        in_domain(Array("count", (N,)), "count", "A1"),
        in_domain(Array("share", (N,)), "probability", "A2"),
        *one_hot(Array("Y", (N, C)), "A3"),
    )
    program = Program("p", (N, C), inputs, (node(L.base, Integer(1)),), "L", said)
    assignments = [
        Assignment(p, exp(z)),
        Assignment(S, Sum(exp(Z), k)),
        Assignment(P, p / S),
        Assignment(T, v * sigmoid(z)),
        Assignment(B, 2 * z + v),
        Assignment(Q, sigmoid(z) / T),
        Assignment(R, sigmoid(z) / w),
        Assignment(J, 1 / p),
        Assignment(L[()], Sum(sqrt(base), n) + (loss or 0), is_output=True),
        Assignment(d, base**-HALF * 3 if slope is None else slope, is_output=True),
    ]
    weights = {"count", "share", "Y"}
    *before, last = slopes_kept_finite(assignments, program, set(wrt.split()), weights)
    assert before == assignments[:-1] and last.name == "d" and last.is_output
    return last.rhs


SMALL: dict[str, Expr] = {
    "a sum of exponentials": exp(z) + exp(2 * z),
    "a sigmoid": sigmoid(z),
    "one less a sigmoid": 1 - sigmoid(z),
    "an array that is one": p,
    "squares": p**2 + p**4,
    "a softplus": logaddexp(0, z),
    "a logarithm of one more": log1p(p),
    "a sum": exp(z) + exp(-z) + p,
    "a sum over an axis": Sum(exp(Z), k),
    "positive multiples": 2 * p + 3 * p**2,
    "a multiple by a positive scalar": c * exp(z) + p,
    "a share": P,
    "an array that is one beside an input": T,
    "of what is named": sigmoid(B),
    "beside an input": v * sigmoid(z),
    "beside one less an input": (1 - v) * sigmoid(z),
    "beside a weight in a sum": Sum(Y * exp(Z), k),
    "beside one less a weight in a sum": Sum((1 - Y) * exp(Z), k),
    "beside weights in a sum of terms": share * exp(z) + (1 - share) * exp(-z),
    "beside a count": count * exp(z) + exp(-z),
    "off the diagonal": Sum((1 - KroneckerDelta(n, m)) * exp(Array("z", (N,))[m]), m),
    "on the diagonal": Sum(KroneckerDelta(n, m) * exp(Array("z", (N,))[m]), m),
}


@pytest.mark.parametrize("name", SMALL)
def test_slopes_are_kept_finite_where_the_base_may_be_rounded_to_0(name: str) -> None:
    base = SMALL[name]
    assert slope_of(base) == 3 * nonzero(base) ** -HALF


OTHERS: dict[str, Expr] = {
    "what is differentiated": z,
    "an input": w,
    "a square of what is differentiated": z**2,
    "what is differentiated beside a sigmoid": z * sigmoid(v),
    "one more": 1 + p,
    "a square of an input beside a small one": w**2 + p,
    "another function": tanh(p),
    "an inverse": J,
    "divided by an input": R,
    "a term that is named": T + p,
    "the square of a term that is named": T**2 + p,
    "a logarithm of a term that is named": log1p(T) + p,
    "a product with a term that is named": T * sigmoid(z) + p,
    "a quotient by a term that is named": Q + p,
    "a difference": exp(z) - exp(-z),
    "a negative multiple": -p,
    "another logarithm": logaddexp(1, z),
    "a logarithm of one more than an input": log1p(w),
    "beside an input of any sign in a sum": Sum(Array("v", (N,))[m] * exp(Array("z", (N,))[m]), m),
    "beside one less an input of any sign in a sum": (1 - v) * exp(z) + exp(-z),
    "beside one less a count": (1 - count) * exp(z) + exp(-z),
    "what a logarithm makes of it": exp(2 * log(z) + v),
    "what a logarithm in a sigmoid makes of it": sigmoid(log(z)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_slopes_stay(name: str) -> None:
    base = OTHERS[name]
    assert slope_of(base) == 3 * base**-HALF


def test_slopes_stay_where_the_loss_is_infinite_too() -> None:
    assert slope_of(p, 1 / p) == 3 * p**-HALF and slope_of(p, Sum(1 / (1 + p), n)) == 3 * p**-HALF
    assert slope_of(p, 1 / v) == 3 * nonzero(p) ** -HALF
    product = v * sigmoid(z)
    assert slope_of(product, 1 / w) == 3 * nonzero(product) ** -HALF
    assert slope_of(product, 1 / v) == 3 * product**-HALF


def test_what_is_differentiated_is_not_beside_an_exponential_that_vanishes() -> None:
    assert slope_of(w * sigmoid(z), wrt="z") == 3 * nonzero(w * sigmoid(z)) ** -HALF
    assert slope_of(w * sigmoid(z), wrt="w z") == 3 * (w * sigmoid(z)) ** -HALF
    small = c * sigmoid(z) + p
    assert slope_of(small) == 3 * nonzero(small) ** -HALF and slope_of(small, wrt="c z") == 3 * small**-HALF
    assert slope_of(p, wrt="w") == 3 * nonzero(p) ** -HALF


@pytest.mark.parametrize("slope", [p ** Rational(1, 2), p**-2, p ** Rational(-1, 3), exp(p), v * p])
def test_powers_that_are_no_slopes_stay(slope: Expr) -> None:
    assert slope_of(p, slope=slope) == slope


def test_powers_that_vanish_at_0_stay() -> None:
    assert slope_of(p, Sum(p ** Rational(3, 2), n), slope=sqrt(p)) == sqrt(p)


def test_equations_of_the_loss_stay_and_those_of_gradients_alone_do_not() -> None:
    program = Program("p", (N, C), (Array("z", (N,)),), (node(L.base, Integer(1)),), "L")
    divided, adjoint = Assignment(w, v * sqrt(p) + y**-HALF), Assignment(e, p**-HALF)
    loss = Assignment(L[()], Sum(w, n), is_output=True)
    equations = [
        Assignment(p, exp(z)),
        Assignment(y, sigmoid(z)),
        divided,
        loss,
        adjoint,
        Assignment(d, 3 * e, is_output=True),
    ]
    found = slopes_kept_finite(equations, program, {"z"}, set())
    assert found[:4] == equations[:4] and found[4].rhs == nonzero(p) ** -HALF and found[5] == equations[5]
    q = Array("gamma")[()]
    both = [Assignment(p, exp(z)), Assignment(L[()], Sum(p**q + p ** (q - 1), n), is_output=True)]
    assert slopes_kept_finite(both, program, {"z"}, set()) == both


def test_slopes_within_other_expressions() -> None:
    made = slope_of(p, slope=v * exp(w * p**-HALF) + Sum(Array("p", (N,))[m] ** -HALF, m))
    assert not [x for x in preorder_traversal(made) if isinstance(x, Pow) and isinstance(x.base, type(p))]
    q = Array("gamma")[()]
    assert slope_of(p, Sum(p**q, n), slope=p ** (q - 1)) == nonzero(p) ** (q - 1)


def test_positive_weights_leave_a_rounded_share_without_a_slope() -> None:
    def power(w: Any, Z: Any, Y: Any) -> Any:
        return np.sum(np.sum(w * Y * softmax(Z, axis=1), axis=1) ** 0.7)

    loss = symgrad.loss(shapes="w: C positive, Z: N C, Y: N C one-hot", wrt="Z")(power)
    _, (dZ,) = symgrad.derive(loss).to_numpy()(np.ones(2), np.array([[0.0, 2000.0]]), np.array([[1.0, 0.0]]))
    assert dZ.tolist() == [[0, 0]]


# --- poles that cancel ---------------------------------------------------------------------------------------------


def cancelled(*assignments: Assignment, taken: str = "") -> dict[str, Expr]:
    """The right sides by name; the values are those of before."""
    found = poles_cancelled(assignments, set(taken.split()))
    assert [a.name for a in found if a.is_output] == [a.name for a in assignments if a.is_output]
    return {a.name: a.rhs for a in found}


def test_a_pole_cancels_against_the_factor_beside_it() -> None:
    gradient, user = Assignment(d, -y / p), Assignment(e, p * (d - w), is_output=True)
    assert cancelled(gradient, user) == {"d_p": -y, "e": Array("d_p", (N,))[n] - p * w}
    assert cancelled(gradient, Assignment(e, p * d, is_output=True)) == {"d_p": -y, "e": Array("d_p", (N,))[n]}
    assert list(cancelled(gradient, user, taken="d_p")) == ["d_p_", "e"]
    taken = {"p"}
    poles_cancelled([gradient, user], taken)
    assert taken == {"p", "d_p"}


def test_one_less_an_entry_is_a_pole_too() -> None:
    gradient, user = Assignment(d, y / (1 - p)), Assignment(e, (1 - p) * d * v, is_output=True)
    assert cancelled(gradient, user) == {"d_p": y, "e": v * Array("d_p", (N,))[n]}


def test_several_poles_cancel_one_after_the_other() -> None:
    gradient, user = Assignment(d, y / (1 - p) - v / p), Assignment(e, p * (1 - p) * d, is_output=True)
    found = cancelled(gradient, user)
    (name, rhs), last = next(iter(found.items())), found["e"]
    assert not rhs.has(Pow) and last == Array(name, (N,))[n]
    assert (rhs - (y * p - v * (1 - p))).expand() == 0


def test_powers_less_than_one_cancel() -> None:
    q = Array("q", positive=True)[()]
    gradient, user = Assignment(d, q * p ** (q - 1)), Assignment(e, p * d, is_output=True)
    assert cancelled(gradient, user) == {"d_p": q * p**q, "e": Array("d_p", (N,))[n]}


def test_powers_of_different_arrays_stay_apart() -> None:
    one, other, q = (Array(name, (N,), positive=True)[n] for name in "abq")
    gradient, user = Assignment(d, one ** (q - 1) * other**q), Assignment(e, one * d, is_output=True)
    assert cancelled(gradient, user)["d_a"] == Mul(one**q, other**q)


STAYS: dict[str, tuple[Assignment, ...]] = {
    "no factor in a user": (Assignment(d, y / p), Assignment(e, d * w, is_output=True)),
    "a factor in one user of two": (
        Assignment(d, y / p),
        Assignment(v, d + w),
        Assignment(e, p * d + v, is_output=True),
    ),
    "no users": (Assignment(d, y / p, is_output=True),),
    "a pole of other rows": (Assignment(d, y / Array("p", (N,))[m]), Assignment(e, Sum(d * p, n), is_output=True)),
    "a pole at other rows too": (
        Assignment(d, y / p + Sum(1 / Array("p", (N,))[m], m)),
        Assignment(e, p * d, is_output=True),
    ),
    "a square": (Assignment(d, y / p**2), Assignment(e, p * d, is_output=True)),
    "no entry": (Assignment(d, y / (2 - p)), Assignment(e, (2 - p) * d, is_output=True)),
    "no pole": (Assignment(d, y * p), Assignment(e, p * d, is_output=True)),
    "an output": (Assignment(d, y / p, is_output=True), Assignment(e, p * d, is_output=True)),
}


@pytest.mark.parametrize("name", STAYS)
def test_poles_that_stay(name: str) -> None:
    assert poles_cancelled(STAYS[name], set()) == list(STAYS[name])


def test_equations_keep_their_places() -> None:
    before, after = Assignment(w, y * (share / y + 1)), Assignment(v, w**2)
    found = poles_cancelled([before, Assignment(d, y / p), after, Assignment(e, p * d + v, is_output=True)], set())
    assert [a.name for a in found] == ["w", "d_p", "v", "e"] and found[0] == before and found[2] == after
    assert written_out(found[3].rhs, {"d_p": found[1]}) == y + v and "p" not in array_names(found[1].rhs)
