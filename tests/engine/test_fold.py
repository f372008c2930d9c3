"""Lines written to be read: what they cost, the cheapest of equal forms, and names for what they define."""

from __future__ import annotations

import classifier as cl
import numpy as np
import pytest
from sympy import Add, Expr, Integer, KroneckerDelta, Mul, Rational, Sum, cos, cosh, exp, log, sin, sinh, tan, tanh

import symgrad
from symgrad.array.expression import parse
from symgrad.canonical import canonical
from symgrad.check.normal_form.translation import Normaliser
from symgrad.engine import tidying
from symgrad.engine.fold import collected, fold, fold_sums, reads_alike, unsigned
from symgrad.engine.rules import identities, rules_of
from symgrad.engine.summation import multiplied_out
from symgrad.engine.tidying import cost, quotients_named, tidy
from symgrad.equations import abbreviation, node
from symgrad.functions import reciprocal, root
from symgrad.notation import Array, sum_over
from symgrad.program import Program
from symgrad.render.text import expression_text

N, C, Y, Z, S, P, n, k, j = cl.N, cl.C, cl.Y, cl.Z, cl.S, cl.P, cl.n, cl.k, cl.j
y, z, p = Y[n, k], Z[n, k], P[n, k]
u, v = Array("u").base, Array("v").base
size, classes = N.size, C.size

COSTS: dict[str, tuple[Expr, int]] = {
    "an entry": (y, 2),
    "an array that weighs": (z, 7),
    "a scalar": (u, 1),
    "a scalar that weighs": (v, 5),
    "a delta": (KroneckerDelta(n, N.index("m")), 2),
    "a delta in front": (KroneckerDelta(n, N.index("m")) * y, 2 + 2 + 1),
    "a number": (Integer(3), 1),
    "a product": (y * p, 2 + 2 + 1),
    "a product of three": (y * p * u, 2 + 2 + 1 + 2),
    "a sum of terms": (y + p + u, 2 + 2 + 1 + 2),
    "a sum": (Sum(y, k), 3 + 2),
    "a sum over two": (Sum(y, n, k), 6 + 2),
    "a square": (y**2, 2 + 1),
    "an inverse": (1 / y, 2 + 1),
    "a norm": (root(y), 2 + 1 + 1),
    "a norm of an array that weighs": (root(z), 7 + 1 + 1),
    "what divides where it is not 0": (reciprocal(y), 2 + 1),
    "a cube": (y**3, 2 + 2 + 1),
    "a symbolic power": (y**v, 2 + 2 + 5),
    "a function": (log(y), 2 + 2),
    "a number in front": (y / 2, 2 + 1),
    "a minus": (-y, 2 + 1),
    "a negative number in front": (-2 * y, 2 + 2),
    "a number and a size in front": (2 * y / size, 2 + 1),
    "a size in front": (y / size, 2),
    "sizes in front": (y / (size * classes), 2),
    "a bracket": (Mul(y, p + u, evaluate=False), 2 + (2 + 1 + 1) + 1 + 1),
    "a bracket and a size": ((p + u) / size, (2 + 1 + 1) + 1),
    "a divisor that has factors": (1 / (2 * y + 2 * p), 2 * 3 + 1 + 1 + 3),
    "a divisor that has none": (1 / (y + p), 2 + 2 + 1 + 1),
}


@pytest.mark.parametrize("case", COSTS)
def test_the_cost_of_a_line(case: str) -> None:
    expr, expected = COSTS[case]
    assert cost(expr, {"Z": 7, "v": 5}) == expected


