"""Whether a line is defined wherever its program is: its divisors, and the arguments of its logarithms and roots.

*Lemma.* A divisor cannot vanish where the program is defined and differentiable if it is positive for all values
(exponentials, their sums, sizes, positive inputs), or if the program's own equations divide by it, or take its
logarithm or a root of it. For a root this holds only if the root has no derivative at a zero of the radicand. The
power e of an expression that vanishes to the order k has a derivative if e k > 1, as (x**2 + y**2)**(3/2) and
sqrt(x**4) do; and sqrt(relu(x)) is 0 for all negative x.

The argument of a root is known if it is never negative, or if the program takes a root of it; that of a logarithm if
it is not zero either.  What the equations say holds for all values of their letters, so for those of the line, but for
no more: that no ``a[i, i]`` is zero says nothing of ``a[i, j]``.  What they say in a branch of a choice holds where
that is taken, and what a line has in a branch need be defined there alone.  A function that is not defined everywhere
may stand in a line only as it stands in an equation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod

from sympy import (
    Abs,
    Expr,
    Function,
    Indexed,
    KroneckerDelta,
    Mul,
    Pow,
    Rational,
    S,
    Symbol,
    acos,
    asin,
    asinh,
    atan,
    conjugate,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    gamma,
    log,
    loggamma,
    sign,
    sin,
    sinh,
    tanh,
)
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import is_known
from symgrad.check.analyticity import ANALYTIC, order_of_zeros
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
    ordered,
    single,
    spell_items,
)
from symgrad.check.normal_form.exponentials import odd_power
from symgrad.check.normal_form.indicators import branches
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.semantics import abbreviations, write_out
from symgrad.functions import MEANINGS, absolute, reciprocal, root, where
from symgrad.notation import array_names, axis_name, index_over, renamed, stand_in
from symgrad.program import Program
from symgrad.steps import Condition

TOTAL = {exp, sin, cos, atan, sinh, cosh, tanh, asinh, erf, erfc, Abs, sign, conjugate, KroneckerDelta, reciprocal}
"""Functions of SymPy's that are defined for all real numbers; so are those that are not smooth, of our own."""

OF_POSITIVE = {log, gamma, loggamma}
"""Functions that are defined for positive numbers."""

MOST_RENAMINGS = 4096
"""A known expression that can be written in the letters of a line in more ways is not looked for."""


Facts = frozenset[Expr]
"""Indicators that are 1."""

Part = tuple[Basic, Facts]
"""A part of an expression, which is needed where some facts hold."""

ALWAYS: Facts = frozenset()

STAGES = 3
"""What is written out before an expression is recognised: abbreviations; the nodes that it mentions as well; all."""


@dataclass(frozen=True)
class Place:
    """A normal form at a stage where some facts hold, all in certain letters."""

    form: Polynomial
    stage: int
    facts: frozenset[str]
    letters: frozenset[Index]


