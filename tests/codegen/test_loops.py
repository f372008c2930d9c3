"""Generated loops: equal to the NumPy target, compiled and as plain Python; proved, checked, in memory of their own."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import INVERSES, NAMES, derived, typical
from forms import EVERY, SAMPLE, SIZES, record
from literal import random_inputs
from sympy import Symbol, exp
from sympy.tensor.indexed import Idx

import symgrad
from symgrad.array.expression import parse
from symgrad.cli import main
from symgrad.codegen import assignments, to_numpy
from symgrad.codegen.array_plan import Plan
from symgrad.codegen.array_program import Assign, Call, Load, loads
from symgrad.codegen.loop_nests import by_blas, fused, nests, over_rows, sums_apart, with_data, within
from symgrad.codegen.operations import contraction, product, reduced
from symgrad.notation import axis_name
from symgrad.results import Proof
from symgrad.steps import Record
from trials.uncompiled import uncompiled

pytestmark = pytest.mark.numba
if find_spec("numba"):  # else the marker leaves these tests out
    from symgrad.codegen import loop_module as loops
    from symgrad.codegen import loop_runtime as runtime


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What numba compiles is kept for the tests of one run."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "symgrad"


def given(of: Record, sizes: dict[str, int]) -> list[Any]:
    return [float(a) if a.ndim == 0 else a for a in random_inputs(of.program, sizes).values()]


def assert_alike(one: Any, other: Any, tolerance: float) -> None:
    (value, gradients), (expected, wanted) = one, other
    assert type(value) is type(expected)
    for a, b in zip((value, *gradients), (expected, *wanted), strict=True):
        assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
        scale = np.max(np.abs(b), initial=0) if np.all(np.isfinite(b)) else 1
        assert np.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


# --- values --------------------------------------------------------------------------------------------------------


COMPILABLE = [name for name in NAMES if name not in INVERSES]
COMPILED = ("clip_loss", "attention_head")
"""Compiling takes seconds each; ``python -m benchmarks catalogue`` compiles all of them."""


@pytest.mark.parametrize("name", sampled(COMPILABLE, "softmax_cross_entropy", "huber", "ridge"))
def test_the_catalogue(name: str) -> None:
    of = derived(name).record
    inputs = given(of, {axis.name: 3 + place for place, axis in enumerate(of.program.axes)})
    function = loops.to_numba(of) if name in COMPILED else uncompiled(of)
    with np.errstate(all="ignore"):
        assert_alike(function(*inputs), to_numpy(of)(*inputs), 1e-10)


@pytest.mark.parametrize("rows", [3, 700])
@pytest.mark.parametrize("name", sampled(EVERY, *SAMPLE))
def test_every_kind_of_program_as_plain_python(name: str, rows: int) -> None:
    of = record(name)
    if not any(a.axes for a in of.program.inputs):
        return
    sizes = {axis.name: SIZES.get(axis.name, 2) for axis in of.program.axes}
    if rows > 3 and not Plan(of).blocks.axis:
        return
    sizes[of.program.axes[0].name] = rows
    inputs = given(of, sizes)
    function = uncompiled(of)
    assert function is not None
    with np.errstate(all="ignore"):
        result = function(*inputs)
    assert_alike(result, to_numpy(of)(*inputs), 1e-9)


def test_a_sum_over_rows_of_what_is_the_same_for_each() -> None:
    @symgrad.loss(shapes="B: N M, mu: K M, X: M", wrt="B mu")
    def shifted(B: Any, mu: Any, X: Any) -> Any:
        return np.mean(np.mean(mu[:, None, :] - np.arctan(B)[None, :, :], axis=0) / (X**2 + 1))

    of = symgrad.derive(shifted).record
    function = uncompiled(of)
    assert function is not None
    for rows in (3, 2000):
        inputs = given(of, {"N": rows, "M": 2, "K": 3})
        assert_alike(function(*inputs), to_numpy(of)(*inputs), 1e-9)


@pytest.fixture(scope="module")
def cross_entropy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Callable[..., Any], Callable[..., Any]]:
    of = derived("softmax_cross_entropy").record
    return loops.to_numba(of), to_numpy(of)


def arrays(rows: int = 7, columns: int = 5, classes: int = 3, dtype: Any = float) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, classes, rows)
    shapes = ((rows, columns), (columns, classes), (classes,))
    return [*(rng.normal(size=shape).astype(dtype) for shape in shapes), np.eye(classes, dtype=dtype)[labels], labels]


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


INPUTS: dict[str, Callable[..., list[Any]]] = {
    "as they are": lambda X, W, b, Y, y: [X, W, b, Y],
    "labels": lambda X, W, b, Y, y: [X, W, b, y],
    "labels of another type": lambda X, W, b, Y, y: [X, W, b, y.astype(np.uint8)],
    "of both types": lambda X, W, b, Y, y: [X.astype(np.float32), W, b, Y],
    "by columns": lambda X, W, b, Y, y: [np.asfortranarray(X), W, b, Y],
    "strided": lambda X, W, b, Y, y: [X[::-1], W.T.copy().T, b[::-1], Y],
    "lists": lambda X, W, b, Y, y: [X.tolist(), W.tolist(), b.tolist(), Y.tolist()],
    "integers": lambda X, W, b, Y, y: [(10 * X).astype(int), W, b, Y],
    "of another byte order": lambda X, W, b, Y, y: [X.astype(">f8"), W, b, Y],
    "a matrix": lambda X, W, b, Y, y: [X.view(np.matrix), W, b, Y],
    "not a number": lambda X, W, b, Y, y: [np.where(X[0, 0] == X, np.nan, X), W, b, Y],
    "infinite": lambda X, W, b, Y, y: [np.where(X[0, 0] == X, np.inf, X), W, b, Y],
    "large": lambda X, W, b, Y, y: [1e4 * X, W, b, Y],
    "targets that are not numbers": lambda X, W, b, Y, y: [X, W, b, np.where(Y == 1, np.nan, Y)],
}


"""Kernels for other types of arrays take seconds each to be compiled; ``short`` has them."""


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("how", INPUTS)
def test_inputs_of_all_kinds(how: str, cross_entropy: tuple[Callable[..., Any], ...]) -> None:
    inputs = INPUTS[how](*arrays())
    compiled, expected = (function(*inputs) for function in cross_entropy)
    assert_alike(compiled, expected, 1e-12)
    again = cross_entropy[0](*inputs)  # by the kernel that is there by now
    assert np.array_equal(again[0], compiled[0], equal_nan=True)


WRONG: dict[str, Callable[..., list[Any]]] = {
    "rows that do not sum to one": lambda X, W, b, Y, y: [X, W, b, 1.1 * Y],
    "an axis that is too short": lambda X, W, b, Y, y: [X, W, b[:2], Y],
    "another axis": lambda X, W, b, Y, y: [X, W[:3], b, Y],
    "no rows": lambda X, W, b, Y, y: [X[:0], W, b, Y[:0]],
    "labels above": lambda X, W, b, Y, y: [X, W, b, y + 2],
    "labels below": lambda X, W, b, Y, y: [X, W, b, y - 1],
    "labels that are floats": lambda X, W, b, Y, y: [X, W, b, y.astype(float)],
    "too few labels": lambda X, W, b, Y, y: [X, W, b, y[:-1]],
    "a masked array": lambda X, W, b, Y, y: [np.ma.masked_array(X), W, b, Y],
    "text": lambda X, W, b, Y, y: [X, W, b, "a"],
    "a vector": lambda X, W, b, Y, y: [X[0], W, b, Y],
}


@pytest.mark.parametrize("how", WRONG)
def test_wrong_inputs_are_named_as_by_the_other_target(how: str, cross_entropy: tuple[Callable[..., Any], ...]) -> None:
    inputs = WRONG[how](*arrays())
    messages = []
    for function in cross_entropy:
        function(*INPUTS["labels"](*arrays()))  # a kernel is there
        with pytest.raises(ValueError) as caught:
            function(*inputs)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.slow
def test_threads_give_the_same_bits_each_time(cross_entropy: tuple[Callable[..., Any], ...]) -> None:
    inputs = INPUTS["labels"](*arrays(30001, 17))
    first = cross_entropy[0](*inputs)
    assert_alike(first, cross_entropy[1](*inputs), 1e-9)
    results = [cross_entropy[0](*inputs)]
    workers = [threading.Thread(target=lambda: results.append(cross_entropy[0](*inputs))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for value, gradients in results:
        assert value == first[0] and all(map(np.array_equal, gradients, first[1]))


@pytest.mark.slow
def test_large_products_are_left_to_blas(cross_entropy: tuple[Callable[..., Any], ...]) -> None:
    inputs = INPUTS["as they are"](*arrays(700, 300, 200))
    assert_alike(cross_entropy[0](*inputs), cross_entropy[1](*inputs), 1e-9)


@pytest.mark.slow
def test_single_precision_adds_up_in_double_in_products_too(cross_entropy: tuple[Callable[..., Any], ...]) -> None:
    X, W, b, _, y = arrays(20_000, 2, 2)
    exact = cross_entropy[1](X.astype(np.float32).astype(float), W.astype(np.float32).astype(float), b * 0, y)
    single = cross_entropy[0](X.astype(np.float32), W.astype(np.float32), (b * 0).astype(np.float32), y)
    assert_alike((float(single[0]), [g.astype(float) for g in single[1]]), (float(exact[0]), exact[1]), 2e-6)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A loss without products, which compiles fast."""
    of = symgrad.derive(parse("mean(q * exp(x - y))", "x: N, y: N, q: scalar", "q")).record
    return loops.to_numba(of), to_numpy(of)


