"""The command line: ``symgrad losses | derive | generate | check | diagnose``.

Exit codes: 0 success; 1 a check failed or a line is wrong; 2 bad input, or the output cannot be written (one line on
standard error); 130 interrupted; 141 the output pipe was closed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import signal
import stat
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EBADF
from inspect import signature
from io import TextIOBase
from itertools import cycle, islice
from pathlib import Path
from secrets import token_hex
from textwrap import fill
from types import FrameType
from typing import Any

from symgrad.api import Derivation, derive
from symgrad.array.loss import Loss
from symgrad.errors import InputError, RefutedError, SymgradError, UndefinedWarning, shown
from symgrad.loss_lookup import candidate, find
from symgrad.losses import CATALOGUE, LAYERS, LOSSES
from symgrad.options import FORMATS, parser
from symgrad.terminal import coloured, columns, progress, use_utf8

ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    gc.set_threshold(200_000, 20, 20)  # a short process with many small objects: this saves a tenth of its time
    sys.stdout, sys.stderr = sys.stdout or _Closed(), sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    use_utf8()
    try:
        line = parser(COMMANDS)
        if "_ARGCOMPLETE" in os.environ:  # set by the shell function of argcomplete
            from argcomplete import autocomplete

            autocomplete(line)
        options = line.read(sys.argv[1:] if arguments is None else arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("always", UndefinedWarning)
            warnings.showwarning = lambda message, *_: _say(str(message))
            code = int(options.run(options))
        sys.stdout.flush()  # here, so that a failure is still reported
        return code
    except SymgradError as error:
        _say(str(error))
        return 1 if isinstance(error, RefutedError) else 2
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (the pipe was closed: no more output)
        return 141
    except OSError as error:
        _say(f"cannot write the output: {error.strerror}")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (so that the exit does not flush again)
        return 2


def _say(message: str) -> None:
    """Print one line on standard error, if it is open."""
    try:
        print(f"symgrad: {message}", file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


class _Closed(TextIOBase):
    """Stands in for a missing standard output; every write fails."""

    def write(self, text: str) -> int:
        raise OSError(EBADF, os.strerror(EBADF))


# --- commands -----------------------------------------------------------------------------------------------------


def _losses(_: argparse.Namespace) -> int:
    width = max(map(len, CATALOGUE))
    for heading, entries in (("Losses", LOSSES), ("Layers, derived for an upstream gradient", LAYERS)):
        print(f"{heading}:")
        for name, loss in entries.items():
            entry = f"{name:{width}}  {loss.summary}"
            print(fill(entry, columns() or len(entry), subsequent_indent=" " * (width + 2)))
    return 0


def _derive(options: argparse.Namespace) -> int:
    options.format = options.format or _format(options.output)
    if options.standalone and (options.format != "latex" or options.shape):
        raise InputError("--standalone needs --format latex, and does not apply to --shape")
    if options.shape and (options.code or options.steps != "all"):
        raise InputError("--code and --steps do not apply to --shape")
    on_screen = options.format == "text" and options.output is None
    derivation = _derivation(options)
    if options.shape:
        text = _explicit(derivation, options)
    else:
        show = getattr(derivation, f"to_{options.format}")
        more: dict[str, Any] = {"standalone": True} if options.standalone else {}
        more |= {"columns": columns()} if on_screen else {}
        more |= {"steps": options.steps, "detail": "full" if options.full else "short"}
        text = show(options.notation, code=options.code or options.format == "html", **more)
    _deliver(coloured(text) if on_screen else text, options)
    derivation.refuse()
    return 0


def _generate(options: argparse.Namespace) -> int:
    derivation = _derivation(options)
    sizes = _sizes(derivation, options.shape or "") if options.shape or options.target == "scalar" else None
    _deliver(derivation.to_source(target=options.target, sizes=sizes), options)
    return 0


def _check(options: argparse.Namespace) -> int:
    from symgrad.evidence.checks import check, check_loss  # only this command needs it
    from symgrad.evidence.report import Section, section_text, verdict

    with progress() as end_part:

        def tell(section: Section) -> None:
            end_part("" if options.json else section_text(section))

        if options.loss or options.expression or options.shapes:
            if options.published:
                raise InputError("--published applies to the catalogue: omit LOSS")
            report = check_loss(_loss(options), _wrt(options), each=tell)
        else:
            report = check(_read(options.published) if options.published else None, each=tell)
    print(json.dumps(report.as_dict(), indent=1) if options.json else verdict(report))
    if not report.ok:
        _say(f"check failed: {report.first_failure}")
    return 0 if report.ok else 1


def _diagnose(options: argparse.Namespace) -> int:
    from symgrad.diagnosis import diagnose

    *losses, name = options.names
    if len(losses) > 1:
        raise InputError(f"unexpected {losses[1]}: expected one LOSS and one CANDIDATE")
    if not losses and options.expression is None:
        raise InputError(f"expected LOSS and CANDIDATE, got only {name}")
    options.loss = losses[0] if losses else None
    diagnosis = diagnose(_derivation(options), candidate(name))
    print(diagnosis)
    return 0 if diagnosis.ok else 1


# --- helpers -----------------------------------------------------------------------------------------------------


def _derivation(options: argparse.Namespace) -> Derivation:
    loss, parameters = _loss(options), {"reduction": options.reduction} if options.reduction else {}
    if parameters and "reduction" not in signature(loss.function).parameters:
        raise InputError(f"{loss.name} does not take --reduction")
    return derive(loss, _wrt(options), **parameters)


def _loss(options: argparse.Namespace) -> Loss:
    return find(options.loss, options.expression, options.shapes, options.wrt)


def _wrt(options: argparse.Namespace) -> list[str] | None:
    return options.wrt.replace(",", " ").split() if options.wrt is not None else None


def _format(path: Path | None) -> str:
    """The format that the name of the output file asks for; text for the screen and for a name without a suffix."""
    suffix = path.suffix.lower() if path else ""
    if suffix and suffix not in FORMATS:
        raise InputError(f"no format has the suffix {shown(suffix)}: use {', '.join(FORMATS)}, or give --format")
    return FORMATS.get(suffix, "text")


def _sizes(derivation: Derivation, shape: str) -> dict[str, int]:
    """The size of each axis, from ``--shape``."""
    axes = [axis.name for axis in derivation.program.axes]
    parts = shape.split(",")
    if len(parts) != len(axes) or not all(re.fullmatch("[0-9]{1,9}", part.strip()) for part in parts):
        numbers = "a whole number" if len(axes) == 1 else f"{len(axes)} whole numbers"
        example = ",".join(islice(cycle("243"), len(axes)))
        given = f"--shape {shown(shape)}: expected" if shape else "--target scalar needs --shape:"
        raise InputError(f"{given} {numbers}, {','.join(axes)}, such as {example}")
    return dict(zip(axes, map(int, parts), strict=True))


def _explicit(derivation: Derivation, options: argparse.Namespace) -> str:
    if options.format not in ("text", "latex"):
        raise InputError("--shape needs --format text or latex")
    from symgrad.explicit import entries_to_latex, entries_to_text

    derivation.prove().refuse()
    at = derivation.explicit(y=None, **_sizes(derivation, options.shape))
    return (entries_to_latex if options.format == "latex" else entries_to_text)(at)


def _read(path: Path) -> str:
    """Read a file, but at most one letter more than ``read_published`` accepts: some files are endless."""
    from symgrad.evidence.published import MOST_LETTERS

    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MOST_LETTERS + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read {shown(str(path))}: {reason}") from None


def _deliver(text: str, options: argparse.Namespace) -> None:
    """Print ``text``, or write it to the output file."""
    text = text.rstrip("\n") + "\n"
    path: Path | None = options.output
    if path is None:
        return print(text, end="", flush=True)
    try:
        if path.is_dir():
            raise InputError(f"{shown(str(path))} is a folder: expected a file name")
        if path.is_file() and not options.force:
            raise InputError(f"{shown(str(path))} exists: choose another name, or use --force to overwrite it")
        write_whole(path, text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot write {shown(str(path))}: {reason}") from None


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


COMMANDS = {"losses": _losses, "derive": _derive, "generate": _generate, "check": _check, "diagnose": _diagnose}
