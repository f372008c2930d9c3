"""Generated functions: against literal evaluation, in every kind of program; stable, standalone, checked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import derived
from classifier import LOSSES
from forms import (
    EVERY,
    SAMPLE,
    SIZES,
    C,
    N,
    given,
    k,
    lam,
    n,
    record,
    total,
)
from literal import complex_step, forward, random_inputs
from programs import ridge
from sympy import Function, Sum

import symgrad
from symgrad.codegen import compile_source, to_numpy, to_source
from symgrad.engine.derive import derive_record
from symgrad.errors import InputError, UnsupportedError
from symgrad.facts import labelled
from symgrad.notation import Array


@cache
def function(name: str) -> Callable[..., Any]:
    return to_numpy(record(name))


# --- the right numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sampled(EVERY, *SAMPLE))
def test_agrees_with_literal_evaluation_and_complex_steps(name: str) -> None:
    of = record(name)
    inputs = random_inputs(of.program, SIZES)
    loss, grads = function(name)(*inputs.values())
    arrays = forward(of.program, inputs, SIZES)
    assert loss == pytest.approx(arrays["L"].real, rel=1e-12)
    for array, gradient in zip(of.wrt, grads, strict=True):
        expected = complex_step(of.program, array, arrays, SIZES)
        assert np.shape(gradient) == expected.shape
        assert np.allclose(gradient, expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max()), array


@pytest.mark.parametrize("name", sampled(EVERY, *SAMPLE))
def test_float32_stays_float32(name: str) -> None:
    of = record(name)
    inputs = given(of)
    loss, grads = function(name)(*(np.float32(x) for x in inputs))
    exact, _ = function(name)(*inputs)
    assert loss.dtype == np.float32 and all(g.dtype == np.float32 for g in grads)
    assert loss == pytest.approx(exact, rel=1e-4)


@cache
def scalar(name: str) -> Callable[..., Any]:
    sizes = {axis.name: SIZES[axis.name] for axis in record(name).program.axes}
    return compile_source(to_source(record(name), "evaluate", target="scalar", sizes=sizes), "evaluate")


@pytest.mark.parametrize("name", sampled(EVERY, *SAMPLE))
def test_the_scalar_target_agrees(name: str) -> None:
    of = record(name)
    inputs = given(of)
    loss, grads = scalar(name)(*inputs)
    expected, slopes = function(name)(*inputs)
    assert loss == pytest.approx(expected, rel=1e-12)
    for gradient, slope in zip(grads, slopes, strict=True):
        assert np.shape(gradient) == np.shape(slope) and np.allclose(gradient, slope, rtol=1e-10, atol=1e-12)
    single, _ = scalar(name)(*(np.float32(x) for x in inputs))
    assert single.dtype == np.float32 and single == pytest.approx(expected, rel=1e-4)


def test_the_scalar_target_takes_its_sizes_alone() -> None:
    """Also where the inputs are too many for one line."""
    names = [f"an_array_of_a_long_name_{place}" for place in range(8)]
    arrays = tuple(Array(name, (N,)) for name in names)
    of = derive_record(total("many", arrays, Sum(sum(a[n] for a in arrays) ** 2, n)), tuple(names))
    f = compile_source(to_source(of, "f", target="scalar", sizes={"N": 2, "D": 1, "C": 1}), "f")
    loss, grads = f(*np.ones((8, 2)))
    assert loss == 128 and all(np.array_equal(gradient, [16, 16]) for gradient in grads)
    with pytest.raises(
        ValueError, match=r"an_array_of_a_long_name_0: expected shape \(N,\) with N = 2, got shape \(3,\)"
    ):
        f(*np.ones((8, 3)))


def in_blocks(name: str, entries: int) -> Callable[..., Any]:
    """The function with blocks of so many entries."""
    f = to_numpy(record(name))
    if "_BLOCK" in f.__globals__:
        f.__globals__.update(_BLOCK=entries, _SHORTEST=1)
    return f


@pytest.mark.parametrize("name", sampled(EVERY, *SAMPLE))
def test_blocks_of_any_size_give_the_same(name: str) -> None:
    inputs = given(record(name), {**SIZES, "N": 37})
    expected, slopes = function(name)(*inputs)
    for entries in (1, 60):
        f = in_blocks(name, entries)
        loss, grads = f(*inputs)
        assert loss == pytest.approx(expected, rel=1e-12) and type(loss) is type(expected)
        for gradient, slope in zip(grads, slopes, strict=True):
            assert np.shape(gradient) == np.shape(slope)
            assert np.allclose(gradient, slope, rtol=1e-10, atol=1e-12 * np.abs(slope).max())
        again = f(*inputs)
        assert again[0] == loss and all(np.array_equal(a, b) for a, b in zip(again[1], grads, strict=True))


@pytest.mark.slow
def test_blocks_are_read_off_the_indices() -> None:
    in_blocks = {*LOSSES, "class_weights", "class_weights_normalised", "l2_penalty", "two_layer_tanh", "ridge"}
    whole = {"attention", "both softmaxes", "all pairs"}
    assert {name for name in in_blocks | whole if "_BLOCK" in to_source(record(name))} == in_blocks


def test_an_exponential_in_the_weight_of_a_logarithm_is_relative_too() -> None:
    """The gradient with respect to gamma has V^gamma log V exp(V^gamma), which overflows where the loss does not."""

    @symgrad.loss(shapes="V: N T positive, gamma: scalar", wrt="V gamma")
    def of_powers(V: Any, gamma: Any) -> Any:
        return np.sum(symgrad.array.logsumexp(V**gamma, axis=1))

    V = np.array([[40.0, 1.0], [50.0, 50.0]])
    loss, grads = symgrad.derive(of_powers).to_numpy()(V, 2.0)
    assert loss == pytest.approx(1600 + 2500 + np.log(2)) and np.allclose(grads.V, [[80, 0], [50, 50]])
    assert grads.gamma == pytest.approx(1600 * np.log(40) + 2500 * np.log(50))


@pytest.mark.parametrize("entries", [1, 2**14])
def test_the_rows_of_a_block_are_counted_beside_another_size(entries: int) -> None:
    """Sum_bnm x_mb has the factor N B, which is N times the number of rows where rows are those of M."""

    @symgrad.loss(shapes="W: B N, Z: B N, V: M N, X: M N", wrt="W V")
    def pairs(W: Any, Z: Any, V: Any, X: Any) -> Any:
        return np.sum((V[:, None, :] + W[None, :, :]) * (X[:, None, :] - Z[None, :, :]))

    rng = np.random.default_rng(0)
    W, Z, V, X = (rng.standard_normal((rows, 3)) for rows in (2, 2, 7, 7))
    f = symgrad.derive(pairs).to_numpy()
    f.__globals__.update(_BLOCK=entries, _SHORTEST=1)
    loss, grads = f(W, Z, V, X)
    assert loss == pytest.approx(pairs(W, Z, V, X))
    assert np.allclose(grads.V, 2 * X - np.sum(Z, axis=0)) and np.allclose(grads.W, np.sum(X, axis=0) - 7 * Z)


@pytest.mark.parametrize("name", LOSSES)
def test_labels_and_files_in_blocks(name: str, tmp_path: Path) -> None:
    x, w, b, _ = given(record(name), {**SIZES, "N": 37})
    labels = np.arange(37) % 2
    stored = np.memmap(tmp_path / "x", dtype=float, mode="w+", shape=x.shape)
    stored[:] = x
    expected, slopes = function(name)(x, w, b, np.eye(2)[labels])
    loss, grads = in_blocks(name, 60)(stored, w, b, labels)
    assert loss == pytest.approx(expected, rel=1e-12) and np.allclose(grads.W, slopes.W, rtol=1e-11)
    assert type(grads.W) is np.ndarray


STREAM = """
import resource, sys
import numpy as np

