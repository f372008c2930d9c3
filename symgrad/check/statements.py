"""What is wrong with a record though each of its lines be right: closed forms that no line states, and lines that go on
from what no line states."""

from __future__ import annotations

from collections.abc import Iterator

from sympy import Expr, Indexed, Symbol

from symgrad.canonical import canonical
from symgrad.check.sense import Notation
from symgrad.notation import name_of, renamed
from symgrad.steps import Gradient, Largest, MatrixTotal, Record, Subject, Total


def problems(record: Record) -> tuple[str, ...]:
    """The problems of a record that are not those of one line."""
    notation = Notation(record)
    return (
        *_unstated(record, notation, "gradient", record.gradients),
        *_unstated(record, notation, "adjoint", record.adjoints),
        *_missing(record),
        *_broken(record),
    )


def _missing(record: Record) -> tuple[str, ...]:
    """A record of lines alone states no gradients; one that states some states those that were asked for."""
    asked = record.wrt if record.gradients or record.adjoints else ()
    return tuple(f"there is no gradient of {name}" for name in asked if name not in record.gradients)


def _broken(record: Record) -> tuple[str, ...]:
    """Each line goes on from the last one about its subject, or begins."""
    found = []
    last: dict[Subject | Largest, Expr] = {}
    for step in record.steps:
        above = last.get(step.subject)
        if step.before is not None and (above is None or canonical(step.before) != canonical(above)):
            found.append(f"line {step.number} goes on from {step.before}, which the line above it does not state")
        last[step.subject] = step.after
    return tuple(found)


def _unstated(record: Record, notation: Notation, kind: str, gradients: dict[str, Gradient]) -> Iterator[str]:
    """What is wrong with closed forms: each must be what the last line about it states."""
    # The last line about each array, in either notation.
    totals = ((s.subject.wrt, s.after) for s in record.steps if isinstance(s.subject, Total))
    indices = {name_of(wrt): (wrt, after) for wrt, after in totals if isinstance(wrt, (Indexed, Symbol))}
    matrices = {s.subject.array.name: s.after for s in record.steps if isinstance(s.subject, MatrixTotal)}
    for name, gradient in gradients.items():
        if fault := notation.fault_of_form(name, gradient):
            yield f"the {kind} of {name} is not one: {fault}"
            continue
        trivial = name == record.program.output and gradient.index == 1
        if not trivial and not (name in indices and _same(*indices[name], gradient)):
            yield f"the index form of the {kind} of {name} is not what the last line about it states"
        if gradient.matrix is not None and matrices.get(name) != gradient.matrix:
            yield f"the matrix form of the {kind} of {name} is not what the last line about it states"


def _same(wrt: Expr, after: Expr, gradient: Gradient) -> bool:
    """Whether a line states a closed form for every entry of the array."""
    indices = wrt.indices if wrt.is_Indexed else ()
    names = dict(zip(indices, gradient.entry.indices, strict=True)) if indices else {}
    return len(names) == len(indices) and bool(canonical(renamed(after, names)) == canonical(gradient.index))
