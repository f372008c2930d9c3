"""Nests of loops: each assignment entry by entry, the rows of a block innermost.

An array of a block has its rows last, so that one instruction does the same to several of them; sums over rows have a
place for each row of a block, and are added up at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sympy
from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import (
    HALF,
    Assign,
    Call,
    Contract,
    Delta,
    Largest,
    Layout,
    Load,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Reduce,
    Terms,
    walk,
)
from symgrad.codegen.build import parted
from symgrad.codegen.hoist import hoisted
from symgrad.codegen.kernels import expm1, log1p, logaddexp, sigmoid, weighted
from symgrad.codegen.names import free, part_name
from symgrad.codegen.nests import Nest
from symgrad.codegen.numpy_emitter import plain
from symgrad.codegen.source_text import Source, Strength, indented, joined, named_in, quotient, written
from symgrad.errors import UnsupportedError
from symgrad.functions import MEANINGS, absolute, clip, maximum, minimum, relu, where
from symgrad.notation import Axis, axis_name

# Calls, with {} for each argument.
FUNCTIONS: dict[type[sympy.Function], str] = {
    **{function: meaning.python for function, meaning in MEANINGS.items()},
    sympy.Abs: MEANINGS[absolute].python,
    sympy.exp: "_exp({})",
    relu: "_larger({}, 0.0)",
    maximum: "_larger({}, {})",
    minimum: "_smaller({}, {})",
    clip: "_smaller(_larger({}, {}), {})",
    where: "({1} if {0} else {2})",
    expm1: "math.expm1({})",
    log1p: "math.log1p({})",
    logaddexp: "_logaddexp({}, {})",
    sigmoid: "_sigmoid({})",
    weighted: "_weighted({}, {})",
}

_TURNED = frozenset(["_turned_back"])


@dataclass
class LoopEmitter:
    """Emits nests over arrays with the Python ``names``, with letters like those of ``axes`` that are not ``taken``.

    ``rows`` names the axis of which there is a block at hand, if any, ``stacked`` the inputs with an entry for each
    row, ``data`` those whose rows are read as they lie; what is read entry by entry is turned ahead, and named in
    ``turned``.  ``local`` names what the lines hold besides the arrays; ``columns`` the factors of products that are
    read column by column.
    """

    names: dict[str, str]
    axes: Mapping[str, Axis]
    taken: set[str]
    inputs: Collection[str]
    local: Mapping[str, str]
    rows: str = ""
    stacked: Collection[str] = ()
    data: Collection[str] = ()
    totals: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    within: set[str] = field(default_factory=set)
    turned: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    _letters: dict[Idx, str] = field(default_factory=dict)

    def is_row(self, index: Idx) -> bool:
        return bool(self.rows) and axis_name(index) == self.rows

    def layout(self, letters: Iterable[Idx]) -> Layout:
        """The letters with that of the rows at the end."""
        return tuple(sorted(dict.fromkeys(letters), key=self.is_row))

    # --- nests -----------------------------------------------------------------------------------------------------

    def loops(self, assign: Assign) -> Layout | None:
        """The loops of an assignment that can share them with others, or None."""
        node = assign.node
        self._name([assign])
        if isinstance(node, Contract) and (
            self._is_tiled(node) or self._is_outer(assign) or (not self.rows and self._dot(assign))
        ):
            return None
        is_sum = isinstance(node, (Reduce, Contract))
        alone = isinstance(node, Largest) or (
            is_sum and assign.letters and not any(map(self.is_row, self._lanes(assign)))
        )
        return None if alone else self.layout((*assign.letters, *(node.bound if is_sum else ())))

    def emitted(self, nest: Nest) -> list[Source]:
        """The lines of a nest."""
        if nest.loops is None:
            return self._alone(*nest.parts)
        self._name(nest.parts)
        ahead: list[Source] = []
        lines: list[Source] = []
        for assign in nest.parts:
            node = assign.node
            if isinstance(node, (Reduce, Contract)):
                place = self._at(self.totals.get(assign.name, self.names[assign.name]), self._lanes(assign))
                if assign.name not in self.totals:
                    ahead += self.nest([i for i in self._lanes(assign)], [self._start(place, node)])
                lines.append(self._step(place, node))
                continue
            place = (
                Source(self.names[assign.name])
                if assign.name in self.within
                else self._at(self.names[assign.name], self.layout(assign.letters))
            )
            *parts, last = hoisted(assign, lambda part: len(self.code(part)), self._part)
            lines += [written(f"{self.names[part.name]} = {{}}", self.code(part.node)) for part in parts]
            lines.append(written(f"{place.code} = {{}}", self.code(last.node)))
        return [*ahead, *self.nest(nest.loops, lines)]

    def _lanes(self, assign: Assign) -> Layout:
        """The axes in which a sum is added up: of one over rows with a place for each of them."""
        rows = [i for i in assign.node.bound if self.is_row(i)] if assign.name in self.totals else []
        return self.layout((*assign.letters, *rows))

    def _alone(self, assign: Assign) -> list[Source]:
        """The lines of an assignment with loops of its own."""
        node, letters = assign.node, self.layout(assign.letters)
        self._name([assign])
        place = self._at(self.names[assign.name], letters)
        if isinstance(node, Contract) and self._is_outer(assign):
            return self._outer(assign)
        if isinstance(node, Contract) and self._is_tiled(node):
            return self._tiled(assign.name, node)
        if isinstance(node, Contract) and (line := self._dot(assign)):
            return line
        if isinstance(node, Largest):
            return self._largest(place, letters, node)
        own = Source(self.local["total"])
        inside = [
            self._start(own, node),
            *self.nest(node.bound, [self._step(own, node)]),
            Source(f"{place.code} = {own.code}"),
        ]
        return self.nest(letters, inside)

    def stored(self, assign: Assign) -> list[Source]:
        """Lines that store what a block has of an array with an entry for each row, at its place."""
        self._name([assign])
        name, node, letters = self.names[assign.name], assign.node, self.layout(assign.letters)
        if isinstance(node, Load) and len(letters) == 2 and len(node.letters) == 2:
            return [
                Source(
                    f"_turned_back({self._known(node)}, {self.local['first']}, {self.local['count']}, {name})",
                    needs=_TURNED | {name},
                )
            ]
        shown = ", ".join(
            f"{self.local['first']} + {self.local['row']}" if self.is_row(i) else self._letters[i]
            for i in assign.letters
        )
        return self.nest(letters, [written(f"{name}[{shown}] = {{}}", self.code(node), needs=[name])])

    def worst(self, gap: Node, places: str) -> list[Source]:
        """Lines that note the largest absolute entry of ``gap`` in ``places``."""
        self._name([Assign("", gap.letters, gap)])
        noted = written(f"{places} = _larger(abs({{}}), {places})", self.code(gap), needs=["_larger"])
        return self.nest(self.layout(gap.letters), [noted])

    def nest(self, letters: Iterable[Idx], lines: Sequence[Source]) -> list[Source]:
        """The lines within a loop for each letter."""
        for index in reversed([*letters]):
            size = self.local["count"] if self.is_row(index) else str(index.upper + 1)
            head = Source(f"for {self._letters[index]} in range({size}):", needs=frozenset([size]))
            lines = [head, *indented(lines)]
        return [*lines]

    def _start(self, place: Source, node: Node) -> Source:
        """The line with which a sum, or a search for the largest entry, begins."""
        if isinstance(node, Reduce) and node.largest:
            return Source(f"{place.code} = -math.inf", needs=frozenset(["math"]))
        return Source(f"{place.code} = 0.0")

    def _step(self, place: Source, node: Node) -> Source:
        if isinstance(node, Reduce) and node.largest:
            return written(f"{place.code} = _larger({place.code}, {{}})", self._summand(node), needs=["_larger"])
        return written(f"{place.code} += {{}}", self._summand(node), needs=place.needs)

    def _summand(self, node: Node) -> Source:
        if isinstance(node, Contract):
            return joined(" * ", [self.code(f).within(Strength.POWER) for f in node.factors], Strength.PRODUCT)
        assert isinstance(node, Reduce)
        return self.code(node.of)

    def _largest(self, place: Source, letters: Layout, node: Largest) -> list[Source]:
        """1 at the largest entries along an index, in equal shares."""
        value = self.code(node.of).code
        others = [i for i in letters if i != node.index]
        largest, ties = self.local["largest"], self.local["ties"]
        lines = [
            Source(f"{largest} = -math.inf", needs=frozenset(["math", "_larger"])),
            *self.nest([node.index], [Source(f"{largest} = _larger({largest}, {value})")]),
            Source(f"{ties} = 0"),
            *self.nest([node.index], [Source(f"{ties} += {value} == {largest}")]),
            *self.nest([node.index], [Source(f"{place.code} = ({value} == {largest}) / {ties}")]),
        ]
        return self.nest(others, lines)

    # --- products --------------------------------------------------------------------------------------------------

    def _is_tiled(self, node: Contract) -> bool:
        """Whether a node multiplies rows of data by a matrix or a vector."""
        data, other = self.data_first(node)
        return data is not None and not self.is_row(node.over[0]) and not any(map(self.is_row, other.letters))

    def data_first(self, node: Contract) -> tuple[Load | None, Node]:
        """Of a product of two arrays summed over one letter, an input that has a row of data for each row, and the
        other; None without such an input."""
        if len(node.factors) == 2 and len(node.over) == 1 and all(isinstance(f, Load) for f in node.factors):
            for f, other in (node.factors, node.factors[::-1]):
                assert isinstance(f, Load)
                is_data = f.name in self.data and len(f.at) == len(set(f.at)) == 2
                if is_data and node.over[0] in f.at and node.over[0] in other.letters and len(other.letters) < 3:
                    if {*f.letters, *other.letters} == {*node.letters, *node.over}:
                        return f, other
        return None, node

    def _tiled(self, name: str, node: Contract) -> list[Source]:
        data, weights = self.data_first(node)
        assert data is not None and isinstance(weights, Load)
        own = self.names[weights.name]
        order = weights.at if weights.name in self.inputs else weights.letters
        if len(order) == 1:
            factor, result = f"{own}.reshape(1, {own}.size)", f"{self.names[name]}.reshape(1, {self.names[name]}.size)"
        else:
            factor, result = own, self.names[name]
            if order[0] == node.over[0]:
                factor = self.columns.setdefault(own, free(f"{own}_columns", self.taken))
        array = self.names[data.name]
        needs = frozenset(["_product", array, own, factor.partition(".")[0]])
        return [
            Source(f"_product({array}, {self.local['first']}, {self.local['count']}, {factor}, {result})", needs=needs)
        ]

    def _is_outer(self, assign: Assign) -> bool:
        return assign.name in self.totals and self.outer(assign) is not None

    def outer(self, assign: Assign) -> tuple[str, list[str], Layout] | None:
        """Of a sum over rows that is a matrix product, the function that adds it up, its arguments but the last, and
        the axes of what it adds to; None for any other."""
        node = assign.node
        if not isinstance(node, Contract) or len(node.factors) != 2 or len(node.over) != 1:
            return None
        first, second = node.factors
        if not isinstance(first, Load) or not isinstance(second, Load):
            return None
        data, other = self.data_first(node)
        if data is not None and isinstance(other, Load):
            order = *(i for i in other.letters if not self.is_row(i)), *(i for i in data.at if not self.is_row(i))
            return (
                "_accumulate",
                [self.names[data.name], self.local["first"], self.local["count"], self._block(other)],
                order,
            )
        order = tuple(i for f in node.factors for i in f.letters if not self.is_row(i))
        if len(first.letters) == len(second.letters) == 2 and len({*order}) == 2 and {*order} == {*node.letters}:
            return "_outer", [self._block(first), self._block(second), self.local["count"]], order
        return None

    def _outer(self, assign: Assign) -> list[Source]:
        """A sum over rows that is a matrix product, added to the part of its total that is at hand."""
        assert (found := self.outer(assign)) is not None
        name, args, _ = found
        part = self.parts[assign.name]
        return [Source(f"{name}({', '.join([*args, part])})", needs=frozenset([name, *args]))]

    def _block(self, load: Load) -> str:
        """An array of the block, as a matrix with a column for each row."""
        name = self._known(load)
        if load.name in self.stacked and len(load.at) == 1:
            return f"{name}[{self.local['first']} : {self.local['first']} + {self.local['count']}].reshape(1, {self.local['count']})"
        return name if len(load.letters) == 2 else f"{name}.reshape(1, {name}.size)"

    def _dot(self, assign: Assign) -> list[Source]:
        """A product of matrices by BLAS, or of stacks of them, if it is one."""
        node = assign.node
        assert isinstance(node, Contract)
        if len(node.factors) != 2 or len(node.over) != 1 or not all(isinstance(f, Load) for f in node.factors):
            return []
        orders = [f.at if f.name in self.inputs else f.letters for f in node.factors if isinstance(f, Load)]
        stack = [i for i, j, k in zip(*orders, assign.letters, strict=False) if i == j == k]
        stack = stack[: next((p for p, i in enumerate(stack) if i != assign.letters[p]), len(stack))]
        orders = [order[len(stack) :] for order in orders]
        result = assign.letters[len(stack) :]
        (over,) = node.over
        ranks = sorted(len(order) for order in orders)
        is_matrix = ranks in ([1, 2], [2, 2]) and all(over in o and len(set(o)) == len(o) for o in orders)
        if not is_matrix or {*orders[0], *orders[1]} - {over} != set(result) or len(result) != sum(ranks) - 2:
            return []
        names = [self._at(self.names[f.name], stack).code for f in node.factors if isinstance(f, Load)]
        both = list(zip(names, orders, strict=True))
        if result[0] not in orders[0]:
            both.reverse()
        (left, own), (right, other) = both
        left += ".T" if own[-1] != over and len(own) == 2 else ""
        right += ".T" if other[0] != over and len(other) == 2 else ""
        needs = frozenset(self.names[f.name] for f in node.factors if isinstance(f, Load))
        place = self._at(self.names[assign.name], stack).code
        return self.nest(stack, [Source(f"np.dot({left}, {right}, {place})", needs=needs)])

    # --- one entry -------------------------------------------------------------------------------------------------

    def _name(self, assigns: Sequence[Assign]) -> None:
        """Name the letters of a nest, none like an array or a size."""
        self._letters = {}
        used = set(self.taken)
        every = (part for a in assigns for part in walk(a.node))
        for index in dict.fromkeys(
            [i for a in assigns for i in a.letters] + [i for p in every for i in (*p.letters, *p.bound)]
        ):
            if self.is_row(index):
                self._letters[index] = self.local["row"]
            else:
                wanted = self.axes[axis_name(index)].conventional
                self._letters[index] = next((a for a in wanted if a not in used), "") or free(wanted[0] + "_", used)
                used.add(self._letters[index])

    def _part(self) -> str:
        """A name for a part of an entry."""
        name = part_name(self.taken)
        self.names[name] = name
        self.within.add(name)
        return name

    def _at(self, name: str, letters: Sequence[Idx]) -> Source:
        """The entry of an array in source."""
        shown = ", ".join(self._letters[i] for i in letters)
        return Source(f"{name}[{shown}]" if letters else name, needs=frozenset([name]))

    def _known(self, load: Load) -> str:
        """The name of an array, which is that of its turned copy for an input that has several entries for each row."""
        if load.name in self.stacked and len(load.at) > 1:
            if load.name not in self.turned:
                self.turned[load.name] = free(f"{self.names[load.name]}_block", self.taken)
            return self.turned[load.name]
        return self.names[load.name]

    def _entry(self, load: Load) -> Source:
        name = self._known(load)
        if load.name in self.within:
            return Source(name)
        if load.name in self.stacked and len(load.at) == 1:
            return Source(f"{name}[{self.local['first']} + {self.local['row']}]", needs=frozenset([name]))
        order = load.at if load.name in self.inputs else load.letters
        rows = [i for i in order if self.is_row(i)]
        return self._at(name, [*(i for i in order if not self.is_row(i)), *rows])

    def code(self, node: Node) -> Source:
        """An entry of a node."""
        match node:
            case Load():
                return self._entry(node)
            case Number(_, value):
                return plain(value)
            case Negative(_, of):
                return self.code(of).negated
            case Delta((row, column)):
                one, other = self._letters[row], self._letters[column]
                return Source(f"(1.0 if {one} == {other} else 0.0)")
            case Terms(_, terms):
                (negative, first), *rest = ((negative, self.code(term)) for negative, term in map(parted, terms))
                made = [first.negated if negative else first.within(Strength.SUM)]
                for negative, part in rest:
                    made += [Source("-" if negative else "+"), part.within(Strength.PRODUCT)]
                return joined(" ", made, Strength.SUM)
            case Product(_, above, below):
                return quotient([*map(self.code, above)], [*map(self.code, below)])
            case Power(_, base, exponent):
                if exponent == HALF:
                    return written("math.sqrt({})", self.code(base), needs=["math"])
                parts = [self.code(part).within(Strength.CALL) for part in (base, exponent)]
                return joined(" ** ", parts, Strength.POWER)
            case Call(_, function, given):
                template = FUNCTIONS.get(function, "")
                if not template:
                    raise UnsupportedError(f"no function of loops is known for {function.__name__}")
                strength = Strength.NAME if template.startswith("(") else Strength.CALL
                parts = [self.code(arg) for arg in given]
                return written(template, *parts, strength=strength, needs=[*named_in(template), *_inner(template)])
        raise AssertionError(node)


def _inner(template: str) -> list[str]:
    """Further functions that a template calls within the first."""
    return ["_larger"] if "_larger" in template else []
