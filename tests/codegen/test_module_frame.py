"""The frame of a module: how inputs are described, checked and read, in programs that nobody derives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import ModuleType

import numpy as np
import pytest
from sympy import Integer, Rational

from symgrad.codegen import runtime, scalar_runtime
from symgrad.codegen.module_frame import LOWEST, NEEDS, Inputs, assembled
from symgrad.codegen.python_source import WIDTH, Source
from symgrad.equations import in_domain, node
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Record

N, C = Axis("N"), Axis("C")
X, Y, Z = (Array(name, (N, C)) for name in "XYZ")
v, w, b, r = Array("v", (C,)), Array("w", (N,), positive=True), Array("b"), Array("r")
NAMES = {"X": "x", "Y": "labels", "Z": "z", "v": "v_", "w": "weights", "b": "b_", "r": "r_", "L": "loss"}
FLOAT = Source("float", needs=frozenset(["x"]))


def inputs_of(
    *arrays: Array,
    labels: Collection[str] = (),
    domains: Sequence[tuple[Array, str]] = (),
    defaults: tuple[tuple[str, Rational], ...] = (),
    summary: str = "",
) -> Inputs:
    assumptions = tuple(in_domain(array, word, word) for array, word in domains)
    one = node(Array("L").base, Integer(1))
    program = Program("small", (N, C), arrays, (one,), "L", assumptions, summary, defaults)
    inputs = Inputs(Record(program, tuple(a.name for a in arrays), (), {}, {}), NAMES)
    inputs.labels = [*labels]
    return inputs


def codes(lines: Sequence[Source]) -> list[str]:
    return [line.code for line in lines]


def test_inputs_are_sorted_into_arrays_and_scalars() -> None:
    inputs = inputs_of(b, X, r)
    assert inputs.parameters == ["b_", "x", "r_"] and inputs.arrays == [X] and inputs.scalars == ["b_", "r_"]


@pytest.mark.parametrize(
    ("arrays", "labels", "code", "needs"),
    [
        ((b,), "", "np.float64", set()),
        ((X, b), "", "x.dtype", {"x"}),
        ((Y, X, Z), "Y", "x.dtype", {"x"}),
        ((Y, b), "Y", "np.result_type(np.float32, labels)", {"labels"}),
        ((Y, X), "YX", "np.result_type(np.float32, labels, x)", {"labels", "x"}),
    ],
)
def test_the_dtype_is_that_of_an_array_that_is_not_labels(
    arrays: tuple[Array, ...], labels: str, code: str, needs: set[str]
) -> None:
    found = inputs_of(*arrays, labels=labels).dtype
    assert found.code == code and found.needs == needs


@pytest.mark.parametrize(
    ("arrays", "labels", "needs", "lines"),
    [
        ((X, Y), "", "NC", ["N = x.shape[0]", "C = x.shape[1]"]),
        ((X, v), "", "C", ["C = x.shape[1]"]),
        ((w, v), "", "C", ["C = v_.shape[0]"]),
        ((Y, X), "Y", "NC", ["N = x.shape[0]", "C = x.shape[1]"]),
        ((Y, w), "Y", "NC", ["N = weights.shape[0]", "C = labels.shape[1]"]),
        ((Y, v), "Yv", "C", ["C = v_.shape[0]"]),
        (
            (Y, Z),
            "YZ",
            "NC",
            ["N = labels.shape[0]", "C = next(a.shape[-1] for a, axes in ((labels, 2), (z, 2)) if a.ndim == axes)"],
        ),
        ((X,), "", "", []),
    ],
)
def test_sizes_are_read_where_they_are_sure(
    arrays: tuple[Array, ...], labels: str, needs: str, lines: list[str]
) -> None:
    assert codes(inputs_of(*arrays).sizes(needs, labels)) == lines


def test_labels_are_opened() -> None:
    inputs = inputs_of(Y, X, labels="Y")
    lines = inputs.opened("Y", FLOAT)
    opened = "    labels = _one_hot(labels, C, float)"
    assert codes(lines) == ["C = x.shape[1]", "if labels.ndim == 1:", opened]
    assert lines[-1].needs == {"_one_hot", "labels", "C", "x"}
    fixed = inputs.opened("Y", FLOAT, {"N": 2, "C": 3})
    assert codes(fixed) == ["if labels.ndim == 1:", "    labels = _one_hot(labels, 3, float)"]
    assert inputs.opened("", FLOAT) == []
    both = inputs_of(Y, Z, labels="YZ").opened("YZ", FLOAT, {"C": 3})
    assert codes(both)[::2] == ["if labels.ndim == 1:", "if z.ndim == 1:"]


def test_tables_have_the_axes_of_each_input() -> None:
    floats = "_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))"
    rows = ["_AXES = {", '    "x": ("N", "C"),', '    "v_": ("C",),', '    "b_": (),', "}", floats]
    assert inputs_of(X, v, b).tables() == rows
    assert inputs_of(Y, Z, labels="YZ").tables()[-2:] == [floats, '_LABELS = {"labels", "z"}']


def test_what_well_formed_inputs_pass() -> None:
    assert inputs_of(X, b).are_ready(["t"]) == [
        *("type(x) is np.ndarray", "x.dtype in _FLOATS", "t", "type(b_) is float"),
    ]
    assert inputs_of(b).are_ready([]) == ["type(b_) is float"]
    two = ["type(x) is type(z) is np.ndarray", "x.dtype is z.dtype", "x.dtype in _FLOATS"]
    assert inputs_of(X, Z).are_ready([]) == two


def test_inputs_are_checked() -> None:
    checked = inputs_of(X, b).checked()
    assert checked.code == "x, b_ = _checked(x, b_)" and checked.needs == {"_checked"}
    assert inputs_of(X).checked({"N": 2, "C": 3}).code == "(x,) = _checked(x, N=2, C=3)"
    labelled = inputs_of(X, Y, labels="Y").checked()
    assert labelled.code == "x, labels = _checked_or_labels(x, labels)" and labelled.needs == {"_checked_or_labels"}
    for length, is_broken in ((33, False), (34, True)):  # the line is indented twice
        long = inputs_of(X, Z)
        long.parameters = [length * "a", "z" * 9]
        assert ("\n" in long.checked().code) is is_broken


def test_domains_are_tested() -> None:
    (positive,) = inputs_of(X, w).in_domains()
    assert positive.code == '_positive("weights", weights)' and positive.needs == {"_positive"}
    inputs = inputs_of(X, Y, v, labels="Y", domains=[(X, "nonnegative"), (Y, "binary"), (v, "probability")])
    lines = inputs.in_domains()
    assert codes(lines) == [
        '_within("x", x, 0, math.inf, 0, "nonnegative")',
        "if labels.ndim == 2:",
        '    _within("labels", labels, 0, 1, 1, "0 or 1")',
        '_within("v_", v_, 0, 1, 0, "between 0 and 1")',
    ]
    assert [line.needs for line in lines] == [{"_within", "math"}, set(), {"_within"}, {"_within"}]


def test_a_function_describes_its_arguments() -> None:
    half = Rational(1, 2)
    made = inputs_of(X, Y, b, labels="Y", defaults=(("b", half),)).function(
        "f", [Source("return x")], "L and its gradients, at N = 2"
    )
    assert made.code.split("\n") == [
        "def f(x, labels, b_=0.5):",
        '    """Return L and its gradients, at N = 2.',
        "",
        "        x: shape (N, C)",
        "        labels: shape (N, C), or N integer labels 0..C-1",
        "        b_: a number",
        "",
        "    ValueError is raised for inputs that do not fit; they are never modified.",
        '    """',
        "    return x",
    ]
    heads = {
        (b, X): "def f(b_, x):",  # what follows a default needs one
        (X, b): "def f(x, b_=0.5):",
        (b, r): "def f(b_=0.5, r_=2.0):",
    }
    for arrays, head in heads.items():
        given = tuple(pair for pair in (("b", half), ("r", Integer(2))) if pair[0] in {a.name for a in arrays})
        made = inputs_of(*arrays, defaults=given).function("f", [Source("return 1")], "L", ["Slow."])
        assert made.code.startswith(head) and "\n\n    Slow.\n    ValueError" in made.code
        assert "Return L.\n" in made.code


