"""Exact arithmetic on scalar expressions, and *exactly at shapes*: the mark of lines that it proves entry by entry.

*Lemma.*  Symbols and the exponentials of different monomials are algebraically independent.  So a value in them is zero
if and only if its numerator over the common denominator is zero.  With the relation of a square root, or with functions
without rules, a zero numerator still proves that the value is zero.

A value is a sum of fractions of polynomials; denominators stay factored, and no gcd is computed.  A monomial is an
integer with a field of bits for the exponent of each generator, so multiplication adds integers, and generators can be
added at any time.  Generators are symbols, exponentials of monomials (so exp(u + v) = exp(u) exp(v)), square roots, and
functions without rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import reduce

from sympy import Add, Expr, Function, Mul, Number, Pow, Rational, Symbol, exp, log
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.budget import OverBudget, spend
from symgrad.check.assumptions import Projection, constraints
from symgrad.check.normal_form.atoms import NoNormalForm, rational_content
from symgrad.check.normal_form.translation import EXPANSIONS
from symgrad.check.numeric.instantiation import Instance, Position
from symgrad.check.obligations import Claim
from symgrad.check.semantics import IndexSubject, adjoint_array, adjoint_names, consumers
from symgrad.equations import Assumption
from symgrad.errors import SymgradError
from symgrad.functions import selected
from symgrad.notation import indices_of, name_of
from symgrad.steps import Partial, Record, Value

WIDTH = 16
MASK = (1 << WIDTH) - 1
MOST_TERMS = 60_000
MOST_EXPONENT = 300
MOST_GENERATORS = 4096
OVERFLOW = ((1 << WIDTH * MOST_GENERATORS) - 1) // MASK << (WIDTH - 1)
"""The highest bit of each field: a larger exponent would overflow into the field of the next generator."""

Poly = dict[int, Fraction | int]
Divisor = tuple[tuple[int, int], ...]
"""Numbers of divisors with their exponents."""
Fractions = dict[Divisor, Poly]


class NotExact(SymgradError):
    """An expression has no exact value here, or is too large."""


class ExactField:
    """Exact values of scalar expressions; ``resolve`` maps a symbol to an expression to substitute, or to None.

    ``complete`` says whether all generators so far are known to be independent: then different values are different
    functions.
    """

    def __init__(self, resolve: Callable[[Symbol], Expr | None]) -> None:
        self._resolve = resolve
        self._generators: dict[object, int] = {}
        self._divisors: list[Poly] = []
        self._numbers: dict[tuple[tuple[int, Fraction | int], ...], int] = {}
        self._squares: dict[int, Fractions] = {}
        self._memo: dict[Basic, Fractions] = {}
        self.complete = True

    def equal(self, left: Expr, right: Expr) -> bool:
        """Whether two expressions are the same function.  Raises ``NotExact`` if exact arithmetic cannot decide."""
        return not self._numerator(_add(self(left), self._product(self(right), _constant(Fraction(-1)))))

    def _numerator(self, value: Fractions) -> Poly:
        """The numerator over the common denominator, reduced by the relations of roots."""
        numerator = self._combined(value)[0]
        for root, square in self._squares.items():
            if any((m >> (WIDTH * root)) & MASK > 1 for m in numerator):
                reduced: Fractions = {}
                for m, c in numerator.items():
                    squares = ((m >> (WIDTH * root)) & MASK) // 2
                    kept: Fractions = {(): {m - (2 * squares << (WIDTH * root)): c}}
                    reduced = _add(reduced, self._product(kept, self._whole_power(square, squares)))
                return self._numerator(reduced)
        return numerator

    def _combined(self, value: Fractions) -> tuple[Poly, Divisor]:
        """A value as one fraction: the numerator and the common denominator."""
        highest: dict[int, int] = {}
        for divisor in value:
            for number, exponent in divisor:
                highest[number] = max(highest.get(number, 0), exponent)
        total: Poly = {}
        for divisor, numerator in value.items():
            have = dict(divisor)
            lacking = [(number, exponent - have.get(number, 0)) for number, exponent in highest.items()]
            total = _plus(total, self._multiplied(numerator, lacking))
        return total, tuple(sorted(highest.items()))

    def _multiplied(self, poly: Poly, powers: Iterable[tuple[int, int]]) -> Poly:
        """A polynomial times powers of divisors."""
        for number, exponent in powers:
            for _ in range(exponent):
                poly = self._times(poly, self._divisors[number])
        return poly

    def __call__(self, expr: Basic) -> Fractions:
        """The exact value of a scalar expression."""
        if expr not in self._memo:
            self._memo[expr] = self._value(expr)
        return self._memo[expr]

    def _value(self, expr: Basic) -> Fractions:
        if isinstance(expr, Rational):
            return _constant(Fraction(int(expr.p), int(expr.q)))
        if isinstance(expr, Number):
            raise NotExact(f"{expr} is not rational")
        if isinstance(expr, Symbol):
            meaning = self._resolve(expr)
            return self._generator(expr) if meaning is None else self(meaning)
        if isinstance(expr, Add):
            result: Fractions = {}
            for arg in expr.args:
                result = _add(result, self(arg))
            return result
        if isinstance(expr, Mul):
            return reduce(self._product, map(self, expr.args))
        if isinstance(expr, exp):
            return self._exponential(expr.args[0])
        if isinstance(expr, Pow):
            return self._power(*expr.args)
        if type(expr) in EXPANSIONS:
            return self(EXPANSIONS[type(expr)](*expr.args))
        if isinstance(expr, selected) and expr.args[0] == len(expr.args) - 2:  # the shares add up to 1
            return self(1 - Add(*(selected(generator, *expr.args[1:]) for generator in range(len(expr.args) - 2))))
        if isinstance(expr, Function) and not isinstance(expr, log):
            self.complete = False  # functions may satisfy relations that are unknown here
            arguments = [self._combined(self(arg)) for arg in expr.args]
            return self._generator((expr.func, *((tuple(sorted(poly.items())), below) for poly, below in arguments)))
        raise NotExact(f"no exact value for {type(expr).__name__}: {expr}")

    def _generator(self, key: object) -> Fractions:
        generator = self._generators.setdefault(key, len(self._generators))
        if generator >= MOST_GENERATORS:
            raise NotExact("too many generators")
        return {(): {1 << (WIDTH * generator): 1}}

    def _exponential(self, argument: Basic) -> Fractions:
        """A product of powers of exponentials of monomials, or of monomials over a divisor."""
        result = ONE
        for divisor, numerator in self(argument).items():
            if any(len(self._divisors[number]) > 1 for number, _ in divisor):
                self.complete = False  # monomials over such divisors need not be linearly independent
            for monomial, coefficient in numerator.items():
                # exp(M/2) and exp(M) are not independent; both are powers of exp(M/60), as for all usual fractions.
                parts = 1 if _is_whole(coefficient) else 60
                if not _is_whole(coefficient * parts):
                    raise NotExact(f"the exponential of {argument} has too odd a fraction")
                self.complete = self.complete and parts == 1
                factor = self._generator(("exp", parts, divisor, monomial))
                result = self._product(result, self._whole_power(factor, int(coefficient * parts)))
        return result

    def _power(self, base: Basic, exponent: Basic) -> Fractions:
        if not isinstance(exponent, Rational) or exponent.q > 2:
            raise NotExact(f"no exact value for the power {exponent}")
        if exponent.q == 1:
            return self._whole_power(self(base), int(exponent))
        self.complete = False  # roots of different radicands need not be independent
        radicand, divisor = self._combined(self(base))
        key = ("root", tuple(sorted(radicand.items())), divisor)
        root = self._generator(key)
        self._squares[self._generators[key]] = self(base)
        return self._whole_power(root, int(exponent.p))

    def _whole_power(self, value: Fractions, exponent: int) -> Fractions:
        if abs(exponent) > MOST_EXPONENT:
            raise NotExact(f"the power {exponent} is too high")
        if exponent < 0:
            value, exponent = self._inverse(value), -exponent
        result = ONE
        for _ in range(exponent):
            result = self._product(result, value)
        return result

    def _inverse(self, value: Fractions) -> Fractions:
        numerator, divisor = self._combined(value)
        if not numerator:
            raise NotExact("a division by zero")
        upper = self._multiplied({0: 1}, divisor)
        content, factors = _content(numerator, len(self._generators))
        lower = [(self._divisor({1 << (WIDTH * generator): 1}), exponent) for generator, exponent in factors.items()]
        monomial = sum(exponent << (WIDTH * generator) for generator, exponent in factors.items())
        primitive = {m - monomial: _simple(c / content) for m, c in numerator.items()}
        if primitive != {0: 1}:
            lower.append((self._divisor(primitive), 1))
        return {tuple(sorted(lower)): {m: _simple(c / content) for m, c in upper.items()}}

    def _divisor(self, poly: Poly) -> int:
        key = tuple(sorted(poly.items()))
        if key not in self._numbers:
            self._numbers[key] = len(self._divisors)
            self._divisors.append(poly)
        return self._numbers[key]

    def _product(self, left: Fractions, right: Fractions) -> Fractions:
        spend(len(left) * len(right))
        result: Fractions = {}
        for d, n in left.items():
            for e, m in right.items():
                exponents = Counter(dict(d)) + Counter(dict(e))
                result = _add(result, {tuple(sorted(exponents.items())): self._times(n, m)})
        return result

    def _times(self, left: Poly, right: Poly) -> Poly:
        products = len(left) * len(right)
        if products > MOST_TERMS:
            raise NotExact("an exact product is too large")
        spend(products)
        result: Poly = {}
        for m, c in left.items():
            for n, d in right.items():
                result[m + n] = result.get(m + n, 0) + c * d
        if any(m & OVERFLOW for m in result):
            raise NotExact("an exponent is too high")
        return {m: c for m, c in result.items() if c}


ONE: Fractions = {(): {0: 1}}


def _constant(value: Fraction) -> Fractions:
    return {(): {0: _simple(value)}} if value else {}


def _simple(value: Fraction) -> Fraction | int:
    return value.numerator if value.denominator == 1 else value


def _is_whole(value: Fraction | int) -> bool:
    return isinstance(value, int) or value.denominator == 1


def _plus(left: Poly, right: Poly) -> Poly:
    spend((len(left) + len(right)) // 8)
    result = dict(left)
    for m, c in right.items():
        total = result.get(m, 0) + c
        if total:
            result[m] = total
        else:
            del result[m]
    return result


def _add(left: Fractions, right: Fractions) -> Fractions:
    result = dict(left)
    for divisor, numerator in right.items():
        total = _plus(result.get(divisor, {}), numerator)
        if total:
            result[divisor] = total
        else:
            del result[divisor]
    return result


def _content(poly: Poly, generators: int) -> tuple[Fraction, dict[int, int]]:
    """The rational content of a polynomial, with the sign of its first term, and the exponents of its monomial."""
    content = rational_content(poly.values())
    if poly[min(poly)] < 0:
        content = -content
    lowest = {generator: min((m >> (WIDTH * generator)) & MASK for m in poly) for generator in range(generators)}
    return content, {generator: exponent for generator, exponent in lowest.items() if exponent}


class ExactLines:
    """Decides lines of one record at a shape under assumptions, none of them about one-hot rows."""

    def __init__(self, record: Record, instance: Instance, assumed: tuple[Assumption, ...]) -> None:
        self._record = record
        self._instance = instance
        self._field = ExactField(self._resolve)
        self._nodes = adjoint_names(record)
        known = constraints(assumed, record.program)
        self._fixing = {name: c.assumption for name, c in known.items() if isinstance(c, Projection)}

    def holds(self, claim: Claim) -> bool:
        """Whether both sides are exactly equal at every entry; False also if exact arithmetic cannot decide."""
        positions = (dict(zip(claim.letters, at, strict=True)) for at in self._instance.positions(claim.letters))
        try:
            return all(
                self._field.equal(self._meaning(claim.subject, at), self._instance.entry(claim.after, at))
                for at in positions
            )
        except (NotExact, NoNormalForm, OverBudget):
            return False

    def _meaning(self, subject: IndexSubject, at: Mapping[Idx, int]) -> Expr:
        if isinstance(subject, Value):
            return self._instance.entry(subject.expr, at)
        if isinstance(subject, Partial):
            return self._instance.partial(subject, at)
        return self._adjoint(name_of(subject.wrt), tuple(at[i] for i in indices_of(subject.wrt)))

    def _adjoint(self, name: str, position: Position) -> Expr:
        """The chain rule for one entry, in the adjoints of the nodes that use it."""
        program = self._record.program
        wrt = self._instance.symbol(name, position)
        terms = []
        for definition in consumers(program, name):
            outer = adjoint_array(self._record, definition.name).name
            for at, derivative in self._instance.node_derivatives(definition, wrt):
                weight = 1 if definition.name == program.output else self._instance.symbol(outer, at)
                terms.append(weight * derivative)
        return Add(*terms)

    def _resolve(self, symbol: Symbol) -> Expr | None:
        """The expression for a symbol: a definition, an adjoint by the chain rule, or a value by an assumption."""
        name, position = self._instance.scalars[symbol]
        if name in self._record.program.definitions:
            return self._instance.definition(self._record.program.definitions[name], position)
        if name in self._nodes:
            return self._adjoint(self._nodes[name], position)
        return self._instance.fixed_by(self._fixing[name], symbol) if name in self._fixing else None