sys.path.insert(0, sys.argv[1])
from generated import f

X = np.memmap(sys.argv[1] + "/x.bin", np.float32, "r", shape=(80_000, 784))
given = np.zeros((784, 10), np.float32), np.zeros(10, np.float32), np.arange(80_000) % 10
f(X[:5000], *given[:2], given[2][:5000])
used = next(line for line in open("/proc/self/status") if line.startswith("VmData"))
allowed = 1024 * int(used.split()[1]) + 64 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
loss, grads = f(X, *given)
print(loss, float(np.abs(grads.W).max()))
try:
    np.array(X)
except MemoryError:
    print("X does not fit")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a process's own memory is Linux's")
@pytest.mark.slow
def test_a_file_larger_than_the_memory_allowed_streams_through(tmp_path: Path) -> None:
    """A quarter of X may be allocated, and X itself, which is a file, may not be copied."""
    (tmp_path / "generated.py").write_text(derived("softmax_cross_entropy").to_source("f"), encoding="utf-8")
    with (tmp_path / "x.bin").open("wb") as file:
        file.truncate(4 * 80_000 * 784)  # zeros that take no room on the disk
    found = subprocess.run([sys.executable, "-c", STREAM, str(tmp_path)], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    values, refused = found.stdout.splitlines()
    assert float(values.split()[0]) == pytest.approx(np.log(10), rel=1e-5) and float(values.split()[1]) == 0
    assert refused == "X does not fit"


@pytest.mark.parametrize("target", [function, scalar])
@pytest.mark.parametrize("name", LOSSES)
def test_a_logit_of_minus_infinity_has_probability_zero(name: str, target: Callable[[str], Any]) -> None:
    x, w, _, _ = inputs_of(name)
    y = np.array([[1.0, 0.0]] * 3)
    loss, grads = target(name)(x, w, np.array([0.0, -np.inf]), y)
    assert loss == 0 and np.all(grads.b == 0) and np.isfinite(grads.W).all()
    if name == "softmax_cross_entropy":
        assert target(name)(x, w, np.array([0.0, -np.inf]), y[:, ::-1].copy())[0] == np.inf


def test_general_form_without_the_assumption() -> None:
    program = replace(LOSSES["softmax_cross_entropy"](), assumptions=())
    of = derive_record(program, ("W", "b"))
    inputs = random_inputs(program, SIZES)
    loss, grads = to_numpy(of)(*inputs.values())
    arrays = forward(of.program, inputs, SIZES)
    assert loss == pytest.approx(arrays["L"].real)
    assert np.allclose(grads.W, complex_step(of.program, "W", arrays, SIZES))


# --- large logits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["temperature", "label_smoothing", "class_weights", "logistic", "attention", "two_layer_tanh"]
)
def test_large_inputs_give_finite_values(name: str) -> None:
    of = record(name)
    inputs = random_inputs(of.program, SIZES)
    inputs["X"] = inputs["X"] * 1e4
    loss, grads = function(name)(*inputs.values())
    assert np.isfinite(loss) and all(np.isfinite(g).all() for g in grads)


