"""What a prime field sees of a line: everything, unless a root, a number or a function in it is drawn at random."""

from __future__ import annotations

from dataclasses import replace

import classifier as cl
import pytest
from classifier import LOSSES, P
from sympy import Expr, Rational, Sum, cos, exp, log, pi, sqrt

from symgrad.check.at_shapes import Sight
from symgrad.check.lines import Claim, claims
from symgrad.engine.derive import derive_record
from symgrad.equations import abbreviation, node
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Record, Step, Value

N = Axis("N")
n = N.index("n")
X, S, F, L = Array("x", (N,)), Array("s", (N,)), Array("f", (N,)), Array("L")
x = X[n]


def seen(record: Record) -> dict[int, bool]:
    sight = Sight(record)
    return {c.step.number: sight.is_whole(c) for c in claims(record) if isinstance(c, Claim)}


@pytest.mark.parametrize("name", LOSSES)
def test_all_is_seen_but_the_lines_with_logarithms(name: str) -> None:
    record = derive_record(LOSSES[name](), ("W", "b"))
    with_log = {s.number for s in record.steps if s.after.has(log) or s.subject in (Value(log(P[cl.n, cl.k])),)}
    found = seen(record)
    assert len(found) > 10 and found == {number: number not in with_log for number in found}


@pytest.mark.parametrize("hidden", [sqrt(2 + x**2), (1 + exp(x)) ** Rational(1, 3), cos(x), pi * x])
def test_what_is_hidden_in_an_equation_is_hidden_in_every_line_that_mentions_it(hidden: Expr) -> None:
    equations = (abbreviation(S[n], hidden), node(F[n], S[n] * x), node(L[()], Sum(F[n] ** 2, n)))
    record = derive_record(Program("hidden", (N,), (X,), equations, "L"), ("x",))
    found = seen(record)
    assert len(found) > 5 and found == dict.fromkeys(found, False)
    shown = replace(record, steps=(Step(1, Value(x), None, x, "claim", "a line of the test"),))
    assert seen(shown) == {1: True}
    one_side = replace(shown, steps=(Step(1, Value(x), None, hidden, "claim", "a line of the test"),))
    assert seen(one_side) == {1: False}
