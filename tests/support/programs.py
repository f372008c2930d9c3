"""Programs of users' own, which the engine has never been told about: forward equations only."""

from __future__ import annotations

from collections.abc import Callable

import classifier as cl
from sympy import Expr, Rational, Sum, erf, exp, log, sqrt, tanh

from symgrad.equations import Definition, abbreviation, node, one_hot, rows_sum_to_one, symmetric
from symgrad.functions import absolute, clip, maximum, minimum, relu, selection, step, where
from symgrad.notation import Array, Axis
from symgrad.program import Program

N, D, C, X, W, b, Y, Z, S, P, L = cl.N, cl.D, cl.C, cl.X, cl.W, cl.b, cl.Y, cl.Z, cl.S, cl.P, cl.L
n, d, k, j = cl.n, cl.d, cl.k, cl.j
H, T = Axis("H", "hidden units"), Axis("T", "tokens")
h, g = H.index("h"), H.index("g")
w, y = Array("w", (D,)), Array("y", (N,))
t, s, u = T.index("t"), T.index("s"), T.index("u")


def _classifier(name: str, *equations: Definition, inputs: tuple[Array, ...] = (), softmax: bool = True) -> Program:
    shared = (cl.logits(), cl.normaliser(), abbreviation(P[n, k], exp(Z[n, k]) / S[n])) if softmax else (cl.logits(),)
    return Program(name, (N, D, C), (X, W, b, Y, *inputs), (*shared, *equations), "L", (rows_sum_to_one(Y),))


def _nll(weight: Expr | int = 1) -> Expr:
    return Sum(-weight * Y[n, k] * log(P[n, k]), n, k)


def class_weights() -> Program:
    """Weighted cross-entropy divided by the number of rows."""
    a = Array("a", (C,), positive=True)
    return _classifier("class_weights", node(L.base, _nll(a[k]) / N.size), inputs=(a,))


def class_weights_normalised() -> Program:
    """Weighted cross-entropy divided by the sum of the weights of the rows' classes, as PyTorch does."""
    a, total = Array("a", (C,), positive=True), Array("A")
    return _classifier(
        "class_weights_normalised",
        abbreviation(total.base, Sum(a[k] * Y[n, k], n, k)),
        node(L.base, _nll(a[k]) / total.base),
        inputs=(a,),
    )


def temperature() -> Program:
    """Cross-entropy of the softmax of Z / tau."""
    tau = Array("tau", (), positive=True)
    return Program(
        "temperature",
        (N, D, C),
        (X, W, b, Y, tau),
        (
            cl.logits(),
            abbreviation(S[n], Sum(exp(Z[n, j] / tau.base), j)),
            abbreviation(P[n, k], exp(Z[n, k] / tau.base) / S[n]),
            node(L.base, _nll() / N.size),
        ),
        "L",
        (rows_sum_to_one(Y),),
    )


def label_smoothing() -> Program:
    """Cross-entropy against labels mixed with the uniform distribution."""
    alpha, mixed = Array("alpha"), Array("T", (N, C))
    return _classifier(
        "label_smoothing",
        abbreviation(mixed[n, k], (1 - alpha.base) * Y[n, k] + alpha.base / C.size),
        node(L.base, -Sum(mixed[n, k] * log(P[n, k]), n, k) / N.size),
        inputs=(alpha,),
    )


def l2_penalty() -> Program:
    """Cross-entropy and lambda times the squared norm of W."""
    lam = Array("lambda_")
    return _classifier("l2_penalty", node(L.base, _nll() / N.size + lam.base * Sum(W[d, k] ** 2, d, k)), inputs=(lam,))


def in_and_beside_a_logarithm() -> Program:
    """Cross-entropy weighted by a power of 1 + p: the abbreviation P stands in a logarithm and beside it."""
    gamma = Array("gamma")
    return _classifier(
        "in_and_beside_a_logarithm",
        node(L.base, -Sum(Y[n, k] * (1 + P[n, k]) ** gamma.base * log(P[n, k]), n, k) / N.size),
        inputs=(gamma,),
    )


def sum_reduction() -> Program:
    """Cross-entropy summed over rows."""
    return _classifier("sum_reduction", node(L.base, _nll()))


def probabilities_as_node() -> Program:
    """Cross-entropy with P as a node, so that the chain rule goes through 1 / p."""
    return sum_reduction().with_nodes(["P"])


