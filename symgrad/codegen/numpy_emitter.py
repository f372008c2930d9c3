"""Emits array programs as NumPy source.

Where the letters of an operand differ from those of the result, it is transposed and broadcast here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

import sympy
from sympy import Expr, Integer
from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import (
    HALF,
    Assign,
    Call,
    Contract,
    Delta,
    Diagonal,
    Fill,
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
)
from symgrad.codegen.operations import is_matrix_product, is_pair, is_weighted, parted
from symgrad.codegen.plan.kernels import KNOWN
from symgrad.codegen.python_source import (
    INDENT,
    WIDTH,
    Source,
    Strength,
    added_up,
    applied,
    joined,
    quotient,
    raised,
    tuple_of,
    used,
    written,
)
from symgrad.codegen.temporaries import second_operand
from symgrad.functions import MEANINGS, selection
from symgrad.notation import axis_name

# Calls, with {} for each argument.
ARRAY_FUNCTIONS = {function: known.numpy for function, known in KNOWN.items()}
NUMBER_FUNCTIONS = {function: known.python for function, known in MEANINGS.items() if known.python.startswith("math.")}


@dataclass(frozen=True)
class NumpyEmitter:
    """Emits nodes over arrays with the Python ``names``. ``dtype`` is the dtype of the inputs. ``rows`` names the axis
    of which there is a block, if any: products over it, or with it as a result, use functions of their own."""

    names: Mapping[str, str]
    dtype: Source
    rows: str = ""

    def assigned(self, assign: Assign) -> Source:
        """The line of an assignment."""
        name, node = self.names[assign.name], assign.node
        if assign.into:
            place, (operator, other) = self.names[assign.into], second_operand(node)
            right = self.over(other, node.letters)
            if assign.keeps_name:
                return written(f"{place} {'-' if operator == 'subtract' else '+'}= {{}}", right, needs=[place])
            value = written(f"np.{operator}({place}, {{}}, out={place})", right, needs=[place])
        else:
            value = self.text(node, assign.letters)
        line = f"{name} = {value.code}"
        if len(INDENT + line) > WIDTH:
            is_call = isinstance(node, (Call, Reduce, Fill)) and node.letters == assign.letters
            head, _, inside = value.code.partition("(") if is_call or assign.into else ("", "", f"{value.code})")
            line = f"{name} = {head}(\n{INDENT}{inside[:-1]}\n)"  # the arguments get a line of their own
        return Source(line, needs=value.needs)

    def over(self, node: Node, layout: Layout) -> Source:
        """The node broadcast over ``layout``, which has all of its letters."""
        order = tuple(i for i in layout if i in node.letters)
        if not order or order == layout[len(layout) - len(order) :]:
            return self.text(node, order)
        if isinstance(node, Reduce) and node.letters == order and not is_weighted(node):
            whole = node.of.letters
            if len(whole) == len(layout) and all(i == j or i not in order for i, j in zip(whole, layout, strict=True)):
                return self._reduced(node, ", keepdims=True")
        places = ", ".join(":" if i in order else "None" for i in layout[layout.index(order[0]) :])
        return written(f"{{}}[{places}]", self.text(node, order).within(Strength.CALL))

    def text(self, node: Node, order: Layout | None = None) -> Source:
        """The node, with its axes in ``order`` if given."""
        if order is None or order == node.letters or isinstance(node, Delta):
            return self._text(node)
        if isinstance(node, Contract) and _is_matrix(node):
            return self._matrix_product(replace(node, letters=order))
        whole = self._text(node)
        if len(order) == 2:
            strength = Strength.NAME if isinstance(node, Load) else Strength.CALL
            return written("{}.T", whole.within(Strength.CALL), strength=strength)
        places = ", ".join(str(node.letters.index(i)) for i in order)
        return written(f"np.transpose({{}}, ({places}))", whole)

    def _text(self, node: Node) -> Source:
        match node:
            case Load(_, name):
                return used(self.names[name])
            case Number(_, value):
                return plain(value)
            case Negative(_, of):
                return self.text(of).negated
            case Terms(letters, terms):
                return added_up([(negative, self.over(term, letters)) for negative, term in map(parted, terms)])
            case Product(letters, above, below):
                return quotient([self.over(f, letters) for f in above], [self.over(f, letters) for f in below])
            case Power(letters, base, exponent):
                if exponent == HALF and not node.is_plain:
                    return written("np.sqrt({})", self.over(base, letters))
                return raised(self.over(base, letters), self.over(exponent, letters))
            case Call(letters, function, operands):
                args = [self.over(arg, letters) for arg in operands]
                if node.is_plain and function in NUMBER_FUNCTIONS:
                    return applied(NUMBER_FUNCTIONS, function, args)
                value = applied(ARRAY_FUNCTIONS, function, args)
                return written("float({})", value) if node.is_plain else value  # NumPy scalars have a dtype
            case Largest(_, of, index):
                place = Source(str(of.letters.index(index)))
                return applied(ARRAY_FUNCTIONS, selection, [self.text(of), place])
            case Delta(_, size):
                return written("np.eye({}, dtype={})", plain(size), self.dtype)
            case Diagonal(letters, of, at):
                if len(at) == 2:
                    return written("np.diagonal({})", self.text(of))
                return written(f'np.einsum("{_spelled(letters, [at])}", {{}})', self.text(of))
            case Reduce():
                return self._reduced(node)
            case Contract():
                return self._contracted(node)
            case Fill((), of):
                return written("{}.type({})" if self.dtype.needs else "{}({})", self.dtype, self.text(of))
            case Fill(letters, of, sizes):
                if set(of.letters) == set(letters):
                    return written("{}.copy()", self.text(of, letters).within(Strength.CALL))
                shape = written(tuple_of(["{}"] * len(sizes)), *map(plain, sizes))
                return written("np.full({}, {}, {})", shape, self.over(of, letters), self.dtype)
        raise AssertionError(node)

    def _reduced(self, node: Reduce, kept: str = "") -> Source:
        """A sum, or the largest entry, along axes; ``kept`` asks to keep them with length one."""
        if is_weighted(node):
            assert isinstance(node.of, Call)
            return written("_dot({}, {})", *(self.over(a, node.of.letters) for a in node.of.operands), needs=["_dot"])
        axes = [str(place) for place, i in enumerate(node.of.letters) if i in node.over]
        shown = ""
        if not node.letters:
            shown = ", axis=None" if len(axes) > 1 else ""
        elif axes != ["0"]:
            shown = f", axis={axes[0]}" if len(axes) == 1 else f", axis=({', '.join(axes)})"
        if node.largest:
            call = f"np.maximum.reduce({{}}{shown}, initial=np.finfo({{}}).min{kept})"  # exp(-inf - lowest) is 0
            return written(call, self.text(node.of), self.dtype)
        return written(f"np.add.reduce({{}}{shown}{kept})", self.text(node.of))

    def _contracted(self, node: Contract) -> Source:
        if _is_matrix(node):
            return self._matrix_product(node)
        factors = node.factors
        if len(factors) != 2 or not is_pair(factors[0].letters, factors[1].letters, node.over):
            spelled = _spelled(node.letters, [f.letters for f in factors])
            operands = joined(", ", [self.text(f) for f in factors], Strength.SUM)
            optimised = ", optimize=True" if len(factors) > 2 else ""
            return written(f'np.einsum("{spelled}", {{}}{optimised})', operands)
        left, right = factors
        both = [i for i in left.letters if i in right.letters]
        stack = tuple(i for i in node.letters if i in both)
        rows = tuple(i for i in left.letters if i not in both)
        columns = tuple(i for i in right.letters if i not in both)
        if is_matmul(node):
            parts = self.over(left, (*stack, *rows, *node.over)), self.over(right, (*stack, *node.over, *columns))
            return joined(" @ ", [p.within(Strength.POWER) for p in parts], Strength.PRODUCT)
        shared = [i for i in left.letters if i in node.over]
        axes = [", ".join(str(f.letters.index(i)) for i in shared) for f in factors]
        shown = ", ".join(axes if len(shared) == 1 else [f"({places})" for places in axes])
        return written(f"np.tensordot({{}}, {{}}, ({shown}))", *(self.text(f) for f in factors))

    # --- products of matrices ------------------------------------------------------------------------------------

    def _matrix_product(self, node: Contract) -> Source:
        """A product of matrices and vectors, with the axes that the result asks for. Products over the rows of a block,
        or with a row or column for each of them, use functions of their own."""
        (index,) = node.over
        left, right = node.factors
        if len(node.letters) == 2 and node.letters[0] in right.letters:
            left, right = right, left
        if len(left.letters) == 1 and len(right.letters) == 2 and right.letters[1] == index:
            left, right = right, left
        first = (*(i for i in left.letters if i != index), index)
        second = (index, *(i for i in right.letters if i != index))
        one, other = self.text(left, first), self.text(right, second)
        if self.rows and len(node.letters) == 2:
            turned = self.text(right, second[::-1]), self.text(left, first[::-1])
            over_rows, has_columns, has_rows = (axis_name(i) == self.rows for i in (index, second[1], first[0]))
            if over_rows and left.letters != first and right.letters != second:  # without transposing the operands
                return written("{}.dot({}).T", turned[0].within(Strength.CALL), turned[1])
            if over_rows:
                return written("{}.dot({})", one.within(Strength.CALL), other)
            if has_columns:
                return written("_columns({}, {})", one, other, needs=["_columns"])
            if has_rows:
                return written("_columns({}, {}).T", *turned, needs=["_columns"])
        parts = [one if isinstance(left, Contract) else one.within(Strength.POWER), other.within(Strength.POWER)]
        return replace(joined(" @ ", parts, Strength.PRODUCT), power=parts[0].power)


def plain(value: Expr) -> Source:
    """A literal, or the name of a size."""
    if isinstance(value, sympy.Symbol):
        return used(value.name)
    if not value.is_finite:
        return Source("np.inf")
    return Source(str(value) if isinstance(value, Integer) else repr(float(value)))


def is_matmul(node: Node) -> bool:
    """Whether a node is a product with ``@``, of matrices or stacks of them."""
    if not isinstance(node, Contract) or len(node.factors) != 2:
        return False
    left, right = (f.letters for f in node.factors)
    if is_matrix_product(left, right, node.over):
        return True
    if not is_pair(left, right, node.over) or len(node.over) > 1:
        return False
    return set(left) & set(right) != set(node.over) or (left[-1] in node.over and len(right) <= 2)


def _is_matrix(node: Contract) -> bool:
    return len(node.factors) == 2 and is_matrix_product(node.factors[0].letters, node.factors[1].letters, node.over)


def _spelled(letters: Layout, operands: Sequence[Layout]) -> str:
    """The subscripts of ``np.einsum``, with letters like the indices."""
    names: dict[Idx, str] = {}
    for index in dict.fromkeys(i for part in operands for i in part):
        wanted = [*str(index.label).lower(), *ascii_lowercase]
        names[index] = next(a for a in wanted if a in ascii_lowercase and a not in names.values())
    return ",".join("".join(names[i] for i in part) for part in operands) + "->" + "".join(names[i] for i in letters)
