"""One-line losses: parsed, checked against an allow-list, and walked; never passed to ``eval`` or ``compile``."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, Signature
from typing import Any, NoReturn

import numpy as np
from sympy import Expr

from symgrad.array import language
from symgrad.array.graph import Dimension, Entries, Indices, is_number, leaf, operand, size, tracing
from symgrad.array.loss import Loss
from symgrad.array.numpy_table import REFUSED, refusal
from symgrad.array.shape_grammar import parse_shapes
from symgrad.array.source_location import Span, with_location, written_at
from symgrad.array.symbolic import Symbolic
from symgrad.errors import InputError, ProgramError, SymgradError
from symgrad.names import in_english, same_look
from symgrad.notation import Array, Axis

MOST_LETTERS = 10_000
MOST_DEPTH = 50
MOST_PARTS = 1_000
MOST_DIGITS = 30
LONGEST_RUN = 600  # digits in a row; Python refuses to parse much longer integers
LARGEST_EXPONENT = 100
LARGEST_NUMBER = 10**300  # as the result of operators


@dataclass(frozen=True)
class Expression:
    """A parsed expression as a function of its inputs; ``sizes`` maps each axis to an input and the axis's position."""

    text: str
    tree: ast.expr
    sizes: Mapping[str, tuple[str, int]]

    def __call__(self, /, **inputs: Any) -> Any:
        """The value at ``inputs``, by name: arrays or symbolic arrays."""
        sizes = {axis: np.shape(inputs[name])[at] for axis, (name, at) in self.sizes.items() if name in inputs}
        return _value(self.tree, {**language.BARE, **sizes, **inputs}, self.text)


def parse(text: str, shapes: str, wrt: str = "") -> Loss:
    """The loss ``text``, such as ``"mean((X @ w - y)**2)"``; ``shapes`` and ``wrt`` are as in ``symgrad.loss``.

    Raises ``InputError``, with the column, for anything but inputs, numbers, operators, subscripts and functions of the
    language, and for an expression that is too long, too deep or too large.
    """
    inputs = parse_shapes(shapes)
    names = [shape.name for shape in inputs]
    text = " ".join(text.splitlines()).strip()
    text = re.sub(r"\blambda\b", "lambda_", text) if "lambda_" in names else text
    tree = _parsed(text := in_english(text), names)
    axes = [(shape, at, axis.name) for shape in inputs for at, axis in enumerate(shape.array.axes)]
    sizes = {axis: (shape.name, at) for shape, at, axis in reversed(axes) if not (shape.labels and at)}
    _check(tree, text, {*language.BARE, *names, *sizes})
    expression = Expression(text, tree, sizes)

    def evaluate(*args: Any, **keywords: Any) -> Any:
        return expression(**evaluate.__signature__.bind(*args, **keywords).arguments)  # type: ignore[attr-defined]

    parameters = [Parameter(shape.name, Parameter.POSITIONAL_OR_KEYWORD) for shape in inputs]
    evaluate.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    default = [shape.name for shape in inputs if not shape.is_target and shape.name in used]
    return Loss(evaluate, inputs, wrt.replace(",", " ").split() or default, "loss", "")


def array_expression(
    text: str, arrays: Mapping[str, Array], axes: Sequence[Axis]
) -> tuple[tuple[Dimension, ...], Callable[[Indices], Expr]]:
    """An expression in the arrays of a program, by name: its axes, and its entry as a function of indices.

    Raises ``InputError`` as ``parse`` does, and ``ProgramError`` for axes that do not match.
    """
    tree = _parsed(text := in_english(text.strip()), arrays)
    _check(tree, text, {*language.BARE, *arrays, *(axis.name for axis in axes)})
    with tracing(tuple(axes)):
        symbols = {name: Symbolic(leaf(array)) for name, array in arrays.items()}
        sizes = {axis.name: Symbolic(size(axis)) for axis in axes}
        value = _value(tree, {**language.BARE, **sizes, **symbols}, text)
        node = operand(value.node if isinstance(value, Symbolic) else value, "the expression")
        return node.axes, lambda indices: node.build(Entries({}), indices)


