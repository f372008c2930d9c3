"""Domains of inputs, and mistakes that were not named: cases written down before any of them was tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import derived
from sympy import Rational, Sum, sympify

import symgrad
import symgrad.codegen as symgrad_codegen
from symgrad import equations
from symgrad.array import log_softmax, softmax
from symgrad.check import prove
from symgrad.cli import main
from symgrad.functions import absolute
from symgrad.steps import Record, Step, Value


def checked(loss: Any, *arrays: Any) -> symgrad.Derivation:
    """The derivation of a loss, proved, its code agreeing with the function's own slopes."""
    derivation = symgrad.derive(loss)
    assert derivation.prove().ok, derivation.to_text()
    inputs = [array.name for array in derivation.program.inputs]
    check = symgrad.check_grad(loss, derivation.to_numpy(), *arrays, wrt=list(map(inputs.index, derivation.record.wrt)))
    assert check.ok, check
    return derivation


def said(loss: Any, candidate: Any) -> tuple[str, str]:
    """The kind and the words of the first explanation of a wrong gradient."""
    result = symgrad.diagnose(loss if isinstance(loss, symgrad.Derivation) else symgrad.derive(loss), candidate)
    assert not result.ok and result.explanations, result
    return result.explanations[0].kind, result.explanations[0].words


X = np.random.default_rng(0).standard_normal((4, 3))


def test_the_square_of_a_sign_is_one() -> None:
    @symgrad.loss(shapes="X: N D, w: D, y: N sign", wrt="w")
    def margins(X, w, y):
        return np.mean(y**2 * (X @ w) ** 2 - 2 * y * (X @ w))

    derivation = checked(margins, X, np.ones(3), np.array([1.0, -1.0, 1.0, -1.0]))
    assert any(step.assumption for step in derivation.steps)
    assert "each entry of y is -1 or 1" in derivation.to_text()
    with pytest.raises(ValueError, match="y: entries must be -1 or 1"):
        derivation.to_numpy()(X, np.ones(3), np.array([1.0, 0.0, 1.0, 1.0]))


def test_the_square_of_a_mask_is_the_mask() -> None:
    @symgrad.loss(shapes="X: N D, T: N D, M: N D binary", wrt="X")
    def masked(X, T, M):
        return np.sum((M * (X - T)) ** 2)

    derivation = checked(masked, X, X**2, (X > 0) * 1.0)
    assert any(step.assumption for step in derivation.steps)
    with pytest.raises(ValueError, match="M: entries must be 0 or 1"):
        derivation.to_numpy()(X, X, X)


def test_a_nonnegative_weight_is_its_absolute_value() -> None:
    @symgrad.loss(shapes="X: N D, w: D, a: N nonnegative", wrt="w")
    def weighted(X, w, a):
        return np.sum(np.abs(a) * (X @ w) ** 2)

    derivation = checked(weighted, X, np.ones(3), np.array([0.5, 0.0, 2.0, 1.0]))
    assert any(step.assumption for step in derivation.steps)
    with pytest.raises(ValueError, match="a: entries must be nonnegative"):
        derivation.to_numpy()(X, np.ones(3), -np.ones(4))


def test_a_scalar_may_have_a_domain() -> None:
    @symgrad.loss(shapes="r: N, q: scalar probability", wrt="r")
    def pinball(r, q=0.3):
        return np.mean(np.maximum(q * r, (q - 1) * r))

    function = checked(pinball, X[0], 0.3).to_numpy()
    with pytest.raises(ValueError, match="q: entries must be between 0 and 1"):
        function(X[0], 1.5)


@pytest.mark.slow
def test_labels_of_several_classes_at_once() -> None:
    @symgrad.loss(shapes="Z: N C, Y: N C probability", wrt="Z")
    def multi_label(Z, Y):
        P = 1 / (1 + np.exp(-Z))
        return -np.mean(Y * np.log(P) + (1 - Y) * np.log(1 - P))

    def by_classes(Z, Y):
        P = 1 / (1 + np.exp(-Z))
        return np.where(Y == 1, P - 1, P) / Z.size

    result = symgrad.diagnose(symgrad.derive(multi_label), by_classes)
    assert result.ok and "agrees for Y in {0, 1}, not for other probabilities" in repr(result)


