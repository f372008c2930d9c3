"""The tree of a random program, from which the user's function, the equations and the references are made.

A ``Draft`` is data: inputs, statements ``name = value`` and a scalar result.  ``source`` writes it as a NumPy function,
which symgrad traces, and which the references run with their own functions in place of NumPy's;
``direct.program`` writes it as equations in index notation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Expr, Rational

from symgrad import functions as kinked

ONE = ""
"""The axis of a dimension of size one."""


@dataclass(frozen=True)
class Value:
    """An operation on values; ``axes`` are the axis names of the result.  ``data`` are its other arguments: the axis
    positions of a reduction, the subscripts of an einsum, the name of an input."""

    op: str
    args: tuple[Value, ...] = ()
    axes: tuple[str, ...] = ()
    data: tuple[Any, ...] = ()

    @property
    def size(self) -> int:
        """The number of operations, not counting names."""
        return 1 + sum(arg.size for arg in self.args)

    def names(self) -> Iterator[str]:
        """The inputs and statements that it uses."""
        if self.op in ("name", "gather", "one_hot"):
            yield self.data[0]
        for arg in self.args:
            yield from arg.names()


@dataclass(frozen=True)
class Input:
    """An input; ``word`` is what ``shapes`` says of it beside its axes, or nothing.

    The axes of labels are those of their one-hot rows.
    """

    name: str
    axes: tuple[str, ...]
    word: str = ""


@dataclass(frozen=True)
class Statement:
    """``name = value``; ``is_node`` applies to hand-written equations."""

    name: str
    value: Value
    is_node: bool = True


@dataclass(frozen=True)
class Draft:
    """A program; if ``by_hand``, its equations are hand-written, with the index letters ``letters``."""

    inputs: tuple[Input, ...]
    statements: tuple[Statement, ...]
    result: Value
    wrt: tuple[str, ...]
    by_hand: bool = False
    letters: str = ""

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of its axes, in the order in which they occur."""
        return tuple(dict.fromkeys(axis for given in self.inputs for axis in given.axes))

    @property
    def shapes(self) -> str:
        """The declaration of the inputs."""
        return ", ".join(f"{given.name}: {_declared(given)}" for given in self.inputs)


def _declared(given: Input) -> str:
    if given.word == "labels":
        return "{} labels of {}".format(*given.axes)
    return " ".join((*(given.axes or ("scalar",)), *([given.word] if given.word else [])))


@dataclass(frozen=True)
class Elementwise:
    """An elementwise function: its text, its meaning, which arguments must be positive, whether it is positive."""

    text: str
    meaning: Callable[..., Expr]
    domain: str = ""
    is_positive: bool = False

    @property
    def arity(self) -> int:
        """How many arguments it takes."""
        return len({place for place in "0123" if f"{{{place}}}" in self.text})


def power(p: int, q: int = 1) -> Elementwise:
    """x to a rational power."""
    text = f"({{0}} ** {p})" if q == 1 else f"np.power({{0}}, {p}/{q})"  # a function can watch for roots of 0
    return Elementwise(text, lambda x: x ** Rational(p, q), "p" if q > 1 or p < 0 else "")


