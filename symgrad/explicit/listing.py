"""Prints a derivation at given sizes: the matrices of symbols, the named intermediates, the gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from sympy import Expr, MatrixBase, Symbol

from symgrad.equations import Assumption
from symgrad.explicit.sized import Explicit
from symgrad.render.blocks import Key, Prose
from symgrad.render.latex_printer import LatexPrinter
from symgrad.render.order import ordered
from symgrad.render.printer import Printer
from symgrad.render.symbols import UNKNOWN_RANK, vocabulary
from symgrad.render.text_printer import TextPrinter

Show = Callable[[Expr], str]


def entries_to_text(at: Explicit) -> str:
    """The matrices row by row, then one equation per line; sums that entries share are named first."""
    at, printer, show = _with_names(at, TextPrinter)
    blocks = ["\n".join(_matrix_lines(name, value, show)) for name, value in at.inputs.items()]
    for assumption, equations in _blocks(at, show, "∂{}/∂{}"):
        head = [_assuming(assumption, printer)] if assumption else []
        blocks.append("\n".join([*head, *(f"{left} = {show(right)}" for left, right in equations)]))
    return "\n\n".join(filter(None, blocks))


def entries_to_latex(at: Explicit) -> str:
    """The same in LaTeX (amsmath), with a display for each matrix and each equation."""
    at, printer, show = _with_names(at, LatexPrinter)
    lines = [f"\\[ {name} = {show(value)} \\]" for name, value in at.inputs.items()]
    for assumption, equations in _blocks(at, show, r"\frac{{\partial {}}}{{\partial {}}}"):
        if assumption:
            lines.append(_assuming(assumption, printer))
        lines += [f"\\[ {left} = {show(right)} \\]" for left, right in equations]
    return "\n".join(lines)


def _assuming(assumption: Assumption, printer: Printer) -> str:
    """The heading of the equations of an assumption."""
    return printer.write(("Assuming ", Key(assumption.key), " ", Prose(assumption.words), ":"))


def _with_names(at: Explicit, dialect: type[Printer]) -> tuple[Explicit, Printer, Show]:
    """The closed forms with named shared sums, a printer that orders these, and a function that shows an entry."""
    at = at.with_shared_sums()
    names = vocabulary(at.record)
    names = replace(names, rank={name: 2 * rank for name, rank in names.rank.items()})
    for symbol, value in at.definitions:
        if names.place(symbol.name) == UNKNOWN_RANK:
            rank = max((names.place(s.name) for s in value.free_symbols), default=0) - 1
            names = replace(names, rank={**names.rank, symbol.name.partition("_")[0]: rank})
    printer = dialect(names)
    return at, printer, lambda expr: printer.show(ordered(expr, names))


def _blocks(at: Explicit, show: Show, slope: str) -> Iterator[tuple[Assumption | None, list[tuple[str, Expr]]]]:
    """The equations below the matrices, each group with its assumption; ``slope`` is the format of a derivative."""
    for assumption, equations in at.assumptions.items():
        yield assumption, [(show(left), right) for left, right in equations]
    yield None, [(show(symbol), value) for symbol, value in at.definitions]
    loss = show(Symbol(at.record.program.output))
    yield None, [(loss, at.loss)]
    for name, gradient in at.gradients.items():
        pairs = zip(_flat(at.entries[name]), _flat(gradient), strict=True)
        yield None, [(slope.format(loss, show(entry)), value) for entry, value in pairs]


def _flat(matrix: Expr) -> list[Expr]:
    return list(matrix.flat()) if isinstance(matrix, MatrixBase) else [matrix]


def _matrix_lines(name: str, value: Expr, show: Show) -> Iterator[str]:
    if not isinstance(value, MatrixBase):
        yield f"{name} = {show(value)}"
        return
    cells = [[show(value[i, j]) for j in range(value.cols)] for i in range(value.rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(value.cols)]
    for place, row in enumerate(cells):
        lead = f"{name} = " if place == 0 else " " * (len(name) + 3)
        yield f"{lead}[ {'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} ]"
