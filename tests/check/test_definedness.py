"""What a program's own equations say of the divisors, the roots and the partial functions of its lines."""

from __future__ import annotations

import pytest
from sympy import Expr, KroneckerDelta, Piecewise, Rational, S, Sum, acos, asin, atanh, exp, log, sinh, sqrt, tan

from symgrad.check.definedness import Divisors, unclear_choice
from symgrad.equations import abbreviation, node
from symgrad.functions import absolute, relu, root, step, where
from symgrad.notation import Array, Axis
from symgrad.program import Program

N = Axis("N")
n, m = N.index("n"), N.index("m")
U, V, Z, F, L = Array("u", (N,)), Array("v", (N,)), Array("z", (N,)), Array("f", (N,)), Array("L")
u, v, z = U[n], V[n], Z[n]


def unknown(of: Expr, line: Expr) -> str | None:
    """What is said of a line where the program has ``of`` in one equation and is total in those around it."""
    equations = (node(F[n], of), node(L[()], Sum(F[n] ** 2 + tan(z), n)))
    return Divisors(Program("one", (N,), (U, V, Z), equations, "L")).unknown(line, ())


KNOWN = {
    "a function of an equation": (tan(u), tan(u)),
    "the same in another letter": (tan(u), tan(U[m])),
    "a function of another equation": (atanh(u), tan(z)),
    "the argument of an odd power": (log(u**3), sqrt(u)),
    "an odd power of an argument": (log(u), log(u**3)),
    "a root of what may vanish": (u, sqrt(u**2 + v**2)),
    "a power with an exponent of its own": ((u**2 + v**2 + 1) ** z, (u**2 + v**2 + 1) ** z),
}

BASE = u**2 + v**2
KNOWN |= {
    "a divisor under a root": (BASE ** Rational(-3, 2), 1 / BASE),
    "a root of a sum of squares": (sqrt(BASE), 1 / BASE),
    "a lower root": (BASE ** Rational(1, 3), log(BASE)),
    "a root within a root": (sqrt(1 + sqrt(BASE)), 1 / BASE),
    "a root of an entry": (u ** Rational(3, 4), 1 / u),
    "a root of what has one square": (sqrt(u**4 + v**2), 1 / (u**4 + v**2)),
    "a root of a norm of deviations": (sqrt(Sum((V[m] - u) ** 2, m)), 1 / Sum((V[m] - u) ** 2, m)),
    "a root with what is not negative": (BASE ** Rational(3, 2), sqrt(BASE)),
    "a root of an entry that is never negative": (u ** Rational(3, 2), sqrt(u)),
}
KNOWN |= {
    "a root of a smooth function": (sqrt(sinh(u) ** 2 + v**2), 1 / (sinh(u) ** 2 + v**2)),
    "a root of an absolute value": (sqrt(absolute(u)), 1 / absolute(u)),
    "the logarithm of what may vanish": (log(relu(u)), 1 / relu(u)),
}

KNOWN |= {
    "a root that does not vanish, and a square": (1 / BASE, log(v**2 + sqrt(BASE))),
    "a difference of two entries": (Sum(1 / (u - U[m]), m), 1 / (u - U[m])),
    "the same, turned": (Sum(1 / (u - U[m]), m), 1 / (U[m] - u)),
}

TOTAL = Sum(V[m], m)
above, other, free = (step(w, S.Zero) for w in (u, z, U[m]))
KNOWN |= {
    "what an arcsine is differentiated by": (asin(u), 1 / (1 - u**2)),
    "what an arccosine is differentiated by": (acos(u), 1 / sqrt(1 - u**2)),
    "the root of a norm": (root(BASE), root(BASE)),
    "what is positive for all values": (u, log(1 + u**2) / (exp(u) + 1)),
    "a branch": (where(above, 1 / v, 0), where(above, 1 / v, z)),
    "a branch in other letters": (where(above, 1 / v, 0), where(free, 1 / V[m], z)),
    "a branch with no letter of its condition": (where(above, 1 / TOTAL, 0), where(above, 1 / TOTAL, 0)),
    "the other branch": (where(above, z, log(v)), where(above, 0, 1 / v)),
    "the other branch, turned": (where(above, z, log(v)), where(step(-u, S.One), 1 / v, 0)),
    "a branch under more conditions": (where(above, tan(v), 0), where(above * other, tan(v), 0)),
    "a branch in a branch": (where(above, where(other, 1 / v, 0), 1), where(other, where(above, 1 / v, 2), 0)),
    "outside of the branch": (1 / v, where(above, 1 / v, 0)),
    "a divisor that is a choice": (u, 1 / where(above, 2 * exp(z), exp(v))),
    "a divisor that is a choice of what is known": (v / u, 1 / where(other, u, 1)),
    "a logarithm of a choice": (log(u), log(where(other, u, exp(v)))),
    "a condition of what is divided by": (where(step(1 / v, S.Zero), u, 0), 1 / v),
}

