"""Contrastive and ranking losses of N embeddings or scores: row n of one array belongs to row n of the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.array import log_softmax, logsumexp
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


@loss(
    shapes="X: N D, Y: N N one-hot, tau: scalar positive",
    wrt="X",
    axes={"N": "views"},
    facts=["sum(dZ, axis=1) == 0", "sum(X * dX, axis=1) == 0"],
    about=(
        "Prediction minus target for the task of finding the other view of the same sample among all views but itself. "
        "The gradient is orthogonal to each row of X, since only its direction counts."
    ),
)
def nt_xent(X: Any, Y: Any, tau: Any = 0.5) -> Any:
    """NT-Xent: cross-entropy of finding the partner of each view, by cosine similarity; Y has a 1 at the partner.

    Chen, Kornblith, Norouzi and Hinton, A simple framework for contrastive learning, ICML (2020), equation 1.
    """
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    Z = U @ U.T / tau
    M = np.arange(len(X))[:, None] != np.arange(len(X))
    return np.mean(logsumexp(np.where(M, Z, -np.inf), axis=1) - np.sum(Y * Z, axis=1))


@loss(
    shapes="A: N D, P: N D, Q: N D, margin: scalar",
    wrt="A P Q",
    axes={"N": "triplets"},
    facts=["dA + dP + dQ == 0"],
    about=(
        "The anchor A is pulled along the unit vector to the positive example P and pushed along the one away from the "
        "negative example Q, until Q is farther away than P by the margin. Moving all three together changes nothing."
    ),
)
def triplet(A: Any, P: Any, Q: Any, margin: Any = 1) -> Any:
    """Triplet margin loss.

    Schroff, Kalenichenko and Philbin, FaceNet, CVPR (2015), section 3.1; with distances in place of their squares, as
    in Balntas et al., Learning local feature descriptors with triplets, BMVC (2016), and PyTorch.
    """
    d = np.linalg.norm(A - P, axis=1)
    f = np.linalg.norm(A - Q, axis=1)
    return np.mean(np.maximum(d - f + margin, 0))


@loss(
    shapes="U: N D, V: N D, y: N sign, margin: scalar",
    wrt="U V",
    axes={"N": "pairs"},
    facts=["sum(U * dU, axis=1) == 0", "sum(V * dV, axis=1) == 0"],
    about=(
        "Pairs with label 1 are turned towards each other; those with label -1 away from each other, until their "
        "cosine is below the margin. The lengths of the rows do not count, so the gradient is orthogonal to them."
    ),
)
def cosine_embedding(U: Any, V: Any, y: Any, margin: Any = 0) -> Any:
    """Cosine embedding loss.

    Bromley et al., Signature verification using a siamese time delay neural network, NIPS (1993), compares by
    the cosine; the margin is PyTorch's.
    """
    Uhat = U / np.linalg.norm(U, axis=1, keepdims=True)
    Vhat = V / np.linalg.norm(V, axis=1, keepdims=True)
    c = np.sum(Uhat * Vhat, axis=1)
    return np.mean(np.where(y > 0, 1 - c, np.maximum(c - margin, 0)))


@loss(
    shapes="u: N, v: N, y: N sign, margin: scalar",
    wrt="u v",
    axes={"N": "pairs"},
    facts=["du + dv == 0"],
    about=(
        "Where the label is 1, u should be above v by the margin, and where it is -1, below. A pair in the right order "
        "gets no gradient; any other pair is pulled apart with the same force."
    ),
)
def margin_ranking(u: Any, v: Any, y: Any, margin: Any = 0) -> Any:
    """Margin ranking loss of pairs of scores.

    Herbrich, Graepel and Obermayer, Large margin rank boundaries for ordinal regression (2000).
    """
    return np.mean(np.maximum(-y * (u - v) + margin, 0))
