"""Axes, arrays and indices: the alphabet in which programs and derivations are written.

Expressions are SymPy's own.  An entry of an array is an ``Indexed``, an index is an ``Idx`` whose range names
its axis, and a sum is a ``Sum`` over such indices.  Bound indices have two lives: inside the engine they bear
canonical names, made of the axis and the nesting height, so that equality up to renaming is plain ``==``; in
a finished line they bear the conventional letters of their axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count, permutations
from string import ascii_lowercase

from sympy import Dummy, Expr, Indexed, IndexedBase, Integer, MatrixExpr, MatrixSymbol, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

# The letters that the field uses for an axis: the running index first, then the index of a derivative's
# denominator, then spares for further sums.
CONVENTIONAL_LETTERS = {
    "N": "nmi",
    "M": "mlr",
    "D": "dea",
    "C": "kcjl",
    "K": "klm",
    "H": "hgfe",
    "T": "tsuvr",
}


@dataclass(frozen=True)
class Axis:
    """A dimension of symbolic size, such as N (rows of a batch) or C (classes).

    ``meaning`` is shown in the shape table.  ``letters`` overrides the conventional index letters: the running
    index first, the index of a derivative's denominator second.
    """

    name: str
    meaning: str = ""
    letters: str = ""

    @property
    def size(self) -> Symbol:
        """The number of entries along the axis, a positive integer symbol of the axis's name."""
        return Symbol(self.name, integer=True, positive=True)

    def index(self, letter: str) -> Idx:
        """An index that runs over the axis, from 0 to size - 1."""
        return Idx(letter, self.size)

    @property
    def conventional(self) -> str:
        """The letters for this axis in order of preference; never empty."""
        return self.letters or CONVENTIONAL_LETTERS.get(self.name, self.name[0].lower())


@dataclass(frozen=True)
class Array:
    """A named real array with 0, 1 or 2 axes.  ``positive=True`` states that every entry is positive."""

    name: str
    axes: tuple[Axis, ...] = ()
    positive: bool = False

    @property
    def base(self) -> Symbol | IndexedBase:
        """The SymPy object behind the entries: an ``IndexedBase``, or a ``Symbol`` for an array of no axes."""
        known = {"positive": True} if self.positive else {"real": True}
        if not self.axes:
            return Symbol(self.name, **known)
        return IndexedBase(self.name, shape=tuple(a.size for a in self.axes), **known)

    def __getitem__(self, indices: Idx | tuple[Idx, ...]) -> Expr:
        """The entry at the given indices; whether they run over the right axes is checked by ``Program``."""
        given = indices if isinstance(indices, tuple) else (indices,)
        return self.base if not self.axes and not given else Indexed(self.base, *given)

    @property
    def matrix(self) -> Expr:
        """The array as SymPy's matrix calculus sees it: a vector is a column, an array of no axes a symbol."""
        if not self.axes:
            return self.base
        return MatrixSymbol(self.name, self.axes[0].size, self.axes[1].size if len(self.axes) == 2 else 1)


def axis_name(index: Idx) -> str:
    """The name of the axis over which an index runs."""
    return str(index.upper + 1)


def free_indices(expr: Basic) -> set[Idx]:
    """The indices of an expression that no sum binds."""
    if isinstance(expr, Idx):
        return {expr}
    if isinstance(expr, Sum):
        return free_indices(expr.function) - {limit[0] for limit in expr.limits}
    found: set[Idx] = set()
    for arg in expr.args:
        found |= free_indices(arg)
    return found


def bound_indices(total: Sum) -> tuple[Idx, ...]:
    """The indices that a sum binds, in the order written."""
    return tuple(limit[0] for limit in total.limits)


def array_names(expr: Basic) -> set[str]:
    """The names of the arrays (of any number of axes) whose entries occur in an expression."""
    found = {entry.base.name for entry in expr.atoms(Indexed)}
    labels = {str(entry.base.label) for entry in expr.atoms(Indexed)}
    return found | {s.name for s in expr.atoms(Symbol) if not s.is_integer and s.name not in labels}


def entries(expr: Basic, name: str) -> list[Expr]:
    """The entries of the array ``name`` that occur in an expression, in a stable order."""
    found = [e for e in expr.atoms(Indexed) if e.base.name == name]
    found += [s for s in expr.atoms(Symbol) if s.name == name and not s.is_integer and not found]
    return sorted(found, key=lambda e: e.sort_key())


_serial = count()


