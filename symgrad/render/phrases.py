"""The phrases of a page in every notation: headings, remarks and tables. The engine writes the reasons of lines, and
``check/marks.py`` the words of marks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from sympy import Identity, Integer, MatrixSymbol, OneMatrix, Symbol
from sympy.tensor.indexed import Idx

from symgrad.engine.named_functions import FORMULAS, Phi, clipped, phi, sigmoid
from symgrad.equations import Assumption
from symgrad.facts import reduction_of
from symgrad.functions import step
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.render.blocks import Cites, Entries, Entry, Key, Line, Paragraph, Prose, Table, Text, Warn
from symgrad.render.order import ordered
from symgrad.render.shapes import ProductShapes, shape, whole_array
from symgrad.render.symbols import AxisRow, Vocabulary, index_letter, vocabulary
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import (
    Call,
    Cases,
    Delta,
    Hadamard,
    HadamardRaised,
    Indicator,
    Leaf,
    Node,
    Norm,
    Raised,
    Relation,
    Root,
    Share,
    Size,
    contains,
    parts,
)
from symgrad.steps import Step

FORWARD = "Forward equations"
FORWARD_MATRIX = "Forward equations in matrix form"
DEFINING = (FORWARD, FORWARD_MATRIX)
CONSEQUENCES = "Consequences of the definitions"
DERIVATIVES = "Derivatives with respect to"
DERIVATIVES_MATRIX = "Derivatives in matrix form"
ASSUMPTIONS = "Assumptions"
GRADIENTS = "The gradients"
WHERE = "Where"
STATEMENTS = "Facts about the gradient"
SHAPES = "Shapes"
DIVISORS = "Divisors"
CONVENTIONS = "Where a function is not smooth"
EXAMPLE = "A small example"
FRAMEWORKS = "In the frameworks"
EVALUATION = "As the code evaluates it"
NUMPY = "In NumPy"
CODE = "The code, without the functions that it calls"
INDEPENDENT = ", and its entries count as independent in the gradient"
GENERATED = "The loss and the gradients asked for are those of the generated function."
DESCENT = "Gradient descent raises the entries with a negative derivative and lowers those with a positive one."
COUNTS = {3: "three", 4: "four", 5: "five", 6: "six"}
TIMES = {2: "twice", 3: "three times", 4: "four times"}
FUNCTIONS = {
    sigmoid: ".",
    Phi: ", the distribution function of the standard normal distribution.",
    phi: ", the density of the standard normal distribution.",
}
"""What follows the formulas of functions that lines spell out and pages name."""
WHOLE = ("tr", "diag")
"""Functions of a matrix that are not taken entry by entry."""
TICKED = ("every shape", "exactly", "randomised", "numerically")
CROSSED = ("wrong", "unproved")

# --- lists and lines ----------------------------------------------------------------------------------------------


def joined(texts: Iterable[Text], between: str = ", ", last: str = "") -> Text:
    """Texts with ``between`` between them, and ``last`` before the last text."""
    *others, final = list(texts) or [()]
    start = [piece for text in others for piece in (*text, between)]
    return (*start[:-1], last or between, *final) if others else final


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cited(lines: Sequence[int]) -> Text:
    """Line numbers in parentheses after a space; nothing for no lines."""
    return (" (", Cites(tuple(lines)), ")") if lines else ()


def lines_are(lines: Sequence[int]) -> str:
    """The subject and verb of a sentence about lines."""
    return f"Lines {listed(list(map(str, lines)))} are" if len(lines) > 1 else f"Line {lines[0]} is"


def nonzero(node: Node) -> Node:
    """The statement that an expression is not zero."""
    return Relation("!=", node, Leaf(Integer(0)))


def reason(step: Step, cites: Sequence[int], divisors: Iterable[Node]) -> Text:
    """Why a line follows: its reason, then the lines, the assumption and the conventions that it uses, then its
    divisors."""
    parts: list[Text] = [(Prose(step.reason),)] if step.reason else []
    parts += [("(", Cites(tuple(cites)), ")")] if cites else []
    parts += [(Key(used.key),) for used in (step.assumption, *step.conventions) if used]
    parts += [("[", nonzero(node), "]") for node in divisors]
    return joined(parts, " ")


def product(shapes: ProductShapes) -> Text:
    """The shapes of the factors of a matrix product and of the product."""
    factors = joined((node, ": ", Size(*size)) for node, size in shapes.factors)
    return (*factors, " → ", Size(*shapes.result))


# --- marks --------------------------------------------------------------------------------------------------------


def mark_sign(mark: str) -> str:
    """A tick for a line that holds, a cross for a line that is wrong or unproved, a question mark for a line that is
    undefined somewhere, else nothing."""
    sign = {TICKED: "✓", CROSSED: "✗", ("undefined",): "?"}
    return next((sign[words] for words in sign if mark.startswith(words)), "")


def mark_words(mark: str) -> str:
    """A mark with its sign."""
    return f"{mark_sign(mark)} {mark}".strip()


def mark_counts(counts: Mapping[str, int]) -> Text:
    """How many lines have each mark."""
    shown = [f"{n} {mark_words(level)}{'s' * (n != 1 and not mark_sign(level))}" for level, n in counts.items()]
    return (f"{sum(counts.values())} lines: {', '.join(shown)}.",)


def common_mark(marks: Mapping[int, str]) -> str:
    """The strongest mark if a line has it; else nothing."""
    return TICKED[0] if TICKED[0] in marks.values() else ""


def proved(program: Program, *, others: bool) -> Iterator[Paragraph]:
    """How all lines are known that have no mark of their own."""
    which = "Each line without a mark of its own" if others else "Each line"
    sizes = joined(((letter(axis.name),) for axis in program.axes), last=" and ")
    numbers = " Line numbers are those of the full derivation."
    yield Paragraph((f"{which} is proved", *((" for every ", *sizes) if sizes else ()), f".{numbers}"))


def warning(marks: Mapping[int, str]) -> list[Warn]:
    """The warning at the top and the bottom of a page: which lines are wrong, and what is wrong with the whole (0)."""
    wrong = [number for number, mark in marks.items() if number and mark.startswith("wrong")]
    lines = ", ".join(map(str, wrong))
    faults = [f"line{'s' * (len(wrong) > 1)} {lines} {'are' if wrong[1:] else 'is'} wrong"] if wrong else []
    faults += [marks[0]] if 0 in marks else []
    return [Warn((Prose(f"Warning: {'; '.join(faults)}."),))] if faults else []


# --- tables and remarks -------------------------------------------------------------------------------------------


def axes_table(axes: Iterable[AxisRow]) -> Table:
    """The table of the axes: name, meaning, index letters."""
    rows = (
        ((letter(a.name),), (a.meaning,), ("indices ", *joined((letter(index),) for index in a.letters))) for a in axes
    )
    return Table(("Axes", "", ""), tuple(rows))


def letter(name: str) -> Node:
    """The name of an axis or an index as a formula."""
    return Leaf(Symbol(name, integer=True))


def arrays_table(rows: Iterable[tuple[Array, Node, str]]) -> Table:
    """The table of the arrays: matrix, shape, entry, role."""
    shown = (((whole_array(a),), (numpy_shape(a),), (entry,), (role,)) for a, entry, role in rows)
    return Table(("Arrays", "shape", "entry", ""), tuple(shown))


def numpy_shape(array: Array) -> str:
    """The shape of an array in NumPy's notation."""
    axes = [axis.name for axis in array.axes]
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})" if axes else "scalar"


