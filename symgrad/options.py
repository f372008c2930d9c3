"""The options of the command line."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from symgrad.errors import shown
from symgrad.losses import CATALOGUE
from symgrad.version import VERSION

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
  symgrad derive softmax_cross_entropy --wrt W --standalone -o derivation.tex
  symgrad derive softmax_cross_entropy -o derivation.html
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


FORMATS = {
    ".txt": "text",
    ".tex": "latex",
    ".html": "html",
    ".md": "markdown",
    ".mml": "mathml",
    ".typ": "typst",
}
Run = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Reports an error in one line, without the usage; ``commands`` are the parsers of the commands."""

    commands: Mapping[str, Parser]

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The options of a command line. A command takes its options before, between and after other arguments."""
        joined = _with_expression(arguments)
        if joined and joined[0] in self.commands:
            return self.commands[joined[0]].parse_intermixed_args(joined[1:])
        if not joined:
            self.error(f"expected a command: {', '.join(self.commands)}")
        return self.parse_args(joined)

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


def parser(runs: Mapping[str, Run]) -> Parser:
    """The parser of the command line; ``runs`` has the function of each command, which becomes the option ``run``."""
    whole = Parser(
        prog="symgrad",
        description="Derive the gradient of a loss line by line, prove each line, and write documents and NumPy code.",
    )
    whole.add_argument("--version", action="version", version=f"symgrad {VERSION}")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")
    whole.commands = commands.choices

    def command(name: str, summary: str, description: str = "", **settings: Any) -> Parser:
        described = description or f"{summary[0].upper()}{summary[1:]}."
        added = commands.add_parser(name, help=summary, description=described, formatter_class=_Help, **settings)
        added.set_defaults(run=runs[name])
        return added

    one_line = Parser(add_help=False)
    one_line.add_argument("-e", "--expression", metavar="TEXT", help="a loss in one line, instead of LOSS")
    one_line.add_argument("--shapes", metavar="SHAPES", help="the shapes of the names in TEXT: 'X: N D, w: D, y: N'")
    one_line.add_argument("--wrt", metavar="NAMES", help=WRT)
    named = Parser(add_help=False, parents=[one_line])
    _completed(named.add_argument("loss", nargs="?", metavar="LOSS", help=LOSS))
    reduced = Parser(add_help=False)
    reduced.add_argument("--reduction", metavar="R", help="mean (default), sum or batch_mean, if the loss has it")
    loss = Parser(add_help=False, parents=[named, reduced])
    loss.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to FILE instead of the screen")
    loss.add_argument("--force", action="store_true", help="overwrite FILE if it exists")

    command("losses", "list the catalogue of losses")

    show = command("derive", "print a derivation, and prove each line", parents=[loss], epilog=DERIVE)
    show.add_argument("--notation", choices=("index", "matrix", "both"), default="both", help="default: both")
    show.add_argument("--full", action="store_true", help="show every line (default: one for each idea)")
    show.add_argument(
        "--steps",
        default="all",
        metavar="LINES",
        help="line numbers, such as 5-13, 20; all (default); or none: only the results",
    )
    by_name = f"default: by the name of FILE ({', '.join(FORMATS)}), else text"
    show.add_argument("--format", choices=tuple(FORMATS.values()), help=by_name)
    show.add_argument("--standalone", action="store_true", help="with --format latex: a complete document for pdflatex")
    show.add_argument("--code", action="store_true", help="also show how the generated code evaluates the loss")
    show.add_argument(
        "--shape", metavar="N,D,C", help="print every entry of the matrices at these sizes of the axes instead"
    )

    summary = "write the gradient as a Python module that needs only NumPy"
    generate = command("generate", summary, parents=[loss], epilog=GENERATE)
    target_help = "scalar: plain Python, unrolled for one size; numba: loops that numba compiles"
    generate.add_argument("--target", choices=("numpy", "scalar", "numba"), default="numpy", help=target_help)
    generate.add_argument("--shape", metavar="N,D,C", help="the sizes for --target scalar")

    summary = "prove losses, and compare the gradients with independent results"
    checks = command("check", summary, CHECK_DESCRIPTION, parents=[named], epilog=CHECK)
    checks.add_argument("--published", type=Path, metavar="FILE", help="compare with the gradients in FILE (JSON)")
    checks.add_argument("--json", action="store_true", help="print the report as JSON")

    summary, usage = "name the mistake in a gradient that you wrote", "symgrad diagnose [OPTIONS] LOSS CANDIDATE"
    parents = [one_line, reduced]
    diagnosis = command("diagnose", summary, DIAGNOSE_DESCRIPTION, parents=parents, epilog=DIAGNOSE, usage=usage)
    names_help = f"{LOSS}; then {CANDIDATE}"
    _completed(diagnosis.add_argument("names", nargs="+", metavar="LOSS CANDIDATE", help=names_help))
    return whole


def _completed(argument: argparse.Action) -> None:
    """Let argcomplete propose the catalogue for an argument; the shell adds files where no loss fits."""
    argument.completer = lambda **_: CATALOGUE  # type: ignore[attr-defined]