def test_rows_of_a_distribution_taken_for_labels() -> None:
    def by_labels(X, W, b, Y):
        P = softmax(X @ W + b, axis=1)
        P[np.arange(len(X)), Y.argmax(axis=1)] -= 1
        return X.T @ P / len(X), P.sum(axis=0) / len(X)

    result = symgrad.diagnose(derived("softmax_cross_entropy"), by_labels)
    assert result.ok and "one-hot rows" in repr(result)


MINE = """import numpy as np

def gradient(X, w, b, y):
    p = 1 / (1 + np.exp(-(X @ w + b)))
    g = np.where(y == 1, p - {right}, p) / len(y)
    return X.T @ g, g.sum()
"""


@pytest.mark.parametrize(("right", "code"), sampled([("1", 0), ("0.9", 1)], "1"))
@pytest.mark.slow
def test_the_command_line_says_where_alone_a_gradient_is_right(
    right: str, code: int, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE.format(right=right))
    assert main(["diagnose", "logistic", f"{path}:gradient"]) == code
    said = "agrees for y in {0, 1}, not for other probabilities, with the proved gradient of logistic"
    assert (said in capsys.readouterr().out) == (code == 0)


@pytest.mark.slow
def test_a_gradient_for_labels_of_two_signs_where_nothing_is_declared() -> None:
    @symgrad.loss(shapes="X: N D, w: D, y: N", wrt="w")
    def softplus_margin(X, w, y):
        return np.mean(np.log(1 + np.exp(-y * (X @ w))))

    def by_classes(X, w, y):
        p = 1 / (1 + np.exp(-(X @ w)))
        return X.T @ np.where(y == 1, p - 1, p) / len(y)

    result = symgrad.diagnose(symgrad.derive(softplus_margin), by_classes)
    assert result.ok and result.within == "for y in {-1, 1}, not for other numbers"
    assert not symgrad.diagnose(symgrad.derive(softplus_margin), lambda *a: 2 * by_classes(*a)).ok


def test_features_of_two_values_are_not_tried() -> None:
    @symgrad.loss(shapes="X: N D, w: D, y: N", wrt="w")
    def least_squares(X, w, y):
        return np.mean((X @ w - y) ** 2)

    derivation = symgrad.derive(least_squares)
    assert not symgrad.diagnose(derivation, lambda X, w, y: 2 * (X**2).T @ (X @ w - y) / len(y)).ok


@pytest.mark.slow
def test_other_names_than_those_of_the_inputs_are_taken_by_place() -> None:
    @symgrad.loss(shapes="r: N, alpha: scalar positive, beta: scalar positive", wrt="r")
    def two_scales(r, alpha=2.0, beta=0.5):
        return np.sum(alpha * r**2 + np.exp(beta * r))

    def right(r, a, b):
        return 2 * a * r + b * np.exp(b * r)

    derivation = symgrad.derive(two_scales)
    assert symgrad.diagnose(derivation, right).ok
    assert symgrad.diagnose(derivation, lambda res, beta, alpha: right(res, alpha, beta)).ok
    assert symgrad.diagnose(derivation, lambda beta, alpha, r: right(r, alpha, beta)).ok
    assert symgrad.diagnose(derivation, lambda alpha, r, b: right(alpha, r, b)).ok
    assert not symgrad.diagnose(derivation, lambda r, beta, alpha, /: right(r, alpha, beta)).ok


def test_a_third_power_differentiated_as_a_product() -> None:
    @symgrad.loss(shapes="r: N, c: N", wrt="r")
    def cubes(r, c):
        return np.sum((r - c) ** 3)

    kind, words = said(cubes, lambda r, c: 3 * np.ones_like(r))
    assert kind == "power" and "product" in words


@pytest.mark.slow
def test_a_mean_that_is_not_centred_on_the_way_back() -> None:
    @symgrad.loss(shapes="X: N D", wrt="X")
    def fourth_moment(X):
        c = X - np.mean(X, axis=1, keepdims=True)
        return np.sum(c**4)

    kind, words = said(fourth_moment, lambda X: 4 * (X - X.mean(axis=1, keepdims=True)) ** 3)
    assert kind == "path" and "treated as constant" in words


