"""Losses in the user's language trace to the programs that a careful person would write by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import programs
import pytest
from cases import sampled
from catalogue import derived
from classifier import LOSSES
from sympy import Indexed, Integer, Rational

import symgrad
from symgrad.array import log_softmax, sigmoid, softmax
from symgrad.array.loss import Loss
from symgrad.canonical import canonical
from symgrad.cli import main
from symgrad.codegen import compile_source
from symgrad.engine.summation import split_sums
from symgrad.loss_lookup import find
from symgrad.notation import axis_name, renamed
from symgrad.program import Program

CLASSIFIER = "X: N D, W: D C, b: C, Y: N C distribution"
Arrays = Any


@symgrad.loss(shapes="X: N D, W: D C, b: C, Y: N C", wrt="W b")
def softmax_mse(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Arrays:
    """Mean squared error of softmax probabilities."""
    return np.mean((softmax(X @ W + b, axis=1) - Y) ** 2)


@symgrad.loss(shapes=CLASSIFIER, wrt="W b")
def with_log_softmax(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Arrays:
    """Softmax cross-entropy from logits."""
    return -np.mean(np.sum(Y * log_softmax(X @ W + b, axis=1), axis=1))


@symgrad.loss(shapes=CLASSIFIER, wrt="W b")
def with_log(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Arrays:
    Z = X @ W + b
    P = softmax(Z, axis=1)
    return np.sum(Y * -np.log(P)) / len(X)


@symgrad.loss(shapes=CLASSIFIER, wrt="W b")
def by_hand(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Arrays:
    Z = X @ W + b
    E = np.exp(Z)
    P = E / E.sum(axis=1, keepdims=True)
    return -(Y * np.log(P)).sum(axis=1).mean()


@symgrad.loss(shapes="X: N D, W: D C, b: C, y: N labels of C", wrt="W b")
def with_labels(X: Arrays, W: Arrays, b: Arrays, y: Arrays) -> Arrays:
    P = softmax(X @ W + b, axis=1)
    return -np.log(P[np.arange(len(y)), y]).mean()


@symgrad.loss(shapes="X: N D, w: D, y: N, lambda_: scalar", wrt="w")
def ridge(X: Arrays, w: Arrays, y: Arrays, lambda_: Arrays) -> Arrays:
    e = X @ w - y
    return np.mean(e**2) + lambda_ * np.sum(w**2)


@symgrad.loss(shapes="X: N D, w: D, b: scalar, y: N", wrt="w b")
def logistic(X: Arrays, w: Arrays, b: Arrays, y: Arrays) -> Arrays:
    p = sigmoid(X @ w + b)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


@symgrad.loss(shapes="X: N D, gamma: D, beta: D, eps: scalar positive, U: N D", wrt="X gamma beta")
def layer_norm(X: Arrays, gamma: Arrays, beta: Arrays, eps: Arrays, U: Arrays) -> Arrays:
    mu = X.mean(axis=1, keepdims=True)
    v = X.var(axis=1, keepdims=True)
    S = np.sqrt(v + eps)
    Xhat = (X - mu) / S
    O = gamma * Xhat + beta  # noqa: E741
    return 0.5 * np.sum((O - U) ** 2)


@symgrad.loss(shapes="X: T D, Wq: D H, Wk: D H, Wv: D H, Y: T H", wrt="X Wq Wk Wv")
def attention(X: Arrays, Wq: Arrays, Wk: Arrays, Wv: Arrays, Y: Arrays) -> Arrays:
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    E = Q @ K.T / np.sqrt(Wq.shape[1])
    A = softmax(E, axis=1)
    O = A @ V  # noqa: E741
    return np.sum((O - Y) ** 2)


@symgrad.loss(shapes="X: N D, W1: D H, b1: H, W2: H C, b2: C, Y: N C distribution", wrt="W1 b1 W2 b2")
def two_layer_tanh(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Arrays:
    A = X @ W1 + b1
    Hid = np.tanh(A)
    return -np.mean(np.sum(Y * log_softmax(Hid @ W2 + b2, axis=1), axis=1))


@symgrad.loss(shapes=f"{CLASSIFIER}, alpha: scalar", wrt="W b")
def label_smoothing(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, alpha: Arrays = 0.1) -> Arrays:
    T = (1 - alpha) * Y + alpha / Y.shape[1]
    return -np.mean(np.sum(T * log_softmax(X @ W + b), axis=1))


@symgrad.loss(shapes=f"{CLASSIFIER}, tau: scalar positive", wrt="W b")
def temperature(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, tau: Arrays) -> Arrays:
    Z = X @ W + b
    return -np.sum(Y * np.log(softmax(Z / tau, axis=1))) / X.shape[0]


@symgrad.loss(shapes=f"{CLASSIFIER}, a: C positive", wrt="W b")
def class_weights(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, a: Arrays) -> Arrays:
    return -np.sum(a * Y * log_softmax(X @ W + b)) / len(X)


@symgrad.loss(shapes=f"{CLASSIFIER}, a: C positive", wrt="W b")
def class_weights_normalised(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, a: Arrays) -> Arrays:
    A = np.sum(a * Y)
    return -np.sum(a * Y * log_softmax(X @ W + b)) / A


PAIRS: list[tuple[Loss, Callable[[], Program]]] = [
    (softmax_mse, LOSSES["softmax_mse"]),
    (with_log_softmax, LOSSES["softmax_cross_entropy"]),
    (with_log, LOSSES["softmax_cross_entropy"]),
    (by_hand, LOSSES["softmax_cross_entropy"]),
    (with_labels, LOSSES["softmax_cross_entropy"]),
    (ridge, programs.ridge),
    (logistic, lambda: programs.logistic()),
    (layer_norm, programs.layer_norm),
    (attention, programs.attention),
    (two_layer_tanh, programs.two_layer_tanh),
    (label_smoothing, programs.label_smoothing),
    (temperature, programs.temperature),
    (class_weights, programs.class_weights),
    (class_weights_normalised, programs.class_weights_normalised),
]


def written(program: Program) -> dict[str, tuple[bool, object]]:
    """The equations by name, in one spelling: the free indices named by their place, sums split."""
    found = {}
    for e in program.equations:
        names = {i: program.axis[axis_name(i)].index(f"free{place}") for place, i in enumerate(e.indices)}
        found[e.name] = e.is_node, canonical(split_sums(canonical(renamed(e.rhs, names)).expand()))
    return found


def axes_of(program: Program) -> dict[str, list[str]]:
    return {array.name: [axis.name for axis in array.axes] for array in program.inputs}


@pytest.mark.parametrize(("loss", "by_hand"), PAIRS, ids=[loss.name for loss, _ in PAIRS])
def test_a_loss_traces_to_the_program_written_by_hand(loss: Loss, by_hand: Callable[[], Program]) -> None:
    program, expected = loss.program(), by_hand()
    assert axes_of(program) == axes_of(expected)
    assert {a.name for a in program.inputs if a.positive} == {a.name for a in expected.inputs if a.positive}
    assert written(program) == written(expected)
    assert program.output == expected.output
    assert [a.name for a in program.axes] == [a.name for a in expected.axes]


@pytest.mark.parametrize("loss", [with_labels, with_log_softmax])
def test_the_derivation_is_the_one_of_the_program(loss: Loss) -> None:
    gradient = symgrad.derive(loss).gradients["W"].matrix
    assert gradient == derived("softmax_cross_entropy").gradients["W"].matrix


def test_a_scalar_is_symbolic_unless_fixed() -> None:
    focal = symgrad.loss(shapes="P: N positive, gamma: scalar", wrt="P")(
        lambda P, gamma=2: -np.mean((1 - P) ** gamma * np.log(P))
    )
    assert "gamma" in focal.program().arrays
    assert "gamma" not in focal.program(gamma=0.5).arrays
    assert "sqrt(1 - P[n])" in str(focal.program(gamma=0.5).equations[-1].rhs)
    assert focal(np.array([0.5])) == pytest.approx(0.25 * np.log(2))
    assert symgrad.derive(focal, gamma=2).gradients["P"].index is not None


def test_other_parameters_are_ordinary_values() -> None:
    @symgrad.loss(shapes="x: N", wrt="x")
    def square(x: Arrays, reduction: str = "mean") -> Arrays:
        return np.mean(x**2) if reduction == "mean" else np.sum(x**2)

    assert str(square.program().equations[-1].rhs).endswith("/N")
    assert "/N" not in str(square.program(reduction="sum").equations[-1].rhs).replace("N - 1", "")


def test_what_gets_an_adjoint_of_its_own() -> None:
    @symgrad.loss(shapes="X: N D, W: D C, b: C, Y: N C, gamma: scalar", wrt="W b")
    def focal(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, gamma: Arrays = 2) -> Arrays:
        Z = X @ W + b
        P = softmax(Z, axis=1)
        return -np.mean(np.sum(Y * (1 - P) ** gamma * log_softmax(Z, axis=1), axis=1))

    assert {e.name: e.is_node for e in focal.program().equations} == {"Z": True, "S": False, "P": True, "L": True}


def test_a_long_chain_is_not_written_out() -> None:
    """Each value is used twice by the next: written out, the last would have a million terms."""
    space: dict[str, Any] = {"np": np}
    exec(LOOP, space)
    assert len(symgrad.loss(shapes="x: N")(space["f"]).program().equations) >= 20
    deep = "x"
    for _ in range(12):
        deep = f"(lambda v: v * np.exp(v))({deep})"
    unnamed = symgrad.loss(shapes="x: N")(eval(f"lambda x: np.sum({deep})", {"np": np}))
    assert max(len(str(e.rhs)) for e in unnamed.program().equations) < 2_000


LOOP = """
def twice(x):
    return x * np.exp(x)
