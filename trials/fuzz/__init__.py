"""Differential fuzzing: random programs, derived and proved, against witnesses that share nothing with symgrad."""

from trials.fuzz.campaign import main

__all__ = ["main"]
