"""The terminal of the command line: its encoding, width and colours, and a clock while a command works."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from shutil import get_terminal_size
from threading import Event, Lock, Thread
from time import monotonic

NARROWEST = 60  # columns
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"
COLOURS = {"✓": "\x1b[32m", "✗": "\x1b[1;31m", "?": "\x1b[33m"}
MARK = re.compile(r"(?<=  )[✓✗?](?= )")
# A line with its underline, or a line at the margin above an indented line; not the beginning of a block of code.
HEADING = re.compile(r"(?:\A|(?<=\n\n))\S[^\n]*(?:(?:\n\S[^\n]*)?\n=+$|(?<![:,(\[{])(?=\n  ))", re.MULTILINE)
CLEARED = "\r\x1b[K"


def use_utf8() -> None:
    """Write UTF-8, whatever encoding the locale or the environment names."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def columns() -> int | None:
    """The width of the terminal, but at least ``NARROWEST``; None if standard output is not a terminal."""
    return max(NARROWEST, get_terminal_size().columns) if sys.stdout.isatty() else None


def coloured(text: str) -> str:
    """A text with bold headings and coloured marks, if standard output is a terminal that shows colours.

    It does not if ``NO_COLOR`` is set, or ``TERM`` is ``dumb``.
    """
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    marked = MARK.sub(lambda mark: f"{COLOURS[mark[0]]}{mark[0]}{PLAIN}", text)
    return HEADING.sub(lambda heading: f"{BOLD}{heading[0]}{PLAIN}", marked)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Count parts and seconds on standard error while the block runs, if it is a terminal.

    Yields a function that ends a part: it replaces the count by a text on standard output, unless that is empty.
    """
    shown, start, ended, lock = sys.stderr.isatty(), monotonic(), Event(), Lock()
    parts = 0

    def write(words: str) -> None:
        if shown:
            print(f"{CLEARED}{words}", end="", file=sys.stderr, flush=True)

    def count() -> None:
        while not ended.is_set():
            with lock:
                write(f"symgrad: working, {parts} parts done, {monotonic() - start:.0f} s")
            ended.wait(1)

    def end_part(text: str) -> None:
        nonlocal parts
        with lock:
            parts += 1
            write("")
            if text:
                print(coloured(text), flush=True)

    Thread(target=count, daemon=True).start()
    try:
        yield end_part
    finally:
        ended.set()
        with lock:
            write("")