@pytest.mark.slow
def test_one_class_of_two_has_the_wrong_sign() -> None:
    def second_sign(X, w, b, y):
        p = 1 / (1 + np.exp(-(X @ w + b)))
        g = -y * (1 - p) - (1 - y) * p
        return X.T @ g / len(y), g.mean()

    kind, _ = said(derived("logistic"), second_sign)
    assert kind == "sign"


@pytest.mark.slow
def test_the_probability_of_the_true_class_for_that_of_each() -> None:
    def true_class(X, W, b, Y):
        P = softmax(X @ W + b, axis=1)
        G = ((P * Y).sum(axis=1, keepdims=True) - Y) / len(X)
        return X.T @ G, G.sum(axis=0)

    derivation = derived("softmax_cross_entropy")
    kind, words = said(derivation, true_class)
    assert kind == "swapped" and "true class" in words
    (explanation, *_) = symgrad.diagnose(derivation, true_class).explanations
    assert "Σ_k y_mk (δ_kc − Σ_j y_mj p_mj)" in explanation.yours  # a sum within a sum has a letter of its own


def test_the_value_of_one_scalar_for_another() -> None:
    @symgrad.loss(shapes="r: N, alpha: scalar positive, beta: scalar positive", wrt="r")
    def two_scales(r, alpha=2.0, beta=0.5):
        return np.sum(alpha * r**2 + np.exp(beta * r))

    kind, words = said(two_scales, lambda r, alpha, beta: 2 * beta * r + beta * np.exp(beta * r))
    assert kind == "swapped" and "alpha" in words.replace("α", "alpha")


@pytest.mark.slow
def test_only_one_of_two_gradients_is_zero() -> None:
    def no_bias(X, W, b, Y):
        P = softmax(X @ W + b, axis=1)
        return X.T @ (P - Y) / len(X), np.zeros_like(b)

    kind, words = said(derived("softmax_cross_entropy"), no_bias)
    assert kind == "zero" and "gradient with respect to b is zero" in words


DOMAINS = ["binary", "sign", "probability", "nonnegative", "count"]


@pytest.mark.parametrize("word", DOMAINS)
def test_what_is_drawn_lies_in_the_domain_and_satisfies_its_equation(word: str) -> None:
    y = symgrad.Array("y", (symgrad.Axis("N"),))
    assumption = symgrad.in_domain(y, word)
    assert assumption.domain is equations.DOMAINS[word]
    entry = y[y.axes[0].index("n")]
    assert assumption.lhs.atoms(type(entry)) == {entry}
    for small in (False, True):
        drawn = assumption.domain.draw((40,), np.random.default_rng(3), small)
        assert drawn.shape == (40,) and assumption.domain.contains(drawn).all() and len(set(drawn)) > 1
        for value in drawn[:5]:
            left, right = (side.subs(entry, Rational(float(value))) for side in (assumption.lhs, assumption.rhs))
            assert left.doit() == right
    for value in (-2, -1, -0.5, 0, 0.5, 1, 2, 2.5):
        left, right = (side.subs(entry, Rational(value)) for side in (assumption.lhs, assumption.rhs))
        assert (left.doit() == right) == assumption.domain.contains(np.array(value)), value


@pytest.mark.parametrize(
    ("word", "left", "right"),
    [
        ("binary", lambda y, z: y**3 * z, lambda y, z: y * z),
        ("binary", lambda y, z: y * (1 - y) * z, lambda y, z: 0 * z),
        ("sign", lambda y, z: y**3 * z, lambda y, z: y * z),
        ("sign", lambda y, z: z / y, lambda y, z: y * z),
        ("nonnegative", lambda y, z: absolute(y * z**2), lambda y, z: y * z**2),
        ("count", lambda y, z: absolute(y) * z, lambda y, z: y * z),
        ("probability", lambda y, z: absolute(y) + absolute(z), lambda y, z: y + absolute(z)),
    ],
)
def test_a_line_is_proved_with_the_domain_and_refuted_without(word: str, left: Any, right: Any) -> None:
    N = symgrad.Axis("N")
    y, z, L = (symgrad.Array(name, (N,) * (name != "L")) for name in "yzL")
    n = N.index("n")
    assumption = symgrad.in_domain(y, word)
    loss = symgrad.node(L[()], Sum(y[n] * z[n], n))
    program = symgrad.Program("hand", (N,), (y, z), (loss,), "L", (assumption,))
    sides = [side(y[n], z[n]) for side in (left, right)]
    for cited, ok in ((assumption, True), (None, False)):
        line = Step(1, Value(sides[0]), None, sides[1], "rule", "by hand", assumption=cited)
        assert prove(Record(program, (), (line,), {}, {})).ok == ok


