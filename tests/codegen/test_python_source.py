"""Source text: brackets where an operator needs them and nowhere else, and lines of a length that can be read."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from sympy import Function, exp, log

from symgrad.codegen.module_frame import chained, held
from symgrad.codegen.python_source import (
    INDENT,
    WIDTH,
    Source,
    Strength,
    added_up,
    applied,
    called,
    docstring,
    function,
    indented,
    joined,
    joined_tests,
    needs_of,
    quotient,
    raised,
    tuple_of,
    unpacked,
    used,
    written,
)
from symgrad.errors import UnsupportedError

a, b, c = used("a"), used("b"), used("c")
VALUES = {"a": Fraction(3), "b": Fraction(-5), "c": Fraction(2)}
Valued = tuple[Source, Fraction]
ATOMS: list[Valued] = [(a, VALUES["a"]), (b, VALUES["b"])]


def operations(one: Valued, other: Valued) -> list[Valued]:
    """What is made of two expressions, with its value."""
    (x, p), (y, q) = one, other
    made = [
        (added_up([(False, x), (False, y)]), p + q),
        (added_up([(True, x), (True, y)]), -p - q),
        (quotient([x, y], []), p * q),
        (x.negated, -p),
        (raised(x, c), p**2),
    ]
    if q:
        made.append((quotient([x], [y]), p / q))
    if p and q:
        made += [(quotient([], [x, y]), 1 / (p * q)), (quotient([y, x], [y]), p)]
    return made


def test_an_expression_has_the_value_of_its_tree() -> None:
    inner = [made for one, other in product(ATOMS, ATOMS) for made in operations(one, other)]
    for one, other in product(inner, inner):
        for source, value in operations(one, other):
            assert eval(source.code, dict(VALUES)) == value, source.code
            assert source.needs <= {"a", "b", "c"} and (source.needs or source.code.isdigit())


def test_brackets_stand_where_an_operator_needs_them() -> None:
    # Made here, not where the tests are collected.
    expected: list[tuple[Source, str, Strength]] = [
        (added_up([(True, a)]), "-a", Strength.PRODUCT),
        (added_up([(False, a)]), "a", Strength.NAME),
        (added_up([(False, a), (True, added_up([(False, b), (False, c)]))]), "a - (b + c)", Strength.SUM),
        (added_up([(False, a), (True, quotient([b, c], []))]), "a - b * c", Strength.SUM),
        (quotient([], []), "1", Strength.NAME),
        (quotient([], [a]), "1 / a", Strength.PRODUCT),
        (quotient([a.negated], [b]), "-a / b", Strength.PRODUCT),
        (quotient([a, b.negated], []), "a * (-b)", Strength.PRODUCT),
        (quotient([a], [b.negated]), "a / (-b)", Strength.PRODUCT),
        (quotient([a], [b, c]), "a / (b * c)", Strength.PRODUCT),
        (quotient([a], [raised(b, c)]), "a / b**c", Strength.PRODUCT),
        (quotient([a, b], [c]), "a * b / c", Strength.PRODUCT),
        (raised(a, b), "a**b", Strength.POWER),
        (raised(written("f({})", a), b), "f(a) ** b", Strength.POWER),
        (raised(raised(a, b), c), "(a**b) ** c", Strength.POWER),
        (raised(a, b).negated, "-(a**b)", Strength.PRODUCT),  # as the formatter writes it
        (quotient([raised(a, b), c], []).negated, "-(a**b) * c", Strength.PRODUCT),
        (quotient([raised(a, b)], [c]).negated, "-(a**b) / c", Strength.PRODUCT),
        (quotient([quotient([raised(a, b), c], [])], [c]).negated, "-(a**b) * c / c", Strength.PRODUCT),
        (added_up([(True, raised(a, b)), (True, raised(a, b))]), "-(a**b) - a**b", Strength.SUM),
        (added_up([(False, raised(a, b))]).negated, "-(a**b)", Strength.PRODUCT),
        (added_up([(False, raised(a, b)), (False, c)]).negated, "-(a**b + c)", Strength.PRODUCT),
        (raised(a, b).negated.negated, "--(a**b)", Strength.PRODUCT),
        (quotient([a, raised(b, c)], []).negated, "-a * b**c", Strength.PRODUCT),
        (added_up([(False, a), (False, b)]).negated, "-(a + b)", Strength.PRODUCT),
        (raised(a, b).within(Strength.CALL).negated, "-(a**b)", Strength.PRODUCT),
        (joined(", ", [a, b]), "a, b", Strength.SUM),
        (a.within(Strength.NAME), "a", Strength.NAME),
        (raised(a, b).within(Strength.POWER), "a**b", Strength.POWER),
        (written("f({}, {})", a, b), "f(a, b)", Strength.CALL),
    ]
    for made, code, strength in expected:
        assert made.code == code and made.strength == strength


def test_a_name_is_needed() -> None:
    assert (
        used("x") == Source("x", Strength.NAME, frozenset(["x"]))
        and written("{}()", used("f")).strength == Strength.CALL
    )


def test_what_is_needed_is_kept() -> None:
    assert needs_of([a, b]) == {"a", "b"} and needs_of([]) == frozenset()
    assert written("f({}, {})", a, b, needs=["f"]).needs == {"a", "b", "f"}
    for made in (joined(" ", [a, b]), added_up([(True, a), (False, b)]), quotient([a], [b]), raised(a, b)):
        assert made.needs == {"a", "b"}
    assert called("f", [a, "x"], 0).needs == {"a"}
    assert a.negated.needs == a.within(Strength.NAME).needs == {"a"}
    assert added_up([(False, a), (False, b)]).within(Strength.CALL).needs == {"a", "b"}
    assert [line.needs for line in indented([a, b])] == [{"a"}, {"b"}]
    assert function(Source("def f():"), ["Do."], [a, b]).needs == {"a", "b"}


@pytest.mark.parametrize("depth", [0, 1])
def test_a_call_is_broken_where_it_is_too_long(depth: int) -> None:
    def fits(length: int) -> str:
        """A call with an argument of so many characters."""
        return called("f", ["y", (length - 3) * "x"], depth, ":", "return ").code

    indent = INDENT * depth
    flat = WIDTH - len(f"{indent}return f():")
    assert fits(flat) == f"return f(y, {(flat - 3) * 'x'}):"
    assert fits(flat + 1) == f"return f(\n{INDENT}y, {(flat - 2) * 'x'}\n):"
    inside = WIDTH - len(indent + INDENT)
    assert fits(inside) == f"return f(\n{INDENT}y, {(inside - 3) * 'x'}\n):"
    assert fits(inside + 1) == f"return f(\n{INDENT}y,\n{INDENT}{(inside - 2) * 'x'},\n):"


def test_an_argument_of_several_lines_has_lines_of_its_own() -> None:
    made = called("f", ["[\n    1,\n]", "x"], 0, before="y = ")
    assert called("f", ["x"], 0).code == "f(x)"
    assert made.code == "y = f(\n    [\n        1,\n    ],\n    x,\n)" and made.strength == Strength.CALL


@pytest.mark.parametrize("args", [(), ("x",)])
def test_names_are_unpacked_on_lines_of_their_own_where_they_are_too_long(args: tuple[str, ...]) -> None:
    most = WIDTH - len(INDENT) - len("b,  = f(") - (0 if args else 1)
    short, long = most * "a", (most + 1) * "a"
    shown = "x" if args else ""
    broken = f"\n{INDENT}{shown}\n" if args else ""
    assert unpacked([short, "b"], "f", args, 1).code == f"{short}, b = f({broken})"
    assert unpacked([long, "b"], "f", args, 1).code == f"(\n{INDENT}{long},\n{INDENT}b,\n) = f({shown})"
    wide = (WIDTH - len("(a,) = f()")) * "x"
    assert unpacked(["a"], "f", [wide], 0).code == f"(a,) = f({wide})"
    assert unpacked([most * "a", "b"], "f", [wide], 0).code == f"{most * 'a'}, b = f(\n{INDENT}{wide}\n)"
    assert unpacked(["a"], "f", args, 0).code == f"(a,) = f({shown})"


def test_tuples_have_a_comma_for_one_part() -> None:
    assert tuple_of(["a"]) == "(a,)" and tuple_of(["a"], bare=True) == "(a,)"
    assert tuple_of([1, "b"]) == "(1, b)" and tuple_of([1, "b"], bare=True) == "1, b"


@pytest.mark.parametrize(("head", "opening"), [("return", "return t"), ("if not", "if not (t")])
def test_tests_are_joined_on_one_line_where_they_fit(head: str, opening: str) -> None:
    closing = ")" if head.endswith("not") else ""
    short = WIDTH - len(f"{INDENT}{opening} and {closing}:")
    (line,) = joined_tests(head, ["t", short * "x"], "and", ":")
    assert line.code == f"{opening} and {short * 'x'}{closing}:" and len(INDENT + line.code) == WIDTH
    lines = joined_tests(head, ["t", (short + 1) * "x"], "and", ":")
    assert joined_tests("return", ["t", "x"], "or")[0].code == "return t or x"
    assert [line.code for line in lines] == [f"{head} (", f"{INDENT}t", f"{INDENT}and {(short + 1) * 'x'}", "):"]


def test_comparisons_are_chained_over_as_few_lines_as_they_need() -> None:
    assert chained(["a"], "==") == ["a"]
    assert chained(["a", "b", "c"], "==") == ["a == b == c"]
    long = [f"{letter}{'x' * 39}" for letter in "abcde"]
    lines = chained(long, "is")
    assert lines == [f"{long[0]} is {long[1]}", *(f"{long[i]} is {long[i + 1]}" for i in (1, 2, 3))]
    for length, most in ((10, 7), (11, 6)):  # as many as a line has room for, in brackets and behind an operator
        parts = [f"{letter}{'x' * (length - 1)}" for letter in "abcdefghij"]
        assert chained(parts, "==") == [" == ".join(parts[:most]), " == ".join(parts[most - 1 :])]
    assert chained([f"{letter}{'x' * 200}" for letter in "ab"], "==")[0].count("==") == 1


def test_an_assumption_that_fails_is_named() -> None:
    test, call = held("gap > 1", "gap", "A: expected that A = A^T")
    assert test.code == "if gap > 1:" and not test.needs
    assert call.code == f'{INDENT}_hold(gap, "A: expected that A = A^T")' and call.needs == {"_hold"}


def test_a_function_is_called_by_its_template() -> None:
    table: dict[type[Function], str] = {exp: "_exp({})", log: "math.log({})"}
    assert applied(table, exp, [a]).code == "_exp(a)" and applied(table, exp, [a]).needs == {"a", "_exp"}
    assert applied(table, log, [a]).needs == {"a", "math"}
    with pytest.raises(UnsupportedError, match="no Python function of a number is known for sin"):
        applied(table, Function("sin"), [a])


def test_lines_are_indented_row_by_row() -> None:
    lines = indented([Source("if x:\n    y", needs=frozenset("x")), Source("")])
    assert [line.code for line in lines] == ["    if x:", "        y", ""] and lines[1].needs == {"x"}


@pytest.mark.parametrize(
    ("lines", "indent", "expected"),
    [
        (["One."], "", '"""One."""'),
        (["One.", "", "Two. "], "    ", '    """One.\n\n    Two.\n    """'),
        ([r"\alpha", 'a """b"""'], "", "r\"\"\"\\alpha\na '''b'''\n\"\"\""),
        (["x", "  y"], "", '"""x\n  y\n"""'),
    ],
)
def test_docstrings(lines: list[str], indent: str, expected: str) -> None:
    assert docstring(lines, indent) == expected


def test_a_function_has_its_docstring_and_its_lines() -> None:
    made = function(Source("def f(x):"), ["Do.", "Well."], [Source("return x")])
    assert made.code == 'def f(x):\n    """Do.\n    Well.\n    """\n    return x'
