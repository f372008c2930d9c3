"""The user's language: NumPy on symbolic arrays, traced into a Program; and the functions that NumPy lacks."""

from symgrad.array.beyond_numpy import *  # noqa: F403
from symgrad.array.beyond_numpy import __all__ as __all__
