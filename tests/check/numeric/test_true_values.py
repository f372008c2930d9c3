"""Random true values: of the inputs, of what the equations make of them, and of the derivatives of the output."""

from __future__ import annotations

import classifier as cl
import numpy as np
import pytest
from classifier import softmax_cross_entropy
from sympy import Integer, KroneckerDelta, Rational, Sum, cosh, exp, log, sinh, tanh

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.check.numeric.fields import Field, OutsideField, Reals
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.numeric.true_values import TrueValues, exponential_depth, letters_of
from symgrad.check.semantics import in_indices
from symgrad.equations import DOMAINS, Definition, in_domain, node, one_hot, rows_sum_to_one, symmetric
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import MatrixTotal, MatrixValue, Partial, Record, Total, Value

N, D, C, X, W, b, Y, Z, S, P, L = cl.N, cl.D, cl.C, cl.X, cl.W, cl.b, cl.Y, cl.Z, cl.S, cl.P, cl.L
n, d, k, j = cl.n, cl.d, cl.k, cl.j
m, c = N.index("m"), C.index("c")
S0, T0 = Array("s").base, Array("t").base
SIZES = {"N": 2, "D": 3, "C": 4}


def program(*equations: Definition, inputs: tuple[Array, ...] = (Y,)) -> Program:
    return Program("test", (N, D, C), inputs, equations, "L")


def record(of: Program) -> Record:
    return Record(of, (), (), {}, {})


def truth(of: Program, system: type[Field] | type[Reals] = Reals, **more: object) -> TrueValues:
    return TrueValues(record(of), Instance(of, SIZES), system, **more)  # type: ignore[arg-type]


def loss(expr: object) -> Definition:
    return node(L.base, Sum(expr, n, k))


@pytest.mark.parametrize(
    ("equations", "depth"),
    [
        ((loss(Y[n, k] ** 2),), 0),
        ((loss(exp(Y[n, k])),), 1),
        ((loss(exp(exp(Y[n, k])) + exp(Y[n, k])),), 2),
        ((node(Z[n, k], exp(Y[n, k])), loss(Z[n, k])), 1),
        ((node(Z[n, k], exp(Y[n, k])), loss(exp(Z[n, k]))), 2),
        ((node(Z[n, k], exp(Y[n, k])), node(P[n, k], exp(Z[n, k])), loss(Y[n, k] * exp(Y[n, k]) * P[n, k])), 2),
        ((loss(tanh(sinh(cosh(Y[n, k])))),), 3),
        ((loss(exp(1) * Y[n, k]),), 1),
        ((node(S0, Sum(exp(Y[n, k]), n, k)), node(T0, S0), loss(exp(T0) * Y[n, k])), 2),
    ],
)
def test_exponentials_are_counted_through_the_equations(equations: tuple[Definition, ...], depth: int) -> None:
    assert exponential_depth(program(*equations)) == depth


@pytest.mark.parametrize(
    ("subject", "letters"),
    [
        (Value(Y[n, k]), (k, n)),
        (Value(Sum(Y[n, k], k)), (n,)),
        (Partial(Z[n, k], Y[m, c]), (k, n, m, c)),
        (Partial(Z[n, k], L.base), (k, n)),
        (Partial(Z[n, k], Z[n, c]), (k, n, c)),
        (Total(Y[m, c]), (m, c)),
        (Total(Array("A", (C, C))[c, c]), (c,)),
        (Total(L.base), ()),
    ],
)
def test_the_letters_of_a_subject_are_its_free_indices(subject: object, letters: tuple[object, ...]) -> None:
    assert letters_of(subject) == letters  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [MatrixValue, MatrixTotal])
def test_a_matrix_has_a_letter_for_each_axis(kind: type[MatrixValue]) -> None:
    assert [i.upper + 1 for i in letters_of(in_indices(kind(Y)))] == [N.size, C.size]


def numbers(value: np.ndarray) -> np.ndarray:
    return np.array(value[0], dtype=float)


