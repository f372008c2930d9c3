"""The style of derivations on a page."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def stylesheet() -> str:
    """The style of a section; its colours are those of the text around it.

    Comments and the room between rules are left out: in a notebook every output brings it.  There, and on the pages of
    others, tables have rules of their own, which an identifier outweighs, though nothing bears it.
    """
    written = files("symgrad.render").joinpath("derivation.css").read_text(encoding="utf-8")
    without_comments = re.sub(r"/\*.*?\*/", "", written, flags=re.DOTALL)
    weighty = re.sub(r"\.symgrad(?= )", ":is(.symgrad,#_)", without_comments)
    return re.sub(r"\s*([{};,:])\s+|\s+([{}])", r"\1\2", weighty).strip() + "\n"
