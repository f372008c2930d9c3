"""Differential fuzzing: random programs, derived and proved, against witnesses that share nothing with symgrad."""
