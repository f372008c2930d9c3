"""Whether a line is defined wherever its program is: its divisors, and the arguments of its logarithms and roots.

*Lemma.*  A divisor is nonzero wherever the program is defined and differentiable if it is positive for all values
(exponentials, their sums, sizes, positive inputs), or if an equation of the program divides by it, or takes its
logarithm or a root of it; so is the determinant of a matrix that an equation inverts.  For a root, this holds only if
the root has no derivative at a zero of the radicand.  The power e of an expression with a zero of order k has a
derivative there if e k > 1, as do (x**2 + y**2)**(3/2) and sqrt(x**4); and sqrt(relu(x)) is 0 for all negative x.
(The program is differentiable where every function in its equations is, at its argument; so x * sqrt(x**2), although it
has the derivative 0 at 0, is not differentiable there.)

The argument of a root is known to be nonnegative if no value is negative, or if an equation takes a root of it; the
argument of a logarithm must also be nonzero.  A fact from an equation holds for all values of its letters, so also for
the letters of the line, but not beyond: that no ``a[i, i]`` is zero proves nothing about ``a[i, j]``.  A fact from a
branch of a choice holds where the branch is taken, and a branch of a line needs to be defined only there; the condition
must be known to be 0 or 1.  A function that is not defined everywhere may occur in a line only with an argument that it
has in an equation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod

from sympy import Abs, Expr, Function, Indexed, Mul, Pow, Rational, S, Symbol, conjugate, gamma, log, loggamma, sign
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import is_known
from symgrad.check.analyticity import ANALYTIC, EVERYWHERE, order_of_zeros
from symgrad.check.normal_form.algebra import content, divisors_in, rename
from symgrad.check.normal_form.atoms import (
    RESERVED,
    Index,
    NoNormalForm,
    Polynomial,
    axis_of,
    free_of_items,
    is_nonnegative,
    is_positive,
    key_of,
    single,
)
from symgrad.check.normal_form.function_atoms import branches, odd_power
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.semantics import abbreviations, write_out
from symgrad.functions import MEANINGS, absolute, reciprocal, root, where
from symgrad.matrix_functions import OF_MATRICES, det, named
from symgrad.notation import array_names, axis_name, index_over, parts_of, renamed, stand_in
from symgrad.piecewise import is_indicator
from symgrad.program import Program
from symgrad.special_functions import POSITIVE_WHERE_SMOOTH, cbrt, digamma, gammaln, trigamma
from symgrad.steps import Condition

TOTAL = EVERYWHERE | {Abs, sign, conjugate, reciprocal, cbrt}
"""SymPy functions that are defined for all real numbers, as are our own functions with kinks."""

OF_POSITIVE = {log, gamma, loggamma, gammaln, digamma, trigamma}
"""Functions that are defined for positive numbers."""

MOST_RENAMINGS = 4096
"""A fact that can be renamed to the letters of a line in more ways than this is not used."""

Facts = frozenset[Expr]
"""Indicators that are 1."""

Part = tuple[Basic, Facts]
"""A part of an expression, and the facts under which it is needed."""

ALWAYS: Facts = frozenset()

STAGES = 3
"""How much is written out before an expression is looked up: abbreviations; also the nodes that it mentions; all."""


@dataclass(frozen=True)
class Query:
    """A normal form that is looked up: its stage, the facts that hold, and the letters of both."""

    form: Polynomial
    stage: int
    facts: frozenset[str]
    letters: frozenset[Index]


class Divisors:
    """What is known to be nonzero, positive, nonnegative or defined in one program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._normalisers: dict[frozenset[str], Normaliser] = {}
        self._nonzero = _Known(_inverted, self._normal_form)
        self._positive = _Known(_radicands, self._normal_form)
        self._nonnegative = _Known(_radicands, self._normal_form)
        self._calls = _Known(_itself, self._normal_form)
        outside = _outside_of_branches(program)
        self._inside = program.definitions.keys() - outside
        for definition in program.ordered:
            rhs = write_out(definition.rhs, program, {*self._inside})
            parts = list(_parts(rhs, self._where_needed(definition.name)))
            powers = list(_powers(parts))
            positive = [part for part, power in powers if power < 0 or self._has_kink(part[0], power)]
            positive += [(part, facts) for call, facts in parts for part in _positive_where_smooth(call)]
            self._nonzero.bases += [(call, facts) for call, facts in parts if self._is_steep_root(call)]
            matrices = ((call, facts) for call, facts in parts if isinstance(call, OF_MATRICES))
            determinants = [(named(det, call.matrix, call.inverse), facts) for call, facts in matrices]
            self._nonzero.bases += _divisors(parts) + positive + determinants
            self._positive.bases += positive
            self._nonnegative.bases += [part for part, _ in powers]
            self._calls.bases += _partial_calls(parts)

    def _where_needed(self, name: str) -> Facts:
        """The fact that an array is needed, if it occurs only in branches."""
        return frozenset([stand_in(S.One, f"{name} is needed")]) if name in self._inside else ALWAYS

    def unknown(self, expr: Expr, conditions: Iterable[Condition], about: str = "") -> str | None:
        """A message about the first divisor that may be zero, or part that may be undefined, in a line; else None.

        ``about`` is the array that the line is about, if any.
        """
        parts = list(_parts(expr, self._where_needed(about)))
        for part in [*_divisors(parts), *((c.nonzero, ALWAYS) for c in conditions)]:
            if not self._is_known(part, self._is_nonzero):
                return f"nothing says that {_shown(part[0])} is not zero, by which the line divides"
        for part, power in _powers(parts):
            if not self._is_known(part, partial(self._has_root, strictly=power < 0)):
                return f"nothing says that {_shown(part[0])} is positive, of which the line takes a root or a logarithm"
        for part in _partial_calls(parts):
            if not self._is_known(part, lambda query: _itself(query.form) <= self._calls.keys(query)):
                return f"nothing says that {_shown(part[0])} is defined"
        return None

    def _has_kink(self, base: Basic, power: Rational) -> bool:
        """Whether a positive power of a nonnegative expression is known to have no derivative at the zeros of it.

        The zeros must be isolated and of a low enough order.  A root of sizes only is not differentiated.
        """
        written = write_out(base, self._program, set(self._program.definitions))
        kinked = {call.func for call in parts_of(written, Function)} - ANALYTIC - OF_POSITIVE
        is_single = not kinked or (kinked <= {absolute} and is_known(written, "nonnegative"))
        return is_single and bool(array_names(written)) and bool(power * order_of_zeros(written) <= 1)

    def _is_steep_root(self, call: Basic) -> bool:
        """Whether a cube root is known to have no derivative at the zeros of its argument."""
        return isinstance(call, cbrt) and self._has_kink(call.args[0], Rational(1))

    def _is_known(self, part: Part, test: Callable[[Query], bool]) -> bool:
        """Whether a test holds for an expression at some stage; for a choice, in each of its branches."""
        base, facts = part
        if is_known(base, "positive"):
            return True
        for stage in range(STAGES):
            form, *known = [self._normal_form(expr, stage) for expr in (base, *facts)]
            if form is None or None in known:
                continue
            forms = [fact for fact in known if fact is not None]
            letters = free_of_items(form.items()).union(*(free_of_items(fact.items()) for fact in forms))
            keys = frozenset(map(key_of, forms))
            with suppress(NoNormalForm):
                if all(test(Query(piece, stage, keys | more, letters)) for piece, more in branches(form)):
                    return True
        return False

    def _is_nonzero(self, query: Query) -> bool:
        """Whether a normal form is known to be nonzero."""
        known = self._nonzero.keys(query)
        return all(a.key in known or a.is_nonzero(known) for a in divisors_in(query.form))

    def _has_root(self, query: Query, strictly: bool) -> bool:
        """Whether a normal form is known to be nonnegative, or with ``strictly`` to be positive."""
        factor, _, rest = content(query.form, positive=True)
        known = self._nonzero.keys(query)
        if strictly and not all(a.is_nonzero(known) for a, _ in factor):
            return False
        rest = _odd_part(rest)
        if key_of(rest) in (self._positive if strictly else self._nonnegative).keys(query):
            return True
        return is_positive(rest, known) if strictly else is_nonnegative(rest)

    def _normal_form(self, base: Basic, stage: int) -> Polynomial | None:
        """The normal form of an expression at a stage, or None."""
        everything, short = frozenset(self._program.definitions), frozenset(abbreviations(self._program))
        names = (short, short | (array_names(base) & everything), everything)[stage]
        if names not in self._normalisers:
            self._normalisers[names] = Normaliser(self._program, names)
        try:
            return self._normalisers[names](base)
        except NoNormalForm:
            return None