def test_single_precision_adds_up_in_double(short: tuple[Callable[..., Any], ...]) -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 20_000)).astype(np.float32)
    q = np.float32(0.7)
    (value, gradients), (expected, slopes) = short[0](x, y, q), short[1](x.astype(float), y.astype(float), float(q))
    assert value.dtype == gradients.q.dtype == np.float32
    assert value == pytest.approx(expected, rel=2e-7) and gradients.q == pytest.approx(slopes.q, rel=2e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_result_has_the_type_of_the_inputs(dtype: Any, short: tuple[Callable[..., Any], ...]) -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 7)).astype(dtype)
    results = [function(x, y, dtype(0.7)) for function in short]
    assert_alike(*results, {np.float32: 1e-5, np.float16: 1e-3}[dtype])


def test_inputs_may_be_read_only(short: tuple[Callable[..., Any], ...]) -> None:
    x, y = map(read_only, np.random.default_rng(1).normal(size=(2, 7)))
    assert_alike(*(function(x, y, 0.7) for function in short), 1e-12)


def test_no_result_shares_memory() -> None:
    @symgrad.loss(shapes="A: N N D, G: N D", wrt="A G")
    def picked(A: Any, G: Any) -> Any:
        return np.einsum("nnd,nd->", A, G)

    of = symgrad.derive(picked).record
    inputs = given(of, {"N": 3, "D": 2})
    value, gradients = loops.to_numba(of)(*inputs)
    assert_alike((value, gradients), to_numpy(of)(*inputs), 1e-12)
    assert not any(np.shares_memory(a, b) for a in inputs for b in gradients)