def module(
    inputs: Inputs, *needs: str, runtimes: Sequence[ModuleType] = (), imports: Sequence[str] = (), **more: str
) -> str:
    function = Source("def f():\n    return 1", needs=frozenset(needs))
    return assembled(inputs, ["f"], ["dL/dX = 1"], ["TABLE = 1"], [function], *runtimes, imports=imports, **more)


def test_a_module_is_put_together() -> None:
    made = module(inputs_of(X, b, r, summary="A sum"))
    head, gradients, table, function, called, last = made.rstrip("\n").split("\n\n\n")
    assert head.split("\n") == [
        '"""A sum: the value, and its gradients with respect to X, b and r.',
        "",
        "Generated by symgrad from its derivation of the closed form.",
        NEEDS,
        "",
        "    dL/dX = 1",
        '"""',
        "",
        "import functools",
        "import inspect",
        "from typing import NamedTuple",
        "",
        "import numpy as np",
    ]
    assert gradients.split("\n") == [
        "class Gradients(NamedTuple):",
        '    """Derivatives of L, each of the shape of its array."""',
        "",
        "    x: np.ndarray",
        "    b_: np.ndarray",
        "    r_: np.ndarray",
    ]
    assert (table, function, last) == ("TABLE = 1", "def f():\n    return 1", "f = _called(f)")
    assert called.startswith("def _called(") and made.endswith("f = _called(f)\n")