UNKNOWN = {
    "outside of a branch": (where(above, 1 / v, 0), 1 / v, "v[n] is not zero"),
    "the wrong branch": (where(above, 1 / v, 0), where(above, 0, 1 / v), "v[n] is not zero"),
    "a branch under another condition": (where(above, 1 / v, 0), where(other, 1 / v, 0), "v[n] is not zero"),
    "a branch under a looser condition": (where(above, 1 / v, 0), where(step(u, S.One), 1 / v, 0), "is not zero"),
    "a branch under another entry": (where(above, log(v), 0), where(free, log(v), 0), "v[n] is positive"),
    "a branch under fewer conditions": (where(above * other, 1 / v, 0), where(above, 1 / v, 0), "is not zero"),
    "outside of the other branch": (where(above, z, log(v)), 1 / v, "v[n] is not zero"),
    "a branch in the other branch": (where(above, z, where(other, z, log(v))), where(other, 0, 1 / v), "is not zero"),
    "a condition in a branch": (where(above, where(step(1 / v, S.Zero), u, 0), 0), 1 / v, "v[n] is not zero"),
    "a logarithm of a choice that may be 0": (u, log(where(above, exp(z), 0)), "is positive"),
    "a call in a branch": (where(above, tan(v), 0), tan(v), "tan(v[n]) is defined"),
    "a divisor that is a choice of what may vanish": (u, 1 / where(above, exp(z), v), "is not zero"),
    "a root of a choice of what may be negative": (u, sqrt(where(above, exp(z), v)), "is positive"),
    "one less a cube": (asin(u), 1 / (1 - u**3), "is not zero"),
    "the root of what may be negative": (u, root(v), "is positive"),
    "a norm that may vanish": (root(BASE), 1 / BASE, "is not zero"),
    "a root of sizes, which nothing differentiates": (sqrt(N.size - 1) * u, u / (N.size - 1), "N - 1 is not zero"),
    "terms that vanish for all negative numbers": (
        sqrt(relu(u) * v + relu(u) * z),
        1 / (relu(u) * v + relu(u) * z),
        "is not zero",
    ),
    "terms that vanish for all positive numbers": (
        sqrt((absolute(u) - u) * v + (absolute(u) - u) * z),
        1 / ((absolute(u) - u) * v + (absolute(u) - u) * z),
        "is not zero",
    ),
    "a logarithm of what a letter decides": (u, log(KroneckerDelta(n, m) + u), "is positive"),
    "a divisor that a letter decides": (u, 1 / (KroneckerDelta(n, m) + u), "is not zero"),
    "a sum of roots": (u, log(Sum(sqrt(U[m] ** 2 + V[m] ** 2), m)), "is positive"),
    "a root of what vanishes for all negative numbers": (sqrt(relu(u)), 1 / relu(u), "relu(u[n]) is not zero"),
    "the same, named": (sqrt(relu(u)), F[n] ** -1, "f[n] is not zero"),
    "a root of a difference of absolute values": (
        sqrt(absolute(u) - u),
        1 / (absolute(u) - u),
        "is not zero",
    ),
    "a power above one": (BASE ** Rational(3, 2), 1 / BASE, "is not zero"),
    "a root in a power above one": (BASE ** Rational(3, 2), 1 / sqrt(BASE), "is not zero"),
    "a power above one of an entry": (u ** Rational(3, 2), 1 / u, "is not zero"),
    "the logarithm after a power above one": (u ** Rational(3, 2), log(u), "is positive"),
    "the logarithm of what is under a root": (sqrt(relu(u)), log(relu(u)), "is positive"),
    "a power that is smooth where a square vanishes": (BASE ** Rational(3, 4), 1 / BASE, "is not zero"),
    "a root of fourth powers": (sqrt(u**4 + v**4), 1 / (u**4 + v**4), "is not zero"),
    "a root of a cube": (sqrt(u**3), 1 / u, "is not zero"),
    "a root of an odd power, named": (sqrt(z**3), 1 / z, "is not zero"),
    "a whole power": (BASE**2, 1 / BASE, "is not zero"),
    "a function of another array": (tan(u), tan(v), "nothing says that tan(v[n]) is defined"),
    "another function": (tan(u), atanh(u), "nothing says that atanh(u[n]) is defined"),
    "a factor of a positive product": (log(u * v), log(u), "nothing says that u[n] is positive"),
    "the other factor": (log(u * v), sqrt(v), "nothing says that v[n] is positive"),
    "the argument of an even power": (log(u**2), log(u), "nothing says that u[n] is positive"),
    "an inverse root of what may vanish": (u, (u**2 + v**2) ** Rational(-1, 2), "is not zero"),
    "any power of what may vanish": (u, (u**2 + v**2) ** z, "is positive"),
}


