"""Trial of determinism: the same output under every hash seed, after other derivations, and in threads."""

from trials.determinism.campaign import main

__all__ = ["main"]
