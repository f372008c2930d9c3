"""Inputs at which candidates are tried: random ones, which satisfy what a loss of the catalogue declares of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.evidence.generated_code import arguments
from symgrad.losses import LOSSES
from symgrad.sampling import InputSpace

SIZES = (5, 4, 3, 6)  # of the axes in order: all different, so that a transposed array does not fit by chance


def inputs_of(
    name: str, rng: np.random.Generator, *, equal: tuple[str, ...] = (), assumed: bool = True
) -> dict[str, Any]:
    """The inputs of the loss's program by name, in its order; axes in ``equal`` get the size of the first of them;
    unless ``assumed``, labels are any numbers."""
    loss = LOSSES[name]
    program = loss.program()
    sizes = {axis.name: SIZES[place % len(SIZES)] for place, axis in enumerate(program.axes)}
    sizes |= {axis: sizes[equal[0]] for axis in equal}
    inputs = arguments(loss, program, InputSpace(program).random(sizes, rng))
    if not assumed:
        restricted = [shape.name for shape in loss.shapes if shape.words & {"distribution", "one-hot"}]
        inputs |= {key: rng.standard_normal(inputs[key].shape) for key in restricted}
    return inputs
