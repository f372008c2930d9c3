"""Layers: arrays out, an upstream gradient in.

What the frameworks split, reshape or concatenate has an axis or an array of its own here: a head is an axis, and each
gate has its own weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.array import gelu as gelu_of
from symgrad.array import sigmoid, softmax
from symgrad.array.layer import layer

NORMALISED = "The gradient of the normalised array, minus its mean, minus Xhat times the mean of its product with Xhat"


@layer(
    shapes="X: N D, W: D H, b: H",
    about="The gradient goes back through the transposed weights; that of the weights adds up outer products of rows.",
)
def linear(X: Any, W: Any, b: Any) -> Any:
    """Linear layer.

    Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, Nature 323 (1986).
    """
    return X @ W + b


@layer(shapes="E: V D, y: N labels of V", wrt="E", about="Each row of E gets the sum of the gradients of its tokens.")
def embedding(E: Any, y: Any) -> Any:
    """Embedding: the row of a table for each token.

    Bengio, Ducharme, Vincent and Jauvin, A neural probabilistic language model, JMLR 3 (2003).
    """
    return E[y]


@layer(
    shapes="X: N D, M: N D binary, p: scalar probability",
    wrt="X",
    about="What is dropped gets no gradient; what is kept is scaled as in the forward pass.",
)
def dropout(X: Any, M: Any, p: Any = 0.5) -> Any:
    """Inverted dropout, with the mask given.

    Srivastava et al., Dropout, JMLR 15 (2014).
    """
    return X * M / (1 - p)


@layer(
    shapes="X: N D, gamma: D, beta: D, eps: scalar positive",
    wrt="X gamma beta",
    facts=["sum(dX, axis=0) == 0"],
    about=f"{NORMALISED}, over the standard deviation; means are over the batch.",
)
def batch_norm(X: Any, gamma: Any, beta: Any, eps: Any = 1e-5) -> Any:
    """Batch normalisation in training mode.

    Ioffe and Szegedy, Batch normalization, ICML (2015).
    """
    mu = np.mean(X, axis=0)
    v = np.mean((X - mu) ** 2, axis=0)
    S = np.sqrt(v + eps)
    Xhat = (X - mu) / S
    return gamma * Xhat + beta


@layer(
    shapes="X: N D, gamma: D, beta: D, eps: scalar positive",
    wrt="X gamma beta",
    facts=["sum(dX, axis=1) == 0"],
    name="layernorm",
    about=f"{NORMALISED}, over the standard deviation; means are over the features of a row.",
)
def layer_norm(X: Any, gamma: Any, beta: Any, eps: Any = 1e-5) -> Any:
    """Layer normalisation.

    Ba, Kiros and Hinton, Layer normalization (2016).
    """
    mu = np.mean(X, axis=1, keepdims=True)
    v = np.mean((X - mu) ** 2, axis=1, keepdims=True)
    S = np.sqrt(v + eps)
    Xhat = (X - mu) / S
    return gamma * Xhat + beta


@layer(
    shapes="X: N G C, gamma: G C, beta: G C, eps: scalar positive",
    wrt="X gamma beta",
    axes={"G": "groups", "C": "channels of a group"},
    about=f"{NORMALISED}, over the standard deviation; means are over the channels of a group.",
)
def group_norm(X: Any, gamma: Any, beta: Any, eps: Any = 1e-5) -> Any:
    """Group normalisation, with an axis for the groups.

    Wu and He, Group normalization, ECCV (2018).
    """
    mu = np.mean(X, axis=2, keepdims=True)
    v = np.mean((X - mu) ** 2, axis=2, keepdims=True)
    S = np.sqrt(v + eps)
    Xhat = (X - mu) / S
    return gamma * Xhat + beta


@layer(
    shapes="X: N C T, gamma: C, beta: C, eps: scalar positive",
    wrt="X gamma beta",
    axes={"C": "channels", "T": "positions"},
    about=f"{NORMALISED}, over the standard deviation; means are over the positions of a channel.",
)
def instance_norm(X: Any, gamma: Any, beta: Any, eps: Any = 1e-5) -> Any:
    """Instance normalisation.

    Ulyanov, Vedaldi and Lempitsky, Instance normalization (2016).
    """
    mu = np.mean(X, axis=2, keepdims=True)
    v = np.mean((X - mu) ** 2, axis=2, keepdims=True)
    S = np.sqrt(v + eps)
    Xhat = (X - mu) / S
    return gamma[None, :, None] * Xhat + beta[None, :, None]


@layer(
    shapes="X: N D, gamma: D, eps: scalar positive",
    wrt="X gamma",
    name="rmsnorm",
    about="As in layer normalisation, without the mean: only the part along the row itself is removed.",
)
def rms_norm(X: Any, gamma: Any, eps: Any = 1e-5) -> Any:
    """Normalisation by the root mean square.

    Zhang and Sennrich, Root mean square layer normalization, NeurIPS (2019).
    """
    v = np.mean(X**2, axis=1, keepdims=True)
    S = np.sqrt(v + eps)
    Xhat = X / S
    return gamma * Xhat


@layer(shapes="X: N D", about="The slope is the share Φ of the identity plus x times the density φ.")
def gelu(X: Any) -> Any:
    """Gaussian error linear unit, the exact form.

    Hendrycks and Gimpel, Gaussian error linear units (2016).
    """
    return gelu_of(X)


@layer(
    shapes="X: N D", about="The slope is P plus the output times 1 - P, which is the part of the input not let through."
)
def silu(X: Any) -> Any:
    """Sigmoid linear unit, also called swish.

    Elfwing, Uchibe and Doya, Sigmoid-weighted linear units (2018).
    """
    P = sigmoid(X)
    return X * P


@layer(shapes="A: N D, B: N D", about="Each half is the gate of the gradient of the other.")
def glu(A: Any, B: Any) -> Any:
    """Gated linear unit, with an array for each half.

    Dauphin, Fan, Auli and Grangier, Language modeling with gated convolutional networks, ICML (2017).
    """
    return A * sigmoid(B)


@layer(
    shapes="X: N D, W: D H, V: D H, U: H D",
    about="The gradient goes back through both branches: B gets the gate SiLU(A), and A gets B times its slope.",
)
def swiglu(X: Any, W: Any, V: Any, U: Any) -> Any:
    """SwiGLU feed-forward layer.

    Shazeer, GLU variants improve transformer (2020).
    """
    A = X @ W
    B = X @ V
    P = sigmoid(A)
    F = A * P * B
    return F @ U


@layer(
    shapes="Q: T D, K: S D, V: S E",
    axes={"T": "queries", "S": "keys", "E": "features of a value"},
    facts=["sum(dZ, axis=1) == 0"],
    about="The gradient reaches the values through the weights A, and the scores through the Jacobian of the softmax.",
)
def attention(Q: Any, K: Any, V: Any) -> Any:
    """Scaled dot-product attention.

    Vaswani et al., Attention is all you need, NeurIPS (2017), equation 1.
    """
    Z = Q @ K.T / np.sqrt(K.shape[1])
    A = softmax(Z, axis=1)
    return A @ V


@layer(
    shapes="Q: H T D, K: H S D, V: H S E, W: H E C",
    axes={"H": "heads", "T": "queries", "S": "keys", "E": "features of a value", "C": "features of the output"},
    about="Each head is attention of its own; the gradient of its output goes back through its part of the projection.",
)
def multi_head_attention(Q: Any, K: Any, V: Any, W: Any) -> Any:
    """Multi-head attention with an axis for the heads.

    Vaswani et al., Attention is all you need, NeurIPS (2017), section 3.2.2.
    """
    Z = Q @ np.swapaxes(K, 1, 2) / np.sqrt(K.shape[2])
    A = softmax(Z, axis=2)
    U = A @ V
    return np.einsum("hte,hec->tc", U, W)


@layer(
    shapes="X: T D, Y: T D, C: T D, S: T D",
    wrt="X Y",
    about="Where C² + S² = 1 each pair is rotated, and its gradient is rotated back.",
)
def rotary_embedding(X: Any, Y: Any, C: Any, S: Any) -> Any:
    """Rotary position embedding of pairs (X, Y), with the cosines C and sines S given.

    Su et al., RoFormer (2021).
    """
    U = X * C - Y * S
    V = X * S + Y * C
    return U, V


@layer(
    shapes="X: N D, W: D H, A: D R, B: R H, alpha: scalar",
    wrt="X A B",
    about="The frozen weights W get no gradient; A and B get that of their product, through each other.",
)
def lora(X: Any, W: Any, A: Any, B: Any, alpha: Any = 1.0) -> Any:
    """Low-rank adaptation of a linear layer.

    Hu et al., LoRA (2021).
    """
    U = X @ A
    return X @ W + alpha * (U @ B)


@layer(
    shapes="x: N D, h: N H, W: D H, U: H H, b: H",
    about="The gradient of the pre-activation, dO times 1 - o², goes to both inputs and all weights.",
)
def rnn_cell(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    """Elman's recurrent cell.

    Elman, Finding structure in time, Cognitive Science 14 (1990).
    """
    A = x @ W + h @ U + b
    return np.tanh(A)


@layer(
    shapes="x: N D, h: N H, Wr: D H, Ur: H H, Wz: D H, Uz: H H, Wn: D H, Un: H H",
    about="The update gate Z passes the share Z of the gradient to the old state, and 1 - Z to the candidate.",
)
def gru_cell(x: Any, h: Any, Wr: Any, Ur: Any, Wz: Any, Uz: Any, Wn: Any, Un: Any) -> Any:
    """Gated recurrent unit, as in PyTorch, without biases.

    Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP (2014).
    """
    A = x @ Wr + h @ Ur
    B = x @ Wz + h @ Uz
    R = sigmoid(A)
    Z = sigmoid(B)
    U = h @ Un
    F = x @ Wn + R * U
    M = np.tanh(F)
    return (1 - Z) * M + Z * h


@layer(
    shapes="x: N D, h: N H, c: N H, Wi: D H, Ui: H H, Wf: D H, Uf: H H, Wg: D H, Ug: H H, Wo: D H, Uo: H H",
    about="The gradient of the cell adds up both outputs, and reaches the old cell through the forget gate alone.",
)
def lstm_cell(x: Any, h: Any, c: Any, Wi: Any, Ui: Any, Wf: Any, Uf: Any, Wg: Any, Ug: Any, Wo: Any, Uo: Any) -> Any:
    """Long short-term memory, without biases: the new hidden state and the new cell state.

    Hochreiter and Schmidhuber, Long short-term memory, Neural Computation 9 (1997).
    """
    A = x @ Wi + h @ Ui
    B = x @ Wf + h @ Uf
    E = x @ Wg + h @ Ug
    R = x @ Wo + h @ Uo
    P = sigmoid(A)  # the input gate
    F = sigmoid(B)  # the forget gate
    M = np.tanh(E)
    Q = sigmoid(R)  # the output gate
    K = F * c + P * M
    Y = Q * np.tanh(K)
    return Y, K
