"""Random losses as users write them, in NumPy's language, against the function itself: its value and its slopes."""

from trials.expressions.campaign import main

__all__ = ["main"]
