"""The language of losses beside NumPy's dispatched functions.

While a loss is traced, functions that NumPy's protocols do not dispatch are replaced: ``len`` and ``sum``, functions
that make an array of a given size, and functions of scipy.special written in Python.

A one-line loss is checked against an allow-list: the operators, functions, methods and names of the language.
"""

from __future__ import annotations

import ast
import operator
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from symgrad import array as beyond_numpy
from symgrad.array.elementwise import SCIPY
from symgrad.array.graph import current, operand, size
from symgrad.array.indexing import constant_array, entrywise
from symgrad.array.numpy_table import FUNCTIONS, name_of
from symgrad.array.source_location import located
from symgrad.array.symbolic import Symbolic, axis_of, plain, positions, refuse
from symgrad.special_functions import digamma, trigamma


def length(value: Any, /) -> Any:
    """``len``: Python would convert what ``__len__`` returns to an int."""
    return value.length() if isinstance(value, Symbolic) else len(value)


def builtin_sum(values: Any, /, start: Any = 0) -> Any:
    """``sum``: over the first axis of an array."""
    if not isinstance(values, Symbolic):
        return sum(values, start)
    total = np.sum(values, axis=0)
    return total if isinstance(start, int) and start == 0 else start + total


def arange(*args: Any, **keywords: Any) -> Any:
    """``np.arange``."""
    if _is_size(args[-1]) and (len(args) == 1 or args[:-1] == (0,)):
        return positions(args[-1])
    if any(map(_is_size, args)):
        refuse("np.arange of a symbolic size must start at 0 with step 1: declare other positions as an input")
    return np.arange(*args, **keywords)


def eye(N: Any, M: Any = None, k: int = 0, **keywords: Any) -> Any:
    """``np.eye`` and ``np.identity``."""
    if _is_size(N) and k == 0 and (M is None or (_is_size(M) and M.node is N.node)):
        return beyond_numpy.eye(N)
    if _is_size(N):
        refuse("np.eye of a symbolic size must be square with k=0: declare another matrix as an input")
    return np.eye(N, M, k, **keywords)


def _is_size(value: Any) -> bool:
    return isinstance(value, Symbolic) and any(value.node is size(axis) for axis in current().axes)


def _filled(function: Callable[..., Any], value: int) -> Callable[..., Any]:
    """The replacement of ``np.ones`` or ``np.zeros``."""

    def filled(shape: Any, *args: Any, **keywords: Any) -> Any:
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        if not any(map(_is_size, sizes)):
            return function(shape, *args, **keywords)
        if bool in (*args, *keywords.values()):
            return np.equal(filled(shape), 1)
        with located():
            operation = f"np.{function.__name__} with a symbolic size"
            axes = [axis_of(n, operation) if isinstance(n, Symbolic) or n != 1 else None for n in sizes]
            return Symbolic(constant_array(tuple(axes), value))

    return filled


ones, zeros = _filled(np.ones, 1), _filled(np.zeros, 0)


def full(shape: Any, fill_value: Any, *args: Any, **keywords: Any) -> Any:
    """``np.full``."""
    array_of_ones = ones(shape)
    if isinstance(array_of_ones, Symbolic):
        return np.full_like(array_of_ones, fill_value)
    return np.full(shape, fill_value, *args, **keywords)


def tri(N: Any, M: Any = None, k: int = 0, **keywords: Any) -> Any:
    """``np.tri``."""
    shape = (N, N if M is None else M)
    return np.tril(ones(shape), k) if any(map(_is_size, shape)) else np.tri(N, M, k, **keywords)


def array(value: Any, *args: Any, **keywords: Any) -> Any:
    """``np.asarray`` and ``np.array``."""
    return value if isinstance(value, Symbolic) else np.array(value, *args, **keywords)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """``scipy.special.logsumexp``."""
    if b is None:
        return beyond_numpy.logsumexp(a, axis, keepdims)
    return np.log(np.sum(b * np.exp(a), axis=axis, keepdims=keepdims))


def softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.softmax``: over all entries by default."""
    if isinstance(axis, int) or np.ndim(x) == 1:
        return beyond_numpy.softmax(x, -1 if axis is None else axis)
    return np.exp(log_softmax(x, axis))


def log_softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.log_softmax``."""
    if isinstance(axis, int) or np.ndim(x) == 1:
        return beyond_numpy.log_softmax(x, -1 if axis is None else axis)
    return x - beyond_numpy.logsumexp(x, axis, keepdims=True)


def polygamma(n: Any, x: Any) -> Any:
    """``scipy.special.polygamma`` of order 0 or 1."""
    if n not in (0, 1):
        refuse("polygamma has a rule for the orders 0 (digamma) and 1 (trigamma)")
    with located():
        return Symbolic(entrywise("polygamma", (digamma, trigamma)[n], operand(plain(x), "polygamma")))


SPECIAL: dict[str, Callable[..., Any]] = {
    "logsumexp": logsumexp,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "polygamma": polygamma,
}


