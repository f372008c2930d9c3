"""Witnesses for printed gradients: the blog's, synthetic ones, and which wrong formulas the blog's reject.

The gradient functions of these tests are written by hand: oracles apart from anything that symgrad derives.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from cases import sampled

from symgrad.evidence import input_search as witness
from symgrad.evidence.input_search import (
    Gradients,
    Variant,
    Witness,
    allowed_error,
    evidence,
    expected_size,
    find_witness,
    witness_at,
)
from symgrad.evidence.published import (
    Published,
    from_printed,
    probabilities_possible,
    read_published,
    rows_sum_to_zero,
    shapes_agree,
)

BLOG_TEXT = (files("symgrad") / "data" / "blog_values.json").read_text(encoding="utf-8")
BLOG = read_published(BLOG_TEXT)
BLOG_BOUND = 5e-8
CE, MSE = "softmax_cross_entropy", "softmax_mse"


# ---------------------------------------------------------------------------------------------------- oracles


def softmax(Z: Any) -> Any:
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def cross_entropy(P: Any, Y: Any) -> Any:
    return (P - Y) / P.dtype.type(len(P))


def mse(P: Any, Y: Any) -> Any:
    R = P - Y
    return P.dtype.type(2 / P.size) * P * (R - (R * P).sum(axis=1, keepdims=True))


LOGITS_GRADIENTS = {CE: cross_entropy, MSE: mse}


def through(logits_gradient: Callable[[Any, Any], Any]) -> Gradients:
    def gradients(X: Any, W: Any, b: Any, Y: Any) -> tuple[Any, Any]:
        G = logits_gradient(softmax(X @ W + b), Y)
        return X.T @ G, G.sum(axis=0)

    return gradients


def printed(labels: tuple[int, ...], dW: Any, db: Any) -> Published:
    """Rounded to float32 and printed with its 8 significant digits."""
    return from_printed(
        labels, [[f"{v:.7e}" for v in np.float32(row)] for row in dW], [f"{v:.7e}" for v in np.float32(db)]
    )


def assert_reproduces(witness: Witness | None, published: Published, gradients: Gradients, bound: Any) -> None:
    """The witness's own inputs, evaluated here, give every printed number."""
    assert witness is not None
    dW, db = gradients(witness.X, witness.W, np.zeros(published.C), published.Y)
    assert np.all(np.abs(dW - published.dW) <= np.broadcast_to(bound, (published.D + 1, published.C))[:-1])
    assert np.all(np.abs(db - published.db) <= np.broadcast_to(bound, (published.D + 1, published.C))[-1])
    largest = max(np.abs(dW - published.dW).max(), np.abs(db - published.db).max())
    assert witness.error == pytest.approx(largest, rel=1e-12)


# ---------------------------------------------------------------------------------------- there is a witness


@pytest.mark.parametrize(("loss", "reached"), [(CE, 1.4e-8), (MSE, 3.34e-9)])
@pytest.mark.parametrize("seed", [0, 1])
def test_blog(loss: str, reached: float, seed: int) -> None:
    gradients = through(LOGITS_GRADIENTS[loss])
    witness = find_witness(BLOG[loss], gradients, seed=seed)
    assert_reproduces(witness, BLOG[loss], gradients, BLOG_BOUND)
    assert witness is not None
    assert witness.error <= 1.01 * reached  # a third of the largest row sum: no inputs can do better


SHAPES = [(N, D, C) for N, C, D in itertools.product((1, 2, 3), (2, 3, 4), (1, 2, 3, 4, 5))]


@pytest.mark.parametrize("loss", sampled([CE, MSE]))
def test_synthetic(loss: str) -> None:
    """100 gradients of random x, w and labels; every shape twice or more; odd ones computed in float32."""
    gradients = through(LOGITS_GRADIENTS[loss])
    for case in range(100):
        N, D, C = SHAPES[case % len(SHAPES)]
        random = np.random.default_rng(case)
        X, W = random.standard_normal((N, D)), random.standard_normal((D, C))
        labels = tuple(int(label) for label in random.integers(0, C, N))
        kind = np.float32 if case % 2 else np.float64
        inputs = (a.astype(kind) for a in (X, W, np.zeros(C), np.eye(C)[list(labels)]))
        dW, db = gradients(*inputs)
        assert dW.dtype == db.dtype == kind
        published = printed(labels, dW, db)
        witness = find_witness(published, gradients)
        assert witness is not None, (case, N, D, C)
        assert_reproduces(witness, published, gradients, allowed_error(published))


