"""The style of derivations on a page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def stylesheet() -> str:
    """The style of a section; its colours are those of the text around it."""
    return files("symgrad.render").joinpath("derivation.css").read_text(encoding="utf-8")
