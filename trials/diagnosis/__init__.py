"""Trial of the diagnosis: wrong gradients, to be named, and right ones, never to be accused."""

from trials.diagnosis.table import main

__all__ = ["main"]