def test_false_lines_about_domains_are_refuted() -> None:
    N = symgrad.Axis("N")
    y, L = symgrad.Array("y", (N,)), symgrad.Array("L")
    n = N.index("n")
    for word, left, right in (
        ("binary", y[n] ** 2, sympify(1)),
        ("sign", y[n] ** 2, y[n]),
        ("sign", absolute(y[n]), y[n]),
        ("nonnegative", y[n] ** 2, y[n]),
        ("count", y[n] ** 2, y[n]),
        ("probability", y[n] ** 2, y[n]),
    ):
        assumption = symgrad.in_domain(y, word)
        program = symgrad.Program("hand", (N,), (y,), (symgrad.node(L[()], Sum(y[n], n)),), "L", (assumption,))
        line = Step(1, Value(left), None, right, "rule", "by hand", assumption=assumption)
        assert not prove(Record(program, (), (line,), {}, {})).ok, (word, left)


@pytest.mark.parametrize("text", ["y: N binary sign", "y: N positive count", "Y: N C one-hot binary"])
def test_one_word_says_what_the_entries_are(text: str) -> None:
    with pytest.raises(symgrad.InputError, match="both give the domain of the entries"):
        symgrad.loss(shapes=text)(lambda y: y)


def test_the_words_of_a_domain_are_printed_in_every_form() -> None:
    derivation = derived("logistic")
    for form in (derivation.to_text, derivation.to_markdown, derivation.to_html, derivation.to_latex):
        assert "is between 0 and 1" in form(detail="full")


def test_labels_in_place_of_rows_are_not_held_against_the_domain_of_the_rows() -> None:
    @symgrad.loss(shapes="Z: N C, Y: N C probability", wrt="Z")
    def brier(Z, Y):
        return np.mean((softmax(Z, axis=1) - Y) ** 2)

    function = symgrad.derive(brier).to_numpy()
    labels = np.array([2, 0, 1, 1])
    assert function(X, labels)[0] == pytest.approx(function(X, np.eye(3)[labels])[0])
    with pytest.raises(ValueError, match="Y: entries must be between 0 and 1"):
        function(X, X)


@pytest.mark.parametrize("target", ["numpy", "scalar", "explicit"])
def test_every_kind_of_code_checks_the_domain(target: str) -> None:
    derivation, sizes = derived("logistic"), {"N": 2, "D": 3}
    if target == "explicit":
        function = derivation.explicit(**sizes).lambdify()
    elif target == "scalar":
        function = symgrad_codegen.compile_source(
            derivation.to_source(target="scalar", sizes=sizes), "logistic_gradient"
        )
    else:
        function = derivation.to_numpy()
    function(X[:2], np.ones(3), 0.5, np.array([0.25, 1.0]))
    with pytest.raises(ValueError, match="y: entries must be between 0 and 1"):
        function(X[:2], np.ones(3), 0.5, np.array([0.25, 1.5]))


@pytest.mark.slow
def test_counts_that_are_0_and_1_alone_are_no_usual_part() -> None:
    @symgrad.loss(shapes="z: N, k: N count", wrt="z")
    def poisson(z, k):
        return np.sum(np.exp(z) - k * z)

    assert symgrad.diagnose(symgrad.derive(poisson), lambda z, k: np.exp(z) - k).ok
    assert not symgrad.diagnose(symgrad.derive(poisson), lambda z, k: np.exp(z) - np.minimum(k, 1)).ok


@pytest.mark.slow
def test_several_ones_in_a_row_are_declared() -> None:
    """A gradient that is right for one-hot rows alone is none for rows of zeros and ones."""

    def multi_positive(Z, Q):
        return -np.mean(np.sum(Q * log_softmax(Z, axis=1), axis=1) / np.sum(Q, axis=1))

    derivation = symgrad.derive(symgrad.loss(shapes="Z: N C, Q: N C binary", wrt="Z")(multi_positive))
    assert not symgrad.diagnose(derivation, lambda Z, Q: (softmax(Z, axis=1) - Q) / len(Z)).ok