@pytest.mark.parametrize(
    "name",
    ["log-sum-exp without a name", "log-sum-exp of a matrix", "softmax without names", "weighted mean", "softplus"],
)
def test_the_shift_is_found_in_other_forms(name: str) -> None:
    """Adding 1e4 to every logit: the shift is exact, and no exponential overflows (a warning would be an error)."""
    of = record(name)
    inputs = random_inputs(of.program, SIZES)
    logits = np.round(inputs["Z"], 2)
    low = function(name)(*{**inputs, "Z": logits}.values())
    high = function(name)(*{**inputs, "Z": logits + 1e4}.values())
    moved = {"log-sum-exp without a name": 3e4, "log-sum-exp of a matrix": 1e4}
    if name == "softplus":
        assert high[0] == pytest.approx((logits + 1e4).sum()) and np.all(high[1].Z == 1)
    else:
        assert high[0] - moved.get(name, 0) == pytest.approx(low[0], rel=1e-8)
        assert np.allclose(high[1].Z, low[1].Z, rtol=1e-9)


def test_logistic_loss_at_the_ends() -> None:
    z = np.array([[-1e4], [1e4], [-40.0], [40.0]])
    y = np.array([1.0, 0.0, 0.0, 1.0])
    loss, grads = function("logistic")(z, np.ones(1), 0.0, y)
    assert loss == pytest.approx((1e4 + 1e4 + 2 * np.log1p(np.exp(-40))) / 4, rel=1e-15)
    assert grads.w == pytest.approx([(1e4 + 1e4 - 80 * np.exp(-40)) / 4], rel=1e-12)


# --- what is given ------------------------------------------------------------------------------------------------


def inputs_of(name: str = "softmax_cross_entropy") -> list[np.ndarray]:
    return given(record(name))


