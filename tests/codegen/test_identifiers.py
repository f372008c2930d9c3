"""Generated code is right whatever the inputs are called: like a builtin, a keyword, or a name of the code itself."""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import INVERSES, derived
from sympy import Sum, exp, log

import symgrad
from symgrad.array.expression import parse
from symgrad.codegen import compile_source, runtime, scalar_runtime
from symgrad.codegen.identifiers import RESERVED, free, fresh, part_name, python_name, python_names
from symgrad.codegen.numpy_module import LOCALS
from symgrad.equations import node
from symgrad.errors import InputError
from symgrad.evidence.generated_code import compare_with_differences
from symgrad.names import is_alike
from symgrad.notation import Array, Axis
from symgrad.program import Program

GOLDEN = Path(__file__).parents[1] / "golden"
N, D = Axis("N"), Axis("D", letters="dea")
SIZES = {"N": 3, "D": 2}
TARGETS = (("numpy", None), ("scalar", SIZES))
GROUP = 8
NEUTRAL = tuple(f"input{place}" for place in range(GROUP))


def program(names: tuple[str, ...]) -> Program:
    """Log-sum-exp and squares of a linear model, with vectors, a matrix and a scalar of the given names."""
    i, d = N.index("n"), D.index("d")
    x, r, loss = Array("X", (N, D)), Array("r", (N,)), Array("L")
    w, scalar, *vectors = Array(names[0], (D,)), Array(names[1]), *(Array(name, (N,)) for name in names[2:])
    offset = sum((place * v[i] for place, v in enumerate(vectors, 1)), scalar[()])
    residual = node(r[i], Sum(x[i, d] * w[d], d) - offset / 8)
    total = node(loss[()], log(Sum(exp(r[i]), i)) + Sum(r[i] ** 2, i) * scalar[()] / N.size)
    return Program("names", (N, D), (x, w, scalar, *vectors), (residual, total), "L")


@cache
def derivation(names: tuple[str, ...]) -> symgrad.Derivation:
    return symgrad.derive(program(names), names)


@cache
def function(names: tuple[str, ...], target: str) -> Callable[..., Any]:
    source = derivation(names).to_source("f", target=target, sizes=dict(TARGETS)[target], check=False)
    return compile_source(source, "f")


def in_generated_code() -> set[str]:
    """Every name in the modules, and in the functions that they may have a copy of."""
    sources = [derivation(NEUTRAL).to_source(target=t, sizes=s, check=False) for t, s in TARGETS]
    sources += [inspect.getsource(module) for module in (runtime, scalar_runtime)]
    parts = [part for source in sources for part in ast.walk(ast.parse(source))]
    found = {getattr(part, field, None) for part in parts for field in ("id", "arg", "name")}
    return {name for name in found if isinstance(name, str) and name.isidentifier()}


@cache
def groups() -> list[tuple[str, ...]]:
    of_python = {name for name in dir(builtins) if not name.endswith(("Error", "Warning"))}  # dozens, all alike
    names = {
        *of_python,
        *keyword.kwlist,
        *keyword.softkwlist,
        *RESERVED,
        *LOCALS,
        *in_generated_code(),
    }
    names |= {"gap_1", "part_1", "part1", "dX", "np_", "X_12", "r_1", "r_max", "_"}
    left = sorted(name for name in names if not is_alike(name, ["X", "r", "L", "G", "N", "D", *NEUTRAL]))
    found: list[list[str]] = []
    for name in left:
        fitting = (group for group in found if len(group) < GROUP and not is_alike(name, group))
        group = next(fitting, None)
        if group is None:
            found.append(group := [])
        group.append(name)
    return [(*group, *NEUTRAL[len(group) :]) for group in found]


@pytest.mark.parametrize("part", sampled(range(30), every=30))
def test_any_name_will_do(part: int) -> None:
    rng = np.random.default_rng(0)
    for names in groups()[part::30]:
        given = [rng.normal(size=(3, 2)), rng.normal(size=2), 0.7, *(rng.normal(size=3) for _ in names[2:])]
        for target, _ in TARGETS:
            (value, grads), (found, own_grads) = (function(own, target)(*given) for own in (NEUTRAL, names))
            assert np.isclose(found, value, rtol=1e-12), names
            for expected, gradient in zip(grads, own_grads, strict=True):
                np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-14, err_msg=str(names))