@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0, 745.0])
def test_the_exponential_is_right_to_an_ulp(scale: float) -> None:
    x = np.random.default_rng(0).uniform(-scale, min(scale, 709), 2000)
    found = np.array([runtime._exp(v) for v in x])
    assert np.max(np.abs(found - np.exp(x)) / np.maximum(np.spacing(np.exp(x)), 5e-324)) <= 2
    assert [runtime._exp(v) for v in (-math.inf, math.inf, 0.0, -750.0, 710.5)] == [0, math.inf, 1, 0, math.inf]
    assert math.isnan(runtime._exp(math.nan))


# --- proofs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", typical(COMPILABLE, {"softmax_cross_entropy", "huber", "layer_norm"}))
def test_every_assignment_of_the_catalogue_means_its_equation(name: str) -> None:
    proof = Proof.of(assignments(derived(name).record, 1, "numba"))
    assert not proof.faults and set(proof.counts) <= {"every shape"}, proof.counts


@pytest.mark.parametrize("name", sampled([*EVERY][::4], *(name for name in SAMPLE[::4] if name in [*EVERY][::4])))
def test_every_assignment_means_its_equation(name: str) -> None:
    proof = Proof.of(assignments(record(name), 1, "numba"))
    assert not proof.faults and set(proof.counts) <= {"every shape"}, proof.counts


