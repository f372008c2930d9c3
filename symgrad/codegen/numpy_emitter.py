"""Emits array programs as NumPy source; operands are transposed and broadcast here, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import ascii_lowercase
from typing import Any, ClassVar

import sympy
from sympy import Expr, Integer
from sympy.tensor.indexed import Idx

from symgrad.codegen import array_program as ir
from symgrad.codegen import python_source as py
from symgrad.codegen.array_passes import second_operand
from symgrad.codegen.operations import is_matrix_product, is_pair, is_weighted, parted
from symgrad.codegen.plan.stable_functions import KNOWN
from symgrad.functions import MEANINGS, selection
from symgrad.matrix_functions import det, inverse, logdet
from symgrad.notation import axis_name

# Calls, with {} for each argument.
MATRIX_FUNCTIONS: Mapping[Any, str] = {
    **{inverse: "_inverse({}, {})", ir.Solve: "_solve({}, {}, {})"},
    **{det: "np.linalg.det({})", logdet: "np.linalg.slogdet({})[1]"},
}
OF_FACTOR: Mapping[Any, str] = {
    inverse: "_cho_solve({}, np.eye(len({}), dtype={}))",
    ir.Solve: "_cho_solve({}, {})",
    logdet: "_cho_logdet({})",
}
"""The same for positive definite matrices, of their Cholesky factors."""
ARRAY_FUNCTIONS = {function: known.numpy for function, known in KNOWN.items()}
NUMBER_FUNCTIONS = {function: known.python for function, known in MEANINGS.items() if known.python.startswith("math.")}


@dataclass(frozen=True)
class NumpyEmitter:
    """Emits nodes over arrays with the Python ``names``. ``dtype`` is the dtype of the inputs. ``rows`` names the axis
    of which there is a block, if any: products over it, or with it as a result, use functions of their own.
    ``factors`` are the Python names of the Cholesky factors of positive definite matrices."""

    names: Mapping[str, str]
    dtype: py.Source
    rows: str = ""
    factors: Mapping[str, str] = field(default_factory=dict)
    matrix_functions: ClassVar = MATRIX_FUNCTIONS

    def assigned(self, assign: ir.Assign) -> py.Source:
        """The line of an assignment."""
        name, node = self.names[assign.name], assign.node
        if assign.into:
            memory, (operator, other) = self.names[assign.into], second_operand(node)
            right = self.over(other, node.letters)
            if assign.keeps_name:
                return py.written(f"{memory} {'-' if operator == 'subtract' else '+'}= {{}}", right, needs=[memory])
            value = py.written(f"np.{operator}({memory}, {{}}, out={memory})", right, needs=[memory])
        else:
            value = self.text(node, assign.letters)
        line = f"{name} = {value.code}"
        if len(py.INDENT + line) > py.WIDTH:
            is_call = isinstance(node, (ir.Call, ir.Reduce, ir.Fill)) and node.letters == assign.letters
            head, _, inside = value.code.partition("(") if is_call or assign.into else ("", "", f"{value.code})")
            line = f"{name} = {head}(\n{py.INDENT}{inside[:-1]}\n)"  # the arguments get a line of their own
        return py.Source(line, needs=value.needs)

    def over(self, node: ir.Node, layout: ir.Layout) -> py.Source:
        """The node broadcast over ``layout``, which has all of its letters."""
        order = tuple(i for i in layout if i in node.letters)
        if not order or order == layout[len(layout) - len(order) :]:
            return self.text(node, order)
        if isinstance(node, ir.Reduce) and node.letters == order:
            whole = node.of.letters
            if len(whole) == len(layout) and all(i == j or i not in order for i, j in zip(whole, layout, strict=True)):
                return self._reduced(node, ", keepdims=True")
        slices = ", ".join(":" if i in order else "None" for i in layout[layout.index(order[0]) :])
        return py.written(f"{{}}[{slices}]", self.text(node, order).within(py.Strength.CALL))

    def text(self, node: ir.Node, order: ir.Layout | None = None) -> py.Source:
        """The node, with its axes in ``order`` if given."""
        if order is None or order == node.letters or isinstance(node, ir.Delta):
            return self._text(node)
        if isinstance(node, ir.Contract) and product_form(node) == "matrix":
            return self._matrix_product(replace(node, letters=order))
        if isinstance(node, ir.Solve):
            return self._solved(replace(node, letters=order))
        whole = self._text(node)
        if len(order) == 2:
            strength = py.Strength.NAME if isinstance(node, ir.Load) else py.Strength.CALL
            return py.written("{}.T", whole.within(py.Strength.CALL), strength=strength)
        axes = ", ".join(str(node.letters.index(i)) for i in order)
        return py.written(f"np.transpose({{}}, ({axes}))", whole)

    def _text(self, node: ir.Node) -> py.Source:
        match node:
            case ir.Load(_, name):
                return py.used(self.names[name])
            case ir.Number(_, value):
                return plain(value)
            case ir.Negative(_, of):
                return self.text(of).negated
            case ir.Terms(letters, terms):
                return py.added_up([(negative, self.over(term, letters)) for negative, term in map(parted, terms)])
            case ir.Product(letters, above, below):
                return py.quotient([self.over(f, letters) for f in above], [self.over(f, letters) for f in below])
            case ir.Power(letters, base, exponent):
                if exponent == ir.HALF and not node.is_plain:
                    return py.written("np.sqrt({})", self.over(base, letters))
                return py.raised(self.over(base, letters), self.over(exponent, letters))
            case ir.Call(letters, function, operands):
                args = [self.over(arg, letters) for arg in operands]
                if node.is_plain and function in NUMBER_FUNCTIONS:
                    return py.applied(NUMBER_FUNCTIONS, function, args)
                value = py.applied(ARRAY_FUNCTIONS, function, args)
                return py.written("float({})", value) if node.is_plain else value  # NumPy scalars have a dtype
            case ir.Largest(_, of, index):
                axis = py.Source(str(of.letters.index(index)))
                return py.applied(ARRAY_FUNCTIONS, selection, [self.text(of), axis])
            case ir.Delta(_, size):
                return py.written("np.eye({}, dtype={})", plain(size), self.dtype)
            case ir.Positions(_, size):
                return py.written("np.arange({}, dtype={})", plain(size), self.dtype)
            case ir.Diagonal(letters, of, at):
                if len(at) == 2:
                    return py.written("np.diagonal({})", self.text(of))
                return py.written(f'np.einsum("{_spelled(letters, [at])}", {{}})', self.text(of))
            case ir.OfMatrix(_, function, of, over):
                return self.of_matrix(function, of, over)
            case ir.Solve():
                return self._solved(node)
            case ir.Reduce():
                return self._reduced(node)
            case ir.Contract():
                return self._contracted(node)
            case ir.Fill((), of):
                return py.written("{}.type({})" if self.dtype.needs else "{}({})", self.dtype, self.text(of))
            case ir.Fill(letters, of, sizes):
                if set(of.letters) == set(letters):
                    return py.written("{}.copy()", self.text(of, letters).within(py.Strength.CALL))
                shape = py.written(py.tuple_of(["{}"] * len(sizes)), *map(plain, sizes))
                return py.written("np.full({}, {}, {})", shape, self.over(of, letters), self.dtype)
        raise AssertionError(node)

    def _reduced(self, node: ir.Reduce, kept: str = "") -> py.Source:
        """A sum, or the largest entry, along axes; ``kept`` asks to keep them with length one."""
        if is_weighted(node):
            assert isinstance(node.of, ir.Call)
            operands = (self.over(operand, node.of.letters) for operand in node.of.operands)
            return py.written("_dot({}, {})", *operands, needs=["_dot"])
        axes = tuple(number for number, i in enumerate(node.of.letters) if i in node.over)
        axis = None if not node.letters else axes[0] if len(axes) == 1 else axes
        shown = "" if axes == (0,) else f", axis={axis}"
        if node.largest:
            call = f"np.maximum.reduce({{}}{shown}, initial=np.finfo({{}}).min{kept})"  # exp(-inf - lowest) is 0
            return py.written(call, self.text(node.of), self.dtype)
        return py.written(f"np.add.reduce({{}}{shown}{kept})", self.text(node.of))

    def _contracted(self, node: ir.Contract) -> py.Source:
        form, factors = product_form(node), node.factors
        if form == "matrix":
            return self._matrix_product(node)
        if form == "einsum":
            spelled = _spelled(node.letters, [f.letters for f in factors])
            operands = py.joined(", ", [*map(self.text, factors)])
            optimised = ", optimize=True" if len(factors) > 2 else ""
            return py.written(f'np.einsum("{spelled}", {{}}{optimised})', operands)
        left, right = factors
        both = [i for i in left.letters if i in right.letters]
        if form == "stack":
            stack = [i for i in node.letters if i in both]
            rows, columns = ([i for i in f.letters if i not in both] for f in factors)
            parts = self.over(left, (*stack, *rows, *node.over)), self.over(right, (*stack, *node.over, *columns))
            return py.joined(" @ ", [p.within(py.Strength.POWER) for p in parts], py.Strength.PRODUCT)
        shared = [i for i in left.letters if i in node.over]
        axes = [", ".join(str(f.letters.index(i)) for i in shared) for f in factors]
        shown = ", ".join(axes if len(shared) == 1 else [f"({numbers})" for numbers in axes])
        return py.written(f"np.tensordot({{}}, {{}}, ({shown}))", *(self.text(f) for f in factors))

    def of_matrix(self, function: Any, matrix: ir.Load, order: ir.Layout, *operands: py.Source) -> py.Source:
        """A function of a matrix with its axes in ``order``; its name is for the error."""
        if matrix.name in self.factors and function in OF_FACTOR:
            factor = py.used(self.factors[matrix.name])
            parts = [factor, factor, self.dtype] if function is inverse else [factor, *operands]
            return py.applied(OF_FACTOR, function, parts)
        name = py.Source(f'"{self.names[matrix.name]}"')
        parts = [self.text(matrix, order), *operands, name]
        return py.applied(self.matrix_functions, function, parts)

    def _solved(self, node: ir.Solve) -> py.Source:
        (index,) = node.over
        (unknown,) = (i for i in node.matrix.at if i != index)
        right = tuple(i for i in node.right.letters if i != index)
        solution = self.of_matrix(ir.Solve, node.matrix, (index, unknown), self.text(node.right, (index, *right)))
        return solution if node.letters == (unknown, *right) else py.written("{}.T", solution)

    def _matrix_product(self, node: ir.Contract) -> py.Source:
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
                return py.written("{}.dot({}).T", turned[0].within(py.Strength.CALL), turned[1])
            if over_rows:
                return py.written("{}.dot({})", one.within(py.Strength.CALL), other)
            if has_columns:
                return py.written("_columns({}, {})", one, other, needs=["_columns"])
            if has_rows:
                return py.written("_columns({}, {}).T", *turned, needs=["_columns"])
        first_part = one if isinstance(left, ir.Contract) else one.within(py.Strength.POWER)
        return py.joined(" @ ", [first_part, other.within(py.Strength.POWER)], py.Strength.PRODUCT)


def plain(value: Expr) -> py.Source:
    """A literal, or the name of a size."""
    if isinstance(value, sympy.Symbol):
        return py.used(value.name)
    if not value.is_finite:
        return py.Source("np.inf")
    return py.Source(str(value) if isinstance(value, Integer) else repr(float(value)))


def product_form(node: ir.Contract) -> str:
    """How NumPy computes a contraction: by ``@`` of two matrices or vectors ("matrix") or of stacks of matrices
    ("stack"), or by "tensordot" or "einsum"."""
    if len(node.factors) == 2:
        left, right = (f.letters for f in node.factors)
        if is_matrix_product(left, right, node.over):
            return "matrix"
        if is_pair(left, right, node.over):
            has_stack = {*left} & {*right} != {*node.over}
            is_stack = has_stack or (left[-1] in node.over and len(right) <= 2)
            return "stack" if is_stack and len(node.over) == 1 else "tensordot"
    return "einsum"


def _spelled(letters: ir.Layout, operands: Sequence[ir.Layout]) -> str:
    """The subscripts of ``np.einsum``, with letters like the indices."""
    names: dict[Idx, str] = {}
    for index in dict.fromkeys(i for part in operands for i in part):
        wanted = [*index.name.lower(), *ascii_lowercase]
        names[index] = next(a for a in wanted if a in ascii_lowercase and a not in names.values())
    return ",".join("".join(names[i] for i in part) for part in operands) + "->" + "".join(names[i] for i in letters)
