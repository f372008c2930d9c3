"""The sides of lines that are not printed as the record has them."""

from __future__ import annotations

from sympy import Indexed, KroneckerDelta

from symgrad.index_letters import fresh_letter
from symgrad.matrix_functions import inverse
from symgrad.notation import sum_over
from symgrad.program import Program
from symgrad.render.order import ordered
from symgrad.render.symbols import Vocabulary
from symgrad.render.tree import Leaf, Node, Slope
from symgrad.steps import Largest, MatrixTotal, MatrixValue, Partial, Subject, Total, Value


def left_side(subject: Subject | Largest, program: Program, names: Vocabulary) -> Node:
    """The left side of the lines about a subject."""
    output = Leaf(program.arrays[program.output].base)
    match subject:
        case Value(expr) | Largest(expr):
            return ordered(expr, names)
        case Partial(of, wrt):
            return Slope(ordered(of, names), ordered(wrt, names))
        case Total(wrt):
            return Slope(output, ordered(wrt, names))
        case MatrixValue(array):
            return Leaf(array.matrix)
        case MatrixTotal(array):
            return Slope(output, Leaf(array.matrix))


def defining(entry: Indexed, call: inverse, program: Program, names: Vocabulary) -> tuple[Node, Node]:
    """The sides of the equation that defines an inverse, ``sum_k a_ik b_kj = delta_ij``."""
    matrix = program.arrays[call.matrix]
    i, j = entry.indices
    k = fresh_letter(program.axis[matrix.axes[0].name], {str(i.label), str(j.label)}, bound=True)
    total = sum_over(matrix[i, k] * entry.base[k, j], [k])
    return ordered(total, names, as_written=True), ordered(KroneckerDelta(i, j), names)