def test_values_are_what_the_equations_make_of_the_inputs() -> None:
    of = truth(softmax_cross_entropy())
    x, w, bias, y = (numbers(of.evaluator.values[name]) for name in "XWbY")
    z = x @ w + bias
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert [x.shape, w.shape, bias.shape, y.shape] == [(2, 3), (3, 4), (4,), (2, 4)]
    assert np.allclose(numbers(of.evaluator.values["P"]), p)
    assert np.allclose(numbers(of.evaluator.values["L"]), -(y * np.log(p)).sum() / 2)
    assert np.allclose(numbers(of.meaning(Value(P[n, k]), (k, n))), p.T)
    value = in_indices(MatrixValue(P))
    assert np.allclose(numbers(of.meaning(value, letters_of(value))), p)
    assert np.allclose(numbers(of.values(P[n, k] * Y[m, k], (n, m, k))), p[:, None] * y[None])


def test_adjoints_are_the_derivatives_of_the_output() -> None:
    of = truth(softmax_cross_entropy())
    y, p, x, w = (numbers(of.evaluator.values[name]) for name in "YPXW")
    dz = (p * y.sum(axis=1, keepdims=True) - y) / 2
    assert np.allclose(numbers(of.adjoint("Z")), dz)
    assert np.allclose(numbers(of.adjoint("W")), x.T @ dz)
    assert numbers(of.adjoint("L")) == 1
    assert np.allclose(numbers(of.meaning(Total(W[d, c]), (d, c))), x.T @ dz)
    total = in_indices(MatrixTotal(X))
    assert np.allclose(numbers(of.meaning(total, letters_of(total))), dz @ w.T)
    assert np.allclose(numbers(of.values(Array("adjoint of Z", (N, C))[n, k], (n, k))), dz)


def test_derivatives_by_a_scalar() -> None:
    of = truth(program(node(L.base, S0**2 * Sum(Y[n, k], n, k)), inputs=(Y, Array("s"))))
    y, s = (numbers(of.evaluator.values[name]) for name in "Ys")
    for subject in (Total(S0), Partial(L.base, S0)):
        assert np.allclose(numbers(of.meaning(subject, ())), 2 * s * y.sum())


def test_terms_of_an_adjoint_may_be_known_to_different_depths() -> None:
    """In a field, an exponential of an exponential is known at fewer levels than what has none."""
    Q = Array("Q", (N, C))
    parts = {Z: exp(exp(Y[n, k])), P: Y[n, k] ** 2, Q: tanh(Y[n, k])}
    of = program(*(node(a[n, k], part) for a, part in parts.items()), loss(Z[n, k] + P[n, k] + Q[n, k]))
    field, reals = (truth(of, system) for system in (Field, Reals))
    assert len(field.adjoint("Y")) == 1 < len(field.evaluator.values["Q"]) < len(field.evaluator.values["Y"])
    y = numbers(reals.evaluator.values["Y"])
    assert np.allclose(numbers(reals.adjoint("Y")), np.exp(np.exp(y) + y) + 2 * y + 1 - np.tanh(y) ** 2)


def test_an_adjoint_is_known_no_more_deeply_than_those_that_it_is_made_of() -> None:
    """The derivative of log Σ exp(y + s) with respect to s is 1 for each row: at the second level nothing says so."""
    output = node(L.base, Sum(log(Sum(exp(Z[n, k]), k)), n))
    field = truth(program(node(Z[n, k], Y[n, k] + S0), output, inputs=(Y, Array("s"))), Field)
    assert len(field.evaluator.values["Z"]) == 2 and field.adjoint("s").tolist() == [SIZES["N"]]


def test_a_partial_derivative_holds_other_nodes_fixed() -> None:
    of = truth(softmax_cross_entropy())
    x, y, p = (numbers(of.evaluator.values[name]) for name in "XYP")
    subject = Partial(Z[n, k], W[d, c])
    expected = np.einsum("nd,kc->nkdc", x, np.eye(4))
    letters = (n, k, d, c)
    assert np.allclose(numbers(of.meaning(subject, letters)), expected)
    by_logits = numbers(of.meaning(Partial(L.base, Z[m, c]), (m, c)))
    assert np.allclose(by_logits, (p * y.sum(axis=1, keepdims=True) - y) / 2)
    assert not numbers(of.meaning(Partial(L.base, X[m, d]), (m, d))).any()


def test_an_entry_on_the_diagonal_is_that_of_the_adjoint() -> None:
    A = Array("A", (C, C))
    of = truth(program(node(L.base, Sum(A[k, j] ** 2, k, j)), inputs=(A,)))
    assert np.allclose(numbers(of.meaning(Total(A[c, c]), (c,))), 2 * np.diag(numbers(of.evaluator.values["A"])))


