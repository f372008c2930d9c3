"""Array programs: what nodes mean, that a wrong node is refuted, and that each pass keeps meaning and values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import INVERSES, NAMES, derived, typical
from forms import EVERY, SAMPLE, record
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import KroneckerDelta, Sum, Symbol, erf, exp, log, sinh
from sympy.tensor.indexed import Idx

import symgrad
from symgrad.canonical import canonical
from symgrad.codegen import assignments, runtime, scalar_runtime
from symgrad.codegen.array_passes import hoisted, in_place, owns_memory, second_operand
from symgrad.codegen.array_program import (
    Assign,
    Call,
    Contract,
    Delta,
    Diagonal,
    Fill,
    Largest,
    Layout,
    Load,
    Negative,
    Node,
    Product,
    Reduce,
    Terms,
    loads,
    mapped,
    meaning,
    number,
    numbered,
    relettered,
    size,
    walk,
)
from symgrad.codegen.evaluation import lines_of
from symgrad.codegen.module_frame import functions_for
from symgrad.codegen.numpy_emitter import NumpyEmitter
from symgrad.codegen.numpy_module import Body
from symgrad.codegen.operations import added, contraction, is_pair, power, product, reduced, signed
from symgrad.codegen.plan.stable_functions import expm1, log1p, meant, sigmoid
from symgrad.codegen.python_source import Source
from symgrad.functions import relu, selection
from symgrad.notation import renamed
from symgrad.results import Proof

N, M, K = (Symbol(name, integer=True, positive=True) for name in "NMK")
n, m, k, j = (Idx(name, size) for name, size in (("n", N), ("m", M), ("k", K), ("j", K)))
SIZES = {"N": 3, "M": 4, "K": 2}
CODEGEN = Path(runtime.__file__).parent


def load(name: str, *letters: Idx) -> Load:
    return Load(letters, name, letters)


X, Y, v = load("X", n, m), load("Y", n, m), load("v", m)


# --- every assignment is proved ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "target"),
    sampled([*((n, "numpy") for n in EVERY), *((n, "scalar") for n in [*EVERY][::6])], *SAMPLE[::2]),
)
def test_every_assignment_means_its_equation(name: str, target: str) -> None:
    proof = Proof.of(assignments(record(name), 1, target))
    assert not proof.faults and set(proof.counts) <= {"every shape"}, proof.counts


def corrupted(node: Node) -> Iterator[Node]:
    """The node with one part changed."""
    for part in walk(node):
        if isinstance(part, Negative):
            yield mapped(node, {part: part.of})
        if isinstance(part, Terms):
            last = part.terms[-1]
            yield mapped(node, {part: replace(part, terms=(*part.terms[:-1], signed(last, True)))})
        if isinstance(part, Product) and part.above and not part.is_plain:
            yield mapped(node, {part: replace(part, above=(*part.above, number(2)))})
        if isinstance(part, Contract):
            first, *rest = part.factors
            yield mapped(node, {part: replace(part, factors=(power(first, number(2)), *rest))})
        if isinstance(part, Reduce) and not part.largest:
            yield mapped(node, {part: replace(part, of=power(part.of, number(3)))})


@pytest.mark.parametrize(
    "name",
    sampled(
        ["softmax_cross_entropy", "softmax_mse", "attention", "layer_norm", "ridge", "hinge"],
        "softmax_cross_entropy",
        "ridge",
        "hinge",
    ),
)
def test_a_wrong_node_is_refuted(name: str) -> None:
    lowered, count, refuted = Body(record(name)).lowered, 0, 0
    program, stable = list(lowered.program), {a.name for a in lowered.stable if not a.over}
    for place, assign in enumerate(program):
        for node in corrupted(assign.node):
            lowered.program = [*program[:place], replace(assign, node=node), *program[place + 1 :]]
            proof = Proof.of(lines_of(lowered, 1))
            assert proof.counts.keys() - {"every shape"}, (assign.name, node)
            refuted += bool(proof.faults)
            count += 1
        assert assign.name in stable or any(assign.name in loads(other.node) for other in program)
    assert count > 3 and refuted >= count - 1  # a root of what may be negative is not decided


def test_source_of_a_refuted_assignment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("symgrad.codegen.evaluation")

    class Wrong(Body):
        def __init__(self, of: Any) -> None:
            super().__init__(of)
            wrong = [replace(a, node=next(corrupted(a.node), a.node)) for a in self.lowered.program]
            self.lowered.program = wrong

    monkeypatch.setattr(module, "Body", Wrong)
    derivation = symgrad.Derivation(derived("softmax_cross_entropy").record)
    derivation.to_numpy()  # asks for the lines alone
    with pytest.raises(symgrad.RefutedError, match="is wrong"):
        derivation.to_source()
    assert derivation.to_source(check=False)


# --- what nodes mean -----------------------------------------------------------------------------------------------


def test_a_letter_is_not_captured() -> None:
    total = reduced(product([X, v], []), [m])
    other = Idx("m", N)
    turned = relettered(total, {n: other})
    assert canonical(meaning(turned)) == canonical(renamed(meaning(total), {n: other}))
    inner = relettered(contraction([X, load("Z", m, k)], [m]), {n: Idx("k", N), k: Idx("n", K)})
    assert [str(i) for i in inner.letters] == ["k", "n"] and str(inner.bound) == "(m,)"
    i = Idx("i", N)
    rows = reduced(load("Q", n, i), [i])
    assert canonical(meaning(relettered(rows, {n: i}))) == canonical(renamed(meaning(rows), {n: i}))


def test_nodes_that_differ_in_bound_letters_are_one_power() -> None:
    one, other = (reduced(product([load("X", n, i), load("v", i)], []), [i]) for i in (m, Idx("j", M)))
    assert product([one, other], []) == power(one, number(2))
    assert numbered(one)[0] == numbered(other)[0] != numbered(reduced(X, [m]))[0]


def test_the_meaning_of_each_kind() -> None:
    entry = meaning(X)
    assert meaning(signed(X, True)) == -entry
    assert meaning(product([X], [Y])) == entry / meaning(Y)
    assert meaning(power(X, number(2))) == entry**2
    assert meaning(Call(X.letters, exp, (X,))) == exp(entry)
    assert meaning(reduced(X, [n], largest="top")) == meaning(load("top", m))
    assert meaning(replace(X, letters=(m, n))) == entry  # as it lies in memory
    assert meaning(product([signed(X, True), Y], [])) == -entry * meaning(Y)
    assert meaning(Largest(X.letters, X, m)) == selection(entry, m)
    square = load("Q", n, Idx("i", N))
    assert meaning(Diagonal((n,), square, (n, n))) == meaning(load("Q", n, n))
    assert meaning(Diagonal((n,), square, (n, n)), {"Q"}).is_positive
    assert meaning(Load((n,), "p", (n,)), {"p"}).is_positive and meaning(v, {"p"}).is_positive is None
    assert meaning(signed(load("p", n), True), {"p"}).is_negative and meaning(signed(v, True)).is_negative is None
    assert meaning(added([X, Y])) == entry + meaning(Y) and meaning(number(3)) == 3 == meaning(
        Fill((n,), number(3), (N,))
    )
    assert meaning(product([X, v], [Y, Y])) == entry * meaning(v) / meaning(Y) ** 2
    assert meaning(Delta((k, j), K)) == KroneckerDelta(k, j)
    assert meaning(reduced(X, [m])) == Sum(entry, m) and meaning(reduced(X, [n, m])) == Sum(entry, n, m)
    assert meaning(contraction([X, load("Z", m, k)], [m])) == Sum(entry * meaning(load("Z", m, k)), m)
    assert Assign("A", (n, m), added([X, Y])).entry == meaning(load("A", n, m))


@pytest.mark.parametrize(
    ("left", "right", "over", "expected"),
    [
        ((n, m), (m, k), (m,), True),
        ((n, m, k), (m, k), (m, k), True),
        ((n, m, k), (n, k, j), (k,), True),  # a stack of matrices
        ((n, m), (n, m, k), (m,), False),  # a stack of vectors
        ((n, m, j, k), (n, k), (k,), False),
        ((n, m, k), (n, m, k), (m, k), False),
    ],
)
def test_which_two_are_a_product(left: Layout, right: Layout, over: Layout, expected: bool) -> None:
    assert is_pair(left, right, over) is expected


@pytest.mark.parametrize("function", [log, sinh, erf, expm1, log1p, sigmoid, relu])
def test_a_function_of_a_size_is_a_number_of_pythons(function: Any) -> None:
    call = Call((), function, (number(Symbol("N")),))
    made = eval(NumpyEmitter({}, Source("float")).text(call).code, {"np": np, "math": math, "N": 2, **vars(runtime)})
    assert type(made) is float and made == pytest.approx(float(meant(function(2))))


# --- passes --------------------------------------------------------------------------------------------------------


def value(node: Node, arrays: dict[str, np.ndarray]) -> Any:
    names = {name: name for name in (*arrays, *loads(node))}
    code = NumpyEmitter(names, Source("float")).text(node, node.letters).code
    return eval(code, {"np": np, **SIZES, **arrays})


@st.composite
def programs(draw: st.DrawFn) -> list[Assign]:
    """Legal programs of operations on arrays of two axes, with views and arrays turned."""
    known = [X, Y]
    found = []
    for place in range(draw(st.integers(1, 8))):
        one, other = draw(st.sampled_from(known)), draw(st.sampled_from(known))
        node = draw(
            st.sampled_from(
                [
                    added([one, signed(other, True)]),
                    added([one, other]),
                    product([one, other], []),
                    product([one], [other]),
                    added([one, signed(reduced(other, [n]), True)], one.letters),
                    product([one, reduced(other, [m])], [], one.letters),
                    one,
                ]
            )
        )
        name = f"a{place}"
        letters = draw(st.sampled_from([(n, m), (m, n)])) if not isinstance(node, Load) else node.letters
        found.append(Assign(name, letters, node))
        known.append(Load(letters, name, (n, m)))
    return found


def run(program: list[Assign], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays after the lines of a program."""
    space: dict[str, Any] = {"np": np, **{name: array.copy() for name, array in arrays.items()}}
    names = {name: name for name in (*arrays, *(a.name for a in program))}
    for assign in program:
        if assign.keeps_name:
            names[assign.name] = names[assign.into]
        with np.errstate(all="ignore"):
            exec(NumpyEmitter(names, Source("float")).assigned(assign).code, space)
    return {name: space[shown] for name, shown in names.items()}