def ridge() -> Program:
    """Least squares with an L2 penalty."""
    w, y, e, lam = Array("w", (D,)), Array("y", (N,)), Array("e", (N,)), Array("lambda_")
    return Program(
        "ridge",
        (N, D),
        (X, w, y, lam),
        (
            node(e[n], Sum(X[n, d] * w[d], d) - y[n]),
            node(L.base, Sum(e[n] ** 2, n) / N.size + lam.base * Sum(w[d] ** 2, d)),
        ),
        "L",
    )


def logistic(sigmoid_is_node: bool = False) -> Program:
    """Sigmoid and binary cross-entropy."""
    w, b0, y, z, q = Array("w", (D,)), Array("b"), Array("y", (N,)), Array("z", (N,)), Array("p", (N,))
    define = node if sigmoid_is_node else abbreviation
    return Program(
        "logistic",
        (N, D),
        (X, w, b0, y),
        (
            node(z[n], Sum(X[n, d] * w[d], d) + b0.base),
            define(q[n], 1 / (1 + exp(-z[n]))),
            node(L.base, -Sum(y[n] * log(q[n]) + (1 - y[n]) * log(1 - q[n]), n) / N.size),
        ),
        "L",
    )


def two_layer_tanh() -> Program:
    """A tanh layer, then softmax cross-entropy."""
    W1, b1, W2, b2 = Array("W1", (D, H)), Array("b1", (H,)), Array("W2", (H, C)), Array("b2", (C,))
    A, hidden = Array("A", (N, H)), Array("Hid", (N, H))
    return Program(
        "two_layer_tanh",
        (N, D, H, C),
        (X, W1, b1, W2, b2, Y),
        (
            node(A[n, h], Sum(X[n, d] * W1[d, h], d) + b1[h]),
            node(hidden[n, h], tanh(A[n, h])),
            node(Z[n, k], Sum(hidden[n, h] * W2[h, k], h) + b2[k]),
            cl.normaliser(),
            abbreviation(P[n, k], exp(Z[n, k]) / S[n]),
            node(L.base, _nll() / N.size),
        ),
        "L",
        (rows_sum_to_one(Y),),
    )


def layer_norm() -> Program:
    """Layer normalisation with gain and bias, and a squared error."""
    gamma, beta, eps = Array("gamma", (D,)), Array("beta", (D,)), Array("eps", (), positive=True)
    U, mu, v, sd = Array("U", (N, D)), Array("mu", (N,)), Array("v", (N,)), Array("S", (N,))
    xhat, out = Array("Xhat", (N, D)), Array("O", (N, D))
    return Program(
        "layer_norm",
        (N, D),
        (X, gamma, beta, eps, U),
        (
            node(mu[n], Sum(X[n, d], d) / D.size),
            node(v[n], Sum((X[n, d] - mu[n]) ** 2, d) / D.size),
            abbreviation(sd[n], sqrt(v[n] + eps.base)),
            node(xhat[n, d], (X[n, d] - mu[n]) / sd[n]),
            node(out[n, d], gamma[d] * xhat[n, d] + beta[d]),
            node(L.base, Rational(1, 2) * Sum((out[n, d] - U[n, d]) ** 2, n, d)),
        ),
        "L",
    )


def attention() -> Program:
    """One attention head, softmax(Q K^T / sqrt(H)) V with Q, K and V from X, and a squared error."""
    Wq, Wk, Wv = (Array(f"W{x}", (D, H)) for x in "qkv")
    Xt, Q, K, V = Array("X", (T, D)), Array("Q", (T, H)), Array("K", (T, H)), Array("V", (T, H))
    scores, total, weights = Array("E", (T, T)), Array("S", (T,)), Array("A", (T, T))
    out, target = Array("O", (T, H)), Array("Y", (T, H))
    return Program(
        "attention",
        (T, D, H),
        (Xt, Wq, Wk, Wv, target),
        (
            node(Q[t, h], Sum(Xt[t, d] * Wq[d, h], d)),
            node(K[t, h], Sum(Xt[t, d] * Wk[d, h], d)),
            node(V[t, h], Sum(Xt[t, d] * Wv[d, h], d)),
            node(scores[t, s], Sum(Q[t, h] * K[s, h], h) / sqrt(H.size)),
            abbreviation(total[t], Sum(exp(scores[t, u]), u)),
            node(weights[t, s], exp(scores[t, s]) / total[t]),
            node(out[t, h], Sum(weights[t, s] * V[s, h], s)),
            node(L.base, Sum((out[t, h] - target[t, h]) ** 2, t, h)),
        ),
        "L",
    )