def remarks(arrays: Collection[Array], lines: Sequence[Line], notation: str) -> Iterator[Paragraph]:
    """Remarks on vectors in matrix notation, arrays without a matrix form, relations in brackets, norms, cases in
    matrix notation, and signs, if the page has them."""
    sides = [side for line in lines if line.matrix for side in (line.left, line.right) if side]
    leaves = (part.expr for side in sides for part in parts(side) if isinstance(part, Leaf))
    matrices = {expr.name for expr in leaves if isinstance(expr, MatrixSymbol)}
    if vectors := [array for array in arrays if len(array.axes) == 1 and array.name in matrices]:
        yield Paragraph(vectors_remark(vectors))
    if notation != "index" and (tensors := [array for array in arrays if not array.has_matrix]):
        yield Paragraph(tensors_remark(tensors))
    if any(contains(line.right, Indicator) for line in lines):
        example = Indicator(Relation(">", Leaf(Symbol("x")), Leaf(Integer(0))))
        yield Paragraph(("A relation in brackets, such as ", example, ", is 1 where it holds, else 0."))
    if any(line.matrix and contains(line.right, Norm) for line in lines):
        norm = Raised(Norm(Leaf(Symbol("A"))), Leaf(Integer(2)))
        yield Paragraph((norm, " is the sum of the squares of all entries of A."))
    if any(line.matrix and contains(line.right, Cases) for line in lines):
        yield Paragraph(("In matrix notation a case is chosen entry by entry.",))
    if arrays and (meanings := [*_signs([part for line in lines for part in parts(line.right)])]):
        yield Paragraph((*joined(meanings, "; "), "."))