ELEMENTWISE: dict[str, Elementwise] = {
    "add": Elementwise("({0} + {1})", lambda a, b: a + b),
    "subtract": Elementwise("({0} - {1})", lambda a, b: a - b),
    "multiply": Elementwise("({0} * {1})", lambda a, b: a * b),
    "divide": Elementwise("({0} / {1})", lambda a, b: a / b, " p"),
    "symbolic power": Elementwise("np.power({0}, {1})", lambda a, b: a**b, "p "),
    "negative": Elementwise("(-{0})", lambda a: -a),
    "square": power(2),
    "cube": power(3),
    "root": Elementwise("np.sqrt({0})", sp.sqrt, "p", True),
    "power 3/2": power(3, 2),
    "power -1/2": power(-1, 2),
    "power 1/4": Elementwise("np.power({0}, 0.25)", lambda x: x ** Rational(1, 4), "p", True),
    "power -2": power(-2),
    "reciprocal": Elementwise("(1 / {0})", lambda a: 1 / a, "p"),
    "exp": Elementwise("np.exp({0})", sp.exp, "", True),
    "expm1": Elementwise("np.expm1({0})", lambda a: sp.exp(a) - 1),
    "log": Elementwise("np.log({0})", sp.log, "p"),
    "log1p": Elementwise("np.log1p({0})", lambda a: sp.log(1 + a), "p"),
    "log2": Elementwise("np.log2({0})", lambda a: sp.log(a) / sp.log(2), "p"),
    "sigmoid": Elementwise("sigmoid({0})", lambda a: 1 / (1 + sp.exp(-a)), "", True),
    "softplus": Elementwise("softplus({0})", lambda a: sp.log(1 + sp.exp(a)), "", True),
    "tanh": Elementwise("np.tanh({0})", sp.tanh),
    "sin": Elementwise("np.sin({0})", sp.sin),
    "cos": Elementwise("np.cos({0})", sp.cos),
    "sinh": Elementwise("np.sinh({0})", sp.sinh),
    "cosh": Elementwise("np.cosh({0})", sp.cosh, "", True),
    "arctan": Elementwise("np.arctan({0})", sp.atan),
    "arcsinh": Elementwise("np.arcsinh({0})", sp.asinh),
    "erf": Elementwise("erf({0})", sp.erf),
    "gelu": Elementwise("gelu({0})", lambda a: a * (1 + sp.erf(a / sp.sqrt(2))) / 2),
    "hypot": Elementwise("np.hypot({0}, {1})", lambda a, b: sp.sqrt(a**2 + b**2), "", True),
    "logaddexp": Elementwise("np.logaddexp({0}, {1})", lambda a, b: sp.log(sp.exp(a) + sp.exp(b))),
    "relu": Elementwise("relu({0})", kinked.relu),
    "abs": Elementwise("np.abs({0})", kinked.absolute),
    "sign": Elementwise("np.sign({0})", kinked.signum),
    "maximum": Elementwise("np.maximum({0}, {1})", kinked.maximum),
    "minimum": Elementwise("np.minimum({0}, {1})", kinked.minimum),
    "clip": Elementwise("np.clip({0}, -0.5, 0.75)", lambda x: kinked.clip(x, -sp.S.Half, Rational(3, 4))),
    "where": Elementwise(
        "np.where(np.greater({0}, {1}), {2}, {3})", lambda a, b, c, d: kinked.where(kinked.step(a - b, 0), c, d)
    ),
    "huber": Elementwise(
        "np.where(np.less_equal(np.abs({0}), 1), 0.5 * {0} ** 2, np.abs({0}) - 0.5)",
        lambda a: kinked.where(kinked.step(1 - kinked.absolute(a), 1), a**2 / 2, kinked.absolute(a) - sp.S.Half),
    ),
}
"""The elementwise functions by name."""

REDUCTIONS = {
    "sum": "np.sum({0}{axis})",
    "mean": "np.mean({0}{axis})",
    "max": "np.max({0}{axis})",
    "min": "np.min({0}{axis})",
    "var": "np.var({0}{axis})",
    "std": "np.std({0}{axis})",
    "norm": "norm({0}{axis})",
    "logsumexp": "logsumexp({0}{axis})",
}
"""Reductions: ``data`` are the axis positions, and keepdims."""

FORMS = {
    "softmax": "softmax({0}, axis={data[0]})",
    "log_softmax": "log_softmax({0}, axis={data[0]})",
    "matmul": "({0} @ {1})",
    "outer": "np.outer({0}, {1})",
    "trace": "np.trace({0})",
    "diag": "np.diag({0})",
    "diagonal": "np.diagonal({0})",
    "gather": "{0}[np.arange(len({data[0]})), {data[0]}]",
    "pick": "{0}[{data[0]}]",
}


def text(value: Value, sizes: Mapping[str, str]) -> str:
    """A value as NumPy source; ``sizes`` has the expression for the size of each axis."""
    args = [text(arg, sizes) for arg in value.args]
    if value.op in ELEMENTWISE:
        return ELEMENTWISE[value.op].text.format(*args)
    if value.op in ("name", "number"):
        return str(value.data[0])
    if value.op == "size":
        return sizes[value.data[0]]
    if value.op in REDUCTIONS:
        places, keep = value.data
        axis = "" if len(places) == len(value.args[0].axes) and not keep else f", axis={_axis(places)}"
        return REDUCTIONS[value.op].format(*args, axis=axis + (", keepdims=True" if keep else ""))
    if value.op == "einsum":
        return f"np.einsum({value.data[0]!r}, {', '.join(args)})"
    if value.op == "transpose":
        order = value.data
        return f"{args[0]}.T" if order == (1, 0) else f"np.transpose({args[0]}, {order})"
    if value.op == "expand":
        return f"{args[0]}[{', '.join('None' if place in value.data else ':' for place in range(len(value.axes)))}]"
    if value.op == "one_hot":
        return f"one_hot({value.data[0]}, {sizes[value.data[1]]})"
    return FORMS[value.op].format(*args, data=value.data)


def _axis(places: tuple[int, ...]) -> str:
    return str(places[0]) if len(places) == 1 else str(places)


def source(draft: Draft) -> str:
    """The draft as a user's function named ``random_loss``."""
    sizes: dict[str, str] = {}
    for given in draft.inputs:
        for place, axis in enumerate(given.axes[:1] if given.word == "labels" else given.axes):
            sizes.setdefault(axis, f"len({given.name})" if place == 0 else f"{given.name}.shape[{place}]")
    lines = [f"def random_loss({', '.join(given.name for given in draft.inputs)}):"]
    lines += [f"    {statement.name} = {text(statement.value, sizes)}" for statement in draft.statements]
    return "\n".join([*lines, f"    return {text(draft.result, sizes)}", ""])
