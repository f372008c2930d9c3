"""A derivation at given sizes, entry by entry: the matrices of symbols, the named intermediates, the gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from sympy import Expr, MatrixBase, Symbol

from symgrad.equations import Assumption
from symgrad.render.latex_printer import LatexPrinter
from symgrad.render.latex_words import escaped
from symgrad.render.latex_words import sentence as latex_sentence
from symgrad.render.names import UNKNOWN_RANK, Vocabulary, vocabulary
from symgrad.render.order import ordered
from symgrad.render.text import sentence
from symgrad.render.text_printer import TextPrinter
from symgrad.steps import Record

Show = Callable[[Expr], str]
Equations = tuple[tuple[Expr, Expr], ...]


class Entries(Protocol):
    """What is printed of a derivation at given sizes, as ``symgrad.explicit`` makes it."""

    @property
    def record(self) -> Record:
        """The derivation."""

    @property
    def inputs(self) -> Mapping[str, Expr]:
        """The matrices of the inputs."""

    @property
    def entries(self) -> Mapping[str, Expr]:
        """The matrices of symbols of every array."""

    @property
    def assumptions(self) -> Mapping[Assumption, Equations]:
        """The equations of the assumptions that were used."""

    @property
    def definitions(self) -> Equations:
        """The entries of the intermediate arrays."""

    @property
    def loss(self) -> Expr:
        """The output."""

    @property
    def gradients(self) -> Mapping[str, Expr]:
        """The matrices of derivatives."""

    def with_shared_sums(self) -> Entries:
        """The same, with names for sums that are repeated."""


def entries_to_text(at: Entries) -> str:
    """The matrices row by row, then an equation a line; sums that entries share are named first."""
    at = at.with_shared_sums()
    names = _names(at)
    printer = TextPrinter(names)

    def show(expr: Expr) -> str:
        return printer.show(ordered(expr, names))

    blocks = ["\n".join(_matrix_lines(name, value, show)) for name, value in at.inputs.items()]
    for assumption, equations in at.assumptions.items():
        head = f"Assuming [{assumption.key}] {sentence(assumption.words, names)}:"
        blocks.append("\n".join([head, *(f"{show(left)} = {show(right)}" for left, right in equations)]))
    blocks.append("\n".join(f"{show(left)} = {show(right)}" for left, right in at.definitions))
    loss = show(Symbol(at.record.program.output))
    blocks.append(f"{loss} = {show(at.loss)}")
    for name, gradient in at.gradients.items():
        pairs = _pairs(at.entries[name], gradient)
        blocks.append("\n".join(f"∂{loss}/∂{show(entry)} = {show(value)}" for entry, value in pairs))
    return "\n\n".join(block for block in blocks if block)


def _names(at: Entries) -> Vocabulary:
    """The vocabulary, in which a shared sum comes just before the latest array in it: r_11 - t_1."""
    names = vocabulary(at.record)
    names = replace(names, rank={name: 2 * rank for name, rank in names.rank.items()})
    for symbol, value in at.definitions:
        if names.place(symbol.name) == UNKNOWN_RANK:
            rank = max((names.place(s.name) for s in value.free_symbols), default=0) - 1
            names = replace(names, rank={**names.rank, symbol.name.partition("_")[0]: rank})
    return names


def _matrix_lines(name: str, value: Expr, show: Show) -> Iterator[str]:
    if not isinstance(value, MatrixBase):
        yield f"{name} = {show(value)}"
        return
    cells = [[show(value[i, j]) for j in range(value.cols)] for i in range(value.rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(value.cols)]
    for place, row in enumerate(cells):
        lead = f"{name} = " if place == 0 else " " * (len(name) + 3)
        yield f"{lead}[ {'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} ]"


def _pairs(entries: Expr, gradient: Expr) -> list[tuple[Expr, Expr]]:
    if not isinstance(entries, MatrixBase):
        return [(entries, gradient)]
    return list(zip(entries.flat(), gradient.flat(), strict=True))


def entries_to_latex(at: Entries) -> str:
    """The same in LaTeX (amsmath): a display for each matrix and each equation."""
    at = at.with_shared_sums()
    names = _names(at)
    printer = LatexPrinter(names)

    def show(expr: Expr) -> str:
        return printer.show(ordered(expr, names))

    def display(left: str, right: Expr) -> str:
        return f"\\[ {left} = {show(right)} \\]"

    lines = [display(name, value) for name, value in at.inputs.items()]
    for assumption, equations in at.assumptions.items():
        lines.append(f"Assuming [{escaped(assumption.key)}] {latex_sentence(assumption.words, names)}:")
        lines += [display(show(left), right) for left, right in equations]
    loss = show(Symbol(at.record.program.output))
    lines += [display(show(symbol), value) for symbol, value in at.definitions]
    lines.append(display(loss, at.loss))
    for name, gradient in at.gradients.items():
        for entry, value in _pairs(at.entries[name], gradient):
            lines.append(display(f"\\frac{{\\partial {loss}}}{{\\partial {show(entry)}}}", value))
    return "\n".join(lines)
