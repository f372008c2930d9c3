"""Record losses and gradients of the catalogue as PyTorch and TensorFlow compute them, in float32 and float64.

Each framework is recorded where it is installed, and added to the file:

    python tools/record_catalogue.py torch -o symgrad/data/runs.json
    tfvenv/bin/python tools/record_catalogue.py tensorflow -o symgrad/data/runs.json

``CALLS`` has, for every loss that is recorded, how each framework writes it, and the order that seeds the inputs.  The
inputs come from a seeded generator and are rounded to float32, so that both precisions compute with the same numbers;
they are recorded, and a reader needs only the file.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from symgrad.array.loss import Loss
from symgrad.array.shape_grammar import Shape
from symgrad.losses import LOSSES

Inputs = dict[str, Any]
Result = tuple[Any, list[Any]]

SIZES = {"N": 5, "D": 3, "C": 4, "H": 2, "T": 4}
DTYPES = ("float32", "float64")
KINDS: dict[str, tuple[float | None, tuple[int, ...]]] = {
    "plain": (None, (0, 1, 2)),
    "1e2": (1e2, (3,)),
    "1e4": (1e4, (4, 5)),
}
"""Kind -> the largest logit or prediction, where it is made large; the seeds."""

# Loss -> how PyTorch and TensorFlow (Keras) write it; "" where they have no such loss.
LOGITS = "X @ W + b"
PERCEPTRON = "{act}(X @ W1 + b1) @ W2 + b2"
CROSS_ENTROPY = "keras.losses.CategoricalCrossentropy(from_logits=True)(Y, {Z})"
PAIRS = "keras.losses.SparseCategoricalCrossentropy(from_logits=True)(tf.range(len(U)), {Z} / tau)"
CALLS: dict[str, tuple[str, str]] = {
    "softmax_cross_entropy": ("F.cross_entropy(X @ W + b, Y)", CROSS_ENTROPY.format(Z=LOGITS)),
    "softmax_mse": (
        "F.mse_loss(torch.softmax(X @ W + b, 1), Y)",
        "keras.losses.MeanSquaredError()(Y, tf.nn.softmax(X @ W + b))",
    ),
    "weighted_cross_entropy": ("F.cross_entropy(X @ W + b, Y.argmax(1), weight=a)", ""),
    "label_smoothing": (
        "F.cross_entropy(X @ W + b, Y, label_smoothing=alpha)",
        "keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=alpha)(Y, X @ W + b)",
    ),
    "temperature": ("F.cross_entropy((X @ W + b) / tau, Y)", CROSS_ENTROPY.format(Z="(X @ W + b) / tau")),
    "focal": (
        "",
        "keras.losses.CategoricalFocalCrossentropy(alpha=1, gamma=gamma, from_logits=True)(Y, X @ W + b)",
    ),
    "distillation": (
        "tau**2 * F.kl_div(torch.log_softmax((X @ W + b) / tau, 1), torch.log_softmax(V / tau, 1), "
        'log_target=True, reduction="batchmean")',
        "",
    ),
    "multiclass_hinge": ("", "keras.losses.CategoricalHinge()(Y, X @ W + b)"),
    "soft_dice": ("", ""),
    "logistic": (
        "F.binary_cross_entropy_with_logits(X @ w + b, y)",
        "keras.losses.BinaryCrossentropy(from_logits=True)(y, tf.linalg.matvec(X, w) + b)",
    ),
    "mse": ("F.mse_loss(X @ w + b, y)", "keras.losses.MeanSquaredError()(y, tf.linalg.matvec(X, w) + b)"),
    "mae": ("F.l1_loss(X @ w + b, y)", "keras.losses.MeanAbsoluteError()(y, tf.linalg.matvec(X, w) + b)"),
    "huber": (
        "F.huber_loss(X @ w + b, y, delta=delta)",
        "keras.losses.Huber(delta=delta)(y, tf.linalg.matvec(X, w) + b)",
    ),
    "log_cosh": ("", "keras.losses.LogCosh()(y, tf.linalg.matvec(X, w) + b)"),
    "quantile": ("", ""),
    "poisson": (
        "F.poisson_nll_loss(X @ w + b, y)",
        "tf.reduce_mean(tf.nn.log_poisson_loss(y, tf.linalg.matvec(X, w) + b))",
    ),
    "gaussian": ("F.gaussian_nll_loss(X @ w + b, y, torch.exp(X @ v + c), eps=0)", ""),
    "ridge": (
        "",
        "keras.losses.MeanSquaredError()(y, tf.linalg.matvec(X, w)) + keras.regularizers.L2(lambda_)(w)",
    ),
    "elastic_net": (
        "",
        "keras.losses.MeanSquaredError()(y, tf.linalg.matvec(X, w)) / 2 + "
        "keras.regularizers.L1L2(lambda_ * alpha, lambda_ * (1 - alpha) / 2)(w)",
    ),
    "info_nce": ("F.cross_entropy(U @ V.T / tau, torch.arange(len(U)))", PAIRS.format(Z="U @ tf.transpose(V)")),
    "clip_loss": (
        "(F.cross_entropy(U @ V.T / tau, torch.arange(len(U))) + "
        "F.cross_entropy(V @ U.T / tau, torch.arange(len(U)))) / 2",
        f"({PAIRS.format(Z='U @ tf.transpose(V)')} + {PAIRS.format(Z='V @ tf.transpose(U)')}) / 2",
    ),
    "tanh_perceptron": (
        f"F.cross_entropy({PERCEPTRON.format(act='torch.tanh')}, Y)",
        CROSS_ENTROPY.format(Z=PERCEPTRON.format(act="tf.tanh")),
    ),
    "relu_perceptron": (
        f"F.cross_entropy({PERCEPTRON.format(act='torch.relu')}, Y)",
        CROSS_ENTROPY.format(Z=PERCEPTRON.format(act="tf.nn.relu")),
    ),
    "gelu_perceptron": (
        f"F.cross_entropy({PERCEPTRON.format(act='F.gelu')}, Y)",
        CROSS_ENTROPY.format(Z=PERCEPTRON.format(act="tf.nn.gelu")),
    ),
    "layer_norm": (
        'F.mse_loss(F.layer_norm(X, [X.shape[1]], gamma, beta, eps), T, reduction="sum") / 2',
        "tf.nn.l2_loss(keras.ops.layer_normalization(X, gamma, beta, axis=1, epsilon=eps) - T)",
    ),
    "rms_norm": (
        'F.mse_loss(F.rms_norm(X, [X.shape[1]], gamma, eps), T, reduction="sum") / 2',
        "tf.nn.l2_loss(keras.ops.rms_normalization(X, gamma, axis=1, epsilon=eps) - T)",
    ),
    "attention_head": (
        'F.mse_loss(F.scaled_dot_product_attention(X @ Wq, X @ Wk, X @ Wv), Y, reduction="sum")',
        "2 * tf.nn.l2_loss(keras.ops.dot_product_attention((X @ Wq)[None, :, None], (X @ Wk)[None, :, None], "
        "(X @ Wv)[None, :, None])[0, :, 0] - Y)",
    ),
}
FRAMEWORKS = ("torch", "tensorflow")
PACKAGES = {"torch": ("torch",), "tensorflow": ("tensorflow-cpu", "keras")}

# Which inputs are scaled so that the largest logit or prediction is as large as a kind says, and what that is.
SCALED: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Any]]] = {
    "W b": (("W", "b"), lambda a: a["X"] @ a["W"] + a["b"]),
    "w b": (("w", "b"), lambda a: a["X"] @ a["w"] + a["b"]),
    "w": (("w",), lambda a: a["X"] @ a["w"]),
    "U V": (("U",), lambda a: a["U"] @ a["V"].T / a["tau"]),
    "W1 b1 W2 b2": (("W2", "b2"), lambda a: np.maximum(a["X"] @ a["W1"] + a["b1"], 0) @ a["W2"] + a["b2"]),
    "X gamma": (("X",), lambda a: a["X"]),
    "X Wq Wk Wv": (("Wq",), lambda a: a["X"] @ a["Wq"] @ (a["X"] @ a["Wk"]).T / np.sqrt(a["Wk"].shape[1])),
}
SCALED["w b v c"], SCALED["X gamma beta"] = SCALED["w b"], SCALED["X gamma"]

LIMITED = {
    "focal": (None, "Keras keeps probabilities between 1e-7 and 1 - 1e-7, which changes the loss at larger logits"),
    "poisson": (80.0, "the rate exp(z) overflows float32 above 88"),
}
"""Loss -> how large its logits may be (None: no larger than the generator makes them), and why."""


def inputs_of(loss: Loss, kind: str, seed: int) -> Inputs:
    """The inputs of one case, every number exact in float32."""
    rng = np.random.default_rng([seed, list(CALLS).index(loss.name)])
    given = {
        shape.name: drawn(shape, rng, soft=seed == 1 and loss.name != "weighted_cross_entropy") for shape in loss.shapes
    }
    limit, _ = KINDS[kind]
    if limit is not None:
        limit = min(limit, LIMITED.get(loss.name, (limit,))[0] or limit)
        enlarge(loss, given, limit, rng)
    if loss.name == "multiclass_hinge":  # Keras takes a largest logit below 0 for 0: all of them are made positive
        given["b"] = given["b"] + np.ceil(np.abs(given["X"] @ given["W"] + given["b"]).max())
    return {name: np.asarray(value, dtype=np.float32).astype(np.float64) for name, value in given.items()}


def drawn(shape: Shape, rng: np.random.Generator, soft: bool) -> Any:
    """Labels one-hot, or with ``soft`` also probabilities, in 64ths; numbers between 0.5 and 1.5; all else normal."""
    size = [SIZES[axis.name] for axis in shape.array.axes]
    name = shape.name
    if name == "Y" and shape.array.axes[-1].name == "C":
        counts = rng.multinomial(64, np.ones(size[1]) / size[1], size[0]) / 64
        hard = np.eye(size[1])[rng.integers(size[1], size=size[0])]
        return counts if soft and "one-hot" not in shape.words else hard
    if name == "alpha":
        return rng.uniform(0.1, 0.4)
    if (not size and name != "b" and name != "c") or name == "a":
        return rng.uniform(0.5, 1.5, size)
    return rng.standard_normal(size)


def enlarge(loss: Loss, given: Inputs, limit: float, rng: np.random.Generator) -> None:
    """Scale the logits; of classes another stays near the one that leads in the first row, so that this row does not
    saturate: where all do, the gradient is only what rounding leaves of 0."""
    names, logits = SCALED[" ".join(loss.wrt)]
    made = logits(given)
    for name in names:
        given[name] = given[name] * limit / np.abs(made).max()
    leading = int(np.argmax(made[0]))
    for name in names if {"W", "W2"} & set(names) else ():
        given[name][..., leading - 1] = given[name][..., leading] + rng.standard_normal(given[name].shape[:-1])


def labelled(loss: Loss, given: Inputs) -> Inputs:
    """Targets y of the two losses that take only some numbers: 0 or 1, and counts."""
    if loss.name == "logistic":
        given["y"] = (given["y"] > 0).astype(float)
    elif loss.name == "poisson":
        given["y"] = np.floor(np.abs(2 * given["y"]))
    return given


def by_torch(call: str, given: Inputs, wrt: tuple[str, ...], dtype: str) -> Result:
    import torch

    tensors = {n: torch.tensor(v, dtype=getattr(torch, dtype), requires_grad=n in wrt) for n, v in given.items()}
    plain = {n: t if n in wrt or t.ndim else float(t) for n, t in tensors.items()}
    value = eval(call, {"torch": torch, "F": torch.nn.functional, **plain})
    return value.tolist(), [g.tolist() for g in torch.autograd.grad(value, [tensors[n] for n in wrt])]


def by_tensorflow(call: str, given: Inputs, wrt: tuple[str, ...], dtype: str) -> Result:
    import keras
    import tensorflow as tf

    keras.backend.set_floatx(dtype)
    tensors = {n: tf.constant(v, dtype=dtype) for n, v in given.items()}
    plain = {n: t if n in wrt or t.ndim else float(t) for n, t in tensors.items()}
    with tf.GradientTape() as tape:
        tape.watch([tensors[n] for n in wrt])
        value = eval(call, {"tf": tf, "keras": keras, **plain})
    found = tape.gradient(value, [tensors[n] for n in wrt])
    assert value.dtype == dtype and all(g.dtype == dtype for g in found), call
    return value.numpy().tolist(), [g.numpy().tolist() for g in found]


def shortest(value: Any, dtype: str) -> Any:
    """Nested lists of numbers, each with as few digits as tell it from its neighbours in its dtype."""
    if isinstance(value, list):
        return [shortest(part, dtype) for part in value]
    return float(str(np.dtype(dtype).type(value)))


def cases(framework: str) -> list[dict[str, Any]]:
    """One for each loss, kind and seed: inputs, and what the framework computes in either precision."""
    run, place = (by_torch, 0) if framework == "torch" else (by_tensorflow, 1)
    found = []
    for name, calls in CALLS.items():
        loss = LOSSES[name]
        for kind, (limit, seeds) in KINDS.items() if calls[place] else ():
            if limit is not None and LIMITED.get(name, (limit,))[0] is None:
                continue
            for seed in seeds:
                given = labelled(loss, inputs_of(loss, kind, seed))
                results = {}
                for dtype in DTYPES:
                    value, gradients = run(calls[place], given, loss.wrt, dtype)
                    numbers = {"loss": value, **dict(zip(loss.wrt, gradients, strict=True))}
                    results[dtype] = {key: shortest(number, dtype) for key, number in numbers.items()}
                inputs = {key: shortest(value.tolist(), "float32") for key, value in given.items()}
                found.append({"loss": name, "kind": kind, "seed": seed, "inputs": inputs, **results})
    return found


def merged(file: dict[str, Any], framework: str, new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cases of the file with the results of a framework; inputs of both frameworks stand there once."""
    known = {(case["loss"], case["kind"], case["seed"]): case for case in file.get("cases", [])}
    for case in known.values():
        case["results"].pop(framework, None)
    for case in new:
        key = (case["loss"], case["kind"], case["seed"])
        kept = known.setdefault(
            key, {**dict(zip(("loss", "kind", "seed"), key, strict=True)), "inputs": case["inputs"], "results": {}}
        )
        if kept["inputs"] != case["inputs"]:
            raise SystemExit(f"{key}: other inputs than those that are recorded; record both frameworks anew")
        kept["results"][framework] = {dtype: case[dtype] for dtype in DTYPES}
    order = {name: place for place, name in enumerate(CALLS)}
    return sorted((c for c in known.values() if c["results"]), key=lambda c: (order[c["loss"]], c["seed"]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Record losses and gradients of the catalogue.")
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("-o", metavar="FILE", dest="output", type=Path, required=True, help="JSON file to add to")
    options = parser.parse_args()
    file = json.loads(options.output.read_text()) if options.output.exists() else {}
    place = FRAMEWORKS.index(options.framework)
    header = file.get("header", {})
    header[options.framework] = {
        "versions": {name: version(name) for name in PACKAGES[options.framework]},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "calls": {name: calls[place] for name, calls in CALLS.items() if calls[place]},
    }
    header["limits"] = {name: words for name, (_, words) in LIMITED.items()}
    header = dict(sorted(header.items()))
    lines = ",\n".join(
        json.dumps(case, allow_nan=False, separators=(",", ":"))
        for case in merged(file, options.framework, cases(options.framework))
    )
    options.output.write_text(f'{{"header": {json.dumps(header, indent=1)},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
