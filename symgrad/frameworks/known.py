"""Losses of PyTorch and Keras, each with its definition in the language of ``symgrad.array``.

That a definition is what a framework computes is recorded: ``tools/record_frameworks.py`` runs every call, and the
tests run every definition on the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgrad.array import log_softmax, relu, sigmoid, softmax, softplus

Definition = Callable[..., Any]
FRAMEWORKS = ("PyTorch", "Keras")


@dataclass(frozen=True)
class Known:
    """A loss that frameworks have.

    ``shapes`` declare the arguments, in one way or several; ``definitions`` compute the same number, written in
    several ways, with the same ``functions``: a program without just these is not compared.  ``torch`` and ``keras``
    are the calls, with arguments in braces, or empty; ``words`` say what has to be known of them.
    """

    shapes: tuple[str, ...]
    functions: str
    definitions: tuple[Definition, ...]
    torch: str = ""
    keras: str = ""
    words: str = ""

    @property
    def calls(self) -> Mapping[str, str]:
        """The calls by the name of the framework."""
        return {name: call for name, call in zip(FRAMEWORKS, (self.torch, self.keras), strict=True) if call}


def _nll(Z: Any, Y: Any) -> Any:
    """The cross-entropy of each row."""
    return -np.sum(Y * log_softmax(Z, axis=1), axis=1)


def _smoothed(Y: Any, alpha: Any) -> Any:
    return (1 - alpha) * Y + alpha / Y.shape[1]


def _pairs(Z: Any) -> Any:
    """The cross-entropy of row n with the label n."""
    return -np.mean(np.diagonal(log_softmax(Z, axis=1)))


def _divergence(Z: Any, V: Any) -> Any:
    return np.sum(softmax(V, axis=1) * (log_softmax(V, axis=1) - log_softmax(Z, axis=1))) / len(Z)


def _binary(z: Any, y: Any) -> Any:
    return -(y * np.log(sigmoid(z)) + (1 - y) * np.log(1 - sigmoid(z)))


def _binary_in_one(z: Any, y: Any) -> Any:
    return softplus(z) - y * z


def _up_to(z: Any, y: Any, delta: Any) -> Any:
    e = z - y
    return np.where(np.abs(e) <= delta, e**2 / 2, delta * (np.abs(e) - delta / 2))


def _below(z: Any, y: Any, delta: Any) -> Any:
    e = z - y
    return np.where(np.abs(e) < delta, e**2 / 2, delta * (np.abs(e) - delta / 2))


F, K = "torch.nn.functional", "keras.losses"
ROWS = ("Z: N C, Y: N C",)
ENTRIES = ("z: N, y: N", "z: N C, y: N C")
SCALED = ("z: N, y: N, delta: scalar positive", "z: N C, y: N C, delta: scalar positive")

# The first that fits is shown: what takes more arguments, or logits, stands above what takes fewer, or probabilities.
KNOWN: tuple[Known, ...] = (
    Known(
        ("Z: N C, Y: N C, alpha: scalar",),
        "exp log",
        (lambda Z, Y, alpha: np.mean(_nll(Z, _smoothed(Y, alpha))),),
        f"{F}.cross_entropy({{Z}}, {{Y}}, label_smoothing={{alpha}})",
        f"{K}.CategoricalCrossentropy(from_logits=True, label_smoothing={{alpha}})({{Y}}, {{Z}})",
    ),
    Known(
        ("Z: N C, Y: N C, tau: scalar positive",),
        "exp log",
        (lambda Z, Y, tau: np.mean(_nll(Z / tau, Y)),),
        f"{F}.cross_entropy({{Z}} / {{tau}}, {{Y}})",
        f"{K}.CategoricalCrossentropy(from_logits=True)({{Y}}, {{Z}} / {{tau}})",
    ),
    Known(
        ("Z: N C, Y: N C, a: C",),
        "exp log",
        (lambda Z, Y, a: np.sum(_nll(Z, a * Y)) / np.sum(a * Y),),
        f"{F}.cross_entropy({{Z}}, {{Y}}.argmax(1), weight={{a}})",
        words="{Y} is one-hot and goes in as labels: the mean is then divided by the sum of their weights",
    ),
    Known(
        ("Z: N C, Y: N C, a: C",),
        "exp log",
        (lambda Z, Y, a: np.mean(_nll(Z, a * Y)),),
        f"{F}.cross_entropy({{Z}}, {{Y}}, weight={{a}})",
        words="{Y} goes in as probabilities: the mean is then divided by the number of rows",
    ),
    Known(
        ("Z: N C, Y: N C, gamma: scalar",),
        "exp log",
        (lambda Z, Y, gamma: -np.mean(np.sum(Y * (1 - softmax(Z, axis=1)) ** gamma * log_softmax(Z, axis=1), axis=1)),),
        keras=f"{K}.CategoricalFocalCrossentropy(alpha=1, gamma={{gamma}}, from_logits=True)({{Y}}, {{Z}})",
        words="probabilities are kept between 1e-7 and 1 − 1e-7",
    ),
    Known(
        ROWS,
        "exp log",
        (lambda Z, Y: np.mean(_nll(Z, Y)),),
        f"{F}.cross_entropy({{Z}}, {{Y}})",
        f"{K}.CategoricalCrossentropy(from_logits=True)({{Y}}, {{Z}})",
    ),
    Known(
        ROWS,
        "exp log",
        (lambda Z, Y: np.sum(_nll(Z, Y)),),
        f'{F}.cross_entropy({{Z}}, {{Y}}, reduction="sum")',
        f'{K}.CategoricalCrossentropy(from_logits=True, reduction="sum")({{Y}}, {{Z}})',
    ),
    Known(
        ("Z: N N",),
        "exp log",
        (_pairs,),
        f"{F}.cross_entropy({{Z}}, torch.arange(len({{Z}})))",
        words="the label of row n is n",
    ),
    Known(
        ("Z: N N",),
        "exp log",
        (lambda Z: -np.mean(np.diagonal(log_softmax(Z, axis=1)) + np.diagonal(log_softmax(Z, axis=0))) / 2,),
        f"({F}.cross_entropy({{Z}}, torch.arange(len({{Z}}))) + "
        f"{F}.cross_entropy({{Z}}.T, torch.arange(len({{Z}})))) / 2",
        words="the label of row n, and of column n, is n",
    ),
    Known(
        ("Z: N C, V: N C, tau: scalar positive",),
        "exp log",
        (lambda Z, V, tau: tau**2 * _divergence(Z / tau, V / tau),),
        f"{{tau}}**2 * {F}.kl_div(torch.log_softmax({{Z}} / {{tau}}, 1), torch.log_softmax({{V}} / {{tau}}, 1), "
        'log_target=True, reduction="batchmean")',
        words="the logarithms of both distributions go in, and the second one weighs them",
    ),
    Known(
        ("Z: N C, V: N C",),
        "exp log",
        (_divergence,),
        f'{F}.kl_div(torch.log_softmax({{Z}}, 1), torch.log_softmax({{V}}, 1), log_target=True, reduction="batchmean")',
        words="the logarithms of both distributions go in, and the second one weighs them",
    ),
    Known(
        ENTRIES,
        "exp log",
        (lambda z, y: np.mean(_binary(z, y)), lambda z, y: np.mean(_binary_in_one(z, y))),
        f"{F}.binary_cross_entropy_with_logits({{z}}, {{y}})",
        f"{K}.BinaryCrossentropy(from_logits=True)({{y}}, {{z}})",
    ),
    Known(
        ENTRIES,
        "exp log",
        (lambda z, y: np.sum(_binary(z, y)), lambda z, y: np.sum(_binary_in_one(z, y))),
        f'{F}.binary_cross_entropy_with_logits({{z}}, {{y}}, reduction="sum")',
    ),
    Known(
        ENTRIES,
        "exp log",
        (lambda z, y: np.mean(softplus(-y * z)),),
        f"{F}.soft_margin_loss({{z}}, {{y}})",
        words="labels are −1 and 1",
    ),
    Known(
        ENTRIES,
        "relu",
        (lambda z, y: np.mean(relu(1 - y * z)),),
        keras=f"{K}.Hinge()({{y}}, {{z}})",
        words="labels are −1 and 1",
    ),
    Known(
        ENTRIES,
        "maximum",
        (lambda z, y: np.mean(np.maximum(1 - y * z, 0)),),
        keras=f"{K}.Hinge()({{y}}, {{z}})",
        words="labels are −1 and 1",
    ),
    Known(
        ENTRIES,
        "relu",
        (lambda z, y: np.mean(relu(1 - y * z) ** 2),),
        keras=f"{K}.SquaredHinge()({{y}}, {{z}})",
        words="labels are −1 and 1",
    ),
    Known(
        ENTRIES,
        "maximum",
        (lambda z, y: np.mean(np.maximum(1 - y * z, 0) ** 2),),
        keras=f"{K}.SquaredHinge()({{y}}, {{z}})",
        words="labels are −1 and 1",
    ),
    Known(
        ENTRIES,
        "exp",
        (lambda z, y: np.mean(np.exp(z) - y * z),),
        f"{F}.poisson_nll_loss({{z}}, {{y}})",
        words="the logarithm of the rate goes in, and log y! is left out",
    ),
    Known(
        ("z: N, y: N, s: N", "z: N C, y: N C, s: N C"),
        "exp",
        (lambda z, y, s: np.mean(s + (z - y) ** 2 * np.exp(-s)) / 2,),
        f"{F}.gaussian_nll_loss({{z}}, {{y}}, torch.exp({{s}}), eps=0)",
        words="the variance goes in, not its logarithm",
    ),
    Known(
        ENTRIES,
        "",
        (lambda z, y: np.mean((z - y) ** 2),),
        f"{F}.mse_loss({{z}}, {{y}})",
        f"{K}.MeanSquaredError()({{y}}, {{z}})",
    ),
    Known(ENTRIES, "", (lambda z, y: np.sum((z - y) ** 2),), f'{F}.mse_loss({{z}}, {{y}}, reduction="sum")'),
    Known(
        ENTRIES,
        "absolute",
        (lambda z, y: np.mean(np.abs(z - y)),),
        f"{F}.l1_loss({{z}}, {{y}})",
        f"{K}.MeanAbsoluteError()({{y}}, {{z}})",
    ),
    Known(ENTRIES, "absolute", (lambda z, y: np.sum(np.abs(z - y)),), f'{F}.l1_loss({{z}}, {{y}}, reduction="sum")'),
    Known(
        SCALED,
        "absolute step where",
        (lambda z, y, delta: np.mean(_up_to(z, y, delta)), lambda z, y, delta: np.mean(_below(z, y, delta))),
        f"{F}.huber_loss({{z}}, {{y}}, delta={{delta}})",
        f"{K}.Huber(delta={{delta}})({{y}}, {{z}})",
    ),
    Known(
        SCALED,
        "absolute step where",
        (
            lambda z, y, delta: np.mean(_up_to(z, y, delta)) / delta,
            lambda z, y, delta: np.mean(_below(z, y, delta)) / delta,
        ),
        f"{F}.smooth_l1_loss({{z}}, {{y}}, beta={{delta}})",
    ),
    Known(
        ENTRIES,
        "absolute step where",
        (lambda z, y: np.mean(_up_to(z, y, 1)), lambda z, y: np.mean(_below(z, y, 1))),
        f"{F}.huber_loss({{z}}, {{y}})",
        f"{K}.Huber()({{y}}, {{z}})",
    ),
    Known(
        ENTRIES,
        "cosh log",
        (lambda z, y: np.mean(np.log(np.cosh(z - y))),),
        keras=f"{K}.LogCosh()({{y}}, {{z}})",
        words="equal up to 2e-9: log 2 has single precision there",
    ),
    Known(
        ENTRIES,
        "exp log",
        (lambda z, y: np.mean(z - y + softplus(-2 * (z - y)) - np.log(2)),),
        keras=f"{K}.LogCosh()({{y}}, {{z}})",
        words="equal up to 2e-9: log 2 has single precision there",
    ),
)
