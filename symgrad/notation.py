"""Axes, arrays and indices, and substitution in SymPy expressions made of them.

An entry of an array is an ``Indexed``, an index is an ``Idx`` whose range names its axis, and a sum is a ``Sum`` over
such indices.  Inside the engine, bound indices have canonical names, made of the axis and the nesting height, so that
equality up to renaming is ``==``.  In a finished line, they have the conventional letters of their axis.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count, product
from types import MappingProxyType

from sympy import Expr, Function, Indexed, IndexedBase, MatrixSymbol, Sum, Symbol, Tuple
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.errors import UnsupportedError
from symgrad.functions import selection, varying
from symgrad.matrix_functions import OF_MATRICES
from symgrad.names import CONVENTIONAL_LETTERS, Legible


@dataclass(frozen=True)
class Axis(Legible):
    """A dimension of symbolic size, such as N (rows of a batch) or C (classes).

    ``meaning`` is shown in the shape table.  ``letters`` overrides the conventional index letters, in the order of
    ``CONVENTIONAL_LETTERS``.  Within a program, ``distinct`` are the letters that only this axis has, and
    ``spares`` further ones.
    """

    name: str
    meaning: str = ""
    letters: str = ""
    distinct: str = field(default="", compare=False)
    spares: str = field(default="", compare=False)

    @property
    def size(self) -> Symbol:
        """The number of entries along the axis: a positive integer symbol with the axis's name."""
        return Symbol(self.name, integer=True, positive=True)

    def index(self, letter: str) -> Idx:
        """An index over the axis, from 0 to size - 1."""
        return index_over(letter, self.size)

    @property
    def conventional(self) -> str:
        """The index letters of this axis in order of preference; never empty."""
        return self.distinct or self.letters or CONVENTIONAL_LETTERS.get(self.name, self.name[0].lower())


@dataclass(frozen=True)
class Array:
    """A named real array with any number of axes.  ``positive=True`` states that every entry is positive."""

    name: str
    axes: tuple[Axis, ...] = ()
    positive: bool = False

    @property
    def base(self) -> Symbol | IndexedBase:
        """The SymPy object behind the entries: an ``IndexedBase``, or a ``Symbol`` for a scalar."""
        return _base(self.name, tuple(a.size for a in self.axes), self.positive)

    def __getitem__(self, indices: Idx | tuple[Idx, ...]) -> Expr:
        """The entry at some indices; ``Program`` checks that they run over the right axes."""
        every = indices if isinstance(indices, tuple) else (indices,)
        return self.base if not self.axes and not every else _entry(self.base, every)

    @property
    def has_matrix(self) -> bool:
        """Whether the array has a matrix form: at most two axes."""
        return len(self.axes) <= 2

    @property
    def matrix(self) -> Expr:
        """The array as a SymPy matrix: a vector is a column, a scalar a symbol.

        Raises ``UnsupportedError`` for more than two axes.
        """
        if not self.has_matrix:
            raise UnsupportedError(f"{self.name} has {len(self.axes)} axes: it has no matrix form")
        if not self.axes:
            return self.base
        return MatrixSymbol(self.name, self.axes[0].size, self.axes[1].size if len(self.axes) == 2 else 1)


# Indices, bases and entries are compared very often: caching makes equal ones identical.


@lru_cache(maxsize=16384)
def index_over(letter: str, size: Expr) -> Idx:
    """An index that runs from 0 to size - 1."""
    return Idx(letter, size)


@lru_cache(maxsize=4096)
def _base(name: str, shape: tuple[Expr, ...], positive: bool) -> Symbol | IndexedBase:
    known = {"positive": True} if positive else {"real": True}
    return IndexedBase(name, shape=shape, **known) if shape else Symbol(name, **known)


@lru_cache(maxsize=16384)
def _entry(base: IndexedBase, indices: tuple[Idx, ...]) -> Indexed:
    return Indexed(base, *indices)


@lru_cache(maxsize=4096)
def axis_name(index: Idx) -> str:
    """The name of the axis over which an index runs."""
    return str(index.upper + 1)


def index_positions(indices: Sequence[Idx], sizes: Mapping[str, int]) -> Iterator[dict[Idx, int]]:
    """All assignments of positions to ``indices``, at given sizes of the axes."""
    return (dict(zip(indices, at, strict=True)) for at in product(*(range(sizes[axis_name(i)]) for i in indices)))


@lru_cache(maxsize=16384)
def free_indices(expr: Basic) -> frozenset[Idx]:
    """The free indices of an expression."""
    if isinstance(expr, Idx):
        return frozenset((expr,))
    if isinstance(expr, Sum):
        return free_indices(expr.function) - set(bound_indices(expr))
    return frozenset().union(*(free_indices(arg) for arg in expr.args))