# --- passes --------------------------------------------------------------------------------------------------------

N, K = Symbol("N", integer=True), Symbol("K", integer=True)
n, m, k = Idx("n", N), Idx("m", N), Idx("k", K)


def load(name: str, *at: Idx) -> Load:
    return Load(at, name, at)


def parts(assign: Assign) -> list[Assign]:
    names = (f"part{place}" for place in range(1, 9))
    return [*nests(assign, lambda: next(names))]


def test_sums_within_an_expression_are_assignments_of_their_own() -> None:
    shifted = product([load("Z", n, k), reduced(load("Z", n, k), [k])], [])
    (part, last) = parts(Assign("P", (n, k), shifted))
    assert part.letters == (n,) and loads(last.node) == {"Z", "part1"}


def test_what_a_loop_need_not_repeat_is_computed_ahead() -> None:
    (part, last) = parts(Assign("P", (n, k), product([load("Z", n, k), Call((n,), exp, (load("s", n),))], [])))
    assert part.letters == (n,) and loads(last.node) == {"Z", "part1"}


def test_sums_over_rows_are_told_from_what_is_made_of_them() -> None:
    mean = product([reduced(load("Z", n, k), [n])], [load("s")])
    names = iter(["total"])
    ((found,), rest) = sums_apart(Assign("L", (k,), mean), "N", lambda: next(names))
    assert found.name == "total" and axis_name(found.node.bound[0]) == "N" and loads(rest.node) == {"total", "s"}


def loops_of(assign: Assign) -> tuple[Idx, ...]:
    return (*assign.letters, *assign.node.bound)


def test_nests_over_the_same_axes_are_one() -> None:
    one = Assign("E", (n, k), Call((n, k), exp, (load("Z", n, k),)))
    other = Assign("G", (m, k), product([load("E", m, k), load("Y", m, k)], []))
    (nest,) = fused([one, other], loops_of)
    assert nest.loops == (n, k) and [a.letters for a in nest.parts] == [(n, k), (n, k)]
    assert within([nest], {"G"}) == {"E"} and not within([nest], {"E", "G"})


def test_a_nest_waits_for_what_it_reads_elsewhere() -> None:
    squares = Assign("E", (n, m), Call((n, m), exp, (load("Z", n, m),)))
    turned = Assign("G", (n, m), product([load("E", m, n), load("E", n, m)], []))
    assert len(fused([squares, turned], loops_of)) == 2
    total = Assign("S", (n,), reduced(load("E", n, m), [m]))
    scaled = Assign("P", (n, m), product([load("E", n, m)], [load("S", n)]))
    assert [[a.name for a in nest.parts] for nest in fused([squares, total, scaled], loops_of)] == [["E", "S"], ["P"]]
    assert within(fused([squares, total, scaled], loops_of), {"P"}) == set()


