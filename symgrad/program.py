"""Programs: a loss as its validated forward equations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from functools import cached_property

from sympy import Expr, Indexed, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import spelled
from symgrad.equations import Assumption, Definition, why_no_number
from symgrad.errors import ProgramError, nested
from symgrad.functions import selection
from symgrad.index_letters import with_spares
from symgrad.matrix_functions import OF_MATRICES, inverse
from symgrad.names import alike_in_print
from symgrad.notation import (
    Array,
    Axis,
    Legible,
    array_names,
    axis_name,
    bound_indices,
    entries,
    every_index,
    free_indices,
    name_of,
    unfolded,
    varying_names,
)


@dataclass(frozen=True)
class Program(Legible):
    """Forward equations from input arrays to one scalar, with assumptions about the inputs.

    ``axes`` are in the order of the shape table, ``equations`` in any order.  ``output`` names the scalar.
    ``defaults`` are the default values of scalar inputs in generated functions; the derivation is for any number.
    ``labels`` pairs inputs that are one-hot rows with the names of their integer labels in generated functions.
    ``facts`` are statements about the gradient, and ``about`` says in words what it means, as ``symgrad.loss`` takes
    them.  ``names`` pairs arrays with names to print, ``("W", "theta")``; ``vectors="bold"`` is for matrix notation.
    ``upstream`` pairs the outputs of a layer with their upstream gradients, inputs of the same axes, ``("O", "dO")``;
    then ``output`` is the sum of the products of their entries, which stands for any loss that has these gradients.

    Raises ``ProgramError`` where an array is undefined or defined twice, equations are circular, an index runs over
    the wrong axis, is unbound or is bound twice, the output is not a scalar, or a default is not a number.
    """

    name: str
    axes: tuple[Axis, ...]
    inputs: tuple[Array, ...]
    equations: tuple[Definition, ...]
    output: str
    assumptions: tuple[Assumption, ...] = ()
    summary: str = ""
    defaults: tuple[tuple[str, Expr], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    facts: tuple[str, ...] = ()
    about: str = ""
    names: tuple[tuple[str, str], ...] = ()
    vectors: str = ""
    upstream: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        with nested(f"{self.name}: an equation"):
            if fault := next(_faults(self), ""):
                raise ProgramError(f"{self.name}: {fault}")

    @cached_property
    def axis(self) -> dict[str, Axis]:
        """The axes by name, with their ``distinct`` and ``spares`` letters."""
        return with_spares(self.axes, self.entry_letters)

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """Every array by name: the inputs, then the defined arrays in an order of evaluation."""
        arrays = {array.name: array for array in self.inputs}
        for definition in self.ordered:
            axes = tuple(self.axis[axis_name(i)] for i in definition.indices)
            arrays[definition.name] = Array(definition.name, axes)
        return arrays

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """The equations by the name of the array that they define, in an order of evaluation."""
        return {definition.name: definition for definition in self.ordered}

    @cached_property
    def ordered(self) -> tuple[Definition, ...]:
        """The equations in an order of evaluation that does not depend on names or on the declared order."""
        return tuple(sorted(self.equations, key=lambda e: self._structure[e.name]))

    @cached_property
    def rank(self) -> dict[str, int]:
        """The position of each array in ``arrays``: later arrays have a higher rank."""
        return {name: position for position, name in enumerate(self.arrays)}

    @cached_property
    def printed(self) -> dict[str, str]:
        """The names that pages print, by array, where they are not the array's own."""
        return dict(self.names)

    @cached_property
    def entry_letters(self) -> set[str]:
        """The letters that denote entries of arrays, which indices should avoid."""
        names = [*(array.name for array in self.inputs), *(equation.name for equation in self.equations)]
        return {shown.lower() for name in names if len(shown := self.printed.get(name, name)) == 1}

    @cached_property
    def _structure(self) -> dict[str, tuple[int, str]]:
        """The depth of each array's definition, and its rank at that depth, both independent of names.

        Ranks at a depth sort the definitions, spelled with the ranks of shallower arrays for names.
        """
        known = {array.name: (0, f"{position:06}") for position, array in enumerate(self.inputs)}
        waiting = {e.name: e for e in self.equations}
        depth = 0
        while waiting:
            depth += 1
            ready = [e for e in waiting.values() if array_names(e.rhs) <= known.keys()]
            ranks = {name: f"{d}.{rank}" for name, (d, rank) in known.items()} | {e.name: "itself" for e in ready}
            texts = {e.name: spelled(e.rhs, {i: f"#{p}" for p, i in enumerate(e.indices)}, ranks) for e in ready}
            positions = {text: f"{position:06}" for position, text in enumerate(sorted(set(texts.values())))}
            for name, text in texts.items():
                known[name] = (depth, positions[text])
                del waiting[name]
        return known

    @property
    def results(self) -> tuple[str, ...]:
        """The arrays that generated code returns beside the gradients: the outputs of a layer, or the output."""
        return tuple(name for name, _ in self.upstream) or (self.output,)

    def uses(self, name: str) -> frozenset[str]:
        """The arrays on which ``name`` depends directly or through abbreviations."""
        return self._uses.get(name, frozenset())

    @cached_property
    def _uses(self) -> dict[str, frozenset[str]]:
        return self._closure(array_names, nodes=False)

    def varies_with(self, name: str) -> frozenset[str]:
        """The arrays in ``uses(name)`` with respect to which ``name`` may have a nonzero derivative."""
        return self._varies_with.get(name, frozenset())

    @cached_property
    def _varies_with(self) -> dict[str, frozenset[str]]:
        return self._closure(varying_names, nodes=False)

    @cached_property
    def ancestors(self) -> dict[str, frozenset[str]]:
        """All arrays on which each array depends."""
        return self._closure(array_names)

    @cached_property
    def varying_ancestors(self) -> dict[str, frozenset[str]]:
        """All arrays with respect to which each array may have a nonzero derivative."""
        return self._closure(varying_names)

    @cached_property
    def inverted(self) -> frozenset[str]:
        """The names of the matrices of which the equations use the inverse or the determinant."""
        return frozenset(call.matrix for definition in self.ordered for call in definition.rhs.atoms(*OF_MATRICES))

    def with_room(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The sizes, with axes that no inverted matrix has enlarged beyond those that one has: X^T X has an inverse if
        X has more rows than columns."""
        inside = {axis.name for name in self.inverted for axis in self.arrays[name].axes}
        most = max((sizes[name] for name in inside), default=0)
        return {name: size if name in inside else max(size, most + 1) for name, size in sizes.items()}

    def _closure(self, names: Callable[[Expr], frozenset[str]], nodes: bool = True) -> dict[str, frozenset[str]]:
        """For each array, ``names`` of its equation and recursively of theirs; through nodes only if ``nodes``."""
        closure: dict[str, frozenset[str]] = {array.name: frozenset() for array in self.inputs}
        for name, definition in self.definitions.items():
            used = names(definition.rhs)
            through = (n for n in used if nodes or n not in self.definitions or not self.definitions[n].is_node)
            closure[name] = used.union(*(closure[n] for n in through))
        return closure

    def written_out(self, expr: Expr, names: Collection[str]) -> Expr:
        """``expr`` with the arrays ``names`` expanded recursively; inverses stay, and matrices in ``OF_MATRICES``."""
        names = {n for n in names if n in self.definitions and not isinstance(self.definitions[n].rhs, inverse)}
        while remaining := [name for name in array_names(expr) & names if entries(expr, name)]:
            latest = max(remaining, key=self.rank.__getitem__)
            expr = unfolded(expr, self.definitions[latest].entry, self.definitions[latest].rhs)
        return expr

    def extent_written_out(self, expr: Basic, names: Collection[str]) -> int:
        """About the extent of ``written_out(expr, names)``, without writing it."""
        extents: dict[str, int] = {}

        def count(part: Basic) -> int:
            if isinstance(part, (Indexed, Symbol)):
                return extents.get(name_of(part), 1)
            return 1 + sum(map(count, part.args))

        for definition in self.ordered:
            if definition.name in names:
                extents[definition.name] = count(definition.rhs)
        return count(expr)

    def opened(self, expr: Expr, names: Collection[str]) -> frozenset[str]:
        """The arrays that ``written_out(expr, names)`` expands."""
        direct = array_names(expr) & set(names)
        return direct.union(*(self.opened(self.definitions[name].rhs, names) for name in direct))

    def with_nodes(self, names: Iterable[str]) -> Program:
        """The program with the abbreviations among ``names`` turned into nodes."""
        wanted = set(names)
        return replace(self, equations=tuple(replace(e, is_node=e.is_node or e.name in wanted) for e in self.equations))


def _faults(program: Program) -> Iterator[str]:
    """What is wrong with a program.  Only the first message counts: later checks rely on the earlier ones."""
    known = {array.name: array.axes for array in program.inputs}
    if len(known) < len(program.inputs):
        yield f"an input is declared twice among {_names(a.name for a in program.inputs)}"
    axis = {a.name: a for a in program.axes}
    for name, letters in ((name, declared.conventional) for name, declared in axis.items()):
        if not name.isidentifier() or not letters.isalpha():
            yield f"{name!r} cannot name an axis with the index letters {letters!r}"
    for array in program.inputs:
        yield from _faults_of_name(program, array.name)
        if missing := [a.name for a in array.axes if a.name not in axis]:
            yield f"{array.name} has the axis {missing[0]}, which is not in axes"
    for e in program.equations:
        if not isinstance(e.entry, Indexed) and not (isinstance(e.entry, Symbol) and not e.entry.is_integer):
            hint = f" (write {e.name}[...], or {e.name}[()] for a scalar)" if isinstance(e.entry, Array) else ""
            what = e.name if hint else e.entry
            yield f"the left side {what}{hint} is neither an entry of an array nor a scalar"
        if e.name in known:
            yield f"{e.name} is defined twice"
        yield from _faults_of_name(program, e.name)
        for position, i in enumerate(e.indices, 1):
            if not isinstance(i, Idx) or i.upper is None:
                yield f"index {position} of {e.entry} must be an index over an axis, not {i}"
            if axis_name(i) not in axis:
                yield f"index {i} of {e.entry} runs over {axis_name(i)}, which is not in axes"
        over = tuple(i.upper + 1 for i in e.indices)
        if isinstance(e.entry, Indexed) and e.entry.base.shape not in (None, over):
            declared = ", ".join(map(str, e.entry.base.shape))
            yield f"the left side {e.entry} does not fit the declared axes ({declared})"
        if len(set(e.indices)) < len(e.indices):
            yield f"an index occurs twice on the left side {e.entry}"
        known[e.name] = tuple(axis[axis_name(i)] for i in e.indices)
    yield from alike_in_print(axis, {name: bool(over) for name, over in known.items()})
    for e in program.equations:
        if (why := why_no_number(e.rhs)) is not None:
            yield f"{e.name} {why}"
        yield from _faults_of_side(program, known, e.name, e.rhs, set(e.indices))
    yield from _circular(program)
    keys = [a.key for a in program.assumptions]
    if len(set(keys)) < len(keys):
        yield f"each assumption needs its own key, but the keys are {', '.join(keys)}"
    for a in program.assumptions:
        for side in (a.lhs, a.rhs):
            yield from _faults_of_side(program, known, f"assumption {a.key}", side, free_indices(a.lhs))
        if not a.is_understood or not array_names(a.lhs) <= {array.name for array in program.inputs}:
            yield (
                f"the assumption {a.key}, {a.lhs} = {a.rhs}, is not supported: expected an input's sum along one axis, "
                "its symmetry, its one-hot rows, or its domain"
            )
    sides = [(e.entry, e.rhs) for e in program.equations] + [(a.lhs, a.rhs) for a in program.assumptions]
    for i in sorted({i for pair in sides for side in pair for i in every_index(side)}, key=str):
        if not i.name.isidentifier() or i != axis[axis_name(i)].index(i.name):
            yield f"the label of the index {i} is not an identifier: use Axis.index"
    if program.output not in {e.name for e in program.equations}:
        yield f"the output {program.output} is not defined by an equation"
    if known[program.output]:
        named = ", ".join(a.name for a in known[program.output])
        yield f"the output {program.output} must be a scalar, but it has the axes {named}"
    yield from _faults_of_defaults(program)


def _faults_of_defaults(program: Program) -> Iterator[str]:
    scalars = {array.name: array for array in program.inputs if not array.axes}
    names = [name for name, _ in program.defaults]
    if len(set(names)) < len(names):
        yield f"an input has two defaults among {_names(names)}"
    for name, value in program.defaults:
        if name not in scalars:
            yield f"{name} has a default, but is not a scalar input"
        if not (isinstance(value, Expr) and value.is_number and value.is_real and value.is_finite):
            yield f"the default of {name} must be a real SymPy number, not {value!r}"
        if scalars[name].positive and not value.is_positive:
            yield f"{name} is positive, but its default is {value}"


def _faults_of_name(program: Program, name: str) -> Iterator[str]:
    if not name.isidentifier() or name in {a.name for a in program.axes}:
        yield f"{name!r} cannot name an array: use an identifier that is not the name of an axis"


def _faults_of_side(
    program: Program, known: dict[str, tuple[Axis, ...]], where: str, side: Expr, scope: Set[Idx]
) -> Iterator[str]:
    """Check every index of one side of an equation; ``scope`` holds the indices that may occur free."""
    if isinstance(side, Sum):
        bound = bound_indices(side)
        for i, *limits in side.limits:
            if not isinstance(i, Idx) or i.upper is None or limits != [0, i.upper]:
                yield f"in {where}, a sum must run over an index of a whole axis, not {i}"
        if twice := (set(bound) & scope) or (len(set(bound)) < len(bound)):
            shown = _names(str(i) for i in twice) if isinstance(twice, set) else str(bound[0])
            yield f"in {where}, the index {shown} is bound twice"
        yield from _faults_of_side(program, known, where, side.function, scope | set(bound))
        return
    if isinstance(side, Idx):
        yield f"in {where}, the index {side} is used as a number"
    if isinstance(side, Indexed):
        name = side.base.name
        if name not in known:
            yield f"{where} uses {name}, which no input or equation defines"
        if len(side.indices) != len(known[name]):
            yield f"in {where}, {side} has {len(side.indices)} indices, expected {len(known[name])}"
        for position, (i, a) in enumerate(zip(side.indices, known[name], strict=True), 1):
            if not isinstance(i, Idx) or i.upper is None or axis_name(i) != a.name:
                over = f"runs over {axis_name(i)}" if isinstance(i, Idx) and i.upper is not None else "has no axis"
                yield f"in {where}, index {position} of {side} {over}, expected {a.name}"
            if i not in scope:
                yield f"in {where}, the index {i} of {side} is unbound"
        return
    if isinstance(side, Symbol):
        if side.name not in known and side.name not in {a.name for a in program.axes}:
            yield f"{where} uses {side.name}, which no input or equation defines"
        if known.get(side.name):
            yield f"in {where}, {side.name} has axes and needs indices"
        return
    if isinstance(side, OF_MATRICES):
        if unknown := sorted(side.names - known.keys()):
            yield f"{where} uses {unknown[0]}, which no input or equation defines"
        axes = known[side.matrix]
        if len(axes) != 2 or axes[0] != axes[1] or known[side.inverse] != axes:
            yield f"in {where}, {side.matrix} and {side.inverse} must be square matrices over one axis"
        if not all(i in scope and axis_name(i) == axes[0].name for i in side.args[2:]):
            yield f"in {where}, the indices of {side} must run over {axes[0].name}"
        return
    if isinstance(side, selection):
        row, i = side.args
        if not isinstance(i, Idx) or i not in scope or i not in free_indices(row):
            yield f"in {where}, a selection must be along a free index of {row}, not {i}"
        yield from _faults_of_side(program, known, where, row, scope)
        return
    for arg in side.args:
        if not (isinstance(arg, Idx) and side.func.__name__ in ("KroneckerDelta", "position_of")):
            yield from _faults_of_side(program, known, where, arg, scope)


def _circular(program: Program) -> Iterator[str]:
    known = {array.name for array in program.inputs}
    waiting = {e.name: e for e in program.equations}
    while waiting:
        ready = [name for name, e in waiting.items() if array_names(e.rhs) <= known]
        if not ready:
            yield f"the equations of {_names(waiting)} are circular"
        for name in ready:
            known.add(name)
            del waiting[name]


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