def _parsed(text: str, names: Iterable[str]) -> ast.expr:
    """The tree of an expression; what looks like one of ``names`` becomes it."""
    if not text:
        raise InputError("the expression is empty: expected, for example, 'mean((X @ w - y)**2)'")
    if len(text) > MOST_LETTERS:
        raise InputError(f"the expression has {len(text)} characters; at most {MOST_LETTERS} are allowed")
    if foreign := [(column, letter) for column, letter in enumerate(text) if not " " <= letter <= "~"]:
        column, letter = foreign[0]
        name = unicodedata.name(letter, f"U+{ord(letter):04X}")
        message = InputError(f"column {column + 1}: {letter!r} ({name}) is not in the language; use ASCII")
        raise with_location(message, Span("expression", 0, text, column, column + 1))
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    if deepest > MOST_DEPTH:
        raise InputError(f"the expression is nested more than {MOST_DEPTH} levels deep")
    if re.search(rf"\d{{{LONGEST_RUN}}}", text):
        raise InputError(f"the expression has a number of more than {MOST_DIGITS} digits")
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        column = min((error.offset or len(text) + 1) - 1, len(text))
        message = InputError(f"column {column + 1}: not a Python expression: {error.msg}")
        raise with_location(message, Span("expression", 0, text, column, column + 1)) from None
    except (ValueError, RecursionError, MemoryError):
        raise InputError("the expression cannot be parsed: it is too long or nested too deeply") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = same_look(node.id, names)
    return tree


def _span(node: ast.AST, text: str) -> Span:
    """The span of a node.  Python counts columns in bytes, which are characters in ASCII."""
    return Span("expression", 0, text, getattr(node, "col_offset", 0), getattr(node, "end_col_offset", 1))


def _refuse(node: ast.AST, text: str, message: str) -> NoReturn:
    span = _span(node, text)
    raise with_location(InputError(f"column {span.start + 1}: {message}"), span)


# --- checking -----------------------------------------------------------------------------------------------------


def _check(tree: ast.expr, text: str, inputs: set[str]) -> None:
    """Check the whole tree before any part is evaluated; without recursion, for deep trees."""
    waiting: list[tuple[ast.AST, int]] = [(tree, 1)]
    parts = 0
    while waiting:
        node, depth = waiting.pop()
        parts += 1
        if parts > MOST_PARTS:
            raise InputError(f"the expression has more than {MOST_PARTS} parts")
        if depth > MOST_DEPTH:
            raise InputError(f"the expression is nested more than {MOST_DEPTH} levels deep")
        waiting += [(part, depth + 1) for part in _allowed(node, text, inputs)]


def _allowed(node: ast.AST, text: str, inputs: set[str]) -> list[ast.AST]:
    """The parts of an allowed node, which are checked next; raises for a node that is not allowed."""
    if isinstance(node, ast.Constant):
        _check_constant(node, text)
        return []
    if isinstance(node, ast.Name):
        if node.id not in inputs:
            _refuse(node, text, _unknown(node.id, inputs))
        return []
    if isinstance(node, (ast.BinOp, ast.UnaryOp)):
        if type(node.op) not in language.OPERATORS:
            sign = language.SIGNS.get(type(node.op), "")
            _refuse(
                node, text, "use ** for powers, not ^" if sign == "^" else f"operator {sign} is not in the language"
            )
        return _operands(node)
    if isinstance(node, ast.Compare):
        if len(node.ops) > 1 or type(node.ops[0]) not in language.OPERATORS:
            _refuse(node, text, "a comparison has two operands and one of > >= < <= == !=")
        return _operands(node)
    if isinstance(node, ast.Attribute):
        return _allowed_attribute(node, text)
    if isinstance(node, ast.Subscript):
        keys = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return [node.value, *(key for key in keys if not _is_plain_key(key))]
    if isinstance(node, ast.Call):
        return _allowed_call(node, text)
    if isinstance(node, ast.Slice):
        _refuse(node, text, "only whole axes (:) can be taken, not a slice")
    _refuse(node, text, f"{language.KINDS.get(type(node), 'this')} is not in the language")


def _allowed_attribute(node: ast.Attribute, text: str) -> list[ast.AST]:
    if language.is_in_module(node):
        if node.attr not in language.CONSTANTS:
            _refuse(node, text, _unknown(node.attr, set(language.CONSTANTS)))
        return []
    if node.attr not in language.ATTRIBUTES:
        known = f"known attributes: {', '.join(sorted(language.ATTRIBUTES))}"
        instead = f"write .{node.attr}(...)" if node.attr in language.METHODS else known
        _refuse(node, text, f"unknown attribute {node.attr}; {instead}")
    return [node.value]


