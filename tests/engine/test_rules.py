"""Rules that definitions give: solved for what is not rational, and only where the divisor is known not to be zero."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import classifier as cl
import pytest
from sympy import Add, Expr, Integer, KroneckerDelta, Pow, Rational, Sum, exp, log, sqrt, tanh

from symgrad.canonical import canonical
from symgrad.engine.rules import Rule, identities, kernels, matches, nonzero_because, rules_of, shares, solved
from symgrad.equations import Definition, abbreviation, node
from symgrad.functions import relu, selection
from symgrad.notation import Array
from symgrad.program import Program

N, D, C, X, Y, Z, S, P, L, n, d, k, j = cl.N, cl.D, cl.C, cl.X, cl.Y, cl.Z, cl.S, cl.P, cl.L, cl.n, cl.d, cl.k, cl.j
m, c = N.index("m"), C.index("c")
eps = Array("eps", (), positive=True)
U = Array("U", (N, C))
y, z, u = Y[n, k], Z[n, k], U[n, k]


def program(*equations: Definition) -> Program:
    """A program with inputs Y, Z of any sign and eps > 0, and a loss that uses whatever is defined."""
    used = sum((e.entry for e in equations), Integer(0))
    loss = node(L.base, Sum(used + Y[n, k] * Z[n, k] * eps.base, n, k))
    return Program("test", (N, D, C), (Y, Z, X, cl.b, eps), (*equations, loss), "L")


def only(definition: Definition) -> Rule:
    (rule,) = rules_of(program(definition), definition)
    return rule


def test_kernels_are_the_largest_parts_that_are_not_rational() -> None:
    total = Sum(exp(Z[n, j]), j)
    cases: list[tuple[Expr, list[Expr]]] = [
        (y / (1 + z) ** 2, []),
        (exp(z) / total, [exp(z), total]),
        (sqrt(y + exp(z)), [sqrt(y + exp(z))]),
        (1 / sqrt(y), [1 / sqrt(y)]),
        (exp(z) / (1 + exp(z)), [exp(z)]),
        (KroneckerDelta(n, m) * log(y), [log(y)]),
    ]
    for expr, expected in cases:
        assert set(kernels(expr)) == set(expected) and len(kernels(expr)) == len(expected)


SOLVED: dict[str, tuple[Expr, Expr, Expr, bool]] = {
    # the right side of U, what it is solved for, and what that is
    "softmax": (exp(z) / (1 + exp(Integer(1))), exp(z), u * (1 + exp(Integer(1))), True),
    "sigmoid": (1 / (1 + exp(-z)), exp(-z), (1 - u) / u, True),
    "tanh": (tanh(z), tanh(z), u, True),
    "a root": (sqrt(y**2 + eps.base), sqrt(y**2 + eps.base), u, True),
    "a logarithm": (2 * log(y**2 + 1) + 3, log(y**2 + 1), (u - 3) / 2, True),
}


@pytest.mark.parametrize("case", SOLVED)
def test_a_definition_is_solved_for_its_kernel(case: str) -> None:
    rhs, pattern, replacement, always = SOLVED[case]
    rule = only(abbreviation(u, rhs))
    assert (rule.source, rule.pattern, rule.always, rule.indices) == ("U", pattern, always, (n, k))
    assert (rule.replacement - replacement).together().expand() == 0


def test_a_definition_without_a_kernel_is_solved_for_its_entries() -> None:
    definition = abbreviation(u, y + 2 * z)
    rules = {rule.pattern: rule for rule in rules_of(program(definition), definition)}
    assert rules.keys() == {y, z} and not any(rule.always for rule in rules.values())
    assert rules[y].replacement == u - 2 * z and (rules[z].replacement - (u - y) / 2).expand() == 0
    assert rules[y].conditions == rules[z].conditions == ()
    among_rows = abbreviation(u, cl.b[k] + z)
    assert [rule.pattern for rule in rules_of(program(among_rows), among_rows)] == [z]


def test_nothing_is_solved_by_dividing_by_another_array() -> None:
    scaled = abbreviation(u, y + 2 * z * eps.base)
    assert {rule.pattern for rule in rules_of(program(scaled), scaled)} == {y}
    gated = abbreviation(u, eps.base * tanh(z) - y)
    assert rules_of(program(gated), gated) == []
    share = abbreviation(u, 1 / (1 + exp(-z)))
    assert [(c.nonzero, c.reason) for c in only(share).conditions] == [(u, "positive by its definition")]


NOT_SOLVED = {
    "two kernels": exp(z) + log(y**2 + 1),
    "a divisor of any sign": y * exp(z),
    "a kernel twice": exp(z) / y + exp(z) * (1 + z),
    "not linear": exp(z) + exp(2 * z),
}


@pytest.mark.parametrize("case", NOT_SOLVED)
def test_what_cannot_be_solved_gives_no_rule(case: str) -> None:
    definition = abbreviation(u, NOT_SOLVED[case])
    assert rules_of(program(definition), definition) == []


def test_a_kernel_with_fewer_indices_and_the_output_give_no_rule() -> None:
    definition = abbreviation(u, y * 0 + Sum(exp(Z[n, j]), j) + 0)
    assert rules_of(program(definition), definition) == []
    of = program(abbreviation(u, tanh(z)))
    assert rules_of(of, of.definitions["L"]) == []


def test_solving_needs_a_linear_equation() -> None:
    of = program(abbreviation(u, tanh(z)))
    kernel = exp(z)
    assert solved(of, u, 1 + y, kernel) is None
    assert solved(of, u, kernel**2, kernel) is None
    assert solved(of, u, 3 * log(y) + log(y) ** 2, log(y)) is None
    assert solved(of, u, log(y) * (1 + log(y)) ** 200, log(y)) is None  # too long to multiply out
    assert solved(of, u, 1 / (1 + kernel) + kernel, kernel) is None
    found = solved(of, u, kernel / (1 + kernel), kernel)
    assert found is None  # u / (1 - u): nothing says that u is not 1
    assert solved(of, u, eps.base * kernel + C.size, kernel) is None
    found = solved(of, u, 3 * kernel + C.size, kernel)
    assert found is not None and (found[0] - (u - C.size) / 3).together().expand() == 0


def test_a_number_divides_without_a_condition() -> None:
    found = solved(program(abbreviation(u, tanh(z))), u, exp(Integer(1)) * exp(z), exp(z))
    assert found == (u * exp(Integer(-1)), ())


NONZERO = {
    "a number": (Integer(2), "a number"),
    "zero": (Integer(0), None),
    "positive": (eps.base, "positive"),
    "a negative": (-eps.base, "nonzero"),
    "an entry": (y, None),
    "an exponential": (exp(z), "positive"),
    "an array that is an exponential": (u, "positive by its definition"),
    "less it": (-u, "negative by its definition"),
    "one more than a square": (1 + y**2, "positive"),
    "a difference": (u - 1, None),
    "two squares": (y**2 + z**2, None),
    "a sum of exponentials": (Sum(exp(Z[n, j]), j), "positive"),
    "a sum of squares and more": (Sum(Y[n, j] ** 2, j) + eps.base, "positive"),
    "a sum of squares": (Sum(Y[n, j] ** 2, j), None),
    "a root of it": (sqrt(Sum(Y[n, j] ** 2, j) + eps.base), "positive"),
    "a product with an entry": (exp(z) * y, None),
}


@pytest.mark.parametrize("case", NONZERO)
def test_why_something_is_not_zero(case: str) -> None:
    expr, reason = NONZERO[case]
    assert nonzero_because(program(abbreviation(u, exp(z) / 2)), expr) == reason


def test_no_sign_is_looked_for_in_what_takes_for_ever_to_write_out() -> None:
    """Each of forty arrays is written twice in the next."""
    arrays = [Array(f"t{place}", (N, C)) for place in range(40)]
    squares = [node(new[n, k], old[n, k] ** 2 + old[n, k]) for old, new in pairwise([Y, *arrays])]
    long = program(*squares)
    assert nonzero_because(long, 1 + arrays[-1][n, k]) is None
    assert nonzero_because(long, 1 + arrays[1][n, k] ** 2) == "positive"
    two = program(abbreviation(u, exp(z) / 2), abbreviation(arrays[0][n, k], 1 + u))
    assert nonzero_because(two, arrays[0][n, k]) == "positive by its definition"


def test_where_a_kernel_is_eliminated_a_sum_has_an_identity() -> None:
    of = cl.softmax_cross_entropy()
    total, share = of.definitions["S"], of.definitions["P"]
    rules = rules_of(of, total) + rules_of(of, share)
    (found,) = identities(of, [total, share], rules)
    assert canonical(found.pattern) == canonical(Sum(P[n, j], j)) and found.replacement == 1
    assert (found.source, found.derived_from, found.always, found.after) == ("P", "S", False, rules[1])
    assert found.indices == (n,) and found.conditions == ()
    assert identities(of, [share], rules) == []
    assert identities(of, [total], rules_of(of, total)) == []
    unrelated = Rule("U", tanh(z), u, (n, k), True)
    assert identities(of, [share, total], [unrelated, *rules]) == [found]
    assert identities(of, [replace(total, rhs=total.rhs + Sum(tanh(Z[n, j]), j))], rules) == []
    assert identities(of, [replace(total, rhs=Sum(exp(Z[n, j]), n, j))], rules) == []


def test_an_identity_says_what_it_divides_by() -> None:
    inverse = abbreviation(S[n], 1 / Sum(exp(Z[n, j]), j))
    of = program(abbreviation(P[n, k], exp(z)), inverse)
    (found,) = identities(of, [inverse], rules_of(of, of.definitions["P"]))
    assert canonical(found.pattern) == canonical(Sum(P[n, j], j)) and found.replacement == 1 / S[n]
    assert [(c.nonzero, c.reason) for c in found.conditions] == [(S[n], "positive by its definition")]


def test_shares_of_a_selection_add_up_to_one() -> None:
    definition = node(u, selection(Z[n, k], k))
    (rule,) = shares(definition)
    assert (rule.pattern, rule.replacement, rule.indices, rule.always) == (Sum(u, k), 1, (n,), False)
    assert "add up to 1" in rule.reason and rule.source == "U"
    assert shares(node(u, relu(Z[n, k]))) == []


def test_a_pattern_is_found_at_other_indices_and_in_powers() -> None:
    rule = only(abbreviation(u, 1 / (1 + exp(-z))))
    assert dict(matches(rule, exp(-Z[m, c]) + y)) == {exp(-Z[m, c]): (1 - U[m, c]) / U[m, c]}
    found = dict(matches(rule, exp(3 * Z[m, k])))
    assert (found[exp(3 * Z[m, k])] - ((1 - U[m, k]) / U[m, k]) ** -3).together() == 0
    assert dict(matches(rule, exp(-Y[m, c]) + exp(-Z[m, c] / 2) + log(Z[m, c]))) == {}
    root = only(abbreviation(u, sqrt(y**2 + eps.base)))
    assert dict(matches(root, (Y[m, c] ** 2 + eps.base) ** Rational(-3, 2))) == {
        (Y[m, c] ** 2 + eps.base) ** Rational(-3, 2): U[m, c] ** -3
    }
    assert dict(matches(root, Pow(Y[m, c] ** 2 + eps.base, Rational(1, 4)))) == {}


def test_sums_match_up_to_the_names_of_their_indices() -> None:
    definition = abbreviation(S[n], Sum(exp(Z[n, j]), j))
    of = Program("s", (N, C), (Z,), (definition, node(L.base, Sum(S[n] * Z[n, k], n, k))), "L")
    (rule,) = rules_of(of, definition)
    total = Sum(exp(Z[m, c]), c)
    assert dict(matches(rule, y * total)) == {total: S[m]}
    assert dict(matches(rule, Sum(exp(Z[m, c]), m))) == {}


def test_every_kernel_of_a_line_is_found_at_once() -> None:
    rule = only(node(u, exp(z)))
    found = dict(matches(rule, exp(z) + exp(Z[m, k]) + exp(Z[n, c])))
    assert found == {exp(Z[i]): U[i] for i in ((n, k), (m, k), (n, c))}


def test_an_index_that_a_selection_would_capture_is_passed_over() -> None:
    A, B = Array("A", (C, C)), Array("B", (C, C))
    rule = Rule("B", selection(A[k, j], j), B[k, j], (k, j), always=True)
    assert dict(matches(rule, selection(A[c, k], k))) == {selection(A[c, k], k): B[c, k]}


def test_a_whole_power_is_not_written_by_a_root_of_itself() -> None:
    rule = Rule("U", sqrt(y), u * y, (n, k), always=True)
    assert dict(matches(rule, z * y**2)) == {}
    assert dict(matches(rule, z * sqrt(y))) == {sqrt(y): u * y}
    assert dict(matches(Rule("U", sqrt(y), u, (n, k), always=True), z * y**2)) == {y**2: u**4}


def test_a_number_in_front_of_a_root_is_not_taken_for_a_mask() -> None:
    """The pattern sqrt(t**2 + t**2) is a product, sqrt(2) |t|, as a masked exponential is."""
    total = Sum(Z[n, j], j)
    kink = Pow(Add(total**2, total**2, evaluate=False), Rational(1, 2), evaluate=False)
    assert list(matches(Rule("S", kink, S[n], (n,), True), total**2)) == []