def rename_bound(expr: Basic, name: Callable[[Idx, Sum], Idx]) -> Basic:
    """``expr`` with every bound index replaced by ``name(index, the sum that binds it)``, innermost first."""
    if isinstance(expr, (Idx, Indexed)) or not expr.has(Sum):
        return expr
    args = [rename_bound(arg, name) for arg in (expr.args[:1] if isinstance(expr, Sum) else expr.args)]
    if not isinstance(expr, Sum):
        return expr.func(*args) if tuple(args) != expr.args else expr
    if args[0] == 0:
        return Integer(0)
    inner = Sum(args[0], *expr.limits)
    renamed = {i: name(i, inner) for i in bound_indices(inner)}
    body = inner.function.xreplace(renamed)
    return Sum(body, *(renamed[i] for i in bound_indices(inner)))


def freshen(expr: Expr) -> Expr:
    """``expr`` with bound indices that occur nowhere else, so that a substitution into it captures nothing."""
    return rename_bound(expr, lambda index, _: Idx(f"_{axis_name(index)}_{next(_serial)}", index.upper + 1))


def substitute(expr: Expr, replacements: Mapping[Basic, Basic]) -> Expr:
    """``expr.xreplace(replacements)`` without capture of bound indices."""
    return freshen(expr).xreplace(dict(replacements))


def _height(expr: Basic) -> int:
    """How deeply sums are nested in an expression."""
    if isinstance(expr, Sum):
        return len(expr.limits) + _height(expr.function)
    return max((_height(arg) for arg in expr.args), default=0)


def canonical(expr: Expr) -> Expr:
    """``expr`` with bound indices named by axis and height, so that alpha-equivalent expressions are equal."""
    return _canonical(freshen(expr))


def _canonical(expr: Basic) -> Basic:
    if isinstance(expr, Indexed) or not expr.has(Sum):
        return expr
    if not isinstance(expr, Sum):
        return expr.func(*(_canonical(arg) for arg in expr.args))
    body = _canonical(expr.function)
    height = _height(body)
    by_axis = sorted(bound_indices(expr), key=axis_name)
    candidates = []
    for order in _orders_within_axes(by_axis):
        names = {
            old: Idx(f"_{axis_name(old)}{height + place}", old.upper + 1) for place, old in enumerate(order, 1)
        }
        candidates.append(Sum(body.xreplace(names), *(names[i] for i in order)))
    return min(candidates, key=lambda candidate: candidate.sort_key())


def _orders_within_axes(indices: list[Idx]) -> Iterable[tuple[Idx, ...]]:
    """The orders of the indices that keep the order of the axes."""
    if len({axis_name(i) for i in indices}) == len(indices):
        return [tuple(indices)]
    return [p for p in permutations(indices) if [axis_name(i) for i in p] == [axis_name(i) for i in indices]]


def fresh_letter(axis: Axis, taken: set[str], *, bound: bool = False) -> Idx:
    """An index over ``axis`` whose letter is not ``taken``: the conventional ones first.

    For a bound index the letter of a derivative's denominator comes last, since it is usually wanted there.
    """
    preferred = axis.conventional
    if bound:
        preferred = preferred[:1] + preferred[2:] + preferred[1:2]
    for letter in preferred + ascii_lowercase:
        if letter not in taken:
            return axis.index(letter)
    return axis.index(Dummy(axis.conventional[0]).name)  # more than 26 indices at once: not a line for a reader


def lettered(expr: Expr, axes: Mapping[str, Axis], taken: Iterable[str] = ()) -> Expr:
    """``expr`` with conventional letters for its bound indices, none that is free in it or in ``taken``."""
    used = {str(i.label) for i in free_indices(expr)} | set(taken)
    return _lettered(expr, axes, used)


def _lettered(expr: Basic, axes: Mapping[str, Axis], used: set[str]) -> Basic:
    if isinstance(expr, Indexed) or not expr.has(Sum):
        return expr
    if not isinstance(expr, Sum):
        return expr.func(*(_lettered(arg, axes, used) for arg in expr.args))
    own = set(used)
    names: dict[Idx, Idx] = {}
    for index in sorted(bound_indices(expr), key=lambda i: list(axes).index(axis_name(i))):
        names[index] = fresh_letter(axes[axis_name(index)], own, bound=True)
        own.add(str(names[index].label))
    body = freshen(expr.function).xreplace(names)
    return Sum(_lettered(body, axes, own), *names.values())


def is_matrix(expr: Basic) -> bool:
    """Whether an expression is in matrix notation."""
    return isinstance(expr, MatrixExpr)
