"""The type of a wrong gradient, and helpers for the modules of the corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = Any
Candidate = Callable[..., Any]

SAME: Mapping[str, frozenset[str]] = {
    "term": frozenset({"missing"}),
    "missing": frozenset({"term"}),
    "sign": frozenset({"factor"}),
}
"""Kinds that overlap: a dropped term is also missing, and a sign is also the factor -1."""


@dataclass(frozen=True)
class Source:
    """Where the mistake was made: a thread or a bug report, with the year in which it was opened, if known."""

    title: str
    url: str
    year: int | None


ISSUE = Source("named by the issue that asked for this trial", "", None)
"""For a mistake from the issue, for which we found no thread."""


@dataclass(frozen=True)
class Wrong:
    """A wrong gradient of a loss: ``candidate`` takes the inputs of its program in order, and returns the gradients in
    the order of ``wrt``.

    ``kind`` is the mistake, a key of ``symgrad.diagnosis.KINDS``; ``also`` are other kinds of correct explanations.
    Both were chosen before the diagnosis existed; a case whose kinds proved too narrow says so.
    ``options`` go to ``symgrad.derive``.  ``equal`` are axes that must have the same size, or the candidate raises.
    """

    id: str
    loss: str
    candidate: Candidate
    kind: str
    words: str
    source: Source
    also: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    equal: tuple[str, ...] = ()

    @property
    def accepted(self) -> frozenset[str]:
        """The kinds of explanation that name this mistake."""
        named = frozenset({self.kind, *self.also})
        return named.union(*(SAME.get(kind, frozenset()) for kind in named))


def wrong(
    loss: str,
    kind: str,
    words: str,
    source: Source,
    also: tuple[str, ...] = (),
    options: Mapping[str, Any] | None = None,
    equal: tuple[str, ...] = (),
) -> Callable[[Candidate], Wrong]:
    """Decorator that makes a function a wrong gradient, with the function's name as ``id``."""

    def declared(candidate: Candidate) -> Wrong:
        return Wrong(
            candidate.__name__.replace("_", "-"), loss, candidate, kind, words, source, also, options or {}, equal
        )

    return declared


def github(title: str, path: str, year: int | None) -> Source:
    """A GitHub issue or pull request; ``path`` is like "owner/name/issues/1"."""
    return Source(f"{path.rsplit('/', 2)[0]}: {title}", f"https://github.com/{path}", year)


def softmax(Z: Arrays, axis: int = 1) -> Arrays:
    """The correct softmax."""
    E = np.exp(Z - Z.max(axis=axis, keepdims=True))
    return E / E.sum(axis=axis, keepdims=True)


def through_softmax(P: Arrays, dP: Arrays) -> Arrays:
    """The correct gradient with respect to logits (N, C), from the gradient with respect to their softmax P."""
    return P * (dP - (dP * P).sum(axis=1, keepdims=True))


def linear(X: Arrays, dZ: Arrays) -> tuple[Arrays, Arrays]:
    """The correct gradients with respect to W and b of Z = X W + b, from the gradient with respect to Z."""
    return X.T @ dZ, dZ.sum(axis=0)
