"""Ready-made programs: forward equations, a few lines each.  ``LOSSES`` maps a name to the function that builds it."""

from __future__ import annotations

from collections.abc import Callable

from symgrad.losses.softmax_cross_entropy import softmax_cross_entropy
from symgrad.losses.softmax_mse import softmax_mse
from symgrad.program import Program

LOSSES: dict[str, Callable[..., Program]] = {build.__name__: build for build in (softmax_mse, softmax_cross_entropy)}