def functions(lines: Sequence[Line]) -> Iterator[Paragraph]:
    """The formulas of the functions that lines name, and what the shares in a maximum are."""
    nodes = [part for line in lines for part in parts(line.right)]
    called = {node.function for node in nodes if isinstance(node, Call)}
    x = Symbol("x")
    for function, what in FUNCTIONS.items():
        if str(function) in called:
            formula = ordered(FORMULAS[function](x), Vocabulary(), as_written=True)
            yield Paragraph((Relation("==", Call(str(function), (Leaf(x),)), formula), what))
    if str(clipped) in called:
        a, b = Leaf(Symbol("a")), Leaf(Symbol("b"))
        limits = (" is ", Leaf(x), ", but at least ", a, " and at most ", b, ".")
        yield Paragraph((Call(str(clipped), (Leaf(x), a, b)), *limits))
    if step.__name__ in called:
        above, at, below = (Relation(sign, Leaf(x), Leaf(Integer(0))) for sign in (">", "==", "<"))
        yield Paragraph(
            (Call(step.__name__, (Leaf(x),)), " is 1 for ", above, ", 1/2 for ", at, ", 0 for ", below, ".")
        )
    for line in lines:
        if line.left and isinstance(line.right, Share):
            share, ties = line.right, " and 0 elsewhere; equally large entries share the 1."
            largest = (" is 1 at the largest ", share.entries[0], " along ", letter(index_letter(share.index)), ties)
            yield Paragraph((Relation("==", line.left, share), *largest))
            break


OPERANDS = (("A", "B"), ("U", "V"), ("F", "G"))
"""Letters for two arrays in a legend: the first pair that the page does not use."""


def _signs(nodes: Sequence[Node]) -> Iterator[Text]:
    """What the Kronecker delta, ones, the identity, and entrywise products, quotients, powers and functions mean, if
    nodes have them."""
    if delta := next((node for node in nodes if isinstance(node, Delta)), None):
        yield (delta, " is 1 if ", Relation("==", Leaf(delta.left), Leaf(delta.right)), ", else 0")
    leaves = {node.expr: node for node in nodes if isinstance(node, Leaf)}
    shapes = {expr.shape for expr in leaves if isinstance(expr, OneMatrix)}
    columns = sorted({next(n for n in shape if n != 1) for shape in shapes if 1 in shape and shape != (1, 1)}, key=str)
    if columns:
        shown = joined(((Leaf(OneMatrix(size, 1)),) for size in columns), last=" and ")
        yield (*shown, " is a column of ones" if len(columns) == 1 else " are columns of ones")
    if full := next((shape for shape in sorted(shapes, key=str) if 1 not in shape), None):
        yield (Leaf(OneMatrix(*full)), " is a matrix of ones")
    if unit := next((leaf for expr, leaf in leaves.items() if isinstance(expr, Identity)), None):
        yield (unit, " is the identity matrix")
    named = {getattr(expr, "name", "") for expr in leaves}
    a, b = (Leaf(Symbol(x)) for x in next((pair for pair in OPERANDS if named.isdisjoint(pair)), OPERANDS[0]))
    entrywise = [node for node in nodes if isinstance(node, (Hadamard, HadamardRaised))]
    if entrywise:
        yield (Hadamard((a, b)), " is the product entry by entry")
    if any(isinstance(node, Hadamard) and node.below for node in entrywise):
        yield (Hadamard((a,), (b,)), " the quotient")
    if any(isinstance(node, HadamardRaised) for node in entrywise):
        yield (HadamardRaised(a, Leaf(Symbol("k"))), " the power")
    applied = (n for n in nodes if isinstance(n, Root) or (isinstance(n, Call) and n.function not in WHOLE))
    if function := next((node for node in applied if shape(node, {}) not in (None, ("1", "1"))), None):
        yield (function, " is taken entry by entry")


def reduction(program: Program) -> Iterator[Paragraph]:
    """What the output sums over and divides by."""
    if words := reduction_words(program):
        yield Paragraph(("Reduction: ", Prose(words), "."))