def deep_tanh(layers: int) -> Program:
    """A tanh network of the given depth with square layers, and a squared error."""
    size, inner = Axis("H"), Axis("K")
    del inner
    names = range(1, layers + 1)
    i, o = size.index("h"), size.index("g")
    first, target = Array("A0", (N, size)), Array("Y", (N, size))
    layer, weights = {0: first}, {}
    equations: list[Definition] = []
    for place in names:
        layer[place], weights[place] = Array(f"A{place}", (N, size)), Array(f"W{place}", (size, size))
        pre = Array(f"Z{place}", (N, size))
        equations.append(node(pre[n, o], Sum(layer[place - 1][n, i] * weights[place][i, o], i)))
        equations.append(node(layer[place][n, o], tanh(pre[n, o])))
    equations.append(node(L.base, Sum((layer[layers][n, o] - target[n, o]) ** 2, n, o)))
    return Program("deep_tanh", (N, size), (first, *weights.values(), target), tuple(equations), "L")


def _two_layers(name: str, activation: Callable[[Expr], Expr]) -> Program:
    """A layer with an activation, then softmax cross-entropy."""
    W1, b1, W2, b2 = Array("W1", (D, H)), Array("b1", (H,)), Array("W2", (H, C)), Array("b2", (C,))
    A, hidden = Array("A", (N, H)), Array("Hid", (N, H))
    return Program(
        name,
        (N, D, H, C),
        (X, W1, b1, W2, b2, Y),
        (
            node(A[n, h], Sum(X[n, d] * W1[d, h], d) + b1[h]),
            node(hidden[n, h], activation(A[n, h])),
            node(Z[n, k], Sum(hidden[n, h] * W2[h, k], h) + b2[k]),
            cl.normaliser(),
            abbreviation(P[n, k], exp(Z[n, k]) / S[n]),
            node(L.base, _nll() / N.size),
        ),
        "L",
        (rows_sum_to_one(Y),),
    )


def relu_network() -> Program:
    """A layer of rectified linear units, then softmax cross-entropy."""
    return _two_layers("relu_network", relu)


def gelu_network() -> Program:
    """A layer of Gaussian error linear units, then softmax cross-entropy."""
    return _two_layers("gelu_network", lambda z: z / 2 * (1 + erf(z / sqrt(2))))


def _regression(name: str, loss: Callable[[Expr], Expr], *inputs: Array, penalty: Expr | int = 0) -> Program:
    """The mean of a function of the residuals of a linear model."""
    e = Array("e", (N,))
    return Program(
        name,
        (N, D),
        (X, w, y, *inputs),
        (
            node(e[n], Sum(X[n, d] * w[d], d) - y[n]),
            node(L.base, Sum(loss(e[n]), n) / N.size + penalty),
        ),
        "L",
    )


def mae() -> Program:
    """The mean absolute error."""
    return _regression("mae", absolute)


def huber() -> Program:
    """The Huber loss: a square up to delta, linear beyond."""
    delta = Array("delta", (), positive=True)

    def loss(e: Expr) -> Expr:
        inside = step(delta.base - absolute(e), 1)
        return where(inside, e**2 / 2, delta.base * (absolute(e) - delta.base / 2))

    return _regression("huber", loss, delta)


def quantile() -> Program:
    """The pinball loss."""
    q = Array("q")
    return _regression("quantile", lambda e: maximum(q.base * e, (q.base - 1) * e), q)


def elastic_net() -> Program:
    """Least squares with both an L1 and an L2 penalty."""
    lam, alpha = Array("lambda_"), Array("alpha")
    penalty = lam.base * (alpha.base * Sum(absolute(w[d]), d) + (1 - alpha.base) / 2 * Sum(w[d] ** 2, d))
    return _regression("elastic_net", lambda e: e**2 / 2, lam, alpha, penalty=penalty)


def clipped() -> Program:
    """The squared residuals of predictions clipped to two bounds, which are learned."""
    low, high = Array("low"), Array("high")
    z = Array("z", (N,))
    return Program(
        "clipped",
        (N, D),
        (X, w, y, low, high),
        (
            node(z[n], Sum(X[n, d] * w[d], d)),
            node(L.base, Sum((clip(z[n], low.base, high.base) - minimum(y[n], z[n])) ** 2, n) / N.size),
        ),
        "L",
    )


def hinge() -> Program:
    """The hinge loss of a linear classifier, labels -1 and 1."""
    z = Array("z", (N,))
    return Program(
        "hinge",
        (N, D),
        (X, w, y),
        (
            node(z[n], Sum(X[n, d] * w[d], d)),
            node(L.base, Sum(relu(1 - y[n] * z[n]), n) / N.size),
        ),
        "L",
    )


