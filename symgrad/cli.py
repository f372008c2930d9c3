"""The command line: ``symgrad losses | derive | generate | check | diagnose``.

Exit codes: 0 if all went well, 1 if a check failed or a line is wrong, 2 for bad input or where the output cannot be
written (one line on standard error), 130 when interrupted, 141 when the reader of the output went away.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import sys
import warnings
from collections.abc import Sequence
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

LOSS = "a ready-made loss (see `symgrad losses`), or one of your own: file.py:name, package.module:name"
CANDIDATE = (
    "the function to look at, file.py:name or package.module:name; it takes the inputs of the loss as NumPy arrays, in "
    "their order, and returns the gradients in the order of --wrt"
)
DERIVE_EXAMPLES = """\
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
GENERATE_EXAMPLES = """\
examples:
  symgrad generate softmax_cross_entropy -o gradient.py
  python -c "from gradient import softmax_cross_entropy_gradient"
  symgrad generate softmax_mse --target scalar --shape 2,4,3
  symgrad generate mylosses.py:focal -o focal.py
"""
CHECK_EXAMPLES = """\
examples:
  symgrad check
  symgrad check --json
  symgrad check --published my_values.json
  symgrad check mylosses.py:focal
"""

DIAGNOSE_EXAMPLES = """\
examples:
  symgrad diagnose softmax_cross_entropy mine.py:gradient
  symgrad diagnose mylosses.py:focal mine.py:focal_gradient --wrt W
  symgrad diagnose -e "mean((X @ w - y)**2)" --shapes "X: N D, w: D, y: N" --wrt w mine.py:gradient
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    gc.set_threshold(200_000, 20, 20)  # a short life with many small objects: collecting seldom saves a tenth of it
    sys.stdout, sys.stderr = sys.stdout or _Closed(), sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    try:
        options = _parser().parse_args(_with_expression(sys.argv[1:] if arguments is None else arguments))
        with warnings.catch_warnings():
            warnings.simplefilter("always", UndefinedWarning)
            warnings.showwarning = lambda message, *_: _say(str(message))
            code = int(options.run(options))
        sys.stdout.flush()  # where that fails, it can still be said
        return code
    except SymgradError as error:
        _say(str(error))
        return 1 if isinstance(error, RefutedError) else 2
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (the reader went away: nothing more can be said)
        return 141
    except (OSError, UnicodeEncodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{error.encoding} lacks its letters; try -o FILE"
        _say(f"cannot write the output: {reason}")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (so that nothing is flushed again at exit)
        return 2


def _say(message: str) -> None:
    """One line on standard error, if there is anybody to read it."""
    try:
        print(f"symgrad: {message}", file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


class _Closed(TextIOBase):
    """The standard output of a process that was started without one."""

    def write(self, text: str) -> int:
        raise OSError(EBADF, os.strerror(EBADF))


class _Parser(argparse.ArgumentParser):
    """One that says what is wrong in one line, as all errors are said."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"symgrad: {shown(message)}\n")

    def _print_message(self, message: str, file: Any = None) -> None:  # argparse says nothing where it cannot write
        print(message, end="", file=file or sys.stderr, flush=True)


def _with_expression(arguments: Sequence[str]) -> list[str]:
    """The arguments, an expression that begins with a minus joined to its option: alone it would be taken for one."""
    joined = list(arguments)
    for place, option in reversed(list(enumerate(joined[:-1]))):
        if option in ("-e", "--expression") and not re.fullmatch("--[a-z]+(=.*)?|-[eoh]", joined[place + 1]):
            joined[place : place + 2] = [f"--expression={joined[place + 1]}"]
    return joined


