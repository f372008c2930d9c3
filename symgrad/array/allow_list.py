"""What a one-line loss may contain: the operators, functions, methods and names of the language."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad import array as beyond_numpy
from symgrad.array.numpy_table import FUNCTIONS, name_of
from symgrad.array.symbolic import Symbolic
from symgrad.array.undispatched import INSTEAD, length, special

# fmt: off
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.MatMult: operator.matmul, ast.USub: operator.neg, ast.UAdd: operator.pos,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Eq: operator.eq,
    ast.NotEq: operator.ne, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.Invert: operator.invert,
}
SIGNS: dict[type[ast.AST], str] = {
    ast.Mod: "%", ast.FloorDiv: "//", ast.LShift: "<<", ast.RShift: ">>", ast.BitXor: "^", ast.Not: "not",
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
