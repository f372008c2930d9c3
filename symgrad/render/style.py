"""The style of derivations on a page."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def stylesheet() -> str:
    """The style of a section; its colours are those of the text around it.

    Comments and the room between rules are left out: in a notebook every output brings it.
    """
    written = files("symgrad.render").joinpath("derivation.css").read_text(encoding="utf-8")
    without_comments = re.sub(r"/\*.*?\*/", "", written, flags=re.DOTALL)
    return re.sub(r"\s*([{};,:])\s+|\s+([{}])", r"\1\2", without_comments).strip() + "\n"