def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, **_: Any) -> Any:
    """``scipy.linalg.solve_triangular``, which reads one triangle of ``a``."""
    if unit_diagonal or trans not in (0, 1, "N", "T"):
        refuse("solve_triangular with unit_diagonal or a conjugate has no rule")
    triangle = np.tril(a) if lower else np.triu(a)
    return np.linalg.solve(triangle.T if trans in (1, "T") else triangle, b)


LINALG: dict[str, Callable[..., Any]] = {
    "solve_triangular": solve_triangular,
    **{"inv": np.linalg.inv, "det": np.linalg.det, "solve": np.linalg.solve, "pinv": np.linalg.pinv},
}


def special(name: str) -> Callable[..., Any] | None:
    """A function of scipy.special, also for symbolic arrays; None if it is not supported or SciPy is missing."""
    if name in SPECIAL or name not in SCIPY or not find_spec("scipy"):
        return SPECIAL.get(name)
    return getattr(import_module("scipy.special"), name, None)


BUILTINS: dict[Any, Callable[..., Any]] = {len: length, sum: builtin_sum}
INSTEAD: dict[Any, Callable[..., Any]] = {
    **{np.arange: arange, np.eye: eye, np.identity: eye, np.tri: tri},
    **{np.ones: ones, np.zeros: zeros, np.full: full, np.array: array, np.asarray: array},
}


def substitutes() -> dict[Any, Callable[..., Any]]:
    """Each function with its replacement; SciPy's functions only if SciPy is imported."""
    modules = ((sys.modules.get("scipy.special"), SPECIAL), (sys.modules.get("scipy.linalg"), LINALG))
    replaced = {getattr(module, name): f for module, table in modules if module for name, f in table.items()}
    return {**BUILTINS, **INSTEAD, **replaced}


# --- what a one-line loss may contain ---------------------------------------------------------------------------------

# fmt: off
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.MatMult: operator.matmul, ast.USub: operator.neg, ast.UAdd: operator.pos,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Eq: operator.eq,
    ast.NotEq: operator.ne, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.Invert: operator.invert,
    ast.Mod: operator.mod,
}
SIGNS: dict[type[ast.AST], str] = {
    ast.FloorDiv: "//", ast.LShift: "<<", ast.RShift: ">>", ast.BitXor: "^", ast.Not: "not",
}
"""Python's operators that are not in the language."""
KINDS: dict[type[ast.AST], str] = {
    ast.BoolOp: "'and' or 'or'", ast.NamedExpr: "an assignment with :=", ast.Lambda: "a lambda",
    ast.IfExp: "a conditional (write where(...))", ast.List: "a list", ast.Tuple: "a tuple", ast.Set: "a set",
    ast.Dict: "a dictionary", ast.ListComp: "a list comprehension", ast.SetComp: "a set comprehension",
    ast.DictComp: "a dictionary comprehension", ast.GeneratorExp: "a comprehension", ast.JoinedStr: "an f-string",
    ast.Starred: "a starred argument", ast.Await: "an await", ast.Yield: "a yield", ast.YieldFrom: "a yield",
}
"""Python's other syntax that is not in the language, in words."""
# fmt: on
SETTINGS = {"axis", "keepdims", "ddof", "axes"}
KEYWORDS = {*SETTINGS, "ord", "weights", "a_min", "a_max", "min", "max", "b"}
ATTRIBUTES = {"T", "shape", "size", "ndim"}
METHODS = {name for name, value in vars(Symbolic).items() if callable(value) and name[0] != "_" and name != "length"}
BARE = {"pi": np.pi, "float": float}
CONSTANTS = {"pi": np.pi, "e": np.e, "inf": np.inf, "newaxis": None, "float64": np.float64, "float32": np.float32}
MODULES = ("np", "numpy", "np.linalg", "numpy.linalg", "math", "scipy.special", "symgrad.array")

# The functions by name: NumPy's, under all of their names, and those that this package adds.
NAMES: dict[str, Callable[..., Any]] = {
    **{name_of(function): function for function in FUNCTIONS},
    **{n: f for n, f in vars(np).items() if callable(f) and (f in FUNCTIONS or f in (np.shape, np.size, np.ndim))},
    "len": length,
    **{name_of(function): replacement for function, replacement in INSTEAD.items()},
    **{name: getattr(beyond_numpy, name) for name in beyond_numpy.__all__},
}


def is_in_module(node: ast.expr) -> bool:
    """Whether a node is a name in a module, such as ``np.linalg.norm``."""
    return isinstance(node, ast.Attribute) and ast.unparse(node.value) in MODULES


def function(node: ast.expr) -> Callable[..., Any] | None:
    """The function that a node names, with or without its module; None if it is not in the language."""
    if isinstance(node, ast.Name):
        return NAMES.get(node.id) or special(node.id)
    if not isinstance(node, ast.Attribute) or not is_in_module(node):
        return None
    return (special if ast.unparse(node.value) == "scipy.special" else NAMES.get)(node.attr)
