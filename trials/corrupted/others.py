"""Corruptions of matrix lines, and of citations, assumptions and previous lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from sympy import (
    Expr,
    Function,
    HadamardProduct,
    Integer,
    MatAdd,
    MatMul,
    MatrixExpr,
    MatrixSymbol,
    OneMatrix,
    Rational,
    ShapeError,
    Transpose,
)
from sympy.matrices.expressions.hadamard import HadamardPower

from symgrad.functions import MEANINGS
from symgrad.steps import Convention, Largest, Record
from trials.corrupted.lines import Corruption, Line


def matrices(line: Line) -> Iterator[Corruption]:
    """A matrix line with a factor transposed, dropped, in another place, or multiplied entry by entry."""
    after = line.step.after
    parts = sorted((p for p in after.atoms(MatrixSymbol, Transpose, MatMul, MatAdd, HadamardProduct)), key=str)
    for part in parts:
        yield from _replaced(line, f"{part} transposed", part, Transpose(part))
        if isinstance(part, Transpose):
            yield from _replaced(line, f"{part} not transposed", part, part.arg)
        if isinstance(part, MatrixSymbol):
            yield from _replaced(line, f"{part} squared", part, HadamardPower(part, 2))
        if isinstance(part, MatMul):
            yield from _tried(line, f"{part} backwards", part, lambda p=part: MatMul(*reversed(p.args)))
            yield from _tried(line, f"{part} entry by entry", part, lambda p=part: HadamardProduct(*_matrices(p)))
        if isinstance(part, HadamardProduct):
            yield from _tried(line, f"{part} as a product", part, lambda p=part: MatMul(*p.args))
        if isinstance(part, (MatAdd, HadamardProduct)):
            for place, term in enumerate(part.args):
                rest = [*part.args[:place], *part.args[place + 1 :]]
                yield from _tried(line, f"without {term}", part, lambda p=part, r=rest: p.func(*r).doit(deep=False))
    for ones in sorted(after.atoms(OneMatrix), key=str):
        for axis in line.axes:
            other = ones.func(*(axis.size if size != 1 else 1 for size in ones.shape))
            yield from _replaced(line, f"{other} for {ones}", ones, other)


def matrix_factors(line: Line) -> Iterator[Corruption]:
    """A matrix line with a factor that is 1 or nearly 1, or a term that is 0, at some shapes."""
    after = line.step.after
    sizes = [axis.size for axis in line.axes]
    factors: dict[str, Expr] = {f"{s} / 2": s / 2 for s in sizes} | {f"{s} - 2": s - 2 for s in sizes}
    factors |= {f"hidden in {s}": 1 + prod(s - i for i in range(1, 8)) for s in sizes}
    factors |= {"1 + 10^-12": 1 + Rational(1, 10**12), "1 + 10^-60": 1 + Rational(1, 10**60), "-1": Integer(-1)}
    for label, factor in factors.items():
        scaled = MatMul(factor, after) if isinstance(after, MatrixExpr) else factor * after
        yield Corruption(f"times {label}", line.with_after(scaled))
    if isinstance(after, MatrixExpr):
        for size in sizes:
            hidden = prod(size - i for i in range(1, 7))
            yield Corruption(f"ones, hidden in {size}", line.with_after(after + hidden * OneMatrix(*after.shape)))


def _matrices(product: MatMul) -> list[Expr]:
    return [factor for factor in product.args if isinstance(factor, MatrixExpr)]


def _replaced(line: Line, label: str, part: Expr, new: Expr) -> Iterator[Corruption]:
    yield from _tried(line, label, part, lambda: new)


def _tried(line: Line, label: str, part: Expr, make) -> Iterator[Corruption]:  # type: ignore[no-untyped-def]
    """Skip products that SymPy refuses because of their shapes."""
    try:
        yield Corruption(label, line.with_after(line.step.after.xreplace({part: make()})))
    except (ShapeError, ValueError, TypeError, IndexError):
        return


def matrix_controls(line: Line) -> Iterator[Corruption]:
    """Other ways to write a matrix line."""
    after = line.step.after
    if not isinstance(after, MatrixExpr):
        return
    twice = MatAdd(after, after, MatMul(-1, after))
    yield Corruption("added and subtracted", line.with_after(twice), True)
    yield Corruption("transposed twice", line.with_after(Transpose(Transpose(after))), True)
    for part in sorted(after.atoms(MatMul), key=str):
        if len(_matrices(part)) > 1:
            scalars = [factor for factor in part.args if not isinstance(factor, MatrixExpr)]
            turned = Transpose(MatMul(*scalars, *(Transpose(f) for f in reversed(_matrices(part)))))
            yield Corruption("the transpose of a product", line.with_after(after.xreplace({part: turned})), True)


def citations(line: Line) -> Iterator[Corruption]:
    """A missing assumption, a missing citation, another convention at a kink."""
    step = line.step
    if step.assumption:
        yield Corruption("an assumption that is not named", replace(step, assumption=None))
    if step.cites:
        yield Corruption("no citations", replace(step, cites=()))
        yield Corruption("a citation of a line to come", replace(step, cites=(len(line.record.steps) + 1,)))
    if step.conditions:
        yield Corruption("a condition that is not named", replace(step, conditions=step.conditions[1:]))
    for convention in step.conventions:
        calls = {call.func for d in line.record.program.ordered for call in d.rhs.atoms(Function)}
        words = {meaning.convention for function, meaning in MEANINGS.items() if function not in calls} - {""}
        rest = tuple(c for c in step.conventions if c != convention)
        yield Corruption("a convention that is not cited", replace(step, conventions=rest))
        for other in sorted(words):
            swapped = (*rest, Convention(convention.key, other))
            yield Corruption("the convention of another function", replace(step, conventions=swapped), False)
        invented = (*rest, Convention(convention.key, f"{convention.words}, but 1/3 at 0"))
        yield Corruption("an invented convention", replace(step, conventions=invented), False)


def largest(line: Line) -> Iterator[Corruption]:
    """A shift chosen for a variable on which the output depends, or from which the shift is computed."""
    program, subject = line.record.program, line.step.subject
    if not isinstance(subject, Largest):
        return
    for name in program.arrays:
        array = program.arrays[name]
        if name in program.ancestors[program.output] and array.axes:
            entry = array[line.fresh(name)]
            yield Corruption(f"a number for {name}", replace(line.step, subject=replace(subject, entry=entry)), False)
    name = subject.entry.base.name if subject.entry.is_Indexed else subject.entry.name
    for other in program.arrays:
        if name in program.ancestors.get(other, ()):
            yield Corruption("a number of itself", line.with_after(line.whole(other)), False)


def broken(record: Record) -> Iterator[tuple[str, Record]]:
    """Records with right lines that state something no line states."""
    steps = record.steps
    for place, step in enumerate(steps):
        if step.before is not None and not isinstance(step.before, MatrixExpr):
            wrong = replace(step, before=2 * step.before + 1)
            yield (
                f"line {step.number} from elsewhere",
                replace(record, steps=(*steps[:place], wrong, *steps[place + 1 :])),
            )
            doubled = replace(steps[place - 1], after=2 * steps[place - 1].after)
            if steps[place - 1].subject == step.subject:
                others = (*steps[: place - 1], doubled, *steps[place:])
                yield f"line {step.number} after another", replace(record, steps=others)
    for name, gradient in record.gradients.items():
        for factor in (2, record.program.axes[0].size / 3):
            scaled = replace(gradient, index=factor * gradient.index)
            yield f"the gradient of {name}", replace(record, gradients={**record.gradients, name: scaled})
        left = {other: g for other, g in record.gradients.items() if other != name}
        yield f"no gradient of {name}", replace(record, gradients=left)
    for name, adjoint in record.adjoints.items():
        scaled = replace(adjoint, index=adjoint.index + 1)
        yield f"the adjoint of {name}", replace(record, adjoints={**record.adjoints, name: scaled})