def test_a_module_has_what_it_needs() -> None:
    one = inputs_of(X)
    plain = assembled(one, "f", (), [], [Source("x")])
    assert plain.startswith('"""small: the value, and its gradients with respect to X.\n\nGenerated by symgrad')
    assert f'{NEEDS}\n"""\n\nimport functools' in plain and "import math" not in plain and LOWEST not in plain
    assert "import math\n" in module(one, "math") and "import math\n" in module(one, "_exp", runtimes=[scalar_runtime])
    assert "from collections.abc import Iterator\nfrom typing import NamedTuple\n" in module(one, "_summed")
    assert f"TABLE = 1\n{LOWEST}\n" in module(one, "_LOWEST")
    assert module(one, "_quiet").endswith("\n\n\nf = _called(_quiet(f))\n")
    compiled = module(one, imports=["from numba import njit"], needed="Needs numba.")
    assert "from typing import Any, NamedTuple\n\nimport numpy as np\nfrom numba import njit\n" in compiled
    assert "closed form.\nNeeds numba.\n" in compiled
    assert "\n\n\ndef _hold(" in module(one, "_hold") and "def _hold(" not in plain
    of_numbers = module(one, "_sigmoid", runtimes=[scalar_runtime])
    assert "math.exp" in of_numbers and "math.exp" not in module(one, "_sigmoid", runtimes=[runtime])


def test_the_lowest_exponent_is_that_of_double_precision() -> None:
    names: dict[str, float] = {}
    exec(LOWEST, {"np": np}, names)
    assert names == {"_LOWEST": np.finfo(np.float64).min}


def test_the_head_of_a_function_is_split_where_it_is_too_long() -> None:
    most = WIDTH - len("def (x):")
    assert inputs_of(X).function("f" * most, [], "L").code.startswith(f"def {'f' * most}(x):\n")
    assert inputs_of(X).function("f" * (most + 1), [], "L").code.startswith(f"def {'f' * (most + 1)}(\n    x\n):\n")


@pytest.mark.parametrize(("name", "is_silenced"), [("l", True), ("O", True), ("I", True), ("k", False)])
def test_names_like_digits_are_allowed(name: str, is_silenced: bool) -> None:
    inputs = inputs_of(X)
    inputs.names = {**NAMES, "X": name}
    assert ('"""\n\n# ruff: noqa: E741\n\nimport' in module(inputs)) is is_silenced
