"""Linear systems in array programs: a product with an inverse is the solution of one, and may need no inverse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from symgrad.codegen import array_program as ir
from symgrad.codegen.operations import is_matrix_product
from symgrad.errors import UnsupportedError
from symgrad.matrix_functions import OF_MATRICES, inverse
from symgrad.program import Program

Inverses = Mapping[str, ir.OfMatrix]
"""The arrays that are inverses, each with its equation."""


def inverses(program: Iterable[ir.Assign]) -> Inverses:
    """The inverses among the arrays of a program."""
    nodes = {assign.name: assign.node for assign in program}
    return {name: node for name, node in nodes.items() if isinstance(node, ir.OfMatrix) and node.function is inverse}


def solved(node: ir.Node, known: Inverses) -> ir.Node:
    """The node with its products of an inverse and another matrix or vector as solutions of linear systems."""
    node = ir.mapped(node, {arg: solved(arg, known) for arg in node.args}) if known else node
    if isinstance(node, ir.Contract) and len(node.factors) == 2:
        left, right = node.factors
        for factor, other in ((left, right), (right, left)):
            is_product = is_matrix_product(left.letters, right.letters, node.over)
            if is_product and isinstance(factor, ir.Load) and factor.name in known:
                of = known[factor.name]
                matrix = ir.relettered(of.of, dict(zip(of.over, factor.at[::-1], strict=True)))
                assert isinstance(matrix, ir.Load)
                return ir.Solve(node.letters, matrix, other, node.over, factor.name)
    return node


def without_unread(program: Sequence[ir.Assign], results: Iterable[ir.Node], known: Inverses) -> list[ir.Assign]:
    """The program without the inverses that nothing reads."""
    read = set[str]().union(*map(ir.loads, [*(assign.node for assign in program), *results]))
    return [assign for assign in program if assign.name in read or assign.name not in known]


def refuse_inverses(program: Program, target: str) -> None:
    """Raise ``UnsupportedError`` for a program with an inverse or a determinant."""
    if call := next((call for d in program.ordered for call in d.rhs.atoms(*OF_MATRICES)), None):
        what = f"the inverse or the determinant of {call.matrix}"
        raise UnsupportedError(f"{program.name}: the target {target} cannot compute {what}: use the target numpy")
