"""The first twenty modules of ``torch.nn`` in the order of the alphabet, as a user writes them who has read the README.

Left out are convolution, pooling and padding, and ``DataParallel``, which computes nothing.  The list was committed
before any of them was tried.  Nineteen derive, and every line is proved for every shape; ``CTCLoss`` shifts an array
along an axis, which is refused.  Masks and labels are inputs, and so is the band B of ``CrossMapLRN2d``; the groups of
``ChannelShuffle`` are an axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import sampled

import symgrad
from symgrad import UnsupportedError
from symgrad.array import log_softmax, sigmoid
from symgrad.array.loss import Loss
from symgrad.evidence.generated_code import compare_with_differences

MODULES = (
    *("AdaptiveLogSoftmaxWithLoss", "AlphaDropout", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d"),
    *("BatchNorm3d", "Bilinear", "CELU", "CTCLoss", "ChannelShuffle", "CosineEmbeddingLoss", "CosineSimilarity"),
    *("CrossEntropyLoss", "CrossMapLRN2d", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "ELU"),
)
WRITTEN: dict[str, Loss] = {}


def loss(shapes: str, wrt: str) -> Callable[[Callable[..., Any]], None]:
    return _written(symgrad.loss(shapes=shapes, wrt=wrt))


def layer(shapes: str, wrt: str) -> Callable[[Callable[..., Any]], None]:
    return _written(symgrad.layer(shapes=shapes, wrt=wrt))


def _written(declare: Callable[[Callable[..., Any]], Loss]) -> Callable[[Callable[..., Any]], None]:
    def add(function: Callable[..., Any]) -> None:
        WRITTEN[function.__name__] = declare(function)

    return add


@loss("X: N D, W: D C, u: D, U: D H, V: H T, y: N labels of C, z: N labels of T, m: N binary", "X W u U V")
def AdaptiveLogSoftmaxWithLoss(X: Any, W: Any, u: Any, U: Any, V: Any, y: Any, z: Any, m: Any) -> Any:
    A = X @ W
    a = X @ u
    s = np.log(np.sum(np.exp(A), axis=1) + np.exp(a))
    Q = log_softmax(X @ U @ V, axis=1)
    short = A[np.arange(len(y)), y] - s
    long = a - s + Q[np.arange(len(z)), z]
    return -np.mean(np.where(m > 0, short, long))


@layer("X: N D, M: N D binary, p: scalar probability", "X")
def AlphaDropout(X: Any, M: Any, p: Any = 0.5) -> Any:
    alpha = -1.7580993408473766
    a = 1 / np.sqrt((1 - p) * (1 + p * alpha**2))
    return a * (M * X + (1 - M) * alpha) - a * alpha * p


@loss("P: N probability, y: N probability", "P")
def BCELoss(P: Any, y: Any) -> Any:
    return -np.mean(y * np.log(P) + (1 - y) * np.log(1 - P))


@loss("z: N, y: N probability, a: scalar positive", "z")
def BCEWithLogitsLoss(z: Any, y: Any, a: Any = 1) -> Any:
    return -np.mean(a * y * np.log(sigmoid(z)) + (1 - y) * np.log(1 - sigmoid(z)))


@layer("X: N C, gamma: C, beta: C, eps: scalar positive", "X gamma beta")
def BatchNorm1d(X: Any, gamma: Any, beta: Any, eps: Any = 1e-5) -> Any:
    return (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + eps) * gamma + beta


@layer("X: N C H W, gamma: C, beta: C, eps: scalar positive", "X gamma beta")
def BatchNorm2d(X: Any, gamma: Any, beta: Any, eps: Any = 1e-5) -> Any:
    mu = X.mean(axis=(0, 2, 3), keepdims=True)
    v = X.var(axis=(0, 2, 3), keepdims=True)
    Xhat = (X - mu) / np.sqrt(v + eps)
    return Xhat * gamma[None, :, None, None] + beta[None, :, None, None]


@layer("X: N C K H W, gamma: C, beta: C, eps: scalar positive", "X gamma beta")
def BatchNorm3d(X: Any, gamma: Any, beta: Any, eps: Any = 1e-5) -> Any:
    mu = X.mean(axis=(0, 2, 3, 4), keepdims=True)
    v = X.var(axis=(0, 2, 3, 4), keepdims=True)
    Xhat = (X - mu) / np.sqrt(v + eps)
    return Xhat * gamma[None, :, None, None, None] + beta[None, :, None, None, None]


@layer("X: N D, Z: N E, A: K D E, b: K", "X Z A b")
def Bilinear(X: Any, Z: Any, A: Any, b: Any) -> Any:
    return np.einsum("nd,kde,ne->nk", X, A, Z) + b


@layer("X: N D, alpha: scalar positive", "X")
def CELU(X: Any, alpha: Any = 1) -> Any:
    return np.maximum(0, X) + np.minimum(0, alpha * (np.exp(X / alpha) - 1))


@loss("Z: T C, y: S labels of C", "Z")
def CTCLoss(Z: Any, y: Any) -> Any:
    Q = log_softmax(Z, axis=1)
    a = Q[0, y]
    for t in range(1, len(Z)):
        a = np.logaddexp(a, np.roll(a, 1)) + Q[t, y]
    return -a[-1]


@layer("X: N G C H W", "X")
def ChannelShuffle(X: Any) -> Any:
    return np.transpose(X, (0, 2, 1, 3, 4))


@loss("U: N D, V: N D, y: N sign, margin: scalar", "U V")
def CosineEmbeddingLoss(U: Any, V: Any, y: Any, margin: Any = 0) -> Any:
    c = np.sum(U * V, axis=1) / (np.linalg.norm(U, axis=1) * np.linalg.norm(V, axis=1))
    return np.mean(np.where(y == 1, 1 - c, np.maximum(0, c - margin)))


@layer("U: N D, V: N D, eps: scalar positive", "U V")
def CosineSimilarity(U: Any, V: Any, eps: Any = 1e-8) -> Any:
    return np.sum(U * V, axis=1) / np.maximum(np.linalg.norm(U, axis=1) * np.linalg.norm(V, axis=1), eps)


@loss("Z: N C, y: N labels of C", "Z")
def CrossEntropyLoss(Z: Any, y: Any) -> Any:
    return -np.mean(log_softmax(Z, axis=1)[np.arange(len(y)), y])


@layer("X: N C H W, B: C C binary, alpha: scalar positive, beta: scalar positive, k: scalar positive", "X")
def CrossMapLRN2d(X: Any, B: Any, alpha: Any = 1e-4, beta: Any = 0.75, k: Any = 1) -> Any:
    S = np.einsum("cd,ndhw->nchw", B, X**2)
    return X / (k + alpha * S) ** beta


@layer("X: N D, M: N D binary, p: scalar probability", "X")
def Dropout(X: Any, M: Any, p: Any = 0.5) -> Any:
    return M * X / (1 - p)


@layer("X: N C L, M: N C binary, p: scalar probability", "X")
def Dropout1d(X: Any, M: Any, p: Any = 0.5) -> Any:
    return M[:, :, None] * X / (1 - p)


@layer("X: N C H W, M: N C binary, p: scalar probability", "X")
def Dropout2d(X: Any, M: Any, p: Any = 0.5) -> Any:
    return M[:, :, None, None] * X / (1 - p)


@layer("X: N C K H W, M: N C binary, p: scalar probability", "X")
def Dropout3d(X: Any, M: Any, p: Any = 0.5) -> Any:
    return M[:, :, None, None, None] * X / (1 - p)


@layer("X: N D, alpha: scalar", "X")
def ELU(X: Any, alpha: Any = 1) -> Any:
    return np.where(X > 0, X, alpha * (np.exp(X) - 1))


REFUSED = {"CTCLoss"}


def test_each_of_the_list_is_written() -> None:
    assert tuple(WRITTEN) == MODULES and len(MODULES) == 20


@pytest.mark.parametrize("name", sampled((n for n in MODULES if n not in REFUSED), "BCELoss", "Bilinear", "Dropout1d"))
def test_it_derives_with_every_line_proved_and_agrees_with_differences(name: str) -> None:
    derivation = symgrad.derive(WRITTEN[name])
    proof = derivation.prove()
    assert not proof.faults and set(proof.counts) == {"definition", "every shape"}
    found = compare_with_differences(WRITTEN[name], derivation.to_numpy(), WRITTEN[name].wrt)
    assert found.ok, found


def test_a_shift_along_an_axis_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"entry 0 of Q \(T, C\): sizes are symbolic"):
        WRITTEN["CTCLoss"].program()


# --- beside PyTorch's documentation, by loops ------------------------------------------------------------------------

RNG = np.random.default_rng(4)
X, A, Z, b = (RNG.standard_normal(shape) for shape in ((3, 4), (2, 4, 5), (3, 5), 2))
IMAGE = RNG.standard_normal((2, 5, 3, 4))
BAND = (abs(np.subtract.outer(range(5), range(5))) <= 1).astype(float)
SIX = RNG.standard_normal((2, 6, 2, 2))
GAIN, SHIFT = RNG.standard_normal(5), RNG.standard_normal(5)


def bilinear() -> Any:
    return [[X[n] @ A[k] @ Z[n] + b[k] for k in range(2)] for n in range(3)]


def celu() -> Any:
    return [[x if x > 0 else 0.7 * np.expm1(x / 0.7) for x in row] for row in X]


def elu() -> Any:
    return [[x if x > 0 else 0.7 * np.expm1(x) for x in row] for row in X]


def batch_norm() -> Any:
    channels = [IMAGE[:, c] for c in range(5)]
    each = [(x - x.mean()) / np.sqrt(x.var() + 1e-5) * g + s for x, g, s in zip(channels, GAIN, SHIFT, strict=True)]
    return np.stack(each, axis=1)


def local_response() -> Any:
    windows = [IMAGE[:, max(0, c - 1) : c + 2] ** 2 for c in range(5)]
    return np.stack([IMAGE[:, c] / (2 + 0.1 * w.sum(axis=1)) ** 0.75 for c, w in enumerate(windows)], axis=1)


def channel_shuffle() -> Any:
    """``ChannelShuffle(2)`` of six channels takes them in the order 0, 3, 1, 4, 2, 5."""
    return SIX[:, [0, 3, 1, 4, 2, 5]].reshape(2, 3, 2, 2, 2)


def cosine_similarity() -> Any:
    return [x @ y / max(np.sqrt(x @ x) * np.sqrt(y @ y), 1e-8) for x, y in zip(X, X[::-1] ** 2, strict=True)]


BESIDE: dict[str, tuple[Callable[[], Any], tuple[Any, ...]]] = {
    "Bilinear": (bilinear, (X, Z, A, b)),
    "CELU": (celu, (X, 0.7)),
    "ELU": (elu, (X, 0.7)),
    "BatchNorm2d": (batch_norm, (IMAGE, GAIN, SHIFT)),
    "CrossMapLRN2d": (local_response, (IMAGE, BAND, 0.1, 0.75, 2.0)),
    "ChannelShuffle": (channel_shuffle, (SIX.reshape(2, 2, 3, 2, 2),)),
    "CosineSimilarity": (cosine_similarity, (X, X[::-1] ** 2)),
}


@pytest.mark.parametrize("name", BESIDE)
def test_it_computes_what_pytorch_documents(name: str) -> None:
    by_loops, inputs = BESIDE[name]
    assert np.allclose(WRITTEN[name](*inputs), by_loops(), rtol=1e-13)
