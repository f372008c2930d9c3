"""Array programs entry by entry: the lines of single assignments, unrolled at small sizes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sympy import Rational, exp, log, tanh
from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import HALF, Assign, Delta, Diagonal, Largest, Layout, Load, Node, number, size
from symgrad.codegen.operations import added, call, contraction, power, product, reduced, signed
from symgrad.codegen.plan.stable_functions import weighted
from symgrad.codegen.python_source import WIDTH, Source
from symgrad.codegen.scalar_module import ScalarEmitter, _array
from symgrad.notation import Array, Axis

N, M = Axis("N"), Axis("M")
n, i, m = N.index("n"), N.index("i"), M.index("m")
SIZES = {"N": 2, "M": 3}


def load(name: str, *letters: Idx) -> Load:
    return Load(letters, name, letters)


X, Y, Q, v, w, a, b = (
    load("X", n, m),
    load("Y", n, m),
    load("Q", n, i),
    load("v", m),
    load("w", n),
    load("a"),
    load("b"),
)
NAMES = {name: name for name in "XYQvwab"}


def lines(*assigns: Assign, sizes: Mapping[str, int] = SIZES, is_small: bool = False) -> list[str]:
    emitter = ScalarEmitter(NAMES, sizes)
    for assign in assigns:
        emitter.assign(assign.name, assign.letters, assign.node, is_small=is_small)
    return [line.code for line in emitter.lines]


def of(node: Node, letters: Layout = (), sizes: Mapping[str, int] = SIZES) -> list[str]:
    return lines(Assign("A", letters, node), sizes=sizes)


def test_entries_have_names_of_their_own() -> None:
    emitter = ScalarEmitter({"X": "x", "w": "w_"}, SIZES)
    assert emitter.entries("X", Array("X", (N, M))) == [f"x_{i}{j}" for i in (1, 2) for j in (1, 2, 3)]
    assert emitter.entries("w", Array("w", (N,))) == ["w__1", "w__2"] and emitter.taken >= {"w__1", "x_11", "x"}
    assert emitter.entry("b", ()).code == "b" and emitter.entry("_part", (1,)).code == "part__2"
    assert emitter.entry("x_", (1, 1)).code == "x__22" and emitter.entry("lambda", ()).code == "lambda_"
    wide = ScalarEmitter({"X": "x", "a": "a"}, {"N": 10, "M": 2})
    assert [wide.entry("X", (0, 1)).code, wide.entry("a", ()).code] == ["x_1_2", "a"]
    assert (
        ScalarEmitter({}, {"N": 9}).entry("v", (0, 8)).code == "v_19"
        and ScalarEmitter({}, {}).entry("v", ()).code == "v"
    )
    taken = ScalarEmitter({"X": "x", "x_1": "x_1", "a": "a", "c": "a"}, SIZES)
    assert [taken.entry("X", (0,)).code, taken.entry("X", (0,)).code] == ["x_1_", "x_1_"]
    assert [taken.entry("x_1", ()).code, taken.entry("e", ()).code, taken.entry("x", ()).code] == ["x_1", "e", "x_"]


def test_each_entry_has_a_line() -> None:
    assert of(added([v, signed(b, True)]), (m,)) == [f"A_{k} = v_{k} - b" for k in (1, 2, 3)]
    assert of(product([X, w], [v]), (n, m))[:2] == ["A_11 = X_11 * w_1 / v_1", "A_12 = X_12 * w_1 / v_2"]
    assert of(product([Load((m, n), "X", (n, m))], [a]), (m, n))[1] == "A_12 = X_21 / a"


def test_an_entry_that_equals_another_has_its_name() -> None:
    assert lines(Assign("A", (n,), w), Assign("B", (n,), product([load("A", n), a], []))) == [
        *("B_1 = w_1 * a", "B_2 = w_2 * a"),
    ]
    assert lines(Assign("A", (), signed(a, True)), Assign("B", (), added([load("A"), b]))) == ["A = -a", "B = A + b"]
    assert of(number(2)) == ["A = 2"] and of(added([w, number(1)]), (n,))[0] == "A_1 = 1 + w_1"


def test_sums_are_written_out() -> None:
    assert of(reduced(X, [m]), (n,)) == ["A_1 = X_11 + X_12 + X_13", "A_2 = X_21 + X_22 + X_23"]
    assert of(signed(reduced(w, [n]), True)) == ["A = -w_1 - w_2"]
    assert of(reduced(added([w, signed(a, True)]), [n])) == ["A = w_1 - a + w_2 - a"]
    assert of(contraction([X, v], [m]), (n,))[1] == "A_2 = X_21 * v_1 + X_22 * v_2 + X_23 * v_3"
    assert of(contraction([power(w, number(3)), w], [n])) == ["A = w_1 * w_1**3 + w_2 * w_2**3"]  # in reading order
    assert of(added([X, signed(reduced(Y, [m]), True)]), (n, m))[:2] == [
        *("part_1 = Y_11 + Y_12 + Y_13", "A_11 = X_11 - part_1"),
    ]
    assert of(added([X, contraction([Q, load("w", i)], [i])], (n, m)), (n, m))[0] == "part_1 = Q_11 * w_1 + Q_12 * w_2"
    assert of(added([w, reduced(Y, [m])]), (n,))[0] == "A_1 = w_1 + Y_11 + Y_12 + Y_13"
    assert len(of(added([X, reduced(Y, [m])], (n, m)), (n, m))) == 8  # a part for each row


def test_the_largest_entries() -> None:
    assert of(reduced(X, [m], largest="A"), (n,))[0] == "A_1 = max(X_11, X_12, X_13)"
    assert of(reduced(w, [n], largest="A"), (), {"N": 1}) == ["A = w_1"]
    assert of(reduced(added([w, a]), [n], largest="A")) == ["A = max(w_1 + a, w_2 + a)"]
    assert of(Largest((n, m), X, m), (n, m))[:2] == [
        "part_1 = _selected(0, X_11, X_12, X_13)",
        "part_2 = _selected(1, X_11, X_12, X_13)",
    ]


def test_what_is_zero_is_left_out() -> None:
    delta = Delta((n, i), size("N"))
    assert of(delta, (n, i)) == ["A_11 = 1", "A_12 = 0.0", "A_21 = 0.0", "A_22 = 1"]
    assert of(product([delta, w], []), (n, i))[:2] == ["A_12 = 0.0", "A_21 = 0.0"]
    assert of(added([Q, signed(delta, True)]), (n, i)) == ["A_11 = Q_11 - 1", "A_22 = Q_22 - 1"]
    assert of(product([number(0), w], []), (n,)) == ["A_1 = 0.0", "A_2 = 0.0"]
    assert lines(Assign("A", (n,), Diagonal((n,), Q, (n, n))), Assign("B", (n,), product([load("A", n), a], []))) == [
        *("B_1 = Q_11 * a", "B_2 = Q_22 * a"),
    ]


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (call(log, [added([a, b])]), "part_1 = _log(a + b)"),  # the result is another name for it
        (power(a, number(2)), "A = a * a"),
        (power(added([a, b]), number(2)), "A = part_1 * part_1"),
        (power(power(a, number(3)), number(2)), "A = a**3 * a**3"),
        (power(product([a, b], []), number(2)), "A = part_1 * part_1"),
        (power(a, HALF), "A = math.sqrt(a)"),
        (signed(power(a, number(2)), True), "A = -a * a"),
        (power(a, added([number(1), signed(number(size("M")), True)])), "A = a ** (-2)"),
        (product([added([number(1), signed(number(size("M")), True)]), a], [b]), "A = -2 * a / b"),
        (power(a, number(3)), "A = a**3"),
        (power(a, b), "A = a**b"),
        (power(number(2), a), "A = 2**a"),
        (product([number(2), a], [number(3)]), "A = 0.6666666666666666 * a"),
        (product([a], [number(4)]), "A = a / 4"),
        (product([number(Rational(1, 4)), a], []), "A = a / 4"),
        (product([number(size("N")), a], [number(size("M"))]), "A = 0.6666666666666666 * a"),
        (product([number(size("N"))], [number(size("M"))]), "A = 0.6666666666666666"),
        (product([number(1), a], [b]), "A = a / b"),
        (signed(product([number(2), a], []), True), "A = -2 * a"),
        (added([number(size("M")), signed(number(5), True)]), "A = 3 - 5"),
        (power(number(size("M")), number(2)), "A = 3 * 3"),
        (call(weighted, [a, b]), "A = (a * b if a else 0.0)"),
        (call(weighted, [added([a, b]), b]), "A = (part_1 * b if part_1 else 0.0)"),
        (call(weighted, [product([a, b], []), b]), "A = (part_1 * b if part_1 else 0.0)"),
        (product([a], [b, power(b, HALF)]), "A = a / (b * math.sqrt(b))"),
    ],
    ids=str,
)
def test_one_entry(node: Node, line: str) -> None:
    *_, last = of(node)
    assert last == line


def test_parts_have_names_that_entries_share() -> None:
    assert of(power(product([w, a], []), number(2)), (n,))[:2] == ["part_1 = w_1 * a", "A_1 = part_1 * part_1"]
    assert of(call(weighted, [product([w, a], []), b]), (n,))[2:] == [
        *("part_2 = w_2 * a", "A_2 = (part_2 * b if part_2 else 0.0)"),
    ]
    assert of(product([a, call(tanh, [b])], [])) == ["part_1 = math.tanh(b)", "A = a * part_1"]
    assert of(product([X, call(exp, [w])], []), (n, m))[:3] == [
        *("part_1 = _exp(w_1)", "A_11 = X_11 * part_1", "A_12 = X_12 * part_1"),
    ]
    assert of(product([a, call(exp, [b])], [call(exp, [b])])) == ["part_1 = _exp(b)", "A = a * part_1 / part_1"]
    assert of(product([a, added([b, call(log, [a])])], [])) == [
        *("part_1 = _log(a)", "part_2 = b + part_1", "A = a * part_2"),
    ]
    emitter = ScalarEmitter({"part_1": "part_1", "a": "a"}, SIZES)
    emitter.assign("A", (), product([a, call(tanh, [a])], []))
    assert [line.code for line in emitter.lines] == ["part_1_ = math.tanh(a)", "A = a * part_1_"]


def test_a_small_exponential_cannot_overflow() -> None:
    small = lines(Assign("E", (n,), call(exp, [added([w, signed(a, True)])])), is_small=True)
    assert small == ["E_1 = math.exp(w_1 - a)", "E_2 = math.exp(w_2 - a)"]
    assert lines(Assign("E", (), product([a, b], [])), is_small=True) == ["E = a * b"]


def test_a_long_sum_has_several_lines() -> None:
    emitter = ScalarEmitter({}, {})
    term = Source("x" * 30, needs=frozenset("x"))
    emitter.write("total", [(False, term), (True, term), (False, term), (True, term)])
    one, other = emitter.lines
    assert one.code == f"total = {term.code} - {term.code} + {term.code}" and other.code == f"total += -{term.code}"
    assert other.needs == {"x"} and not one.needs
    room = WIDTH - len("    t = x + ")
    for length, count in ((room, 1), (room + 1, 2)):
        emitter.lines.clear()
        emitter.write("t", [(False, Source("x")), (False, Source(length * "y"))])
        assert len(emitter.lines) == count
    emitter.lines.clear()
    emitter.write("t", [(True, Source(200 * "y"))])
    assert [line.code for line in emitter.lines] == [f"t = -{200 * 'y'}"]


def test_lines_need_their_functions() -> None:
    emitter = ScalarEmitter(NAMES, SIZES)
    emitter.assign("A", (), product([power(a, HALF), call(exp, [b])], []))
    assert [line.needs for line in emitter.lines] == [{"_exp"}, {"math"}]
    emitter.assign("E", (), call(exp, [a]), is_small=True)
    assert emitter.lines[-1].needs == {"math"}


def test_an_array_is_made_of_its_entries() -> None:
    assert _array("dX", ["a", "b"], "dtype", ".reshape(1, 2)").code == "dX = np.array([a, b], dtype).reshape(1, 2)"
    room = WIDTH - len("        [a, ],")
    for length, is_broken in ((room, False), (room + 1, True)):
        made = _array("dX", ["a", length * "b"], "dtype", "").code
        whole = f"dX = np.array(\n    [a, {length * 'b'}],\n    dtype,\n)"
        apart = f"dX = np.array(\n    [\n        a,\n        {length * 'b'},\n    ],\n    dtype,\n)"
        assert made == (apart if is_broken else whole)
