"""The lines of a page: each step of a derivation with its sides in reading order, its reason and its mark."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import groupby

from sympy import Expr, Indexed, Integer, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.engine.partials import cancelled
from symgrad.functions import selection
from symgrad.matrix_functions import inverse
from symgrad.notation import Array, array_names, axis_name, free_indices, indices_of, name_of, parts_of, renamed
from symgrad.render import blocks, phrases
from symgrad.render.blocks import Line, Text
from symgrad.render.order import defining, left_side, ordered
from symgrad.render.shapes import products, shape, whole_array
from symgrad.render.symbols import AxisRow, Vocabulary, table_entry
from symgrad.render.tree import Leaf, MaximumOver, Node, Relation, Size, Slope
from symgrad.steps import (
    Condition,
    Gradient,
    Largest,
    MatrixTotal,
    MatrixValue,
    Partial,
    Record,
    Statement,
    Step,
    Subject,
    Total,
    Value,
    matrix_names,
    product_names,
)


def _is_alike(expr: Expr, other: Expr) -> bool:
    """Whether two expressions differ at most in their letters."""
    letters, others = (sorted(free_indices(side), key=str) for side in (expr, other))
    if [*map(axis_name, letters)] != [*map(axis_name, others)]:
        return False
    return bool(canonical(renamed(other, dict(zip(others, letters, strict=True)))) == canonical(expr))


class LineWriter:
    """Makes the lines, tables and entries of a page from a record."""

    def __init__(
        self,
        record: Record,
        names: Vocabulary,
        marks: Mapping[int, str],
        details: Mapping[int, str],
        present: Collection[int],
        citable: Collection[int],
        coded: Collection[str] = (),
    ) -> None:
        self.record = record
        self.program = record.program
        self.names = names
        self.marks = marks
        self.details = details
        self.present = present  # the numbers of the lines on the page
        self.citable = citable  # and of those that would be with steps="all"
        self.output = Leaf(record.program.arrays[record.program.output].base)
        written = [step.after for step in record.steps if step.is_matrix]
        written += [g.matrix for g in (*record.gradients.values(), *record.adjoints.values()) if g.matrix is not None]
        self.coded = coded  # the names in the code on the page
        self.used = frozenset(coded).union(*(matrix_names(expr) for expr in written))

    def shown(self, expr: Basic, *, matrix: bool = False, as_written: bool = False) -> Node:
        return ordered(expr, self.names, matrix=matrix, as_written=as_written)

    def tables(self, axes: Sequence[AxisRow]) -> Iterator[blocks.Tables]:
        """The tables of the axes and of the arrays."""
        rows = []
        for array in self.program.arrays.values():
            definition = self.program.definitions.get(array.name)
            role = "input" if definition is None else "defined"
            role = "output" if array.name == self.program.output else role
            role += ", positive" if array.positive else ""
            rows.append((array, Leaf(table_entry(array, self.program)), role))
        yield blocks.Tables((*([phrases.axes_table(axes)] if axes else ()), phrases.arrays_table(rows)))

    def sections(self, steps: Sequence[Step], *, together: bool) -> Iterator[blocks.Section]:
        """The steps under headings; a consequence of the definitions is printed where it is used. With ``together`` the
        matrix form of an array is printed below its index form."""
        below = {step.cites[0]: step for step in steps if step.is_matrix} if together else {}
        steps = [step for step in steps if not step.is_matrix] if together else steps
        titles: list[Text] = []
        for step in reversed(steps):
            following = titles[-1] if titles else (phrases.CONSEQUENCES,)
            aside = isinstance(step.subject, Value) and step.rule != "definition"
            titles.append(following if aside else self._title(step.subject))
        for title, under in groupby(zip(reversed(titles), steps, strict=True), key=lambda pair: pair[0]):
            yield blocks.Section(title, tuple(self.groups((step for _, step in under), below)))

    def groups(self, steps: Iterable[Step], below: Mapping[int, Step] | None = None) -> Iterator[tuple[Line, ...]]:
        """The lines of some steps, grouped by subject; ``below`` has the matrix form to print below a step, or beside a
        definition, which has no reason."""
        for _, group in groupby(steps, key=lambda step: step.subject):
            lines = list(group)
            forms = [below[step.number] for step in lines if below and step.number in below]
            matrix = [replace(self.line(step), number=None, reason=(), cites=(), shapes=()) for step in forms[-1:]]
            if lines[0].rule == "definition" and matrix and matrix[0].left and not matrix[0].mark:
                beside = Relation("==", matrix[0].left, matrix[0].right)
                yield (replace(self.line(lines[0]), reason=(beside,)),)
            else:
                yield (*self._group(lines), *matrix)

    def _title(self, subject: Subject | Largest) -> Text:
        match subject:
            case Value() | Largest():
                return (phrases.FORWARD,)
            case Partial(_, wrt) | Total(wrt):
                array = self.program.arrays[wrt.base.name if isinstance(wrt, Indexed) else wrt.name]
                return (f"{phrases.DERIVATIVES} ", whole_array(array))
            case MatrixValue():
                return (phrases.FORWARD_MATRIX,)
        return (phrases.DERIVATIVES_MATRIX,)

    def _group(self, steps: Sequence[Step]) -> Iterator[Line]:
        for position, step in enumerate(steps):
            first = position == 0 or step.before is None
            line = self.line(step)
            yield line if first else replace(line, left=None)

    def line(self, step: Step) -> Line:
        matrix = step.is_matrix
        left, right = self._sides(step)
        cites = tuple(n for n in dict.fromkeys(step.cites) if n in self.citable)
        return Line(
            left=left,
            right=right,
            number=step.number,
            reason=phrases.reason(step, cites, dict.fromkeys(self.shown(c.nonzero) for c in step.conditions)),
            cites=cites,
            mark=self.marks.get(step.number, ""),
            detail=self.details.get(step.number, ""),
            shapes=self._shapes(right) if matrix else (),
            matrix=matrix,
        )

    def named_in_code(self, lines: Collection[Line]) -> Iterator[blocks.Paragraph]:
        """What names in the code on the page are: arrays that the author renamed in print, and adjoints that ``lines``
        do not name."""
        labels = dict(self.program.labels)
        renamed = {labels.get(name, name): whole_array(self.program.arrays[name]) for name in self.program.printed}
        meanings: list[blocks.Text] = [(f"{name} is ", array) for name, array in renamed.items() if name in self.coded]
        named = {line.left for line in lines}
        for name, adjoint in self.record.adjoint_arrays.items():
            derivative = Slope(self.output, whole_array(self.program.arrays[name]))
            meaning = Relation("==", whole_array(adjoint), derivative)
            if adjoint.name in self.coded and meaning not in named:
                meanings.append((meaning,))
        if meanings:
            yield blocks.Paragraph(("In the code, ", *phrases.joined(meanings), "."))

    def statements(self, marks: Mapping[Statement, tuple[str, tuple[str, ...]]], common: str) -> Iterator[Line]:
        """The declared facts, with the assumptions that they need, and with their marks if these are not ``common``."""
        for statement, (mark, keys) in marks.items():
            left, right = self.shown(statement.left), self.shown(statement.right)
            values = [(Relation("==", *map(self.shown, pair)), indices_of(pair[0])) for pair in statement.given]
            yield Line(left, right, reason=phrases.conditions(values, keys), mark=mark if mark != common else "")

    def _sides(self, step: Step) -> tuple[Node, Node]:
        """The sides of a line; what defines an inverse is the product with its matrix."""
        if isinstance(step.subject, Value) and isinstance(step.after, inverse):
            return defining(step.subject.expr, step.after, self.program, self.names)
        return self.left(step.subject), self._right(step)

    def _right(self, step: Step) -> Node:
        if isinstance(step.subject, Value) and step.rule == "definition" and (along := self._maximum(step.after)):
            row, index = along
            return MaximumOver((index,), self.shown(row, as_written=True))
        as_written = step.rule in ("definition", "evaluation") or isinstance(step.subject, MatrixValue)
        right = self.shown(step.after, matrix=step.is_matrix, as_written=as_written)
        if isinstance(step.subject, Largest):
            return MaximumOver(tuple(sorted(step.subject.over, key=self.names.index_order)), right)
        return right

    def _maximum(self, expr: Expr) -> tuple[Expr, Idx] | None:
        """The row and the index of a maximum, which is the sum of a row's entries times their shares in it."""
        for share in parts_of(expr, Indexed) if isinstance(expr, Sum) else ():
            definition = self.program.definitions.get(name_of(share))
            if definition is not None and isinstance(definition.rhs, selection):
                row, index = definition.at(indices_of(share)).args
                if canonical(Sum(row * share, index)) == canonical(expr):
                    written = expr.function / share  # in the letters of the line
                    return (written if canonical(written) == canonical(row) else row), index
        return None

    def _shapes(self, right: Node) -> tuple[Text, ...]:
        """The shapes of the matrix products in a formula, or of the formula if it has none."""
        size = shape(right, self.names.arrays)
        shapes = dict.fromkeys(products(right, self.names.arrays))
        return tuple(map(phrases.product, shapes)) or (((Size(*size),),) if size else ())

    def _matrix_line(self, left: Node, right: Node) -> Line:
        return Line(left, right, shapes=self._shapes(right), matrix=True)

    def _cited(self, lines: Iterable[int]) -> tuple[int, ...]:
        """The lines that are on the page."""
        return tuple(number for number in dict.fromkeys(lines) if number in self.present)

    def left(self, subject: Subject | Largest) -> Node:
        """The left side of the lines about a subject; for an adjoint in matrix notation with its name."""
        left, name = left_side(subject, self.program, self.names), self._name(subject)
        return Relation("==", name, left) if name else left

    def _name(self, subject: Subject | Largest) -> Node | None:
        """The name of an adjoint in matrix notation, if a line or a gradient in matrix notation uses it."""
        if not isinstance(subject, MatrixTotal) or subject.array.name not in self.record.adjoint_arrays:
            return None
        adjoint = self.record.adjoint_arrays[subject.array.name]
        return Leaf(adjoint.matrix) if adjoint.name in self.used else None

    def assumptions(self, every: bool, needed: Collection[str]) -> Iterator[blocks.Entry]:
        """The assumptions with the lines on the page that use them; without ``every`` only those that matter to its
        lines, and those ``needed`` by declared facts."""
        for stated in self.program.assumptions:
            using = [s.number for s in self.record.steps if s.assumption and s.assumption.key == stated.key]
            independent = stated.is_structure and bool(array_names(stated.lhs) & set(self.record.wrt))
            cited = self._cited(using)
            if every or cited or independent or stated.key in needed:
                equation = Relation("==", *(self.shown(side, as_written=True) for side in (stated.lhs, stated.rhs)))
                yield phrases.assumption(
                    stated, equation, cited, used=bool(using) or stated.key in needed, independent=independent
                )

    def divisors(self, steps: Iterable[Step]) -> Iterator[blocks.Entry]:
        """Each divisor of the steps with its reason and the lines on the page that need it."""
        resting: dict[Condition, list[int]] = {}
        for step in sorted(steps, key=lambda step: step.rule == "definition"):
            divided = cancelled(self.program, step.after, Integer(0)) if step.rule == "definition" else ()
            for condition in (*step.conditions, *divided):
                same = (known for known in resting if _is_alike(known.nonzero, condition.nonzero))
                resting.setdefault(next(same, condition), []).append(step.number)
        for condition, lines in resting.items():
            yield phrases.divisor(self.shown(condition.nonzero), condition.reason, self._cited(sorted(lines)))

    def conventions(self, whole: bool) -> Iterator[blocks.Entry]:
        """Each convention with the lines on the page that use it; unless the page is ``whole``, only those with such
        lines."""
        for convention, steps in self.record.conventions.items():
            if (cited := self._cited(s.number for s in steps)) or whole:
                yield blocks.Entry((convention.words, *phrases.cited(cited)), convention.key)

    def closed_forms(self, notation: str, *, define: bool, brief: bool) -> blocks.ClosedForms:
        """The gradients asked for, after the adjoints that they use and, with ``define``, after the definitions
        that they use; with ``brief``, a remark on which lines derive these adjoints."""
        gradients = self.record.with_adjoints(self.record.gradients)
        used = frozenset(n for g in gradients for n in g.names)
        only = None if define else product_names(self.record.steps) if brief else set[str]()
        forms = (*self._definitions(used, notation, only), *self._closed(gradients, notation))
        remarks = [self._derived_in(used) if brief else ()]
        remarks += [phrases.no_matrix([*self._without_matrix()])] if notation != "index" else []
        return blocks.ClosedForms(phrases.GRADIENTS, forms, phrases.joined(filter(None, remarks), " "))

    def definitions(self, lines: Collection[Step], notation: str) -> blocks.ClosedForms:
        """What defines the names in some lines, unless one of the lines does: definitions, and closed forms of the
        adjoints that have a name."""
        used = frozenset(n for s in lines for n in array_names(s.after) | self._names_in(s.subject))
        used = used.union(*(matrix_names(s.after) for s in lines if s.is_matrix))
        by_adjoint = {adjoint.name: name for name, adjoint in self.record.adjoint_arrays.items()}
        about = {s.subject.array.name for s in lines if isinstance(s.subject, MatrixTotal)}
        adjoints = self.record.with_adjoints(
            [by_adjoint[n] for n in sorted(used & by_adjoint.keys()) if n not in about]
        )
        used = used.union(*(g.names for g in adjoints))
        notation = notation if any(step.is_matrix for step in lines) else "index"
        return blocks.ClosedForms(
            phrases.WHERE, (*self._definitions(used, notation), *self._closed(adjoints, notation)), ()
        )

    def _names_in(self, subject: Subject | Largest) -> frozenset[str]:
        """The names of arrays on the left side of the lines about a subject, unless the lines define it."""
        match subject:
            case Partial(of, wrt):
                return array_names(of) | array_names(wrt)
            case Total(wrt):
                return array_names(wrt)
        return frozenset()

    def _derived_in(self, used: Collection[str]) -> Text:
        """Which lines derive the named adjoints used in the closed forms."""
        lines: dict[Array, int] = {}
        for step in self.record.steps:
            name = name_of(step.subject.wrt) if isinstance(step.subject, Total) else ""
            adjoint = self.record.adjoint_arrays.get(name)
            if adjoint and adjoint.name in used and step.number in self.present:
                lines[adjoint] = step.number
        return phrases.derived_in([*map(whole_array, lines)], [*lines.values()])

    def _definitions(
        self, used: Collection[str], notation: str, only: Set[str] | None = None
    ) -> Iterator[blocks.ClosedForm]:
        """The definitions of the arrays ``used`` and of those that they are made of; not those on the page. With
        ``only`` the definitions of these arrays, on the page or not."""
        wanted = frozenset(used).union(*(self.program.ancestors.get(name, ()) for name in used))
        matrices = {s.subject.array.name: s for s in self.record.steps if isinstance(s.subject, MatrixValue)}
        present = [s for s in self.record.steps if s.number in self.present and s.rule in ("definition", "name")]
        on_page = {s.subject for s in present} if only is None else set()
        names = {s.subject: self._right(s) for s in self.record.steps if s.rule == "name"}
        for definition in self.program.ordered:
            step = matrices.get(definition.name) if notation != "index" else None
            subject = Value(definition.entry)
            if definition.name in (wanted if only is None else wanted & only) and subject not in on_page:
                right = self.shown(definition.rhs, as_written=subject not in names)
                right = Relation("==", names[subject], right) if subject in names else right
                is_inverse = isinstance(definition.rhs, inverse)
                sides = defining(definition.entry, definition.rhs, self.program, self.names) if is_inverse else None
                index = Line(*(sides or (self.shown(definition.entry), right)))
                matrix = self._matrix_line(self.left(step.subject), self._right(step)) if step else None
                yield blocks.ClosedForm(None if matrix and notation == "matrix" else index, matrix)

    def _closed(self, gradients: Iterable[Gradient], notation: str) -> Iterator[blocks.ClosedForm]:
        """Gradients in closed form; without a matrix form, entry by entry."""
        for g in gradients:
            index = Line(Slope(self.output, self.shown(g.entry)), self.shown(g.index))
            matrix = None
            if g.matrix is not None and notation != "index":
                matrix = self._matrix_line(self.left(MatrixTotal(g.array)), self.shown(g.matrix, matrix=True))
            yield blocks.ClosedForm(None if matrix and notation == "matrix" else index, matrix)

    def _without_matrix(self) -> Iterator[tuple[Node, str]]:
        """The derivatives among the closed forms that lack a matrix form although their arrays have one, by name if
        lines use the name, and why they do."""
        for g in self.record.with_adjoints(self.record.gradients):
            if g.matrix is None and g.array.has_matrix:
                subject = MatrixTotal(g.array)
                yield self._name(subject) or self.left(subject), g.obstacle
