"""Inputs in every piece of a loss; pieces that are not reached are reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import sampled

import symgrad
from symgrad.array import relu
from symgrad.sampling import InputSpace, SamplePoint, sample
from symgrad.sampling.pieces import pieces


def truncated(r):
    return np.sum(np.where(np.abs(r) <= 0.05, r**2 / 2, 0.00125))


def smooth_l1(r):
    return np.sum(np.where(np.abs(r) < 0.01, 50 * r**2, np.abs(r) - 0.005))


def huber(r):
    return np.sum(np.where(np.abs(r) <= 10, r**2 / 2, 10 * (np.abs(r) - 5)))


def ppo(r, a, eps=0.2):
    return -np.mean(np.minimum(r * a, np.clip(r, 1 - eps, 1 + eps) * a))


def contrastive(d, y):
    return np.mean(y * d**2 + (1 - y) * np.maximum(0, 1 - d) ** 2)


def many(r, y):
    return np.sum(np.where((y > 100) & (r < -30), r**2, r * y))


def ppo_gradient(r, a, eps):
    outside = ((a > 0) & (r > 1 + eps)) | ((a < 0) & (r < 1 - eps))
    return -np.where(outside, 0, a) / len(r)


CASES = [
    (truncated, "r: N", lambda r: r * (np.abs(r) <= 0.05), lambda r: 0 * r),
    (smooth_l1, "r: N", lambda r: np.where(np.abs(r) < 0.01, 100 * r, np.sign(r)), np.sign),
    (huber, "r: N", lambda r: np.clip(r, -10, 10), lambda r: r),
    (ppo, "r: N positive, a: N, eps: scalar", ppo_gradient, lambda r, a, eps: -a / len(r)),
    (
        contrastive,
        "d: N positive, y: N binary",
        lambda d, y: (2 * y * d - 2 * (1 - y) * np.maximum(0, 1 - d)) / len(d),
        lambda d, y: 2 * y * d / len(d),
    ),
    (many, "r: N, y: N count", lambda r, y: np.where((y > 100) & (r < -30), 2 * r, y), lambda r, y: 1.0 * y),
]


@pytest.mark.parametrize(
    ("loss", "shapes", "right", "wrong"), sampled(CASES, every=6), ids=lambda case: getattr(case, "__name__", None)
)
def test_a_branch_that_is_left_out_does_not_agree(
    loss: Callable[..., Any], shapes: str, right: Callable[..., Any], wrong: Callable[..., Any]
) -> None:
    derivation = symgrad.derive(symgrad.loss(shapes=shapes, wrt=shapes[0])(loss))
    found = symgrad.diagnose(derivation, right)
    assert found.ok and not found.unreached, found
    assert not symgrad.diagnose(derivation, wrong).ok


def test_a_piece_that_is_not_reached_is_named() -> None:
    @symgrad.loss(shapes="r: N", wrt="r")
    def hidden(r):
        return np.sum(np.where(np.sin(r) ** 2 + np.cos(r) ** 2 > 1.5, r, r**2))

    found = symgrad.diagnose(symgrad.derive(hidden), lambda r: 2 * r)
    assert not found.ok and not found.deviations
    assert len(found.unreached) == 1 and "was not reached" in found.summary


@pytest.mark.slow
def test_a_piece_that_is_empty_is_not_asked_for() -> None:
    @symgrad.loss(shapes="r: N", wrt="r")
    def never(r):
        return np.sum(relu(r**2 + 1) + np.abs(np.exp(r)) + np.maximum(np.tanh(r), 2) * r)

    assert symgrad.diagnose(symgrad.derive(never), lambda r: 2 * r + np.exp(r) + 2).ok


@pytest.mark.slow
def test_the_same_points_for_the_same_seed_in_every_piece() -> None:
    program = symgrad.loss(shapes="r: N", wrt="r")(huber).program()
    points = sample.__wrapped__(InputSpace(program), ("r",), (("N", 5),), (0, 0)).points
    again = sample.__wrapped__(InputSpace(program), ("r",), (("N", 5),), (0, 0)).points
    assert all(np.array_equal(one["r"], other["r"]) for one, other in zip(points, again, strict=True))
    found = set().union(*(SamplePoint(program, ("r",), {"N": 5}, point).entered for point in points))
    assert found == set(pieces(program, ("r",)))


def test_a_scalar_by_itself_decides() -> None:
    @symgrad.loss(shapes="x: N, tau: scalar", wrt="x tau")
    def clipped(x, tau):
        return np.sum(x**2 * np.clip(tau, 0, 1))

    derivation = symgrad.derive(clipped)
    assert symgrad.diagnose(derivation, lambda x, tau: (2 * x * np.clip(tau, 0, 1), np.sum(x**2) * (0 <= tau <= 1))).ok
    assert not symgrad.diagnose(derivation, lambda x, tau: (2 * x * np.clip(tau, 0, 1), np.sum(x**2))).ok
    assert derivation.example is not None
