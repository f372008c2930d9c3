"""Printed pages of a derivation, in every notation; and their style sheet."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def stylesheet() -> str:
    """The style of a section; its colours come from the surrounding text.

    Comments and spaces are removed, since every output in a notebook brings the style. Notebooks and other pages have
    rules of their own for tables; an id in the selector, which no element has, outweighs them.
    """
    written = files("symgrad.render").joinpath("derivation.css").read_text(encoding="utf-8")
    without_comments = re.sub(r"/\*.*?\*/", "", written, flags=re.DOTALL)
    weighty = re.sub(r"\.symgrad(?= )", ":is(.symgrad,#_)", without_comments)
    return re.sub(r"\s*([{};,:])\s+|\s+([{}])", r"\1\2", weighty).strip() + "\n"
