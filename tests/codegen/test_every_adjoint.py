"""Gradients by every array on the way at once: results that share memory, layouts and lines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from cases import sampled
from catalogue import derived, derived_from
from literal import complex_step, forward, random_inputs
from programs import ZOO

import symgrad
from symgrad.program import Program

PROGRAMS: dict[str, tuple[Callable[[], Program], tuple[str, ...]]] = {
    **{name: (loss.program, loss.wrt) for name, loss in symgrad.LOSSES.items()},
    **{f"hand-written {name}": of for name, of in ZOO.items()},
}
SIZES = (4, 3, 2, 5)  # of the axes in order: no two that meet are alike
MANY = (1, 3, 2, 1, 2)  # of more axes


@pytest.mark.parametrize("name", sampled(list(PROGRAMS)[::3], every=6))  # every third one: all take minutes
def test_by_every_array_at_once(name: str) -> None:
    record = (derived(name) if name in symgrad.LOSSES else derived_from(*PROGRAMS[name])).record
    program = PROGRAMS[name][0]()
    every = tuple({**record.adjoints, **record.gradients})
    sizes = dict(zip(program.axis, SIZES if len(program.axes) <= len(SIZES) else MANY, strict=False))
    inputs = random_inputs(program, sizes, seed=3)
    arrays = forward(program, inputs, sizes)
    loss, gradients = symgrad.derive(program, wrt=every).to_numpy(check=False)(*inputs.values())
    assert loss == pytest.approx(arrays[program.output].real, rel=1e-10)
    for array, found in zip(every, gradients, strict=True):
        expected = complex_step(program, array, arrays, sizes)
        assert np.shape(found) == expected.shape
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-8), array
