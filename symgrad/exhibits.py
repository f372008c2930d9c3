"""What a page shows beside the lines of a derivation: numbers worked through, and what frameworks call the same thing.
Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from symgrad.notation import Array


@dataclass(frozen=True, eq=False)
class Quantity:
    """An array of the program with numbers: ``values`` has its shape; in a list of gradients they are the derivative
    of the output with respect to it."""

    array: Array
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Example:
    """A small numeric example; the loss and the gradients asked for are computed by the generated function.

    ``sizes`` are those of the axes; ``remark`` says in words what was chosen and why; ``inputs`` and ``defined`` (the
    named arrays on the way) stand in the order of the program; ``gradients`` has those of the arrays on the way
    first, then those asked for.
    """

    sizes: Mapping[str, int]
    remark: str
    inputs: tuple[Quantity, ...]
    defined: tuple[Quantity, ...]
    loss: float
    gradients: tuple[Quantity, ...]


@dataclass(frozen=True)
class Fact:
    """One of the conventions that a reader of a framework's documentation asks about.

    ``topic`` is what it is about ("Reduction", "Axis", "PyTorch"); ``words`` may name arrays and axes of the program;
    ``call`` is Python, or empty.
    """

    topic: str
    words: str
    call: str = ""
