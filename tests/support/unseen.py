"""The losses of ``unseen_losses.md``, as they were first written down by somebody who had read the README alone."""

from __future__ import annotations

from typing import Any

import numpy as np

import symgrad
from symgrad.array import eye, log_softmax, sigmoid, softmax


@symgrad.loss(shapes="X: N D, W: D C, b: C, Y: N C one-hot, q: scalar positive", wrt="W b")
def gce(X: Any, W: Any, b: Any, Y: Any, q: Any = 0.7) -> Any:
    """Generalised cross-entropy of a softmax classifier."""
    Z = X @ W + b
    P = softmax(Z, axis=1)
    p = np.sum(Y * P, axis=1)
    return np.mean((1 - p**q) / q)


@symgrad.loss(shapes="X: N D, w: D, b: scalar, g: N, alpha: scalar, beta: scalar", wrt="w b")
def tversky(X: Any, w: Any, b: Any, g: Any, alpha: Any = 0.3, beta: Any = 0.7) -> Any:
    """Tversky loss of a logistic pixel classifier."""
    z = X @ w + b
    p = sigmoid(z)
    TP = np.sum(p * g)
    FP = np.sum(p * (1 - g))
    FN = np.sum((1 - p) * g)
    return 1 - TP / (TP + alpha * FP + beta * FN)


@symgrad.loss(shapes="X: N D, W: D C, b: C, y: N labels of C, eps: scalar", wrt="W b")
def poly1(X: Any, W: Any, b: Any, y: Any, eps: Any = 1) -> Any:
    """Poly-1 cross-entropy."""
    Z = X @ W + b
    P = softmax(Z, axis=1)
    pt = P[np.arange(len(y)), y]
    return np.mean(-np.log(pt) + eps * (1 - pt))


@symgrad.loss(shapes="A: N D, P: N D, Q: N D, W: D K, alpha: scalar positive", wrt="W")
def embedded_triplet(A: Any, P: Any, Q: Any, W: Any, alpha: Any = 0.2) -> Any:
    """Triplet loss with a margin, of a linear embedding (anchor, positive, negative)."""
    dp = np.sum((A @ W - P @ W) ** 2, axis=1)
    dn = np.sum((A @ W - Q @ W) ** 2, axis=1)
    return np.sum(np.maximum(dp - dn + alpha, 0))


@symgrad.loss(shapes="A: N D, B: N D, lam: scalar positive", wrt="A B")
def barlow(A: Any, B: Any, lam: Any = 0.005) -> Any:
    """Barlow Twins: cross-correlation of two views' embeddings."""
    C = (A.T @ B) / (np.sqrt(np.sum(A**2, axis=0))[:, None] * np.sqrt(np.sum(B**2, axis=0))[None, :])
    on = np.sum((1 - np.diag(C)) ** 2)
    off = np.sum(C**2) - np.sum(np.diag(C) ** 2)
    return on + lam * off


@symgrad.loss(shapes="Z: N D, M: N N, tau: scalar positive", wrt="Z")
def supcon(Z: Any, M: Any, tau: Any = 0.1) -> Any:
    """Supervised contrastive loss (L_out); M[i, p] = 1 if p is a positive of i."""
    S = Z @ Z.T / tau
    logden = np.log(np.sum((1 - eye(len(Z))) * np.exp(S), axis=1, keepdims=True))
    return -np.sum(np.sum(M * (S - logden), axis=1) / np.sum(M, axis=1))


@symgrad.loss(shapes="X: N D, beta: D, delta: N, R: N N", wrt="beta")
def cox(X: Any, beta: Any, delta: Any, R: Any) -> Any:
    """Negative log partial likelihood (Breslow); R[i, j] = 1 if j is at risk when i fails."""
    eta = X @ beta
    return -np.sum(delta * (eta - np.log(R @ np.exp(eta))))


@symgrad.loss(shapes="X: N D, w: D, y: N, eps: scalar positive", wrt="w")
def charbonnier(X: Any, w: Any, y: Any, eps: Any = 0.001) -> Any:
    """Charbonnier loss of a linear model."""
    r = X @ w - y
    return np.mean(np.sqrt(r**2 + eps**2))


@symgrad.loss(shapes="X: N D, W: D C, Y: N C one-hot, s: scalar positive, m: scalar", wrt="X W")
def cosface(X: Any, W: Any, Y: Any, s: Any = 64, m: Any = 0.35) -> Any:
    """CosFace: large-margin cosine softmax."""
    Xn = X / np.linalg.norm(X, axis=1, keepdims=True)
    Wn = W / np.linalg.norm(W, axis=0, keepdims=True)
    cos = Xn @ Wn
    return -np.mean(np.sum(Y * log_softmax(s * (cos - m * Y), axis=1), axis=1))


@symgrad.loss(shapes="X: N D, mu: N K, logvar: N K, E: N K, W: K D, b: D", wrt="mu logvar W b")
def vae_code(X: Any, mu: Any, logvar: Any, E: Any, W: Any, b: Any) -> Any:
    """Negative evidence bound, Gaussian with unit variance about a linear decoder; E is the noise."""
    sigma = np.exp(logvar / 2)
    Z = mu + sigma * E
    Xhat = Z @ W + b
    rec = np.sum(-0.5 * (X - Xhat) ** 2 - 0.5 * np.log(2 * np.pi), axis=1)
    kl = -0.5 * np.sum(1 + logvar - mu**2 - sigma**2, axis=1)
    return np.mean(kl - rec)


LOSSES = {name: loss for name, loss in globals().items() if isinstance(loss, symgrad.Loss)}