@lru_cache(maxsize=16384)
def parts_of(expr: Basic, *kinds: type[Basic]) -> frozenset[Basic]:
    """The subexpressions of some kinds, as ``expr.atoms(*kinds)`` gives them, but none from within an entry's array, a
    matrix's name or an index: there are nine tenths of all nodes."""
    occurring, waiting = set(), [expr]
    while waiting:
        part = waiting.pop()
        if isinstance(part, kinds):
            occurring.add(part)
        inside = () if isinstance(part, Idx) else part.args
        waiting += inside[1:] if isinstance(part, Indexed) else inside[2:] if isinstance(part, OF_MATRICES) else inside
    return frozenset(occurring)


def every_index(expr: Basic) -> frozenset[Idx]:
    """The free and bound indices of an expression."""
    return parts_of(expr, Idx)


def name_of(entry: Expr) -> str:
    """The name of the array that an entry belongs to, or of a scalar."""
    return str(entry.base.name if isinstance(entry, Indexed) else entry.name)


def indices_of(entry: Expr) -> tuple[Idx, ...]:
    """The indices of an entry; none for a scalar."""
    return entry.indices if isinstance(entry, Indexed) else ()


def entry_of(name: str, indices: Iterable[Idx] = (), *, positive: bool = False) -> Expr:
    """An entry of an array that no program declares."""
    every = tuple(indices)
    base = _base(name, tuple(i.upper + 1 for i in every), positive)
    return _entry(base, every) if every else base


def stand_in(expr: Expr, name: str, *, positive: bool = False) -> Expr:
    """A placeholder entry for ``expr``, at its free indices; ``unfolded`` replaces it by ``expr`` again."""
    return entry_of(name, sorted(free_indices(expr), key=str), positive=positive)


def bound_indices(total: Sum) -> tuple[Idx, ...]:
    """The indices that a sum binds, in the order written."""
    return tuple(limit[0] for limit in total.limits)


@lru_cache(maxsize=16384)
def array_names(expr: Basic) -> frozenset[str]:
    """The names of the arrays and scalars that occur in an expression."""
    if isinstance(expr, Indexed):
        return frozenset((expr.base.name,))
    if isinstance(expr, Symbol):
        return frozenset() if expr.is_integer else frozenset((expr.name,))
    if isinstance(expr, OF_MATRICES):
        return expr.names
    return frozenset().union(*(array_names(arg) for arg in expr.args if not isinstance(arg, Idx)))


@lru_cache(maxsize=16384)
def entries(expr: Basic, name: str) -> tuple[Expr, ...]:
    """The entries of the array ``name`` that occur in an expression, in a stable order."""
    occurring = [e for e in parts_of(expr, Indexed) if e.base.name == name]
    occurring += [s for s in parts_of(expr, Symbol) if s.name == name and not s.is_integer]
    return tuple(sorted(occurring, key=lambda e: e.sort_key()))


@lru_cache(maxsize=16384)
def varying_names(expr: Basic) -> frozenset[str]:
    """The names of the arrays with respect to which an expression may have a nonzero derivative.

    Arrays that occur only inside piecewise constant functions are left out.
    """
    if isinstance(expr, OF_MATRICES):
        return frozenset((expr.matrix,))
    if isinstance(expr, Function):
        return frozenset().union(*map(varying_names, varying(expr)))
    if isinstance(expr, (Indexed, Symbol)):
        return array_names(expr)
    return frozenset().union(*(varying_names(arg) for arg in expr.args if not isinstance(arg, Idx)))


# SymPy's constructors check their arguments at length. These skip it: programs are checked when they are declared.


@lru_cache(maxsize=4096)
def _limit(index: Idx) -> Tuple:
    return Tuple(index, index.lower, index.upper)


def sum_over(body: Expr, indices: Iterable[Idx]) -> Expr:
    """``Sum(body, *indices)`` over whole axes; ``body`` itself if it is 0 or there are no indices."""
    limits = [_limit(index) for index in indices]
    if body == 0 or not limits:
        return body
    total = Expr.__new__(Sum, body, *limits)
    total.is_commutative = True
    return total


@lru_cache(maxsize=16384)
def height(expr: Basic) -> int:
    """The nesting depth of sums in an expression."""
    if isinstance(expr, Sum):
        return len(expr.limits) + height(expr.function)
    if isinstance(expr, (Indexed, Idx)):
        return 0
    return max((height(arg) for arg in expr.args), default=0)


class IndicesCoincide(UnsupportedError):
    """A substitution would make the index of a selection equal to the index of its row."""


Naming = Callable[[Sum, Mapping[Idx, Idx]], Mapping[Idx, Idx]]
"""Names for the indices that a sum binds, given the names of the outer indices."""