def test_products_that_functions_of_their_own_carry_out() -> None:
    d = Idx("d", Symbol("D", integer=True))
    X, W, G = load("X", n, d), load("W", d, k), Load((k, n), "G", (n, k))
    made = with_data(contraction([W, X], [d]), {"X"})
    assert made is not None and (made.left, made.right) == (X, W)
    assert with_data(contraction([W, X], [d]), {"W"}) is not None and with_data(contraction([W, X], [d]), {"G"}) is None
    rows = over_rows(contraction([G, Load((d, n), "H", (n, d))], [n]), lambda i: axis_name(i) == "N")
    assert rows is not None and rows.over == n
    assert over_rows(contraction([G, Load((k, n), "H", (n, k))], [n]), lambda i: axis_name(i) == "N") is None
    stacks = by_blas(Assign("P", (k, n, m), contraction([load("A", k, n, d), load("B", k, d, m)], [d])), set())
    assert stacks is not None and stacks.stack == (k,) and stacks.orders == ((n, d), (d, m))
    assert by_blas(Assign("P", (n, m), contraction([load("A", n, d), load("B", d, m)], [d])), set()) is not None
    assert by_blas(Assign("P", (n,), contraction([load("A", n, d), load("B", n, d)], [d])), set()) is None


# --- faces ---------------------------------------------------------------------------------------------------------


def test_the_module_is_one_file_named_after_its_contents(cache: Path) -> None:
    function = symgrad.derive("mae").to_numba()
    (path,) = [p for p in cache.glob("*.py") if p.stem == function.__module__]
    assert symgrad.derive("mae").to_numba() is function
    del sys.modules[path.stem]
    path.write_text("damaged", encoding="utf-8")
    again = symgrad.derive("mae").to_numba()
    assert again is not function and "def evaluate" in path.read_text(encoding="utf-8")


def test_without_a_cache_the_module_lives_as_long_as_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    function = symgrad.derive("quantile").to_numba()
    assert not Path(sys.modules[function.__module__].__file__ or "").is_relative_to(tmp_path)


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "softmax_mse", "--target", "numba"]) == 0
    source = capsys.readouterr().out
    assert "from numba import" in source and "Needs NumPy 2.0 or later, numba, and SciPy" in source
    compile(source, "softmax_mse", "exec")
    assert main(["generate", "softmax_mse", "--target", "numba", "--shape", "2,4,3"]) != 0
    assert "work only with the target scalar" in capsys.readouterr().err


def test_without_numba_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("symgrad.codegen.loop")]:
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(symgrad.codegen, name.rpartition(".")[2], raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(symgrad.UnsupportedError, match=r"pip install 'symgrad\[numba\]'"):
        symgrad.derive("mse").to_numba()


def test_an_input_has_to_be_an_array() -> None:
    @symgrad.loss(shapes="a: scalar, b: scalar", wrt="a")
    def product_of(a: Any, b: Any) -> Any:
        return a * b

    with pytest.raises(symgrad.InputError, match="needs an input that is an array"):
        symgrad.derive(product_of).to_source(target="numba")


@pytest.mark.slow
def test_an_equality_that_several_entries_use_compiles() -> None:
    def root_of_the_rest(Z, y):
        p = symgrad.array.softmax(Z, axis=1)[np.arange(len(y)), y]
        return -np.mean((1 - p) ** 0.5 * np.log(p))

    derivation = symgrad.derive(symgrad.loss(shapes="Z: N C, y: N labels of C", wrt="Z")(root_of_the_rest))
    Z, y = np.array([[0.0, 1], [-800, 0], [2, 1]]), np.array([1, 0, 0])
    value, (gradient,) = derivation.to_numba()(Z, y)
    expected, (entries,) = derivation.to_numpy()(Z, y)
    assert value == pytest.approx(expected)
    assert gradient == pytest.approx(entries)


@pytest.mark.slow
def test_equal_products_tie() -> None:
    """A product that is fused with a difference is rounded later: the two sides of a maximum would differ."""

    @symgrad.loss(shapes="a: N, x: N", wrt="x")
    def surrogate(a, x):
        return np.mean(np.minimum(a * x, a * np.clip(x, 0, 1)))

    derivation = symgrad.derive(surrogate)
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=50), rng.uniform(0.1, 0.9, size=50)
    _, (gradient,) = derivation.to_numba()(a, x)
    assert gradient == pytest.approx(a / 50)
