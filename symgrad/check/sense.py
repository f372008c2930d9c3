"""Whether a line is written in the notation, so that what is printed is what is proved.

The checker reads a sum as a sum over a whole axis, an entry by the name of its array and an index by the name of its
axis.  A line in which a sum stops earlier, an entry has its indices in another order, or Kronecker's delta compares
indices of different axes would be read as another line; it is refused before it is read.
"""

from __future__ import annotations

from sympy import Expr, I, Indexed, KroneckerDelta, MatrixExpr, Number, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.check.meaning import adjoint_array
from symgrad.functions import selection
from symgrad.notation import axis_name, free_indices, name_of
from symgrad.steps import Partial, Record, Subject, Total, Value


class Notation:
    """The notation of one record: its arrays, the adjoints among them, and its axes."""

    def __init__(self, record: Record) -> None:
        program = record.program
        arrays = [*program.inputs, *(adjoint_array(record, name) for name in program.arrays)]
        self._axes = {name: axis.size for name, axis in program.axis.items()}
        self._bases: dict[str, tuple[Basic, tuple[str, ...]]] = {
            array.name: (array.base, tuple(axis.name for axis in array.axes)) for array in arrays
        }
        for definition in program.ordered:
            base = definition.entry.base if definition.entry.is_Indexed else definition.entry
            self._bases[definition.name] = base, tuple(map(axis_name, definition.indices))

    def fault(self, subject: Subject, after: Expr) -> str | None:
        """What is wrong with the way a line is written, or None."""
        if isinstance(subject, Value):
            written: tuple[Expr, ...] = (subject.expr, after)
        elif isinstance(subject, Partial):
            written = (subject.of, subject.wrt, after)
        else:
            written = (subject.wrt, after) if isinstance(subject, Total) else (after,)
        return next((fault for expr in written if (fault := self._fault(expr))), None)

    def _fault(self, expr: Basic) -> str | None:
        if isinstance(expr, (Indexed, Symbol)) and not isinstance(expr, Idx):
            return self._entry(expr)
        if isinstance(expr, KroneckerDelta):
            axes = {axis_name(i) for i in expr.args if self._is_index(i)}
            return None if len(expr.args) == 2 and len(axes) == 1 else f"{expr} compares indices of different axes"
        if isinstance(expr, Sum):
            indices = [limit[0] for limit in expr.limits]
            if not all(self._is_index(i) and limits == [0, i.upper] for i, *limits in expr.limits):
                return f"{expr} is not a sum over whole axes"
            return f"{expr} binds an index twice" if len(set(indices)) < len(indices) else self._fault(expr.function)
        if isinstance(expr, selection):
            row, index = expr.args
            whole = self._is_index(index) and index in free_indices(row)
            return self._fault(row) if whole else f"{index} is no index of {row}, in which it selects"
        if isinstance(expr, Idx):
            return f"the index {expr} is used as a number"
        if expr == I or (isinstance(expr, Number) and not expr.is_finite):
            return f"{expr} is not a real number"
        if isinstance(expr, MatrixExpr):
            return f"the matrix {expr} stands where a number is expected"
        return next((fault for arg in expr.args if (fault := self._fault(arg))), None)

    def _entry(self, expr: Indexed | Symbol) -> str | None:
        if expr in self._axes.values():
            return None
        base, axes = self._bases.get(name_of(expr), (None, ()))
        if base is None or (expr.base if expr.is_Indexed else expr) != base:
            return f"{expr} is not of the arrays of the program"
        indices = expr.indices if expr.is_Indexed else ()
        if all(map(self._is_index, indices)) and tuple(map(axis_name, indices)) == axes:
            return None
        return f"the indices of {expr} do not run over the axes of {name_of(expr)}, in their order"

    def _is_index(self, index: Basic) -> bool:
        """Whether an index runs over a whole axis of the program."""
        return (
            isinstance(index, Idx)
            and index.upper is not None
            and index.lower == 0
            and self._axes.get(axis_name(index)) == index.upper + 1
        )
