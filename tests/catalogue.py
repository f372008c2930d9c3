"""The derivations of the catalogue, each made once and proved once for all the tests of a session."""

from __future__ import annotations

from functools import cache

import symgrad
from symgrad import Derivation
from symgrad.losses import LOSSES

NAMES = list(LOSSES)


@cache
def derived(name: str) -> Derivation:
    return symgrad.derive(name)
