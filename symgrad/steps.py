"""What a derivation is: lines about subjects, each with its reason.  Data only; renderers, the checker and the
generators read these records and never the engine that wrote them."""

from __future__ import annotations

from dataclasses import dataclass, field

from sympy import Expr, Indexed, Symbol
from sympy.tensor.indexed import Idx

from symgrad.equations import Assumption
from symgrad.notation import Array
from symgrad.printable import Legible
from symgrad.program import Program


@dataclass(frozen=True)
class Value:
    """The subject of lines that rewrite an expression: a definition, or a consequence of definitions."""

    expr: Expr


@dataclass(frozen=True)
class Partial:
    """The subject of lines that differentiate one definition, or one expression in it: the derivative of ``of`` with
    respect to the entry ``wrt``, abbreviations written out, every other node held fixed."""

    of: Expr
    wrt: Indexed | Symbol


@dataclass(frozen=True)
class Total:
    """The subject of lines about the adjoint of an array: the derivative of the output with respect to the
    entry ``wrt``, through all equations."""

    wrt: Indexed | Symbol


@dataclass(frozen=True)
class MatrixValue:
    """The subject of lines that give the definition of ``array`` in matrix notation."""

    array: Array


@dataclass(frozen=True)
class MatrixTotal:
    """The subject of lines that give the adjoint of ``array`` in matrix notation."""

    array: Array


Subject = Value | Partial | Total | MatrixValue | MatrixTotal


@dataclass(frozen=True)
class Largest:
    """The subject of a line that says which number is put for ``entry``, of a free array: the largest value of the
    line's expression along the indices ``over``.  Lines that hold for any number there hold for this one."""

    entry: Indexed | Symbol
    over: tuple[Idx, ...]


@dataclass(frozen=True)
class Condition(Legible):
    """An expression that a step divides by, or cancels, and why it is not zero."""

    nonzero: Expr
    reason: str


@dataclass(frozen=True)
class Convention(Legible):
    """Which derivative is taken where a function is not smooth, in ``words``; ``key`` is what lines cite."""

    key: str
    words: str


@dataclass(frozen=True)
class Step(Legible):
    """One line: ``subject = after``, a consequence of ``before`` (the right side of the line above it about the same
    subject; None where a subject begins) by one rule.

    ``rule`` names the rule in a table of the engine, ``reason`` says it in words for this line; ``cites`` are the
    numbers of other lines used; ``assumption`` is the one used, if any; ``conditions`` are the divisors;
    ``conventions`` say of the functions differentiated that are not smooth which derivative was taken.
    """

    number: int
    subject: Subject | Largest
    before: Expr | None
    after: Expr
    rule: str
    reason: str
    cites: tuple[int, ...] = ()
    assumption: Assumption | None = None
    conditions: tuple[Condition, ...] = ()
    conventions: tuple[Convention, ...] = ()


@dataclass(frozen=True)
class Gradient:
    """A derivative of the output with respect to ``array``.

    ``entry`` is the entry of the array in the letters of ``index``; ``index`` is the closed form of the derivative
    with respect to it; ``matrix`` is the same in matrix notation, or None where no matrix form exists.  Both are
    written in the program's named arrays, and in adjoint arrays where these stay named (see ``Record.adjoints``).
    """

    array: Array
    entry: Expr
    index: Expr
    matrix: Expr | None


@dataclass(frozen=True)
class Record:
    """A whole derivation: the program (with the arrays of ``wrt`` as nodes, and with the assumptions that were
    allowed), its lines, the gradients asked for and the adjoints of all nodes on the way.

    ``adjoint_arrays`` gives, for the name of a node, the array that stands for its adjoint in lines: entries of it
    are the entries of the derivative of the output, and its name is that of the matrix (``G``, ``G_Z``).
    ``adjoints`` holds each node's closed form as the last line about it states it.
    """

    program: Program
    wrt: tuple[str, ...]
    steps: tuple[Step, ...]
    gradients: dict[str, Gradient]
    adjoints: dict[str, Gradient]
    adjoint_arrays: dict[str, Array] = field(default_factory=dict)

    @property
    def assumptions_used(self) -> tuple[Assumption, ...]:
        """The assumptions on which lines rest, each once."""
        return tuple(dict.fromkeys(step.assumption for step in self.steps if step.assumption))

    @property
    def conventions(self) -> dict[Convention, tuple[Step, ...]]:
        """Each convention on which lines rest, with these lines."""
        cited = dict.fromkeys(c for step in self.steps for c in step.conventions)
        return {c: tuple(step for step in self.steps if c in step.conventions) for c in cited}