TIDY: dict[str, tuple[Expr, Expr]] = {
    "a common factor": (y * p - y * z, y * (p - z)),
    "a fraction cancelled": ((y**2 - z**2) / (y - z), y + z),
    "a quotient of sums": (y / (y + z) + z / (y + z), Integer(1)),
    "a minus into the bracket": (-y * (p - z), y * (z - p)),
    "a delta stays positive": (-y * (KroneckerDelta(k, j) - p), y * (p - KroneckerDelta(k, j))),
    "a minus into a bracket of numbers": (-((2 - 2 * u) * y) / size, (2 * u - 2) * y / size),
    "within a sum of a sum": (Sum(z * Sum(y * p - y * u, k), n), Sum(z * Sum(y * (p - u), k), n)),
    "within a sum in a term": (u + Sum(y * p - y * z, k), u + Sum(y * (p - z), k)),
    "fractions that have little in common": (y / (y + z) + p / (u + v), y / (y + z) + p / (u + v)),
    "a function as a factor": (y * exp(2 * u + 2 * v) - z * exp(2 * u + 2 * v), (y - z) * exp(2 * u + 2 * v)),
    "within a sum": (Sum(y * p - y * z, k), Sum(y * (p - z), k)),
    "a product": (y * p / size, y * p / size),
    "sizes in front": (y * p / size + z * p / size, p * (y + z) / size),
    "two sums with a factor": (Sum(y * p, k) + Sum(Y[n, j] * Z[n, j], j), Sum(y * (p + z), k)),
    "two sums with opposite brackets": (Sum(y * (p - z), k) + Sum(p * (z - p), k), Sum((y - p) * (p - z), k)),
    "two sums without a factor": (Sum(y * p, k) + Sum(z**2, k), Sum(y * p, k) + Sum(z**2, k)),
    "two sums beside factors": (u * Sum(y * p, k) + v * Sum(y * z, k), u * Sum(y * p, k) + v * Sum(y * z, k)),
}


@pytest.mark.parametrize("case", TIDY)
def test_the_cheapest_of_equal_forms_is_taken(case: str) -> None:
    expr, expected = TIDY[case]
    assert tidy(expr, {}) == canonical(expected)
    assert Normaliser(PROGRAM, frozenset()).equal(tidy(expr, {}), expr)


def test_quotients_of_functions_have_their_name() -> None:
    assert quotients_named(sinh(z) / cosh(z)) == tanh(z)
    assert quotients_named(2 * y * sin(z) / cos(z)) == 2 * y * tan(z)
    assert quotients_named(Sum(y * sinh(z) / cosh(z), k)) == sum_over(y * tanh(z), (k,))
    assert quotients_named(exp(sinh(z) / cosh(z)) + 1) == exp(tanh(z)) + 1
    for other in (sinh(z) / cosh(y), cosh(z) / sinh(z), sinh(z) * cosh(z), sin(z) / cosh(z)):
        assert quotients_named(other) == other


def test_lines_that_read_alike() -> None:
    alike = [
        (-(p - y) / size, (y - p) / size),
        (2 * (p - y), 2 * p - 2 * y),
        (z * (p - y) / size, z * (p / size - y / size)),
        (Sum(-y * (p - z), k), Sum(y * (z - p), k)),
        (Sum((2 * p - 2 * y) * z, k), 2 * Sum((p - y) * z, k)),
        (Sum(2 * y * z, k), 2 * Sum(y * z, k)),
        (exp(-(p - y)), exp(y - p)),
    ]
    for one, other in alike:
        assert reads_alike(one, other)
    for one, other in [(y * (p + z), y * p + y * z), (p - y, y - p), (2 * y, y)]:
        assert not reads_alike(one, other)


COLLECTED: dict[str, tuple[Expr, Expr]] = {
    "brackets turned": (3 * z * (y - p) + 2 * z * (p - y), -z * (p - y)),
    "odd powers of them": (z * (y - p) ** 3 + z * (p - y) ** 3, Integer(0)),
    "even powers": ((y - p) ** 2 + (p - y) ** 2, 2 * (y - p) ** 2),
    "in a function": (exp(3 * z * (y - p) + 2 * z * (p - y)), exp(-z * (p - y))),
    "in a power": ((3 * z * (y - p) + 2 * z * (p - y)) ** 2, (z * (p - y)) ** 2),
    "in a sum": (Sum(3 * z * (y - p) + 2 * z * (p - y), k), sum_over(-z * (p - y), (k,))),
    "sums": (Sum(y - p, k) + Sum(p - y, k), Integer(0)),
    "sums in other letters": (Sum(z * (y - p), k) + Sum(Z[n, j] * (P[n, j] - Y[n, j]), j), Integer(0)),
    "numbers in sums": (Sum(2 * y, k) + Sum(3 * y, k), 5 * Sum(2 * y, k) / 2),
    "deltas": (KroneckerDelta(k, j) * (y - p) + KroneckerDelta(k, j) * (p - y), Integer(0)),
    "a bracket in a function": (exp(z * (y - p)) + exp(-z * (p - y)), 2 * exp(z * (y - p))),
    "a bracket with a power in it": (u * (y - p**2) + v * u * (p**2 - y), u * (y - p**2) + v * u * (p**2 - y)),
    "nothing alike": (y * (p - z) + z * (p - y), y * (p - z) + z * (p - y)),
    "a number": (Integer(3), Integer(3)),
}


