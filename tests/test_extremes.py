"""A small part of the trial of generated functions at their edges, and that it would notice what is wrong there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad
from trials import extremes
from trials.extremes.programs import losses

LOSSES = losses()
NAMES = (
    *("sinc", "stress", "unit rows", "masked logsumexp", "softmax of a mask", "nt-xent", "focal", "huber"),
    *("products but for oneself", "t-sne", "power of a share", "bhattacharyya", "root of a mistake"),
    *("powers of a logistic", "square of a swish", "logaddexp of pairs", "three steps of a chain"),
    *("transitions of a chain", "classes of classes"),
)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_finite_and_accurate_where_the_loss_is(name: str) -> None:
    found = list(extremes.findings(name, LOSSES[name]))
    assert len(found) >= 2 and not any(found), found


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
