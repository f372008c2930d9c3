"""Random drafts.  Every choice is a drawn integer, so that Hypothesis can draw and shrink it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from trials.fuzz.syntax import ELEMENTWISE, ONE, Draft, Input, Statement, Value

T = TypeVar("T")
Integer = Callable[[int, int], int]
"""Draws an integer between two bounds, inclusive."""

AXES = ("N", "D", "C", "H", "T", "B", "K", "M", "E", "Rows")
NAMES = ("X", "W", "b", "Y", "A", "w", "v", "u", "Z", "R", "P", "S", "Q", "m", "mu", "G", "L", "F", "h", "z", "n", "k")
SCALARS = ("gamma", "tau", "lambda_", "alpha", "c", "t", "e")
DEFINED = ("U", "V", "Hid", "O", "Xhat", "q", "r", "p1", "p2", "s", "y_hat", "beta", "J", "mid", "f", "g", "G_Z")
NUMBERS = ("2", "0.5", "3", "0.1", "1", "-1", "1.5", "10")
LETTERS = "nmikjlcdehgftsuabpqrvwxyz"
LABELS = ("labels", "one-hot", "distribution")
MOST = 14
"""Operations in one statement, not counting names."""
SMOOTH = ("tanh", "exp", "square", "sigmoid", "softplus", "sin", "negative", "cube", "cos", "arctan", "expm1", "erf")
RARE = ("gelu", "sinh", "cosh", "arcsinh")
POSITIVE = ("log", "root", "reciprocal", "power 3/2", "power -1/2", "power 1/4", "power -2", "log1p", "log2")
KINKED = ("relu", "abs", "clip", "huber", "sign")
BINARY = ("multiply", "add", "subtract", "divide")
BINARY_RARE = ("maximum", "minimum", "hypot", "logaddexp", "where", "symbolic power")


@dataclass
class Maker:
    """A draft under construction.  ``pool`` has the values that statements may use."""

    integer: Integer
    axes: tuple[str, ...] = ()
    inputs: list[Input] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    pool: list[Value] = field(default_factory=list)
    positive: set[str] = field(default_factory=set)

    # --- drawing ------------------------------------------------------------------------------------------------

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred draws."""
        return self.integer(0, 99) >= 100 - percent

    def weighted(self, options: Mapping[T, int]) -> T:
        """One of the options, by weight."""
        left = self.integer(0, sum(options.values()) - 1)
        for option, weight in options.items():
            if left < weight:
                return option
            left -= weight
        raise AssertionError("weights add up")

    def some(self, options: Sequence[T]) -> tuple[T, ...]:
        """At least one of the options, in their order."""
        chosen = tuple(option for option in options if self.chance(50))
        return chosen or (self.choice(options),)

    def name(self, options: Sequence[str]) -> str:
        """A name that no array and no axis has."""
        taken = {*self.axes, *(i.name for i in self.inputs), *(s.name for s in self.statements)}
        return self.choice([name for name in options if name not in taken])

    # --- what is known ------------------------------------------------------------------------------------------

    def is_positive(self, value: Value) -> bool:
        """Whether all entries of a value are known to be positive."""
        args = value.args
        if value.op == "name":
            return value.data[0] in self.positive
        if value.op == "number":
            return float(value.data[0]) > 0
        if value.op in ("size", "softmax"):
            return True
        if value.op in ("multiply", "divide", "maximum"):
            return all(map(self.is_positive, args))
        if value.op == "add":
            one, other = args
            return any(
                self.is_positive(a) and (self.is_positive(b) or b.op in ("square", "abs", "relu"))
                for a, b in ((one, other), (other, one))
            )
        if value.op in ("sum", "mean", "max", "min", "transpose", "expand", "matmul", "einsum", "reciprocal", "outer"):
            return all(map(self.is_positive, args))
        return value.op in ELEMENTWISE and ELEMENTWISE[value.op].is_positive

    # --- inputs -------------------------------------------------------------------------------------------------

    def declare(self) -> None:
        """The axes and the inputs."""
        count = self.weighted({2: 5, 1: 3, 3: 3})
        remaining = list(AXES)
        while len(self.axes) < count:
            self.axes += (remaining.pop(self.integer(0, len(remaining) - 1)),)
        for _ in range(self.weighted({2: 10, 1: 8, 3: 5, 4: 1})):
            self._declare_one()
        if not any(given.word not in ("labels", "one-hot") for given in self.inputs):
            self._declare_one(plain=True)

    def _declare_one(self, plain: bool = False) -> None:
        rank = self.weighted({2: 18, 1: 16, 0: 0 if plain else 6, 3: 1})
        axes = tuple(self.choice(self.axes) for _ in range(rank))
        if len(set(axes)) < len(axes) and self.chance(60) and len(self.axes) >= rank:
            axes = tuple(self.axes[:rank])
        words = {"": 12, "positive": 3}
        if rank == 2 and axes[0] == axes[1]:
            words["symmetric"] = 4
        if rank >= 2 and not plain:
            words |= {"distribution": 3, "one-hot": 3} | ({"labels": 5} if rank == 2 and axes[0] != axes[1] else {})
        word = "" if plain else self.weighted(words)
        if word == "labels":
            self.inputs.append(Input(self.name(("y", "t", "labels")), axes, word))
            self.pool.append(Value("one_hot", (), axes, (self.inputs[-1].name, axes[1])))
            if not any(axes[1] in i.axes for i in self.inputs[:-1]):  # it determines the number of classes
                axes = axes if self.chance(70) else axes[1:]
                self.inputs.append(Input(self.name(NAMES), axes))
                self.pool.append(Value("name", (), axes, (self.inputs[-1].name,)))
            return
        name = self.name(SCALARS if not rank else NAMES)
        self.inputs.append(Input(name, axes, word))
        if word == "positive":
            self.positive.add(name)
        self.pool.append(Value("name", (), axes, (name,)))

    # --- growth -------------------------------------------------------------------------------------------------

    def leaf(self) -> Value:
        """A value from the pool, recent values more often."""
        count = len(self.pool)
        return self.pool[-1 - min(self.integer(0, count - 1), self.integer(0, count - 1))]

    def grown(self, value: Value) -> Value:
        """A value with an additional operation."""
        kinds: dict[Callable[[Value], Value | None], int] = {
            self._unary: 7,
            self._binary: 9,
            self._centred: 1,
            self._reduced: 5 if value.axes else 0,
            self._normalised: 3 if value.axes else 0,
            self._matmul: 6 if value.axes else 0,
            self._einsum: 2 if value.axes else 0,
            self._arranged: 3 if value.axes else 0,
            self._labelled: 4 if any(given.word in LABELS for given in self.inputs) else 0,
            self._sized: 2,
        }
        made = self.weighted(kinds)(value)
        return made if made is not None and made.size <= MOST and len(made.axes) <= 3 else self._unary(value)

    def made_positive(self, value: Value) -> Value | None:
        """A positive value made from a value, or one that may be positive; None to try again."""
        if self.is_positive(value):
            return value
        kind = self.weighted({"square": 3, "exp": 2, "softplus": 2, "sigmoid": 1, "abs": 1, "raw": 3})
        if kind == "raw":
            return value
        turned = Value(kind, (value,), value.axes)
        return turned if self.is_positive(turned) else Value("add", (turned, _number("1")), value.axes)

    def _unary(self, value: Value) -> Value:
        names = self.weighted({SMOOTH: 10, POSITIVE: 6, KINKED: 4, RARE: 1})
        name = self.choice(names)
        if ELEMENTWISE[name].domain == "p":
            value = self.made_positive(value) or value
        return Value(name, (value,), value.axes)

    def _binary(self, value: Value) -> Value | None:
        name = self.choice(BINARY) if not self.chance(20) else self.choice(BINARY_RARE)
        parts = [value, self._other(value)]
        while len(parts) < ELEMENTWISE[name].arity:
            parts.append(self._other(value))
        if self.chance(40):
            parts.reverse()
        for place, need in enumerate(ELEMENTWISE[name].domain):
            if need == "p":
                parts[place] = self.made_positive(parts[place]) or parts[place]
        axes: tuple[str, ...] | None = ()
        for part in parts:
            axes = None if axes is None else broadcast(axes, part.axes)
        return None if axes is None else Value(name, tuple(parts), axes)

    def _other(self, value: Value) -> Value:
        """A value that broadcasts with another."""
        fitting = [v for v in self.pool if broadcast(v.axes, value.axes) is not None]
        kind = self.weighted({"pool": 6 if fitting else 0, "number": 2, "itself": 1})
        if kind == "pool":
            return self.choice(fitting)
        return _number(self.choice(NUMBERS)) if kind == "number" else value

    def _centred(self, value: Value) -> Value | None:
        """A value combined with a reduction of itself: x - mean(x), x / sum(x), x / norm(x)."""
        if not value.axes or ONE in value.axes:
            return None
        op = self.choice(("mean", "sum", "max", "norm", "std"))
        place = self.integer(0, len(value.axes) - 1)
        axes = tuple(ONE if at == place else axis for at, axis in enumerate(value.axes))
        total = Value(op, (value,), axes, ((place,), True))
        name = "divide" if op in ("norm", "std") or (op == "sum" and self.is_positive(value)) else "subtract"
        return Value(name, (value, total), value.axes)

    def _reduced(self, value: Value) -> Value | None:
        op = self.weighted({"sum": 6, "mean": 4, "max": 2, "min": 1, "var": 1, "std": 1, "norm": 2, "logsumexp": 2})
        real = [place for place, axis in enumerate(value.axes) if axis != ONE]
        if not real:
            return None
        places = (self.choice(real),) if op in ("max", "min", "norm") or self.chance(60) else self.some(real)
        keep = self.chance(30)
        axes = tuple(ONE if at in places else a for at, a in enumerate(value.axes) if keep or at not in places)
        return Value(op, (value,), axes, (places, keep))

    def _normalised(self, value: Value) -> Value | None:
        place = len(value.axes) - 1 if self.chance(75) else self.integer(0, len(value.axes) - 1)
        if value.axes[place] == ONE:
            return None
        return Value(self.choice(("softmax", "log_softmax")), (value,), value.axes, (place,))

    def _matmul(self, value: Value) -> Value | None:
        found = []
        for other in self.pool:
            for left, right in ((value, other), (other, value), (value, _turned(other)), (_turned(value), other)):
                axes = _product_axes(left.axes, right.axes)
                if axes is not None:
                    found.append(Value("matmul", (left, right), axes))
        return self.choice(found) if found else None

    def _einsum(self, value: Value) -> Value | None:
        parts = [value, *(self.leaf() for _ in range(self.weighted({1: 6, 0: 1, 2: 2})))]
        parts = [part for part in parts if part.axes]
        letters: dict[str, list[str]] = {}
        words, used = [], 0
        for part in parts:
            word = ""
            for axis in part.axes:
                known = letters.setdefault(axis or f"one{used}", [])
                if not known or self.chance(25):
                    known.append("abcdefghijklm"[used])
                    used += 1
                word += self.choice(known)
            words.append(word)
        if any(ONE in part.axes for part in parts) or used > 5:
            return None
        over = {letter: axis for axis, known in letters.items() for letter in known}
        kept = [letter for letter in sorted(over) if any(letter in word for word in words) and self.chance(45)][:3]
        if len(kept) > 1 and self.chance(30):
            kept.reverse()
        subscripts = f"{','.join(words)}->{''.join(kept)}"
        return Value("einsum", tuple(parts), tuple(over[letter] for letter in kept), (subscripts,))

    def _arranged(self, value: Value) -> Value | None:
        rank = len(value.axes)
        if rank == 1 and self.chance(50):
            place = self.integer(0, 1)
            return Value("expand", (value,), (ONE, *value.axes) if place == 0 else (*value.axes, ONE), (place,))
        if rank == 1 and value.axes[0] != ONE:
            other = self.choice([v for v in (*self.pool, value) if len(v.axes) == 1 and v.axes[0] != ONE] or [value])
            kind = self.weighted({"outer": 3, "diag": 1})
            if kind == "outer":
                return Value("outer", (value, other), value.axes + other.axes)
            return Value("diag", (value,), value.axes * 2)
        if rank == 2 and value.axes[0] == value.axes[1] != ONE and self.chance(70):
            kind = self.choice(("diagonal", "trace"))
            return Value(kind, (value,), value.axes[:1] if kind == "diagonal" else ())
        if rank == 3:
            order = self.choice(((0, 2, 1), (1, 0, 2), (2, 0, 1), (2, 1, 0), (1, 2, 0)))
            return Value("transpose", (value,), tuple(value.axes[place] for place in order), order)
        return _turned(value) if rank == 2 else None

    def _labelled(self, value: Value) -> Value | None:
        """A value indexed by labels, or multiplied by one-hot rows or distributions."""
        found = []
        for given in self.inputs:
            for part in (value, *self.pool):
                if part.op == "name" and part.data[0] == given.name:
                    continue
                if given.word == "labels" and part.axes == given.axes:
                    found.append(Value("gather", (part,), given.axes[:1], (given.name,)))
                if given.word == "labels" and part.axes == given.axes[1:]:
                    found.append(Value("pick", (part,), given.axes[:1], (given.name,)))
                if given.word in ("distribution", "one-hot") and part.axes == given.axes:
                    found.append(Value("multiply", (Value("name", (), given.axes, (given.name,)), part), part.axes))
        return self.choice(found) if found else None

    def _sized(self, value: Value) -> Value | None:
        """A value with the size of an axis as a factor."""
        known = tuple(dict.fromkeys(a for i in self.inputs for a in (i.axes[:1] if i.word == "labels" else i.axes)))
        if not known:
            return None
        size = Value("size", (), (), (self.choice(known),))
        if self.chance(20):
            size = Value("root", (size,))
        return Value(self.choice(("divide", "multiply")), (value, size), value.axes)

    # --- the whole ----------------------------------------------------------------------------------------------

    def statement(self) -> None:
        """Add a statement."""
        value = self.leaf()
        for _ in range(self.weighted({1: 12, 2: 7, 3: 1})):
            value = self.grown(value)
        name = self.name(DEFINED)
        self.statements.append(Statement(name, value, not self.chance(35)))
        if self.is_positive(value):
            self.positive.add(name)
        self.pool.append(Value("name", (), value.axes, (name,)))

    def scalar(self, value: Value) -> Value:
        """A scalar reduction of a value."""
        if self.chance(50):
            value = self._labelled(value) or value
        if self.chance(20) and value.axes:
            value = self.grown(value)
        places = tuple(range(len(value.axes)))
        if not places:
            return value
        kind = self.weighted({"sum": 4, "mean": 4, "squares": 3, "rows": 2, "norm": 1, "logsumexp": 1, "log": 1})
        if kind in ("sum", "mean", "logsumexp"):
            return Value(kind, (value,), (), (places, False))
        if kind == "squares":
            return Value("sum", (Value("square", (value,), value.axes),), (), (places, False))
        if kind == "rows" and len(places) > 1:
            inner = Value("sum", (value,), value.axes[:1], (places[1:], False))
            return Value("mean", (inner,), (), ((0,), False))
        if kind == "log":
            positive = self.made_positive(value) or value
            return Value("mean", (Value("log", (positive,), value.axes),), (), (places, False))
        return (
            Value("norm", (value,), (), (places, False))
            if len(places) < 3
            else Value("sum", (value,), (), (places, False))
        )

    def result(self) -> Value:
        """The loss: a sum of the last value and of unused values."""
        used = {name for statement in self.statements for name in statement.value.names()}
        loose = [v for v in self.pool if v.op == "name" and v.data[0] not in used]
        total = self.scalar(self.pool[-1])
        for value in loose[:-1][: self.weighted({1: 3, 0: 3, 2: 1})]:
            other = self.scalar(value)
            name = self.weighted({"add": 8, "multiply": 2, "divide": 1, "subtract": 1})
            if name == "divide":
                other = self.made_positive(other) or other
            total = Value(name, (total, other))
        return Value("negative", (total,)) if self.chance(15) else total


