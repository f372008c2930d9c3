"""Write a file completely or not at all."""

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
    """Write ``text`` to a temporary file next to ``path``, sync it, and rename it to ``path``.

    Even a power cut leaves either the old or the new file.  Permissions and links are kept; a pipe or device is
    written directly.  Raises ``OSError``, or ``ValueError`` for an invalid name, and removes the temporary file.
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
    """Turn terminating signals into ``SystemExit``, so that the temporary file is removed."""
    if threading.current_thread() is not threading.main_thread():  # only it can handle signals
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
