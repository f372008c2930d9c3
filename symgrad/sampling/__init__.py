"""Valid inputs of a program: random inputs, inputs in every branch of its piecewise functions, and inputs at its kinks.

The diagnosis, the finite differences and the worked examples use them.
"""

from __future__ import annotations

from symgrad.sampling.pieces import Piece, SamplePoint
from symgrad.sampling.search import Sample, possible, random_inputs, sample
from symgrad.sampling.space import Inputs, InputSpace, NoInputs

__all__ = ["InputSpace", "Inputs", "NoInputs", "Piece", "Sample", "SamplePoint", "possible", "random_inputs", "sample"]