def _substituted(expr: Basic, known: Mapping[Idx, Idx], parts: Mapping[Basic, Basic], name: Naming) -> Basic:
    """``expr`` with free indices (``known``) and subexpressions (``parts``) replaced, and bound indices renamed.

    ``name`` names bound indices, outermost first.  Every substitution of the package ends here.
    """
    moved = {i: new for i in free_indices(expr) if (new := known.get(i, i)) != i}
    if expr in parts:
        return replaced(parts[expr], moved) if moved else parts[expr]
    if isinstance(expr, Idx):
        return known.get(expr, expr)
    names_of_arrays = array_names(expr) if parts else frozenset[str]()
    is_whole = not any(array_names(old) <= names_of_arrays for old in parts) if parts else not height(expr)
    if not expr.args or (is_whole and not moved):
        return expr
    if isinstance(expr, Indexed):
        return _entry(parts.get(expr.base, expr.base), tuple(known.get(i, i) for i in expr.indices))
    if isinstance(expr, Sum):
        bound = bound_indices(expr)
        if len(bound) > len({*bound}):  # SymPy merges two sums over one index
            expr, bound = sum_over(sum_over(expr.function, bound[:-1]), bound[-1:]), bound[-1:]
        names = name(expr, known)
        body = _substituted(expr.function, {**known, **names}, parts, name)
        return expr if body is expr.function and bound == (*names.values(),) else sum_over(body, names.values())
    args = tuple(_substituted(arg, known, parts, name) for arg in expr.args)
    if isinstance(expr, selection) and args[1] in _from_outside(expr.args[0], {expr.args[1]}, known, parts):
        raise IndicesCoincide(f"the index {args[1]} would be both the row and the position in it in {expr}")
    is_same = hash(args) == hash(expr.args) and args == expr.args  # hashes are remembered, and differ at once
    return expr if is_same else _rebuilt(expr.func, args)


@lru_cache(maxsize=16384)  # SymPy remembers a thousand
def _rebuilt(function: Callable[..., Basic], args: tuple[Basic, ...]) -> Basic:
    return function(*args)


def _from_outside(
    body: Basic, bound: Collection[Idx], known: Mapping[Idx, Idx], parts: Mapping[Basic, Basic]
) -> set[Idx]:
    """The indices that a substitution brings into ``body`` from outside of its sum, which may bind one of them."""
    brought = [free_indices(new) - free_indices(old) for old, new in parts.items() if body.has(old)]
    return {known.get(i, i) for i in free_indices(body).difference(bound)}.union(*brought)


def replaced(expr: Basic, replacements: Mapping[Basic, Basic]) -> Expr:
    """``expr`` with free indices, subexpressions and bases of entries replaced simultaneously, without capture.

    A subexpression equals its replacement for all values of its indices, so it is replaced inside of sums too.  Other
    indices of a replacement are free: a sum that would capture one gets another bound index.  Raises
    ``IndicesCoincide`` where a selection would capture one.
    """
    known = {old: new for old, new in replacements.items() if isinstance(old, Idx)}
    parts = {old: new for old, new in replacements.items() if not isinstance(old, Idx)}
    outside = {*known.values()}.union(*(free_indices(new) - free_indices(old) for old, new in parts.items()))

    def name(total: Sum, known: Mapping[Idx, Idx]) -> dict[Idx, Idx]:
        bound = bound_indices(total)
        if outside.isdisjoint(bound) and not any(i in bound for i in known.values()):
            return dict(zip(bound, bound, strict=True))
        taken = _from_outside(total.function, bound, known, parts)
        fresh = _fresh([i for i in bound if i in taken], {*taken, *bound}, count())
        return {i: fresh.get(i, i) for i in bound}

    return _substituted(expr, known, parts, name)


def unfolded(expr: Expr, entry: Expr, value: Expr) -> Expr:
    """``expr`` with every entry of an array replaced by its definition, ``entry = value``.

    The indices of ``entry`` are distinct; other free indices of ``value`` stay free.
    """
    indices = indices_of(entry)
    other = free_indices(value).difference(indices)
    if other and any(other.intersection(bound_indices(total)) for total in parts_of(expr, Sum)):
        expr = freshen(expr, other)
    at = {e: dict(zip(indices, indices_of(e), strict=True)) for e in entries(expr, name_of(entry))}
    return replaced(expr, {e: renamed(value, letters) for e, letters in at.items()})


def with_bound(expr: Expr, name: Naming, free: Mapping[Idx, Idx] = MappingProxyType({})) -> Expr:
    """``expr`` with its bound indices named by ``name``, outermost first, and its free indices renamed by ``free``."""
    return _substituted(expr, free, {}, name)


def freshen(expr: Expr, avoid: Collection[Idx] = ()) -> Expr:
    """``expr`` with bound indices renamed so that all indices differ, also from those in ``avoid``."""
    return renamed(expr, {}, avoid)


def renamed(expr: Expr, free: Mapping[Idx, Idx], avoid: Collection[Idx] = ()) -> Expr:
    """``expr`` with free indices renamed by ``free``, and bound indices renamed so that all indices differ."""
    serial = count()
    taken = {*avoid, *free.values()} | free_indices(expr)
    return _substituted(expr, free, {}, lambda total, _: _fresh(bound_indices(total), taken, serial))


def _fresh(indices: Iterable[Idx], taken: Collection[Idx], serial: Iterable[int]) -> dict[Idx, Idx]:
    """New indices over the same axes, numbered by ``serial``, none of them ``taken``."""
    return {
        i: next(new for number in serial if (new := index_over(f"_{axis_name(i)}_{number}", i.upper + 1)) not in taken)
        for i in indices
    }
