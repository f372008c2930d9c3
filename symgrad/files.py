"""A file is written whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from types import FrameType

ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def write_whole(path: Path, text: str) -> None:
    """Write ``text`` to a file next to ``path`` that then takes its place: until then the old one is untouched.

    The file is on the disk before it does, so that even a power cut leaves one of the two.  Permissions are those of
    the old file, a link stays a link, and into what is no file, such as a pipe, the text is written straight.  Raises
    ``OSError`` or, for a name that no file can have, ``ValueError``; then, and when interrupted, nothing else is left.
    """
    path = Path(os.path.realpath(path))
    old = path.stat() if path.exists() else None
    if old and not stat.S_ISREG(old.st_mode):
        path.write_text(text, encoding="utf-8")
        return
    part = path.with_name(f".symgrad-{token_hex(8)}")
    with _endings_raised():
        try:
            with part.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if old:
                part.chmod(stat.S_IMODE(old.st_mode))
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextmanager
def _endings_raised() -> Iterator[None]:
    """Signals that end the program are exceptions inside, so that it can clean up."""
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = {number: signal.signal(number, _raise) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