@pytest.mark.parametrize("system", [Field, Reals])
def test_inputs_satisfy_what_is_assumed(system: type[Field] | type[Reals]) -> None:
    A = Array("A", (C, C))
    of = program(node(L.base, Sum(Y[n, k] * A[k, j], n, k, j)), inputs=(Y, A))
    entries, sums = one_hot(Y)
    one = Integer(1)
    for assumed, left, right, letters in [
        (rows_sum_to_one(Y), Sum(Y[n, k], k), one, (n,)),
        (symmetric(A, "A2"), A[k, j], A[j, k], (k, j)),
    ]:
        for given in ((), (assumed,)):
            values = truth(of, system, assumed=given)
            differs = values.evaluator.numbers.differ(values.values(left, letters), values.values(right, letters))
            assert bool(differs.any()) is not bool(given)
    for given in ((entries,), (entries, sums)):
        hot = truth(of, system, assumed=given).evaluator.values["Y"]
        rows = (hot == 1).all(axis=0).sum(axis=1)
        assert ((hot == 0) | (hot == 1)).all() and list(rows) == ([1, 1] if sums in given else [0, 1])


@pytest.mark.parametrize("system", [Field, Reals])
@pytest.mark.parametrize("word", DOMAINS)
def test_entries_lie_in_their_domain(word: str, system: type[Field] | type[Reals]) -> None:
    """Also beside an array of positive entries, and one that is symmetric."""
    A = Array("A", (C, C))
    positive = Array("X", (N, D), positive=True)
    terms = Y[n, k] * A[k, j] * exp(positive[n, d])
    of = program(node(L.base, Sum(terms, n, k, j, d)), inputs=(Y, A, positive))
    assumed = (in_domain(Y, word), symmetric(A, "A2"))
    first, again = (truth(of, system, assumed=assumed).evaluator.values for _ in range(2))
    assert (first["Y"] == again["Y"]).all() and first["Y"].shape == (len(first["X"]), 2, 4)
    assert (first["A"] == first["A"].transpose(0, 2, 1)).all()
    if system is Reals:
        assert DOMAINS[word].contains(numbers(first["Y"])).all() and (numbers(first["X"]) > 0).all()
    elif DOMAINS[word].values:
        allowed = {tuple(Field(2, 0).constant(Integer(value))) for value in DOMAINS[word].values}
        assert {tuple(levels) for levels in first["Y"].reshape(2, -1).T} <= allowed


def test_entries_of_a_domain_without_end_have_roots_in_a_field() -> None:
    of = program(loss(Y[n, k] ** Rational(1, 2)))
    assert truth(of, Field, assumed=(in_domain(Y, "nonnegative"),), attempts=1).evaluator.values["L"].size


def test_the_second_attempt_draws_small_entries() -> None:
    of, nonnegative = program(loss(log(1 - Y[n, k]))), (in_domain(Y, "nonnegative"),)
    with pytest.raises(OutsideField):
        truth(of, assumed=nonnegative, attempts=1)
    assert (numbers(truth(of, assumed=nonnegative, attempts=2).evaluator.values["Y"]) < 1).all()


def test_labels_leave_other_assumptions_in_force() -> None:
    A = Array("A", (C, C))
    of = program(node(L.base, Sum(Y[n, k] * A[k, j], n, k, j)), inputs=(Y, A))
    values = truth(of, assumed=(*one_hot(Y), symmetric(A, "A2"))).evaluator.values
    assert (values["A"] == values["A"].transpose(0, 2, 1)).all()


def test_every_level_of_a_field_has_its_own_values() -> None:
    equations = node(Z[n, k], exp(b[k])), loss(Y[n, k] ** 3 + Z[n, k])
    of = truth(program(*equations, inputs=(Y, b)), Field)
    levels = len(of.evaluator.values["Y"])
    assert levels > 1
    for subject in (Total(Y[n, k]), Partial(L.base, Y[n, k])):
        found = of.meaning(subject, (n, k))
        expected = of.values(3 * Y[n, k] ** 2, (n, k))
        assert found.shape == expected.shape and not of.evaluator.numbers.differ(found, expected).any()


def test_a_point_is_told_by_the_first_entry_of_each_input() -> None:
    of = truth(program(node(L.base, S0 * Sum(Y[n, k], n, k)), inputs=(Y, Array("s"))))
    y, s = (float(of.evaluator.values[name].flat[0]) for name in "Ys")
    assert of.point() == f"Y[0, 0] = {y:.4g}, s = {s:.4g}"


