"""What a random loss consists of so far: its axes, its inputs, and the names that its statements have bound."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from trials.expressions.terms import ONE, Axes, Input, Term

T = TypeVar("T")

AXES = ("N", "D", "C", "H", "K", "M", "T", "B")
ARRAYS = ("X", "W", "A", "U", "V", "b", "w", "v", "u", "M", "Z", "K", "theta", "mu", "t", "B")
SCALARS = ("gamma", "tau", "alpha", "lam", "margin")
TARGETS = ("Y", "T", "Q")
DEFINED = (
    "Z1",
    "P",
    "S",
    "R",
    "E",
    "F",
    "G",
    "h",
    "q",
    "s",
    "r",
    "d",
    "Z2",
    "logits",
    "scores",
    "hidden",
    "f",
    "g",
    "e",
)
MOST_INPUTS = 4


class Scope:
    """The drawing of random numbers, of inputs and of names."""

    def __init__(self, chosen: random.Random) -> None:
        self.chosen = chosen
        self.axes: Axes = tuple(chosen.sample(AXES, self.weighted({2: 3, 3: 4})))
        self.in_one_line = self.chance(25)
        self.inputs: list[Input] = []
        self.statements: list[tuple[str, str]] = []
        self.pool: list[Term] = []
        self.positive_names: set[str] = set()

    # --- drawing ------------------------------------------------------------------------------------------------

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred draws."""
        return self.chosen.random() * 100 < percent

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return self.chosen.choice(options)

    def weighted(self, options: Mapping[T, int]) -> T:
        """One of the options, by weight."""
        return self.chosen.choices(list(options), list(options.values()))[0]

    def fitting(self, axes: Axes) -> Axes:
        """Axes of an operand that broadcasts to ``axes``: the same, a row, a column, a scalar."""
        trailing = axes[self.chosen.randint(0, len(axes)) :]
        kept = tuple(ONE if self.chance(40) else axis for axis in axes)
        found = self.weighted({axes: 5, trailing: 3, kept: 2})
        return found if any(found) else ()

    # --- names --------------------------------------------------------------------------------------------------

    def _name(self, options: Sequence[str]) -> str:
        taken = {*self.axes, *(i.name for i in self.inputs), *(name for name, _ in self.statements)}
        free = [name for name in options if name not in taken]
        return self.choice(free) if free else f"{options[0]}_{len(taken)}"

    def declare(self, axes: Axes, word: str | None = None) -> Term:
        """A new input; its word is drawn unless given."""
        if word is None:
            words = {"": 12, "positive": 2}
            if len(axes) == 2 and axes[0] == axes[1]:
                words["symmetric"] = 4
            if len(axes) == 2 and axes[0] != axes[1]:
                words |= {"distribution": 1}
            word = self.weighted(words)
        names = {"labels": ("y", "labels"), "one-hot": TARGETS, "distribution": TARGETS}.get(
            word, ARRAYS if axes else SCALARS
        )
        given = Input(self._name(names), axes, word)
        self.inputs.append(given)
        term = Term(given.name, axes, frozenset((given.name,)) if word not in ("labels", "one-hot") else frozenset())
        if word != "labels":
            self.pool.append(term)
        if word == "positive":
            self.positive_names.add(given.name)
        return term

    def bind(self, term: Term, is_positive: bool = False) -> Term:
        """A name for a term, so that it may be used more than once; in one line a name is the text itself."""
        if self.in_one_line or term.text.isidentifier():
            return term
        name = self._name(DEFINED)
        self.statements.append((name, term.text))
        bound = Term(name, term.axes, term.uses)
        self.pool.append(bound)
        if is_positive:
            self.positive_names.add(name)
        return bound

    def labels(self, axes: Axes) -> str:
        """The name of labels whose rows have these axes."""
        known = [given.name for given in self.inputs if given.word == "labels" and given.axes == axes]
        return known[0] if known else self.declare(axes, "labels").text

    def targets(self, axes: Axes) -> Term:
        """One-hot rows or distributions of these axes."""
        words = ("one-hot", "distribution")
        known = [given.name for given in self.inputs if given.word in words and given.axes == axes]
        if known:
            return next(term for term in self.pool if term.text == known[0])
        return self.declare(axes, self.choice(words))

    def size(self, axis: str) -> str | None:
        """The size of an axis, as the shape of an input; None where no input tells it, or the language has none."""
        if self.in_one_line:
            return None
        found = [
            f"len({given.name})" if place == 0 else f"{given.name}.shape[{place}]"
            for given in self.inputs
            for place, own in enumerate(given.axes[:1] if given.word == "labels" else given.axes)
            if own == axis
        ]
        return self.choice(found) if found else None

    # --- leaves -------------------------------------------------------------------------------------------------

    def leaf(self, axes: Axes, is_fit: Callable[[Term], bool] = lambda term: True) -> Term | None:
        """A name of these axes, as it stands, transposed, or with dimensions of size one; None where there is none."""
        if ONE in axes:
            bare = self.leaf(tuple(axis for axis in axes if axis), is_fit)
            return None if bare is None else self.expanded(bare, axes)
        found = [term for term in self.pool if term.axes == axes and is_fit(term)]
        found += [
            Term(f"{term.text}.T", axes, term.uses)
            for term in self.pool
            if len(axes) == 2 and term.axes == axes[::-1] and is_fit(term) and self.chance(50)
        ]
        return self.choice(found[-1:] if found and self.chance(40) else found) if found else None

    def expanded(self, term: Term, axes: Axes) -> Term:
        """A term with dimensions of size one where ``axes`` have them."""
        places = ", ".join(":" if axis else "None" for axis in axes)
        if axes == (ONE, *term.axes) and self.chance(40):
            places = "None"  # the rest follows by itself
        return Term(f"{term.tight()}[{places}]", axes, term.uses)
