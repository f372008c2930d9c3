"""Pieces of source text whose axes are known, and the loss that is made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

ONE = ""
"""The axis of a dimension of size one."""
Axes = tuple[str, ...]

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
"""How tightly the outermost operator of a text binds."""
OPERATORS = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "@": PRODUCT, "**": POWER}


@dataclass(frozen=True)
class Term:
    """An expression: its text, the axes of its value, and the inputs on which the value depends."""

    text: str
    axes: Axes = ()
    uses: frozenset[str] = frozenset()
    level: int = ATOM

    def tight(self, level: int = ATOM) -> str:
        """The text, in parentheses where its outermost operator binds less than ``level``."""
        return self.text if self.level >= level else f"({self.text})"


def number(text: str) -> Term:
    """A number that is not negative."""
    return Term(text)


def call(form: str, *args: Term, axes: Axes) -> Term:
    """A function of terms; ``form`` has a place for each, inside the function's own parentheses."""
    return Term(form.format(*(arg.text for arg in args)), axes, union(*args))


def union(*args: Term) -> frozenset[str]:
    """The inputs that any of the terms uses."""
    return frozenset().union(*(arg.uses for arg in args))


def binary(operator: str, left: Term, right: Term, axes: Axes | None = None) -> Term:
    """Two terms with an operator between them; their axes broadcast unless ``axes`` says what comes of them."""
    level = OPERATORS[operator]
    before = left.tight(ATOM if operator == "**" else level)
    after = right.tight(level if operator == "+" else level + 1)
    found = broadcast(left.axes, right.axes) if axes is None else axes
    return Term(f"{before} {operator} {after}", found, union(left, right), level)


def negative(term: Term) -> Term:
    """Minus a term."""
    return Term(f"-{term.tight(SIGN + 1)}", term.axes, term.uses, SIGN)


def transposed(term: Term) -> Term:
    """A matrix with its axes exchanged."""
    return Term(f"{term.tight()}.T", term.axes[::-1], term.uses)


def subscripted(term: Term, places: str, axes: Axes) -> Term:
    """A term with something in brackets after it."""
    return Term(f"{term.tight()}[{places}]", axes, term.uses)


def broadcast(one: Axes, other: Axes) -> Axes:
    """The axes of what two arrays give entry by entry."""
    length = max(len(one), len(other))
    pairs = zip(*((ONE,) * (length - len(axes)) + axes for axes in (one, other)), strict=True)
    found = []
    for a, b in pairs:
        if a != b and ONE not in (a, b):
            raise ValueError(f"{one} and {other} do not broadcast")
        found.append(a or b)
    return tuple(found)


@dataclass(frozen=True)
class Input:
    """An input; ``word`` is what ``shapes`` says of it beside its axes.  The axes of labels are those of their rows."""

    name: str
    axes: Axes
    word: str = ""

    @property
    def declared(self) -> str:
        """Its axes and its word as ``shapes`` has them."""
        if self.word == "labels":
            return "{} labels of {}".format(*self.axes)
        return " ".join((*(self.axes or ("scalar",)), *([self.word] if self.word else [])))


@dataclass(frozen=True)
class Loss:
    """A loss: statements ``name = text`` and a result; ``in_one_line`` says that it is given as ``-e`` takes it."""

    inputs: tuple[Input, ...]
    statements: tuple[tuple[str, str], ...]
    result: str
    wrt: tuple[str, ...]
    in_one_line: bool

    @property
    def axes(self) -> Axes:
        """The names of its axes, in the order in which they occur."""
        return tuple(dict.fromkeys(axis for given in self.inputs for axis in given.axes))

    @property
    def shapes(self) -> str:
        """The declaration of the inputs."""
        return ", ".join(f"{given.name}: {given.declared}" for given in self.inputs)

    @property
    def source(self) -> str:
        """The loss as a function, ``random_loss``."""
        body = [*(f"{name} = {text}" for name, text in self.statements), f"return {self.result}"]
        head = f"def random_loss({', '.join(given.name for given in self.inputs)}):"
        return "\n".join([head, *(f"    {line}" for line in body), ""])

    @property
    def expression(self) -> str:
        """The result in the language of ``-e``, whose functions go by their names alone."""
        return re.sub(r"\bnp\.(linalg\.)?", "", self.result)

    def __str__(self) -> str:
        given = f'-e "{self.expression}"\n' if self.in_one_line else self.source
        return f"shapes: {self.shapes}\nwrt: {' '.join(self.wrt)}\n{given}"