@pytest.mark.parametrize("loss", [CE, MSE])
def test_inputs_of_another_scale(loss: str) -> None:
    gradients = through(LOGITS_GRADIENTS[loss])
    for case in range(10):
        random = np.random.default_rng(case)
        X, W = 50 * random.standard_normal((2, 4)), random.standard_normal((4, 3)) / 50
        published = printed((2, 0), *gradients(X, W, np.zeros(3), np.eye(3)[[2, 0]]))
        assert_reproduces(find_witness(published, gradients), published, gradients, allowed_error(published))


def test_witness_at_the_true_inputs() -> None:
    random = np.random.default_rng(1)
    X, W = random.standard_normal((2, 4)), random.standard_normal((4, 3))
    gradients = through(cross_entropy)
    published = printed((1, 2), *gradients(X, W, np.zeros(3), np.eye(3)[[1, 2]]))
    assert witness_at(published, gradients, X, W).relative_error <= 1
    assert witness_at(published, gradients, X, W + 1e-3 * np.eye(4, 3)).relative_error > 100
    least = evidence(published, {"": Variant(gradients)})[0].witness
    assert least is not None
    assert least.size <= np.sum(X**2) + np.sum(W**2)


# --------------------------------------------------------------------------------------- there is no witness


@pytest.mark.parametrize("loss", [CE, MSE])
def test_one_altered_number(loss: str) -> None:
    """1e-6 on one number breaks its row sum: no inputs give that, and the best share it out in three."""
    dW = BLOG[loss].dW.copy()
    dW[1, 2] += 1e-6
    altered = replace(BLOG[loss], dW=dW)
    assert find_witness(altered, through(LOGITS_GRADIENTS[loss])) is None
    assert not rows_sum_to_zero(altered).holds
    (row,) = evidence(altered, {"": Variant(through(LOGITS_GRADIENTS[loss]))})
    assert row.error == pytest.approx(1e-6 / 3, rel=0.05)


def test_the_other_losses_numbers() -> None:
    """The blog's cross-entropy gradients are too large for any inputs of the mean squared error."""
    assert find_witness(BLOG[CE], through(mse)) is None


