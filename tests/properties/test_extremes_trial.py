"""A small part of the trial of generated functions at their edges, and that it would notice what is wrong there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import sampled

import symgrad
from symgrad.codegen import compile_source
from trials import extremes
from trials.extremes.programs import losses
from trials.uncompiled import uncompiled

LOSSES = losses()
NAMES = (
    *("sinc", "stress", "unit rows", "masked logsumexp", "softmax of a mask", "nt-xent", "focal", "huber"),
    *("products but for oneself", "t-sne", "power of a share", "bhattacharyya", "root of a mistake"),
    *("powers of a logistic", "square of a swish", "logaddexp of pairs", "three steps of a chain"),
    *("transitions of a chain", "classes of classes", "four steps of one chain", "a step of sinkhorn"),
    *("logistic of a difference", "logaddexp of either sign", "gumbel's distribution"),
)


KINDS = ("root of a mistake", "powers of a logistic")
"""One of each kind; ``codegen/test_edges.py`` tests more of them at single points."""


@pytest.mark.parametrize("name", sampled(NAMES, *KINDS))
def test_it_is_finite_and_accurate_where_the_loss_is(name: str) -> None:
    found = list(extremes.findings(name, LOSSES[name]))
    assert len(found) >= 2 and not any(found), found


@pytest.mark.parametrize(
    "name",
    sampled(["power of a share", "root of a softmax", "focal of a quarter", "three steps of a chain"], every=2),
)
@pytest.mark.parametrize("point", ["large logits", "hundreds"])
def test_other_targets_are_finite_where_numpy_is(name: str, point: str) -> None:
    derivation = symgrad.derive(LOSSES[name])
    program = derivation.program
    inputs = extremes.inputs_at(program, point, np.random.default_rng(0))
    sizes = {axis.name: size for axis, size in zip(program.axes, extremes.SIZES, strict=False)}
    unrolled = compile_source(derivation.to_source(target="scalar", sizes=sizes, check=False), derivation.function_name)
    value, gradients = derivation.to_numpy(check=False)(*inputs.values())
    for function in filter(None, (unrolled, uncompiled(derivation.record))):
        other, others = function(*inputs.values())
        np.testing.assert_allclose(other, value, rtol=1e-12)
        for one, gradient in zip(others, gradients, strict=True):
            np.testing.assert_allclose(one, gradient, rtol=1e-9, atol=1e-30)


@pytest.mark.parametrize("change", [lambda g: g * np.nan, lambda g: g * (1 + 1e-9)], ids=["not finite", "inaccurate"])
def test_what_is_wrong_is_found(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = symgrad.Derivation.to_numpy

    def wrong(derivation: symgrad.Derivation, **options: Any) -> Any:
        compute = right(derivation, **options)

        def computed(*inputs: Any) -> Any:
            value, gradients = compute(*inputs)
            return value, tuple(map(change, gradients))

        return computed

    monkeypatch.setattr(symgrad.Derivation, "to_numpy", wrong)
    assert any(extremes.findings("absolute", LOSSES["absolute"]))