@pytest.mark.parametrize("case", COLLECTED)
def test_like_terms_are_merged(case: str) -> None:
    expr, expected = COLLECTED[case]
    assert canonical(collected(expr)) == canonical(expected)


@pytest.mark.parametrize("case", COLLECTED)
def test_a_number_and_what_has_no_sign_make_the_whole(case: str) -> None:
    expr, _ = COLLECTED[case]
    number, rest = unsigned(expr)
    assert number.is_number and Normaliser(PROGRAM, frozenset()).equal(number * rest, expr)


def test_matrices_are_left_as_they_are() -> None:
    product = cl.X.matrix * cl.W.matrix - Y.matrix
    assert collected(product) is product
    assert unsigned(product) == (1, product)


# --- names ----------------------------------------------------------------------------------------------------------

PROGRAM = cl.softmax_cross_entropy()
RULES = rules_of(PROGRAM, PROGRAM.definitions["S"]) + rules_of(PROGRAM, PROGRAM.definitions["P"])
m, c = N.index("m"), C.index("c")


def test_kernels_are_replaced_by_what_the_program_calls_them() -> None:
    named, used = fold(exp(Z[m, c]) / Sum(exp(Z[m, j]), j), RULES, {})
    assert named == P[m, c] and [rule.source for rule in used] == ["S", "P"]
    assert fold(y * z, RULES, {}) == (y * z, ())
    assert fold_sums(exp(z) / Sum(exp(Z[n, j]), j), RULES) == exp(z) / S[n]


def test_an_identity_is_used_where_the_line_becomes_shorter() -> None:
    derived = identities(PROGRAM, [PROGRAM.definitions["S"]], RULES)
    line = canonical(Y[m, c] * Sum(P[m, j], j))
    named, used = fold(line, [*RULES, *derived], {})
    assert named == Y[m, c] and [rule.derived_from for rule in used] == ["S"]
    assert fold(Y[m, c] * P[m, c], [*RULES, *derived], {})[1] == ()


def test_an_entry_is_written_by_a_definition_only_where_that_is_shorter() -> None:
    R = Array("R", (N, C))
    of = Program(
        "residuals", (N, C), (Y, Z), (abbreviation(R[n, k], y - z), node(cl.L.base, Sum(R[n, k] ** 2, n, k))), "L"
    )
    rules = rules_of(of, of.definitions["R"])
    assert rules and not any(rule.always for rule in rules)
    assert fold(y * z, rules, {}) == (y * z, ())
    assert fold(2 * y - 2 * z, rules, {})[0] == 2 * R[n, k]
    assert fold(2 * y - 2 * z, rules, {"R": 6})[0] == 2 * R[n, k]
    assert fold(2 * y - 2 * z, rules, {"R": 7}) == (tidy(2 * y - 2 * z, {}), ())  # which costs as much


def test_a_kernel_may_be_a_difference_unless_a_part_is_divided_by_it() -> None:
    less_one = Program("m", (N, C), (Y, Z), (abbreviation(P[n, k], exp(z) - 1), node(cl.L.base, Sum(y * p, n, k))), "L")
    rules = rules_of(less_one, less_one.definitions["P"])
    for line, folded in ((y * exp(z), y * (p + 1)), (exp(2 * z), (p + 1) ** 2), (y / (y + exp(z)), y / (y + exp(z)))):
        assert fold(line, rules, {})[0] == canonical(folded)


def test_powers_of_a_kernel_are_found() -> None:
    named, _ = fold(exp(2 * z) / S[n] ** 2 + exp(-z) * S[n], RULES, {})
    assert named == canonical(P[n, k] ** 2 + 1 / P[n, k])
    assert fold(exp(Rational(1, 2) * z), RULES, {})[1] == ()


