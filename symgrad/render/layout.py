"""What a derivation page contains, before any notation: the one structure behind every renderer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby

from sympy import Indexed, MatrixSymbol, Mul, Sum, Symbol, fraction
from sympy.core.basic import Basic

from symgrad.equations import Assumption
from symgrad.errors import InputError
from symgrad.notation import Array, array_names, axis_name, bound_indices
from symgrad.program import Program
from symgrad.render.letters import axis_rows, table_entry
from symgrad.render.order import ordered
from symgrad.render.page import (
    EVALUATION,
    ArrayRow,
    AssumptionRow,
    ClosedForm,
    ConditionRow,
    ConventionRow,
    Line,
    Page,
    Section,
    warning_words,
)
from symgrad.render.shapes import products, shape
from symgrad.render.symbols import Vocabulary, vocabulary
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Leaf, MaximumOver, Node, Slope
from symgrad.steps import Gradient, Largest, MatrixTotal, MatrixValue, Partial, Record, Step, Subject, Total, Value

NOTATIONS = ("both", "index", "matrix")
INDEPENDENT = ", and its entries count as independent in the gradient"
CONSEQUENCES = "Consequences of the definitions"


def layout(
    record: Record,
    marks: Mapping[int, str] | None = None,
    notation: str = "both",
    evaluation: Record | None = None,
    steps: str = "all",
    title: bool = True,
) -> Page:
    """The page of a derivation; ``marks`` maps the number of a line to how it is known, and 0 to what is
    wrong with the whole.

    ``evaluation`` has the lines on what the code evaluates, numbered on from those of ``record``.  ``steps`` is "all",
    "none" (the closed forms, defined) or the numbers of some lines, "5-13" or "1-4, 13": these stand without the tables
    of axes and arrays, with the assumptions that they use.  Without ``title`` the page has none.

    Raises ``InputError`` for another ``notation`` and for lines that are not there, ``SymgradError`` for a matrix form
    that does not fit.
    """
    if notation not in NOTATIONS:
        raise InputError(f"unknown notation {notation!r}: expected one of {', '.join(NOTATIONS)}")
    shown = evaluation if evaluation is not None and evaluation.steps else None
    program, chosen = record.program, chosen_lines(steps, len(record.steps))
    names = vocabulary(shown or record)
    names = replace(names, added=frozenset(names.arrays) - program.arrays.keys())
    written = [s for s in record.steps if notation == "both" or is_matrix_line(s) == (notation == "matrix")]
    lines = [s for s in written if s.number in chosen]
    added = shown.steps if shown else ()
    present, citable = ({step.number for step in (*some, *added)} for some in (lines, written))
    writer = _Writer(record, names, marks or {}, present, citable)
    whole = steps == "all"
    rows = tuple(_array_row(a, program) for a in program.arrays.values()) if whole else ()
    assumptions = tuple(writer.assumption(a) for a in program.assumptions)
    return Page(
        names=names,
        title=(program.summary or program.name) if title else "",
        anchor="-".join(re.sub(r"\W+", "-", part) for part in [program.name, *([] if whole else [steps])]),
        axes=axis_rows(record, shown, names) if whole else (),
        arrays=rows,
        columns=tuple(row for row in rows if len(row.axes) == 1),
        index_only=tuple(row for row in rows if len(row.axes) > 2) if notation != "index" else (),
        reduction=reduction_words(program) if whole else "",
        assumptions=assumptions if whole else tuple(a for a in assumptions if a.lines or INDEPENDENT in a.words),
        sections=tuple(writer.sections(lines)),
        closed=(*(writer.definitions(notation) if steps == "none" else ()), *writer.closed(notation)),
        no_matrix=tuple(writer.without_matrix()) if notation != "index" else (),
        conditions=tuple(writer.conditions(lines if notation == "index" or not whole else record.steps)),
        conventions=tuple(c for c in writer.conventions() if whole or c.lines),
        evaluation=Section(EVALUATION, None, tuple(writer.groups(shown.steps))) if shown else None,
        warning=warning_words(marks or {}),
    )


def chosen_lines(steps: str, last: int) -> Collection[int]:
    """The numbers of the lines that ``steps`` asks for, of ``last`` in all.

    Raises ``InputError`` for anything but "all", "none" and numbers of lines.
    """
    if steps in ("all", "none"):
        return range(1, last + 1) if steps == "all" else ()
    found: set[int] = set()
    for part in str(steps).split(","):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) > 2 or not all(re.fullmatch("[0-9]{1,9}", end) for end in ends):
            raise InputError(f"unknown steps {steps!r}: expected all, none, or numbers of lines such as 5-13")
        first, final = int(ends[0]), int(ends[-1])
        if not 1 <= first <= final <= last:
            raise InputError(f"steps {part.strip()}: the derivation has lines 1 to {last}")
        found.update(range(first, final + 1))
    return found


def is_matrix_line(step: Step) -> bool:
    """Whether a line is in matrix notation."""
    return isinstance(step.subject, (MatrixValue, MatrixTotal))


def reduction_words(program: Program) -> str:
    """What the output sums over and divides by, in words; empty where its equation is no single sum."""
    rhs = program.definitions[program.output].rhs
    sums = [f for f in Mul.make_args(rhs) if isinstance(f, Sum)]
    if len(sums) != 1:
        return ""
    over = Counter(axis_name(i) for i in bound_indices(sums[0]))
    _, below = fraction(rhs / sums[0])
    counted = (
        (f"the {axis.meaning}" if axis.meaning else axis.name) + _times(over[axis.name])
        for axis in program.axes
        if axis.name in over
    )
    names = vocabulary(program)
    divisor = TextPrinter(names).show(ordered(below, names)) if below != 1 else ""
    return f"the sum over {' and '.join(counted)}" + (f", divided by {divisor}" if divisor else "")


def _times(count: int) -> str:
    """How often an axis is summed over, if more than once."""
    words = {2: "twice", 3: "three times", 4: "four times"}
    return f" ({words.get(count, f'{count} times')})" if count > 1 else ""


def _array_row(array: Array, program: Program) -> ArrayRow:
    entry = table_entry(array, program)
    definition = program.definitions.get(array.name)
    role = "input" if definition is None else "defined" if definition.is_node else "abbreviation"
    role = "output" if array.name == program.output else role
    return ArrayRow(array.name, whole_array(array), Leaf(entry), tuple(axis.name for axis in array.axes), role)


def whole_array(array: Array) -> Node:
    """An array by its name alone, as a matrix where it has such a form."""
    return Leaf(array.matrix if array.has_matrix else Symbol(array.name, real=True))


def _matrix_names(expr: Basic | None) -> frozenset[str]:
    """The names of the arrays in an expression in matrix notation; none for None."""
    found = expr.atoms(MatrixSymbol, Symbol) if expr is not None else ()
    return frozenset(s.name for s in found if isinstance(s, MatrixSymbol) or not s.is_integer)


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


class _Writer:
    """Turns the parts of one record into lines."""

    def __init__(
        self,
        record: Record,
        names: Vocabulary,
        marks: Mapping[int, str],
        present: Collection[int],
        citable: Collection[int],
    ) -> None:
        self.record = record
        self.program = record.program
        self.names = names
        self.marks = marks
        self.present = present  # the numbers of the lines on the page
        self.citable = citable  # and of those that would be, if not only some were asked for
        self.output = Leaf(record.program.arrays[record.program.output].base)
        written = [step.after for step in record.steps if is_matrix_line(step)]
        written += [g.matrix for g in (*record.gradients.values(), *record.adjoints.values()) if g.matrix is not None]
        self.used = frozenset[str]().union(*(_matrix_names(expr) for expr in written))

    def shown(self, expr: Basic, *, matrix: bool = False, as_written: bool = False) -> Node:
        return ordered(expr, self.names, matrix=matrix, as_written=as_written)

    def sections(self, steps: Sequence[Step]) -> Iterator[Section]:
        """The steps under headings; a consequence of the definitions stands where it is used."""
        titles: list[tuple[str, Node | None]] = []
        for step in reversed(steps):
            following = titles[-1] if titles else (CONSEQUENCES, None)
            aside = isinstance(step.subject, Value) and step.rule != "definition"
            titles.append(following if aside else self._title(step.subject))
        for (title, array), under in groupby(zip(reversed(titles), steps, strict=True), key=lambda pair: pair[0]):
            yield Section(title, array, tuple(self.groups(step for _, step in under)))

    def groups(self, steps: Iterable[Step]) -> Iterator[tuple[Line, ...]]:
        """The lines of some steps, those about one subject together."""
        for _, lines in groupby(steps, key=lambda step: step.subject):
            yield tuple(self._group(list(lines)))

    def _title(self, subject: Subject | Largest) -> tuple[str, Node | None]:
        match subject:
            case Value() | Largest():
                return "Forward equations", None
            case Partial(_, wrt) | Total(wrt):
                array = self.program.arrays[wrt.base.name if isinstance(wrt, Indexed) else wrt.name]
                return "Derivatives with respect to", whole_array(array)
            case MatrixValue():
                return "Forward equations in matrix form", None
        return "Derivatives in matrix form", None

    def _group(self, steps: Sequence[Step]) -> Iterator[Line]:
        for place, step in enumerate(steps):
            first = place == 0 or step.before is None
            line = self._line(step)
            yield line if first else replace(line, left=None, name=None)

    def _line(self, step: Step) -> Line:
        matrix = is_matrix_line(step)
        as_written = step.rule in ("definition", "evaluation") or isinstance(step.subject, MatrixValue)
        right = self.shown(step.after, matrix=matrix, as_written=as_written)
        if isinstance(step.subject, Largest):
            right = MaximumOver(tuple(sorted(step.subject.over, key=self.names.index_place)), right)
        return Line(
            left=self.left(step.subject),
            right=right,
            number=step.number,
            name=self._name(step.subject),
            reason=step.reason,
            keys=tuple(used.key for used in (step.assumption, *step.conventions) if used),
            cites=tuple(n for n in dict.fromkeys(step.cites) if n in self.citable),
            nonzero=tuple(dict.fromkeys(self.shown(c.nonzero) for c in step.conditions)),
            mark=self.marks.get(step.number, ""),
            products=tuple(dict.fromkeys(products(right, self.names.arrays))) if matrix else (),
            shape=shape(right, self.names.arrays) if matrix else None,
            matrix=matrix,
        )

    def _cited(self, lines: Iterable[int]) -> tuple[int, ...]:
        """Those of the lines that are on the page."""
        return tuple(number for number in dict.fromkeys(lines) if number in self.present)

    def left(self, subject: Subject | Largest) -> Node:
        return left_side(subject, self.program, self.names)

    def _name(self, subject: Subject | Largest) -> Node | None:
        """The name of an adjoint in matrix notation, where a line or a gradient in matrix notation uses it."""
        if not isinstance(subject, MatrixTotal) or subject.array.name not in self.record.adjoint_arrays:
            return None
        adjoint = self.record.adjoint_arrays[subject.array.name]
        return Leaf(adjoint.matrix) if adjoint.name in self.used else None

    def assumption(self, assumption: Assumption) -> AssumptionRow:
        used = [s.number for s in self.record.steps if s.assumption and s.assumption.key == assumption.key]
        symmetric = array_names(assumption.lhs)
        return AssumptionRow(
            assumption.key,
            assumption.words + (INDEPENDENT if assumption.is_symmetry and symmetric & set(self.record.wrt) else ""),
            self.shown(assumption.lhs, as_written=True),
            self.shown(assumption.rhs, as_written=True),
            self._cited(used),
            bool(used),
        )

    def definitions(self, notation: str) -> Iterator[ClosedForm]:
        """The definitions of what the closed forms are written in."""
        used = {n for g in self._closed_gradients for n in array_names(g.index) | _matrix_names(g.matrix)}
        wanted = used.union(*(self.program.ancestors.get(name, ()) for name in used))
        matrices = {s.subject.array.name: s for s in self.record.steps if isinstance(s.subject, MatrixValue)}
        for definition in self.program.ordered:
            name, matrix = definition.name, matrices.get(definition.name)
            if name in wanted:
                line = Line(self.shown(definition.entry), self.shown(definition.rhs, as_written=True))
                shown = Line(self.left(matrix.subject), self._line(matrix).right, matrix=True) if matrix else None
                index = None if shown and notation == "matrix" else line
                yield ClosedForm(index, shown if notation != "index" else None)

    def conditions(self, steps: Iterable[Step]) -> Iterator[ConditionRow]:
        """Every divisor of some lines with its reason, and those lines on the page that rest on it."""
        found: dict[tuple[Node, str], list[int]] = {}
        for step in steps:
            for condition in step.conditions:
                found.setdefault((self.shown(condition.nonzero), condition.reason), []).append(step.number)
        for (nonzero, reason), lines in found.items():
            yield ConditionRow(nonzero, reason, self._cited(lines))

    def conventions(self) -> Iterator[ConventionRow]:
        """Every convention with the lines on the page that rest on it."""
        for convention, steps in self.record.conventions.items():
            yield ConventionRow(convention.key, convention.words, self._cited(s.number for s in steps))

    def closed(self, notation: str) -> Iterator[ClosedForm]:
        """The gradients asked for, after the adjoints that they are written in.

        What has no matrix form is given entry by entry.
        """
        for g in self._closed_gradients:
            index = Line(Slope(self.output, self.shown(g.entry)), self.shown(g.index))
            matrix = None
            if g.matrix is not None and notation != "index":
                subject = MatrixTotal(g.array)
                right = self.shown(g.matrix, matrix=True)
                matrix = Line(self.left(subject), right, name=self._name(subject), matrix=True)
            yield ClosedForm(None if matrix and notation == "matrix" else index, matrix)

    def without_matrix(self) -> Iterator[Node]:
        """The derivatives among the closed forms that have no matrix form though their arrays have: each by its name
        where lines use that."""
        for g in self._closed_gradients:
            if g.matrix is None and g.array.has_matrix:
                subject = MatrixTotal(g.array)
                yield self._name(subject) or self.left(subject)

    @cached_property
    def _closed_gradients(self) -> tuple[Gradient, ...]:
        return tuple(self.record.gradients.get(n) or self.record.adjoints[n] for n in self._closed_names())

    def _closed_names(self) -> list[str]:
        by_adjoint = {adjoint.name: name for name, adjoint in self.record.adjoint_arrays.items()}
        wanted: list[str] = []
        waiting = list(self.record.gradients)
        while waiting:
            name = waiting.pop(0)
            gradient = self.record.gradients.get(name) or self.record.adjoints.get(name)
            if gradient is None or name in wanted:
                continue
            wanted.append(name)
            written = array_names(gradient.index) | _matrix_names(gradient.matrix)
            waiting += sorted(by_adjoint[n] for n in written if n in by_adjoint)
        place = {name: place for place, name in enumerate(self.record.gradients)}
        return sorted(wanted, key=lambda name: (name in place, place.get(name, -self.program.rank[name])))
