"""The one function that substitutes: what it says of itself holds for random expressions, and there is no other."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Add, Expr, Indexed, Integer, KroneckerDelta, Mul, Pow, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

import symgrad
from symgrad.canonical import canonical
from symgrad.functions import selection
from symgrad.index_letters import with_spares
from symgrad.notation import (
    Array,
    Axis,
    IndicesCoincide,
    bound_indices,
    free_indices,
    freshen,
    replaced,
    stand_in,
    unfolded,
)

N = Axis("N")
a, u, v = Array("a", (N, N)), Array("u", (N,)), Array("v", (N, N))
LETTERS = [N.index(letter) for letter in "ijk"]
i, j, k = LETTERS
SIZE = 2
PLACES = range(SIZE)
PACKAGE = Path(symgrad.__file__).parent

# Other ways to substitute, and why no index can be captured there.
ALLOWED = {
    "functions.py": "real: a function's class for another's, arguments untouched",
    "equations.py": "numbers for numbers, before anything was validated",
    "array/elementwise.py": "comparisons for 1, to see whether the expression has anything else",
    "array/symbolic.py": "a condition that compares a size with itself, for 1",
    "engine/named_functions.py": "a function with a name for its formula, arguments untouched",
    "engine/named_arrays.py": "quotients and logarithms for 1, to see whether others use the sum",
    "names.py": "in text, an accent for its name",
    "piecewise.py": "an absolute value for 0, to decide a comparison",
    "check/numeric/instantiation.py": "scalar symbols: sums are written term by term, no index is left",
    "explicit.py": "scalar symbols of an instance at given sizes",
    "facts.py": "a comparison of positions for 1, to see what else a mask needs",
    "render/order.py": "a position for its index, to compare letters; a position for the next one",
}

entry = st.one_of(
    st.builds(lambda p, q: a[p, q], st.sampled_from(LETTERS), st.sampled_from(LETTERS)),
    st.builds(lambda p: u[p], st.sampled_from(LETTERS)),
    st.builds(KroneckerDelta, st.sampled_from(LETTERS), st.sampled_from(LETTERS)),
)
expression = st.recursive(
    entry,
    lambda inner: st.one_of(
        st.builds(lambda x, y: x + 2 * y, inner, inner),
        st.builds(Mul, inner, inner),
        st.builds(lambda x, p: Sum(x, p), inner, st.sampled_from(LETTERS)),
        st.builds(lambda x, p, q: Sum(x, p, q), inner, *2 * [st.sampled_from(LETTERS)]).filter(
            lambda total: not isinstance(total, Sum) or len(set(bound_indices(total))) == len(total.limits)
        ),
    ),
    max_leaves=6,
)


def value(expr: Basic, at: Mapping[Idx, int], parts: Mapping[Basic, Basic], outside: Mapping[Idx, int]) -> int:
    """An expression at values of its free indices, a part that is replaced having the value of its replacement: there
    the part's own indices have their values here, and others those from outside."""
    if expr in parts:
        own = {index: at[index] for index in free_indices(expr)}
        return value(parts[expr], {**outside, **own}, {}, {})
    if isinstance(expr, Indexed):
        weight = {"a": 3, "u": 5, "v": 7}[expr.base.name]
        return weight + sum((2 + 5 * p) ** (p + 1) * at[index] for p, index in enumerate(expr.indices))
    if isinstance(expr, KroneckerDelta):
        return int(at[expr.args[0]] == at[expr.args[1]])
    if isinstance(expr, Sum):
        own = bound_indices(expr)
        every = product(PLACES, repeat=len(own))
        return sum(value(expr.function, {**at, **dict(zip(own, p, strict=True))}, parts, outside) for p in every)
    if isinstance(expr, Pow):
        return value(expr.base, at, parts, outside) ** int(expr.exp)
    if isinstance(expr, (Add, Mul)):
        values = [value(arg, at, parts, outside) for arg in expr.args]
        made = int(isinstance(expr, Mul))
        for x in values:
            made = made * x if isinstance(expr, Mul) else made + x
        return made
    return int(Integer(expr))


def everywhere() -> list[dict[Idx, int]]:
    return [dict(zip(LETTERS, places, strict=True)) for places in product(PLACES, repeat=len(LETTERS))]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(expression, entry.filter(lambda e: isinstance(e, Indexed)), expression)
def test_a_part_replaced_has_the_value_of_its_replacement(expr: Expr, old: Expr, new: Expr) -> None:
    made = replaced(expr, {old: new})
    for at in everywhere():
        assert value(made, at, {}, {}) == value(expr, at, {old: new}, at)


