"""Emits nests of loops: each assignment entry by entry, with the rows of a block in the innermost loop.

An array of a block has its rows last, so that one instruction handles several of them. A sum over rows is added up
separately for each row of a block, and in total at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sympy
from sympy.tensor.indexed import Idx

from symgrad.codegen import array_program as ir
from symgrad.codegen import python_source as py
from symgrad.codegen.array_passes import hoisted
from symgrad.codegen.identifiers import free, part_name
from symgrad.codegen.loop_nests import MatrixProduct, Nest, by_blas, over_rows, with_data
from symgrad.codegen.numpy_emitter import plain
from symgrad.codegen.operations import parted
from symgrad.codegen.plan.stable_functions import KNOWN, expm1, log1p
from symgrad.functions import clip, equal, maximum, minimum, relu, where
from symgrad.notation import Axis, axis_name
from symgrad.special_functions import digamma, normal_sinc, sinc_slope, trigamma

# Calls, with {} for each argument.
FUNCTIONS: dict[type[sympy.Function], str] = {
    **{function: known.python for function, known in KNOWN.items()},
    sympy.exp: "_exp({})",
    relu: "_larger({}, 0.0)",
    maximum: "_larger({}, {})",
    minimum: "_smaller({}, {})",
    clip: "_smaller(_larger({}, {}), {})",
    where: "({1} if {0} else {2})",
    equal: "(1.0 if {} == {} else 0.0)",
    expm1: "math.expm1({})",
    log1p: "math.log1p({})",
    **dict.fromkeys((sympy.erfinv, digamma, trigamma, normal_sinc, sinc_slope), ""),
}


@dataclass
class LoopEmitter:
    """Emits nests over arrays with the Python ``names``, with letters like those of ``axes`` that are not ``taken``.

    ``rows`` names the axis of which there is a block, if any; ``stacked`` are the inputs with an entry for each row,
    ``data`` those read row by row; inputs that are read entry by entry are transposed first, and named in ``turned``.
    ``local`` are the names that no array has; ``columns`` the factors of products that are read column by column.
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

    def layout(self, letters: Iterable[Idx]) -> ir.Layout:
        """The letters with the rows at the end."""
        return tuple(sorted(dict.fromkeys(letters), key=self.is_row))

    # --- nests -----------------------------------------------------------------------------------------------------

    def loops(self, assign: ir.Assign) -> ir.Layout | None:
        """The loops of an assignment that can share them with others, else None."""
        node, is_sum = assign.node, isinstance(assign.node, (ir.Reduce, ir.Contract))
        has_total = bool(assign.letters) and not any(map(self.is_row, self._lanes(assign)))
        if isinstance(node, ir.Largest) or (is_sum and has_total) or self.product(assign):
            return None
        return self.layout((*assign.letters, *(node.bound if is_sum else ())))

    def emitted(self, nest: Nest) -> list[py.Source]:
        """The lines of a nest."""
        if nest.loops is None:
            return self._alone(*nest.parts)
        self._name(nest.parts)
        ahead: list[py.Source] = []
        lines: list[py.Source] = []
        for assign in nest.parts:
            name, node = self.names[assign.name], assign.node
            if isinstance(node, (ir.Reduce, ir.Contract)):
                target = self._at(self.totals.get(assign.name, name), self._lanes(assign))
                if assign.name not in self.totals:
                    ahead += self.nest(self._lanes(assign), [self._start(target, node)])
                lines.append(self._step(target, node))
                continue
            target = self._at(name, () if assign.name in self.within else self.layout(assign.letters))
            *parts, last = hoisted(assign, lambda part: len(self.code(part).code), self._part)
            lines += [py.written(f"{self.names[part.name]} = {{}}", self.code(part.node)) for part in parts]
            lines.append(py.written(f"{target.code} = {{}}", self.code(last.node)))
        return [*ahead, *self.nest(nest.loops, lines)]

    def _lanes(self, assign: ir.Assign) -> ir.Layout:
        """The axes of the memory in which a sum is added up; a sum over rows has an entry for each of them."""
        rows = [i for i in assign.node.bound if self.is_row(i)] if assign.name in self.totals else []
        return self.layout((*assign.letters, *rows))

    def _alone(self, assign: ir.Assign) -> list[py.Source]:
        """The lines of an assignment with loops of its own."""
        node, letters = assign.node, self.layout(assign.letters)
        self._name([assign])
        target = self._at(self.names[assign.name], letters)
        if (product := self.product(assign)) is not None:
            return self._multiplied(assign, product)
        if isinstance(node, ir.Largest):
            return self._largest(target, letters, node)
        total = py.Source(self.local["total"])
        inside = [
            self._start(total, node),
            *self.nest(node.bound, [self._step(total, node)]),
            py.Source(f"{target.code} = {total.code}"),
        ]
        return self.nest(letters, inside)

    def stored(self, assign: ir.Assign) -> list[py.Source]:
        """Lines that store the part of an array that belongs to the rows of a block."""
        self._name([assign])
        name, node, letters = self.names[assign.name], assign.node, self.layout(assign.letters)
        first, row = self.local["first"], self.local["row"]
        if isinstance(node, ir.Load) and len(letters) == 2 and len(node.letters) == 2:
            return [_called("_turned_back", [self._known(node), first, self.local["count"], name], name)]
        shown = ", ".join(f"{first} + {row}" if self.is_row(i) else self._letters[i] for i in assign.letters)
        return self.nest(letters, [py.written(f"{name}[{shown}] = {{}}", self.code(node), needs=[name])])

    def worst(self, gap: ir.Node, slot: str) -> list[py.Source]:
        """Lines that store the largest absolute entry of ``gap`` in ``slot``."""
        self._name([ir.Assign("", gap.letters, gap)])
        noted = py.written(f"{slot} = _larger(abs({{}}), {slot})", self.code(gap), needs=["_larger"])
        return self.nest(self.layout(gap.letters), [noted])

    def nest(self, letters: Iterable[Idx], lines: Sequence[py.Source]) -> list[py.Source]:
        """The lines within a loop for each letter."""
        for index in reversed([*letters]):
            size = self.local["count"] if self.is_row(index) else str(index.upper + 1)
            head = py.Source(f"for {self._letters[index]} in range({size}):", needs=frozenset([size]))
            lines = [head, *py.indented(lines)]
        return [*lines]

    def _start(self, target: py.Source, node: ir.Node) -> py.Source:
        """The line that starts a sum or a maximum."""
        if isinstance(node, ir.Reduce) and node.largest:
            return py.Source(f"{target.code} = _LOWEST", needs=frozenset(["_LOWEST"]))
        return py.Source(f"{target.code} = 0.0")

    def _step(self, target: py.Source, node: ir.Node) -> py.Source:
        if isinstance(node, ir.Reduce) and node.largest:
            return py.written(f"{target.code} = _larger({target.code}, {{}})", self._summand(node), needs=["_larger"])
        return py.written(f"{target.code} += {{}}", self._summand(node), needs=target.needs)

    def _summand(self, node: ir.Node) -> py.Source:
        if isinstance(node, ir.Contract):
            return py.joined(" * ", [self.code(f).within(py.Strength.POWER) for f in node.factors], py.Strength.PRODUCT)
        assert isinstance(node, ir.Reduce)
        return self.code(node.of)

    def _largest(self, target: py.Source, letters: ir.Layout, node: ir.Largest) -> list[py.Source]:
        """1 at the largest entries along an index, in equal shares."""
        value = self.code(node.of).code
        others = [i for i in letters if i != node.index]
        largest, ties = self.local["largest"], self.local["ties"]
        lines = [
            py.Source(f"{largest} = -math.inf", needs=frozenset(["math", "_larger"])),
            *self.nest([node.index], [py.Source(f"{largest} = _larger({largest}, {value})")]),
            py.Source(f"{ties} = 0"),
            *self.nest([node.index], [py.Source(f"{ties} += {value} == {largest}")]),
            *self.nest([node.index], [py.Source(f"{target.code} = ({value} == {largest}) / {ties}")]),
        ]
        return self.nest(others, lines)

    # --- products --------------------------------------------------------------------------------------------------

    def product(self, assign: ir.Assign) -> MatrixProduct | None:
        """The matrix product of an assignment if it has a function of its own."""
        if not self.rows:
            return by_blas(assign, self.inputs)
        data, is_sum = with_data(assign.node, self.data), assign.name in self.totals
        if data is not None and (is_sum or not any(map(self.is_row, (data.over, *data.right.letters)))):
            return data
        return over_rows(assign.node, self.is_row) if is_sum else None

    def _multiplied(self, assign: ir.Assign, product: MatrixProduct) -> list[py.Source]:
        """The line that calls the function of a matrix product."""
        left, right = (self.names[load.name] for load in (product.left, product.right))
        first, count = self.local["first"], self.local["count"]
        if not self.rows:
            args = [self._at(name, product.stack).code for name in (left, right)]
            left_order, right_order = product.orders
            args[0] += ".T" if len(left_order) == 2 and left_order[1] != product.over else ""
            args[1] += ".T" if len(right_order) == 2 and right_order[0] != product.over else ""
            target = self._at(self.names[assign.name], product.stack).code
            return self.nest(product.stack, [_called("np.dot", [*args, target], left, right)])
        if assign.name not in self.totals:
            order = product.right.at if product.right.name in self.inputs else product.right.letters
            factor, result = right, self.names[assign.name]
            if len(order) == 1:
                factor, result = (f"{name}.reshape(1, {name}.size)" for name in (factor, result))
            elif order[0] == product.over:
                factor = self.columns.setdefault(right, free(f"{right}_columns", self.taken))
            return [_called("_product", [left, first, count, factor, result], left, right, factor)]
        if product.left.name in self.data:
            args = [left, first, count, self._block(product.right)]
            return [_called("_accumulate", [*args, self.parts[assign.name]], left)]
        args = [self._block(product.left), self._block(product.right), count]
        return [_called("_outer", [*args, self.parts[assign.name]])]

    def _block(self, load: ir.Load) -> str:
        """An array of the block, as a matrix with a column for each row."""
        name, first, count = self._known(load), self.local["first"], self.local["count"]
        if load.name in self.stacked and len(load.at) == 1:
            return f"{name}[{first} : {first} + {count}].reshape(1, {count})"
        return name if len(load.letters) == 2 else f"{name}.reshape(1, {name}.size)"

    # --- one entry -------------------------------------------------------------------------------------------------

    def _name(self, assigns: Sequence[ir.Assign]) -> None:
        """Name the letters of a nest, unlike any array or size."""
        self._letters = {}
        used = set(self.taken)
        every = (part for a in assigns for part in ir.walk(a.node))
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

    def _at(self, name: str, letters: Sequence[Idx]) -> py.Source:
        """The source of an entry of an array."""
        shown = ", ".join(self._letters[i] for i in letters)
        return (
            py.Source(f"{name}[{shown}]", py.Strength.CALL, frozenset([name]))
            if letters
            else py.Source(name, needs=frozenset([name]))
        )

    def _known(self, load: ir.Load) -> str:
        """The name of an array, or of its transposed copy for an input with several entries for each row."""
        if load.name in self.stacked and len(load.at) > 1:
            if load.name not in self.turned:
                self.turned[load.name] = free(f"{self.names[load.name]}_block", self.taken)
            return self.turned[load.name]
        return self.names[load.name]

    def _entry(self, load: ir.Load) -> py.Source:
        name = self._known(load)
        if load.name in self.within:
            return py.Source(name)
        if load.name in self.stacked and len(load.at) == 1:
            return py.Source(
                f"{name}[{self.local['first']} + {self.local['row']}]", py.Strength.CALL, frozenset([name])
            )
        order = load.at if load.name in self.inputs else load.letters
        rows = [i for i in order if self.is_row(i)]
        return self._at(name, [*(i for i in order if not self.is_row(i)), *rows])

    def code(self, node: ir.Node) -> py.Source:
        """The source of one entry of a node."""
        match node:
            case ir.Load():
                return self._entry(node)
            case ir.Number(_, value):
                return plain(value)
            case ir.Negative(_, of):
                return self.code(of).negated
            case ir.Delta((row, column)):
                one, other = self._letters[row], self._letters[column]
                return py.Source(f"(1.0 if {one} == {other} else 0.0)")
            case ir.Positions((index,)):
                return py.Source(self._letters[index])
            case ir.Terms(_, terms):
                return py.added_up([(negative, self.code(term)) for negative, term in map(parted, terms)])
            case ir.Product(_, above, below):
                return py.quotient([*map(self.code, above)], [*map(self.code, below)])
            case ir.Power(_, base, exponent):
                if exponent == ir.HALF:
                    return py.written("math.sqrt({})", self.code(base), needs=["math"])
                return py.raised(self.code(base), self.code(exponent))
            case ir.Call(_, function, operands):
                return py.applied(FUNCTIONS, function, map(self.code, operands))
        raise AssertionError(node)


def _called(function: str, args: Sequence[str], *needs: str) -> py.Source:
    """A line that is a call."""
    return py.Source(f"{function}({', '.join(args)})", needs=frozenset([function, *needs]))
