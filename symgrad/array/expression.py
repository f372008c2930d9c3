"""A loss in one line of text, parsed against an allow-list and walked: nothing in it is ever evaluated or compiled."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, Signature
from typing import Any, NoReturn

import numpy as np

from symgrad.array import public
from symgrad.array.loss import Loss
from symgrad.array.numbers import is_number
from symgrad.array.place import Place, at_place, written_at
from symgrad.array.shapes import parse_shapes
from symgrad.array.table import FUNCTIONS, REFUSED, name_of, refusal
from symgrad.errors import InputError, ProgramError, SymgradError

MOST_LETTERS = 10_000
MOST_DEPTH = 50
MOST_PARTS = 1_000
MOST_DIGITS = 30
LONGEST_RUN = 600  # of digits that is read at all: of more, Python may refuse to make a number
LARGEST_EXPONENT = 100
LARGEST_NUMBER = 10**300  # made by operators

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
    ast.MatMult: lambda a, b: a @ b,
    ast.USub: lambda a: -a,
    ast.UAdd: lambda a: +a,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.BitAnd: lambda a, b: a & b,
    ast.BitOr: lambda a, b: a | b,
    ast.Invert: lambda a: ~a,
}
SIGNS: dict[type[ast.AST], str] = {
    ast.Mod: "%",
    ast.FloorDiv: "//",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitXor: "^",
    ast.Not: "not",
}
"""Python's operators that are not in the language."""
KINDS: dict[type[ast.AST], str] = {
    ast.BoolOp: "'and' or 'or'",
    ast.NamedExpr: "an assignment with :=",
    ast.Lambda: "a lambda",
    ast.IfExp: "a conditional (where(...) says it)",
    ast.List: "a list",
    ast.Tuple: "a tuple",
    ast.Set: "a set",
    ast.Dict: "a dictionary",
    ast.ListComp: "a list comprehension",
    ast.SetComp: "a set comprehension",
    ast.DictComp: "a dictionary comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.JoinedStr: "an f-string",
    ast.Starred: "a starred argument",
    ast.Await: "an await",
    ast.Yield: "a yield",
    ast.YieldFrom: "a yield",
}
"""What else Python has and the language has not, in words."""
KEYWORDS = {"axis", "keepdims", "ord", "ddof", "weights"}

# The functions of the language by name: NumPy's, by their own names and some that are said, and those of this package.
NAMES: dict[str, Callable[..., Any]] = {
    **{name_of(function): function for function in FUNCTIONS},
    "abs": np.absolute,
    "amax": np.max,
    "amin": np.min,
    **{name: getattr(public, name) for name in public.__all__},
}


@dataclass(frozen=True)
class Expression:
    """A parsed expression, as a function of its inputs."""

    text: str
    tree: ast.expr

    def __call__(self, /, **inputs: Any) -> Any:
        """The value at ``inputs``, arrays or symbols, by name."""
        return _value(self.tree, inputs, self.text)


def parse(text: str, shapes: str, wrt: str = "") -> Loss:
    """The loss that ``text``, such as ``"mean((X @ w - y)**2)"``, is of inputs declared as in ``symgrad.loss``.

    Raises ``InputError``, naming the place and the column, for anything but inputs, numbers, operators, functions of
    the language and subscripts, and for what is too deep, too long or too large.
    """
    inputs = parse_shapes(shapes)
    text = " ".join(text.splitlines()).strip()
    tree = _parsed(text)
    _check(tree, text, {shape.name for shape in inputs})
    expression = Expression(text, tree)

    def evaluate(*args: Any, **keywords: Any) -> Any:
        return expression(**evaluate.__signature__.bind(*args, **keywords).arguments)  # type: ignore[attr-defined]

    parameters = [Parameter(shape.name, Parameter.POSITIONAL_OR_KEYWORD) for shape in inputs]
    evaluate.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    names = wrt.replace(",", " ").split()
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    by = names or [
        shape.name for shape in inputs if not shape.words & {"one-hot", "distribution"} and shape.name in used
    ]
    return Loss(evaluate, inputs, by, "loss", "")


