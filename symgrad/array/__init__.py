"""The user's language: NumPy on symbolic arrays, traced into a Program; and the functions that NumPy lacks."""

from symgrad.array.public import *  # noqa: F403
from symgrad.array.public import __all__ as __all__
