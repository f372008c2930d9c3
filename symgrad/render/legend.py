"""The legend of a page: what its functions, signs, vectors and tensors mean, if the page has them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sympy import Identity, Integer, MatrixSymbol, OneMatrix, Symbol

from symgrad.engine.named_functions import FORMULAS, Phi, clipped, phi, sigmoid
from symgrad.functions import step
from symgrad.notation import Array
from symgrad.render import tree
from symgrad.render.blocks import Line, Paragraph, Text
from symgrad.render.order import ordered
from symgrad.render.phrases import joined, letter, numpy_shape
from symgrad.render.shapes import shape, whole_array
from symgrad.render.symbols import Vocabulary, index_letter

COUNTS = {3: "three", 4: "four", 5: "five", 6: "six"}
FUNCTIONS = {
    sigmoid: ".",
    Phi: ", the distribution function of the standard normal distribution.",
    phi: ", the density of the standard normal distribution.",
}
"""What follows the formulas of functions that lines spell out and pages name."""
WHOLE = ("tr", "diag")
"""Functions of a matrix that are not taken entry by entry."""
OPERANDS = (("A", "B"), ("U", "V"), ("F", "G"))
"""Letters for two arrays in a legend: the first pair that the page does not use."""


def remarks(arrays: Collection[Array], lines: Sequence[Line], notation: str) -> Iterator[Paragraph]:
    """Remarks on vectors in matrix notation, arrays without a matrix form, relations in brackets, norms, cases in
    matrix notation, and signs, if the page has them."""
    sides = [side for line in lines if line.matrix for side in (line.left, line.right) if side]
    leaves = (part.expr for side in sides for part in tree.parts(side) if isinstance(part, tree.Leaf))
    matrices = {expr.name for expr in leaves if isinstance(expr, MatrixSymbol)}
    if vectors := [array for array in arrays if len(array.axes) == 1 and array.name in matrices]:
        yield Paragraph(vectors_remark(vectors))
    if notation != "index" and (tensors := [array for array in arrays if not array.has_matrix]):
        yield Paragraph(tensors_remark(tensors))
    if any(tree.contains(line.right, tree.Indicator) for line in lines):
        example = tree.Indicator(tree.Relation(">", tree.Leaf(Symbol("x")), tree.Leaf(Integer(0))))
        yield Paragraph(("A relation in brackets, such as ", example, ", is 1 where it holds, else 0."))
    if any(line.matrix and tree.contains(line.right, tree.Norm) for line in lines):
        norm = tree.Raised(tree.Norm(tree.Leaf(Symbol("A"))), tree.Leaf(Integer(2)))
        yield Paragraph((norm, " is the sum of the squares of all entries of A."))
    if any(line.matrix and tree.contains(line.right, tree.Cases) for line in lines):
        yield Paragraph(("In matrix notation a case is chosen entry by entry.",))
    if arrays and (meanings := [*_signs([part for line in lines for part in tree.parts(line.right)])]):
        yield Paragraph((*joined(meanings, "; "), "."))


def functions(lines: Sequence[Line]) -> Iterator[Paragraph]:
    """The formulas of the functions that lines name, and what the shares in a maximum are."""
    nodes = [part for line in lines for part in tree.parts(line.right)]
    called = {node.function for node in nodes if isinstance(node, tree.Call)}
    x = Symbol("x")
    for function, what in FUNCTIONS.items():
        if str(function) in called:
            formula = ordered(FORMULAS[function](x), Vocabulary(), as_written=True)
            yield Paragraph((tree.Relation("==", tree.Call(str(function), (tree.Leaf(x),)), formula), what))
    if str(clipped) in called:
        a, b = tree.Leaf(Symbol("a")), tree.Leaf(Symbol("b"))
        limits = (" is ", tree.Leaf(x), ", but at least ", a, " and at most ", b, ".")
        yield Paragraph((tree.Call(str(clipped), (tree.Leaf(x), a, b)), *limits))
    if step.__name__ in called:
        above, at, below = (tree.Relation(sign, tree.Leaf(x), tree.Leaf(Integer(0))) for sign in (">", "==", "<"))
        yield Paragraph(
            (tree.Call(step.__name__, (tree.Leaf(x),)), " is 1 for ", above, ", 1/2 for ", at, ", 0 for ", below, ".")
        )
    for line in lines:
        if line.left and isinstance(line.right, tree.Share):
            share, ties = line.right, " and 0 elsewhere; equally large entries share the 1."
            largest = (" is 1 at the largest ", share.entries[0], " along ", letter(index_letter(share.index)), ties)
            yield Paragraph((tree.Relation("==", line.left, share), *largest))
            break


def _signs(nodes: Sequence[tree.Node]) -> Iterator[Text]:
    """What the Kronecker delta, ones, the identity, and entrywise products, quotients, powers and functions mean, if
    nodes have them."""
    if delta := next((node for node in nodes if isinstance(node, tree.Delta)), None):
        yield (delta, " is 1 if ", tree.Relation("==", tree.Leaf(delta.left), tree.Leaf(delta.right)), ", else 0")
    leaves = {node.expr: node for node in nodes if isinstance(node, tree.Leaf)}
    shapes = {expr.shape for expr in leaves if isinstance(expr, OneMatrix)}
    columns = sorted({next(n for n in shape if n != 1) for shape in shapes if 1 in shape and shape != (1, 1)}, key=str)
    if columns:
        shown = joined(((tree.Leaf(OneMatrix(size, 1)),) for size in columns), last=" and ")
        yield (*shown, " is a column of ones" if len(columns) == 1 else " are columns of ones")
    if full := next((shape for shape in sorted(shapes, key=str) if 1 not in shape), None):
        yield (tree.Leaf(OneMatrix(*full)), " is a matrix of ones")
    if unit := next((leaf for expr, leaf in leaves.items() if isinstance(expr, Identity)), None):
        yield (unit, " is the identity matrix")
    named = {getattr(expr, "name", "") for expr in leaves}
    a, b = (tree.Leaf(Symbol(x)) for x in next((pair for pair in OPERANDS if named.isdisjoint(pair)), OPERANDS[0]))
    entrywise = [node for node in nodes if isinstance(node, (tree.Hadamard, tree.HadamardRaised))]
    if entrywise:
        yield (tree.Hadamard((a, b)), " is the product entry by entry")
    if any(isinstance(node, tree.Hadamard) and node.below for node in entrywise):
        yield (tree.Hadamard((a,), (b,)), " the quotient")
    if any(isinstance(node, tree.HadamardRaised) for node in entrywise):
        yield (tree.HadamardRaised(a, tree.Leaf(Symbol("k"))), " the power")
    applied = (n for n in nodes if isinstance(n, tree.Root) or (isinstance(n, tree.Call) and n.function not in WHOLE))
    if function := next((node for node in applied if shape(node, {}) not in (None, ("1", "1"))), None):
        yield (function, " is taken entry by entry")


def vectors_remark(vectors: Sequence[Array]) -> Text:
    """The NumPy shapes of vectors, and the columns of the matrix form."""
    by_shape: dict[str, list[Array]] = {}
    for array in vectors:
        by_shape.setdefault(array.axes[0].name, []).append(array)
    parts = (
        (
            *joined((whole_array(array),) for array in same),
            f" {'is' if len(same) == 1 else 'are'} {numpy_shape(same[0])} in NumPy, ",
            tree.Size(axis, "1"),
            " here",
        )
        for axis, same in by_shape.items()
    )
    return ("In matrix notation a vector is a column: ", *joined(parts, "; "), ".")


def tensors_remark(tensors: Sequence[Array]) -> Text:
    """Which arrays have no matrix form."""
    parts: list[Text] = []
    for count in sorted({len(array.axes) for array in tensors}):
        same = [(whole_array(array),) for array in tensors if len(array.axes) == count]
        verb = "has" if len(same) == 1 else "have"
        parts.append((*joined(same, last=" and "), f" {verb} {COUNTS.get(count, str(count))} axes"))
    return (*joined(parts, last=" and "), ": index notation only.")
