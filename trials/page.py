"""The pages of ``docs/trials``, which the evidence page of the documentation includes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

PAGES = Path(__file__).resolve().parent.parent / "docs" / "trials"


def write(name: str, text: str) -> None:
    """Write the page of a trial, in Markdown, replacing the previous one."""
    PAGES.mkdir(exist_ok=True)
    (PAGES / f"{name}.md").write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