def upstream(program: Program) -> Iterator[Paragraph]:
    """What the upstream gradients of a layer are, and why the output is their sum of products."""
    if program.upstream:
        results, gradients = (
            joined(((whole_array(program.arrays[name]),) for name in names), last=" and ")
            for names in zip(*program.upstream, strict=True)
        )
        is_one = len(program.upstream) == 1
        what = " is the upstream gradient: the derivative" if is_one else " are the upstream gradients: the derivatives"
        held = ", held constant. The gradients of " if is_one else ", all held constant. The gradients of "
        output = whole_array(program.arrays[program.output])
        yield Paragraph(
            (*gradients, f"{what} of any loss with respect to ", *results, held, output, " are those of this loss.")
        )


def reduction_words(program: Program) -> str:
    """What the output sums over and divides by; empty unless its equation is a single sum."""
    if (single_sum := reduction_of(program)) is None:
        return ""
    over, below = single_sum.axes, single_sum.below
    counted = (
        (f"the {axis.meaning}" if axis.meaning else axis.name) + _times(over[axis.name])
        for axis in program.axes
        if axis.name in over
    )
    names = vocabulary(program)
    divisor = TextPrinter(names).show(ordered(below, names)) if below != 1 else ""
    return f"the sum over {listed([*counted])}" + (f", divided by {divisor}" if divisor else "")


def _times(count: int) -> str:
    """How often an axis is summed over, if more than once."""
    return f" ({TIMES.get(count, f'{count} times')})" if count > 1 else ""


def vectors_remark(vectors: Sequence[Array]) -> Text:
    """The NumPy shapes of vectors, and the columns of the matrix form."""
    by_shape: dict[str, list[Array]] = {}
    for array in vectors:
        by_shape.setdefault(array.axes[0].name, []).append(array)
    parts = (
        (
            *joined((whole_array(array),) for array in same),
            f" {'is' if len(same) == 1 else 'are'} {numpy_shape(same[0])} in NumPy, ",
            Size(axis, "1"),
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


def no_matrix(derivatives: Sequence[tuple[Node, str]]) -> Text:
    """The derivatives for which no matrix form was found, each with the reason."""
    reasons = dict.fromkeys(reason for _, reason in derivatives)
    same = {reason: [(node,) for node, other in derivatives if other == reason] for reason in reasons}
    parts = [(*joined(nodes, last=" and "), *((": ", Prose(why)) if why else ())) for why, nodes in same.items()]
    return ("No matrix form was found for ", *joined(parts, "; "), ".") if derivatives else ()


def derived_in(names: Sequence[Node], lines: Sequence[int]) -> Text:
    """Which lines derive the names in the closed forms."""
    shown = joined(((name,) for name in names), last=" and ")
    return (*shown, f" {'is' if len(names) == 1 else 'are'} derived in", *cited(lines), ".") if names else ()


def given(values: Iterable[tuple[Node, Sequence[Idx]]], assumptions: Iterable[str]) -> Text:
    """For which values of inputs, at all values of their indices, and under which assumptions a fact holds."""
    parts: list[Text] = []
    for value, indices in values:
        letters = joined((letter(index_letter(index)),) for index in indices)
        parts.append((value, " for every ", *letters) if letters else (value,))
    where = [("where ", *joined(parts, last=" and "))] if parts else []
    return joined([*where, *((Key(key),) for key in assumptions)], " ")


def assumption(stated: Assumption, equation: Node, lines: Sequence[int], *, used: bool, independent: bool) -> Entry:
    """An assumption with the lines on the page that use it; silent if only other lines use it."""
    words = Prose(stated.words + (INDEPENDENT if independent else ""))
    using: Text = (f" (used by line{'s' * (len(lines) > 1)} ", Cites(tuple(lines)), ")")
    return Entry((words, ": ", equation, *(using if lines else () if used else (" (not used)",))), stated.key)


def divisor(node: Node, reason: str, lines: Sequence[int]) -> Entry:
    """A divisor, why it is not zero, and the lines that need it."""
    return Entry((nonzero(node), ": ", Prose(reason), *cited(lines)))


def entries(title: str, entries: Iterable[Entry]) -> Iterator[Entries]:
    """Remarks of one kind under their title; nothing for none."""
    if remarks := tuple(entries):
        yield Entries(title, remarks)
