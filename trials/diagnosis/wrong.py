"""The corpus of wrong gradients: each from a thread or a bug report, rewritten for a loss of the catalogue."""

from __future__ import annotations

from trials.diagnosis import (
    class_cases,
    cross_entropy_cases,
    issue_cases,
    model_cases,
    regression_cases,
    softmax_mse_cases,
)
from trials.diagnosis.corpus import Wrong

WRONG: tuple[Wrong, ...] = tuple(
    case
    for module in (softmax_mse_cases, cross_entropy_cases, class_cases, regression_cases, model_cases, issue_cases)
    for case in vars(module).values()
    if isinstance(case, Wrong)
)
"""All wrong gradients: first those from threads, then those from the issue."""
