"""Twenty gradients from textbooks, chosen before symgrad was asked for them: its closed form beside the book's.

Two are longer than in the book.  The means of a Gaussian mixture have no matrix form, since the responsibilities have
no name; the scores of the multiclass SVM have no name in one line (with names, its form is X^T G_Z).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import sampled

import symgrad
from symgrad.array.expression import parse
from symgrad.render.text import expression_text

FORMS = [
    # Bishop 3.27 (regularised least squares): Aᵀ (A w − t) + λ w
    ("sum((A@w - t)**2)/2 + lambda_/2 * w @ w", "A: N K, w: K, t: N, lambda_: scalar", "w", "Aᵀ r + λ w"),
    # CS229 1.3 (weighted least squares): Xᵀ (r ⊙ (X w − y))
    ("sum(r*(X@w-y)**2)/2", "r: N, X: N D, w: D, y: N", "w", "Xᵀ (r ⊙ r1)"),
    # Bishop 4.3.5 (probit): −Xᵀ (y ⊙ φ(a) ⊘ Φ(a)), a = y ⊙ X w
    ("-sum(log((1 + erf(y*(X@w)/sqrt(2)))/2))", "X: N D, w: D, y: N", "w", "−Xᵀ (y ⊙ φ(√2 z) ⊘ Φ(√2 z))"),
    # Bishop 5.3.2 (two layers): Xᵀ ((1 − H²) ⊙ ((Y − T) Vᵀ))
    ("sum((tanh(X@U)@V - T)**2)/2", "X: N D, U: D H, V: H K, T: N K", "U", "Xᵀ G_Z"),
    # Cookbook 71: b aᵀ
    ("a @ X.T @ b", "a: D, X: N D, b: N", "X", "b aᵀ"),
    # Cookbook 82: Dᵀ X b cᵀ + D X c bᵀ
    ("b @ X.T @ D @ X @ c", "b: K, X: N K, D: N N, c: K", "X", "Dᵀ X b cᵀ + D X c bᵀ"),
    # Cookbook 84: (D + Dᵀ) (X b + c) bᵀ
    ("(X@b + c) @ D @ (X@b + c)", "X: N K, b: K, c: N, D: N N", "X", "(D + Dᵀ) (X b + c) bᵀ"),
    # Cookbook 117: Cᵀ X B Bᵀ + C X B Bᵀ
    ("trace(B.T @ X.T @ C @ X @ B)", "X: N D, C: N N, B: D K", "X", "(C + Cᵀ) X B Bᵀ"),
    # Cookbook 118: Aᵀ Cᵀ X Bᵀ + C A X B
    ("trace(A @ X @ B @ X.T @ C)", "A: M N, X: N D, B: D D, C: N M", "X", "Aᵀ Cᵀ X Bᵀ + C A X B"),
    # CS229 (labels ±1): −(1/N) Xᵀ (y ⊙ σ(−y ⊙ X w))
    ("mean(log(1 + exp(-y*(X@w))))", "X: N D, w: D, y: N", "w", "−(1/N) Xᵀ (y ⊙ sigmoid(z))"),
    # CS229 SVM primal: w − c Xᵀ (y ⊙ H(1 − y ⊙ (X w + b)))
    (
        "w@w/2 + c*sum(maximum(0, 1 - y*(X@w + b)))",
        "X: N D, w: D, b: scalar, y: N, c: scalar",
        "w",
        "w − c Xᵀ (y ⊙ H(1_N − y ⊙ (X w + b 1_N)))",
    ),
    # CS231n multiclass SVM: (1/N) Xᵀ (M − Y ⊙ (M 1 1ᵀ)), M = (1 − Y) ⊙ H(margin)
    (
        "sum((1 - Y) * maximum(0, X@W - sum(Y * (X@W), axis=1, keepdims=True) + 1))/N",
        "X: N D, W: D C, Y: N C one-hot",
        "W",
        "(1/N) (Xᵀ ((1_(N×C) − Y) ⊙ H(1_(N×C) + X W − (X ⊙ (Y Wᵀ)) 1_D 1_Cᵀ))"
        " − (X ⊙ (((1_(N×C) − Y) ⊙ H(1_(N×C) + X W − (X ⊙ (Y Wᵀ)) 1_D 1_Cᵀ)) 1_C 1_Dᵀ))ᵀ Y)",
    ),
    # Bishop 12.1.2 (PCA, reconstruction): −2 (Xᵀ R + Rᵀ X) W
    ("sum((X - X@W@W.T)**2)", "X: N D, W: D K", "W", "−2 (Xᵀ R + Rᵀ X) W"),
    # Murphy (entropy of a softmax): −p ⊙ (log p + H 1)
    ("-sum(softmax(z) * log_softmax(z))", "z: K", "z", "p ⊙ ((pᵀ log(p)) 1_K − log(p))"),
    # Goodfellow 20.2 (RBM free energy): −Vᵀ σ(V W + c)
    ("-sum(V@b) - sum(log(1 + exp(V@W + c)))", "V: N D, W: D H, b: D, c: H", "W", "−Vᵀ sigmoid(Z)"),
    # Bishop 9.16 (Gaussian mixture, means): diag(Rᵀ 1) M − Rᵀ X
    (
        "-sum(log(sum(a * exp(-sum((X[:,None]-M[None])**2,axis=2)/2), axis=1)))",
        "X: N D, M: K D, a: K positive",
        "M",
        "a_k Σ_n (exp(−(1/2) Σ_c (m_kc − x_nc)²)/S_n) (m_kd − x_nd)",
    ),
    # CS224n skip-gram, negative samples: (σ(uᵀ v) − 1) u + Uᵀ σ(U v)
    ("-log(sigmoid(u@v)) - sum(log(sigmoid(-U@v)))", "u: D, v: D, U: K D", "v", "Uᵀ (1_K − q) − (1 − p) u"),
    # Bishop 4.26 (Rayleigh quotient): 2 (A w − ρ B w)/(wᵀ B w)
    ("(w@A@w)/(w@B@w)", "w: D, A: D D symmetric, B: D D symmetric", "w", "(2/(wᵀ B w)) (A − ((wᵀ A w)/(wᵀ B w)) B) w"),
    # Murphy (cosine similarity): (1/(‖x‖ ‖y‖)) y − (cos/‖x‖²) x
    ("(x@y)/(norm(x)*norm(y))", "x: D, y: D", "x", "(1/‖y‖) (y/‖x‖ − ((xᵀ y)/‖x‖³) x)"),
]
"""The loss, the shapes, the array, and the closed form that symgrad prints; above each the source and its form."""


@pytest.mark.parametrize(("text", "shapes", "wrt", "form"), sampled(FORMS, every=4))
def test_the_closed_form(text: str, shapes: str, wrt: str, form: str) -> None:
    derivation = symgrad.derive(parse(text, shapes, wrt))
    gradient = derivation.gradients[wrt]
    closed = gradient.index if gradient.matrix is None else gradient.matrix
    assert expression_text(closed, derivation.record) == form
    proof = derivation.prove()
    assert not proof.faults and not proof.weaker()


@pytest.mark.slow
def test_batch_norm() -> None:
    """CS231n: (1/N) (N G − 1 1ᵀ G − X̂ ⊙ (1 1ᵀ (G ⊙ X̂))) ⊘ S."""

    @symgrad.loss(shapes="X: N D, G: N D, eps: scalar positive", wrt="X")
    def batch_norm(X: Any, G: Any, eps: Any) -> Any:
        S = np.sqrt(np.var(X, axis=0) + eps)
        Xhat = (X - np.mean(X, axis=0)) / S
        return np.sum(G * Xhat)

    derivation = symgrad.derive(batch_norm)
    form = "(G − (1/N) X̂ ⊙ (1_N 1_Nᵀ (G ⊙ X̂)) − (1/N) 1_N 1_Nᵀ G) ⊘ (1_N Sᵀ)"
    assert expression_text(derivation.gradients["X"].matrix, derivation.record) == form
    assert not derivation.prove().faults and not derivation.prove().weaker()