def broadcast(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...] | None:
    """The axes of what two arrays give entry by entry; None where they do not fit."""
    length = max(len(one), len(other))
    padded = [(ONE,) * (length - len(axes)) + axes for axes in (one, other)]
    pairs = list(zip(*padded, strict=True))
    if any(a != b and ONE not in (a, b) for a, b in pairs):
        return None
    return tuple(a if a != ONE else b for a, b in pairs)


def _number(shown: str) -> Value:
    return Value("number", (), (), (shown,))


def _turned(value: Value) -> Value:
    if len(value.axes) != 2:
        return value
    return Value("transpose", (value,), value.axes[::-1], (1, 0))


def _product_axes(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...] | None:
    """The axes of ``left @ right``; None where they do not fit."""
    if not left or not right or (len(left) > 2 and len(right) == 3 and left[0] != right[0]):
        return None
    if left[-1] != right[max(len(right) - 2, 0)] or left[-1] == ONE:
        return None
    before = max(left[:-2], right[:-2], key=len)
    return before + left[:-1][-1:] + (right[-1:] if len(right) > 1 else ())


def draft(integer: Integer) -> Draft:
    """A draft made with the numbers that ``integer`` draws."""
    maker = Maker(integer)
    maker.declare()
    for _ in range(maker.weighted({2: 16, 1: 24, 3: 6, 4: 2, 5: 1})):
        maker.statement()
    result = maker.result()
    by_hand = maker.chance(35) and not any(given.word == "labels" for given in maker.inputs)
    used = _reachable(result, maker.statements)
    kept = {s.name for s in maker.statements if s.name in used or maker.chance(10)}
    for statement in reversed(maker.statements):
        if statement.name in kept:
            kept |= set(statement.value.names())
    statements = tuple(s for s in maker.statements if s.name in kept)
    wrt = _by(maker, result, statements, by_hand)
    start = maker.integer(0, len(LETTERS) - 1) if by_hand else 0
    return Draft(tuple(maker.inputs), statements, result, wrt, by_hand, LETTERS[start:] + LETTERS[:start])


def _reachable(result: Value, statements: Sequence[Statement]) -> set[str]:
    """The inputs and statements from which the result is computed."""
    used = set(result.names())
    for statement in reversed(statements):
        if statement.name in used:
            used |= set(statement.value.names())
    return used


def _by(maker: Maker, result: Value, statements: Sequence[Statement], by_hand: bool) -> tuple[str, ...]:
    """The arrays to differentiate with respect to: inputs that the result depends on, sometimes an intermediate."""
    used = _reachable(result, statements)
    inputs = [i.name for i in maker.inputs if i.name in used and i.word not in ("labels", "one-hot")]
    if not inputs:
        return ()
    chosen = maker.some(inputs) if maker.chance(50) else tuple(inputs)
    defined = [s.name for s in statements if s.name in used]
    if defined and by_hand and maker.chance(15):
        chosen += (maker.choice(defined),)
    return chosen


def from_seed(seed: int, number: int) -> Draft:
    """The draft with a number, determined by the number and the seed; constant drafts are skipped."""
    chosen = random.Random(f"{seed}/{number}")
    while True:
        made = draft(chosen.randint)
        if made.wrt:
            return made
