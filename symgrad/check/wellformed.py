"""Rejects lines that do not follow the notation, so that the checker proves what is printed.

The checker assumes that a sum is over a whole axis, and identifies an array by its name and an axis by the size of an
index.  It would misread a sum over a part of an axis, an entry with its indices in another order, or a Kronecker delta
of indices over different axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sympy import Expr, I, Indexed, KroneckerDelta, MatrixExpr, Number, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.check.semantics import adjoint_array
from symgrad.functions import selection
from symgrad.matrix_functions import OF_MATRICES, inverse, is_matrix
from symgrad.notation import Array, array_names, axis_name, every_index, free_indices, index_over, name_of, renamed
from symgrad.special_functions import position_of
from symgrad.steps import Differentiated, Gradient, Largest, MatrixTotal, Partial, Record, Step, Subject, Total, Value


class Notation:
    """The notation of one record: its arrays, their adjoints, and its axes."""

    def __init__(self, record: Record) -> None:
        program = record.program
        self._arrays = program.arrays
        self.confusion = _confusion(record)
        self._inverses = {d.name for d in program.ordered if isinstance(d.rhs, inverse)}
        arrays = [*program.inputs, *(adjoint_array(record, name) for name in program.arrays)]
        self._faults: dict[Basic, str | None] = {}
        self._axes = {name: axis.size for name, axis in program.axis.items()}
        self._bases: dict[str, tuple[Basic, tuple[str, ...]]] = {
            array.name: (array.base, tuple(axis.name for axis in array.axes)) for array in arrays
        }
        for definition in program.ordered:
            base = definition.entry.base if definition.entry.is_Indexed else definition.entry
            self._bases[definition.name] = base, tuple(map(axis_name, definition.indices))

    def fault(self, step: Step) -> str | None:
        """What is wrong with the notation of a line, or None; ``matrices`` checks a right side in matrix notation."""
        subject, about = step.subject, list[Expr]()
        if isinstance(subject, Value):
            about = [subject.expr]
        elif isinstance(subject, Partial):
            about = [subject.of, subject.wrt]
        elif isinstance(subject, (Total, Largest)):
            about = [subject.wrt if isinstance(subject, Total) else subject.entry]
        elif self._arrays.get(subject.array.name) != subject.array or not subject.array.has_matrix:
            return f"{subject.array.name} is not a matrix of the program with the axes that the line gives it"
        if isinstance(subject, Differentiated) and not self._is_inverse(subject.of):
            return f"{subject.of} is not an entry of an inverse"
        written = [*about, *(condition.nonzero for condition in step.conditions)]
        if fault := self._fault_of_letters([*written, step.after]):
            return fault
        if about and not isinstance(subject, Value):
            foreign = {name for expr in about for name in array_names(expr)} - self._arrays.keys()
            if foreign or not isinstance(about[-1], (Indexed, Symbol)) or not array_names(about[-1]):
                return f"{min(foreign, default=about[-1])} is not an array of the program"
        written += [step.after] if about and not is_matrix(step.after) else []
        return next((fault for expr in written if (fault := self.fault_of(expr))), None)

    def fault_of_form(self, name: str, form: Gradient) -> str | None:
        """What is wrong with the notation of the closed form of an array, or None."""
        indices = form.entry.indices if form.entry.is_Indexed else ()
        is_entry = isinstance(form.entry, (Indexed, Symbol)) and array_names(form.entry) == {name}
        if self._arrays.get(name) != form.array or not is_entry:
            return f"it is about {form.array.name} and {form.entry}"
        if len(set(indices)) < len(indices):
            return f"it is not of every {form.entry}"
        return (
            self._fault_of_letters([form.entry, form.index]) or self.fault_of(form.entry) or self.fault_of(form.index)
        )

    def _fault_of_letters(self, written: Iterable[Expr]) -> str | None:
        """What is wrong with the letters of indices, or None: each must be an identifier, and belong to one axis.

        The checker's own letters are not identifiers.
        """
        axes: dict[str, str] = {}
        for index in sorted({i for expr in written for i in every_index(expr)}, key=lambda i: i.name):
            letter = index.name
            if not letter.isidentifier() or not self._is_index(index):
                return f"{letter!r} is not the letter of an index over an axis of the program"
            if axes.setdefault(letter, axis_name(index)) != axis_name(index):
                return f"the index {letter} runs over {axes[letter]} and {axis_name(index)}"
        return None

    def fault_of(self, expr: Basic) -> str | None:
        """What is wrong with the notation of an expression, or None."""
        if expr not in self._faults:
            self._faults[expr] = self._fault_of(expr)
        return self._faults[expr]

    def _fault_of(self, expr: Basic) -> str | None:
        if isinstance(expr, (Indexed, Symbol)) and not isinstance(expr, Idx):
            return self._entry(expr)
        if isinstance(expr, KroneckerDelta):
            axes = {axis_name(i) if self._is_index(i) else None for i in expr.args}
            is_one = len(expr.args) == 2 and len(axes) == 1 and None not in axes
            return None if is_one else f"{expr} does not compare two indices of one axis"
        if isinstance(expr, Sum):
            indices = [limit[0] for limit in expr.limits]
            if not all(self._is_index(i) and limits == [0, i.upper] for i, *limits in expr.limits):
                return f"{expr} is not a sum over whole axes"
            return f"{expr} binds an index twice" if len(set(indices)) < len(indices) else self.fault_of(expr.function)
        if isinstance(expr, selection):
            row, index = expr.args
            whole = self._is_index(index) and index in free_indices(row)
            return self.fault_of(row) if whole else f"{index} is no index of {row}, in which it selects"
        if isinstance(expr, OF_MATRICES):
            over, inverse_over = (self._bases.get(name, (None, ()))[1] for name in (expr.matrix, expr.inverse))
            is_square = len(over) == 2 and over[0] == over[1] and over == inverse_over
            fits = is_square and all(self._is_index(i) and axis_name(i) == over[0] for i in expr.args[2:])
            return None if fits else f"{expr} is not of a square matrix and its inverse"
        if isinstance(expr, position_of):
            return None if self._is_index(*expr.args) else f"{expr} is not the position of an index"
        if isinstance(expr, Idx):
            return f"the index {expr} is used as a number"
        if expr == I or (isinstance(expr, Number) and not expr.is_finite):
            return f"{expr} is not a real number"
        if isinstance(expr, MatrixExpr):
            return f"the matrix {expr} stands where a number is expected"
        return next((fault for arg in expr.args if (fault := self.fault_of(arg))), None)

    def _entry(self, expr: Indexed | Symbol) -> str | None:
        """What is wrong with an entry, or None."""
        if expr in self._axes.values():
            return None
        base, axes = self._bases.get(name_of(expr), (None, ()))
        if base is None or (expr.base if expr.is_Indexed else expr) != base:
            return f"{expr} is not of the arrays of the program"
        indices = expr.indices if expr.is_Indexed else ()
        if all(map(self._is_index, indices)) and tuple(map(axis_name, indices)) == axes:
            return None
        return f"the indices of {expr} do not run over the axes of {name_of(expr)}, in their order"

    def _is_inverse(self, expr: Expr) -> bool:
        """Whether an expression is the entry of an array that is defined as an inverse, at two indices."""
        return isinstance(expr, Indexed) and len(expr.indices) == 2 and name_of(expr) in self._inverses

    def _is_index(self, index: Basic) -> bool:
        """Whether an index runs over a whole axis of the program."""
        return (
            isinstance(index, Idx)
            and index.upper is not None
            and index.lower == 0
            and index == index_over(index.name, self._axes.get(axis_name(index)))
        )


def _confusion(record: Record) -> str | None:
    """What is wrong with the arrays that denote adjoints, or None.

    Each must have the axes of its array, and a name without another meaning; in a record that derives no adjoint, the
    name may be that of a definition.
    """
    arrays, derives = record.program.arrays, any(isinstance(s.subject, (Total, MatrixTotal)) for s in record.steps)
    taken = {*arrays, *record.program.axis} - ({*record.program.definitions} if not derives else set())
    for name, adjoint in record.adjoint_arrays.items():
        if name not in arrays or adjoint != Array(adjoint.name, arrays[name].axes):
            return (
                f"{adjoint.name} cannot stand for the adjoint of {name}: it has other axes, or is said to be positive"
            )
        if adjoint.name in taken or not adjoint.name.isidentifier():
            return f"{adjoint.name} cannot stand for the adjoint of {name}: the name has another meaning"
        taken.add(adjoint.name)
    return None


def problems(record: Record) -> tuple[str, ...]:
    """The problems of a record that concern no single line."""
    notation = Notation(record)
    return (
        *_unstated(record, notation, "gradient", record.gradients),
        *_unstated(record, notation, "adjoint", record.adjoints),
        *_missing(record),
        *_broken(record),
    )


def _missing(record: Record) -> tuple[str, ...]:
    """Messages about gradients that were requested and are missing, in a record that states any closed form."""
    asked = record.wrt if record.gradients or record.adjoints else ()
    return tuple(f"there is no gradient of {name}" for name in asked if name not in record.gradients)


def _broken(record: Record) -> tuple[str, ...]:
    """Messages about lines whose ``before`` is not the right side of the previous line about the same subject."""
    messages = []
    last: dict[Subject | Largest, Expr] = {}
    for step in record.steps:
        above = last.get(step.subject)
        if step.before is not None and (above is None or canonical(step.before) != canonical(above)):
            messages.append(f"line {step.number} goes on from {step.before}, which the line above it does not state")
        last[step.subject] = step.after
    return tuple(messages)


def _unstated(record: Record, notation: Notation, kind: str, gradients: dict[str, Gradient]) -> Iterator[str]:
    """Messages about closed forms that differ from the last line about the same array, in either notation."""
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
    """Whether a line states a closed form, for every entry of the array."""
    indices = wrt.indices if wrt.is_Indexed else ()
    names = dict(zip(indices, gradient.entry.indices, strict=True)) if indices else {}
    return len(names) == len(indices) and bool(canonical(renamed(after, names)) == canonical(gradient.index))