def _parsed(text: str) -> ast.expr:
    if not text:
        raise InputError("the expression is empty: expected such as 'mean((X @ w - y)**2)'")
    if len(text) > MOST_LETTERS:
        raise InputError(f"the expression has {len(text)} letters; at most {MOST_LETTERS} are read")
    if foreign := [(column, letter) for column, letter in enumerate(text) if not " " <= letter <= "~"]:
        column, letter = foreign[0]
        called = unicodedata.name(letter, f"U+{ord(letter):04X}")
        message = InputError(f"{letter!r} ({called}) at column {column + 1} is not in the language: write it in ASCII")
        raise at_place(message, Place("expression", 0, text, column, column + 1))
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    if deepest > MOST_DEPTH:
        raise InputError(f"the expression is nested more than {MOST_DEPTH} deep")
    if re.search(rf"\d{{{LONGEST_RUN}}}", text):
        raise InputError(f"the expression has a number of more than {MOST_DIGITS} digits")
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        column = min((error.offset or len(text) + 1) - 1, len(text))
        message = InputError(f"the expression is not well-formed at column {column + 1}: {error.msg}")
        raise at_place(message, Place("expression", 0, text, column, column + 1)) from None
    except (ValueError, RecursionError, MemoryError):
        raise InputError("the expression cannot be read: it is too long or nested too deep") from None


def _place(node: ast.AST, text: str) -> Place:
    """Where a node stands: its columns, which Python counts in bytes, are those of an expression in ASCII."""
    return Place("expression", 0, text, getattr(node, "col_offset", 0), getattr(node, "end_col_offset", 1))


def _refuse(node: ast.AST, text: str, what: str) -> NoReturn:
    place = _place(node, text)
    raise at_place(InputError(f"{what} at column {place.start + 1}"), place)


# --- what may stand in it -----------------------------------------------------------------------------------------


def _check(tree: ast.expr, text: str, inputs: set[str]) -> None:
    """Walk the whole tree before anything of it has a value, with a stack of its own."""
    waiting: list[tuple[ast.AST, int]] = [(tree, 1)]
    parts = 0
    while waiting:
        node, depth = waiting.pop()
        parts += 1
        if parts > MOST_PARTS:
            raise InputError(f"the expression has more than {MOST_PARTS} parts")
        if depth > MOST_DEPTH:
            raise InputError(f"the expression is nested more than {MOST_DEPTH} deep")
        waiting += [(part, depth + 1) for part in _allowed(node, text, inputs)]


def _allowed(node: ast.AST, text: str, inputs: set[str]) -> list[ast.AST]:
    """The parts of a node that is allowed, still to be checked; raises for one that is not."""
    if isinstance(node, ast.Constant):
        _check_constant(node, text)
        return []
    if isinstance(node, ast.Name):
        if node.id not in inputs:
            _refuse(node, text, _unknown(node.id, inputs))
        return []
    if isinstance(node, (ast.BinOp, ast.UnaryOp)):
        if type(node.op) not in OPERATORS:
            _refuse(node, text, f"the operator {SIGNS.get(type(node.op), '')} is not in the language")
        return [node.left, node.right] if isinstance(node, ast.BinOp) else [node.operand]
    if isinstance(node, ast.Compare):
        if len(node.ops) > 1 or type(node.ops[0]) not in OPERATORS:
            _refuse(node, text, "a comparison is one of > >= < <= == != between two values")
        return [node.left, node.comparators[0]]
    if isinstance(node, ast.Attribute):
        if node.attr != "T":
            instead = f"; write {node.attr}(...)" if node.attr in NAMES else ""
            _refuse(node, text, f"the attribute {node.attr!r} is not in the language: only .T is{instead}")
        return [node.value]
    if isinstance(node, ast.Subscript):
        keys = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return [node.value, *(key for key in keys if not _is_plain_key(key))]
    if isinstance(node, ast.Call):
        return _allowed_call(node, text)
    if isinstance(node, ast.Slice):
        _refuse(node, text, "only whole axes (:) can be taken, not a slice")
    _refuse(node, text, f"{KINDS.get(type(node), 'this')} is not in the language")


