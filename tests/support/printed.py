"""Single expressions as the printers of pages spell them."""

from __future__ import annotations

from sympy.core.basic import Basic

from symgrad.program import Program
from symgrad.render.latex_printer import LatexPrinter
from symgrad.render.mathml import MathPrinter, latex_to_mathml
from symgrad.render.order import ordered
from symgrad.render.symbols import vocabulary
from symgrad.render.text_printer import TextPrinter
from symgrad.steps import Record


def expression_latex(expr: Basic, source: Record | Program | None = None) -> str:
    """An expression in LaTeX for math mode, in the order of ``source`` (default: by names alone)."""
    names = vocabulary(source)
    return LatexPrinter(names).show(ordered(expr, names))


def expression_mathml(expr: Basic, source: Record | Program | None = None) -> str:
    """An expression as a ``<math>`` element with its text form."""
    names = vocabulary(source)
    tree = ordered(expr, names)
    return latex_to_mathml(MathPrinter(names).show(tree), "block", TextPrinter(names).show(tree))
