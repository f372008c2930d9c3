"""The user's language: NumPy on symbolic arrays, traced into a Program; and the functions that NumPy lacks."""

from symgrad.array.public import (
    erf,
    eye,
    gelu,
    log_softmax,
    logsumexp,
    norm,
    one_hot,
    relu,
    sigmoid,
    softmax,
    softplus,
)

__all__ = [
    "erf",
    "eye",
    "gelu",
    "log_softmax",
    "logsumexp",
    "norm",
    "one_hot",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
]
