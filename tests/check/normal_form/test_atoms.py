"""Atoms, monomials and polynomials: what is known of each, and that no two quantities are spelled alike."""

from __future__ import annotations

from fractions import Fraction

import pytest

from symgrad.check.normal_form import atoms
from symgrad.check.normal_form.algebra import Root
from symgrad.check.normal_form.atoms import ONE, Atom, Constant, Delta, Prime, Size, single
from symgrad.check.normal_form.function_atoms import Call, Exponential, Logarithm, Selection
from symgrad.check.normal_form.sums import Entry, Relation, Sum

N, K = "n@N", "k@C"
u, p = Entry("u", (N, K)), Entry("p", (N,), is_positive=True)
U, P = single(u), single(p)
SUM = Sum(("s@C",), ((Entry("u", (N, "s@C")), 1),))
TWICE = Sum(("t@N",), ((Sum(("s@C",), ((Entry("p", ("t@N",), is_positive=True), 1),)), 1),))


def every_kind() -> dict[str, tuple[Atom, str, set[str], int, bool]]:
    """Each with its key, free indices, height and whether it is positive; made when asked for."""
    return {
        "entry": (u, "u[n@N,k@C]", {N, K}, 0, False),
        "positive": (p, "p[n@N]", {N}, 0, True),
        "size": (Size("N"), "#N", set(), 0, True),
        "prime": (Prime(7), "7", set(), 0, True),
        "constant": (Constant("pi"), "const(pi)", set(), 0, True),
        "delta": (Delta("m@N", N), "delta(m@N,n@N)", {N, "m@N"}, 0, False),
        "exp": (Exponential(((u, 2),)), "exp(u[n@N,k@C]^2)", {N, K}, 0, True),
        "log": (Logarithm(atoms.add(U, P)), "log(1*p[n@N]+1*u[n@N,k@C])", {N, K}, 0, False),
        "function": (Call("f", (U, P)), "function f(1*u[n@N,k@C];1*p[n@N])", {N, K}, 0, False),
        "selection": (Selection(U, K, "j@C"), "selection[k@C](1*u[n@N,k@C];j@C)", {N, "j@C"}, 1, False),
        "root": (Root(2, U), "root2(1*u[n@N,k@C])", {N, K}, 0, True),
        "odd root": (Root(3, U), "root3(1*u[n@N,k@C])", {N, K}, 0, False),
        "odd root of what is positive": (Root(1, P), "root1(1*p[n@N])", {N}, 0, True),
    }


@pytest.mark.parametrize("kind", every_kind())
def test_an_atom_has_its_parts(kind: str) -> None:
    atom, key, free, height, is_positive = every_kind()[kind]
    assert (atom.key, atom.free, atom.height, atom.is_positive) == (key, free, height, is_positive)


def test_the_height_counts_nested_sums_and_selections() -> None:
    assert (SUM.height, SUM.is_positive, SUM.free) == (1, False, {N})
    assert (TWICE.height, TWICE.is_positive, TWICE.free) == (2, True, set())
    row = single(SUM)
    for atom in (Selection(row, N, "j@N"), Sum(("t@N",), ((SUM, 1), (p, 1)))):
        assert atom.height == 2
    for atom in (Exponential(((SUM, 1),)), Logarithm(row), Call("f", (P, row)), Root(2, row)):
        assert atom.height == 1


def test_a_function_of_nothing_has_no_indices() -> None:
    assert (Call("f", ()).free, Call("f", ()).height) == (set(), 0)
    assert atoms.free_of(ONE) == atoms.free_of_items(()) == set()


@pytest.mark.parametrize("relation", Relation)
def test_entries_are_nonnegative_where_their_relations_say_so(relation: Relation) -> None:
    entry = Entry("y", (N,), relation=relation)
    signed = (Relation.FREE, Relation.SIGN, Relation.ORTHOGONAL)
    assert atoms.is_nonnegative(single(entry)) is (relation not in signed)
    assert atoms.is_nonnegative(single(entry, 2))
    assert (entry == Entry("y", (N,))) is (relation == Relation.FREE)


def test_a_sum_is_nonnegative_where_its_terms_are() -> None:
    square = Sum(("s@C",), ((Entry("u", (N, "s@C")), 2),))
    assert atoms.is_nonnegative(single(square)) and not atoms.is_positive(single(square))
    assert not atoms.is_nonnegative(single(SUM)) and not atoms.is_nonnegative(atoms.scale(P, -1))
    assert atoms.is_positive(atoms.add(P, single(square))) and not atoms.is_positive(U)


def test_polynomials_have_no_zero_coefficients() -> None:
    assert atoms.add(U, P, atoms.scale(U, -1)) == P
    assert atoms.scale(U, 0) == atoms.number(0) == {} and atoms.number(3) == {ONE: Fraction(3)}
    assert atoms.spell_items(()) == "0" and atoms.spell(ONE) == "1"


def test_whole_exponents_are_integers() -> None:
    assert isinstance(atoms.simple(Fraction(4, 2)), int) and atoms.simple(Fraction(1, 2)) == Fraction(1, 2)
    assert atoms.as_monomial({u: Fraction(2), p: 1, SUM: 0}) == ((p, 1), (u, 2))