def crammer_singer() -> Program:
    """The multiclass hinge loss of Crammer and Singer: the largest margin violation of each row."""
    V, M, m, t = Array("V", (N, C)), Array("M", (N, C)), Array("m", (N,)), Array("t", (N,))
    return _classifier(
        "crammer_singer",
        node(t[n], Sum(Y[n, k] * Z[n, k], k)),
        node(V[n, k], Z[n, k] - t[n] + 1 - Y[n, k]),
        node(M[n, k], selection(V[n, k], k)),
        node(m[n], Sum(M[n, k] * V[n, k], k)),
        node(L.base, Sum(m[n], n) / N.size),
        softmax=False,
    )


def heads() -> Program:
    """Batched attention with several heads: projections, softmax over the keys, output projection, squared error."""
    B, M = Axis("B", "sequences", "bn"), Axis("M", "features of a token", "md")
    E, G, T = Axis("E", "features of a head", "ef"), Axis("G", "heads", "hg"), Axis("T", "tokens", "tsur")
    i, m, e, a = B.index("b"), M.index("m"), E.index("e"), G.index("h")
    t, s, u = T.index("t"), T.index("s"), T.index("u")
    tokens, (Wq, Wk, Wv, Wo) = Array("X", (B, T, M)), (Array(f"W{x}", (G, E, M)) for x in "qkvo")
    Q, K, V, mixed = (Array(x, (B, G, T, E)) for x in "QKVO")
    scores, total, A = Array("Z", (B, G, T, T)), Array("C", (B, G, T)), Array("A", (B, G, T, T))
    out, target = Array("P", (B, T, M)), Array("Y", (B, T, M))
    return Program(
        "heads",
        (B, T, G, E, M),
        (tokens, Wq, Wk, Wv, Wo, target),
        (
            node(Q[i, a, t, e], Sum(tokens[i, t, m] * Wq[a, e, m], m)),
            node(K[i, a, t, e], Sum(tokens[i, t, m] * Wk[a, e, m], m)),
            node(V[i, a, t, e], Sum(tokens[i, t, m] * Wv[a, e, m], m)),
            node(scores[i, a, t, s], Sum(Q[i, a, t, e] * K[i, a, s, e], e) / sqrt(E.size)),
            abbreviation(total[i, a, t], Sum(exp(scores[i, a, t, u]), u)),
            node(A[i, a, t, s], exp(scores[i, a, t, s]) / total[i, a, t]),
            node(mixed[i, a, t, e], Sum(A[i, a, t, s] * V[i, a, s, e], s)),
            node(out[i, t, m], Sum(mixed[i, a, t, e] * Wo[a, e, m], a, e)),
            node(L.base, Sum((out[i, t, m] - target[i, t, m]) ** 2, i, t, m) / B.size),
        ),
        "L",
    )


def tensor_form() -> Program:
    """A three-way form x_i T_ijk y_j z_k for each row, and its squared error."""
    F, J, K = Axis("I", "first features", "ip"), Axis("J", "second features", "jq"), Axis("K", "third features", "kr")
    i, q, m = F.index("i"), J.index("j"), K.index("k")
    x, y, z, core = Array("X", (N, F)), Array("V", (N, J)), Array("Z", (N, K)), Array("T", (F, J, K))
    f, target = Array("f", (N,)), Array("u", (N,))
    return Program(
        "tensor_form",
        (N, F, J, K),
        (x, y, z, core, target),
        (
            node(f[n], Sum(x[n, i] * core[i, q, m] * y[n, q] * z[n, m], i, q, m)),
            node(L.base, Sum((f[n] - target[n]) ** 2, n) / N.size),
        ),
        "L",
    )


def factorisations() -> Program:
    """A batch of matrix factorisations U V^T of the slices of R, with a penalty on the factors."""
    B, F, J, R = (
        Axis("B", "matrices", "bc"),
        Axis("I", "rows", "ip"),
        Axis("J", "columns", "jq"),
        Axis("R", "rank", "rs"),
    )
    i, p, q, r = B.index("b"), F.index("i"), J.index("j"), R.index("r")
    left, right, target, lam = Array("U", (B, F, R)), Array("V", (B, J, R)), Array("X", (B, F, J)), Array("lambda_")
    error = Array("E", (B, F, J))
    penalty = Sum(left[i, p, r] ** 2, i, p, r) + Sum(right[i, q, r] ** 2, i, q, r)
    return Program(
        "factorisations",
        (B, F, J, R),
        (left, right, target, lam),
        (
            node(error[i, p, q], Sum(left[i, p, r] * right[i, q, r], r) - target[i, p, q]),
            node(L.base, Rational(1, 2) * Sum(error[i, p, q] ** 2, i, p, q) + lam.base * penalty),
        ),
        "L",
    )


