"""The picture at the top of the README: a loss in NumPy, and the gradient that symgrad derives from it.

``python docs/_ext/glance.py`` draws ``docs/_static/glance.svg`` again.  A test compares the formulas and reasons
recorded in the file with a new derivation.  Needs matplotlib.
"""

from __future__ import annotations

import inspect
import re
from io import StringIO
from pathlib import Path
from textwrap import wrap
from xml.sax.saxutils import escape

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

import symgrad
from symgrad.array import softmax
from symgrad.render.equation import numbered

PICTURE = Path(__file__).parent.parent / "_static" / "glance.svg"
LINES = (9, 10, 11, 12, 13, 29, 31)
WIDTH, LINE, ROW = 600, 19, 47  # pixels: the picture, a line of code, a row of the derivation
INK, QUIET, PROVED, PAPER, BOX = "#1f2328", "#59636e", "#1a7f37", "#ffffff", "#f3f5f7"


@symgrad.loss(shapes="X: N D, W: D C, b: C, Y: N C distribution", wrt="W b")
def cross_entropy(X, W, b, Y):
    P = softmax(X @ W + b, axis=1)
    return -np.mean(np.sum(Y * np.log(P), axis=1))


def rows() -> list[tuple[str, str, str, str]]:
    """Number, formula in LaTeX, reason, and proof mark of each line shown."""
    derivation = symgrad.derive(cross_entropy)
    shown = []
    for number in LINES:
        mark = derivation.prove().mark(number)
        assert mark.ok
        formula = numbered(derivation.record, number).latex()
        shown.append((str(number), formula, derivation.steps[number - 1].reason, mark.words))
    return shown


def code() -> list[str]:
    """The source of the loss, a line each."""
    return inspect.getsource(cross_entropy.function).rstrip().splitlines()


def transcript() -> str:
    """All that the picture says, as text: what the test compares."""
    return "\n".join([*code(), *(" | ".join(row) for row in rows())])


def for_mathtext(formula: str) -> str:
    """LaTeX as matplotlib reads it: fractions in display size, brackets of the usual size, room before sums."""
    return re.sub(r"\\[Bb]ig[lr]", "", formula.replace(r"\frac", r"\dfrac").replace(r"\sum", r"\:\sum"))


def draw() -> str:
    """The picture as SVG; letters are outlines, so that it looks the same everywhere."""
    source, shown = code(), rows()
    top, code_height = 34, LINE * len(source) + 22
    height = top + code_height + 44 + ROW * len(shown)
    figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")

    def say(x: float, y: float, text: str, size: float, colour: str = INK, **more: str) -> None:
        axes.text(x, y, text, fontsize=size, color=colour, verticalalignment="center", **more)

    say(16, 18, "You write a loss in NumPy", 12.5, QUIET, weight="bold")
    axes.fill_between([16, WIDTH - 16], top, top + code_height, color=BOX, linewidth=0)
    for index, line in enumerate(source):
        say(28, top + 21 + LINE * index, line, 11.2, family="monospace")
    y = top + code_height + 24
    say(16, y, "symgrad derives its gradient and proves each line for all N, D, C", 12.5, QUIET, weight="bold")
    y += 14 + ROW / 2
    for number, formula, reason, mark in shown:
        say(40, y, number, 11, QUIET, horizontalalignment="right")
        say(54, y, f"${for_mathtext(formula)}$", 14, math_fontfamily="stix")
        say(WIDTH - 290, y, "\n".join(wrap(reason, 34)), 10.5, QUIET)
        say(WIDTH - 16, y, f"✓ {mark}", 10.5, PROVED, horizontalalignment="right")
        y += ROW
    written = StringIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "symgrad"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    head, closing, rest = written.getvalue().partition("<metadata>")
    return f"{head}<desc>{escape(transcript())}</desc>\n {closing}{rest}"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
