"""Whether a line is defined wherever its program is: by what it divides, of what it takes logarithms and roots.

A divisor is known if it is positive for all values (exponentials, their sums, sizes, positive inputs), or if the
program's own equations divide by it, take its logarithm or a root of it, so that it cannot vanish where the program is
defined and differentiable.  Of a root that holds only where it has no derivative at a zero of the radicand: the power
e of what vanishes to the order k has one if e k > 1, as (x**2 + y**2)**(3/2) and sqrt(x**4) do; and sqrt(relu(x)) is 0
for all negative x.

The argument of a root is known if it is never negative, or if the program takes a root of it; that of a logarithm if
it is not zero either.  What the equations say holds for all values of their letters, so for those of the line, but for
no more: that no ``a[i, i]`` is zero says nothing of ``a[i, j]``.  A function that is not defined everywhere may stand
in a line only as it stands in an equation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from math import prod

from sympy import (
    Abs,
    Expr,
    Function,
    KroneckerDelta,
    Pow,
    Rational,
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

from symgrad.check import algebra
from symgrad.check.atoms import (
    Atom,
    Index,
    Items,
    NoNormalForm,
    Polynomial,
    axis_of,
    free_of_items,
    is_nonnegative,
    ordered,
    single,
    spell_items,
)
from symgrad.check.meaning import abbreviations, write_out
from symgrad.check.normal import Normaliser
from symgrad.check.smoothness import ANALYTIC, order_of_zeros
from symgrad.functions import MEANINGS, absolute
from symgrad.notation import array_names
from symgrad.program import Program
from symgrad.signs import is_known
from symgrad.steps import Condition

TOTAL = {exp, sin, cos, atan, sinh, cosh, tanh, asinh, erf, erfc, Abs, sign, conjugate, KroneckerDelta}
"""Functions of SymPy's that are defined for all real numbers; so are those that are not smooth, of our own."""

OF_POSITIVE = {log, gamma, loggamma}
"""Functions that are defined for positive numbers."""

MOST_RENAMINGS = 4096
"""A known expression that can be written in the letters of a line in more ways is not looked for."""


STAGES = 3
"""What is written out before an expression is recognised: abbreviations; the nodes that it mentions as well; all."""


