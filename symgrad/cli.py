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
import sys
import warnings
from collections.abc import Callable, Sequence
from errno import EBADF
from io import TextIOBase
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NoReturn

from symgrad.api import Derivation, derive
from symgrad.array.loss import Loss
from symgrad.errors import InputError, RefutedError, SymgradError, UndefinedWarning, shown
from symgrad.files import write_whole
from symgrad.loss_lookup import candidate, find
from symgrad.losses import LOSSES

LOSS = "a catalogue name (see `symgrad losses`), or your own loss: file.py:name, package.module:name"
CANDIDATE = (
    "your gradient function, file.py:name or package.module:name; it takes the inputs of the loss as NumPy arrays, in "
    "order, and returns the gradients in the order of --wrt"
)
WRT = (
    "differentiate with respect to these arrays (default: the loss's own wrt; with -e, every array except labels and "
    "distributions)"
)
CHECK_DESCRIPTION = (
    "Without LOSS: prove each line of the losses that have published numbers or formulas, or recorded runs of "
    "frameworks, and compare the gradients with these. With LOSS: prove each line of this loss, compare the generated "
    "gradient with finite differences, and test value and gradient at large inputs. Exit code 0 only if every "
    "comparison succeeds."
)
DIAGNOSE_DESCRIPTION = (
    "Compare a gradient function with the proved gradient at random inputs. If they differ, name the mistake and the "
    "first line of the derivation that the function contradicts. Exit code 0 only if they agree."
)
DERIVE = """\
examples:
  symgrad derive softmax_cross_entropy
  symgrad derive softmax_mse --reduction sum --notation matrix
  symgrad derive softmax_cross_entropy --wrt W --format latex --standalone -o derivation.tex
  symgrad derive softmax_cross_entropy --format html -o derivation.html
  symgrad derive softmax_cross_entropy --code
  symgrad derive softmax_mse --shape 2,4,3
  symgrad derive mylosses.py:focal
  symgrad derive -e "mean((X @ w - y)**2)" --shapes "X: N D, w: D, y: N" --wrt w
"""
GENERATE = """\
examples:
  symgrad generate softmax_cross_entropy -o gradient.py
  python -c "from gradient import softmax_cross_entropy_gradient"
  symgrad generate softmax_mse --target scalar --shape 2,4,3
  symgrad generate mylosses.py:focal -o focal.py
"""
CHECK = """\
examples:
  symgrad check
  symgrad check --json
  symgrad check --published my_values.json
  symgrad check mylosses.py:focal
"""
DIAGNOSE = """\
examples:
  symgrad diagnose softmax_cross_entropy mine.py:gradient
  symgrad diagnose mylosses.py:focal mine.py:focal_gradient --wrt W
  symgrad diagnose -e "mean((X @ w - y)**2)" --shapes "X: N D, w: D, y: N" --wrt w mine.py:gradient
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    gc.set_threshold(200_000, 20, 20)  # a short process with many small objects: this saves a tenth of its time
    sys.stdout, sys.stderr = sys.stdout or _Closed(), sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    try:
        options = _parser().parse_args(_with_expression(sys.argv[1:] if arguments is None else arguments))
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
    except (OSError, UnicodeEncodeError) as error:
        unencodable = f"{getattr(error, 'encoding', '')} cannot encode it; set PYTHONUTF8=1, or use -o FILE"
        reason = error.strerror if isinstance(error, OSError) else unencodable
        _say(f"cannot write the output: {reason}")
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


class _Parser(argparse.ArgumentParser):
    """Reports an error in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"symgrad: {shown(message)}\n")

    def _print_message(self, message: str, file: Any = None) -> None:  # argparse hides a failed write
        print(message, end="", file=file or sys.stderr, flush=True)


def _with_expression(arguments: Sequence[str]) -> list[str]:
    """Join each expression to its ``-e``: argparse would take an expression with a leading minus for an option."""
    joined = list(arguments)
    for index, option in reversed(list(enumerate(joined[:-1]))):
        if option in ("-e", "--expression") and not re.fullmatch("--[a-z]+(=.*)?|-[eoh]", joined[index + 1]):
            joined[index : index + 2] = [f"--expression={joined[index + 1]}"]
    return joined


