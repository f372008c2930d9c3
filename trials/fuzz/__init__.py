"""Differential fuzzing: derive and prove random programs, and compare with independent references."""

from trials.fuzz.campaign import main

__all__ = ["main"]
