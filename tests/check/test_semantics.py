"""What a subject means in index notation: the checker's own differentiation, and its own chain rule."""

from __future__ import annotations

import classifier as cl
import pytest
from classifier import softmax_cross_entropy, softmax_mse
from sympy import Expr, Function, Integer, KroneckerDelta, Sum, exp, log, sqrt

from symgrad.check.every_shape import descendants
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.semantics import abbreviations, adjoint_array, consumers, instance, meaning, partial, write_out
from symgrad.equations import abbreviation, node
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import MatrixTotal, MatrixValue, Partial, Record, Total, Value

N, D, C, X, W, b, Y, Z, S, P, R, L = cl.N, cl.D, cl.C, cl.X, cl.W, cl.b, cl.Y, cl.Z, cl.S, cl.P, cl.R, cl.L
n, d, k, j = cl.n, cl.d, cl.k, cl.j
m, c, e = N.index("m"), C.index("c"), D.index("e")
ENTROPY, MSE = softmax_cross_entropy(), softmax_mse()
G = {name: Array(f"adjoint of {name}", MSE.arrays[name].axes) for name in ("Z", "P", "W")}


def record(of: Program) -> Record:
    return Record(of, (), (), {}, {})


def same(left: Expr, right: Expr, of: Program = ENTROPY) -> bool:
    return Normaliser(of, frozenset({"S"})).equal(left, right)


def test_abbreviations_are_written_out_whatever_their_letters() -> None:
    assert abbreviations(ENTROPY) == {"S", "P"} and abbreviations(MSE) == {"S", "R"}
    assert write_out(S[m], ENTROPY, {"S"}) == instance(ENTROPY.definitions["S"], S[m])
    assert not write_out(P[m, c], ENTROPY, {"S", "P"}).has(S.base, P.base)
    assert write_out(P[m, c], ENTROPY, {"S"}) == P[m, c]


DELTA = KroneckerDelta(n, m) * KroneckerDelta(k, c)
PARTIAL: dict[str, tuple[Program, Expr, Expr, Expr]] = {
    "a linear layer": (ENTROPY, Z[n, k], W[e, c], X[n, e] * KroneckerDelta(k, c)),
    "by a vector": (ENTROPY, Z[n, k], b[c], KroneckerDelta(k, c)),
    "by what it does not use": (ENTROPY, Z[n, k], Y[m, c], Integer(0)),
    "at the same letters": (ENTROPY, Z[n, k], W[d, k], X[n, d]),
    "a node by a node": (MSE, P[n, k], Z[m, c], KroneckerDelta(n, m) * P[n, k] * (KroneckerDelta(k, c) - P[n, c])),
    "the output": (MSE, L.base, P[m, c], 2 * (P[m, c] - Y[m, c]) / (N.size * C.size)),
    "a product in a sum": (ENTROPY, Sum(Y[n, k] * Z[n, k] ** 2, n, k), Z[m, c], 2 * Y[m, c] * Z[m, c]),
    "terms and factors": (ENTROPY, C.size * (Z[n, k] + Y[n, k]) * Y[n, k], Z[m, c], C.size * DELTA * Y[n, k]),
    "a root": (ENTROPY, sqrt(exp(Z[n, k])), Z[m, c], DELTA * sqrt(exp(Z[n, k])) / 2),
    "a logarithm": (ENTROPY, log(S[n]), Z[m, c], KroneckerDelta(n, m) * exp(Z[n, c]) / S[n]),
    "two letters of one axis": (
        ENTROPY,
        exp(Z[n, k] + Z[n, j]),
        Z[m, c],
        KroneckerDelta(n, m) * (KroneckerDelta(k, c) + KroneckerDelta(j, c)) * exp(Z[n, k] + Z[n, j]),
    ),
    "by a letter that is bound": (ENTROPY, Sum(Z[n, c] ** 2, c), Z[m, c], 2 * KroneckerDelta(n, m) * Z[n, c]),
}


@pytest.mark.parametrize("case", PARTIAL)
def test_partial_derivatives(case: str) -> None:
    of, expr, wrt, expected = PARTIAL[case]
    normaliser = Normaliser(of, frozenset({"S", "P"} if of is MSE else {"S"}))
    assert normaliser.equal(partial(of, expr, wrt), expected)


