"""The record of a derivation: lines about subjects, each with its reason.

Data only: the checker, renderers and code generators read records, and do not import the engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sympy import Expr, Indexed, MatrixSymbol, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.equations import Assumption
from symgrad.names import Legible
from symgrad.notation import Array, array_names, name_of
from symgrad.program import Program


@dataclass(frozen=True)
class Value:
    """The subject of lines that define or rewrite an expression."""

    expr: Expr


@dataclass(frozen=True)
class Partial:
    """The subject of lines about a partial derivative: of ``of`` with respect to the entry ``wrt``.

    Abbreviations are expanded, and every other node is held fixed.
    """

    of: Expr
    wrt: Indexed | Symbol


@dataclass(frozen=True)
class Differentiated(Partial):
    """The subject of the line that differentiates the equation ``A B = I`` of an inverse B: A times the derivative.

    ``of`` is the entry b_ij; the subject is the sum over k of a_ik times the partial derivative of b_kj.
    """


@dataclass(frozen=True)
class Total:
    """The subject of lines about an adjoint: the total derivative of the output with respect to the entry ``wrt``."""

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
    """The subject of a line that sets ``entry``, of a free array, to the maximum of an expression over ``over``.

    The lines that use the array hold for any number, so they hold for the maximum.
    """

    entry: Indexed | Symbol
    over: tuple[Idx, ...]


@dataclass(frozen=True)
class Condition(Legible):
    """An expression that a step divides by or cancels, and why it is not zero."""

    nonzero: Expr
    reason: str


@dataclass(frozen=True)
class Convention(Legible):
    """Which derivative is taken where a function is not smooth; lines cite it by ``key``."""

    key: str
    words: str


@dataclass(frozen=True)
class Step(Legible):
    """One line, ``subject = after``, which follows from ``before`` by one rule.

    ``before`` is the right side of the previous line about the same subject, or None in its first line.  ``rule`` names
    the rule, and ``reason`` explains it for this line.  ``cites`` are the numbers of other lines used, ``conditions``
    the divisors, and ``conventions`` the derivatives taken at kinks.  ``picked`` are the equalities, such as ``n = m``,
    to which the sums with a delta are restricted, unless the terms differ in them.
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
    picked: tuple[str, ...] = ()

    @property
    def is_matrix(self) -> bool:
        """Whether the line is in matrix notation."""
        return isinstance(self.subject, (MatrixValue, MatrixTotal))


def product_names(steps: Iterable[Step]) -> set[str]:
    """The names that lines give to products of arrays with their adjoints."""
    return {name_of(step.subject.expr) for step in steps if isinstance(step.subject, Value) and step.rule == "name"}


def matrix_names(expr: Basic | None) -> frozenset[str]:
    """The names of the arrays in an expression in matrix notation; empty for None."""
    symbols = expr.atoms(MatrixSymbol, Symbol) if expr is not None else ()
    return frozenset(s.name for s in symbols if isinstance(s, MatrixSymbol) or not s.is_integer)


@dataclass(frozen=True)
class Gradient:
    """The derivative of the output with respect to ``array``.

    ``index`` is the closed form of the derivative with respect to ``entry``; ``matrix`` is the same in matrix notation,
    or None if there is no matrix form; then ``obstacle`` says why.  Both may contain adjoint arrays (see
    ``Record.adjoint_arrays``).
    """

    array: Array
    entry: Expr
    index: Expr
    matrix: Expr | None
    obstacle: str = ""

    @property
    def names(self) -> frozenset[str]:
        """The names of the arrays in both forms."""
        return array_names(self.index) | matrix_names(self.matrix)


@dataclass(frozen=True)
class Statement:
    """What a loss declares about its gradient: ``left == right`` for the values of inputs in ``given``.

    Derivatives are entries of ``Record.adjoint_arrays``; the values in ``given`` are pairs of an entry and its value,
    or of the size of an axis and its number.
    """

    left: Expr
    right: Expr
    given: tuple[tuple[Expr, Expr], ...]


@dataclass(frozen=True, eq=False)  # compared by identity: a key for what is computed once for each derivation
class Record:
    """A whole derivation: the program, its lines, the gradients, and the adjoints of all nodes between.

    In ``program`` the arrays of ``wrt`` are nodes, and the assumptions are those allowed.  ``adjoint_arrays`` maps a
    node to the array that denotes its adjoint in lines (``G``, ``G_Z``).  ``adjoints`` has each node's closed form, as
    the last line about it states it.
    """

    program: Program
    wrt: tuple[str, ...]
    steps: tuple[Step, ...]
    gradients: dict[str, Gradient]
    adjoints: dict[str, Gradient]
    adjoint_arrays: dict[str, Array] = field(default_factory=dict)

    @property
    def assumptions_used(self) -> tuple[Assumption, ...]:
        """The assumptions that lines use, each once."""
        return tuple(dict.fromkeys(step.assumption for step in self.steps if step.assumption))

    @property
    def conventions(self) -> dict[Convention, tuple[Step, ...]]:
        """Each convention that some line uses, with those lines."""
        cited = dict.fromkeys(c for step in self.steps for c in step.conventions)
        return {c: tuple(step for step in self.steps if c in step.conventions) for c in cited}

    def with_adjoints(self, names: Iterable[str]) -> tuple[Gradient, ...]:
        """The closed forms of some derivatives, after those of the adjoints that they use."""
        by_adjoint = {adjoint.name: name for name, adjoint in self.adjoint_arrays.items()}
        wanted: dict[str, Gradient] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            gradient = self.gradients.get(name) or self.adjoints.get(name)
            if gradient is not None and name not in wanted:
                wanted[name] = gradient
                waiting += sorted(by_adjoint[n] for n in gradient.names if n in by_adjoint)
        position = {name: i for i, name in enumerate(self.gradients)}
        ordered_names = sorted(wanted, key=lambda n: (n in position, position.get(n, -self.program.rank[n])))
        return tuple(wanted[name] for name in ordered_names)