class Divisors:
    """What may be divided by, or have a logarithm or a root, in one program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._normalisers: dict[frozenset[str], Normaliser] = {}
        self._nonzero = _Known(_inverted, self._normal_form)
        self._positive = _Known(_radicands, self._normal_form)
        self._nonnegative = _Known(_radicands, self._normal_form)
        self._calls = _Known(_itself, self._normal_form)
        for definition in program.ordered:
            parts = list(_powers(definition.rhs))
            positive = [base for base, power in parts if power < 0 or self._has_kink(base, power)]
            self._nonzero.bases += _divisors(definition.rhs) + positive
            self._positive.bases += positive
            self._nonnegative.bases += [base for base, _ in parts]
            self._calls.bases += _partial_calls(definition.rhs)

    def unknown(self, expr: Expr, conditions: Iterable[Condition]) -> str | None:
        """What is said of a divisor in an expression, or one stated as a condition, that might be zero, or of a part
        that might not be defined; None where there is none."""
        for base in [*_divisors(expr), *(c.nonzero for c in conditions)]:
            if not (is_known(base, "positive") or self._is_known(base, self._is_nonzero)):
                return f"nothing says that {base} is not zero, by which the line divides"
        for base, power in _powers(expr):
            if not (is_known(base, "positive") or self._is_known(base, partial(self._has_root, strictly=power < 0))):
                return f"nothing says that {base} is positive, of which the line takes a root or a logarithm"
        for call in _partial_calls(expr):
            if not self._is_known(call, lambda form, stage: _itself(form) <= self._calls.keys(form, stage)):
                return f"nothing says that {call} is defined"
        return None

    def _has_kink(self, base: Basic, power: Rational) -> bool:
        """Whether a positive power of what is not negative is known to have no derivative where that vanishes: which it
        does at single points at most, and not to too high an order.  A root of sizes alone is not differentiated."""
        written = write_out(base, self._program, set(self._program.definitions))
        kinked = {call.func for call in written.atoms(Function)} - ANALYTIC - OF_POSITIVE
        is_single = not kinked or (kinked <= {absolute} and is_known(written, "nonnegative"))
        return is_single and bool(array_names(written)) and bool(power * order_of_zeros(written) <= 1)

    def _is_known(self, base: Basic, test: Callable[[Polynomial, int], bool]) -> bool:
        forms = ((self._normal_form(base, stage), stage) for stage in range(STAGES))
        return any(form is not None and test(form, stage) for form, stage in forms)

    def _is_nonzero(self, form: Polynomial, stage: int) -> bool:
        """Whether a normal form is known not to be zero."""
        try:
            atoms = _inverse(form)
        except NoNormalForm:
            return False
        known = self._nonzero.keys(form, stage)
        return all(a.key in known or _is_positive_atom(a, known) for a in atoms)

    def _has_root(self, form: Polynomial, stage: int, strictly: bool) -> bool:
        """Whether a normal form is known not to be negative, and with ``strictly`` not to be zero."""
        try:
            factor, _, rest = algebra.content(form, positive=True)
        except NoNormalForm:
            return False
        known = self._nonzero.keys(form, stage)
        if strictly and not all(_is_positive_atom(a, known) for a, _ in factor):
            return False
        rest = _odd_part(rest)
        if spell_items(ordered(rest)) in (self._positive if strictly else self._nonnegative).keys(form, stage):
            return True
        return _is_positive(rest, known) if strictly else is_nonnegative(rest)

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
    """Expressions ``bases`` of which something is known for all values of their free indices; ``reading`` spells out
    what, from their normal forms."""

    def __init__(
        self, reading: Callable[[Polynomial], set[str]], normal_form: Callable[[Basic, int], Polynomial | None]
    ) -> None:
        self.bases: list[Basic] = []
        self._reading = reading
        self._normal_form = normal_form
        self._keys: dict[tuple[frozenset[Index], int], set[str]] = {}

    def keys(self, form: Polynomial, stage: int) -> set[str]:
        """What is known, spelled in the free indices of another normal form, where no more than that is written out."""
        letters = free_of_items(ordered(form))
        if (letters, stage) not in self._keys:
            known = [self._normal_form(base, below) for base in self.bases for below in range(stage + 1)]
            self._keys[letters, stage] = {key for k in known if k is not None for key in self._in_letters(k, letters)}
        return self._keys[letters, stage]

    def _in_letters(self, form: Polynomial, letters: frozenset[Index]) -> Iterator[str]:
        free = sorted(free_of_items(ordered(form)))
        choices = [[i for i in sorted(letters) if axis_of(i) == axis_of(old)] for old in free]
        if prod(map(len, choices)) > MOST_RENAMINGS:
            return
        for chosen in product(*choices):
            try:
                yield from self._reading(algebra.rename(form, dict(zip(free, chosen, strict=True))))
            except NoNormalForm:
                continue


def _inverse(form: Polynomial) -> list[Atom]:
    """The atoms by which a division by a normal form divides."""
    return [atom for monomial in algebra.power(form, -1) for atom, exponent in monomial if exponent < 0]


def _inverted(form: Polynomial) -> set[str]:
    return {atom.key for atom in _inverse(form)}


def _radicands(form: Polynomial) -> set[str]:
    """What is left under a root or in a logarithm of a normal form once the positive factors have come out."""
    return {spell_items(ordered(_odd_part(algebra.content(form, positive=True)[2])))}


def _itself(form: Polynomial) -> set[str]:
    return {spell_items(ordered(form))}


def _odd_part(rest: Polynomial) -> Polynomial:
    """An odd power of one atom as that atom."""
    odd = algebra.odd_power(rest)
    return single(odd[0]) if odd else rest


def _is_positive(form: Polynomial, known: set[str]) -> bool:
    """Whether a normal form is positive, not only nonnegative: one term at least cannot vanish."""
    cannot_vanish = (all(_is_positive_atom(a, known) for a, _ in monomial) for monomial in form)
    return is_nonnegative(form) and any(cannot_vanish)


def _is_positive_atom(atom: Atom, known: set[str]) -> bool:
    """Whether an atom is positive, not only nonnegative as a root is: of what is not zero, or of what is ``known``."""
    if not atom.sign:
        return False
    if atom.kind == "root":
        return _has_no_zero(atom.data[1], known)
    return atom.kind != "sum" or all(_is_positive_atom(a, known) for a, _ in atom.data[1])


def _has_no_zero(radicand: Items, known: set[str]) -> bool:
    try:
        atoms = _inverse(dict(radicand))
    except NoNormalForm:
        return False
    return _is_positive(dict(radicand), known) or all(a.key in known for a in atoms)


def _divisors(expr: Basic) -> list[Basic]:
    """The divisors in an expression."""
    return [p.base for p in expr.atoms(Pow) if p.exp.could_extract_minus_sign()]


def _powers(expr: Basic) -> Iterator[tuple[Basic, Rational]]:
    """What must not be negative for an expression to be defined, and the power that is taken of it; -1 for what must
    not be zero either: the argument of a logarithm, or the base of a power with an exponent of its own."""
    for part in expr.atoms(Pow):
        if not (isinstance(part.exp, Rational) and part.exp.q == 1) and not is_known(part.base, "positive"):
            yield part.base, part.exp if isinstance(part.exp, Rational) else Rational(-1)
    for call in expr.atoms(Function):
        if type(call) in OF_POSITIVE:
            yield call.args[0], Rational(-1)


def _partial_calls(expr: Basic) -> list[Basic]:
    """The calls of functions that are not known to be defined for all numbers, or for all positive ones."""
    known = TOTAL | OF_POSITIVE | {function for function, meaning in MEANINGS.items() if meaning.convention}
    return [call for call in expr.atoms(Function) if type(call) not in known]
