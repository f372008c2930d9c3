"""Budgets count terms, so that what they refuse depends on nothing but what is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import pytest
from sympy import (
    Add,
    Expr,
    Integer,
    MatAdd,
    MatMul,
    MatrixExpr,
    MatrixSymbol,
    OneMatrix,
    Pow,
    Rational,
    Sum,
    exp,
    sqrt,
    tanh,
)
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction

from symgrad import UnsupportedError, derive
from symgrad.array.expression import parse
from symgrad.budget import Budget, OverBudget, spend, uncounted, within
from symgrad.canonical import MOST_SIGNED, canonical, extent, is_known
from symgrad.check import prove
from symgrad.check.marks import Level
from symgrad.check.normal_form.algebra import prime_powers, rename_atom
from symgrad.check.normal_form.atoms import NoNormalForm, single, spelled
from symgrad.check.normal_form.function_atoms import Exponential, Logarithm
from symgrad.check.normal_form.sums import Entry
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.numeric.fields import MOST_LEVELS, OutsideField, tower
from symgrad.check.proof import MOST_OF_ALL, TERMS_A_LINE
from symgrad.check.proof import MOST_TERMS as MOST_OF_A_LINE
from symgrad.engine.derive import MOST_TERMS, derive_record
from symgrad.engine.summation import multiplied_out
from symgrad.equations import node
from symgrad.errors import nested
from symgrad.functions import step
from symgrad.notation import Array, Axis
from symgrad.piecewise import relation_of
from symgrad.program import Program
from symgrad.render.text import expression_text

N = Axis("N")
x = Array("x", (N,), positive=True)
i = N.index("i")


def repeated(function: Callable[[Expr], Expr], depth: int) -> Expr:
    made = x[i]
    for _ in range(depth):
        made = function(made)
    return made


# --- counting -----------------------------------------------------------------------------------------------------


def test_work_counts_against_every_budget_around_it() -> None:
    outer, inner = Budget("outer", 10), Budget("inner", 5)
    with within(outer):
        spend(2)
        with within(inner):
            spend(4)
    assert (outer.spent, inner.spent) == (6, 4)


def test_more_than_a_budget_allows_is_refused_by_its_name() -> None:
    with within(Budget("the work", 1_000)), pytest.raises(OverBudget, match="the work takes more than 1,000 terms"):
        spend(1_001)


def test_what_is_kept_for_others_does_not_count() -> None:
    budget = Budget("the work", 10)
    with within(budget):
        with uncounted():
            spend(100)
        spend(1)
    assert budget.spent == 1


def test_the_extent_counts_what_occurs_twice_twice() -> None:
    assert extent(exp(x[i]) + exp(2 * x[i])) == 1 + (1 + extent(x[i])) + (1 + 2 + extent(x[i]))


def test_the_canonical_form_costs_the_same_when_it_is_known() -> None:
    def cost() -> int:
        budget = Budget("canonical", 1_000)
        with within(budget):
            canonical(exp(x[i]) + 12345)
        return budget.spent

    assert cost() == cost() > 0


# --- derivations --------------------------------------------------------------------------------------------------


def work(program: Program, monkeypatch: pytest.MonkeyPatch) -> int:
    """The terms of work of one derivation."""
    made: list[Budget] = []

    def kept(what: str, most: int) -> Budget:
        made.append(Budget(what, most))
        return made[-1]

    monkeypatch.setattr(sys.modules["symgrad.engine.derive"], "Budget", kept)
    derive_record(program, ("X",))
    return made[0].spent


def test_a_derivation_costs_the_same_again_and_after_others(monkeypatch: pytest.MonkeyPatch) -> None:
    program = parse("sum(softmax(X, axis=1)**2)", "X: N D").program()
    first = work(program, monkeypatch)
    derive("softmax_mse")
    again = parse("sum(softmax(X, axis=1)**2)", "X: N D").program()
    assert work(again, monkeypatch) == work(program, monkeypatch) == first
    assert first < MOST_TERMS / 10


DEEP = "sum(" + "maximum(" * 12 + "X" + ", 1-X)" * 12 + ")"


def test_a_derivation_over_budget_names_the_equation_and_the_line() -> None:
    with pytest.raises(UnsupportedError) as caught:
        derive(parse(DEEP, "X: N"))
    message = str(caught.value)
    assert "the equation of L with respect to X takes more than 150,000 terms of work" in message
    assert "expression" in message


def test_what_is_written_out_at_too_great_a_length_is_refused_at_its_line() -> None:
    with pytest.raises(UnsupportedError, match="more than 10,000 parts") as caught:
        derive(parse("sum(" + "gelu(" * 30 + "X" + ")" * 31, "X: N"))
    assert "expression" in str(caught.value)


def test_what_calls_itself_without_end_is_nested_too_deeply() -> None:
    def endless() -> None:
        endless()

    with pytest.raises(UnsupportedError) as caught, nested("the equation of z", "z"):
        endless()
    assert (str(caught.value), caught.value.equation) == ("the equation of z is nested too deeply", "z")


# --- proofs -------------------------------------------------------------------------------------------------------


def deep_root(inner: Expr) -> Expr:
    return Pow(Add(1, inner, evaluate=False), Rational(1, 2), evaluate=False)


@pytest.mark.parametrize("kind", [deep_root, partial(exp, evaluate=False)], ids=["root", "exp"])
def test_a_deep_expression_has_no_normal_form(kind: Callable[[Expr], Expr]) -> None:
    program = Program("shallow", (N,), (x,), (node(Array("L")[()], Sum(x[i], i)),), "L")
    with pytest.raises(NoNormalForm, match="nested too deeply"):
        Normaliser(program, frozenset())(repeated(kind, 500))


def test_the_text_of_nested_functions_grows_no_faster_than_their_depth() -> None:
    atom = Entry("x", ("i@N",), is_positive=True)
    for _ in range(20):
        atom = Logarithm(single(atom))
    assert len(spelled(((atom, 1),), {"i@N": "*"})) < 1_000


def test_a_proof_over_budget_is_a_weaker_mark_that_says_why() -> None:
    shapes = ", ".join(f"{name}: N" for name in "abcefghj")
    record = derive(parse("sum((a+b+c+e+f+g+h+j)**9/(a-b+c-e)**7 + (a*b+c*e)**6/(f*g-h*j)**5)", shapes, wrt="a")).record
    marks = prove(record).marks
    over = [mark for mark in marks if "takes more than" in mark.detail]
    assert over and all(mark.level == Level.UNPROVED and "terms of work" in mark.detail for mark in over)
    assert not any(mark.level == Level.WRONG for mark in marks)


def test_what_a_proof_may_cost() -> None:
    assert (TERMS_A_LINE, MOST_OF_A_LINE, MOST_OF_ALL) == (12_000, 80_000, 250_000)


def test_all_lines_together_may_cost_no_more_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["symgrad.check.proof"], "MOST_OF_ALL", 100)
    marks = derive(parse("sum(exp(X)**2)", "X: N")).prove().marks
    assert any("the proof of all lines takes more than 100 terms of work" in mark.detail for mark in marks)


def test_the_text_of_what_is_nested_in_itself_twice_counts() -> None:
    atom = Entry("x", ("i@N",), is_positive=True)
    with within(Budget("the text", MOST_OF_A_LINE)), pytest.raises(OverBudget):
        for _ in range(24):
            atom = Exponential(((atom, 1), (Exponential(((atom, 2),)), 1)))


def test_an_atom_under_another_index_counts() -> None:
    budget = Budget("the renaming", 10)
    with within(budget):
        rename_atom(Entry("x", ("i@N",), is_positive=True), {"i@N": "j@N"})
    assert budget.spent == 1


def test_exponentials_nested_more_deeply_than_the_tower_is_high_are_outside_of_the_field() -> None:
    assert len(tower(3)[0]) == 3
    with pytest.raises(OutsideField, match="nested more than 11 deep"):
        tower(MOST_LEVELS + 1)


def test_a_number_without_small_primes_stays_in_one_piece() -> None:
    one, other = 2**89 - 1, 2**107 - 1
    assert prime_powers(Fraction(12 * one * other)) == {2: 2, 3: 1, one * other: 1}


SPECIMENS = {
    "six axes": ("sum(X**2)", "X: A B C D E F"),
    "ten axes": ("sum(X**2)", "X: A B C D E F G H K M"),
    "two large primes": (
        "sum(log(30000000000000000000000000001 * 70000000000000000000000000067 * X))",
        "X: N positive",
    ),
}


@pytest.mark.parametrize(("text", "shapes"), SPECIMENS.values(), ids=SPECIMENS.keys())
def test_what_once_took_minutes_is_proved_within_the_budget(text: str, shapes: str) -> None:
    assert derive(parse(text, shapes)).prove().ok


@pytest.mark.slow
@pytest.mark.parametrize("text", ["trace(A@A@A@A@A@A@A@A@A@A)", "sum(1/(1+1/(1+1/(1+1/(1+1/(1+1/(1+A)))))))"])
def test_long_products_and_nested_quotients_are_proved_within_the_budget(text: str) -> None:
    assert derive(parse(text, "A: N N positive")).prove().ok


# What follows visits each level once, or refuses: at two visits a level it would take years.
LEVELS = 60


def test_powers_of_powers_are_printed_level_by_level() -> None:
    powers = repeated(lambda power: Pow(2, 1 + power, evaluate=False), LEVELS)
    program = parse("sum(X)", "X: N").trace({}).program
    assert expression_text(powers, program).count("2^(") == LEVELS


def test_a_relation_of_nested_matrices_is_written_without_evaluating_them() -> None:
    nested: MatrixExpr = MatrixSymbol("X", 3, 1)
    for _ in range(LEVELS):
        inner = ElementwiseApplyFunction(tanh, nested)
        nested = MatAdd(OneMatrix(3, 1), MatMul(-1, inner))
    assert relation_of(step, nested, Integer(0)) == ("<", inner, OneMatrix(3, 1))


def test_what_is_too_large_is_not_asked_for_its_sign() -> None:
    assert is_known(1 + x[i], "positive") and not is_known(1 + x[i], "negative")
    assert not is_known(Add(*(x[i] ** power for power in range(MOST_SIGNED))), "positive")


def test_a_part_that_occurs_often_is_counted_as_often() -> None:
    assert extent(x[i] ** 2 + x[i]) == extent(x[i] ** 2) + extent(x[i]) + 1
    assert extent(repeated(lambda part: Pow(part, part + 1, evaluate=False), LEVELS)) > 2**LEVELS


@pytest.mark.slow
def test_what_grows_without_bound_inside_of_roots_is_not_multiplied_out() -> None:
    nested = repeated(lambda part: sqrt((x[i] + part) ** 2 + 1), LEVELS)
    assert multiplied_out(nested) == nested
    assert multiplied_out((x[i] + 2) ** 2) == x[i] ** 2 + 4 * x[i] + 4
