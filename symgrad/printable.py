"""Text that is safe to print: no invisible or control characters, no line breaks."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields


def visible(text: str) -> str:
    """A text with control characters and other invisible characters escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


@dataclass(frozen=True)
class Legible:
    """A record whose string fields are shown to a reader: each becomes one printable line when it is set."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(text := getattr(self, field.name), str):
                object.__setattr__(self, field.name, visible(re.sub(r"\s*[\r\n]\s*", " ", text)))
