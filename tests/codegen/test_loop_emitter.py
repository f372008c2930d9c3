"""Array programs as loops: the lines of single nests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from sympy import Rational, exp, log, tanh
from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import Assign, Delta, Largest, Layout, Load, Node, number
from symgrad.codegen.loop_emitter import LoopEmitter
from symgrad.codegen.loop_nests import Nest
from symgrad.codegen.operations import added, call, contraction, power, product, reduced, signed
from symgrad.codegen.plan.stable_functions import expm1, log1p
from symgrad.functions import absolute, clip, equal, maximum, minimum, relu, where
from symgrad.notation import Axis

N, M, K = Axis("N"), Axis("M"), Axis("K")
n, i, m, k = N.index("n"), N.index("i"), M.index("m"), K.index("k")
LOCAL = {"first": "first", "count": "count", "row": "r", "total": "total", "largest": "largest", "ties": "ties"}
NAMES = ("X", "Y", "Z", "v", "w", "A", "B", "S", "P")


def load(name: str, *letters: Idx) -> Load:
    return Load(letters, name, letters)


X, Y, Z, v, w = load("X", n, m), load("Y", n, m), load("Z", m, k), load("v", m), load("w", n)


@dataclass
class Emitter:
    rows: str = ""
    data: Collection[str] = ()
    emitter: LoopEmitter = field(init=False)

    def __post_init__(self) -> None:
        taken = {*NAMES, "N", "M", "K", *LOCAL.values()}
        names, axes = {name: name for name in NAMES}, {"N": N, "M": M, "K": K}
        self.emitter = LoopEmitter(names, axes, taken, ("X", "Z", "v", "w"), LOCAL, self.rows)
        if self.rows:
            self.emitter.stacked, self.emitter.data = ("X", "w"), self.data
            self.emitter.totals, self.emitter.parts = {"S": "S_sums", "A": "A_sums"}, {"A": "A_part"}

    def lines(self, assign: Assign, loops: Layout | None) -> list[str]:
        return [line.code for line in self.emitter.emitted(Nest(loops, [assign]))]


@pytest.mark.parametrize(
    ("assign", "lines"),
    [
        (
            Assign("A", (n, m), added([X, signed(v, True)])),
            ["for n in range(N):", "    for m in range(M):", "        A[n, m] = X[n, m] - v[m]"],
        ),
        (
            Assign("A", (m, n), product([X], [w])),
            ["for m in range(M):", "    for n in range(N):", "        A[m, n] = X[n, m] / w[n]"],
        ),
        (
            Assign("S", (), reduced(X, [n, m])),
            ["S = 0.0", "for n in range(N):", "    for m in range(M):", "        S += X[n, m]"],
        ),
        (
            Assign("S", (), reduced(X, [n, m], largest="S")),
            ["S = _LOWEST", "for n in range(N):", "    for m in range(M):", "        S = _larger(S, X[n, m])"],
        ),
    ],
    ids=lambda case: str(getattr(case, "name", "")),
)
def test_entries_and_sums_that_share_loops(assign: Assign, lines: list[str]) -> None:
    loops = Emitter().emitter.loops(assign)
    assert loops == (assign.letters or (n, m)) and Emitter().lines(assign, loops) == lines


@pytest.mark.parametrize(
    ("assign", "lines"),
    [
        (
            Assign("S", (n,), reduced(X, [m])),
            [
                "for n in range(N):",
                "    total = 0.0",
                "    for m in range(M):",
                "        total += X[n, m]",
                "    S[n] = total",
            ],
        ),
        (
            Assign("S", (n,), reduced(X, [m], largest="S")),
            [
                "for n in range(N):",
                "    total = _LOWEST",
                "    for m in range(M):",
                "        total = _larger(total, X[n, m])",
                "    S[n] = total",
            ],
        ),
        (
            Assign("A", (n, k), contraction([added([X, Y]), Z], [m])),
            [
                "for n in range(N):",
                "    for k in range(K):",
                "        total = 0.0",
                "        for m in range(M):",
                "            total += (X[n, m] + Y[n, m]) * Z[m, k]",
                "        A[n, k] = total",
            ],
        ),
        (
            Assign("A", (n, m), Largest((n, m), X, m)),
            [
                "for n in range(N):",
                "    largest = -math.inf",
                "    for m in range(M):",
                "        largest = _larger(largest, X[n, m])",
                "    ties = 0",
                "    for m in range(M):",
                "        ties += X[n, m] == largest",
                "    for m in range(M):",
                "        A[n, m] = (X[n, m] == largest) / ties",
            ],
        ),
        (Assign("A", (n, k), contraction([X, Z], [m])), ["np.dot(X, Z, A)"]),
        (Assign("A", (k, n), contraction([X, Z], [m])), ["np.dot(Z.T, X.T, A)"]),
        (Assign("A", (n, k), contraction([X, load("Z", k, m)], [m])), ["np.dot(X, Z.T, A)"]),
        (Assign("S", (n,), contraction([X, v], [m])), ["np.dot(X, v, S)"]),
    ],
    ids=lambda case: str(getattr(case, "name", "")),
)
def test_what_has_loops_of_its_own(assign: Assign, lines: list[str]) -> None:
    assert Emitter().emitter.loops(assign) is None and Emitter().lines(assign, None) == lines


@pytest.mark.parametrize(
    ("assign", "entry"),
    [
        (Assign("B", (n, m), product([load("P", m, n), w], [])), "B[m, r] = P[m, r] * w[first + r]"),
        (Assign("B", (n, m), product([X, w], [])), "B[m, r] = X_block[m, r] * w[first + r]"),
        (Assign("S", (m,), reduced(X, [n])), "S_sums[m, r] += X_block[m, r]"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_the_rows_of_a_block_are_innermost(assign: Assign, entry: str) -> None:
    emitter = Emitter("N")
    assert emitter.emitter.loops(assign) == (m, n)
    assert emitter.lines(assign, (m, n)) == ["for m in range(M):", "    for r in range(count):", f"        {entry}"]
    assert emitter.emitter.turned == ({"X": "X_block"} if "X_block" in entry else {})


@pytest.mark.parametrize(
    ("assign", "line"),
    [
        (Assign("B", (n, k), contraction([X, Z], [m])), "_product(X, first, count, Z_columns, B)"),
        (Assign("B", (n, k), contraction([X, load("Z", k, m)], [m])), "_product(X, first, count, Z, B)"),
        (
            Assign("B", (n,), contraction([X, v], [m])),
            "_product(X, first, count, v.reshape(1, v.size), B.reshape(1, B.size))",
        ),
        (Assign("A", (m, k), contraction([X, load("P", k, n)], [n])), "_accumulate(X, first, count, P, A_part)"),
        (
            Assign("A", (m,), contraction([X, w], [n])),
            "_accumulate(X, first, count, w[first : first + count].reshape(1, count), A_part)",
        ),
        (Assign("A", (m, k), contraction([load("Y", m, n), load("P", k, n)], [n])), "_outer(Y, P, count, A_part)"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_products_of_a_block_have_functions(assign: Assign, line: str) -> None:
    emitter = Emitter("N", ("X",))
    assert emitter.emitter.loops(assign) is None and emitter.lines(assign, None) == [line]
    assert emitter.emitter.columns == ({"Z": "Z_columns"} if "Z_columns" in line else {})


def test_where_sums_of_a_block_are_added_up() -> None:
    block, whole = Emitter("N").emitter, Emitter().emitter
    assert block.layout((n, m)) == (m, n) and whole.layout((n, m, n)) == (n, m)
    over_rows, of_rows = Assign("S", (m,), reduced(X, [n])), Assign("S", (n,), reduced(X, [m]))
    assert block.loops(over_rows) == (m, n) and block.loops(of_rows) == (m, n)
    assert block.loops(Assign("B", (m,), reduced(X, [n]))) is None and whole.loops(of_rows) is None


def test_results_for_each_row_and_checks() -> None:
    emitter = Emitter("N").emitter
    turned, scaled = Assign("A", (n, m), load("Y", m, n)), Assign("A", (n, m), product([load("Y", m, n), v], []))
    assert [line.code for line in emitter.stored(turned)] == ["_turned_back(Y, first, count, A)"]
    assert [line.code for line in emitter.stored(Assign("A", (n,), w))] == [
        "for r in range(count):",
        "    A[first + r] = w[first + r]",
    ]
    assert [line.code for line in emitter.stored(scaled)][-1] == "        A[first + r, m] = Y[m, r] * v[m]"
    assert [line.code for line in emitter.worst(added([w, signed(number(1), True)]), "worst")] == [
        "for r in range(count):",
        "    worst = _larger(abs(w[first + r] - 1), worst)",
    ]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (call(exp, [X]), "_exp(X[n, m])"),
        (call(log, [X]), "math.log(X[n, m])"),
        (call(tanh, [X]), "math.tanh(X[n, m])"),
        (call(absolute, [X]), "abs(X[n, m])"),
        (call(expm1, [X]), "math.expm1(X[n, m])"),
        (call(log1p, [X]), "math.log1p(X[n, m])"),
        (call(relu, [X]), "_larger(X[n, m], 0.0)"),
        (call(maximum, [X, v]), "_larger(X[n, m], v[m])"),
        (call(minimum, [X, v]), "_smaller(X[n, m], v[m])"),
        (call(clip, [X, v, w]), "_smaller(_larger(X[n, m], v[m]), w[n])"),
        (call(where, [X, v, w]), "(v[m] if X[n, m] else w[n])"),
        (call(equal, [v, w]), "(1.0 if v[m] == w[n] else 0.0)"),
        (Delta((n, i), N.size), "(1.0 if n == m else 0.0)"),
        (power(X, number(Rational(1, 2))), "math.sqrt(X[n, m])"),
        (power(v, number(3)), "v[m] ** 3"),
        (product([X, v], [w, w]), "X[n, m] * v[m] / w[n] ** 2"),
        (signed(added([v, w]), True), "-(v[m] + w[n])"),
        (number(Rational(1, 2)), "0.5"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_one_entry(node: Node, expected: str) -> None:
    (*_, line) = Emitter().lines(Assign("A", node.letters, node), node.letters)
    assert line.strip().partition(" = ")[2] == expected


def test_letters_are_like_no_array_and_no_size() -> None:
    emitter = Emitter().emitter
    emitter.taken |= {"n", "m"}
    (*_, line) = emitter.emitted(Nest((n, m), [Assign("A", (n, m), X)]))
    one, other = line.code.strip()[2:-1].partition("]")[0].split(", ")
    assert line.code.strip() == f"A[{one}, {other}] = X[{one}, {other}]"
    assert one != other and not {one, other} & emitter.taken


def test_a_letter_gets_a_tail_where_every_letter_is_taken() -> None:
    emitter = Emitter().emitter
    emitter.taken |= {*N.conventional}
    (*_, line) = emitter.emitted(Nest((n,), [Assign("A", (n,), w)]))
    assert line.code.strip() == f"A[{N.conventional[0]}_] = w[{N.conventional[0]}_]"


def test_an_input_lies_as_declared_and_another_array_as_stored() -> None:
    for name, expected in (("X", "X[n, m]"), ("P", "P[m, n]")):
        (*_, line) = Emitter().lines(Assign("A", (n, m), Load((m, n), name, (n, m))), (n, m))
        assert line.strip() == f"A[n, m] = {expected}"


def test_a_long_entry_has_lines_for_its_parts() -> None:
    emitter = Emitter()
    parts = [call(exp, [product([X, power(v, number(place))], [w])]) for place in range(2, 7)]
    *_, one, other, last = emitter.lines(Assign("A", (n, m), added(parts)), (n, m))
    assert one.strip().startswith("part2 = ") and other.strip().startswith("part3 = ")
    assert all(part in last for part in emitter.emitter.within) and emitter.emitter.within == {
        "part1",
        "part2",
        "part3",
    }


def test_lines_need_the_functions_that_they_call() -> None:
    def needs(assign: Assign, loops: Layout | None = None, rows: str = "") -> set[str]:
        lines = Emitter(rows, ("X",)).emitter.emitted(Nest(loops, [assign]))
        return set().union(*(line.needs for line in lines))

    assert needs(Assign("A", (n, m), Largest((n, m), X, m))) == {"N", "M", "math", "_larger"}
    assert needs(Assign("S", (), reduced(X, [n, m], largest="S")), (n, m)) == {"N", "M", "X", "_larger", "_LOWEST"}
    assert needs(Assign("A", (n, k), contraction([X, Z], [m]))) == {"np.dot", "X", "Z"}
    assert needs(Assign("A", (n, m), power(X, number(Rational(1, 2)))), (n, m)) == {"N", "M", "X", "math"}
    (*_, worst) = Emitter().emitter.worst(added([X, v]), "worst")
    assert worst.needs == {"X", "v", "_larger"}
    assert needs(Assign("B", (n, k), contraction([X, Z], [m])), rows="N") == {"_product", "X", "Z", "Z_columns"}