@settings(max_examples=300, deadline=None)
@given(expression, st.dictionaries(st.sampled_from(LETTERS), st.sampled_from(LETTERS)))
def test_an_index_replaced_has_the_value_of_the_other(expr: Expr, indices: dict[Idx, Idx]) -> None:
    made = replaced(expr, indices)
    for at in everywhere():
        assert value(made, at, {}, {}) == value(expr, {x: at[indices.get(x, x)] for x in LETTERS}, {}, {})


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(expression, expression)
def test_every_entry_of_an_array_unfolded(expr: Expr, new: Expr) -> None:
    """u_i = new_i: every u_p has the value of new at i = p and the other indices of the outside."""
    made = unfolded(expr, u[i], new)

    def unfolded_value(expr: Basic, at: Mapping[Idx, int], outside: Mapping[Idx, int]) -> int:
        parts = {u[x]: stand_in(u[x], f"u at {x}") for x in LETTERS}
        if isinstance(expr, Indexed) and expr in parts:
            return value(new, {**outside, i: at[expr.indices[0]]}, {}, {})
        if isinstance(expr, Sum):
            own = bound_indices(expr)
            every = [dict(zip(own, p, strict=True)) for p in product(PLACES, repeat=len(own))]
            return sum(unfolded_value(expr.function, {**at, **p}, outside) for p in every)
        if isinstance(expr, Add):
            return sum(unfolded_value(arg, at, outside) for arg in expr.args)
        if isinstance(expr, Mul):
            made = 1
            for arg in expr.args:
                made *= unfolded_value(arg, at, outside)
            return made
        if isinstance(expr, Pow):
            return unfolded_value(expr.base, at, outside) ** int(expr.exp)
        return value(expr, at, {}, {})

    for at in everywhere():
        assert value(made, at, {}, {}) == unfolded_value(expr, at, at)


@settings(max_examples=200, deadline=None)
@given(expression)
def test_new_names_for_bound_indices_change_no_value(expr: Expr) -> None:
    for made in (freshen(expr, LETTERS), canonical(expr), canonical(freshen(expr))):
        assert all(value(made, at, {}, {}) == value(expr, at, {}, {}) for at in everywhere())


def test_a_sum_binds_another_index_where_it_would_capture_one() -> None:
    made = replaced(Sum(a[i, j], j), {i: j})
    assert canonical(made) == canonical(Sum(a[j, k], k))
    assert canonical(replaced(Sum(u[j] * a[i, i], j), {a[i, i]: v[i, j]})) == canonical(v[i, j] * Sum(u[k], k)) or (
        canonical(replaced(Sum(u[j] * a[i, i], j), {a[i, i]: v[i, j]})) == canonical(Sum(u[k] * v[i, j], k))
    )


def test_a_sum_keeps_its_index_where_nothing_is_captured() -> None:
    total = Sum(a[i, j], j)
    assert replaced(total, {i: k}) == Sum(a[k, j], j)
    assert replaced(total, {j: k}) == total


def test_a_selection_that_would_capture_an_index_is_refused() -> None:
    with pytest.raises(IndicesCoincide):
        replaced(selection(a[i, j], j), {i: j})
    with pytest.raises(IndicesCoincide):
        replaced(selection(a[i, j], j), {a[i, j]: v[i, j] * a[j, k] + u[i]} | {i: j})
    with pytest.raises(IndicesCoincide):
        replaced(selection(a[i, j] + u[i], j), {u[i]: v[i, j]})


def _others(module: ast.Module) -> set[str]:
    """The ways to substitute in expressions that a module uses; ``replace`` of text has text for its arguments."""
    found = set()
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            texts = any(
                isinstance(arg, ast.JoinedStr) or (isinstance(arg, ast.Constant) and isinstance(arg.value, str))
                for arg in call.args
            )
            if call.func.attr in {"subs", "xreplace"} or (
                call.func.attr == "replace" and len(call.args) == 2 and not texts
            ):
                found.add(call.func.attr)
    return found


def test_nothing_else_substitutes() -> None:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if ways := _others(ast.parse(path.read_text(encoding="utf-8"))):
            found[path.relative_to(PACKAGE).as_posix()] = ways
    assert found.keys() == ALLOWED.keys(), found


@pytest.mark.parametrize("names", [("Rows", "M"), ("H", "E"), ("K", "C"), ("R", "Rows", "Ran"), ("C", "K", "M", "T")])
def test_a_letter_belongs_to_one_axis(names: tuple[str, ...]) -> None:
    """A line in which one letter runs over two axes reads wrong, and the prover refuses it."""
    axes = with_spares([Axis(name) for name in names], {"l"})
    letters = [letter for axis in axes.values() for letter in axis.conventional + axis.spares]
    assert len(set(letters)) == len(letters) and all(axis.conventional for axis in axes.values())
    assert list(axes.values()) == [Axis(name) for name in names]
