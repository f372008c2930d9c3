"""The module of the NumPy target: blocks of rows, lines that are split, and the two functions of a layer."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import sampled

import symgrad
from symgrad import InputError, check_grad, derive, layer
from symgrad.array import gelu, relu, sigmoid, softmax
from symgrad.array.expression import parse
from symgrad.codegen.numpy_module import Body, module
from symgrad.codegen.runtime import _called
from symgrad.codegen.targets import LayerFunctions
from symgrad.steps import Record

PROGRAMS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "labels_and_stacked_rows": (
        lambda X, W, Y: -np.sum(Y * np.log(softmax(X @ W, axis=1))) / len(X),
        "X: N D, W: D C, Y: N C distribution",
        "X W",
    ),
    "before_and_after": (
        lambda X, W, t: np.sum(np.exp(t) * (X @ np.tanh(W)) ** 2),
        "X: N D, W: D C, t: scalar",
        "W t",
    ),
    "long_calls": (
        lambda the_features_of_the_rows, the_weights_of_features, the_targets_of_the_rows, the_temperature_of_all: (
            np.sum(
                np.tanh(the_features_of_the_rows @ the_weights_of_features / the_temperature_of_all)
                * the_targets_of_the_rows
            )
        ),
        "the_features_of_the_rows: N D, the_weights_of_features: D C, the_targets_of_the_rows: N C, "
        "the_temperature_of_all: scalar",
        "the_features_of_the_rows the_weights_of_features the_temperature_of_all",
    ),
    "no_product": (lambda x, s: np.sum(relu(x) ** 2 * s) + len(x) * s, "x: N, s: scalar", "x s"),
    "names_of_lines": (
        lambda rows, start, block: np.sum(np.log(rows @ start)) * block,
        "rows: N D positive, start: D positive, block: scalar",
        "rows start block",
    ),
    "labels_alone": (
        lambda Z, Y: -np.sum(Y * np.log(softmax(Z, axis=1))),
        "Z: N C, Y: N C",
        "Z",
    ),
    "symmetric": (lambda x, A: x @ A @ x / 2, "x: N, A: N N symmetric", "x"),
    "long_lines": (
        lambda x, y, z: np.sum(
            np.log(x * y + np.sin(y * z + np.tanh(x)) + np.cos(z * x + np.exp(y)) + np.exp(x * y * z - z)) * (x + y)
        ),
        "x: N M positive, y: N M, z: N M",
        "x",
    ),
    "counted_rows": (lambda X, w: np.sum(X @ w), "X: N D, w: D", "X w"),
    "only_a_scalar": (lambda X, v, t: np.sum(np.exp(X @ v * t)), "X: N D, v: D, t: scalar", "t"),
    "whole": (lambda A, B: np.sum((A @ B) ** 2), "A: N N, B: N N", "A"),
}
QUIET = ("labels_and_stacked_rows", "labels_alone", "long_lines")
"""The functions with intermediate infinities: in shifted exponentials, and in logarithms with weights."""


def record(name: str) -> Record:
    function, shapes, wrt = PROGRAMS[name]
    return symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt, name="small")(function)).record


@pytest.mark.parametrize("name", PROGRAMS)
def test_functions_of_rows_as_they_are_written(name: str, golden: Callable[[str, str], None]) -> None:
    source, copied = module(record(name), "f", ()), f"\n\n\ndef {_called.__name__}("
    assert source.endswith(f"\n\n\nf = _called({'_quiet(f)' if name in QUIET else 'f'})\n")
    golden(f"rows_{name}.py", source.partition(copied)[0].partition("import numpy as np\n")[2].lstrip() + "\n")


def test_the_program_is_proved_as_it_is_written() -> None:
    body = Body(record("long_lines"))
    (*parts, _) = names = [assign.name for assign in body.lowered.program]
    assert "part1" in parts and len({*names}) == len(names)
    assert len(names) == sum(" = " in line.code for line in body.lines)


SIZES = {"N": 4, "D": 3, "H": 5, "T": 4, "S": 6, "C": 2, "V": 7}


def _layer_norm(X: Any, gamma: Any, beta: Any, eps: Any = 1e-5) -> Any:
    mu = np.mean(X, axis=1, keepdims=True)
    v = np.mean((X - mu) ** 2, axis=1, keepdims=True)
    return gamma * (X - mu) / np.sqrt(v + eps) + beta


def _two(X: Any, W: Any) -> Any:
    A = X @ W
    return np.tanh(A), A.T


def _summed(X: Any, W: Any) -> Any:
    return np.sum(np.exp(X @ W), axis=1)


LAYERS = {
    "linear": layer("X: N D, W: D H, b: H")(lambda X, W, b: X @ W + b),
    "layer norm": layer("X: N D, gamma: D, beta: D, eps: scalar positive", "X gamma beta")(_layer_norm),
    "softmax": layer("Z: N C")(lambda Z: softmax(Z, axis=1)),
    "attention": layer("Q: T D, K: S D, V: S H")(lambda Q, K, V: softmax(Q @ K.T / np.sqrt(K.shape[1]), axis=1) @ V),
    "gelu": layer("X: N D")(lambda X: gelu(X)),
    "gated": layer("X: N D, W: D H, V: D H")(lambda X, W, V: X @ W * sigmoid(X @ W) * (X @ V)),
    "two outputs": layer("X: T D, W: D H")(_two),
    "the input": layer("X: N D")(lambda X: X),
    "summed": layer("X: N D, W: D H")(_summed),
    "a number": layer("X: N D, w: D")(lambda X, w: np.mean(X @ w)),
}


def _arrays(functions: LayerFunctions, of: Any) -> tuple[list[np.ndarray], list[Any]]:
    """Random inputs of a layer, and upstream gradients."""
    program, rng = of.program(), np.random.default_rng(0)
    upstream = [gradient for _, gradient in program.upstream]
    shapes = {a.name: tuple(SIZES[axis.name] for axis in a.axes) for a in program.inputs}
    arrays = {name: np.abs(rng.normal(size=s)) if name == "eps" else rng.normal(size=s) for name, s in shapes.items()}
    values = {name: value if value.ndim else float(value) for name, value in arrays.items()}
    return [v for n, v in values.items() if n not in upstream], [values[n] for n in upstream]


@pytest.mark.parametrize("name", sampled(LAYERS, "linear", "softmax", "gelu", "two outputs", "the input", "a number"))
def test_backward_gives_the_slopes_of_forward(name: str) -> None:
    of = LAYERS[name]
    functions = derive(of).to_numpy(check=False)
    inputs, upstream = _arrays(functions, of)
    outputs, _ = functions.forward(*inputs)
    each = outputs if len(upstream) > 1 else (outputs,)
    expected = of(*inputs)
    for one, other in zip(each, expected if len(upstream) > 1 else (expected,), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)

    def value(*inputs: Any) -> Any:
        outputs = of(*inputs)
        each = outputs if len(upstream) > 1 else (outputs,)
        return sum(np.sum(o * g) for o, g in zip(each, upstream, strict=True))

    def gradients(*inputs: Any) -> Any:
        return functions.backward(functions.forward(*inputs)[1], *upstream)

    wrt = [n for n, array in enumerate(of.program().inputs) if array.name in of.wrt]
    assert check_grad(value, gradients, *inputs, wrt=wrt).ok


def test_nothing_is_computed_twice_and_nothing_saved_that_backward_does_not_need() -> None:
    functions = derive(LAYERS["softmax"]).to_numpy(check=False)
    _, saved = functions.forward(np.zeros((2, 3)))
    assert saved._fields == ("O", "N", "C")
    source = derive(LAYERS["softmax"]).to_source(check=False)
    assert "np.exp" not in source.partition("def backward")[2].partition("\n\n\n")[0]


@pytest.mark.parametrize("name", sampled(LAYERS, "linear", "the input", "two outputs"))
def test_no_argument_changes_and_no_result_is_an_argument(name: str) -> None:
    of = LAYERS[name]
    functions = derive(of).to_numpy(check=False)
    inputs, upstream = _arrays(functions, of)
    before = [np.array(value) for value in (*inputs, *upstream)]
    outputs, saved = functions.forward(*inputs)
    kept = [np.array(value) for value in saved]
    gradients = functions.backward(saved, *upstream)
    again = functions.backward(saved, *upstream)
    for old, new in zip(before, (*inputs, *upstream), strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(kept, saved, strict=True):
        np.testing.assert_array_equal(old, new)
    for one, other in zip(gradients, again, strict=True):
        np.testing.assert_array_equal(one, other)
    results = [*gradients, *(outputs if len(upstream) > 1 else (outputs,))]
    for result in results:
        assert not any(np.shares_memory(result, given) for given in (*inputs, *upstream))


def test_an_upstream_gradient_of_another_shape_is_refused() -> None:
    functions = derive(LAYERS["linear"]).to_numpy(check=False)
    output, saved = functions.forward(np.ones((4, 3)), np.ones((3, 5)), np.ones(5))
    with pytest.raises(ValueError, match=r"dO: expected the shape of the output, \(4, 5\), got \(5,\)"):
        functions.backward(saved, output[0])
    with pytest.raises(ValueError, match=r"dO: expected real numbers, got dtype complex128"):
        functions.backward(saved, output * 1j)


def test_single_precision_stays_and_half_precision_is_computed_in_it() -> None:
    functions = derive(LAYERS["layer norm"]).to_numpy(check=False)
    for dtype in (np.float32, np.float16):
        X, gamma = np.arange(12, dtype=dtype).reshape(4, 3), np.ones(3, dtype)
        output, saved = functions.forward(X, gamma, gamma)
        gradients = functions.backward(saved, np.ones_like(X))
        assert output.dtype == np.float32 and {g.dtype for g in gradients} == {np.dtype(np.float32)}
        assert all(g.dtype == np.float32 for g in functions.backward(saved, np.ones(X.shape)))


def test_what_is_saved_can_be_pickled_by_its_module(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "generated_softmax.py").write_text(derive(LAYERS["softmax"]).to_source(check=False), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import generated_softmax

    _, saved = generated_softmax.forward(np.zeros((2, 3)))
    again = pickle.loads(pickle.dumps(saved))
    np.testing.assert_allclose(generated_softmax.backward(again, np.ones((2, 3))).Z, 0, atol=1e-15)


def test_other_targets_and_names_are_refused() -> None:
    derivation = derive(LAYERS["linear"])
    for target in ("numba", "scalar"):
        with pytest.raises(InputError, match=f"the target {target} writes losses; use numpy"):
            derivation.to_source(target=target, sizes={"N": 1, "D": 1, "H": 1} if target == "scalar" else None)
    with pytest.raises(InputError, match="the target numba writes losses"):
        derivation.to_numba()
    with pytest.raises(InputError, match="are called forward and backward"):
        derivation.to_source("linear")


def test_called_as_one_function_a_layer_gives_the_sum_of_products_and_its_gradients() -> None:
    functions = derive(LAYERS["two outputs"]).to_numpy(check=False)
    inputs, upstream = _arrays(functions, LAYERS["two outputs"])
    outputs, saved = functions.forward(*inputs)
    value, gradients = functions(*inputs, *upstream)
    assert value == pytest.approx(sum(np.vdot(o, g) for o, g in zip(outputs, upstream, strict=True)))
    for one, other in zip(gradients, functions.backward(saved, *upstream), strict=True):
        np.testing.assert_array_equal(one, other)


@symgrad.loss(shapes="A: D D, B: D H, x: D", wrt="B x")
def solved_at_places(A: np.ndarray, B: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.sum(np.linalg.solve(A, B) ** 2) + np.sum(np.arange(len(x)) * x**2)


def test_solutions_and_positions_stay_in_single_precision() -> None:
    A, B, x = np.array([[2, 1], [0, 1]], np.float32), np.ones((2, 3), np.float32), np.ones(2, np.float32)
    value, gradients = symgrad.derive(solved_at_places).to_numpy(check=False)(A, B, x)
    assert value == 4 and {value.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(gradients.B, [[0] * 3, [2] * 3])
    np.testing.assert_array_equal(gradients.x, [0, 2])


def test_what_needs_scipy_says_so_and_the_page_leaves_out_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    derivation = symgrad.derive(parse("np.linalg.slogdet(A)[1]", "A: D D positive-definite"), wrt="A")
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    with pytest.raises(symgrad.UnsupportedError, match=r"needs SciPy .*: python -m pip install scipy"):
        derivation.to_numpy(check=False)
    assert "In NumPy" in derivation.to_html() and derivation.example is None
