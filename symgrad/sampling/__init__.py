"""Admissible inputs of a program: random ones, and ones that enter every piece of its piecewise functions.

The diagnosis, the finite differences and the worked examples all look here.
"""

from __future__ import annotations

from symgrad.sampling.pieces import Piece
from symgrad.sampling.search import Sample, entered, kinks, random_inputs, sample
from symgrad.sampling.space import InputSpace, NoInputs, draw

__all__ = ["InputSpace", "NoInputs", "Piece", "Sample", "draw", "entered", "kinks", "random_inputs", "sample"]