@pytest.mark.parametrize("case", KNOWN)
def test_known(case: str) -> None:
    assert unknown(*KNOWN[case]) is None


@pytest.mark.parametrize("case", UNKNOWN)
def test_unknown(case: str) -> None:
    of, line, words = UNKNOWN[case]
    said = unknown(of, line)
    assert said is not None and words in said


def test_what_branches_alone_need_is_known_there_alone() -> None:
    """F is needed where u is above 0; the line about it may divide as it does, and no other may."""
    equations = (abbreviation(F[n], 1 / v), node(L[()], Sum(where(above, F[n], 0), n)))
    divisors = Divisors(Program("one", (N,), (U, V), equations, "L"))
    assert divisors.unknown(1 / v, (), "f") is None
    assert divisors.unknown(where(above, 1 / v, 0), ()) is None
    for about in ("", "L", "v"):
        assert divisors.unknown(1 / v, (), about) is not None
    G = Array("g", (N,))
    equations = (abbreviation(F[n], 1 / v), abbreviation(G[n], F[n] + 1), node(L[()], Sum(where(above, G[n], 0), n)))
    assert Divisors(Program("two", (N,), (U, V), equations, "L")).unknown(1 / v, ()) is not None


def test_the_only_partial_function_of_a_program_is_known() -> None:
    divisors = Divisors(Program("one", (N,), (U,), (node(L[()], Sum(tan(u), n)),), "L"))
    assert divisors.unknown(tan(U[m]), ()) is None and divisors.unknown(tan(2 * u), ()) is not None


def test_what_has_no_normal_form_need_not_be_written_out() -> None:
    """The node G is the divisor of the loss; F, of which both are made, has no normal form."""
    G = Array("g", (N,))
    equations = (
        node(F[n], Piecewise((u, u > 0), (0, True))),
        node(G[n], F[n] + z),
        node(L[()], Sum(G[n] / (F[n] + z), n)),
    )
    divisors = Divisors(Program("one", (N,), (U, Z), equations, "L"))
    assert divisors.unknown(1 / G[m], ()) is None and divisors.unknown(1 / F[m], ()) is not None


def test_the_negative_of_what_is_positive_is_not() -> None:
    for of, line in ((log(u), log(-u)), (log(-u), log(u))):
        said = unknown(of, line)
        assert said is not None and "is positive" in said


def test_a_root_of_an_array_that_is_named_is_a_root_of_what_it_is() -> None:
    for of, is_known in ((u**2 + v**2, True), (u**4 + v**4, False), (relu(u), False)):
        equations = (node(F[n], of), node(L[()], Sum(sqrt(F[n]), n)))
        said = Divisors(Program("one", (N,), (U, V, Z), equations, "L")).unknown(1 / F[m], ())
        assert (said is None) is is_known


@pytest.mark.parametrize("hidden", [sqrt(u**2 + v**2), sqrt(u**2 + v**2) * sqrt(u**4 + v**2)])
def test_a_root_is_not_positive_though_it_is_never_negative(hidden: Expr) -> None:
    for line in (log(hidden), log(2 * hidden), hidden ** Rational(-1, 2), log(hidden * exp(u))):
        said = unknown(u, line)
        assert said is not None and ("is positive" in said or "not zero" in said)
        assert unknown(1 / hidden, line) is None


def test_the_condition_of_a_choice_must_be_an_indicator() -> None:
    mask, other = step(u, S.Zero), step(v, S.One)
    clear = [where(mask, u, v), where(mask * (1 - other), u, v), where(1 - mask * other, u, v), where(z, u, v)]
    assert unclear_choice(*clear) is None
    for condition in (u + v, 2 * mask, step(u, S.Half), exp(z)):
        said = unclear_choice(u, exp(where(condition, u, v)))
        assert said == f"nothing says that {condition} is 0 or 1, by which the line chooses"