def _allowed_call(node: ast.Call, text: str) -> list[ast.AST]:
    values = [*_operands(node), *(k.value for k in node.keywords if k.arg not in language.SETTINGS)]
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if isinstance(node.func, ast.Attribute) and not language.is_in_module(node.func):
        if name not in language.METHODS:
            _refuse(node.func, text, f"unknown method {ast.unparse(node.func)}{_near(name, language.METHODS)}")
    elif language.function(node.func) is None:
        unknown = f"unknown function {name}{_near(name, language.NAMES)}"
        _refuse(node.func, text, refusal(name) if name in REFUSED else unknown)
    for keyword in node.keywords:
        if keyword.arg not in language.KEYWORDS:
            _refuse(keyword, text, f"the keyword {keyword.arg or '**'} is not in the language")
        if keyword.arg in language.SETTINGS and not _is_setting(keyword.value):
            _refuse(keyword.value, text, f"{keyword.arg}= takes an integer, True or False")
    strings = node.args[:1] if name == "einsum" else values if name == "norm" else []  # arguments that may be strings
    values = [v for v in values if not (v in strings and isinstance(v, ast.Constant) and isinstance(v.value, str))]
    values = values[:1] + [v for v in values[1:] if not (isinstance(v, ast.Constant) and v.value is None)]
    return [part for value in values for part in (value.elts if isinstance(value, ast.Tuple) else [value])]


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.7)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _is_setting(node: ast.AST) -> bool:
    """Whether a node is a literal such as an axis: 1, -1, None, True, or a tuple of integers."""
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
        _refuse(node, text, f"the number has more than {MOST_DIGITS} digits")
    if isinstance(node.value, float) and not np.isfinite(node.value):
        _refuse(node, text, "the number is too large")


def _unknown(name: str, inputs: set[str]) -> str:
    if name in language.NAMES:
        return f"{name} is a function: write {name}(...)"
    known = sorted(inputs - language.BARE.keys())
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"unknown name {name}; " + (f"did you mean {near[0]}?" if near else f"known names: {', '.join(known)}")


# --- evaluation ---------------------------------------------------------------------------------------------------


def _value(node: ast.AST, inputs: Mapping[str, Any], text: str) -> Any:
    """The value of a checked node; errors point at its span in the text."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return inputs[node.id]
    if isinstance(node, ast.Tuple):
        return tuple(_value(part, inputs, text) for part in node.elts)
    if isinstance(node, ast.Slice):
        return slice(None)
    if isinstance(node, ast.Attribute) and language.is_in_module(node):
        return language.CONSTANTS[node.attr]
    parts = [_value(part, inputs, text) for part in _operands(node)]
    with written_at(_span(node, text)):
        try:
            return _applied(node, parts, inputs, text)
        except SymgradError:
            raise
        except ZeroDivisionError:
            span = _span(node, text)
            raise with_location(ProgramError(f"column {span.start + 1}: division by zero"), span) from None
        except (ArithmeticError, AttributeError, ValueError, TypeError, IndexError) as error:
            _refuse(node, text, f"{ast.unparse(node)}: {error}")


def _operands(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that are evaluated before it."""
    match node:
        case ast.BinOp(left, _, right) | ast.Compare(left, _, [right, *_]) | ast.Subscript(left, right):
            return [left, right]
        case ast.UnaryOp(_, operand) | ast.Attribute(operand):
            return [operand]
        case ast.Call(ast.Attribute(operand) as method, args) if not language.is_in_module(method):
            return [operand, *args]
    return [*node.args] if isinstance(node, ast.Call) else []


def _applied(node: ast.AST, parts: list[Any], inputs: Mapping[str, Any], text: str) -> Any:
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Compare)):
        operator = node.ops[0] if isinstance(node, ast.Compare) else node.op
        if isinstance(operator, ast.Pow) and is_number(parts[1]) and abs(parts[1]) > LARGEST_EXPONENT:
            _refuse(node, text, f"the exponent is above {LARGEST_EXPONENT}")
        value = language.OPERATORS[type(operator)](*parts)
        if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
            _refuse(node, text, "the number is too large")
        return value
    if isinstance(node, ast.Attribute):
        return getattr(parts[0], node.attr)
    if isinstance(node, ast.Subscript):
        return parts[0][parts[1]]
    assert isinstance(node, ast.Call)
    keywords = {str(k.arg): _value(k.value, inputs, text) for k in node.keywords}
    if function := language.function(node.func):
        return function(*parts, **keywords)
    assert isinstance(node.func, ast.Attribute)
    return getattr(parts[0], node.func.attr)(*parts[1:], **keywords)
