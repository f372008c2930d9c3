"""Losses of a linear model: X (N, D), w (D,), targets y (N,); the mean over the N rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.array.loss import loss


@loss(
    shapes="X: N D, w: D, b: scalar, y: N",
    wrt="w b",
    facts=["dw == 0 where y = X @ w + b"],
    about=(
        "Twice the mean of residual times input: rows pull in proportion to their error, so that outliers dominate."
    ),
)
def mse(X: Any, w: Any, b: Any, y: Any) -> Any:
    """Mean squared error.

    Legendre, Nouvelles méthodes pour la détermination des orbites des comètes (1805), appendix.
    """
    e = X @ w + b - y
    return np.mean(e**2)


@loss(
    shapes="X: N D, w: D, b: scalar, y: N",
    wrt="w b",
    about=(
        "Only the signs of the residuals count, so that outliers do not dominate. At a residual of 0, |e| has no "
        "derivative, and 0 is taken for it."
    ),
)
def mae(X: Any, w: Any, b: Any, y: Any) -> Any:
    """Mean absolute error.

    Boscovich (1757); Laplace, Mécanique céleste, book 3 (1799), section 40.
    """
    e = X @ w + b - y
    return np.mean(np.abs(e))


@loss(
    shapes="X: N D, w: D, b: scalar, y: N, delta: scalar positive",
    wrt="w b",
    about=(
        "The residual, clipped to the range from -δ to δ. The loss is half the squared error near the fit, and linear "
        "with the slope δ beyond; where the two meet, both have the same derivative."
    ),
)
def huber(X: Any, w: Any, b: Any, y: Any, delta: Any = 1) -> Any:
    """Huber loss: half a square up to δ, linear beyond.

    Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35 (1964).
    """
    e = X @ w + b - y
    return np.mean(np.where(np.abs(e) <= delta, e**2 / 2, delta * (np.abs(e) - delta / 2)))


@loss(
    shapes="X: N D, w: D, b: scalar, y: N",
    wrt="w b",
    facts=["dw == 0 where y = X @ w + b"],
    about=(
        "The residual passes through tanh: about the residual where it is small, about its sign where it is large, "
        "and smooth in between."
    ),
)
def log_cosh(X: Any, w: Any, b: Any, y: Any) -> Any:
    """Mean logarithm of the hyperbolic cosine of the residuals.

    Green, Iteratively reweighted least squares for maximum likelihood estimation, JRSS B 46 (1984).
    """
    e = X @ w + b - y
    return np.mean(np.log(np.cosh(e)))


@loss(
    shapes="X: N D, w: D, b: scalar, y: N, q: scalar",
    wrt="w b",
    about=(
        "For q between 0 and 1: targets above the fit pull with weight q, those below with 1 - q, so that at the "
        "optimum about a share q of the targets is below the fit."
    ),
)
def quantile(X: Any, w: Any, b: Any, y: Any, q: Any = 0.5) -> Any:
    """Pinball loss of the quantile q.

    Koenker and Bassett, Regression quantiles, Econometrica 46 (1978).
    """
    e = y - X @ w - b
    return np.mean(np.maximum(q * e, (q - 1) * e))


@loss(
    shapes="X: N D, w: D, b: scalar, y: N nonnegative",
    wrt="w b",
    facts=["dz == 0 where y = exp(z)"],
    about=(
        "Rate minus count: the same form as in logistic regression, since log is the canonical link of the "
        "Poisson distribution."
    ),
)
def poisson(X: Any, w: Any, b: Any, y: Any) -> Any:
    """Negative log-likelihood of Poisson counts y with the rate exp(X w + b), without the constant log y!.

    Nelder and Wedderburn, Generalized linear models, JRSS A 135 (1972).
    """
    z = X @ w + b
    return np.mean(np.exp(z) - y * z)


@loss(
    shapes="X: N D, w: D, b: scalar, v: D, c: scalar, y: N",
    wrt="w b v c",
    facts=["e * de + 2 * ds == 1 / N", "ds == 1 / (2 * N) where y = X @ w + b"],
    about=(
        "Errors of the mean are weighted by the predicted precision exp(-s). Gradient descent pushes the "
        "log-variance of a row up where its squared error is larger than the predicted variance. If every residual is "
        "0, the loss has no minimum: it falls as the log-variances fall."
    ),
)
def gaussian(X: Any, w: Any, b: Any, v: Any, c: Any, y: Any) -> Any:
    """Negative log-likelihood of normal targets with a learned mean X w + b and a learned log-variance X v + c.

    Nix and Weigend, Estimating the mean and variance of the target probability distribution, ICNN (1994); without the
    constant log(2 pi) / 2.
    """
    e = X @ w + b - y
    s = X @ v + c
    return np.mean(e**2 * np.exp(-s) + s) / 2


@loss(
    shapes="X: N D, w: D, y: N, lambda_: scalar",
    wrt="w",
    facts=["N * dw / 2 == X.T @ X @ w + N * lambda_ * w - X.T @ y"],
    about=(
        "The gradient of least squares plus 2 λ w, which pulls the weights to 0. Where it is 0, the normal equations "
        "hold, (Xᵀ X + N λ I) w = Xᵀ y; the fact below says so."
    ),
)
def ridge(X: Any, w: Any, y: Any, lambda_: Any = 1) -> Any:
    """Least squares with an L2 penalty.

    Hoerl and Kennard, Ridge regression, Technometrics 12 (1970).
    """
    e = X @ w - y
    return np.mean(e**2) + lambda_ * np.sum(w**2)


@loss(
    shapes="X: N D, w: D, y: N, lambda_: scalar, alpha: scalar",
    wrt="w",
    about=(
        "The gradient of least squares, plus λ (1 - α) w as in ridge regression, plus λ α times the sign of each "
        "weight, which can set weights exactly to 0 at the optimum. At a weight of 0, |w| has no derivative, and "
        "0 is taken for it."
    ),
)
def elastic_net(X: Any, w: Any, y: Any, lambda_: Any = 1, alpha: Any = 0.5) -> Any:
    """Least squares with an L1 and an L2 penalty.

    Zou and Hastie, Regularization and variable selection via the elastic net, JRSS B 67 (2005), as scikit-learn's
    ``ElasticNet`` weighs them.
    """
    e = X @ w - y
    return np.mean(e**2) / 2 + lambda_ * (alpha * np.sum(np.abs(w)) + (1 - alpha) / 2 * np.sum(w**2))
