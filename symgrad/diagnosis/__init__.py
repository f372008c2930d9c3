"""The diagnosis of a wrong gradient: which mistake, at which line of the derivation, gives the numbers that a candidate
returns."""

from __future__ import annotations

from symgrad.diagnosis.driver import diagnose
from symgrad.diagnosis.result import Deviation, Diagnosis, Explanation

__all__ = ["Deviation", "Diagnosis", "Explanation", "diagnose"]
