"""The derivations of the catalogue and of programs, each made once and proved once for all the tests of a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import symgrad
from symgrad import Derivation
from symgrad.array.loss import Loss
from symgrad.losses import LOSSES
from symgrad.program import Program

NAMES = list(LOSSES)


@cache
def derived(name: str) -> Derivation:
    return symgrad.derive(name)


@cache
def derived_from(build: Callable[[], Program], wrt: tuple[str, ...]) -> Derivation:
    return symgrad.derive(build(), wrt)


def derived_once(loss: Loss, wrt: Sequence[str] | None = None, **parameters: object) -> Derivation:
    """``symgrad.derive``, but a catalogue loss is derived once: for tests of how derivations are printed."""
    if loss is LOSSES.get(loss.name) and wrt is None and not parameters:
        return derived(loss.name)
    return symgrad.derive(loss, wrt, **parameters)
