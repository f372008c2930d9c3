"""The derivations of the catalogue and of programs, each made once and proved once for all the tests of a session."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache

from _pytest.mark.structures import ParameterSet
from cases import sampled

import symgrad
from symgrad import Derivation
from symgrad.array.loss import Loss
from symgrad.losses import LOSSES
from symgrad.program import Program

NAMES = list(LOSSES)

TYPICAL = {
    *("softmax_cross_entropy", "softmax_mse", "multiclass_hinge", "logistic", "huber", "clip_loss", "gelu_perceptron"),
    *("layer_norm", "attention_head"),
}
"""One loss of the catalogue of each kind."""

TENSORS = {"sequence_cross_entropy"}
"""The losses with arrays of three axes, which have no matrix form."""

INVERSES = {"multivariate_gaussian"}
"""The losses with an inverse, which the targets ``scalar`` and ``numba`` refuse."""

TYPICAL_PROGRAMS = {
    *("softmax_cross_entropy", "softmax_mse", "two_layer_tanh", "clipped", "crammer_singer"),
    *("tensor_form", "quadratic_form"),
}
"""One program by hand of each kind."""


def typical(names: Iterable[str], kinds: Collection[str] = TYPICAL) -> list[ParameterSet]:
    """All cases, slow but for those of ``kinds``, so that the tests of the default run share few derivations; the last
    word of a case is the name."""
    every = list(names)
    return sampled(every, *(name for name in every if name.split()[-1] in kinds))


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
