"""Losses of generative models: normal distributions, their divergence, and the variational autoencoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.array.loss import loss


@loss(
    shapes="mu: N D, r: N D, nu: N D, s: N D",
    wrt="mu r nu s",
    facts=["dmu == 0 where mu = nu", "dr == 0 where r = s", "ds == 0 where mu = nu and r = s"],
    about=(
        "The means pull at each other with the precision exp(-s) of the second distribution. The log-variance r "
        "falls while its variance is larger than that of the second distribution."
    ),
)
def kl_gaussians(mu: Any, r: Any, nu: Any, s: Any) -> Any:
    """Divergence of two normal distributions: KL(N(mu, exp(r)) from N(nu, exp(s))), with diagonal covariances.

    Kullback and Leibler, On information and sufficiency, Annals of Mathematical Statistics 22 (1951); r and s are the
    logarithms of the variances.
    """
    return np.mean(np.sum(s - r + (np.exp(r) + (mu - nu) ** 2) / np.exp(s) - 1, axis=1)) / 2


@loss(
    shapes="X: N D, m: N H, r: N H, E: N H, W: H D, b: D",
    wrt="m r W b",
    axes={"H": "latent variables"},
    facts=["dm == dZ + m / N"],
    about=(
        "The decoder (W, b) gets the gradient of least squares. The mean m of the code gets the reconstruction's "
        "gradient and is pulled to 0; its log-variance r gets the same gradient times the noise, and is pulled to 0."
    ),
)
def vae(X: Any, m: Any, r: Any, E: Any, W: Any, b: Any) -> Any:
    """Variational autoencoder: squared error of a linear decoder plus the divergence of the code from N(0, 1).

    Kingma and Welling, Auto-encoding variational Bayes, ICLR (2014), equation 10; E is the standard normal noise of the
    reparametrisation, r the log-variance.
    """
    Z = m + np.exp(r / 2) * E
    R = Z @ W + b - X
    D_KL = np.sum(np.exp(r) + m**2 - 1 - r, axis=1) / 2
    return np.mean(np.sum(R**2, axis=1) / 2 + D_KL)


@loss(
    shapes="X: N D, mu: D, Sigma: D D positive-definite",
    wrt="mu Sigma",
    facts=["2 * Sigma @ dSigma @ Sigma == Sigma - R.T @ R / N", "Sigma @ dmu == mu - mean(X, axis=0)"],
    about=(
        "Both gradients vanish where μ is the mean of the rows and Σ their covariance: the maximum of the likelihood."
    ),
)
def multivariate_gaussian(X: Any, mu: Any, Sigma: Any) -> Any:
    """Negative log-likelihood of normal rows with a full covariance matrix, the mean over rows.

    Anderson, An introduction to multivariate statistical analysis (1958), section 3.2; without the constant
    D log(2 pi) / 2.
    """
    R = X - mu
    return (np.mean(np.sum(R @ np.linalg.inv(Sigma) * R, axis=1)) + np.linalg.slogdet(Sigma)[1]) / 2
