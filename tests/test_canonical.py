"""Orders of like indices: the same whatever the indices are called, and few where there are factorially many."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from math import prod

import pytest
from sympy import Expr, Sum, exp
from sympy.tensor.indexed import Idx

from symgrad.canonical import MOST_ORDERS, canonical, orders, spelled
from symgrad.notation import Array, Axis, axis_name

N = Axis("N")
A, x = Array("A", (N, N)), Array("x", (N,))


def path(i: Sequence[Idx]) -> Expr:
    return prod(A[one, other] for one, other in pairwise(i))


BODIES = {
    "a path": lambda i: path(i) * x[i[0]],
    "a cycle": lambda i: path([*i, i[0]]),
    "a star": lambda i: prod(A[i[0], other] for other in i[1:]),
    "alike": lambda i: prod(x[one] for one in i),
    "a ladder": lambda i: path(i[:4]) * path(i[4:]) * A[i[0], i[4]],
    "exponentials": lambda i: exp(A[i[0], i[1]] * x[i[2]]) * path(i[2:]) * exp(A[i[-1], i[0]]),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_renamed_indices_give_the_same_canonical_sum(body: object) -> None:
    letters = [N.index(letter) for letter in "abcdefgh"]
    found = set()
    for seed in range(6):
        shuffled = random.Random(seed).sample(letters, len(letters))
        found.add(canonical(Sum(body(shuffled), *letters)))  # type: ignore[operator]
    assert len(found) == 1


def test_different_sums_stay_different() -> None:
    letters = [N.index(letter) for letter in "abcdefgh"]
    assert len({canonical(Sum(body(letters), *letters)) for body in BODIES.values()}) == len(BODIES)


@pytest.mark.parametrize(("name", "most"), [("a path", 1), ("a cycle", 8), ("a star", 1), ("alike", 1)])
def test_few_orders_are_tried(name: str, most: int) -> None:
    letters = [N.index(letter) for letter in "abcdefgh"]
    body = BODIES[name](letters)
    found = orders(letters, axis_name, lambda words: spelled(body, words))
    assert len(found) == most and all(sorted(order, key=str) == letters for order in found)


def test_no_more_orders_than_there_may_be() -> None:
    letters = [N.index(letter) for letter in "abcdefghij"]
    two_cycles = path([*letters[:5], letters[0]]) * path([*letters[5:], letters[5]])
    assert len(orders(letters, axis_name, lambda words: spelled(two_cycles, words))) == MOST_ORDERS
