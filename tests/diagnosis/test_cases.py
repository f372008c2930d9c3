"""The wrong gradients of the corpus are wrong, the right ones are right, and the diagnosis says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import derived
from literal import slopes

from symgrad.diagnosis import KINDS
from symgrad.evidence.generated_code import arguments
from symgrad.losses import LOSSES
from symgrad.sampling import InputSpace
from trials.diagnosis.corpus import ISSUE, Wrong
from trials.diagnosis.right import COUNT, Right, variants
from trials.diagnosis.table import NAMED, diagnosed, judge
from trials.diagnosis.wrong import WRONG

DOUBLE, SINGLE = 1e-8, 3e-5  # differences are good to about 1e-10
LARGE = 100.0
SIZES = (5, 4, 3, 6)  # of the axes in order: all different, so that a transposed array does not fit by chance
THREADS = [case for case in WRONG if case.source is not ISSUE]
WITHOUT_CASES = {"branch", "power", "size", "zero"}  # kinds that no thread was about


def relative(found: Any, expected: np.ndarray) -> float:
    """The largest error relative to the largest entry, or to 1; infinite if shapes differ or an error is not finite."""
    found = np.asarray(found, dtype=float)
    if found.shape != expected.shape:
        return np.inf
    error = float(np.max(np.abs(found - expected)) / max(1.0, float(np.max(np.abs(expected)))))
    return error if np.isfinite(error) else np.inf


def error_of(candidate: Callable[..., Any], inputs: dict[str, Any], expected: Sequence[np.ndarray]) -> float:
    with np.errstate(all="ignore"):
        found = candidate(*inputs.values())
    found = found if len(expected) > 1 else (found,)
    return max(relative(one, other) for one, other in zip(found, expected, strict=True))


def inputs_of(
    name: str, rng: np.random.Generator, *, equal: tuple[str, ...] = (), assumed: bool = True
) -> dict[str, Any]:
    """Random inputs of a loss; the axes ``equal`` have the same size; unless ``assumed``, labels are any numbers."""
    loss, program = LOSSES[name], LOSSES[name].program()
    sizes = {axis.name: SIZES[number % len(SIZES)] for number, axis in enumerate(program.axes)}
    sizes |= {axis: sizes[equal[0]] for axis in equal}
    inputs = arguments(loss, program, InputSpace(program).random(sizes, rng))
    if not assumed:
        restricted = [shape.name for shape in loss.shapes if shape.words & {"distribution", "one-hot"}]
        inputs |= {key: rng.standard_normal(inputs[key].shape) for key in restricted}
    return inputs


@cache
def at_point(loss: str, seed: int, **how: Any) -> tuple[dict[str, Any], tuple[np.ndarray, ...]]:
    """Inputs, and the gradients there, by differences of the loss in NumPy, without a derivation."""
    inputs = inputs_of(loss, np.random.default_rng(seed), **how)
    return inputs, tuple(slopes(LOSSES[loss], inputs, name) for name in derived(loss).gradients)


@cache
def at_large_points(loss: str) -> list[tuple[dict[str, Any], Any]]:
    """Inputs with large logits, and the gradients there by the generated function, which is stable: logits far apart,
    and such as lie together about 2^22 or -2^22, whole numbers, so that float32 has them exactly."""
    given, _ = at_point(loss, 1)
    apart = {name: value * LARGE if name[0] in "XWwbUV" else value for name, value in given.items()}
    points = [apart]
    if {"X", "W", "b"} <= set(given):
        whole = {name: np.round(2 * given[name]) for name in "XWb"}
        points += [{**given, **whole, "b": whole["b"] + sign * 2.0**22} for sign in (1, -1)]
    return [(inputs, derived(loss).to_numpy()(*inputs.values())[1]) for inputs in points]


def errors(case: Wrong) -> list[float]:
    """The errors of a candidate at a few points."""
    how: dict[str, Any] = {"equal": case.equal, "assumed": "assume" not in case.options}
    return [error_of(case.candidate, *at_point(case.loss, seed, **how)) for seed in range(4)]


@pytest.mark.parametrize("case", sampled(WRONG[::2], every=20), ids=lambda case: case.id)
def test_a_wrong_gradient_is_wrong(case: Wrong) -> None:
    assert {case.kind, *case.also} <= set(KINDS)
    if case.kind == "precision":
        assert max(errors(case)) < SINGLE
        assert max(error_of(case.candidate, *large) for large in at_large_points(case.loss)) > 1e-3
    else:
        assert max(errors(case)) > 1e-3


def test_a_gradient_of_the_right_values_in_another_shape_has_them() -> None:
    for case in (case for case in WRONG if case.kind == "shape"):
        inputs, expected = at_point(case.loss, 0, equal=(), assumed=True)
        for found, right in zip(case.candidate(*inputs.values()), expected, strict=True):
            assert relative(np.reshape(found, right.shape), right) < DOUBLE


def test_the_corpus_is_as_wide_as_was_asked_for() -> None:
    assert len(THREADS) >= 40
    assert len({case.id for case in WRONG}) == len(WRONG)
    assert all(case.source.url.startswith("https://") and case.source.title for case in THREADS)
    assert max(Counter(case.kind for case in THREADS).values()) <= 8
    assert {case.kind for case in THREADS} == set(KINDS) - WITHOUT_CASES
    assert len({case.loss for case in THREADS}) >= 2 + 5


@pytest.fixture(scope="module")
def rights() -> tuple[Right, ...]:
    return variants()


@pytest.mark.slow
def test_the_right_gradients_are_right_and_all_different(rights: tuple[Right, ...]) -> None:
    assert len({right.id for right in rights}) == len(rights) == COUNT
    for right in rights:
        inputs, expected = at_point(right.loss, 1)
        assert error_of(right.candidate, inputs, expected) < (SINGLE if right.single else DOUBLE), right.id


@pytest.mark.slow
def test_only_naive_ones_are_wrong_at_large_inputs(rights: tuple[Right, ...]) -> None:
    overflown = 0
    for right in rights:
        apart, *close = at_large_points(right.loss)
        wrong = not right.single and error_of(right.candidate, *apart) > 1e-6
        wrong |= any(error_of(right.candidate, *point) > SINGLE for point in close)
        assert right.naive or not wrong, right.id
        overflown += wrong
    assert overflown


SAMPLE = 12
NAMED_HERE = (
    *("ridge-decay-subtracted", "float32-cancellation", "one-hot-of-soft-labels", "ce-maximum-or-zero"),
    *("logistic-derivative-at-input", "tanh-derivative-without-one", "attention-without-softmax"),
    *("weighted-as-probabilities", "penalty-without-two"),
)
"""Of kinds, or of losses, that ``test_driver.py`` has no mistakes of.  The trial (python -m trials diagnosis) takes all
cases, and ``COUNT`` right ones."""


@pytest.mark.parametrize(
    "case", sampled([pytest.param(case, id=case.id) for case in WRONG if case.id in NAMED_HERE], *NAMED_HERE[:2])
)
def test_a_wrong_gradient_is_named(case: Wrong) -> None:
    found = judge(case)
    assert found.outcome in NAMED, f"{found.outcome}: {' '.join(found.kinds)}, {found.words}"


@pytest.mark.parametrize("right", sampled(variants(SAMPLE, seed=1), every=20), ids=lambda right: right.id)
def test_a_right_gradient_is_not_accused(right: Right) -> None:
    diagnosis = diagnosed(right)
    assert diagnosis.ok, str(diagnosis)