def _parser() -> _Parser:
    parser = _Parser(
        prog="symgrad",
        description="The gradient of a loss, step by step, every line proved; as text, LaTeX, MathML and NumPy.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    losses = commands.add_parser("losses", help="list the ready-made losses", description="List the ready-made losses.")
    losses.set_defaults(run=_losses)

    given = _Parser(add_help=False)
    given.add_argument("-e", "--expression", metavar="TEXT", help="a loss in one line instead, with --shapes")
    given.add_argument("--shapes", metavar="SHAPES", help="what the names in TEXT are, such as 'X: N D, w: D, y: N'")
    given.add_argument(
        "--wrt",
        metavar="NAMES",
        help="arrays to differentiate by (default: those that the loss declares; with -e, all in TEXT but labels and "
        "distributions)",
    )
    named = _Parser(add_help=False, parents=[given])
    named.add_argument("loss", nargs="?", metavar="LOSS", help=LOSS)
    reduced = _Parser(add_help=False)
    reduced.add_argument("--reduction", metavar="R", help="mean (default), sum or batch_mean")
    loss = _Parser(add_help=False, parents=[named, reduced])
    loss.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to FILE instead of the screen")
    loss.add_argument("--force", action="store_true", help="overwrite FILE if it exists")

    show = commands.add_parser(
        "derive",
        parents=[loss],
        help="print a derivation",
        description="Print the derivation of a loss's gradient, with the proof of every line.",
        epilog=DERIVE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument("--notation", choices=("index", "matrix", "both"), default="both")
    show.add_argument(
        "--steps", default="all", metavar="LINES", help="all, none (the closed forms, defined), or lines such as 5-13"
    )
    show.add_argument("--format", choices=("text", "latex", "mathml", "html", "markdown"), default="text")
    show.add_argument("--standalone", action="store_true", help="with --format latex: a document for pdflatex")
    show.add_argument("--code", action="store_true", help="add how the generated code evaluates it, line by line")
    show.add_argument(
        "--shape", metavar="N,D,C", help="print the matrices and each gradient entry at these sizes instead"
    )
    show.set_defaults(run=_derive)

    generate = commands.add_parser(
        "generate",
        parents=[loss],
        help="write a gradient function as a module that needs numpy alone",
        description="Write the gradient as a Python module that needs numpy alone.",
        epilog=GENERATE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    generate.add_argument(
        "--target",
        choices=("numpy", "scalar", "numba"),
        default="numpy",
        help="scalar: unrolled Python; numba: loops that numba compiles",
    )
    generate.add_argument("--shape", metavar="N,D,C", help="the sizes for --target scalar")
    generate.set_defaults(run=_generate)

    checks = commands.add_parser(
        "check",
        parents=[named],
        help="prove every line and hold the results against what was published and recorded",
        description="Prove every line of the losses of which numbers, formulas or runs of frameworks are known, and "
        "hold the closed forms against these; of one loss, prove every line and hold the generated function against "
        "the loss itself: its gradients against finite differences, and at large inputs its value, with finite "
        "gradients. Exit code 0 only if everything holds.",
        epilog=CHECK_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checks.add_argument("--published", type=Path, metavar="FILE", help="somebody else's printed gradients (JSON)")
    checks.add_argument("--json", action="store_true", help="print the report as JSON")
    checks.set_defaults(run=_check)

    diagnosis = commands.add_parser(
        "diagnose",
        parents=[given, reduced],
        usage="symgrad diagnose [OPTIONS] LOSS CANDIDATE",
        help="name the mistake in a gradient that somebody wrote",
        description="Hold a gradient function against the proved gradient at random inputs, and where it differs name "
        "the mistake and the line of the derivation at which it departs. Exit code 0 only if it agrees.",
        epilog=DIAGNOSE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    diagnosis.add_argument("names", nargs="+", metavar="LOSS CANDIDATE", help=f"{LOSS}; then {CANDIDATE}")
    diagnosis.set_defaults(run=_diagnose)
    return parser


# --- commands -----------------------------------------------------------------------------------------------------


def _losses(_: argparse.Namespace) -> int:
    width = max(map(len, LOSSES))
    for name, loss in LOSSES.items():
        print(f"{name:{width}}  {loss.summary}")
    return 0


def _derive(options: argparse.Namespace) -> int:
    if options.standalone and (options.format != "latex" or options.shape):
        raise InputError("--standalone goes with --format latex, and not with --shape")
    if options.shape and (options.code or options.steps != "all"):
        raise InputError("--code and --steps go without --shape")
    derivation = _derivation(options)
    if options.shape:
        text = _explicit(derivation, options)
    else:
        show = getattr(derivation, f"to_{options.format}")
        more = {"standalone": True} if options.standalone else {}
        text = show(options.notation, steps=options.steps, code=options.code or options.format == "html", **more)
    _deliver(text, options)
    derivation.prove().refuse()
    return 0


def _generate(options: argparse.Namespace) -> int:
    derivation = _derivation(options)
    sizes = _sizes(derivation, options.shape) if options.shape else None
    _deliver(derivation.to_source(target=options.target, sizes=sizes), options)
    return 0


def _check(options: argparse.Namespace) -> int:
    from symgrad.evidence.checks import check, check_loss  # for this command alone
    from symgrad.evidence.report import Section, section_text, verdict

    def tell(section: Section) -> None:
        if not options.json:
            print(section_text(section), flush=True)

    if options.loss or options.expression or options.shapes:
        if options.published:
            raise InputError("--published is about the ready-made losses: give no LOSS with it")
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
        raise InputError(f"unexpected {losses[1]}: give a loss and one candidate")
    if not losses and options.expression is None:
        raise InputError(f"give a loss and a candidate; {name} alone was given")
    options.loss = losses[0] if losses else None
    found = diagnose(_derivation(options), candidate(name))
    print(found)
    return 0 if found.ok else 1


# --- what they share ----------------------------------------------------------------------------------------------


def _derivation(options: argparse.Namespace) -> Derivation:
    parameters = {"reduction": options.reduction} if options.reduction else {}
    return derive(_loss(options), _wrt(options), **parameters)


def _loss(options: argparse.Namespace) -> Loss:
    return find(options.loss, options.expression, options.shapes, options.wrt)


def _wrt(options: argparse.Namespace) -> list[str] | None:
    return options.wrt.replace(",", " ").split() if options.wrt is not None else None


def _sizes(derivation: Derivation, shape: str) -> dict[str, int]:
    """The sizes by axis that ``--shape`` gives."""
    axes = [axis.name for axis in derivation.program.axes]
    parts = shape.split(",")
    if len(parts) != len(axes) or not all(re.fullmatch("[0-9]{1,9}", part.strip()) for part in parts):
        numbers = "a whole number" if len(axes) == 1 else f"{len(axes)} whole numbers"
        example = ",".join(islice(cycle("243"), len(axes)))
        raise InputError(f"--shape {shown(shape)}: expected {numbers}, {','.join(axes)}, such as {example}")
    return dict(zip(axes, map(int, parts), strict=True))


def _explicit(derivation: Derivation, options: argparse.Namespace) -> str:
    if options.format not in ("text", "latex"):
        raise InputError("--shape goes with --format text or latex")
    from symgrad.explicit.listing import entries_to_latex, entries_to_text

    derivation.prove().refuse()
    at = derivation.explicit(y=None, **_sizes(derivation, options.shape))
    return (entries_to_latex if options.format == "latex" else entries_to_text)(at)


def _read(path: Path) -> str:
    """The text of a file, up to a letter more than is read of it: some files have no end."""
    from symgrad.evidence.published import MOST_LETTERS

    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MOST_LETTERS + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read {shown(str(path))}: {reason}") from None


def _deliver(text: str, options: argparse.Namespace) -> None:
    """Print ``text``, or write the whole of it to the file asked for."""
    text = text.rstrip("\n") + "\n"
    path: Path | None = options.output
    if path is None:
        return print(text, end="", flush=True)
    try:
        if path.is_dir():
            raise InputError(f"{shown(str(path))} is a folder: give the name of a file")
        if path.is_file() and not options.force:
            raise InputError(f"{shown(str(path))} exists: give another name, or --force to overwrite it")
        write_whole(path, text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot write {shown(str(path))}: {reason}") from None
