"""What an author declares of a program, and the checks of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from sympy import Expr, Indexed, Sum, Symbol
from sympy.tensor.indexed import Idx

from symgrad.equations import Assumption, Definition, why_no_number
from symgrad.errors import ProgramError, nested
from symgrad.functions import selection
from symgrad.matrix_functions import OF_MATRICES
from symgrad.names import Legible, alike_in_print
from symgrad.notation import Array, Axis, array_names, axis_name, bound_indices, every_index, free_indices


@dataclass(frozen=True)
class Declaration(Legible):
    """The fields of a ``Program``, which describes them. Raises ``ProgramError`` if they are not well-formed."""

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


def _faults(program: Declaration) -> Iterator[str]:
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


def _faults_of_defaults(program: Declaration) -> Iterator[str]:
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


def _faults_of_name(program: Declaration, name: str) -> Iterator[str]:
    if not name.isidentifier() or name in {a.name for a in program.axes}:
        yield f"{name!r} cannot name an array: use an identifier that is not the name of an axis"


def _faults_of_side(
    program: Declaration, known: dict[str, tuple[Axis, ...]], where: str, side: Expr, scope: Set[Idx]
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


def _circular(program: Declaration) -> Iterator[str]:
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
