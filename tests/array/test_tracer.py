"""A traced function sees ``len`` and ``np.arange`` of symbols wherever they are called from, and nothing else does."""

from __future__ import annotations

import builtins
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from typing import Any

import numpy
import numpy as np
import numpy as other
import pytest
from numpy import arange

import symgrad

Arrays = Any
SHAPES = "P: N C, y: N labels of C"


def picked(P: Arrays, y: Arrays) -> Arrays:
    return P[np.arange(len(y)), y]


def size(y: Arrays) -> Arrays:
    return len(y)


def decorated(function: Callable[..., Arrays]) -> Callable[..., Arrays]:
    @wraps(function)
    def inner(*args: Arrays) -> Arrays:
        return function(*args) * len(args[0]) / len(args[0])

    return inner


@decorated
def picked_by_decorated(P: Arrays, y: Arrays) -> Arrays:
    return P[np.arange(len(y)), y]


@symgrad.loss(shapes=SHAPES)
def total(P: Arrays, y: Arrays) -> Arrays:
    return np.sum(P[np.arange(len(y)), y])


@lru_cache
def sized(number: int) -> Callable[[Arrays], Arrays]:
    return lambda y: number * len(y)


class Base:
    def size(self, y: Arrays) -> Arrays:
        return len(y)

    def picked(self, P: Arrays, y: Arrays) -> Arrays:
        return P[np.arange(self.size(y)), y]


class Model(Base):
    def __init__(self, inner: Any = None) -> None:
        self.inner, self.calls = inner, 0

    @staticmethod
    def rows(y: Arrays) -> Arrays:
        return np.arange(len(y))

    def __call__(self, P: Arrays, y: Arrays) -> Arrays:
        self.calls += 1
        return P[self.rows(y), y]


@dataclass(frozen=True)
class Frozen:
    power: int

    def __matmul__(self, P: Arrays) -> Arrays:
        return P ** (self.power * len(P) / len(P))


MODEL = Model(Model())
TABLE = {"picked": [picked, size]}
HELPERS = types.ModuleType("helpers")
exec("import numpy\ndef picked(P, y): return P[numpy.arange(len(y)), y]", vars(HELPERS))


def _in_a_class(P: Arrays, y: Arrays) -> Arrays:
    class Inside:
        rows = len

        def picked(self) -> Arrays:
            return P[np.arange(len(y)), y]

    return Inside().picked() * Inside.rows(y)


def _imported(P: Arrays, y: Arrays) -> Arrays:
    import numpy as inside
    from numpy import arange as numbers

    return P[numbers(len(y)), y] + P[inside.arange(len(y)), y]


def _recursive(P: Arrays, y: Arrays) -> Arrays:
    def again(depth: int) -> Arrays:
        return P[np.arange(len(y)), y] if depth == 0 else again(depth - 1)

    return again(3)


WAYS: dict[str, Callable[[Arrays, Arrays], Arrays]] = {
    "itself": lambda P, y: P[np.arange(len(y)), y],
    "from 0": lambda P, y: P[np.arange(0, len(y)), y],
    "another name of a module": lambda P, y: P[other.arange(builtins.len(y)), y] + P[numpy.arange(len(y)), y],
    "a name of its own": lambda P, y: P[arange(size(y)), y],
    "a helper": lambda P, y: picked(P, y),
    "a decorated helper": lambda P, y: picked_by_decorated(P, y),
    "a helper in a module": lambda P, y: HELPERS.picked(P, y),
    "helpers in a table": lambda P, y: TABLE["picked"][0](P, y) / TABLE["picked"][1](y),
    "a partial function": partial(lambda scale, P, y: scale * picked(P, y), 2),
    "a default": lambda P, y, helper=picked: helper(P, y),
    "a list comprehension": lambda P, y: sum([f(P, y) for f in (picked, WAYS["a helper"])]),
    "a cached helper": lambda P, y: picked(P, y) / sized(2)(y),
    "a method": lambda P, y: MODEL.picked(P, y),
    "an object that is called": lambda P, y: MODEL(P, y) + MODEL.inner(P, y),
    "a bound method": MODEL.picked,
    "an operator of an object": lambda P, y: FROZEN @ P[np.arange(len(y)), y],
    "an object that is compared": lambda P, y: picked(P, y) * (Frozen(2) == FROZEN and isinstance(FROZEN, Frozen)),
    "another loss": lambda P, y: total(P, y),
    "inside a class": _in_a_class,
    "imported inside": _imported,
    "a recursive function": _recursive,
    "evaluated text": lambda P, y: eval("P[np.arange(len(y)), y]", globals(), {"P": P, "y": y}),
}
FROZEN = Frozen(2)


