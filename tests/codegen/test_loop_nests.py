"""Nests of loops: what has loops of its own, what shares them, and which products have functions of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from sympy import Rational, Symbol, exp
from sympy.tensor.indexed import Idx

import symgrad
from symgrad.array import softmax
from symgrad.codegen.array_program import (
    HALF,
    Assign,
    Call,
    Contract,
    Diagonal,
    Fill,
    Largest,
    Load,
    Node,
    Number,
    loads,
    mapped,
    number,
    size,
    walk,
)
from symgrad.codegen.loop_nests import (
    LoopPlan,
    MatrixProduct,
    Nest,
    _widest,
    by_blas,
    extent,
    fused,
    nests,
    of_arrays,
    over_rows,
    sums_apart,
    with_data,
    within,
)
from symgrad.codegen.operations import added, contraction, power, product, reduced, signed
from symgrad.notation import axis_name

N, M, K, D = (Symbol(name, integer=True) for name in "NMKD")
n, m, k, d, i = Idx("n", N), Idx("m", N), Idx("k", K), Idx("d", D), Idx("i", K)


def load(name: str, *at: Idx) -> Load:
    return Load(at, name, at)


def parts(assign: Assign) -> list[Assign]:
    names = (f"part{place}" for place in range(1, 9))
    return [*nests(assign, lambda: next(names))]


def call(node: Node) -> Node:
    return Call(node.letters, exp, (node,))


Z, Y, W, X, s, b = load("Z", n, k), load("Y", n, k), load("W", d, k), load("X", n, d), load("s", n), load("b", k)


# --- nests of one assignment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "node",
    [
        product([Z, s], []),
        added([Z, s, b]),
        product([Z, added([s, product([s, s], [])])], []),
        product([Z, product([s, number(2)], [])], []),
        product([Z, power(s, number(3))], []),
        product([Z, product([s], [number(2)])], []),  # the quotient by a number
        call(added([Z, Y])),
        reduced(call(Z), [k]),
        contraction([X, W], [d]),
        product([Z, Call((), exp, (number(size("N")),))], []),  # a number made of sizes
    ],
    ids=str,
)
def test_one_nest_is_enough(node: Node) -> None:
    assign = Assign("P", node.letters, node)
    assert parts(assign) == [assign]


BRACKET = added([b, product([b], [load("g", k)])])
AHEAD: dict[str, tuple[Node, Node]] = {
    "a function of fewer letters": (product([Z, call(s)], []), call(s)),
    "a root": (product([Z, power(s, HALF)], []), power(s, HALF)),
    "a power by an array": (product([Z, power(s, load("g", n))], []), power(s, load("g", n))),
    "a quotient": (product([Z, product([s], [load("g", n)])], []), product([s], [load("g", n)])),
    "a quotient in a sum": (added([Z, BRACKET]), BRACKET),
    "a sum": (product([Z, reduced(Y, [n])], []), reduced(Y, [n])),
    "a sum over all letters": (product([Z, reduced(Y, [n, k])], []), reduced(Y, [n, k])),
    "the largest entries": (product([Z, Largest((n, k), Y, k)], []), Largest((n, k), Y, k)),
    "a sum in a sum": (reduced(product([Z, reduced(Y, [n])], []), [k]), reduced(Y, [n])),
    "what the largest is of": (Largest((n, k), call(Z), k), call(Z)),
}


@pytest.mark.parametrize("name", AHEAD)
def test_what_a_nest_need_not_repeat_has_one_ahead(name: str) -> None:
    node, part = AHEAD[name]
    made = parts(Assign("P", node.letters, node))
    first, last = made[0], made[-1]
    assert last.name == "P" and last.letters == node.letters
    assert loads(first.node) == loads(part) and first.letters == part.letters
    assert mapped(last.node, {Load(part.letters, first.name, part.letters): part}) == node or name.endswith(
        "contraction"
    )


def test_factors_of_a_contraction_have_nests_where_none_has_all_letters() -> None:
    scaled, other = product([W, load("q", d)], []), product([X, s], [])
    first, second, last = parts(Assign("P", (n, k), contraction([other, scaled], [d])))
    assert [first.node, second.node] == [other, scaled] and loads(last.node) == {"part1", "part2"}
    # A factor without letters, one with all of them, or a third factor has none.
    numbers = contraction([load("a"), X], [d])
    whole = contraction([product([X, load("V", n, d)], []), load("q", d)], [d])
    three = contraction([scaled, X, load("q", d)], [d])
    for node in (numbers, whole, three):
        assert parts(Assign("P", node.letters, node)) == [Assign("P", node.letters, node)]
    inside = contraction([Z, call(Y)], [n, k])
    assert parts(Assign("P", (), inside)) == [Assign("P", (), inside)]
    nested = contraction([X, product([W, call(load("q", d))], [])], [d])
    assert [a.letters for a in parts(Assign("P", (n, k), nested))] == [(d,), (d, k), (n, k)]
    calls = contraction([product([load("a"), call(load("a"))], []), X], [d])
    assert [a.letters for a in parts(Assign("P", (n,), calls))] == [(), (n,)]


def test_loops_repeat_copy_and_pick_entries_as_they_go() -> None:
    filled = Fill((n, k), b, (N, K))
    assert parts(Assign("P", (n, k), filled)) == [Assign("P", (n, k), b)]
    square = load("Q", n, m)
    (only,) = parts(Assign("P", (n,), product([Diagonal((n,), square, (n, n)), s], [])))
    assert only.node.args == (Load((n, n), "Q", (n, n)), s)
    (within_sum,) = parts(Assign("P", (), reduced(product([Fill((n, k), b, (N, K)), Z], []), [n, k])))
    assert within_sum.node == reduced(product([b, Z], []), [n, k])


def test_sums_over_rows_are_told_from_what_is_made_of_them() -> None:
    total, columns = reduced(product([Z, Y], []), [n]), reduced(load("B", k), [k])
    names = iter(["one", "two"])
    node = added([total, signed(total, True), product([columns], [load("a")])])
    sums, rest = sums_apart(Assign("L", (k,), node), "N", lambda: next(names))
    assert [a.name for a in sums] == ["one", "two"] and [a.node for a in sums] == [total, total]
    assert [a.letters for a in sums] == [(k,), (k,)] and rest.name == "L" and rest.letters == (k,)
    assert loads(rest.node) == {"one", "two", "B", "a"}
    assert sums_apart(Assign("L", (), columns), "N", lambda: "one") == ([], Assign("L", (), columns))


# --- assignments that share loops ----------------------------------------------------------------------------------


def loops_of(assign: Assign) -> tuple[Idx, ...] | None:
    return None if assign.name.startswith("alone") else (*assign.letters, *assign.node.bound)


def together(*assigns: Assign) -> list[list[str]]:
    return [[a.name for a in nest.parts] for nest in fused(assigns, loops_of)]


E = Assign("E", (n, k), call(Z))


def test_assignments_join_the_latest_nest_over_their_axes() -> None:
    other = Assign("F", (n, k), call(Y))
    assert together(E, other) == [["E", "F"]]
    assert together(E, Assign("t", (n,), call(s)), other) == [["E", "F"], ["t"]]
    assert together(E, Assign("T", (k, n), Load((k, n), "Z", (n, k)))) == [["E"], ["T"]]
    assert together(E, Assign("S", (n,), reduced(load("E", n, k), [k]))) == [["E", "S"]]
    (nest,) = fused([E, Assign("S", (m,), reduced(load("E", m, i), [i]))], loops_of)
    assert nest.loops == (n, k) and nest.parts[1] == Assign("S", (n,), reduced(load("E", n, k), [k]))


def test_what_reads_other_entries_waits() -> None:
    shares = Assign("P", (n, k), product([load("E", n, k)], [load("S", n)]))
    total = Assign("S", (n,), reduced(load("E", n, k), [k]))
    assert together(E, total, shares) == [["E", "S"], ["P"]]
    # What another reads in between keeps it from an earlier nest.
    assert together(E, Assign("t", (n,), call(s)), Assign("F", (n, k), product([Z, load("t", n)], []))) == [
        ["E"],
        ["t"],
        ["F"],
    ]
    square = Assign("Q", (n, m), call(load("A", n, m)))
    assert together(square, Assign("R", (n, m), load("Q", m, n))) == [["Q"], ["R"]]
    assert together(square, Assign("R", (n, m), product([load("Q", n, m), load("Q", m, n)], []))) == [["Q"], ["R"]]


def test_an_assignment_with_loops_of_its_own_stands_alone() -> None:
    assert together(E, Assign("alone", (n, k), Z), Assign("F", (n, k), call(Y))) == [["E", "F"], ["alone"]]
    assert together(Assign("alone", (n, k), Z), E) == [["alone"], ["E"]]
    (nest,) = fused([Assign("alone", (n, k), Z)], loops_of)
    assert nest == Nest(None, [Assign("alone", (n, k), Z)])


def test_what_is_read_in_its_own_nest_alone_needs_no_array() -> None:
    F, G = Assign("F", (n, k), call(load("E", n, k))), Assign("G", (n,), call(s))
    total = Assign("S", (n,), reduced(load("F", n, k), [k]))
    made = fused([E, F, G, total], loops_of)
    assert within(made, set()) == {"E", "F", "G"} and within(made, {"E", "G"}) == {"F"}
    later = [*made, Nest((n, k), [Assign("H", (n, k), load("F", n, k))])]
    assert within(later, {"H"}) == {"E", "G"}
    assert (
        within([Nest(None, [E])], set()) == set() and within([Nest((), [Assign("c", (), load("a"))])], set()) == set()
    )
    largest = Nest((n, k), [Assign("top", (n, k), Largest((n, k), Z, k))])
    assert within([largest], set()) == set()


def test_the_axes_of_the_loops_of_an_assignment() -> None:
    assert extent(Assign("S", (n,), reduced(Z, [k]))) == {"N", "K"} and extent(Assign("P", (n, k), b)) == {"N", "K"}
    assert extent(Assign("c", (), Number((), Rational(1)))) == frozenset()


# --- products ------------------------------------------------------------------------------------------------------


def is_row(index: Idx) -> bool:
    return axis_name(index) == "N"


def blas(left: Sequence[Idx], right: Sequence[Idx], over: Idx, result: Sequence[Idx]) -> MatrixProduct | None:
    return by_blas(
        Assign("P", tuple(result), Contract(tuple(result), (load("A", *left), load("B", *right)), (over,))), ()
    )


def test_which_nodes_are_products_of_two_arrays() -> None:
    assert of_arrays(contraction([X, W], [d])) == (X, W)
    for node in (
        contraction([X, W, b], [d]),
        contraction([call(X), W], [d]),
        contraction([X, call(W)], [d]),
        contraction([Z, Y], [n, k]),
        reduced(X, [d]),
    ):
        assert of_arrays(node) is None and with_data(node, {"X", "Z"}) is None and over_rows(node, is_row) is None
        assert by_blas(Assign("P", node.letters, node), ()) is None


def test_rows_of_data_by_a_matrix_or_a_vector() -> None:
    expected = MatrixProduct(X, W, d, ((n, d), (d, k)))
    assert with_data(contraction([X, W], [d]), {"X"}) == expected == with_data(contraction([W, X], [d]), {"X"})
    turned = Load((d, n), "X", (n, d))
    made = with_data(contraction([turned, W], [d]), {"X"})
    assert made is not None and made.orders == ((n, d), (d, k))  # as they lie
    vector = with_data(contraction([X, load("v", d)], [d]), {"X"})
    assert vector is not None and vector.right == load("v", d)
    assert with_data(contraction([X, W], [d]), {"W"}) == MatrixProduct(W, X, d, ((d, k), (n, d)))
    assert with_data(contraction([X, W], [d]), ()) is None
    for wrong in (
        contraction([load("X", d), W], [d]),
        contraction([load("X", n, k, d), W], [d]),
        contraction([load("X", d, d), W], [d]),
        contraction([X, load("V", d, k, i)], [d]),
        contraction([X, load("V", n, d)], [d]),
    ):
        assert with_data(wrong, {"X"}) is None


def test_products_over_the_rows_of_a_block() -> None:
    G, H = Load((k, n), "G", (n, k)), Load((d, n), "H", (n, d))
    assert over_rows(contraction([G, H], [n]), is_row) == MatrixProduct(G, H, n, ((k, n), (d, n)))
    assert over_rows(contraction([X, W], [d]), is_row) is None
    for wrong in (
        contraction([G, load("v", n)], [n]),
        contraction([load("v", n), G], [n]),
        contraction([G, load("B", n, k)], [n]),
        Contract((k,), (G, H), (n,)),
        contraction([G, load("B", n, m)], [n]),
    ):
        assert over_rows(wrong, is_row) is None


@pytest.mark.parametrize(
    ("left", "right", "over", "result", "turned", "stack"),
    [
        ((n, d), (d, k), d, (n, k), False, ()),
        ((n, d), (d, k), d, (k, n), True, ()),
        ((d, n), (k, d), d, (n, k), False, ()),
        ((n, d), (d,), d, (n,), False, ()),
        ((d,), (d, k), d, (k,), True, ()),
        ((n, m, d), (n, d, k), d, (n, m, k), False, (n,)),
        ((n, m, d), (n, d, k), d, (n, k, m), True, (n,)),
        ((n, i, m, d), (n, i, d, k), d, (n, i, m, k), False, (n, i)),
        ((n, m, d), (n, d), d, (n, m), False, (n,)),
    ],
)
def test_products_that_blas_carries_out(
    left: Sequence[Idx], right: Sequence[Idx], over: Idx, result: Sequence[Idx], turned: bool, stack: Sequence[Idx]
) -> None:
    made = blas(left, right, over, result)
    assert made is not None and made.over == over and made.stack == tuple(stack)
    assert (made.left.name, made.right.name) == (("B", "A") if turned else ("A", "B"))
    orders = (tuple(left[len(stack) :]), tuple(right[len(stack) :]))
    assert made.orders == (orders[::-1] if turned else orders)


@pytest.mark.parametrize(
    ("left", "right", "over", "result"),
    [
        ((n, d), (n, d), d, (n,)),  # row by row
        ((d,), (d,), d, ()),
        ((n, m, d), (d, k), d, (n, m, k)),
        ((n, d), (d, n), d, (n, n)),
        ((n, m, d), (m, n, d), d, (n, m)),
        ((m, n, d), (n, d, k), d, (n, m, k)),
        ((n, d), (d, k), d, (k,)),
        ((d, d), (d, k), d, (d, k)),
        ((d, d), (d, k), d, (k,)),
        ((n, d), (d, d), d, (n, d)),
    ],
)
def test_products_that_blas_does_not_carry_out(
    left: Sequence[Idx], right: Sequence[Idx], over: Idx, result: Sequence[Idx]
) -> None:
    assert blas(left, right, over, result) is None


def test_inputs_lie_as_they_are_declared() -> None:
    turned = Load((d, n), "X", (n, d))
    product_of = Assign("P", (n, k), Contract((n, k), (turned, W), (d,)))
    assert by_blas(product_of, {"X"}) == MatrixProduct(turned, W, d, ((n, d), (d, k)))
    assert by_blas(product_of, ()) == MatrixProduct(turned, W, d, ((d, n), (d, k)))


def test_axes_that_are_part_of_others_are_no_largest_nests() -> None:
    sets = map(frozenset, (["N"], ["N", "M"], [], ["K"], ["N", "M"]))
    assert _widest(sets) == [["M", "N"], ["K"]]


# --- whole plans ---------------------------------------------------------------------------------------------------


def plan_of(function: Callable[..., Any], shapes: str, wrt: str) -> LoopPlan:
    return LoopPlan(symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt, name="small")(function)).record)


def shown(assigns: Iterable[Assign]) -> str:
    return " ".join(f"{a.name}{''.join(axis_name(i) for i in a.letters)}" for a in assigns)


def renamed(plan: LoopPlan) -> dict[str, str]:
    return {name: own for name, own in plan.names.items() if name != own}


def numbers_in(assign: Assign) -> set[str]:
    return {str(part.value) for part in walk(assign.node) if isinstance(part, Number)}


def test_the_plan_of_a_block_of_rows() -> None:
    plan = plan_of(
        lambda X, W, Y: -np.sum(Y * np.log(softmax(X @ W, axis=1))) / len(X),
        "X: N D, W: D C, Y: N C distribution",
        "X W",
    )
    assert (plan.axis, plan.labels, plan.rowwise) == ("N", ["Y"], {"X", "Y"}) and plan.sums == ["part2", "part4"]
    assert plan.before == [] and shown(plan.after) == "L dWDC" and shown(plan.stored) == "dX_ND"
    rows = "ZCN part1N Z_shiftedCN ECN S_shiftedN PCN part3N part2 GCN dXND part4DC"
    assert shown(plan.main) == rows and shown(plan.lowered.program) == f"{rows} L dWDC"
    assert [shown(check) for check in plan.checks] == ["part6N part5N"] and [n.name for n in plan.numbers] == ["L"]
    assert plan.results == {"X": "dX_", "W": "dW"} and renamed(plan) == {"dX": "dX_block", "dX_": "dX"}
    assert plan.extents == [["C", "D", "N"]] and plan.weights == [["C", "D"]]
    assert plan.name("dX") == "dX__" and plan.name("part6") == "part6_"  # those of the plan are in use
    (last,), ((_, gap),) = plan.after[:1], plan.plan.checks
    assert loads(last.node) == {"part2"} and numbers_in(last) == {"N"}
    assert loads(plan.checks[0][0].node) == loads(gap) == {"Y"} and loads(plan.checks[0][1].node) == {"part6"}
    n, c = plan.main[0].letters[::-1]
    assert plan.is_row(n) and not plan.is_row(c)


def test_what_is_the_same_for_all_rows_is_planned_ahead_of_them() -> None:
    plan = plan_of(lambda X, w: np.sum((X * np.exp(w)) ** 2), "X: N D, w: D", "w")
    assert (shown(plan.before), shown(plan.main), shown(plan.after)) == ("part1D", "part2D part3D", "L dwD")
    assert plan.sums == ["part2", "part3"] and plan.stored == [] == plan.weights and plan.extents == [["D", "N"]]
    assert plan.results == {"w": "dw"} and plan.checks == [] and renamed(plan) == {}


def test_a_number_is_planned_ahead_of_the_rows() -> None:
    of_rows = plan_of(
        lambda X, W, l: np.sum(np.tanh(X @ W) ** 2) + l * np.sum(W**2),  # noqa: E741
        "X: N D, W: D C, l: scalar",
        "X W l",
    )
    assert (shown(of_rows.before), shown(of_rows.after)) == ("dl", "L_rows dW_rowsDC part5 L dWDC")
    assert shown(of_rows.main) == "ZCN part1CN part2CN part3 GCN dXND part4DC" and shown(of_rows.stored) == "dX_ND"
    assert [node.name for node in of_rows.numbers] == ["L", "dl"] and of_rows.sums == ["part3", "part4"]


def test_each_result_for_rows_has_an_array_of_its_own() -> None:
    plan = plan_of(lambda x, y: np.sum(np.exp(x + y)), "x: N, y: N", "x y")
    assert shown(plan.main) == "part1N part2 dxN dyN" and shown(plan.stored) == "dx_N dy_N" and shown(plan.after) == "L"
    assert plan.results == {"x": "dx_", "y": "dy_"}
    assert renamed(plan) == {"dx": "dx_block", "dy": "dy_block", "dx_": "dx", "dy_": "dy"}


def test_a_result_is_called_like_its_input_in_python() -> None:
    plan = plan_of(lambda type: np.sum(np.exp(type) ** 2), "type: N", "type")
    assert plan.results == {"type": "dtype_"} and shown(plan.stored) == "dtype_N"
    assert renamed(plan) == {"type": "type_"} and plan.names["dtype_"] == "dtype_"


def test_a_plan_without_blocks_has_everything_after_them() -> None:
    plan = plan_of(lambda A, u: np.sum((A @ u) ** 2) / 2, "A: N N, u: N", "A u")
    assert (plan.axis, plan.before, plan.main, plan.stored, plan.sums, plan.rowwise) == ("", [], [], [], [], set())
    assert shown(plan.after) == "rN part1 L G_rN dANN duN" and plan.results == {"A": "dA", "u": "du"}
    assert plan.extents == [["N"]] and plan.weights == [] and not plan.is_row(plan.after[0].letters[0])
    same = plan_of(lambda x, y: (np.sum(x) + np.sum(y)) ** 2, "x: N, y: N", "x y")
    assert len({*same.results.values()}) == 2 and {*same.results.values()} <= {a.name for a in same.after}


def test_a_constant_is_added_up_over_all_rows() -> None:
    plan = plan_of(
        lambda W, Z, V, X: np.sum((V[:, None, :] + W[None, :, :]) * (X[:, None, :] - Z[None, :, :])),
        "W: B N, Z: B N, V: M N, X: M N",
        "W V",
    )
    used = set[str]().union(*map(numbers_in, plan.after))
    assert plan.axis in used and plan.plan.count not in used
