"""Every layer of the catalogue: each line proved for every shape, its functions held against differences."""

from __future__ import annotations

import pytest
from cases import sampled

from symgrad import derive
from symgrad.check.marks import Level
from symgrad.evidence.checks import check_loss
from symgrad.losses import LAYERS, LOSSES


@pytest.mark.parametrize("name", sampled(LAYERS, "linear", "embedding", "dropout", "rmsnorm", "silu"))
def test_it_is_proved_for_every_shape_and_its_functions_agree_with_differences(name: str) -> None:
    derivation = derive(name)
    proof = derivation.prove()
    assert not proof.faults and {mark.level for mark in proof.marks} == {Level.DEFINITION, Level.EVERY_SHAPE}
    assert len(derivation.facts) == len(derivation.program.facts)
    assert all(mark.ok for mark in derivation.facts.values())
    report = check_loss(LAYERS[name])
    assert report.ok, report.first_failure


@pytest.mark.parametrize("name", LAYERS)
def test_each_cites_its_source_and_says_what_its_gradient_means(name: str) -> None:
    layer = LAYERS[name]
    assert layer.about.endswith(".") and "(" in (layer.function.__doc__ or "").split("\n\n")[1]


def test_no_layer_has_the_name_of_a_loss() -> None:
    assert not LAYERS.keys() & LOSSES.keys()
