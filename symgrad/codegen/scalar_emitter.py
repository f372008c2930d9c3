"""Array programs at given sizes as plain Python: every entry a local float, every sum written out.

For problems of a handful of entries this is several times faster than any call of an array library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import sympy
from sympy import Integer, Mul, Rational
from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import (
    Call,
    Contract,
    Delta,
    Diagonal,
    Largest,
    Layout,
    Load,
    Negative,
    Node,
    Power,
    Product,
    Reduce,
    Terms,
    meaning,
    numbered,
)
from symgrad.codegen.build import parted, reading_order
from symgrad.codegen.kernels import expm1, log1p, logaddexp, sigmoid, weighted
from symgrad.codegen.names import free, python_name
from symgrad.codegen.source_text import INDENT, WIDTH, Source, Strength, joined, named_in, quotient, written
from symgrad.errors import UnsupportedError
from symgrad.functions import MEANINGS, absolute, selection
from symgrad.notation import axis_name, replaced

# Calls, with {} for each argument.
FUNCTIONS: dict[type[sympy.Function], str] = {
    **{function: meaning.python for function, meaning in MEANINGS.items()},
    sympy.Abs: MEANINGS[absolute].python,
    sympy.exp: "_exp({})",
    sympy.log: "_log({})",
    expm1: "_expm1({})",
    log1p: "_log1p({})",
    logaddexp: "_logaddexp({}, {})",
    sigmoid: "_sigmoid({})",
}
ZERO, ONE = Source("0"), Source("1")
Place = Mapping[Idx, int]


class ScalarEmitter:
    """Emits nodes entry by entry at ``sizes``; ``lines`` are those written so far, without indentation.

    ``names`` gives the Python names of arrays; others get names of their own.
    """

    def __init__(self, names: Mapping[str, str], sizes: Mapping[str, int]) -> None:
        self.names = names
        self.sizes = sizes
        self.lines: list[Source] = []
        self._known: dict[tuple[Node, tuple[int, ...]], Source] = {}
        self._taken = set(names.values())
        self._entries: dict[tuple[str, tuple[int, ...]], Source] = {}

    def entry(self, name: str, place: tuple[int, ...]) -> Source:
        """The local name of an entry: z_12, or z_1_12 where an axis may have ten entries or more."""
        if (name, place) not in self._entries:
            own = self.names.get(name) or python_name(name)
            if place:
                between = "_" if max(self.sizes.values()) > 9 else ""
                own = f"{own}_{between.join(str(i + 1) for i in place)}"
            self._entries[name, place] = Source(own if own == self.names.get(name) else self.fresh(own))
        return self._entries[name, place]

    def fresh(self, name: str) -> str:
        """``name``, or one like it that is none of the others."""
        return free(name, self._taken)

    def places(self, indices: Sequence[Idx]) -> Iterable[dict[Idx, int]]:
        """All places of some indices."""
        every = product(*(range(self.sizes[axis_name(i)]) for i in indices))
        return (dict(zip(indices, place, strict=True)) for place in every)

    def assign(self, name: str, letters: Sequence[Idx], node: Node, *, is_small: bool = False) -> None:
        """A line for each entry; an entry that equals another is another name for it.

        ``is_small`` says of an exponential that it cannot overflow.
        """
        for at in self.places(letters):
            entry = self.entry(name, tuple(at[i] for i in letters))
            if isinstance(node, Reduce) and node.largest:
                self._write_largest(entry, [self._argument(node.of, {**at, **more}) for more in self.places(node.over)])
                continue
            if is_small and isinstance(node, Call):
                terms = [(False, written("math.exp({})", self._argument(node.given[0], at), needs=["math"]))]
            else:
                terms = self._terms(node, at)
            negative, only = terms[0]
            if len(terms) == 1 and not negative and only.strength == Strength.NAME and only.code.isidentifier():
                self._entries[name, tuple(at[i] for i in letters)] = only
            else:
                self.write(entry.code, terms)

    def gap(self, node: Node, at: Place, name: str) -> None:
        """A line for a number that is to be 0."""
        self.write(name, self._terms(node, at))

    def write(self, name: str, terms: Sequence[tuple[bool, Source]]) -> None:
        """``name = terms``, a sum, on as many lines as it takes."""
        line = ""
        for negative, term in terms:
            alone = (term.negated if negative else term).code
            longer = f"{line} {'-' if negative else '+'} {term.code}" if line else f"{name} = {alone}"
            if line and len(INDENT + longer) > WIDTH:
                self.lines.append(Source(line))
                longer = f"{name} += {alone}"
            line = longer
        needs = frozenset[str]().union(*(term.needs for _, term in terms))
        self.lines.append(Source(line, needs=needs))

    def _write_largest(self, name: Source, values: Sequence[Source]) -> None:
        """``name = max(values)``, on as many lines as it takes."""
        given = list(values)
        while len(given) > 1:
            count = next(c for c in range(len(given), 1, -1) if c == 2 or _largest_fits(name.code, given[:c]))
            self.lines.append(written(f"{name.code} = max({{}})", joined(", ", given[:count], Strength.SUM)))
            given = [name, *given[count:]] if given[count:] else []
        if given:
            self.lines.append(written(f"{name.code} = {{}}", given[0]))

    # --- one entry -------------------------------------------------------------------------------------------------

    def _terms(self, node: Node, at: Place) -> list[tuple[bool, Source]]:
        """The terms of which an entry is the sum, each with whether it is subtracted."""
        found = [(negative, term) for negative, term in self._every_term(node, at) if term != ZERO]
        return found or [(False, Source("0.0"))]

    def _every_term(self, node: Node, at: Place) -> list[tuple[bool, Source]]:
        match node:
            case Negative(_, of):
                return [(not negative, term) for negative, term in self._every_term(of, at)]
            case Terms(letters, terms):
                return [each for term in terms for each in self._shared_or_written_out(term, letters, at)]
            case Reduce(_, of, over):
                return [each for more in self.places(over) for each in self._every_term(of, {**at, **more})]
            case Contract(_, factors, over):
                ordered = sorted(factors, key=reading_order)
                return [(False, self._factors(ordered, (), {**at, **more})) for more in self.places(over)]
            case _:
                return [(False, self._code(node, at))]

    def _shared_or_written_out(self, term: Node, letters: Layout, at: Place) -> list[tuple[bool, Source]]:
        """A term of a sum over ``letters``: a sum that several of its entries have in common gets a name."""
        negative, inside = parted(term)
        if isinstance(inside, (Reduce, Contract)) and set(inside.letters) < set(letters):
            return [(negative, self._part(inside, at))]
        return self._every_term(term, at)

    def _part(self, node: Node, at: Place) -> Source:
        """A name for a part that several entries may share."""
        pattern, letters = numbered(node)
        key = pattern, tuple(at[i] for i in letters if i in node.letters)
        if key not in self._known:
            terms = [(False, self._call(node, at))] if isinstance(node, (Call, Largest)) else self._terms(node, at)
            name = self.fresh(f"part_{len(self._known) + 1}")
            self._known[key] = Source(name)
            self.write(name, terms)
        return self._known[key]

    def _code(self, node: Node, at: Place) -> Source:
        """One term; sums and calls in it have names."""
        match node:
            case Load(_, name, indices):
                return self.entry(name, tuple(at[i] for i in indices))
            case Delta((row, column)):
                return ONE if at[row] == at[column] else ZERO
            case Diagonal(_, of, places):
                return self._code(of, {own: at[i] for own, i in zip(of.letters, places, strict=True)})
            case Call(_, function, given) if function is weighted:
                weight, logarithm = (self._operand(arg, at) for arg in given)
                if not weight.code.isidentifier():
                    weight = self._part(given[0], at)
                return written("({} * {} if {} else 0.0)", weight, logarithm, weight, strength=Strength.NAME)
            case Product(_, above, below):
                return self._factors(above, below, at)
            case Power(_, base, exponent):
                return self._power(base, exponent, at)
            case _:
                return self._number(self._value(node)) if node.is_plain else self._part(node, at)

    def _operand(self, node: Node, at: Place) -> Source:
        """An entry as one factor."""
        if isinstance(node, Negative):
            node = node if node.is_plain else Terms(node.letters, (node,))
        return self._code(node, at)

    def _value(self, node: Node) -> sympy.Expr:
        """A number made of sizes, as they are here."""
        value = meaning(node)
        return replaced(value, {s: Integer(self.sizes[s.name]) for s in value.free_symbols})

    def _number(self, value: sympy.Expr) -> Source:
        if value.is_negative:
            return self._number(-value).negated
        return Source(str(value) if value.is_Integer else repr(float(value)))

    def _factors(self, above: Sequence[Node], below: Sequence[Node], at: Place) -> Source:
        number = Mul(*(self._value(f) for f in above if f.is_plain), *(1 / self._value(f) for f in below if f.is_plain))
        over = [self._operand(f, at) for f in above if not f.is_plain]
        under = [self._operand(f, at) for f in below if not f.is_plain]
        if ZERO in over or number == 0:
            return ZERO
        over = [f for f in over if f != ONE]
        negative, number = bool(number < 0), abs(number)
        if number != 1 and (1 / number).is_Integer:
            under.append(self._number(1 / number))
        elif number != 1:
            over.insert(0, self._number(number))
        made = quotient(over, under)
        return made.negated if negative else made

    def _power(self, base: Node, exponent: Node, at: Place) -> Source:
        below = self._operand(base, at)
        if exponent.is_plain and (value := self._value(exponent)) in (Rational(1, 2), 2):
            if value == 2:
                return joined(" * ", [below.within(Strength.SIGN)] * 2, Strength.PRODUCT)
            return written("math.sqrt({})", below, needs=["math"])
        above = self._operand(exponent, at)
        operator = "**" if below.strength == above.strength == Strength.NAME else " ** "
        made = joined(operator, [p.within(Strength.CALL) for p in (below, above)], Strength.POWER)
        return replace(made, power=len(made))

    def _call(self, node: Call | Largest, at: Place) -> Source:
        if isinstance(node, Largest):
            values = [self._argument(node.of, {**at, node.index: place}) for place in range(self._size(node.index))]
            given, template = [Source(str(at[node.index])), joined(", ", values, Strength.SUM)], FUNCTIONS[selection]
        elif node.function in FUNCTIONS:
            given, template = [self._argument(arg, at) for arg in node.given], FUNCTIONS[node.function]
        else:
            raise UnsupportedError(f"no Python function of a number is known for {node.function.__name__}")
        return written(template, *given, needs=named_in(template))

    def _size(self, index: Idx) -> int:
        return self.sizes[axis_name(index)]

    def _argument(self, node: Node, at: Place) -> Source:
        """An entry as an argument: a sum without brackets."""
        (negative, first), *rest = self._terms(node, at)
        made = [first.negated if negative else first]
        for negative, term in rest:
            made += [Source("-" if negative else "+"), term]
        return joined(" ", made, Strength.SUM if rest else made[0].strength)


def _largest_fits(name: str, values: Sequence[Source]) -> bool:
    return len(f"{INDENT}{name} = max({', '.join(value.code for value in values)})") <= WIDTH
