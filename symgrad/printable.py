"""Text that is printed: nothing in it is invisible, breaks a line or drives a terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields


def visible(text: str) -> str:
    """A text in which control characters, and whatever else has no shape of its own, are escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


@dataclass(frozen=True)
class Legible:
    """A record whose texts are shown to a reader: they are joined to one line and escaped as they enter it, wherever
    they come from."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(text := getattr(self, field.name), str):
                object.__setattr__(self, field.name, visible(re.sub(r"\s*[\r\n]\s*", " ", text)))
