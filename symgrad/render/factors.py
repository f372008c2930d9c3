"""A product as a number, sizes of axes, and factors above and below the fraction bar; and the node that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import gcd, lcm, prod

from sympy import Expr, Integer, Number, OneMatrix, Rational, S
from sympy.tensor.indexed import Idx

from symgrad.names import scientific
from symgrad.render import tree
from symgrad.render.sort_keys import BRACKET, DELTA, FUNCTION, OPERATOR, SCALAR, Keys, is_constant, is_unit, leaves
from symgrad.render.symbols import leaf_name

LONGEST_ABOVE = 2
"""A bracket with more terms is not put above a fraction bar, so that a line can break in it."""


@dataclass(frozen=True)
class Factors:
    """``number`` times powers of constants (sizes of axes, roots of numbers), times ``above``, over ``below``.

    The matrix factor, if any, is the last of the product.
    """

    number: Number = S.One
    constants: Mapping[Expr, Expr] = field(default_factory=dict)
    above: tuple[tree.Node, ...] = ()
    below: tuple[tree.Node, ...] = ()
    matrix: tree.Node | None = None

    def __mul__(self, other: Factors) -> Factors:
        powers = dict(self.constants)
        for base, exponent in other.constants.items():
            powers[base] = powers.get(base, S.Zero) + exponent
        return Factors(
            self.number * other.number,
            {base: exponent for base, exponent in powers.items() if exponent != 0},
            self.above + other.above,
            self.below + other.below,
            self.matrix or other.matrix,
        )

    @property
    def content(self) -> Factors:
        """The number and the constants alone."""
        return Factors(self.number, self.constants)

    @property
    def without_content(self) -> Factors:
        """Everything but the number and the constants."""
        return replace(self, number=S.One, constants={})

    def divided(self, content: Factors) -> Factors:
        """The product divided by numbers and constants."""
        inverse = {base: -exponent for base, exponent in content.constants.items()}
        return self * Factors(S.One / content.number, inverse)


def common_content(terms: Sequence[Factors], *, spread: bool) -> Factors:
    """The number and the constants that every term has above the fraction bar, or below it, without a sign.

    With ``spread``, a size below the bar in more than half of the terms is common too, unless it divides a sum over its
    axis, which is a mean; and so are divisors that more than half have.
    """
    numbers = [t.number for t in terms]
    number: Number = S.One
    if all(isinstance(n, Rational) and n != 0 for n in numbers):
        above, divisors = gcd(*(abs(int(n.p)) for n in numbers)), [int(n.q) for n in numbers]
        below = lcm(*divisors) if spread and 2 * sum(d > 1 for d in divisors) > len(terms) else gcd(*divisors)
        below = below if not any(map(scientific, numbers)) else 1  # no number that is written with a power of ten
        number = Rational(above, below)
    elif len({abs(n) for n in numbers}) == 1 and numbers[0] != 0:
        number = abs(numbers[0])
    shared = {}
    for base in dict.fromkeys(base for t in terms for base in t.constants):
        exponents = [t.constants.get(base, S.Zero) for t in terms]
        if all(e.is_positive for e in exponents) or all(e.is_negative for e in exponents):
            shared[base] = min(exponents, key=abs)
        elif spread:
            divided = [t for t in terms if t.constants.get(base, S.Zero).is_negative]
            if 2 * len(divided) > len(terms) and not any(_sums_over(t, base) for t in divided):
                shared[base] = max(t.constants[base] for t in divided)
    return Factors(number, shared)


def _sums_over(term: Factors, size: Expr) -> bool:
    """Whether a term contains a sum over an axis, or a matrix of ones that sums over it."""
    nodes = [part for node in (*term.above, *filter(None, [term.matrix])) for part in tree.parts(node)]
    sizes = {i.upper + 1 for part in nodes if isinstance(part, tree.Summed) for i in part.indices}
    ones = (part.expr for part in nodes if isinstance(part, tree.Leaf) and isinstance(part.expr, OneMatrix))
    return size in sizes.union(*(matrix.shape for matrix in ones))


def compose(factors: Factors, keys: Keys) -> tree.Node:
    """The node that shows a product; ``Minus`` if its number is negative."""
    negative = bool(factors.number.is_negative)
    number = abs(factors.number)
    above, below = keys.arranged(factors.above), keys.arranged(factors.below)
    head = [f for f in above if is_constant(f) and keys.kind(f) >= FUNCTION]
    scalars = [f for f in above if keys.kind(f) == SCALAR]
    rest = [f for f in above if f not in head + scalars]
    top, bottom = _content(number, factors.constants, keys)
    top += head
    if below and isinstance(factors.matrix, tree.Leaf) and not (bottom or rest):
        return _signed(tree.Ratio(_product([*top, *scalars, factors.matrix]), _product(below)), negative)
    if below:
        ratio, rest = _ratio(top + scalars, bottom, rest, below, keys)
    elif bottom and not top + scalars and (alone := _under_a_root(rest, factors.matrix, bottom)):
        return _signed(alone, negative)
    elif bottom:
        ratio = [tree.Ratio(_product(top + scalars), _product(bottom))]
    else:
        ratio = top + scalars
    shown = ratio + rest + ([factors.matrix] if factors.matrix else [])
    return _signed(_product(shown), negative)


def _under_a_root(rest: Sequence[tree.Node], matrix: tree.Node | None, bottom: Sequence[tree.Node]) -> tree.Node | None:
    """``x/sqrt(2)``, for one entry or matrix over the root of a number; else None."""
    match [*rest, *([matrix] if matrix else [])], bottom:
        case [[tree.Leaf() as leaf], [tree.Root(body)]] if all(
            isinstance(n, tree.Leaf) and n.expr.is_number for n in leaves(body)
        ):
            return tree.Ratio(leaf, tree.Root(body))
    return None


def _signed(node: tree.Node, negative: bool) -> tree.Node:
    return tree.Minus(node) if negative else node


def _ratio(
    top: list[tree.Node], bottom: list[tree.Node], rest: list[tree.Node], below: list[tree.Node], keys: Keys
) -> tuple[list[tree.Node], list[tree.Node]]:
    """The one or two fractions that begin a product with factors below the bar, and what follows them."""
    inner = [f for f in rest if keys.kind(f) in (*range(FUNCTION + 1), OPERATOR)]
    outer = [f for f in rest if f not in inner]
    if inner and bottom:
        return [tree.Ratio(_product(top), _product(bottom)), tree.Ratio(_product(inner), _product(below))], outer
    if inner:
        return [tree.Ratio(_product(top + inner), _product(below))], outer
    is_long = len(outer) == 1 and isinstance(outer[0], tree.Plus) and len(outer[0].terms) > LONGEST_ABOVE
    if len(outer) == 1 and not bottom and keys.kind(outer[0]) in (DELTA, BRACKET) and not is_long:
        return [tree.Ratio(_product(top + outer), _product(below))], []
    return [tree.Ratio(_product(top), _product(bottom + below))], outer


def _content(number: Expr, constants: Mapping[Expr, Expr], keys: Keys) -> tuple[list[tree.Node], list[tree.Node]]:
    """The number and the constants above and below the bar: roots of numbers as one root, sizes in the order of the
    axes."""
    number, constants = _rooted(number, constants)
    exact = isinstance(number, Rational) and not scientific(number)
    above = Integer(number.p) if exact else number
    top: list[tree.Node] = [tree.Leaf(above)] if float(above) != 1 else []
    bottom: list[tree.Node] = [tree.Leaf(Integer(number.q))] if exact and number.q != 1 else []
    roots = {base: exponent for base, exponent in constants.items() if base.is_number and abs(exponent) == S.Half}
    if roots:
        over, under = (_radicand(base for base, e in roots.items() if e == half) for half in (S.Half, -S.Half))
        root = tree.Root(tree.Ratio(over, under) if over and under else over or under or tree.Leaf(S.One))
        (top if over else bottom).append(root)
    shown = {base: powered(tree.Leaf(base), abs(exponent)) for base, exponent in constants.items() if base not in roots}
    for base in sorted(shown, key=lambda b: keys.leaf(tree.Leaf(b))):
        (top if constants[base].is_positive else bottom).append(shown[base])
    return top, bottom


def _rooted(number: Expr, constants: Mapping[Expr, Expr]) -> tuple[Expr, Mapping[Expr, Expr]]:
    """The same content in its usual form: 1/sqrt(2) for sqrt(2)/2, sqrt(2)/sqrt(3) for sqrt(6)/3."""
    powers = dict(constants)
    for base in [b for b in constants if isinstance(b, Integer)]:
        halved = isinstance(number, Rational) and powers.get(base) == S.Half
        common = gcd(int(base), int(number.q)) if halved else 1
        if common > 1 and common in (base, number.q):
            number *= common
            del powers[base]
            for part, half in ((base / common, S.Half), (Integer(common), -S.Half)):
                exponent = powers.pop(part, S.Zero) + half
                powers |= {part: exponent} if part != 1 and exponent != 0 else {}
    return number, powers


def _radicand(bases: Iterable[Expr]) -> tree.Node | None:
    """The product of some numbers, the integers multiplied; None if there are none."""
    roots = list(bases)
    whole = prod(int(base) for base in roots if isinstance(base, Integer))
    parts = [tree.Leaf(Integer(whole))] if whole != 1 else []
    parts += [tree.Leaf(base) for base in roots if not isinstance(base, Integer)]
    return _product(parts) if parts else None


def _product(factors: Sequence[tree.Node]) -> tree.Node:
    if not factors:
        return tree.Leaf(S.One)
    return factors[0] if len(factors) == 1 else tree.Times(tuple(factors))


def powered(base: tree.Node, exponent: Expr) -> tree.Node:
    """``base`` to a positive numeric power."""
    if exponent == 1:
        return base
    if exponent == S.Half:
        return tree.Root(base)
    if isinstance(exponent, Rational) and exponent.q != 1:
        return tree.Raised(base, tree.Ratio(tree.Leaf(Integer(exponent.p)), tree.Leaf(Integer(exponent.q))))
    return tree.Raised(base, tree.Leaf(exponent))


def bracketed(terms: Sequence[Factors], keys: Keys, *, top: bool = False, as_written: bool = False) -> Factors:
    """A sum of terms as its common content times one bracket.

    The bracket gets the sign that makes its leading term positive, except (1 - delta), which leaves entries out. At the
    top of a line, where no product surrounds the sum, the sign stays, a positive term comes first if there is one, and
    content stays in the terms where taking it out would leave other fractions. With ``as_written``, a bracket with both
    signs keeps them.
    """
    content = common_content(terms, spread=not top)
    if top and any(_has_fraction(t.divided(content)) for t in terms):
        content = Factors()
    rest = [t.divided(content) for t in terms]
    mixed = len({bool(t.number.is_negative) for t in rest}) > 1
    shown = [(compose(replace(t, number=abs(t.number)), keys), bool(t.number.is_negative)) for t in rest]
    if as_written and mixed:  # subtracted terms last, sums first among the others
        shown.sort(key=lambda pair: (pair[1], keys.term(pair[0], not pair[1])))
    else:
        shown.sort(key=lambda pair: keys.term(pair[0], not mixed))
    plain = mixed and (as_written or (top and content.number == 1 and not content.constants))
    delta_signs = [negative for term, negative in shown if isinstance(term, tree.Delta)]
    leaves_out = mixed and len(delta_signs) == len(shown) - 1 == 1 and any(is_constant(term) for term, _ in shown)
    turned = not delta_signs[0] if leaves_out else shown[0][1] and not plain
    if turned:
        content = replace(content, number=-content.number)
    signed = [tree.Minus(term) if negative != turned else term for term, negative in shown]
    if not as_written:
        signed = [_spare(term, keys) if isinstance(term, tree.Minus) else term for term in signed]
    bracket = positive_first(tree.Plus(tuple(signed)))
    matrix = any(t.matrix is not None for t in terms)
    return content * (Factors(matrix=bracket) if matrix else Factors(above=(bracket,)))


def _has_fraction(factors: Factors) -> bool:
    """Whether the content of a term has a part below the fraction bar."""
    number = factors.number
    fraction = isinstance(number, Rational) and number.q != 1 and not scientific(number)
    return fraction or any(e.is_negative for e in factors.constants.values())


def _spare(node: tree.Minus, keys: Keys) -> tree.Node:
    """A subtracted term, or an added one where a bracket of inputs can take the sign."""
    return absorb_sign(node.body, keys, inputs_only=True) or node


def positive_first(plus: tree.Plus) -> tree.Plus:
    """The same sum with its first positive term, if any, in front."""
    first = next((t for t in plus.terms if not isinstance(t, tree.Minus)), plus.terms[0])
    at = plus.terms.index(first)
    return tree.Plus((first, *plus.terms[:at], *plus.terms[at + 1 :]))


def absorb_sign(node: tree.Node, keys: Keys, *, inputs_only: bool, summed: tuple[Idx, ...] = ()) -> tree.Node | None:
    """The negative of ``node``, made by changing the signs in one of its brackets; None if no bracket may change.
    ``summed`` are the indices of the sums around the node."""

    def absorbed(part: tree.Node, summed: tuple[Idx, ...] = summed) -> tree.Node | None:
        return absorb_sign(part, keys, inputs_only=inputs_only, summed=summed)

    def one_of(factors: Sequence[tree.Node]) -> tuple[tree.Node, ...] | None:
        """The factors, the first that can take a minus sign negated; a bracket that occurs twice keeps its sign."""
        for i, factor in enumerate(factors):
            others = (*factors[:i], *factors[i + 1 :])
            if (turned := absorbed(factor)) and not _brackets([factor]) & _brackets(others):
                return (*factors[:i], turned, *factors[i + 1 :])
        return None

    match node:
        case tree.Plus():
            return _turned(node, keys) if keys.is_turnable(node, inputs_only=inputs_only, summed=summed) else None
        case tree.Times(factors) | tree.Chain(factors):
            turned = one_of(factors)
            return type(node)(turned) if turned else None
        case tree.Hadamard(factors, below):
            turned = one_of(factors)
            return tree.Hadamard(turned, below) if turned else None
        case tree.Ratio(above, below):
            numerator = absorbed(above)
            return tree.Ratio(numerator, below) if numerator else None
        case tree.Transposed(body):
            inner = absorbed(body)
            return tree.Transposed(inner) if inner else None
        case tree.Raised(base, power) | tree.HadamardRaised(base, power):
            inner = absorbed(base) if isinstance(power, tree.Leaf) and power.expr.is_odd else None
            return type(node)(inner, power) if inner else None
        case tree.Summed(indices, body):
            summand = absorbed(body, (*summed, *indices))
            return tree.Summed(indices, summand) if summand else None
    return None


def _brackets(nodes: Iterable[tree.Node]) -> set[frozenset[str | None]]:
    """The arrays in each sum of terms among the factors of some nodes."""
    found, waiting = set[frozenset[str | None]](), [*nodes]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tree.Plus):
            found.add(frozenset(leaf_name(leaf.expr) for leaf in leaves(node) if isinstance(leaf, tree.Leaf)) - {None})
        elif isinstance(node, (tree.Times, tree.Chain, tree.Hadamard)):
            waiting += node.factors
        elif isinstance(node, (tree.Transposed, tree.Summed)):
            waiting.append(node.body)
    return found - {frozenset()}


def _turned(plus: tree.Plus, keys: Keys) -> tree.Plus:
    """The negative of a sum; a delta that came first comes last, after the other terms in the order of a sum."""
    terms = [t.body if isinstance(t, tree.Minus) else tree.Minus(t) for t in plus.terms]
    if any(map(is_unit, plus.terms)):
        return tree.Plus(tuple(sorted(terms, key=lambda t: (isinstance(t, tree.Minus), keys.term(t, True)))))
    return positive_first(tree.Plus(tuple(terms)))