@settings(deadline=None, max_examples=80)
@given(programs(), st.integers(0, 99))
def test_taking_over_memory_keeps_what_is_returned(program: list[Assign], seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = {name: rng.uniform(1, 2, (SIZES["N"], SIZES["M"])) for name in "XY"}
    wanted = run(program, arrays)
    last = program[-1]
    kept = {"X", "Y", last.name} | (set() if owns_memory(last.node) else loads(last.node))
    while (
        more := {name for a in program if a.name in kept and not owns_memory(a.node) for name in loads(a.node)} - kept
    ):
        kept |= more
    changed = in_place(program, kept, {a.name for a in program[::2]})
    found = run(changed, arrays)
    for name in ("X", "Y", last.name):
        assert np.array_equal(found[name], wanted[name], equal_nan=True), [a for a in changed if a.into]


def test_an_operation_on_two_arrays_has_a_name_and_a_right_side() -> None:
    below = product([Y, v], [])
    assert second_operand(added([X, Y])) == ("add", Y) and second_operand(added([X, signed(Y, True)])) == (
        "subtract",
        Y,
    )
    assert second_operand(product([X, Y], [])) == ("multiply", Y) and second_operand(product([X], [v])) == ("divide", v)
    assert second_operand(product([X], [Y, v])) == ("divide", below) and second_operand(below.args[0]) == ("", Y)
    letters = second_operand(product([X], [v, power(v, number(3))]))[1].letters
    assert letters == v.letters


def test_a_long_sum_has_its_factors_ahead() -> None:
    total = reduced(product([Call(X.letters, exp, (X,)), Call(X.letters, exp, (Y,))], []), [n])
    names = iter(["part1", "part2"])
    *parts, last = hoisted(Assign("s", (m,), total), lambda node: 30 * len([*walk(node)]), lambda: next(names))
    assert [part.node for part in parts] == [Call(X.letters, exp, (X,)), Call(X.letters, exp, (Y,))]
    assert loads(last.node) == {"part1", "part2"}
    alone = Assign("y", v.letters, v)
    assert hoisted(alone, lambda node: 100, lambda: next(names)) == [alone]


def test_a_number_has_the_type_of_the_inputs() -> None:
    filled = Fill((), number(2), ())
    assert NumpyEmitter({}, Source("x.dtype", needs=frozenset(["x"]))).text(filled).code == "x.dtype.type(2)"
    assert NumpyEmitter({}, Source("np.float64")).text(filled).code == "np.float64(2)"
    assert size("count").is_integer


def test_memory_is_taken_over_where_it_can_be() -> None:
    a = Assign("a", (n, m), added([X, Y]))
    b = Assign("b", (n, m), product([load("a", n, m), Y], []))
    assert [x.into for x in in_place([a, b], {"X", "Y", "b"}, set())] == ["", "a"]
    assert [x.into for x in in_place([a, b], {"X", "Y", "a"}, set())] == ["", ""]
    view = Assign("w", (n, m), load("a", n, m))
    later = Assign("c", (n, m), product([load("w", n, m), load("b", n, m)], []))
    assert [x.into for x in in_place([a, view, b, later], {"X", "Y"}, set())] == ["", "", "", ""]


def test_a_diagonal_is_a_view_of_an_array_and_of_nothing_else() -> None:
    square = load("Q", n, n)
    assert not owns_memory(X) and not owns_memory(Diagonal((n,), square, (n, n)))
    assert owns_memory(added([X, Y])) and owns_memory(Diagonal((n,), added([square, square]), (n, n)))


def test_parts_of_long_expressions_get_lines() -> None:
    long = product([added([X, Y]), added([X, power(Y, number(2))])], [added([Y, power(X, number(2))])])
    names = iter(("part1", "part2", "part3"))
    lines = hoisted(
        Assign("a", (n, m), long), lambda node: 60 * sum(isinstance(p, Terms) for p in walk(node)), names.__next__
    )
    *parts, last = lines
    assert [part.name for part in parts] == ["part1", "part2"] and last.name == "a"
    written = last.node
    for part in reversed(parts):
        written = mapped(written, {load(part.name, n, m): part.node})
    assert canonical(meaning(written)) == canonical(meaning(long))


@pytest.mark.parametrize(
    "node",
    [
        added([X, v]),
        product([X], [reduced(Y, [m])], (n, m)),
        contraction([X, load("Z", m, k)], [m]),
        contraction([X, load("Z", m, k), load("U", n)], [m]),
        reduced(product([X, Y], []), [n, m]),
        signed(power(X, number(2)), True),
    ],
    ids=lambda node: type(node).__name__,
)
def test_an_axis_stands_where_it_is_asked_for(node: Node) -> None:
    rng = np.random.default_rng(0)
    shapes = {"X": (3, 4), "Y": (3, 4), "v": (4,), "Z": (4, 2), "U": (3,)}
    arrays = {name: rng.uniform(1, 2, shape) for name, shape in shapes.items()}
    straight = value(node, arrays)
    emitter = NumpyEmitter({name: name for name in arrays}, Source("float"))
    turned = eval(emitter.text(node, node.letters[::-1]).code, {"np": np, **arrays})
    assert np.allclose(np.transpose(straight), turned)


# --- text ----------------------------------------------------------------------------------------------------------


def test_emitted_text_is_handled_by_emitters_and_writers_alone() -> None:
    handlers = {"python_source", "numpy_emitter", "module_frame", "numpy_module", "scalar_module"}
    handlers |= {"loop_emitter", "loop_kernels", "loop_module"}
    found = {path.stem for path in CODEGEN.glob("*.py") if "import python_source" in path.read_text(encoding="utf-8")}
    assert found | {"python_source"} == handlers
    everywhere = [p for p in CODEGEN.parent.rglob("*.py") if p.parent != CODEGEN]
    assert not [p.name for p in everywhere if "python_source" in p.read_text(encoding="utf-8")]


def test_a_power_after_a_minus_has_brackets_as_the_formatter_writes_it() -> None:
    squared = power(X, number(2))
    names = {"X": "X", "Y": "Y"}
    text = [
        NumpyEmitter(names, Source("float")).text(signed(node, True)).code
        for node in (squared, product([squared, Y], []))
    ]
    assert text == ["-(X**2)", "-(X**2) * Y"]


def test_functions_come_with_those_that_they_call() -> None:
    found = ["_common", "_checked", "_real", "_fit", "_dot", "_weighted"]
    assert [*functions_for({"_dot", "_checked"}, runtime)] == found
    both = functions_for({"_sigmoid", "_hold"}, scalar_runtime, runtime)
    assert "math.exp" in both["_sigmoid"] and "np.max" in both["_hold"]


@pytest.mark.parametrize("letters", [(n, m), (m, n)])
@pytest.mark.parametrize("into", ["", "Y"])
def test_a_line_that_is_too_long_is_broken(letters: tuple[Idx, Idx], into: str) -> None:
    names = {"X": "X" + 60 * "x", "Y": "Y" + 60 * "y", "a": "a"}
    own = replace(Y, letters=letters)
    for node in (Call((n, m), exp, (product([X, Y], []),)), product([Y, X], []), added([Y, X])):
        given = node if not into else product([own, replace(X, letters=letters)], [])
        line = NumpyEmitter(names, Source("float")).assigned(Assign("a", letters, given, into)).code
        space = {names["X"]: np.ones((2, 3)), names["Y"]: np.ones((2, 3)), "np": np}
        exec(line, space)
        assert max(map(len, line.split("\n"))) > 100 and "\n" in line
        assert space["a"].shape == ((2, 3) if letters == (n, m) or into else (3, 2))


@pytest.mark.parametrize("name", typical(NAMES, {"softmax_cross_entropy", "huber", "layer_norm"}))
def test_every_assignment_of_the_catalogue_means_its_equation(name: str) -> None:
    for target in ("numpy",) if name in INVERSES else ("numpy", "scalar"):
        proof = Proof.of(assignments(derived(name).record, 1, target))
        assert not proof.faults and set(proof.counts) <= {"every shape"}, (target, proof.counts)