class _Known:
    """Expressions (``bases``) of which something is known under some facts, for all values of their free indices.

    ``reading`` maps their normal forms to the keys of what is known.
    """

    def __init__(
        self, reading: Callable[[Polynomial], set[str]], normal_form: Callable[[Basic, int], Polynomial | None]
    ) -> None:
        self.bases: list[Part] = []
        self._reading = reading
        self._normal_form = normal_form
        self._keys: dict[tuple[frozenset[Index], int, frozenset[str]], set[str]] = {}

    def keys(self, query: Query) -> set[str]:
        """The keys of the known facts, in the letters of a query, with no more written out than in the query."""
        key = (query.letters, query.stage, query.facts)
        if key not in self._keys:
            self._keys[key] = {
                known
                for base, facts in self.bases
                for stage in range(query.stage + 1)
                for known in self._in_letters([self._normal_form(part, stage) for part in (base, *facts)], query)
            }
        return self._keys[key]

    def _in_letters(self, forms: Sequence[Polynomial | None], query: Query) -> Iterator[str]:
        """What is known of the first form, in every renaming under which the other forms are facts of the query."""
        known = [form for form in forms if form is not None]
        free = sorted(frozenset[Index]().union(*(free_of_items(form.items()) for form in known)))
        choices = [[i for i in sorted(query.letters) if axis_of(i) == axis_of(old)] for old in free]
        if len(known) < len(forms) or prod(map(len, choices)) > MOST_RENAMINGS:
            return
        for chosen in product(*choices):
            try:
                names = dict(zip(free, chosen, strict=True))
                base, *facts = (rename(form, names) for form in known)
                if query.facts.issuperset(map(key_of, facts)):
                    yield from self._reading(base)
            except NoNormalForm:
                continue


