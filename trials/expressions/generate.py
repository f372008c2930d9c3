"""Random losses, determined by a seed and a number."""

from __future__ import annotations

import random
import re

from trials.expressions.grammar import Grammar
from trials.expressions.terms import Input, Loss, Term, binary, negative, number

MOST_STATEMENTS = 9
MOST_LETTERS = 180


def from_seed(seed: int, n: int, letters: int = MOST_LETTERS) -> Loss:
    """The loss with a number; constant losses and long texts are skipped."""
    chosen = random.Random(f"{seed}/{n}")
    while True:
        made = loss(chosen)
        if made.wrt and len(made.source) <= letters and len(made.statements) <= MOST_STATEMENTS:
            return made


def loss(chosen: random.Random) -> Loss:
    """One loss: a few statements, and a scalar of their values."""
    grammar = Grammar(chosen)
    for _ in range(0 if grammar.in_one_line else grammar.weighted({0: 3, 1: 5, 2: 4, 3: 1})):
        axes = tuple(chosen.sample(grammar.axes, grammar.weighted({2: 8, 1: 4})))
        is_positive = grammar.chance(20)
        depth = grammar.weighted({1: 3, 2: 4})
        grammar.bind(grammar.positive(axes, depth) if is_positive else grammar.real(axes, depth), is_positive)
    result = total(grammar)
    if grammar.chance(20):
        factor = number(grammar.choice(("0.1", "0.5", "2"))) if grammar.chance(60) else grammar.real((), 0)
        result = binary("+", result, binary("*", factor, total(grammar)))
    return finished(grammar, result)


def total(grammar: Grammar) -> Term:
    """A scalar: a reduction of something."""
    made = grammar._reduced((), grammar.weighted({1: 1, 2: 5, 3: 2}))
    assert made is not None
    return negative(made) if grammar.chance(15) else made


def finished(grammar: Grammar, result: Term) -> Loss:
    """The loss with this result, and the statements and inputs that it needs."""
    needed = result.text
    kept = []
    for name, text in reversed(grammar.statements):
        if names(name, needed):
            kept.append((name, text))
            needed += f"\n{text}"
    inputs = tuple(given for given in grammar.inputs if names(given.name, needed))
    free = [given.name for given in inputs if given.name in result.uses and _is_moved(grammar, given)]
    wrt = tuple(free) if grammar.chance(60) else tuple(name for name in free if grammar.chance(50))
    return Loss(inputs, tuple(reversed(kept)), result.text, wrt or tuple(free[:1]), grammar.in_one_line)


def names(name: str, text: str) -> bool:
    """Whether a text uses a name."""
    return re.search(rf"(?<![\w.]){name}\b(?!=)", text) is not None


def _is_moved(grammar: Grammar, given: Input) -> bool:
    """Whether an input is in ``wrt`` if the loss depends on it; probabilities rarely are."""
    return given.word not in ("labels", "one-hot") and (given.word != "distribution" or grammar.chance(30))
