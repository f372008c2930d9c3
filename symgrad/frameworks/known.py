"""Losses of PyTorch and Keras, each with its definition in the one-line language: ``data/framework_losses.json``.

That a definition is what a framework computes is recorded: ``tools/record_frameworks.py`` runs every call, and the
tests run every definition on the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

FRAMEWORKS = ("PyTorch", "Keras")


@dataclass(frozen=True)
class Known:
    """A loss that frameworks have.

    ``shapes`` declare the arguments, in one way or several; ``definitions`` compute the same number, written in
    several ways, with the same ``functions``: a program without just these is not compared.  ``torch`` and ``keras``
    are the calls, with arguments in braces, or empty; ``words`` say what has to be known of them.
    """

    shapes: tuple[str, ...]
    functions: str
    definitions: tuple[str, ...]
    torch: str = ""
    keras: str = ""
    words: str = ""

    @property
    def calls(self) -> Mapping[str, str]:
        """The calls by the name of the framework."""
        return {name: call for name, call in zip(FRAMEWORKS, (self.torch, self.keras), strict=True) if call}


KNOWN: tuple[Known, ...] = tuple(
    Known(**{**entry, "shapes": tuple(entry["shapes"]), "definitions": tuple(entry["definitions"])})
    for entry in json.loads((files("symgrad") / "data" / "framework_losses.json").read_text(encoding="utf-8"))
)
"""The first that fits is shown: what takes more arguments, or logits, stands before what takes fewer, or
probabilities."""