def _allowed_call(node: ast.Call, text: str) -> list[ast.AST]:
    if not isinstance(node.func, ast.Name):
        called = text[node.func.col_offset : node.func.end_col_offset]
        _refuse(node.func, text, f"the call of {called} is not in the language: write a function by its name alone")
    if node.func.id not in NAMES:
        _refuse(node.func, text, _unknown_function(node.func.id))
    for keyword in node.keywords:
        if keyword.arg not in KEYWORDS:
            _refuse(keyword, text, f"the keyword {keyword.arg or '**'} is not in the language")
    given: list[ast.AST] = [*node.args, *(k.value for k in node.keywords if k.arg == "weights")]
    for keyword in node.keywords:
        if keyword.arg != "weights" and not _is_setting(keyword.value):
            _refuse(keyword.value, text, f"{keyword.arg}= takes a whole number, True or False")
    if node.func.id == "einsum" and given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
        given = given[1:]
    return given


def _unknown_function(name: str) -> str:
    if name in REFUSED:
        return refusal(name)
    near = get_close_matches(name, NAMES, n=3, cutoff=0.5)
    return f"unknown function {name}{': expected ' + ' or '.join(near) if near else ''}"


def _is_setting(node: ast.AST) -> bool:
    """Whether a node is a constant such as an axis: 1, -1, None, True, or a tuple of numbers."""
    if isinstance(node, ast.Tuple):
        return all(map(_is_setting, node.elts))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _is_setting(node.operand)
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, (bool, int)))


def _is_plain_key(node: ast.AST) -> bool:
    """Whether a subscript is None, a whole slice or ``...``."""
    if isinstance(node, ast.Slice):
        return node.lower is None and node.upper is None and node.step is None
    return isinstance(node, ast.Constant) and (node.value is None or node.value is Ellipsis)


def _check_constant(node: ast.Constant, text: str) -> None:
    if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
        _refuse(node, text, f"{node.value!r} is not a number")
    if isinstance(node.value, int) and abs(node.value) >= 10**MOST_DIGITS:
        _refuse(node, text, f"a number of more than {MOST_DIGITS} digits")
    if isinstance(node.value, float) and not np.isfinite(node.value):
        _refuse(node, text, "a number that is too large")


def _unknown(name: str, inputs: set[str]) -> str:
    if name in NAMES:
        return f"the function {name} is not called: write {name}(...)"
    near = get_close_matches(name, sorted(inputs), n=1, cutoff=0.5)
    return f"unknown name {name}: expected {near[0] if near else 'one of ' + ', '.join(sorted(inputs))}"


# --- what it says -------------------------------------------------------------------------------------------------


def _value(node: ast.AST, inputs: Mapping[str, Any], text: str) -> Any:
    """The value of a checked node; errors point at its place in the text."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return inputs[node.id]
    if isinstance(node, ast.Tuple):
        return tuple(_value(part, inputs, text) for part in node.elts)
    if isinstance(node, ast.Slice):
        return slice(None)
    parts = [_value(part, inputs, text) for part in _operands(node)]
    with written_at(_place(node, text)):
        try:
            return _applied(node, parts, inputs, text)
        except SymgradError:
            raise
        except ZeroDivisionError:
            place = _place(node, text)
            raise at_place(ProgramError(f"division by zero at column {place.start + 1}"), place) from None
        except (ArithmeticError, ValueError, TypeError, IndexError) as error:
            _refuse(node, text, f"{type(error).__name__} ({error})")


def _operands(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, ast.Compare):
        return [node.left, node.comparators[0]]
    if isinstance(node, ast.Subscript):
        return [node.value, node.slice]
    return [node.value] if isinstance(node, ast.Attribute) else list(node.args) if isinstance(node, ast.Call) else []


def _applied(node: ast.AST, parts: list[Any], inputs: Mapping[str, Any], text: str) -> Any:
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Pow) and is_number(parts[1]) and abs(parts[1]) > LARGEST_EXPONENT:
            _refuse(node, text, f"a power with an exponent above {LARGEST_EXPONENT}")
        value = OPERATORS[type(node.op)](*parts)
        if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
            _refuse(node, text, "a number that is too large")
        return value
    if isinstance(node, ast.UnaryOp):
        return OPERATORS[type(node.op)](*parts)
    if isinstance(node, ast.Compare):
        return OPERATORS[type(node.ops[0])](*parts)
    if isinstance(node, ast.Attribute):
        return np.transpose(parts[0])
    if isinstance(node, ast.Subscript):
        return parts[0][parts[1]]
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    keywords = {str(k.arg): _value(k.value, inputs, text) for k in node.keywords}
    return NAMES[node.func.id](*parts, **keywords)
