"""The phrases of a page in every notation: headings, remarks and tables. The engine writes the reasons of lines, and
``check/marks.py`` the words of marks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sympy import Integer, Symbol
from sympy.tensor.indexed import Idx

from symgrad.equations import Assumption
from symgrad.facts import reduction_of
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.render.blocks import Cites, Entries, Entry, Key, Paragraph, Prose, Table, Text, Warn
from symgrad.render.order import ordered
from symgrad.render.shapes import ProductShapes, whole_array
from symgrad.render.symbols import AxisRow, index_letter, vocabulary
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Leaf, Node, Relation, Size
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
TIMES = {2: "twice", 3: "three times", 4: "four times"}
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


def conditions(values: Iterable[tuple[Node, Sequence[Idx]]], assumptions: Iterable[str]) -> Text:
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