class _Help(argparse.HelpFormatter):
    """Wraps descriptions, and keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def _parser() -> _Parser:
    parser = _Parser(
        prog="symgrad",
        description="Derive the gradient of a loss line by line, prove each line, and write documents and NumPy code.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], summary: str, description: str = "", **settings: Any
    ) -> _Parser:
        described = description or f"{summary[0].upper()}{summary[1:]}."
        added = commands.add_parser(name, help=summary, description=described, formatter_class=_Help, **settings)
        added.set_defaults(run=run)
        return added

    one_line = _Parser(add_help=False)
    one_line.add_argument("-e", "--expression", metavar="TEXT", help="a loss in one line, instead of LOSS")
    one_line.add_argument("--shapes", metavar="SHAPES", help="the shapes of the names in TEXT: 'X: N D, w: D, y: N'")
    one_line.add_argument("--wrt", metavar="NAMES", help=WRT)
    named = _Parser(add_help=False, parents=[one_line])
    named.add_argument("loss", nargs="?", metavar="LOSS", help=LOSS)
    reduced = _Parser(add_help=False)
    reduced.add_argument("--reduction", metavar="R", help="mean (default), sum or batch_mean, if the loss has it")
    loss = _Parser(add_help=False, parents=[named, reduced])
    loss.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to FILE instead of the screen")
    loss.add_argument("--force", action="store_true", help="overwrite FILE if it exists")

    command("losses", _losses, "list the catalogue of losses")

    show = command("derive", _derive, "print a derivation, with the proof of each line", parents=[loss], epilog=DERIVE)
    show.add_argument("--notation", choices=("index", "matrix", "both"), default="both")
    show.add_argument("--detail", choices=("full", "short"), default="full", help="short: one line for each idea")
    show.add_argument("--steps", default="all", metavar="LINES", help="all, none (only the closed forms), or 5-13, 20")
    show.add_argument("--format", choices=("text", "latex", "mathml", "html", "markdown"), default="text")
    show.add_argument("--standalone", action="store_true", help="with --format latex: a complete document for pdflatex")
    show.add_argument("--code", action="store_true", help="also show how the generated code evaluates the loss")
    show.add_argument("--shape", metavar="N,D,C", help="print each matrix and gradient entry at this size instead")

    summary = "write the gradient as a Python module that needs only NumPy"
    generate = command("generate", _generate, summary, parents=[loss], epilog=GENERATE)
    target_help = "scalar: plain Python, unrolled for one size; numba: loops that numba compiles"
    generate.add_argument("--target", choices=("numpy", "scalar", "numba"), default="numpy", help=target_help)
    generate.add_argument("--shape", metavar="N,D,C", help="the sizes for --target scalar")

    summary = "prove losses, and compare the gradients with independent results"
    checks = command("check", _check, summary, CHECK_DESCRIPTION, parents=[named], epilog=CHECK)
    checks.add_argument("--published", type=Path, metavar="FILE", help="compare with the gradients in FILE (JSON)")
    checks.add_argument("--json", action="store_true", help="print the report as JSON")

    summary, usage = "name the mistake in a gradient that you wrote", "symgrad diagnose [OPTIONS] LOSS CANDIDATE"
    diagnosis = command(
        "diagnose", _diagnose, summary, DIAGNOSE_DESCRIPTION, parents=[one_line, reduced], epilog=DIAGNOSE, usage=usage
    )
    diagnosis.add_argument("names", nargs="+", metavar="LOSS CANDIDATE", help=f"{LOSS}; then {CANDIDATE}")
    return parser


# --- commands -----------------------------------------------------------------------------------------------------


def _losses(_: argparse.Namespace) -> int:
    width = max(map(len, LOSSES))
    for name, loss in LOSSES.items():
        print(f"{name:{width}}  {loss.summary}")
    return 0


def _derive(options: argparse.Namespace) -> int:
    if options.standalone and (options.format != "latex" or options.shape):
        raise InputError("--standalone needs --format latex, and does not apply to --shape")
    if options.shape and (options.code or options.steps != "all"):
        raise InputError("--code and --steps do not apply to --shape")
    derivation = _derivation(options)
    if options.shape:
        text = _explicit(derivation, options)
    else:
        show = getattr(derivation, f"to_{options.format}")
        more = {"standalone": True} if options.standalone else {}
        more |= {"steps": options.steps, "detail": options.detail, "code": options.code or options.format == "html"}
        text = show(options.notation, **more)
    _deliver(text, options)
    derivation.prove().refuse()
    return 0


def _generate(options: argparse.Namespace) -> int:
    derivation = _derivation(options)
    sizes = _sizes(derivation, options.shape) if options.shape else None
    _deliver(derivation.to_source(target=options.target, sizes=sizes), options)
    return 0


def _check(options: argparse.Namespace) -> int:
    from symgrad.evidence.checks import check, check_loss  # only this command needs it
    from symgrad.evidence.report import Section, section_text, verdict

    def tell(section: Section) -> None:
        if not options.json:
            print(section_text(section), flush=True)

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
    parameters = {"reduction": options.reduction} if options.reduction else {}
    return derive(_loss(options), _wrt(options), **parameters)


def _loss(options: argparse.Namespace) -> Loss:
    return find(options.loss, options.expression, options.shapes, options.wrt)


def _wrt(options: argparse.Namespace) -> list[str] | None:
    return options.wrt.replace(",", " ").split() if options.wrt is not None else None


def _sizes(derivation: Derivation, shape: str) -> dict[str, int]:
    """The size of each axis, from ``--shape``."""
    axes = [axis.name for axis in derivation.program.axes]
    parts = shape.split(",")
    if len(parts) != len(axes) or not all(re.fullmatch("[0-9]{1,9}", part.strip()) for part in parts):
        numbers = "a whole number" if len(axes) == 1 else f"{len(axes)} whole numbers"
        example = ",".join(islice(cycle("243"), len(axes)))
        raise InputError(f"--shape {shown(shape)}: expected {numbers}, {','.join(axes)}, such as {example}")
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