def program(function: Callable[..., Arrays]) -> symgrad.Program:
    return symgrad.loss(shapes=SHAPES)(function).program()


@pytest.mark.parametrize("way", WAYS)
def test_len_and_arange_of_symbols_wherever_they_are_called_from(way: str) -> None:
    function = WAYS[way]
    P, y = np.arange(6.0).reshape(2, 3), np.array([2, 0])
    traced = symgrad.derive(symgrad.loss(shapes=SHAPES, wrt="P")(lambda P, y: np.sum(function(P, y)))).to_numpy()
    np.testing.assert_allclose(traced(P, y)[0], np.sum(function(P, y)))


def test_sum_of_an_array_is_over_its_first_axis() -> None:
    def body(X: Arrays) -> Arrays:
        assert sum([1, 2], 3) == 6
        return sum(sum(X**2), 1)

    loss = symgrad.loss(shapes="X: N D")(body)
    assert loss(np.ones((2, 3))) == 7
    assert symgrad.derive(loss).to_numpy()(np.ones((2, 3)))[0] == 7


def test_a_function_of_scipy_may_be_imported_by_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    def body(X: Arrays) -> Arrays:
        from scipy.special import logsumexp

        return np.sum(logsumexp(X, axis=1))

    monkeypatch.delitem(sys.modules, "scipy.special", raising=False)
    assert symgrad.loss(shapes="X: N D")(body).program()


def test_while_one_thread_traces_nothing_changes_for_another() -> None:
    length, arange_before = builtins.len, np.arange
    within, go_on = threading.Event(), threading.Event()

    def loss(P: Arrays, y: Arrays) -> Arrays:
        within.set()
        assert go_on.wait(60)
        return np.sum(picked(P, y)) / len(y)

    made: list[symgrad.Program] = []
    thread = threading.Thread(target=lambda: made.append(program(loss)))
    thread.start()
    assert within.wait(60)
    try:
        assert builtins.len is length and np.arange is arange_before
        assert vars(builtins)["len"] is length and picked.__globals__ is globals() and picked.__globals__["np"] is numpy
        assert len([]) == 0 and np.arange(3).tolist() == [0, 1, 2]
        with pytest.raises(symgrad.UnsupportedError):
            len(symgrad.array.loss.Symbolic(symgrad.array.loss.leaf(symgrad.Array("X", (symgrad.Axis("N"),)))))
    finally:
        go_on.set()
        thread.join()
    assert [e.name for e in made[0].equations] == ["L"]


def test_what_a_traced_function_binds_outside_is_bound() -> None:
    calls, seen = 0, []

    def loss(P: Arrays, y: Arrays) -> Arrays:
        nonlocal calls
        calls += 1
        seen.append(calls)
        MODEL.calls = 7
        return np.sum(picked(P, y))

    program(loss)
    assert calls == 1 and seen == [1] and MODEL.calls == 7


def test_functions_are_the_same_as_themselves() -> None:
    def loss(P: Arrays, y: Arrays) -> Arrays:
        same = picked is picked and np.sum is numpy.sum and TABLE["picked"][0] is picked and len is builtins.len
        return np.sum(picked(P, y)) * (3 if same else 5)

    assert program(loss) == program(lambda P, y: 3 * np.sum(picked(P, y)))


def test_lists_within_themselves_are_left_alone() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert program(lambda P, y: np.sum(picked(P, y)) if endless[0] is endless else 0) == program(
        lambda P, y: np.sum(picked(P, y))
    )
