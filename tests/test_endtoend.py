"""Closed forms against the brute-force gradient of the fully expanded loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
from classifier import LOSSES
from sympy import Indexed

from symgrad.check import check_end_to_end
from symgrad.derive import derive_record
from symgrad.errors import InputError


@pytest.mark.parametrize("name", LOSSES)
def test_all_entries_are_exactly_those_of_the_brute_force_gradient(name: str) -> None:
    found = check_end_to_end(derive_record(LOSSES[name](), ("W", "b")), (2, 4, 3))
    assert found.ok and found.entries == 15


@pytest.mark.parametrize("name", LOSSES)
def test_wrong_closed_forms_are_named(name: str) -> None:
    record = derive_record(LOSSES[name](), ("b",))
    gradient = record.gradients["b"]
    squared = gradient.index.replace(lambda e: isinstance(e, Indexed) and e.base.name in ("Y", "R"), lambda e: e**2)
    for wrong in (-gradient.index, 2 * gradient.index, squared):
        corrupted = replace(record, gradients={"b": replace(gradient, index=wrong)})
        assert check_end_to_end(corrupted, (2, 4, 3)).wrong == ("b[0]", "b[1]", "b[2]")


def test_too_few_sizes() -> None:
    with pytest.raises(InputError, match="N, D, C"):
        check_end_to_end(derive_record(LOSSES["softmax_mse"](), ("b",)), (2, 4))
