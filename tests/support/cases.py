"""Which cases of a parametrised test the default run takes; the others are slow, and CI runs them too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet


def sampled(cases: Iterable[Any], *names: str, every: int = 0) -> list[ParameterSet]:
    """All cases, slow but for those with these names, or but for one in so many; a tuple has several arguments."""
    params = [_param(case) for case in cases]
    known = [param.id or param.values[0] for param in params]
    assert not (missing := [name for name in names if name not in known]), missing
    return [
        param
        if known[place] in names or (every and place % every == 0)
        else pytest.param(*param.values, id=param.id, marks=[*param.marks, pytest.mark.slow])
        for place, param in enumerate(params)
    ]


def _param(case: Any) -> ParameterSet:
    if isinstance(case, ParameterSet):
        return case
    return pytest.param(*case) if isinstance(case, tuple) else pytest.param(case)
