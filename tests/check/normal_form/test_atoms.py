"""Atoms, monomials and polynomials: what is known of each, and that no two quantities are spelled alike."""

from __future__ import annotations

from fractions import Fraction

import pytest

from symgrad.check.normal_form import atoms
from symgrad.check.normal_form.atoms import AT_MOST_ONE, BINARY, EXACTLY_ONE, FREE, NONNEGATIVE, ONE, SIGN, Atom

N, K = "n@N", "k@C"
u, p = atoms.entry("u", (N, K), False), atoms.entry("p", (N,), True)
U, P = atoms.single(u), atoms.single(p)
SUM = atoms.total(("s@C",), ((atoms.entry("u", (N, "s@C"), False), 1),))
TWICE = atoms.total(("t@N",), ((atoms.total(("s@C",), ((atoms.entry("p", ("t@N",), True), 1),)), 1),))


def every_kind() -> dict[str, tuple[Atom, tuple[object, ...], str, set[str], int, int]]:
    """Each with its data, key, free indices, height and sign; made when asked for."""
    return {
        "entry": (u, ("u", False, (N, K), FREE), "u[n@N,k@C]", {N, K}, 0, 0),
        "positive": (p, ("p", True, (N,), FREE), "p[n@N]", {N}, 0, 1),
        "size": (atoms.size("N"), ("N",), "#N", set(), 0, 1),
        "prime": (atoms.prime(7), (7,), "7", set(), 0, 1),
        "constant": (atoms.constant("pi"), ("pi",), "const(pi)", set(), 0, 1),
        "delta": (atoms.delta("m@N", N), ("m@N", N), "delta(m@N,n@N)", {N, "m@N"}, 0, 0),
        "exp": (atoms.exponential(((u, 2),)), (((u, 2),),), "exp(u[n@N,k@C]^2)", {N, K}, 0, 1),
        "log": (
            atoms.logarithm(atoms.add(U, P)),
            (((((p, 1),), 1), (((u, 1),), 1)),),
            "log(1*p[n@N]+1*u[n@N,k@C])",
            {N, K},
            0,
            0,
        ),
        "function": (
            atoms.function("f", (U, P)),
            ("f", (((((u, 1),), 1),), ((((p, 1),), 1),))),
            "function f(1*u[n@N,k@C];1*p[n@N])",
            {N, K},
            0,
            0,
        ),
        "selection": (
            atoms.chosen(U, K, "j@C"),
            (K, ((((u, 1),), 1),), "j@C"),
            "selection[k@C](1*u[n@N,k@C];j@C)",
            {N, "j@C"},
            1,
            0,
        ),
        "root": (atoms.root(2, U), (2, ((((u, 1),), 1),)), "root2(1*u[n@N,k@C])", {N, K}, 0, 1),
        "odd root": (atoms.root(3, U), (3, ((((u, 1),), 1),)), "root3(1*u[n@N,k@C])", {N, K}, 0, 0),
        "odd root of what is positive": (atoms.root(1, P), (1, ((((p, 1),), 1),)), "root1(1*p[n@N])", {N}, 0, 1),
    }


@pytest.mark.parametrize("kind", every_kind())
def test_an_atom_has_its_parts(kind: str) -> None:
    atom, data, key, free, height, sign = every_kind()[kind]
    assert (atom.data, atom.key, atom.free, atom.height, atom.sign) == (data, key, free, height, sign)
    assert atom.kind == {"positive": "entry"}.get(kind, "root" if "root" in kind else kind)


def test_the_height_counts_nested_sums_and_selections() -> None:
    assert (SUM.height, SUM.sign, SUM.free) == (1, 0, {N})
    assert (TWICE.height, TWICE.sign, TWICE.free) == (2, 1, set())
    row = atoms.single(SUM)
    for atom in (atoms.chosen(row, N, "j@N"), atoms.total(("t@N",), ((SUM, 1), (p, 1)))):
        assert atom.height == 2
    for atom in (
        atoms.exponential(((SUM, 1),)),
        atoms.logarithm(row),
        atoms.function("f", (P, row)),
        atoms.root(2, row),
    ):
        assert atom.height == 1


def test_a_function_of_nothing_has_no_indices() -> None:
    assert (atoms.function("f", ()).free, atoms.function("f", ()).height) == (set(), 0)
    assert atoms.free_of(ONE) == atoms.free_of_items(()) == set()


@pytest.mark.parametrize("row", [FREE, AT_MOST_ONE, EXACTLY_ONE, BINARY, SIGN, NONNEGATIVE])
def test_entries_are_nonnegative_where_their_relations_say_so(row: int) -> None:
    entry = atoms.entry("y", (N,), False, row)
    assert atoms.is_nonnegative(atoms.single(entry)) is (row not in (FREE, SIGN))
    assert atoms.is_nonnegative(atoms.single(entry, 2))
    assert (entry == atoms.entry("y", (N,), False)) is (row == FREE)


def test_a_sum_is_nonnegative_where_its_terms_are() -> None:
    square = atoms.total(("s@C",), ((atoms.entry("u", (N, "s@C"), False), 2),))
    assert atoms.is_nonnegative(atoms.single(square)) and atoms.sign_of(atoms.single(square)) == 0
    assert not atoms.is_nonnegative(atoms.single(SUM)) and not atoms.is_nonnegative(atoms.scale(P, -1))
    assert atoms.sign_of(atoms.add(P, atoms.single(square))) == 1 and atoms.sign_of(U) == 0


def test_polynomials_have_no_zero_coefficients() -> None:
    assert atoms.add(U, P, atoms.scale(U, -1)) == P
    assert atoms.scale(U, 0) == atoms.number(0) == {} and atoms.number(3) == {ONE: Fraction(3)}
    assert atoms.spell_items(()) == "0" and atoms.spell(ONE) == "1"


def test_whole_exponents_are_integers() -> None:
    assert isinstance(atoms.simple(Fraction(4, 2)), int) and atoms.simple(Fraction(1, 2)) == Fraction(1, 2)
    assert atoms.as_monomial({u: Fraction(2), p: 1, SUM: 0}) == ((p, 1), (u, 2))
