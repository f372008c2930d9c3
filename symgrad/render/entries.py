"""A derivation at given sizes, entry by entry: the matrices of symbols, the named intermediates, the gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sympy import Expr, MatrixBase, Symbol

from symgrad.render.latex import expression_latex
from symgrad.render.text import expression_text
from symgrad.steps import Record

Equations = Sequence[tuple[Expr, Expr]]


def entries_to_text(
    record: Record,
    inputs: Mapping[str, Expr],
    definitions: Sequence[tuple[Symbol, Expr]],
    output: Equations,
    gradients: Mapping[str, Expr],
) -> str:
    """The matrices row by row, then an equation a line; ``gradients`` are printed beside the entries of ``inputs``."""
    blocks = ["\n".join(_matrix_lines(name, value)) for name, value in inputs.items()]
    for group in (definitions, output):
        blocks.append("\n".join(_equation(record, left, right) for left, right in group))
    ((loss, _),) = output
    for name, gradient in gradients.items():
        pairs = _pairs(inputs[name], gradient)
        blocks.append(
            "\n".join(f"∂{loss}/∂{expression_text(e, record)} = {expression_text(g, record)}" for e, g in pairs)
        )
    return "\n\n".join(block for block in blocks if block)


def _equation(record: Record, left: Expr, right: Expr) -> str:
    return f"{expression_text(left, record)} = {expression_text(right, record)}"


def _matrix_lines(name: str, value: Expr) -> Iterator[str]:
    if not isinstance(value, MatrixBase):
        yield f"{name} = {expression_text(value)}"
        return
    cells = [[expression_text(value[i, j]) for j in range(value.cols)] for i in range(value.rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(value.cols)]
    for place, row in enumerate(cells):
        lead = f"{name} = " if place == 0 else " " * (len(name) + 3)
        yield f"{lead}[ {'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} ]"


def _pairs(entries: Expr, gradient: Expr) -> list[tuple[Expr, Expr]]:
    if not isinstance(entries, MatrixBase):
        return [(entries, gradient)]
    return list(zip(entries.flat(), gradient.flat(), strict=True))


def entries_to_latex(
    record: Record,
    inputs: Mapping[str, Expr],
    definitions: Sequence[tuple[Symbol, Expr]],
    output: Equations,
    gradients: Mapping[str, Expr],
) -> str:
    """The same in LaTeX (amsmath): a display for each matrix and each equation."""
    lines = [f"{name} = {expression_latex(value, record)}" for name, value in inputs.items()]
    lines += [
        f"{expression_latex(left, record)} = {expression_latex(right, record)}"
        for left, right in (*definitions, *output)
    ]
    ((loss, _),) = output
    for name, gradient in gradients.items():
        for entry, value in _pairs(inputs[name], gradient):
            below = f"\\partial {expression_latex(entry, record)}"
            lines.append(
                f"\\frac{{\\partial {expression_latex(loss, record)}}}{{{below}}} = {expression_latex(value, record)}"
            )
    return "\n".join(f"\\[ {line} \\]" for line in lines)