def f(x):
    for _ in range(20):
        x = twice(x)
    return np.sum(x)
"""


def test_equal_values_are_one_value() -> None:
    def loss(X: Arrays) -> Arrays:
        first = (X - X.max(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
        second = (X - X.max(axis=1)[:, None]) / np.sqrt(np.var(X, axis=1))[:, None]
        return np.sum(first * second**3)

    names = [e.name for e in symgrad.loss(shapes="X: N D")(loss).program().equations]
    assert sorted(names) == sorted(["Q", "m", "mu", "v", "sigma", "sigma1", "first", "second", "L"])


def blocks(page: str) -> list[str]:
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    return [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "symgrad.loss" in block]


@pytest.mark.parametrize("block", sampled([*blocks("README.md"), *blocks("docs/writing-a-loss.md")], every=2))
def test_the_losses_of_the_documentation_derive(block: str) -> None:
    space: dict[str, Any] = {}
    exec(block, space)
    losses = [value for value in space.values() if isinstance(value, Loss)]
    assert losses and all(symgrad.derive(loss).prove().ok for loss in losses)


def test_the_refusal_of_the_documentation_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "writing-a-loss.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(X \(N, D\).*?)```", page, re.DOTALL)
    declared = (
        '@symgrad.loss(shapes="X: N D, V: C D", wrt="V")\ndef wrong(X, V):\n    Z = X @ V\n    return np.mean(Z)\n'
    )
    (tmp_path / "mylosses.py").write_text(
        "import numpy as np\nimport symgrad\n" + 7 * "\n" + declared, encoding="utf-8"
    )
    assert main(["derive", f"{tmp_path}/mylosses.py:wrong"]) == 2
    assert capsys.readouterr().err.replace(f"{tmp_path}/", "") == f"symgrad: {shown}"


def test_the_shift_by_the_largest_entry_is_seen_to_cancel() -> None:
    """The adjoint of the shift is 0, by the rules that derive everything else."""

    @symgrad.loss(shapes="X: N D, W: D C, b: C, Y: N C distribution", wrt="W b")
    def shifted(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Arrays:
        Z = X @ W + b
        Z = Z - Z.max(axis=1, keepdims=True)
        E = np.exp(Z)
        P = E / E.sum(axis=1, keepdims=True)
        return -(Y * np.log(P)).sum() / len(X)

    assert [e.name for e in shifted.program().equations] == ["Z", "Q", "m", "Z1", "S", "P", "L"]
    derivation = symgrad.derive(shifted)
    assert derivation.record.adjoints["m"].index == 0
    assert derivation.prove().ok
    assert {e.base.name for e in derivation.gradients["W"].index.atoms(Indexed)} == {"X", "P", "Y"}


@symgrad.loss(shapes="x: N, y: N, s: scalar, gamma: scalar, t: scalar positive", wrt="x")
def powers(x: Arrays, y: Arrays, s: Any = None, gamma: Any = 2, t: Any = 0.1) -> Arrays:
    return np.sum(np.exp(gamma * x * y) + s * t * x)


def test_a_default_of_a_scalar_is_the_generated_functions() -> None:
    derivation = symgrad.derive(powers)
    assert derivation.program.defaults == (("gamma", Integer(2)), ("t", Rational(1, 10)))
    x, y = np.array([0.3, -0.2]), np.array([1.0, 2.0])
    scalar = compile_source(derivation.to_source("f", target="scalar", sizes={"N": 2}), "f")
    whole = compile_source(derivation.to_source("f"), "f")
    assert "def f(x, y, s, gamma=2.0, t=0.1):" in derivation.to_source("f")
    for function in (derivation.to_numpy(), whole, scalar):
        value, grads = function(x, y, 3.0)
        again, same = function(x, y, 3.0, 2.0, 0.1)
        assert value == again == pytest.approx(powers(x, y, 3.0))
        assert np.array_equal(grads.x, same.x)
        assert function(x, y, 3.0, gamma=1.0)[0] == pytest.approx(powers(x, y, 3.0, gamma=1.0))


def test_a_default_before_an_input_without_one_is_not_kept() -> None:
    def body(x: Arrays, *, gamma: Any = 2, s: Any) -> Arrays:
        return np.sum(x**2) * gamma + s

    derivation = symgrad.derive(symgrad.loss(shapes="x: N, gamma: scalar, s: scalar", wrt="x")(body))
    assert "def f(x, gamma, s):" in derivation.to_source("f")
    fixed = symgrad.derive(symgrad.loss(shapes="x: N, gamma: scalar, s: scalar", wrt="x")(body), gamma=3)
    assert fixed.program.defaults == ()


# --- memory -------------------------------------------------------------------------------------------------------

VIEWS = {
    "sum(A*G)": ("A: N D, G: N D", [(2, 3), (2, 3)]),
    "trace(A)": ("A: N N", [(3, 3)]),
    "einsum('nd,dn->', A, G)": ("A: N D, G: D N", [(2, 3), (3, 2)]),
    "sum(A.T @ v)": ("A: N D, v: N", [(2, 3), (2,)]),
    "sum(v * v) / 2": ("v: N", [(3,)]),
}


@pytest.mark.parametrize("target", ["lambdify", "scalar"])
@pytest.mark.parametrize("text", VIEWS)
def test_gradients_that_are_an_input_or_a_part_of_it_have_memory_of_their_own(text: str, target: str) -> None:
    shapes, of = VIEWS[text]
    derivation = symgrad.derive(find(None, text, shapes, None))
    inputs = [np.random.default_rng(0).standard_normal(shape) for shape in of]
    sizes = {"N": of[0][0], "D": of[0][1]} if "D" in shapes else {"N": of[0][0]}
    if target == "lambdify":
        function = derivation.explicit(**sizes).lambdify()
    else:
        module: dict[str, Any] = {}
        exec(derivation.to_source(target="scalar", sizes=sizes), module)
        function = next(value for name, value in module.items() if name.endswith("_gradient"))
    loss, grads = function(*inputs)
    arrays = [*inputs, loss, *grads]
    assert not any(np.shares_memory(a, b) for a, b in combinations(arrays, 2))


# --- numbers made of sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", sampled([2, 3, 4], 3))
@pytest.mark.parametrize(
    "text",
    [
        "mean(where(mean(Q, axis=1) > 1/4, X, X**2))",
        "2*sum(where(sum(Q) > 3, X, 0*X) + 5*where(sum(Q) >= 3, X**2, X))",
        "3*sum(sign(sum(Q) - 3)*X)",
        "mean(abs(sum(Q) - 3)*X - maximum(sum(Q), 3)*X**2)",
    ],
)
def test_branches_on_sizes_alone(text: str, rows: int) -> None:
    """The rows of Q sum to one, so that its sum is their number, and the means of its rows are one over C."""
    loss = find(None, text, "Q: N C distribution, X: N", "X")
    rng = np.random.default_rng(0)
    Q, X = np.full((rows, 3), 1 / 3), rng.normal(size=rows)
    check = symgrad.check_grad(loss, symgrad.derive(loss).to_numpy(), Q, X, wrt=[1])
    assert check.ok, check
