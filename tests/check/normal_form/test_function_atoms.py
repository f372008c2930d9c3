"""Steps, comparisons and choices in the checker's normal form: what holds of them at every point, and nothing else."""

from __future__ import annotations

import pytest
from sympy import Expr, Integer, Pow, Rational, S, exp, log, sympify

from symgrad.check.normal_form.atoms import number, ordered, spell_items
from symgrad.check.normal_form.function_atoms import MOST_SPLIT, branches
from symgrad.check.normal_form.translation import Normaliser
from symgrad.equations import node
from symgrad.functions import equal, reciprocal, root, step, where
from symgrad.notation import Array
from symgrad.program import Program

half = Rational(1, 2)
NAMES = ("u", "v", "x", "y", "z")
u, v, x, y, z = (Array(name).base for name in NAMES)
PROGRAM = Program("scalars", (), tuple(map(Array, NAMES)), (node(Array("L").base, u * v * x * y * z),), "L")
nothing = (x + y) ** 2 - x**2 - 2 * x * y - y**2  # which only multiplying out shows
above, loose = step(x, S.Zero), step(x, S.One)
MANY = where(step(u, S.Zero), step(v, S.Zero) + step(y, S.Zero), step(z, S.Zero))
GUARDED = Pow(root(where(above, 1, v)), 3) * step(where(above, 1, v) - u, 0)

EQUAL: dict[str, tuple[Expr, Expr]] = {
    "a power": (above**3, above),
    "a part of another": (above * loose**2, above),
    "a part of another, beside it": (loose * above * u, above * u),
    "the other side": (step(-x, S.Zero), 1 - loose),
    "the other side with its end": (step(-x, S.One), 1 - above),
    "a multiple": (step(3 * x - 6 * y, S.Zero), step(x - 2 * y, S.Zero)),
    "a fraction": (step(x / 2 - y / 3, S.One), step(3 * x - 2 * y, S.One)),
    "a multiple of the other side": (step(2 * y - 2 * x, S.Zero), 1 - step(x - y, S.One)),
    "a value between": (step(x, half), (above + loose) / 2),
    "a value at one side": (step(x, Rational(1, 4)), Rational(3, 4) * above + loose / 4),
    "a number above": (step(x - x + 3 - y + y, u - u), Integer(1)),
    "of what is a number": (step(nothing + half, S.Zero), Integer(1)),
    "of what is a negative number": (step(nothing - half, S.One), Integer(0)),
    "of what is 0": (step(nothing, half), half),
    "of what is 0, open": (step(nothing, S.Zero), Integer(0)),
    "what is 0 where a comparison holds": (x * equal(x, 0) + y, y),
    "what is not 0 there": ((x + 1) * equal(x, 0), equal(x, 0)),
    "of equals": (equal((x + y) ** 2, x**2 + 2 * x * y + y**2), Integer(1)),
    "of numbers that differ": (equal((x + y) ** 2, x**2 + 2 * x * y + y**2 + 1), Integer(0)),
    "a comparison squared": (equal(x, y) ** 2, equal(x, y)),
    "a choice": (where(above, u, v), above * u + v - above * v),
    "one value": (where(above, u, u), u),
    "a choice in a choice": (where(above, where(above, u, y), v), where(above, u, v)),
    "a choice in functions in a choice": (where(above, z, GUARDED), where(above, z, Pow(root(v), 3) * step(v - u, 0))),
    "an exponential": (exp(where(above, u, v)), where(above, exp(u), exp(v))),
    "a logarithm": (log(where(above, exp(u), 2 * exp(v))), where(above, u, log(2) + v)),
    "an inverse": (1 / where(above, exp(u), 2 * exp(v)), where(above, exp(-u), exp(-v) / 2)),
    "a root": (root(where(above, exp(2 * u), exp(v))), where(above, exp(u), exp(v / 2))),
    "what divides where it is not 0": (x**2 * reciprocal(x), x),
    "what does not divide at 0": (equal(x, 0) * reciprocal(x), Integer(0)),
    "of a comparison": (exp(where(equal(x, y), u, v)), where(equal(x, y), exp(u), exp(v))),
    "two choices": (
        exp(where(above, u, 0) + where(step(y, S.Zero), v, 0)),
        where(above, exp(u), 1) * where(step(y, S.Zero), exp(v), 1),
    ),
}
UNEQUAL: dict[str, tuple[Expr, Expr]] = {
    "the other end": (above, loose),
    "the other side": (step(-x, S.Zero), 1 - above),
    "the other side of a value between": (step(-x, Rational(1, 4)), 1 - step(x, Rational(1, 4))),
    "the larger of two": (above * loose, loose),
    "of another": (above * step(y, S.Zero), above),
    "of a sum": (step(x + 1, S.Zero), above),
    "of a square": (step(x**2, S.Zero), above),
    "a comparison and a step": (equal(x, y), step(x - y, S.Zero)),
    "a choice turned": (where(above, u, v), where(above, v, u)),
    "the other choice": (exp(where(above, u, v)), where(above, exp(u), exp(u))),
    "the other choice in functions in a choice": (where(above, z, GUARDED), where(above, z, step(1 - u, 0))),
    "another condition in a choice": (where(loose, z, GUARDED), where(loose, z, Pow(root(v), 3) * step(v - u, 0))),
    "another condition": (exp(where(above, u, v)), where(loose, exp(u), exp(v))),
    "another where a comparison holds": (y * equal(x, 0), Integer(0)),
    "what is divided by where a comparison holds": (equal(x, 0) / x, Integer(0)),
    "what a comparison says of another value": (x * equal(x, 1), Integer(0)),
    "what a step says of its argument": (x * step(x, S.Zero), Integer(0)),
    "what divides where it is not 0": (x * reciprocal(x), Integer(1)),
    "a value at a point": (step(x, half), above),
}


@pytest.mark.parametrize("case", EQUAL)
def test_equal(case: str) -> None:
    left, right = EQUAL[case]
    assert Normaliser(PROGRAM, frozenset()).equal(sympify(left), sympify(right))


@pytest.mark.parametrize("case", UNEQUAL)
def test_not_equal(case: str) -> None:
    left, right = UNEQUAL[case]
    assert not Normaliser(PROGRAM, frozenset()).equal(sympify(left), sympify(right))


def test_a_form_in_each_case_of_its_indicators() -> None:
    form = Normaliser(PROGRAM, frozenset())
    chosen = where(above, 2, where(equal(y, z), 3, 5))
    found = list(branches(form(chosen)))
    facts = {"yes": form(above), "no": form(1 - above), "same": form(equal(y, z)), "other": form(1 - equal(y, z))}
    words = {name: spell_items(ordered(fact)) for name, fact in facts.items()}
    assert len(found) == 4 and all(len(known) == 2 for _, known in found)
    for value, known in ((2, {"yes"}), (3, {"no", "same"}), (5, {"no", "other"})):
        assert any(piece == number(value) and {words[name] for name in known} <= at for piece, at in found)


def test_many_indicators_are_not_told_apart() -> None:
    form = Normaliser(PROGRAM, frozenset())
    assert len(list(branches(form(MANY)))) == 1
    assert list(branches(form(x))) == [(form(x), frozenset())]
    assert len(list(branches(form(where(above, step(y, S.Zero), step(z, S.Zero)))))) == 2**MOST_SPLIT
    assert Normaliser(PROGRAM, frozenset()).equal(exp(MANY), exp(MANY))
