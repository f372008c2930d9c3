"""A derivation at given sizes: SymPy matrices of symbols, gradients entry by entry, and functions."""

from symgrad.explicit.sized import Explicit, explicit

__all__ = ["Explicit", "explicit"]