@pytest.mark.slow
@pytest.mark.parametrize("names", [("lambda", "_x", "x_", "type", "max", "_", "__", "def")])
def test_lambdified_entries_have_a_place_for_every_name(names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(3, 2)), rng.normal(size=2), 0.7, *(rng.normal(size=3) for _ in names[2:])]
    (value, grads), (found, own) = (derivation(n).explicit(**SIZES).lambdify()(*given) for n in (NEUTRAL, names))
    assert value == found and all(np.array_equal(*pair) for pair in zip(grads, own, strict=True))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("X", "X"), ("x_", "x_"), ("r_1", "r_1"), ("lambda", "lambda_"), ("np", "np_"), ("_x", "x_")),
        *(("__np", "np_"), ("_", "array_"), ("_2a", "array2a_"), ("a b", "arraya b_")),
    ],
)
def test_what_a_name_becomes_in_python(name: str, expected: str) -> None:
    assert python_name(name) == expected


def test_arrays_keep_their_names_where_they_can() -> None:
    assert python_names(["_x", "x_", "N", "_x"], ["N"], {}) == {"x_": "x_", "N": "N_", "_x": "x__"}
    assert python_names(["A", "B"], (), {"A": "labels", "C": "B"}) == {"A": "labels", "B": "B"}


def test_new_names_are_in_use_from_then_on() -> None:
    used = {"part1", "part3", "a", "a_"}
    assert [part_name(used), part_name(used), free("a", used), free("b", used), free("b", used)] == [
        *("part2", "part4", "a__", "b", "b_"),
    ]
    assert used == {"part1", "part2", "part3", "part4", "a", "a_", "a__", "b", "b_"}
    taken = {"x", "x2", "lambda"}
    assert [fresh("x", taken), fresh("x", taken), fresh("λ", taken), fresh("y", taken)] == ["x3", "x4", "λ2", "y"]
    assert taken == {"x", "x2", "x3", "x4", "lambda", "λ2", "y"}


def test_nothing_is_reserved_that_modules_do_not_say() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in GOLDEN.glob("*.py"))
    text += symgrad.derive(parse("sum(erfc(x))", "x: N", "x")).to_source()
    assert set(re.findall(r"\w+", text)) >= RESERVED


@pytest.mark.slow
def test_what_the_code_calls_is_reserved() -> None:
    """Builtins beside the names of inputs; those of the helpers are apart from these."""
    for loss in symgrad.LOSSES:
        own = derived(loss)
        sizes = {axis.name: 2 for axis in own.program.axes}
        targets = {"numpy": None} if loss in INVERSES else {"numpy": None, "scalar": sizes}
        for target, given in targets.items():
            source = own.to_source(target=target, sizes=given, check=False)
            functions = [part for part in ast.parse(source).body if isinstance(part, ast.FunctionDef)]
            shared = [f for f in functions if f.name in (own.function_name, "_rows", "_ready")]
            used = {n.id for f in shared for n in ast.walk(f) if isinstance(n, ast.Name)}
            assert used & {*dir(builtins), "np", "math", "Gradients"} <= RESERVED


@pytest.mark.parametrize(
    "name",
    sampled(
        ["gap", "np", "rows", "dtype", "start", "block", "math", "max", "sum", "labels", "exp"], "gap", "np", "max"
    ),
)
def test_the_names_of_a_users_own_loss(name: str) -> None:
    loss = parse(f"mean((X @ w - {name})**2)", f"X: N D, w: D, {name}: N", f"w {name}")
    own = symgrad.derive(loss)
    assert compare_with_differences(loss, own.to_numpy(), own.record.wrt).ok
    assert re.search(rf"\b{name}{'_' if name in RESERVED else ''}:", own.to_source())  # it keeps its name where it can


@pytest.mark.parametrize("name", ["len", "max", "np", "Gradients", "_checked", "_fit"])
def test_a_function_is_not_called_like_one_of_its_module(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' cannot name a function: the module"):
        derivation(NEUTRAL).to_source(name)


@pytest.mark.parametrize("axis", ["None", "Gradients"])
def test_an_axis_is_not_called_like_a_word_of_python(axis: str) -> None:
    with pytest.raises(InputError, match=f"the axis {axis} means something else in Python: rename it"):
        symgrad.derive(parse("sum(x**2)", f"x: {axis}")).to_source()
