"""Pieces of NumPy source that know over which indices their axes run, and how they fit together.

The text is written as ``ruff format`` would write it, so that generated modules need no formatter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from sympy.tensor.indexed import Idx

from symgrad.notation import axis_name

Layout = tuple[Idx, ...]


class Strength(IntEnum):
    """How tightly the outermost operator of a piece binds."""

    SUM = 1
    PRODUCT = 2
    SIGN = 3
    POWER = 4
    CALL = 5
    NAME = 6


@dataclass(frozen=True)
class Value:
    """An expression in source: ``code`` (minus it, if ``negative``), whose axes run over ``indices``.

    ``is_plain`` marks a Python number made of sizes alone; ``rank`` is that of the latest array in it.
    ``kept`` is the same value with axes of size one at the places of ``kept_over`` that are not among
    ``indices``, and ``turned`` its transpose, where there is a better way to write these than to index and to
    append ``.T``.
    """

    code: str
    strength: Strength
    indices: Layout = ()
    negative: bool = False
    is_plain: bool = False
    rank: int = -1
    kept: str = ""
    kept_over: Layout = ()
    turned: str = ""

    @property
    def transpose(self) -> Value:
        """The transpose of a value with two axes."""
        row, column = self.indices
        if self.turned:
            return replace(self, code=self.turned, turned=self.code, indices=(column, row), kept="")
        is_turned = self.code.endswith(".T") and self.strength >= Strength.CALL  # all of it, not its last factor alone
        code = self.code[:-2] if is_turned else f"{self.within(Strength.CALL)}.T"
        strength = Strength.NAME if code.removesuffix(".T").isidentifier() else Strength.CALL
        return replace(self, code=code, strength=strength, indices=(column, row), kept="")

    def within(self, strength: Strength) -> str:
        """The code, in brackets unless it binds at least as tightly as ``strength``."""
        return self.code if self.strength >= strength else f"({self.code})"

    @property
    def signed(self) -> str:
        """The code with its sign."""
        return negated(self.within(Strength.PRODUCT)) if self.negative else self.code

    def absolute(self) -> Value:
        """The value without its sign."""
        return replace(self, negative=False)

    def settled(self) -> Value:
        """The same value with its sign in the code."""
        if not self.negative:
            return self
        return replace(self, code=self.signed, strength=Strength.PRODUCT, negative=False, kept="", turned="")

    def with_letters(self, names: Mapping[Idx, Idx]) -> Value:
        """The same value over other indices."""
        return replace(
            self,
            indices=tuple(names.get(i, i) for i in self.indices),
            kept_over=tuple(names.get(i, i) for i in self.kept_over),
        )

    def over(self, layout: Layout) -> Value:
        """The value spread by broadcasting over ``layout``, which has all of its indices."""
        if not self.indices:
            return self
        order = tuple(i for i in layout if i in self.indices)
        value = self if self.indices == order else self._ordered(order)
        if order == layout[len(layout) - len(order) :]:
            return value
        if value.kept and len(value.kept_over) == len(layout):
            pairs = zip(value.kept_over, layout, strict=True)
            if all(own == place or own not in order for own, place in pairs):
                return replace(value, code=value.kept, indices=layout)
        start = layout.index(order[0])
        places = ", ".join(":" if i in order else "None" for i in layout[start:])
        code = f"{value.within(Strength.CALL)}[{places}]"
        return replace(value, code=code, strength=Strength.CALL, indices=layout)

    def _ordered(self, order: Layout) -> Value:
        if len(order) == 2:
            return self.transpose
        places = ", ".join(str(self.indices.index(i)) for i in order)
        code = f"np.transpose({self.code}, ({places}))"
        return replace(self, code=code, strength=Strength.CALL, indices=order)


def negated(code: str) -> str:
    """Minus a product in source; a power that it begins with stands in brackets, as formatters have it."""
    depth, spaces = 0, 0
    for place, character in enumerate(code):
        depth += (character in "([") - (character in ")]")
        if depth == 0 and code[place : place + 4] == " ** ":
            spaces = 2  # those of the operator belong to the power
        if depth == 0 and character == " ":
            if spaces == 0:
                return f"-({code[:place]}){code[place:]}" if "**" in _outside(code[:place]) else f"-{code}"
            spaces -= 1
    return f"-({code})" if "**" in _outside(code) else f"-{code}"


def _outside(code: str) -> str:
    """What stands outside of all brackets."""
    depth, found = 0, ""
    for character in code:
        depth += character in "(["
        found += character if depth == 0 else ""
        depth -= character in ")]"
    return found


def number(code: str) -> Value:
    """A literal or the name of a size."""
    return Value(code, Strength.NAME, is_plain=True)


def common_layout(values: Iterable[Value], order: Sequence[Idx] = ()) -> Layout:
    """The layout in which values are combined entry by entry: that of the widest, the rest in ``order``."""
    values = list(values)
    widest = max(values, key=lambda v: len(v.indices), default=number("1")).indices
    every = {i for v in values for i in v.indices}
    if every == set(widest):
        return widest
    places = {i: place for place, i in enumerate(order)}
    return tuple(sorted(every, key=lambda i: (places.get(i, len(places)), str(i))))


def call(function: str, args: Sequence[Value], order: Sequence[Idx] = ()) -> Value:
    """A function applied entry by entry: its call, with {} for each argument."""
    layout = common_layout(args, order)
    code = function.format(*(a.settled().over(layout).code for a in args))
    return Value(
        code,
        Strength.CALL,
        layout,
        is_plain=all(a.is_plain for a in args),
        rank=max(a.rank for a in args),
    )


def power(base: Value, exponent: Value) -> Value:
    """``base**exponent`` entry by entry; operands that are not simple are spaced as formatters do."""
    layout = common_layout([base, exponent])
    left, right = base.settled().over(layout), exponent.settled().over(layout)
    below, above = left.within(Strength.CALL), right.within(Strength.CALL)
    is_simple = left.strength == Strength.NAME and right.strength == Strength.NAME
    return Value(
        f"{below}**{above}" if is_simple else f"{below} ** {above}",
        Strength.POWER,
        layout,
        is_plain=base.is_plain and exponent.is_plain,
        rank=max(base.rank, exponent.rank),
    )


def total(value: Value, summed: Iterable[Idx], ufunc: str = "add") -> Value:
    """``value`` reduced over its axes ``summed`` by ``np.add`` (or ``np.maximum``)."""
    if ufunc != "add":
        value = value.settled()
    gone = set(summed)
    axes = [str(place) for place, i in enumerate(value.indices) if i in gone]
    left = tuple(i for i in value.indices if i not in gone)
    inside = [value.code]
    if not left:
        inside += ["axis=None"] if len(axes) > 1 else []
    elif axes != ["0"]:
        inside.append(f"axis={axes[0]}" if len(axes) == 1 else f"axis=({', '.join(axes)})")
    return Value(
        f"np.{ufunc}.reduce({', '.join(inside)})",
        Strength.CALL,
        left,
        value.negative,
        rank=value.rank,
        kept=f"np.{ufunc}.reduce({', '.join([*inside, 'keepdims=True'])})",
        kept_over=value.indices,
    )


def matmul(left: Value, right: Value, index: Idx, rows: str = "") -> Value:
    """The matrix product that sums over ``index``, which both have; their other indices differ.

    ``rows`` names the axis of which there is a block at hand, if any: products over it, or with it as a
    result, are left to functions of their own.
    """
    if len(left.indices) == 1 and len(right.indices) == 2 and right.indices[1] == index:
        left, right = right, left
    if len(left.indices) == 2 and left.indices[1] != index:
        left = left.transpose
    if len(right.indices) == 2 and right.indices[0] != index:
        right = right.transpose
    code, strength = _times(left, right, index, rows)
    indices = tuple(i for v in (left, right) for i in v.indices if i != index)
    turned = _times(right.transpose, left.transpose, index, rows)[0] if len(indices) == 2 else ""
    return Value(
        code,
        strength,
        indices,
        left.negative != right.negative,
        rank=max(left.rank, right.rank),
        turned=turned,
    )


def _times(left: Value, right: Value, index: Idx, rows: str) -> tuple[str, Strength]:
    if rows and len(left.indices) == len(right.indices) == 2:
        row, column = left.indices[0], right.indices[1]
        if axis_name(index) == rows:
            if left.code.endswith(".T") and right.code.endswith(".T"):  # the same product, from operands as they lie
                turned = right.transpose, left.transpose
                return f"{turned[0].within(Strength.CALL)}.dot({turned[1].code}).T", Strength.CALL
            return f"{left.within(Strength.CALL)}.dot({right.code})", Strength.CALL
        if axis_name(column) == rows:
            return f"_columns({left.code}, {right.code})", Strength.CALL
        if axis_name(row) == rows:
            return f"_columns({right.transpose.code}, {left.transpose.code}).T", Strength.CALL
    is_chain = "@" in left.code and "*" not in left.code and "/" not in left.code
    first = left.code if is_chain and left.strength == Strength.PRODUCT else left.within(Strength.POWER)
    return f"{first} @ {right.within(Strength.POWER)}", Strength.PRODUCT


def _squared(values: Sequence[Value]) -> list[Value]:
    """The values, those that are written alike as a power, so that they are computed once."""
    alike: dict[tuple[str, Layout, bool], int] = {}
    found: list[Value] = []
    for value in values:
        key = value.code, value.indices, value.negative
        if key not in alike:
            found.append(value)
        alike[key] = alike.get(key, 0) + 1
    times = [alike[v.code, v.indices, v.negative] for v in found]
    return [
        v if count == 1 else replace(power(v.absolute(), number(str(count))), negative=v.negative and count % 2 == 1)
        for v, count in zip(found, times, strict=True)
    ]


def elementwise(above: Sequence[Value], below: Sequence[Value], order: Sequence[Idx] = ()) -> Value:
    """The product of ``above`` divided by the product of ``below``, entry by entry."""
    above, below = _squared(above), _squared(below)
    layout = common_layout([*above, *below], order)
    negative = sum(v.negative for v in (*above, *below)) % 2 == 1
    upper = [v.over(layout) for v in above]
    lower = [v.over(layout) for v in below]
    if len(upper) == 1 and not lower:
        return replace(upper[0], negative=negative)
    strengths = [Strength.PRODUCT] + [Strength.SIGN] * (len(upper) - 1)
    code = " * ".join(v.within(s) for v, s in zip(upper, strengths, strict=False)) or "1"
    if len(lower) == 1:
        code += f" / {lower[0].within(Strength.SIGN)}"
    elif lower:
        strengths = [Strength.PRODUCT] + [Strength.SIGN] * (len(lower) - 1)
        code += f" / ({' * '.join(v.within(s) for v, s in zip(lower, strengths, strict=True))})"
    if not upper and not lower:
        return number("1")
    return Value(
        code,
        Strength.PRODUCT,
        layout,
        negative,
        is_plain=all(v.is_plain for v in (*above, *below)),
        rank=max(v.rank for v in (*above, *below)),
    )


def added(terms: Sequence[Value], order: Sequence[Idx] = ()) -> Value:
    """The sum of ``terms`` entry by entry: positive ones first, of these numbers, then the widest."""
    layout = common_layout(terms, order)
    ordered = sorted(terms, key=lambda t: (t.negative, not t.is_plain, -len(t.indices), -t.rank, t.code))
    negative = ordered[0].negative
    code = ordered[0].over(layout).within(Strength.SUM if not negative else Strength.PRODUCT)
    for term in ordered[1:]:
        code += f" {'-' if term.negative else '+'} {term.over(layout).within(Strength.PRODUCT)}"
    if negative:
        code = negated(code)
    return Value(
        code,
        Strength.SUM,
        layout,
        is_plain=all(t.is_plain for t in terms),
        rank=max(t.rank for t in terms),
    )


def reading_order(value: Value) -> tuple[bool, bool, bool, int]:
    """A key that sorts factors: scalars, arrays as they were defined, brackets, sums."""
    return bool(value.indices), value.strength < Strength.NAME, "add.reduce(" in value.code, value.rank
