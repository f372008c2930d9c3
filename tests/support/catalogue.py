"""The derivations of the catalogue and of programs, each made once and proved once for all the tests of a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import symgrad
from symgrad import Derivation
from symgrad.losses import LOSSES
from symgrad.program import Program

NAMES = list(LOSSES)


@cache
def derived(name: str) -> Derivation:
    return symgrad.derive(name)


@cache
def derived_from(build: Callable[[], Program], wrt: tuple[str, ...]) -> Derivation:
    return symgrad.derive(build(), wrt)