def test_a_partial_derivative_by_an_abbreviation_keeps_it() -> None:
    assert same(partial(ENTROPY, L.base, P[m, c]), -Y[m, c] / (N.size * P[m, c]))
    assert same(partial(ENTROPY, P[n, k], S[m]), -KroneckerDelta(n, m) * exp(Z[n, k]) / S[n] ** 2)


def test_a_total_derivative_sums_over_what_uses_the_array() -> None:
    by_logits = meaning(record(MSE), Total(Z[m, c]))
    softmax = KroneckerDelta(n, m) * P[n, k] * (KroneckerDelta(k, c) - P[n, c])
    normaliser = Normaliser(MSE, frozenset({"S", "P"}))
    assert normaliser.equal(by_logits, Sum(G["P"][n, k] * softmax, n, k))
    weights = meaning(record(MSE), Total(W[e, c]))
    assert normaliser.equal(weights, Sum(G["Z"][n, c] * X[n, e], n))
    assert meaning(record(MSE), Total(L.base)) == 1
    two = Program(
        "two uses",
        (N, C),
        (Y,),
        (node(Z[n, k], 3 * Y[n, k]), node(L.base, Sum(Z[n, k] ** 2 + Y[n, k], n, k))),
        "L",
    )
    assert Normaliser(two, frozenset()).equal(meaning(record(two), Total(Y[m, c])), 3 * G["Z"][m, c] + 1)


def test_an_equation_on_which_the_output_does_not_depend_is_no_use() -> None:
    equations = (node(L.base, Sum(Y[n, k] ** 2, n, k)), node(P[n, k], Y[n, k]), node(Z[n, k], 3 * Y[n, k] * P[n, k]))
    of = Program("an output in the middle", (N, C), (Y,), equations, "L")
    found = meaning(record(of), Total(Y[m, c]))
    assert Normaliser(of, frozenset()).equal(found, 2 * Y[m, c])


def test_scalars_have_derivatives() -> None:
    s, t = Array("s").base, Array("t").base
    of = Program("scalars", (N, C), (Y, Array("t")), (node(s, t**2), node(L.base, s * Sum(Y[n, k], n, k))), "L")
    assert partial(of, s, t) == 2 * t and partial(of, t * Y[n, k], t) == Y[n, k]
    assert meaning(record(of), Total(t)) == 2 * t * Array("adjoint of s").base
    assert instance(of.definitions["s"], s) == t**2


def test_a_matrix_means_its_entries() -> None:
    row, column = N.index("%r0N"), C.index("%r1C")
    assert meaning(record(MSE), MatrixValue(P)) == P[row, column]
    assert meaning(record(MSE), MatrixTotal(Z)) == meaning(record(MSE), Total(Z[row, column]))
    assert meaning(record(MSE), Value(P[n, k] + 1)) == P[n, k] + 1
    assert meaning(record(MSE), Partial(Z[n, k], b[c])) == KroneckerDelta(k, c)


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(NoNormalForm, match="undone"):
        partial(ENTROPY, Function("f")(Z[n, k]), Z[m, c])


def test_who_uses_an_array() -> None:
    assert [definition.name for definition in consumers(MSE, "Z")] == ["P"]
    assert [definition.name for definition in consumers(MSE, "Y")] == ["L"]
    assert [definition.name for definition in consumers(ENTROPY, "Z")] == ["L"]
    named = Program("a name for the loss", (C,), (b,), (abbreviation(L.base, Sum(b[k] ** 2, k)),), "L")
    assert [definition.name for definition in consumers(named, "b")] == ["L"]


def test_descendants_are_those_that_depend_on_an_array_through_others_too() -> None:
    found = {name: descendants(MSE, name) for name in "XYSL"}
    assert found["X"] == {"Z", "S", "P", "R", "L"} and found["Y"] == {"R", "L"} and found["L"] == frozenset()
    assert found["S"] == {"P", "R", "L"}


def test_adjoints_have_the_names_that_the_record_gives_them() -> None:
    given = Record(MSE, (), (), {}, {}, {"Z": Array("G", (N, C))})
    assert adjoint_array(given, "Z").name == "G" and adjoint_array(given, "P") == G["P"]


def test_what_nothing_uses_has_the_derivative_0() -> None:
    U = Array("U", (cl.N,))
    of = Program("unused", (cl.N, cl.C), (cl.Y, U), (node(cl.L.base, Sum(cl.Y[cl.n, cl.k] ** 2, cl.n, cl.k)),), "L")
    assert meaning(Record(of, ("Y",), (), {}, {}), Total(U[cl.n])) is Integer(0)