def unclear_choice(*sides: Expr) -> str | None:
    """A message about a choice in a line whose condition is not known to be 0 or 1, or None."""
    conditions = [choice.args[0] for side in sides for choice in sorted(parts_of(side, where), key=str)]
    unclear = [condition for condition in conditions if not is_indicator(condition)]
    return f"nothing says that {_shown(unclear[0])} is 0 or 1, by which the line chooses" if unclear else None


def _outside_of_branches(program: Program) -> set[str]:
    """The arrays that are needed outside of branches; all nodes are, since they are differentiated."""
    needed = {d.name for d in program.ordered if d.is_node}
    for definition in reversed(program.ordered):
        if definition.name in needed:
            parts = [part for part, facts in _parts(definition.rhs) if not facts]
            needed = needed.union(*(array_names(part) for part in parts if isinstance(part, (Indexed, Symbol))))
    return needed


def _parts(expr: Basic, facts: Facts = ALWAYS) -> Iterator[Part]:
    """The parts of an expression, each with the facts under which it is needed."""
    yield expr, facts
    if isinstance(expr, where):
        condition, yes, no = expr.args
        yield from _parts(condition, facts)
        yield from _parts(yes, facts | _facts(condition))
        yield from _parts(no, facts | _facts(1 - condition))
    elif not isinstance(expr, Indexed):
        for arg in expr.args:
            yield from _parts(arg, facts)


def _facts(condition: Expr) -> Facts:
    """The factors of a condition: where a product of indicators is 1, each of them is 1."""
    return frozenset(condition.args if isinstance(condition, Mul) else [condition])


def _shown(part: Basic) -> Basic:
    """An expression as a message shows it: the checker's own letters are replaced by the names of their axes."""
    internal = [index for index in part.atoms(Idx) if index.name.startswith(RESERVED)]
    letters = {index: index_over(axis_name(index).lower(), index.upper + 1) for index in internal}
    return renamed(part, letters) if letters else part


def _inverted(form: Polynomial) -> set[str]:
    """The keys of the atoms by which the inverse of a normal form divides."""
    return {atom.key for atom in divisors_in(form)}


def _radicands(form: Polynomial) -> set[str]:
    """The key of a normal form without its positive factors, as a root or a logarithm of it has it."""
    return {key_of(_odd_part(content(form, positive=True)[2]))}


def _itself(form: Polynomial) -> set[str]:
    return {key_of(form)}


def _odd_part(rest: Polynomial) -> Polynomial:
    """The atom of which a polynomial is an odd power, which has the same sign; else the polynomial."""
    odd = odd_power(rest)
    return single(odd[0]) if odd else rest


def _divisors(parts: Iterable[Part]) -> list[Part]:
    """The divisors among the parts of an expression."""
    return [(p.base, facts) for p, facts in parts if isinstance(p, Pow) and p.exp.could_extract_minus_sign()]


def _powers(parts: Iterable[Part]) -> Iterator[tuple[Part, Rational]]:
    """The parts that must be nonnegative for an expression to be defined, each with the power that is taken of it.

    The power is -1 if the part must be nonzero too: the argument of a logarithm, or the base of a symbolic power.
    """
    for part, facts in parts:
        if isinstance(part, Pow) and not (isinstance(part.exp, Rational) and part.exp.q == 1):
            if not is_known(part.base, "positive"):
                yield (part.base, facts), part.exp if isinstance(part.exp, Rational) else Rational(-1)
        elif isinstance(part, root):  # which has a derivative where it is 0, by its convention
            yield (part.args[0], facts), Rational(2)
        elif type(part) in OF_POSITIVE:
            yield (part.args[0], facts), Rational(-1)


def _positive_where_smooth(call: Basic) -> tuple[Expr, ...]:
    """What is positive wherever a function of an equation has a derivative."""
    positive = POSITIVE_WHERE_SMOOTH.get(type(call))
    return positive(*call.args) if positive else ()


def _partial_calls(parts: Iterable[Part]) -> list[Part]:
    """The calls of functions that are defined neither for all numbers nor for all positive ones."""
    known = TOTAL | OF_POSITIVE | {function for function, meaning in MEANINGS.items() if meaning.convention}
    return [(call, facts) for call, facts in parts if isinstance(call, Function) and type(call) not in known]
