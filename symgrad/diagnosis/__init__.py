"""The diagnosis of a wrong gradient: which mistake, in which line of the derivation, gives the gradient that a
candidate returns.  The table of mistakes is in ``mistakes``."""

from __future__ import annotations

from symgrad.diagnosis.driver import diagnose
from symgrad.diagnosis.mistakes import KINDS
from symgrad.diagnosis.result import Deviation, Diagnosis, Explanation

__all__ = ["KINDS", "Deviation", "Diagnosis", "Explanation", "diagnose"]