class Divisors:
    """What may be divided by, or have a logarithm or a root, in one program."""

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
            positive += [(1 - call.args[0] ** 2, facts) for call, facts in parts if isinstance(call, (asin, acos))]
            self._nonzero.bases += _divisors(parts) + positive
            self._positive.bases += positive
            self._nonnegative.bases += [part for part, _ in powers]
            self._calls.bases += _partial_calls(parts)

    def _where_needed(self, name: str) -> Facts:
        """The fact that an array is needed, if it is in branches alone."""
        return frozenset([stand_in(S.One, f"{name} is needed")]) if name in self._inside else ALWAYS

    def unknown(self, expr: Expr, conditions: Iterable[Condition], about: str = "") -> str | None:
        """What is said of a divisor in an expression, or one stated as a condition, that might be zero, or of a part
        that might not be defined; None where there is none.  The line is ``about`` an array, or about none."""
        parts = list(_parts(expr, self._where_needed(about)))
        for part in [*_divisors(parts), *((c.nonzero, ALWAYS) for c in conditions)]:
            if not self._is_known(part, self._is_nonzero):
                return f"nothing says that {_shown(part[0])} is not zero, by which the line divides"
        for part, power in _powers(parts):
            if not self._is_known(part, partial(self._has_root, strictly=power < 0)):
                return f"nothing says that {_shown(part[0])} is positive, of which the line takes a root or a logarithm"
        for part in _partial_calls(parts):
            if not self._is_known(part, lambda at: _itself(at.form) <= self._calls.keys(at)):
                return f"nothing says that {_shown(part[0])} is defined"
        return None

    def _has_kink(self, base: Basic, power: Rational) -> bool:
        """Whether a positive power of what is not negative is known to have no derivative where that vanishes: which it
        does at single points at most, and not to too high an order.  A root of sizes alone is not differentiated."""
        written = write_out(base, self._program, set(self._program.definitions))
        kinked = {call.func for call in written.atoms(Function)} - ANALYTIC - OF_POSITIVE
        is_single = not kinked or (kinked <= {absolute} and is_known(written, "nonnegative"))
        return is_single and bool(array_names(written)) and bool(power * order_of_zeros(written) <= 1)

    def _is_known(self, part: Part, test: Callable[[Place], bool]) -> bool:
        """Whether a test holds of an expression, at some stage, and where that is a choice in each of its branches."""
        base, facts = part
        if is_known(base, "positive"):
            return True
        for stage in range(STAGES):
            form, given = self._normal_form(base, stage), [self._normal_form(fact, stage) for fact in facts]
            if form is None or any(fact is None for fact in given):
                continue
            known = frozenset(spell_items(ordered(fact)) for fact in given if fact is not None)
            letters = free_of_items(ordered(form)).union(*(free_of_items(ordered(f)) for f in given if f is not None))
            cases = branches(form)
            with suppress(NoNormalForm):
                if all(test(Place(piece, stage, known | more, letters)) for piece, more in cases):
                    return True
        return False

    def _is_nonzero(self, at: Place) -> bool:
        """Whether a normal form is known not to be zero."""
        known = self._nonzero.keys(at)
        return all(a.key in known or a.is_nonzero(known) for a in divisors_in(at.form))

    def _has_root(self, at: Place, strictly: bool) -> bool:
        """Whether a normal form is known not to be negative, and with ``strictly`` not to be zero."""
        factor, _, rest = content(at.form, positive=True)
        known = self._nonzero.keys(at)
        if strictly and not all(a.is_nonzero(known) for a, _ in factor):
            return False
        rest = _odd_part(rest)
        if spell_items(ordered(rest)) in (self._positive if strictly else self._nonnegative).keys(at):
            return True
        return is_positive(rest, known) if strictly else is_nonnegative(rest)

    def _normal_form(self, base: Basic, stage: int) -> Polynomial | None:
        """The normal form of an expression with so much written out; None where there is none."""
        everything, short = frozenset(self._program.definitions), frozenset(abbreviations(self._program))
        names = (short, short | (array_names(base) & everything), everything)[stage]
        if names not in self._normalisers:
            self._normalisers[names] = Normaliser(self._program, names)
        try:
            return self._normalisers[names](base)
        except NoNormalForm:
            return None


class _Known:
    """Expressions ``bases`` of which something is known for all values of their free indices, where some facts hold;
    ``reading`` spells out what, from their normal forms."""

    def __init__(
        self, reading: Callable[[Polynomial], set[str]], normal_form: Callable[[Basic, int], Polynomial | None]
    ) -> None:
        self.bases: list[Part] = []
        self._reading = reading
        self._normal_form = normal_form
        self._keys: dict[tuple[frozenset[Index], int, frozenset[str]], set[str]] = {}

    def keys(self, at: Place) -> set[str]:
        """What is known at a place, spelled in its letters, where no more than there is written out."""
        key = (at.letters, at.stage, at.facts)
        if key not in self._keys:
            self._keys[key] = {
                found
                for base, facts in self.bases
                for below in range(at.stage + 1)
                for found in self._in_letters([self._normal_form(part, below) for part in (base, *facts)], at)
            }
        return self._keys[key]

    def _in_letters(self, forms: Sequence[Polynomial | None], at: Place) -> Iterator[str]:
        known = [form for form in forms if form is not None]
        free = sorted(frozenset[Index]().union(*(free_of_items(ordered(form)) for form in known)))
        choices = [[i for i in sorted(at.letters) if axis_of(i) == axis_of(old)] for old in free]
        if len(known) < len(forms) or prod(map(len, choices)) > MOST_RENAMINGS:
            return
        for chosen in product(*choices):
            try:
                names = dict(zip(free, chosen, strict=True))
                base, *facts = (rename(form, names) for form in known)
                if at.facts.issuperset(spell_items(ordered(fact)) for fact in facts):
                    yield from self._reading(base)
            except NoNormalForm:
                continue