def quadratic_form() -> Program:
    """Half of x^T A x minus b^T x, A symmetric."""
    x, b0, A = Array("x", (D,)), Array("b", (D,)), Array("A", (D, D))
    e = D.index("e")
    loss = Rational(1, 2) * Sum(x[d] * A[d, e] * x[e], d, e) - Sum(b0[d] * x[d], d)
    return Program("quadratic_form", (D,), (x, A, b0), (node(L.base, loss),), "L", (symmetric(A, "A1"),))


def whitened_residuals() -> Program:
    """Squared errors of a linear model, weighted by a symmetric matrix between the outputs."""
    A, R, l_ = Array("A", (C, C)), Array("R", (N, C)), C.index("l")
    return Program(
        "whitened_residuals",
        (N, D, C),
        (X, W, Y, A),
        (
            node(R[n, k], Sum(X[n, d] * W[d, k], d) - Y[n, k]),
            node(L.base, Sum(R[n, k] * A[k, l_] * R[n, l_], n, k, l_) / N.size),
        ),
        "L",
        (symmetric(A, "A1"),),
    )


def missing_probability() -> Program:
    """The probability that the labelled class lacks, squared, for one-hot labels."""
    q = Array("Q", (N,))
    return Program(
        "missing_probability",
        (N, D, C),
        (X, W, b, Y),
        (
            cl.logits(),
            cl.normaliser(),
            abbreviation(P[n, k], exp(Z[n, k]) / S[n]),
            node(q[n], Sum(Y[n, k] * P[n, k], k)),
            node(L.base, Sum(Y[n, k] ** 2 * (1 - q[n]) ** 2, n, k) / N.size),
        ),
        "L",
        one_hot(Y),
    )


def labelled_logits() -> Program:
    """The logit of the labelled class, squared, less its exponential; the labels stand in powers."""
    own = Sum(Y[n, k] * Z[n, k], k)
    return Program(
        "labelled_logits",
        (N, D, C),
        (X, W, b, Y),
        (cl.logits(), node(L.base, Sum(own**2, n) - Sum(Y[n, k] ** 3 * exp(Z[n, k]), n, k))),
        "L",
        one_hot(Y),
    )


# name -> (program, arrays to differentiate with respect to)
ZOO = {
    "class_weights": (class_weights, ("W", "b")),
    "class_weights_normalised": (class_weights_normalised, ("W", "b")),
    "temperature": (temperature, ("W", "b")),
    "label_smoothing": (label_smoothing, ("W", "b")),
    "l2_penalty": (l2_penalty, ("W", "b")),
    "in_and_beside_a_logarithm": (in_and_beside_a_logarithm, ("W", "b")),
    "sum_reduction": (sum_reduction, ("W", "b", "X", "Z")),
    "probabilities_as_node": (probabilities_as_node, ("W", "P", "Z")),
    "ridge": (ridge, ("w",)),
    "logistic": (logistic, ("w", "b")),
    "two_layer_tanh": (two_layer_tanh, ("W1", "b1", "W2", "b2")),
    "layer_norm": (layer_norm, ("X", "gamma", "beta")),
    "attention": (attention, ("X", "Wq", "Wk", "Wv")),
    "relu_network": (relu_network, ("W1", "b1", "W2", "b2")),
    "gelu_network": (gelu_network, ("W1", "b1", "W2", "b2")),
    "mae": (mae, ("w",)),
    "huber": (huber, ("w",)),
    "quantile": (quantile, ("w",)),
    "elastic_net": (elastic_net, ("w",)),
    "clipped": (clipped, ("w", "low", "high")),
    "hinge": (hinge, ("w",)),
    "crammer_singer": (crammer_singer, ("W", "b")),
    "heads": (heads, ("X", "Wq", "Wk", "Wv", "Wo")),
    "tensor_form": (tensor_form, ("X", "V", "Z", "T")),
    "factorisations": (factorisations, ("U", "V")),
    "quadratic_form": (quadratic_form, ("x",)),
    "whitened_residuals": (whitened_residuals, ("W", "A")),
    "missing_probability": (missing_probability, ("W", "b")),
    "labelled_logits": (labelled_logits, ("W", "b")),
}
