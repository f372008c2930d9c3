"""What a program's own equations say of the divisors, the roots and the partial functions of its lines."""

from __future__ import annotations

import pytest
from sympy import Expr, Rational, Sum, atanh, log, sqrt, tan

from symgrad.check.divisors import Divisors
from symgrad.equations import node
from symgrad.functions import absolute, relu
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

KNOWN |= {
    "a root of an absolute value": (sqrt(absolute(u)), 1 / absolute(u)),
    "the logarithm of what may vanish": (log(relu(u)), 1 / relu(u)),
}

UNKNOWN = {
    "a root of what vanishes for all negative numbers": (sqrt(relu(u)), 1 / relu(u), "relu(u[n]) is not zero"),
    "the same, named": (sqrt(relu(u)), F[n] ** -1, "f[n] is not zero"),
    "a root of a difference of absolute values": (
        sqrt(absolute(u) - u),
        1 / (absolute(u) - u),
        "is not zero",
    ),
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


def test_the_negative_of_what_is_positive_is_not() -> None:
    for of, line in ((log(u), log(-u)), (log(-u), log(u))):
        said = unknown(of, line)
        assert said is not None and "is positive" in said