@pytest.mark.parametrize("system", [Field, Reals])
def test_labels_pick_entries_exactly(system: type[Field] | type[Reals]) -> None:
    A = Array("A", (C, C))
    of = program(node(L.base, Sum(Y[n, k] * exp(A[k, j]), n, k, j)), inputs=(Y, A))
    values = truth(of, system, assumed=one_hot(Y))
    picked = values.values(Sum(Y[n, k] * A[k, j], k), (n, j))
    places = (values.evaluator.values["Y"][0] == 1).argmax(axis=1)
    assert (picked == values.evaluator.values["A"][:, places]).all()


def test_labels_are_the_same_every_time() -> None:
    of = program(loss(Y[n, k] * 2))
    sizes = {"N": 20, "D": 1, "C": 4}
    one, other = (
        TrueValues(record(of), Instance(of, sizes), Reals, one_hot(Y)).evaluator.values["Y"] for _ in range(2)
    )
    assert (one == other).all() and len({tuple(row) for row in one[0]}) > 1


def test_another_seed_has_other_inputs() -> None:
    first, again, other = (truth(softmax_cross_entropy(), seed=seed).evaluator.values["X"] for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).all()


def test_a_program_without_values_is_outside_of_the_field() -> None:
    with pytest.raises(OutsideField):
        truth(program(loss(Y[n, k] ** Rational(1, 3))), Field)
    never = program(loss((-((1 - Y[n, k]) ** 2) - Y[n, k] ** 2) ** Rational(1, 2)))
    with pytest.raises(OutsideField, match="no random inputs"):
        truth(never)


def test_where_the_first_inputs_are_outside_of_the_domain_others_are_tried() -> None:
    of = truth(program(loss((1 - Y[n, k]) ** Rational(1, 2) + Y[n, k] ** Rational(1, 2))))
    assert ((numbers(of.evaluator.values["Y"]) > 0) & (numbers(of.evaluator.values["Y"]) < 1)).all()


def test_the_evaluator_agrees_with_numpy() -> None:
    rng = np.random.default_rng(0)
    reals = Reals(1, 0)
    arrays = {"Y": rng.normal(size=(2, 4)), "A": rng.normal(size=(4, 4)), "T": rng.normal(size=(2, 4, 4))}
    values = {name: np.array(array[None], dtype=object) for name, array in arrays.items()}
    values["s"] = np.array([reals.constant(Rational(3, 2))[0]], dtype=object)
    evaluator = Evaluator(reals, softmax_cross_entropy(), SIZES, values, {})
    y, a, t = (arrays[name] for name in "YAT")
    A, T, s = Array("A", (C, C)), Array("T", (N, C, C)), Array("s").base
    cases = [
        (Y[n, k], "nk", y),
        (Y[n, k], "kn", y.T),
        (A[k, k], "k", np.diag(a)),
        (T[n, k, k] + A[k, j], "nkj", np.einsum("nkk->nk", t)[:, :, None] + a[None]),
        (T[n, j, k], "nkj", t.transpose(0, 2, 1)),
        (Sum(T[n, k, k], k), "n", np.einsum("nkk->n", t)),
        (Sum(Y[n, k] * A[k, j], k), "nj", y @ a),
        (Sum(Y[n, k], n, k), "", y.sum()),
        (Sum(Y[n, k], k, j), "n", 4 * y.sum(axis=1)),
        (KroneckerDelta(k, j) * Y[n, k], "nkj", np.einsum("nk,kj->nkj", y, np.eye(4))),
        (Sum(KroneckerDelta(k, j), j), "k", np.ones(4)),
        (s * N.size * Y[n, k] / C.size, "nk", 1.5 * 2 * y / 4),
        (Y[n, k] ** 2 + (Y[n, k] ** 2) ** Rational(1, 2), "nk", y**2 + np.abs(y)),
        (exp(Y[n, k]) * tanh(Y[n, j]), "nkj", np.exp(y)[:, :, None] * np.tanh(y)[:, None, :]),
        (Integer(7), "nk", np.full((2, 4), 7.0)),
    ]
    by_letter = {"n": n, "k": k, "j": j}
    for expr, letters, expected in cases:
        found = evaluator.over(expr, tuple(by_letter[letter] for letter in letters))
        assert found.shape == (1, *expected.shape), expr
        assert np.allclose(numbers(found), expected), expr