@pytest.mark.parametrize("name", LOSSES)
def test_labels_may_be_integers(name: str) -> None:
    x, w, b, _ = inputs_of(name)
    labels = np.array([1, 0, 1])
    by_labels, one_hot = function(name)(x, w, b, labels), function(name)(x, w, b, np.eye(2)[labels])
    assert by_labels[0] == one_hot[0] and np.array_equal(by_labels[1].W, one_hot[1].W)
    assert np.array_equal(function(name)(x, w, b, [1, 0, 1])[1].W, one_hot[1].W)


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        (0, np.zeros((3, 5)), r"W: expected shape \(D, C\) with D = 5, C >= 1, got shape \(4, 2\)"),
        (1, np.zeros(4), r"W: expected shape \(D, C\) with D = 4, C >= 1, got shape \(4,\)"),
        (2, np.zeros((2, 1)), r"b: expected shape \(C,\) with C = 2, got shape \(2, 1\)"),
        (3, np.zeros((4, 2)), r"Y: expected shape \(N, C\) with N = 3, C = 2, got shape \(4, 2\)"),
        (3, np.array([0, 1]), r"Y: expected shape \(N,\) with N = 3, got shape \(2,\)"),
        (3, np.array([0, 1, 2]), r"Y: expected labels 0\.\.C-1 with C = 2, got 0\.\.2"),
        (3, np.array([0, -1, 1]), r"Y: expected labels 0\.\.C-1 with C = 2, got -1\.\.1"),
        (3, np.full((3, 2), 0.6), r"Y: expected that each row of Y sums to one.*assume=\(\)"),
        (0, np.zeros((0, 4)), r"X: expected shape \(N, D\) with N >= 1, D >= 1, got shape \(0, 4\)"),
        (0, np.zeros((3, 4), complex), "X: expected real numbers, got dtype complex128"),
        (0, [[1.0, 2.0], [3.0]], "X: expected an array of real numbers"),
        (2, np.array(["a", "b"]), "b: expected real numbers, got dtype <U1"),
    ],
)
def test_inputs_that_do_not_fit(place: int, wrong: Any, message: str) -> None:
    inputs: list[Any] = inputs_of()
    inputs[place] = wrong
    with pytest.raises(ValueError, match=message):
        function("softmax_cross_entropy")(*inputs)


def test_rows_are_free_where_nothing_was_assumed() -> None:
    x, w, b, y = inputs_of("softmax_mse")
    loss, _ = function("softmax_mse")(x, w, b, 3 * y)
    assert np.isfinite(loss)


def test_features_are_no_labels() -> None:
    of = derive_record(ridge(), ("w",))
    assert "_LABELS" not in to_source(of)
    with pytest.raises(ValueError, match="X: expected shape"):
        to_numpy(of)(np.array([0, 1, 2]), np.zeros(3), np.zeros(3), 0.1)


def test_positive_inputs_must_be_positive() -> None:
    inputs = given(record("temperature"))
    with pytest.raises(ValueError, match=r"tau: expected positive entries, got -1\.0"):
        function("temperature")(*inputs[:-1], -1.0)


def test_integers_become_floats() -> None:
    x, w, b, y = [1, 2], [[1, 0], [0, 1]], [0, 1], [[1, 0]]
    loss, grads = function("softmax_cross_entropy")([x], w, b, y)
    assert loss.dtype == grads.W.dtype == np.float64


@pytest.mark.parametrize("name", sampled(EVERY, *SAMPLE))
def test_inputs_are_never_modified_and_each_result_has_memory_of_its_own(name: str) -> None:
    inputs = [np.asarray(array) for array in given(record(name))]
    before = [array.copy() for array in inputs]
    for array in inputs:
        array.setflags(write=False)
    loss, grads = function(name)(*(array if array.ndim else float(array) for array in inputs))
    for place, result in enumerate((loss, *grads)):
        assert not any(np.shares_memory(result, array) for array in (*inputs, *(loss, *grads)[:place]))
        assert not np.ndim(result) or result.flags.writeable
    assert all(np.array_equal(old, new) for old, new in zip(before, inputs, strict=True))


def test_any_strides() -> None:
    inputs = inputs_of()
    expected = function("softmax_cross_entropy")(*inputs)
    strided = [np.asfortranarray(np.repeat(x, 2, axis=0))[::2] for x in inputs]
    found = function("softmax_cross_entropy")(*strided)
    assert found[0] == pytest.approx(expected[0]) and np.allclose(found[1].W, expected[1].W)


def test_nan_in_nan_out() -> None:
    x, w, b, y = inputs_of()
    x[0, 0] = np.nan
    loss, grads = function("softmax_cross_entropy")(x, w, b, y)
    assert np.isnan(loss) and np.isnan(grads.W).all()


# --- the source ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
def test_golden_source(name: str, golden: Callable[[str, str], None]) -> None:
    derivation = derived(name)
    golden(f"{name}.py", derivation.to_source(name))
    golden(f"{name}_scalar.py", derivation.to_source(name, target="scalar", sizes={"N": 2, "D": 4, "C": 3}))