SHIFTED = (0, 1)
VARIANTS: dict[str, list[tuple[str, Callable[[Any, Any], Any], tuple[int, ...] | None, float | None]]] = {
    # name, dL/dZ, labels, least |X|^2 + |W|^2 (None: no witness)
    CE: [
        ("as derived", cross_entropy, None, 8.85),
        ("sign flipped", lambda P, Y: -cross_entropy(P, Y), None, None),
        ("extra 1/C", lambda P, Y: cross_entropy(P, Y) / P.shape[1], None, None),
        ("labels (0, 1)", cross_entropy, SHIFTED, None),
        ("1/N missing", lambda P, Y: P - Y, None, 8.41),
    ],
    MSE: [
        ("as derived", mse, None, 9.39),
        ("sign flipped", lambda P, Y: -mse(P, Y), None, None),
        ("labels (0, 1)", mse, SHIFTED, None),
        ("2 missing", lambda P, Y: mse(P, Y) / 2, None, 10.87),
        ("1/N missing", lambda P, Y: mse(P, Y) * len(P), None, 8.63),
        ("row term missing", lambda P, Y: 2 / P.size * P * (P - Y), None, 1235.5),
        ("diagonal of the Jacobian only", lambda P, Y: 2 / P.size * P * (1 - P) * (P - Y), None, None),
        ("no softmax", lambda P, Y: 2 / P.size * (P - Y), None, 8.87),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("loss", [CE, MSE])
def test_what_the_blog_can_and_cannot_reject(loss: str) -> None:
    variants = {name: Variant(through(wrong), labels) for name, wrong, labels, _ in VARIANTS[loss]}
    rows = {row.name: row for row in evidence(BLOG[loss], variants)}
    mean, deviation = expected_size(BLOG[loss])
    assert (mean, round(deviation, 1)) == (20, 6.3)
    for name, _, _, least in VARIANTS[loss]:
        row = rows[name]
        if least is None:
            assert row.witness is None, name
            assert row.error > 1e-3, name  # not nearly
        else:
            assert row.witness is not None, name
            assert row.error == row.witness.error <= BLOG_BOUND, name
            assert row.witness.size == pytest.approx(least, rel=2e-3), name
            assert (row.witness.size > mean + 4 * deviation) == (name == "row term missing"), name


# ------------------------------------------------------------------------------------------------- quick ones


def halves(X: Any, W: Any, b: Any, Y: Any) -> tuple[Any, Any]:
    """A function that is linear in W and sees the labels: one step leads to a witness."""
    return W / 2, (W / 2).sum(axis=0) + Y.sum(axis=0)


def never(X: Any, W: Any, b: Any, Y: Any) -> tuple[Any, Any]:
    return np.zeros_like(W), np.zeros_like(b)


EASY = from_printed((1,), [["0.10", "0.20"], ["0.30", "0.60"]], ["0.40", "1.80"])  # of rank one, as N = 1 asks for


def test_the_witness_of_a_linear_function_is_found_at_once() -> None:
    found = find_witness(EASY, halves, starts=1)
    assert found is not None and found.relative_error <= 1
    assert np.allclose(found.W, [[0.2, 0.4], [0.6, 1.2]], atol=0.02) and found.X.shape == (1, 2)
    assert np.allclose(found.dW, found.W / 2) and np.allclose(found.db - found.dW.sum(axis=0), [0, 1])
    assert found.size == pytest.approx(np.sum(found.X**2) + np.sum(found.W**2))
    least = evidence(EASY, {"": Variant(halves)}, starts=2)[0].witness
    assert least is not None and least.relative_error <= 1 and least.size <= found.size


def test_where_there_is_no_witness_the_nearest_miss_is_told() -> None:
    assert find_witness(EASY, never, starts=2) is None
    shifted = Variant(halves, (0,))
    rows = evidence(EASY, {"right": Variant(halves), "never": Variant(never), "shifted": shifted}, starts=1)
    assert [row.name for row in rows] == ["right", "never", "shifted"]
    assert [row.witness is not None for row in rows] == [True, False, False]
    assert rows[0].error <= 0.006 and rows[1].error == pytest.approx(1.8) and rows[2].error > 0.1


def test_starts_are_counted_from_the_seed() -> None:
    first, again, other = (find_witness(EASY, halves, seed=seed, starts=1) for seed in (0, 0, 1))
    assert first is not None and again is not None and other is not None
    assert np.array_equal(first.X, again.X) and not np.array_equal(first.X, other.X)
    given = find_witness(EASY, halves, starts=1)
    assert given is not None and np.array_equal(first.X, given.X)
    row, same = (evidence(EASY, {"": Variant(halves)}, starts=1, **seed)[0].witness for seed in ({}, {"seed": 0}))
    assert row is not None and same is not None and np.array_equal(row.X, same.X)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        find_witness(EASY, halves, starts=0)


def test_a_near_miss_is_none() -> None:
    """Where the computed numbers are half as far again from the printed ones as is allowed."""
    off = EASY.values + 1.5 * allowed_error(EASY)

    def near(X: Any, W: Any, b: Any, Y: Any) -> tuple[Any, Any]:
        return off[:-1], off[-1]

    assert find_witness(EASY, near, starts=1) is None
    assert evidence(EASY, {"": Variant(near)}, starts=1)[0].witness is None


@pytest.mark.parametrize("starts", [1, 3])
def test_as_many_starts_are_tried_as_are_given(starts: int) -> None:
    tried: list[Any] = []

    def counted(X: Any, W: Any, b: Any, Y: Any) -> tuple[Any, Any]:
        tried.append(X)
        return never(X, W, b, Y)

    evidence(EASY, {"": Variant(counted)}, starts=1)
    once = len(tried)
    evidence(EASY, {"": Variant(counted)}, starts=starts)
    assert len(tried) - 2 * once == (starts - 1) * (once - 1)  # one evaluation more tells the shapes


def test_where_a_step_leads_nowhere_the_search_stays() -> None:
    def edge(unknowns: Any) -> Any:
        return unknowns if unknowns[0] == 1 else np.array([np.inf])

    def singular(unknowns: Any) -> Any:
        raise np.linalg.LinAlgError

    start = np.array([1.0])
    assert witness._minimise(edge, start).tolist() == [1.0]
    assert witness._minimise(lambda unknowns: np.array([2.0]), start).tolist() == [1.0]
    assert witness._or_infinite(singular, start).tolist() == [np.inf]


def test_the_size_of_standard_normal_inputs() -> None:
    assert expected_size(EASY) == (2 * (1 + 2), pytest.approx(np.sqrt(12)))


# ------------------------------------------------------------------------------------------------- invariants


@pytest.mark.parametrize("loss", [CE, MSE])
def test_invariants_of_the_blog(loss: str) -> None:
    published = BLOG[loss]
    assert rows_sum_to_zero(published).holds
    assert np.abs(published.values.sum(axis=1)).max() <= 4.3e-8
    assert shapes_agree(published, (4, 3), (3,)).holds
    assert not shapes_agree(published, (3, 4), (3,)).holds
    assert not shapes_agree(published, (4, 3), (4,)).holds
    with pytest.raises(ValueError, match="shapes: printed"):
        find_witness(published, lambda X, W, b, Y: (np.zeros((3, 4)), np.zeros(3)))


def test_invariants_say_what_they_found() -> None:
    of = from_printed((0,), [["0.5", "-0.5"], ["0.3", "0.1"]], ["0.4", "-0.1"])
    rows = rows_sum_to_zero(of)
    assert (
        rows.name == "rows sum to zero"
        and not rows.holds
        and rows.detail.startswith("dW[1] sums to 4.0e-01; printing allows 1.0e-01")
    )
    fine = from_printed((0,), [["0.5000", "-0.4000"]], ["100", "-60"])
    assert rows_sum_to_zero(fine).detail.startswith("dW[0] sums to 1.0e-01")  # by far more than its digits allow
    worst = rows_sum_to_zero(replace(of, dW=np.zeros((2, 2))))
    assert not worst.holds and worst.detail.startswith("db sums to 3.0e-01")
    assert rows_sum_to_zero(replace(of, dW=np.zeros((2, 2)), db=np.zeros(2))).holds
    shapes = shapes_agree(of, (2, 3), (2,))
    assert (shapes.name, shapes.detail) == ("shapes", "printed (2, 2) and (2,), computed (2, 3) and (2,)")
    possible = probabilities_possible(of, scale=-1.0)
    assert (
        possible.name == "probabilities are possible"
        and possible.detail == "column sums of P would be 0.6000, 0.1000; each must be in (0, 1), together 1"
    )
    assert not probabilities_possible(replace(of, db=np.array([0.5, -0.5])), scale=1.0).holds  # more than all
    assert probabilities_possible(replace(of, db=np.zeros(2)), scale=1.0).holds  # all of it, as far as was printed


def test_probabilities_of_the_cross_entropy() -> None:
    published = BLOG[CE]
    assert probabilities_possible(published, scale=2.0).holds
    assert not probabilities_possible(published, scale=-2.0).holds  # the sign flipped
    assert not probabilities_possible(published, scale=6.0).holds  # an extra 1/C
    assert not probabilities_possible(replace(published, labels=SHIFTED), scale=2.0).holds
    assert probabilities_possible(published, scale=1.0).holds  # the 1/N missing: it cannot tell
    assert not probabilities_possible(replace(published, db=np.add(published.db, [1e-6, 0, 0])), scale=2.0).holds


# ---------------------------------------------------------------------------------------------------- reading


def test_reading_the_blog() -> None:
    published = read_published(BLOG_TEXT)[CE]
    assert list(BLOG) == [MSE, CE] and published.Y.dtype == published.dW.dtype == np.float64
    assert (published.N, published.D, published.C, published.labels) == (2, 4, 3, (2, 0))
    assert published.dW[3, 0] == 5.3726695e-04
    assert published.db.tolist() == [0.03185844, 0.3927134, -0.4245718]
    assert published.Y.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_resolution_is_that_of_the_digits() -> None:
    rounding = 2.0**-23
    db = from_printed((0,), [["1", "1", "1"]], ["0.0123", "0.1230", "-0.5"]).db_resolution
    assert db == pytest.approx([0.5e-4 + 0.5 * rounding] * 3)  # "-0.5" beside four decimals is -0.5000
    db = from_printed((0,), [["1", "1", "1"]], ["1.234e-05", "0.5", "0"]).db_resolution
    assert db == pytest.approx(np.array([0.5e-8, 0.5e-4, 0.5e-8]) + 0.5 * rounding)  # four digits at most


def test_full_names_of_losses_are_sections_too() -> None:
    layout = json.loads(BLOG_TEXT)
    layout[CE] = layout.pop("cross_entropy")
    assert np.array_equal(read_published(json.dumps(layout), {CE, MSE})[CE].dW, BLOG[CE].dW)


def test_an_exponent_may_be_written_with_either_letter() -> None:
    layout = json.loads(BLOG_TEXT)
    layout["mse"]["db"][:2] = ["3.1858440E-2", "39.27134e-2"]
    assert read_published(json.dumps(layout))[MSE].db[:2].tolist() == [0.03185844, 0.3927134]


def _set(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(layout: Any) -> None:
        for key in path[:-1]:
            layout = layout[key]
        layout[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("N", value="2"), 'N: expected an integer of at least 1, got "2"'),
        (_set("C", value=1), "C: expected an integer of at least 2, got 1"),
        (_set("labels", value=[2]), "labels: expected N = 2 entries, got 1"),
        (_set("labels", 0, value=3), "labels[0]: expected a class from 0 to C - 1 = 2, got 3"),
        (_set("labels", 1, value=True), "labels[1]: expected a class from 0 to C - 1 = 2, got true"),
        (_set("labels", value="two"), 'labels: expected a list along axis N, of length 2; got "two"'),
        (_set("labels", value=["2" * 39, 0]), f'labels[0]: expected a class from 0 to C - 1 = 2, got "{"2" * 36}...'),
        (_set("labels", value=["2" * 38, 0]), f'labels[0]: expected a class from 0 to C - 1 = 2, got "{"2" * 38}"'),
        (_set("mse", "db", 0, value="0." + "1" * 60), "mse.db[0]: expected a number as printed"),
        (_set("mse", "db", 0, value="1.\u0661"), "mse.db[0]: expected a number as printed"),
        (_set("D", value=5), "mse.dW: expected D = 5 entries, got 4"),
        (_set("mse", "dW", 1, value=["0.1", "0.2"]), "mse.dW[1]: expected C = 3 entries, got 2"),
        (_set("mse", "dW", 1, 2, value=0.1), "mse.dW[1][2]: expected a number as printed"),
        (_set("mse", "dW", 1, 2, value="nan"), "mse.dW[1][2]: expected a number as printed"),
        (_set("mse", "dW", 1, 2, value="1e999"), "mse.dW[1][2]: 1e999 has digits beyond 1e+-300"),
        (_set("mse", "db", value=None), "mse.db: expected a list along axis C, of length 3; missing"),
        (_set("mse", "dw", value=[]), "mse.dw: unknown; expected dW, db and at most program"),
        (_set("mse", value=[]), "mse: expected an object with dW (D x C) and db (C), got []"),
        (_set("softmax_mse", value={}), "softmax_mse: a second section for the loss softmax_mse"),
        (
            _set("cros_entropy", value={}),
            "cros_entropy: no such section or loss; expected one of "
            "mse, cross_entropy, softmax_cross_entropy, softmax_mse",
        ),
    ],
)
def test_malformed(change: Callable[[Any], None], message: str) -> None:
    layout = json.loads(BLOG_TEXT)
    change(layout)
    with pytest.raises(ValueError) as error:
        read_published(json.dumps(layout), {CE, MSE})
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ("{}", "N: missing"),
        ('{"N": 1, "N": 2}', "N: given twice"),
        ('{"N": 300000, "D": 2, "C": 2, "labels": []}', r"N \(D \+ C\): 1200000 entries are too many"),
        (f'{{"N": {"1" * 61}}}', "a whole number of 61 digits"),
        ('{"N": 1, "D": 1, "C": 2, "labels": [0]}', "no section for a loss"),
        ('{"N": 1, "D": 1, "C": 2, "labels": [0], "source": 3}', "source: no such section or loss"),
    ],
)
def test_not_even_a_layout(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_published(text, {CE, MSE})
