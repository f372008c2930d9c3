"""Records of both losses built by hand, so that the printers are tested on lines that no engine chose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import classifier as cl
from classifier import LOSSES, R
from sympy import (
    Expr,
    HadamardProduct,
    Integer,
    KroneckerDelta,
    MatAdd,
    MatMul,
    OneMatrix,
    Sum,
    Transpose,
    exp,
    log,
)

from symgrad.notation import Array
from symgrad.steps import (
    Condition,
    Gradient,
    MatrixTotal,
    MatrixValue,
    Partial,
    Record,
    Step,
    Subject,
    Total,
    Value,
)

N, D, C, X, W, b, Y, Z, S, P, L = cl.N, cl.D, cl.C, cl.X, cl.W, cl.b, cl.Y, cl.Z, cl.S, cl.P, cl.L
n, d, k, j = cl.n, cl.d, cl.k, cl.j
m, c = N.index("m"), C.index("c")
G = Array("G", (N, C))
POSITIVE = Condition(S[n], "a sum of exponentials")
delta_nm, delta_kc = KroneckerDelta(n, m), KroneckerDelta(k, c)
ones_N, ones_C = OneMatrix(N.size, 1), OneMatrix(C.size, 1)

Line = tuple[Subject, Expr, str, dict[str, object]]


def _steps(lines: Iterable[Line]) -> tuple[Step, ...]:
    last: dict[Subject, Expr] = {}
    steps = []
    for number, (subject, after, reason, more) in enumerate(lines, 1):
        rule = "definition" if reason == "definition" else "rule"
        steps.append(Step(number, subject, last.get(subject), after, rule, reason, **more))  # type: ignore[arg-type]
        last[subject] = after
    return tuple(steps)


def cross_entropy() -> Record:
    """The cross-entropy derivation of issue 2, in the lines that its reader must find."""
    program = LOSSES["softmax_cross_entropy"]().with_nodes(["W", "b"])
    (rows,) = program.assumptions
    definitions = program.definitions
    dz, dw = Total(Z[m, c]), Total(W[d, c])
    size = N.size
    lines: list[Line] = [
        *((Value(e.entry), e.rhs, "definition", {}) for e in program.ordered),
        (Value(log(P[n, k])), Z[n, k] - log(S[n]), "the logarithm of its definition", {"cites": (3,)}),
        (Partial(log(P[n, k]), Z[m, c]), delta_nm * (delta_kc - exp(Z[n, c]) / S[n]), "differentiate", {}),
        (
            Partial(log(P[n, k]), Z[m, c]),
            delta_nm * (delta_kc - P[n, c]),
            "in terms of P",
            {"conditions": (POSITIVE,)},
        ),
        (dz, -Sum(Y[n, k] * delta_nm * (delta_kc - P[n, c]), n, k) / size, "differentiate L", {"cites": (4, 7)}),
        (dz, -Sum(Y[m, k] * (delta_kc - P[m, c]), k) / size, "the delta in n picks row m", {}),
        (dz, (P[m, c] * Sum(Y[m, k], k) - Y[m, c]) / size, "the delta in k picks column c", {}),
        (dz, (P[m, c] - Y[m, c]) / size, "a row of Y sums to one", {"assumption": rows}),
        (Partial(Z[n, k], W[d, c]), X[n, d] * delta_kc, "differentiate", {"cites": (1,)}),
        (dw, Sum(X[n, d] * G[n, c], n), "chain rule", {"cites": (12,)}),
        (Total(b[c]), Sum(G[n, c], n), "chain rule", {"cites": (1,)}),
        (
            MatrixValue(Z),
            MatAdd(MatMul(X.matrix, W.matrix), MatMul(ones_N, Transpose(b.matrix))),
            "in matrix notation",
            {"cites": (1,)},
        ),
        (MatrixTotal(Z), MatMul(1 / size, P.matrix - Y.matrix), "in matrix notation", {"cites": (11,)}),
        (MatrixTotal(W), MatMul(Transpose(X.matrix), G.matrix), "in matrix notation", {"cites": (13,)}),
        (MatrixTotal(b), MatMul(Transpose(G.matrix), ones_N), "in matrix notation", {"cites": (14,)}),
    ]
    assert len(definitions) == 4
    return Record(
        program=program,
        wrt=("W", "b"),
        steps=_steps(lines),
        gradients={
            "W": Gradient(W, W[d, c], Sum(X[n, d] * G[n, c], n), MatMul(Transpose(X.matrix), G.matrix)),
            "b": Gradient(b, b[c], Sum(G[n, c], n), MatMul(Transpose(G.matrix), ones_N)),
        },
        adjoints={"Z": Gradient(Z, Z[m, c], (P[m, c] - Y[m, c]) / size, MatMul(1 / size, P.matrix - Y.matrix))},
        adjoint_arrays={"Z": G},
    )


def mse_entry() -> Expr:
    """dL/dz_mc of softmax and the mean squared error."""
    return 2 * P[m, c] * (R[m, c] - Sum(P[m, k] * R[m, k], k)) / (C.size * N.size)


def mse_matrix() -> Expr:
    """dL/dZ of softmax and the mean squared error: 2/(N C) P o (R - ((R o P) 1) 1^T)."""
    row_sums = MatMul(HadamardProduct(R.matrix, P.matrix), ones_C, Transpose(ones_C))
    bracket = MatAdd(R.matrix, MatMul(Integer(-1), row_sums))
    return MatMul(2 / (C.size * N.size), HadamardProduct(P.matrix, bracket))


def mse() -> Record:
    """A short derivation of softmax and the mean squared error."""
    program = LOSSES["softmax_mse"]().with_nodes(["W", "b"])
    jacobian = Partial(P[n, k], Z[m, c])
    lines: list[Line] = [
        *((Value(e.entry), e.rhs, "definition", {}) for e in program.ordered),
        (jacobian, delta_nm * P[n, k] * (delta_kc - P[n, c]), "in terms of P", {"conditions": (POSITIVE,)}),
        (Total(Z[m, c]), mse_entry(), "chain rule", {"cites": (5, 6)}),
        (MatrixTotal(Z), mse_matrix(), "in matrix notation", {"cites": (7,)}),
    ]
    gradient = Gradient(Z, Z[m, c], mse_entry(), mse_matrix())
    return Record(program, ("Z",), _steps(lines), {"Z": gradient}, {"Z": gradient}, {"Z": G})


def scalar_adjoint() -> tuple[Record, Expr, Expr]:
    """A record in which a scalar input has a named adjoint, and that adjoint in both notations."""
    tau, adjoint = Array("tau"), Array("G_tau")
    record = cross_entropy()
    program = replace(record.program, inputs=(*record.program.inputs, tau))
    record = replace(record, program=program, adjoint_arrays={"Z": G, "tau": adjoint})
    return record, X[n, d] * adjoint.base, MatMul(adjoint.base, X.matrix)


LONG = "exactly at shapes (2,4,3), (3,2,2), (4,4,4), (5,3,2)"
MARKS = {7: "every shape", 10: "exactly at shapes (2, 4, 3)", 11: "wrong"}