def _outside_of_branches(program: Program) -> set[str]:
    """The arrays that are needed outside of all branches; nodes are, since they have derivatives of their own."""
    found = {d.name for d in program.ordered if d.is_node}
    for definition in reversed(program.ordered):
        if definition.name in found:
            found |= {name for part, facts in _parts(definition.rhs) if not facts for name in _own_names(part)}
    return found


def _own_names(part: Basic) -> set[str]:
    """The name of an entry, of other expressions none."""
    return {*array_names(part)} if isinstance(part, (Indexed, Symbol)) else set()


def _parts(expr: Basic, facts: Facts = ALWAYS) -> Iterator[Part]:
    """The parts of an expression, with what is a fact where they are needed."""
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
    """The conditions that all hold where one does."""
    return frozenset(condition.args if isinstance(condition, Mul) else [condition])


def _shown(part: Basic) -> Basic:
    """An expression in letters that a reader knows: those of the checker are named after their axes."""
    own = [index for index in part.atoms(Idx) if str(index.label).startswith(RESERVED)]
    return (
        renamed(part, {index: index_over(axis_name(index).lower(), index.upper + 1) for index in own}) if own else part
    )


def _inverted(form: Polynomial) -> set[str]:
    return {atom.key for atom in divisors_in(form)}


def _radicands(form: Polynomial) -> set[str]:
    """What is left under a root or in a logarithm of a normal form once the positive factors have come out."""
    return {spell_items(ordered(_odd_part(content(form, positive=True)[2])))}


def _itself(form: Polynomial) -> set[str]:
    return {spell_items(ordered(form))}


def _odd_part(rest: Polynomial) -> Polynomial:
    """An odd power of one atom as that atom."""
    odd = odd_power(rest)
    return single(odd[0]) if odd else rest


def _divisors(parts: Iterable[Part]) -> list[Part]:
    """The divisors among the parts of an expression."""
    return [(p.base, facts) for p, facts in parts if isinstance(p, Pow) and p.exp.could_extract_minus_sign()]


def _powers(parts: Iterable[Part]) -> Iterator[tuple[Part, Rational]]:
    """What must not be negative for an expression to be defined, and the power that is taken of it; -1 for what must
    not be zero either: the argument of a logarithm, or the base of a power with an exponent of its own."""
    for part, facts in parts:
        if isinstance(part, Pow) and not (isinstance(part.exp, Rational) and part.exp.q == 1):
            if not is_known(part.base, "positive"):
                yield (part.base, facts), part.exp if isinstance(part.exp, Rational) else Rational(-1)
        elif isinstance(part, root):  # which has a derivative where it is 0, by its convention
            yield (part.args[0], facts), Rational(2)
        elif type(part) in OF_POSITIVE:
            yield (part.args[0], facts), Rational(-1)


def _partial_calls(parts: Iterable[Part]) -> list[Part]:
    """The calls of functions that are not known to be defined for all numbers, or for all positive ones."""
    known = TOTAL | OF_POSITIVE | {function for function, meaning in MEANINGS.items() if meaning.convention}
    return [(call, facts) for call, facts in parts if isinstance(call, Function) and type(call) not in known]