def test_of_several_names_of_one_kernel_each_product_takes_the_cheapest() -> None:
    """A softmax along the rows and one along the columns: the exponential is part of both."""
    T, Q = Array("T", (C,)), Array("Q", (N, C))
    i = N.index("i")
    of = Program(
        "both ways",
        (N, C),
        (Y, Z),
        (
            abbreviation(S[n], Sum(exp(Z[n, j]), j)),
            abbreviation(P[n, k], exp(z) / S[n]),
            abbreviation(T[k], Sum(exp(Z[i, k]), i)),
            abbreviation(Q[n, k], exp(z) / T[k]),
            node(cl.L.base, Sum(y * (p + Q[n, k]), n, k)),
        ),
        "L",
    )
    rules = [rule for definition in of.ordered for rule in rules_of(of, definition)]
    cases: list[tuple[Expr, Expr, set[str]]] = [
        (exp(z) / S[n], p, {"P"}),
        (exp(z) / T[k], Q[n, k], {"Q"}),
        (y * exp(z) / S[n] + exp(z) / T[k], y * p + Q[n, k], {"P", "Q"}),
        (Sum(y * exp(z) / T[k], k), Sum(y * Q[n, k], k), {"Q"}),
        (y + log(y**2 + 1), y + log(y**2 + 1), set()),
        (y * u, y * u, set()),
    ]
    for expr, expected, sources in cases:
        named, used = fold(canonical(expr), rules, {})
        assert canonical(named - canonical(expected)).expand() == 0
        assert {rule.source for rule in used} == sources


def test_what_is_long_when_multiplied_out_stays_in_brackets() -> None:
    nested = u
    for _ in range(8):
        nested = 1 / (v + nested)
    slope = nested.diff(u)
    assert tidy(slope, {}) == canonical(slope)
    assert multiplied_out((u + v + 1) ** 200) == (u + v + 1) ** 200
    assert multiplied_out((u + v) ** 3).is_Add


@pytest.mark.parametrize("text", ["norm(softplus(d) + sigmoid(d))", "sum(softplus(d)**2 * sigmoid(d))"])
def test_what_is_finite_is_not_divided_by_what_rounds_to_zero(text: str) -> None:
    """exp(d) = p/(1 - p) for a sigmoid p, which is 1 in floating point already at d = 40."""
    derivation = symgrad.derive(parse(text, "d: N"))
    assert np.all(np.isfinite(derivation.to_numpy(check=False)(np.array([-800.0, 0.5, 40.0, 800.0]))[1].d))
    assert derivation.prove().ok


def test_a_fraction_of_very_many_atoms_is_not_factored(monkeypatch: pytest.MonkeyPatch) -> None:
    factored = []
    monkeypatch.setattr(tidying, "_factor", lambda expr: factored.append(expr) or expr)
    for count in (tidying.MOST_FACTORED, tidying.MOST_FACTORED + 1):
        entries = [Array(f"t{place}", ()).base for place in range(count)]
        tidy(Add(*entries) / (1 + entries[0]), {})
    assert [len(expr.free_symbols) for expr in factored] == [tidying.MOST_FACTORED]


def test_what_is_irreducible_is_not_factored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "_factor", lambda expr: pytest.fail(f"{expr} is factored"))
    a, b, c, d, e = (Array(f"t{place}", (N,))[n] for place in range(5))
    for polynomial in (a * b + c * d, a * b * (1 - e**2) + c * d + e, a * u + c * d):
        assert tidying._factored(polynomial) == polynomial
    for polynomial in (a * b + b * c, a * u + b * u, a * b + c / d, a**2 - b**2):
        with pytest.raises(pytest.fail.Exception):
            tidying._factored(polynomial)


def test_opposite_steps_are_one_step() -> None:
    derivation = symgrad.derive("quantile")
    (step,) = (step for step in derivation.steps if step.reason == "H(−x) is 1 − H(x)")
    assert expression_text(step.after, derivation.record) == "(1/N) (q − H(−e_m))"
    assert str(derivation.prove().counts) == "{'definition': 2, 'every shape': 17}"