@pytest.mark.slow
def test_sources_pass_ruff(tmp_path: Path) -> None:
    for place, name in enumerate(EVERY):
        sizes = {axis.name: SIZES[axis.name] for axis in record(name).program.axes}
        for kind, source in (
            ("numpy", to_source(record(name))),
            ("scalar", to_source(record(name), target="scalar", sizes=sizes)),
        ):
            (tmp_path / f"{kind}{place}.py").write_text(source, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--select", "E,F,W,I,B,UP,SIM"], ["format", "--check"]):
        options = ["--isolated", "--line-length", "110", str(tmp_path)]
        found = subprocess.run([*ruff, *command, *options], capture_output=True, text=True)
        assert found.returncode == 0, found.stdout + found.stderr


def test_module_needs_numpy_alone(tmp_path: Path) -> None:
    path = tmp_path / "generated.py"
    path.write_text(to_source(record("softmax_mse"), "mse"), encoding="utf-8")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.modules['symgrad'] = sys.modules['sympy'] = None;"
        "import numpy as np; from generated import mse;"
        "loss, grads = mse(np.ones((2, 4)), np.ones((4, 3)), np.zeros(3), [2, 0]);"
        "assert abs(loss - 2 / 9) < 1e-15, loss; assert grads.W.shape == (4, 3);"
    )
    subprocess.run([sys.executable, "-I", "-c", script, str(tmp_path)], check=True)


def test_docstring_takes_any_words() -> None:
    words = (r"dL/dW = X\top (P - Y)", 'said """so"""')
    source = to_source(record("ridge"), "f", words)
    doc = compile_source(source, "f").__globals__["__doc__"]
    assert r"X\top" in doc and "'''so'''" in doc


def test_names_that_python_keeps_for_itself() -> None:
    scores, np_ = Array("l", (N, C)), Array("np", (C,))
    of = derive_record(
        total("f", (lam, scores, np_), lam.base * Sum(scores[n, k] ** 2 * np_[k], n, k)), ("lambda", "l", "np")
    )
    _, grads = to_numpy(of)(2.0, np.ones((3, 2)), np.ones(2))
    assert grads.lambda_ == 6 and np.all(grads.np_ == 6) and np.all(grads.l == 4)


def test_wrong_requests() -> None:
    for name in ("not a name", "class"):
        with pytest.raises(InputError, match="cannot name a function"):
            to_source(record("ridge"), name)
    for more in ({"target": "fortran"}, {"target": "scalar"}, {"sizes": {"N": 2, "D": 2}}):
        with pytest.raises(InputError, match="target"):
            to_source(record("ridge"), **more)
    odd, extra = Function("odd"), Array("rho")
    of = record("ridge")
    loss = replace(of.program.definitions["L"], rhs=odd(extra.base))
    equations = tuple(loss if e.name == "L" else e for e in of.program.equations)
    with pytest.raises(UnsupportedError, match="no NumPy function is known for odd"):
        to_source(replace(of, program=replace(of.program, inputs=(*of.program.inputs, extra), equations=equations)))


def test_the_generator_knows_no_loss() -> None:
    root = Path(sys.modules["symgrad.codegen"].__file__ or "").parent
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert "cross_entropy" not in text and "mse" not in text, path.name


@pytest.mark.parametrize("loss", sampled(["softmax_mse", "softmax_cross_entropy"], "softmax_cross_entropy"))
@pytest.mark.parametrize("wrt", ["W", "X", "Z"])
def test_only_the_labels_may_be_given_as_integers(loss: str, wrt: str) -> None:
    """Neither features nor weights, whatever is differentiated by."""
    source = symgrad.derive(loss, (wrt,)).to_source(check=False)
    assert "or N integer labels 0..C-1" in source
    assert "D integer labels" not in source and "or N integer labels 0..D-1" not in source


def test_features_with_the_axes_of_the_probabilities_are_no_labels() -> None:
    @symgrad.loss(shapes="X: N C, V: C C, Y: N C", wrt="V")
    def loss(X: Any, V: Any, Y: Any) -> Any:
        Z = X @ V
        P = np.exp(Z) / np.sum(np.exp(Z), axis=1, keepdims=True)
        return -np.mean(np.sum(Y * np.log(P), axis=1))

    assert labelled(symgrad.derive(loss).record) == ["Y"]


def test_a_derivative_that_is_a_number_has_the_type_of_the_inputs() -> None:
    @symgrad.loss(shapes="m: N, e: scalar", wrt="e")
    def shifted(m: Any, e: Any) -> Any:
        q = 2 * e - 1
        return q - np.sum(m)

    value, gradients = symgrad.derive(shifted).to_numpy()(np.ones(3, np.float32), 2.0)
    assert value.dtype == gradients.e.dtype == np.float32 and gradients.e == 2
