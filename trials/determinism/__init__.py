"""Trial of determinism: the output is the same for every hash seed, in another order, and in threads."""

from trials.determinism.campaign import main

__all__ = ["main"]
