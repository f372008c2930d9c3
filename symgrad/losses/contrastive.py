"""Contrastive losses of N pairs of embeddings: U (N, D), V (N, D), row n of one belonging to row n of the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.array import log_softmax
from symgrad.array.loss import loss


@loss(
    shapes="U: N D, V: N D, tau: scalar positive",
    wrt="U V",
    axes={"N": "pairs"},
    facts=["sum(dZ, axis=1) == 0", "sum(U * dU) == sum(V * dV)"],
    about=(
        "Prediction minus target for the task of finding the partner of each row: P is pulled to the identity "
        "matrix. A small τ concentrates the gradient on the most similar wrong partners."
    ),
)
def info_nce(U: Any, V: Any, tau: Any = 0.1) -> Any:
    """InfoNCE: cross-entropy of finding each row's partner among all.

    Van den Oord, Li and Vinyals, Representation learning with contrastive predictive coding (2018), equation 4.
    """
    Z = U @ V.T / tau
    return -np.mean(np.diagonal(log_softmax(Z, axis=1)))


@loss(
    shapes="U: N D, V: N D, tau: scalar positive",
    wrt="U V",
    axes={"N": "pairs"},
    facts=["sum(U * dU) == sum(V * dV)"],
    about=(
        "The mean of two InfoNCE losses, from the rows of U to those of V (images and texts) and back. Both "
        "matrices of probabilities are pulled to the identity matrix."
    ),
)
def clip_loss(U: Any, V: Any, tau: Any = 0.07) -> Any:
    """CLIP's symmetric loss: InfoNCE from each side, the mean of both.

    Radford et al., Learning transferable visual models from natural language supervision, ICML (2021), figure 3.
    """
    Z = U @ V.T / tau
    return -np.mean(np.diagonal(log_softmax(Z, axis=1)) + np.diagonal(log_softmax(Z, axis=0))) / 2
