"""Further cases of one language however it is typed, written down before any of them was tried.

The specimens stand in ``test_language.py``; here are their relatives.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from cases import sampled
from catalogue import derived
from sympy import Rational

import symgrad
from symgrad.array.expression import parse
from symgrad.array.graph import exact
from symgrad.cli import main
from symgrad.errors import SymgradError


def text_of(loss: Any, **fixed: object) -> str:
    derivation = symgrad.derive(loss, **fixed)
    assert derivation.prove().ok
    return derivation.to_text(title=False)


# --- what works in a function works in one line --------------------------------------------------------------------

ONE_LINE = [
    ("X: N D, w: D, y: N", "np.mean(np.log1p(np.exp(-y * (X @ w))))"),
    ("X: N D, w: D, y: N", "((X @ w - y)**2).sum(axis=0) / X.shape[0] + w.dot(w) / w.size"),
    ("A: D D", "np.linalg.norm(A - eye(A.shape[1]), 'fro')**2 / D"),
    ("Z: N C", "-(Z - Z.max(axis=1, keepdims=True)).mean(axis=1).sum() / np.sqrt(C)"),
    ("A: D D", "np.einsum('ij,ij->', A, A.T) / np.ndim(A) + A.trace() / A.ndim"),
    ("x: N", "np.sum((x > np.pi) * x) - numpy.e * x.mean()"),
    ("Z: N C", "scipy.special.logsumexp(Z, axis=1).mean()"),
    ("X: N D", "X.transpose().dot(X.clip(0, 1)).sum() / np.size(X)"),
    ("X: N D", "X.std(axis=0, ddof=1).sum() / np.shape(X)[1]"),
    ("P: N C positive, y: N labels of C", "-np.log(P)[np.arange(len(y)), y].mean() * y.shape[0]"),
    ("X: N D, Y: N D", "np.sum((X[:, np.newaxis] - Y[np.newaxis])**2, axis=(0, 1))[None].sum()"),
]


@pytest.mark.parametrize(("shapes", "text"), sampled(ONE_LINE, every=6))
def test_a_line_is_the_function(shapes: str, text: str) -> None:
    names = {"np": np, "numpy": np, "scipy": scipy, "eye": symgrad.array.eye}
    first = shapes[0]
    body = re.sub(r"\b[CD]\b", f"{first}.shape[1]", text)  # in a function no axis has a name
    function = eval(f"lambda {', '.join(part.split(':')[0] for part in shapes.split(','))}: {body}", names)
    assert text_of(parse(text, shapes, first)) == text_of(symgrad.loss(shapes=shapes, wrt=first)(function))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("X.sum(axis=2)", "no axis 2"),
        ("X.summ()", "sum"),
        ("np.linalg.nrom(X)", "norm"),
        ("X.shape[2] * X.sum()", "shape"),
        ("X.tofile('x')", "tofile"),
        ("os.system('true')", "os"),
        ("X.T.__class__", "__class__"),
        ("np.load('x')", "load"),
    ],
)
def test_what_is_refused_in_a_line_is_one_line_with_its_column(text: str, words: str) -> None:
    with pytest.raises(SymgradError) as caught:
        parse(text, "X: N D", "X").program()
    first, _, place = str(caught.value).partition("\n")
    assert words in first and "Traceback" not in first
    assert text in place and "^" in place


@pytest.mark.parametrize(("command", "option"), [("derive", "-e"), ("generate", "--expression"), ("check", "-e")])
def test_a_loss_that_begins_with_a_minus(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, option, "- np.log(p).sum() / N", "--shapes", "p: N positive"]) == 0
    assert main([command, f"{option}=-log(p).mean()", "--shapes", "p: N positive"]) == 0
    assert not capsys.readouterr().err


def test_a_loss_that_begins_with_two_minuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", "-e", "--x.sum()", "--shapes", "x: N"]) == 0
    with pytest.raises(SystemExit, match="2"):
        main(["derive", "-e", "--shapes", "x: N"])
    assert "expected one argument" in capsys.readouterr().err


# --- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (2 / 7, "2/7"), (-1 / 6, "-1/6"), (1 / 255, "1/255"), (100 / 7, "100/7"), (1e-3 / 3, "1/3000"),
        (1 / 60000, "1/60000"), (5e8 / 3, "500000000/3"), (0.3, "3/10"), (3.14, "157/50"), (1e-300, f"1/{10**300}"),
        (1234567.1234567, "12345671234567/10000000"), (0.30000000000000004, "3/10"),
        (np.float32(1 / 3), "1/3"), (np.float32(0.1), "1/10"), (2.0**60, str(2**60)),
        (0.5772156649, "5772156649/10000000000"),
        (Fraction(3, 7), "3/7"), (Decimal("0.15"), "3/20"), (Rational(22, 7), "22/7"),
    ],
)  # fmt: skip
def test_a_number_is_what_was_meant(value: Any, meant: str) -> None:
    assert exact(value) == Rational(meant)


@pytest.mark.parametrize("gamma", [Fraction(1, 2), Decimal("0.5"), Rational(1, 2), np.float32(0.5), 0.5])
def test_a_fraction_of_any_kind_fixes_a_scalar(gamma: Any) -> None:
    def power(x, gamma):
        return np.sum(x**gamma) * Fraction(1, 3) + Fraction(2, 3) * x.mean() - x.sum() / Fraction(3)

    def with_default(x, gamma=Fraction(1, 2)):
        return power(x, gamma)

    declared = symgrad.loss(shapes="x: N positive, gamma: scalar", wrt="x")
    assert symgrad.derive(declared(power), gamma=gamma).gradients["x"].index.has(Rational(-1, 2))
    f = symgrad.derive(declared(with_default)).to_numpy()
    x = np.array([1.0, 4.0])
    assert f(x)[0] == pytest.approx(1 + 5 / 3 - 5 / 3)


@pytest.mark.parametrize(
    ("number", "text", "latex", "code"),
    [
        (1e-8, "10^-8", "10^{-8}", "1e-08"),
        (1e-10, "10^-10", "10^{-10}", "1e-10"),
        (3e-9, "3·10^-9", r"3 \cdot 10^{-9}", "3e-09"),
        (2.5e-7, "2.5·10^-7", r"2.5 \cdot 10^{-7}", "2.5e-07"),
        (1e15, "10^15", "10^{15}", "1000000000000000"),
        (0.001, "1/1000", r"1}{1000", "1000"),
    ],
)
def test_a_small_number_is_a_power_of_ten(number: float, text: str, latex: str, code: str) -> None:
    @symgrad.loss(shapes="x: N positive", wrt="x")
    def logs(x):
        return np.sum(np.log(x + number))

    d = symgrad.derive(logs)
    assert text in d.to_text() and latex in d.to_latex() and d.prove().ok
    assert code in d.to_source()


# --- refusals ------------------------------------------------------------------------------------------------------

v3, X34 = np.array([3.0, -1.0, 2.0]), np.random.default_rng(0).standard_normal((3, 4))

PLAIN: list[tuple[str, Callable[..., Any], Any]] = [
    ("v: N", lambda v: np.linalg.norm(v, 3), v3),
    ("v: N", lambda v: np.linalg.norm(v, np.inf), v3),
    ("X: N D", lambda X: np.linalg.norm(X, 1), X34),
    ("X: N D", lambda X: np.linalg.norm(X, ord=2, axis=0).sum(), X34),
    ("X: N D", lambda X: np.sum(scipy.special.softmax(X, axis=1) ** 2), X34),
    ("X: N D", lambda X: np.sum(scipy.special.log_softmax(X, axis=0) ** 2), X34),
    ("X: N D", lambda X: np.sum(scipy.special.expit(X)) + np.sum(scipy.special.erf(X)), X34),
    ("v: N", lambda v: np.sum(scipy.special.xlogy(v**2, 1 + v**2)) - np.sum(scipy.special.log1p(v**2)), v3),
    ("X: N D", lambda X: np.sum((X * np.ones(X.shape) - np.zeros(X.shape[1])) ** 2), X34),
    ("X: N D", lambda X: np.sum((X - np.full(X.shape, 2)) ** 2), X34),
    ("A: D D", lambda A: np.sum((A - np.eye(len(A))) ** 2) + np.sum(A * np.identity(len(A))), X34[:, :3]),
]  # fmt: skip


@pytest.mark.parametrize(("shapes", "function", "at"), sampled(PLAIN, every=6))
def test_what_is_plain_works(shapes: str, function: Callable[..., Any], at: np.ndarray) -> None:
    d = symgrad.derive(symgrad.loss(shapes=shapes)(function))
    assert d.prove().ok
    check = symgrad.check_grad(function, d.to_numpy(), at)
    assert check.ok, check


REFUSALS: list[tuple[str, Callable[..., Any], str, Callable[..., Any] | None]] = [
    # what is refused; words of the message; what the message recommends, which works
    ("X: N D", lambda X: np.linalg.norm(X, "nuc"), "np.sum(A**2) is the sum", lambda X: np.sum(X**2)),
    ("Q: N D", lambda Q: np.sum(np.flip(Q @ Q.T)), "an input", None),
    ("Q: N D", lambda Q: np.sum(np.arange(1, Q.shape[1]) * Q), "an input", None),
    ("Q: N D", lambda Q: np.linspace(0, 1, len(Q)) @ Q.sum(axis=1), "an input", None),
    ("A: D D", lambda A: np.linalg.eigvalsh(A).sum(), "np.trace(A) is their sum", None),
    ("x: N", lambda x: np.median(x), "it picks entries by their order", None),
    ("x: N", lambda x: np.linalg.pinv(x[:, None]).sum(), "it takes a matrix with two axes", None),
]  # fmt: skip


@pytest.mark.parametrize(("shapes", "function", "words", "instead"), REFUSALS)
def test_a_refusal_recommends_what_works(
    shapes: str, function: Callable[..., Any], words: str, instead: Callable[..., Any] | None
) -> None:
    with pytest.raises(SymgradError) as caught:
        symgrad.loss(shapes=shapes)(function).program()
    first = str(caught.value).splitlines()[0]
    assert words in first and "nearest" not in first
    if instead is not None:
        assert symgrad.derive(symgrad.loss(shapes=shapes)(instead)).prove().ok


@pytest.mark.parametrize("form", ["text", "latex", "markdown", "html", "mathml"])
def test_closed_forms_alone_say_what_their_names_are(form: str) -> None:
    @symgrad.loss(shapes="X: N D, W: D C, Y: N C", wrt="W")
    def squared(X, W, Y):
        R = X @ W - Y
        return np.sum(R**2)

    shown = getattr(symgrad.derive(squared), f"to_{form}")("matrix", steps="none")
    assert {"text": "R = X W − Y", "latex": r"R &= X \, W - Y", "markdown": r"= X \, W - Y"}.get(form, "<math") in shown
    if form in ("html", "mathml"):
        assert shown.count("<mi>R</mi>") >= 2


@pytest.mark.parametrize("form", ["text", "latex", "markdown", "html"])
def test_a_symmetric_input_says_that_its_entries_count_as_independent(form: str) -> None:
    @symgrad.loss(shapes="S: D D symmetric, x: D", wrt="S x")
    def quadratic(S, x):
        return x @ S @ x

    assert "independent" in getattr(symgrad.derive(quadratic), f"to_{form}")(steps="none")
    assert "independent" not in symgrad.derive(quadratic, wrt="x").to_text()


# --- names ---------------------------------------------------------------------------------------------------------


@symgrad.loss(shapes="x: N, sigma_1: scalar positive, muhat: scalar", wrt="x")
def normal(x, sigma_1, muhat):
    return np.sum((x - muhat) ** 2) / sigma_1**2


@pytest.mark.parametrize("name", ["sigma_1", "σ1", "σ_1", "σ₁"])
def test_a_name_with_a_mark_can_be_typed_as_it_is_shown(name: str) -> None:
    assert list(symgrad.derive(normal, wrt=[name]).gradients) == ["sigma_1"]


def test_a_name_with_an_accent_can_be_typed_as_it_is_shown() -> None:
    shown = symgrad.derive(normal, wrt="muhat").to_text()
    assert "μ̂" in shown and list(symgrad.derive(normal, wrt=["μ̂"]).gradients) == ["muhat"]


@pytest.mark.parametrize(
    ("text", "shapes", "wrt"),
    [
        ("σ*sum(x**2)", "x: N, σ: scalar", "σ"),
        ("sum(x**2)*sigma", "x: N, σ: scalar", "sigma"),
        ("lambda * (Θ**2).sum()", "Θ: N, lambda: scalar", "lambda"),
        ("lambda_ * (Theta**2).sum()", "Theta: N, lambda_: scalar", "λ,Θ"),
    ],
)
def test_greek_letters_in_a_line(text: str, shapes: str, wrt: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", "-e", text, "--shapes", shapes, "--wrt", wrt]) == 0
    assert wrt.split(",")[0].replace("sigma", "σ").replace("lambda", "λ") in capsys.readouterr().out


def test_a_parameter_may_be_a_greek_letter() -> None:
    @symgrad.loss(shapes="x: N, λ: scalar", wrt="x λ")
    def ridge(x, λ=2):
        return λ * np.sum(x**2)

    d = symgrad.derive(ridge)
    assert list(d.gradients) == ["x", "lambda_"]
    assert d.to_numpy()(np.ones(3))[0] == 6 and d.to_numpy()(np.ones(3), lambda_=3.0)[0] == 9
    assert symgrad.derive(ridge, wrt="x", λ=5).to_numpy()(np.ones(3))[0] == 15


@symgrad.loss(shapes="X: N D, W: D K, t: N labels of K, tau: scalar", wrt="W")
def labelled(X, W, t, tau=1.5):
    Z = X @ W / tau
    return -np.mean(symgrad.array.log_softmax(Z, axis=1)[np.arange(len(t)), t])


def test_the_wrong_keyword_shows_the_signature(tmp_path: Path) -> None:
    X, W, t = np.ones((3, 2)), np.ones((2, 4)), np.array([0, 3, 1])
    calls = (((X, W), {"labels": t}), ((X, W, t), {"temperature": 2.0}), ((X, W), {}), ((X, W, t, 1, 2), {}))
    d = symgrad.derive(labelled)
    (tmp_path / "written.py").write_text(d.to_source())
    space: dict[str, Any] = {}
    exec((tmp_path / "written.py").read_text(), space)
    signature = "labelled_gradient(X, W, t, tau=1.5)"
    for f in (d.to_numpy(), space["labelled_gradient"]):
        assert f(X, W, t=t, tau=1.5)[0] == pytest.approx(np.log(4))
        for args, keywords in calls:
            with pytest.raises(TypeError) as caught:
                f(*args, **keywords)
            assert signature in str(caught.value)
    with pytest.raises(SymgradError) as refused:
        symgrad.derive(labelled, temperature=2)
    assert "labelled(X, W, t, tau=1.5)" in str(refused.value)
    with pytest.raises(TypeError) as wrong:
        labelled(X, W, y=t)
    assert "labelled(X, W, t, tau=1.5)" in str(wrong.value)


def test_labels_keep_their_name_wherever_they_go() -> None:
    X, W, t = np.arange(6.0).reshape(3, 2), np.eye(2, 4), np.array([0, 3, 1])
    d = symgrad.derive(labelled)
    function = d.to_numpy()
    value, gradients = function(X=X, W=W, t=t)
    assert value == pytest.approx(labelled(X, W, t))
    assert np.allclose(function(X, W, t=np.eye(4)[t])[1].W, gradients.W)
    with pytest.raises(ValueError, match=r"^t: .*0\.\.K-1"):
        function(X, W, t=t + 2)
    scalar: dict[str, Any] = {}
    exec(d.to_source(target="scalar", sizes={"N": 3, "D": 2, "K": 4}), scalar)
    assert scalar["labelled_gradient"](X=X, W=W, t=t)[0] == pytest.approx(value)
    assert symgrad.diagnose(d, lambda X, W, t: function(X, W, t=t)[1].W).ok


# --- data ----------------------------------------------------------------------------------------------------------


def test_half_precision_is_computed_in_single_precision() -> None:
    @symgrad.loss(shapes="X: N D, w: D, c: scalar, y: N", wrt="w c")
    def squares(X, w, c, y):
        return np.mean((X @ w + c - y) ** 2)

    rng = np.random.default_rng(0)
    X, w, y = rng.standard_normal((70_000, 2)), rng.standard_normal(2), rng.standard_normal(70_000)
    f = symgrad.derive(squares).to_numpy()
    half = [a.astype(np.float16) for a in (X, w, np.float64(0.5), y)]
    value, gradients = f(*half)
    single, expected = f(*(a.astype(np.float32) for a in half))
    assert value.dtype == gradients.w.dtype == gradients.c.dtype == np.float16
    assert value == np.float16(single) and gradients.c == np.float16(expected.c) != 0
    assert np.array_equal(gradients.w, expected.w.astype(np.float16))
    mixed, _ = f(half[0], *(a.astype(np.float32) for a in half[1:]))
    assert mixed.dtype == np.float32
    assert all(a.dtype == np.float16 for a in half)


def test_half_precision_with_labels_and_blocks() -> None:
    rng = np.random.default_rng(0)
    X, W, t = rng.standard_normal((70_000, 2)), rng.standard_normal((2, 3)), rng.integers(0, 3, 70_000)
    f = symgrad.derive(labelled, tau=1).to_numpy()
    value, gradients = f(X.astype(np.float16), W.astype(np.float16), t)
    assert value.dtype == gradients.W.dtype == np.float16
    assert np.allclose(gradients.W, f(X, W, t)[1].W, rtol=2e-2, atol=1e-3)


@pytest.mark.parametrize("name", sampled(["X", "W", "t"], "t"))
def test_masked_arrays_are_refused(name: str) -> None:
    inputs = {"X": np.ones((3, 2)), "W": np.ones((2, 4)), "t": np.array([0, 3, 1])}
    inputs[name] = np.ma.masked_array(inputs[name], inputs[name] > 5)
    d = symgrad.derive(labelled, tau=1)
    scalar: dict[str, Any] = {}
    exec(d.to_source(target="scalar", sizes={"N": 3, "D": 2, "K": 4}), scalar)
    for f in (d.to_numpy(), scalar["labelled_gradient"]):
        with pytest.raises(ValueError, match=f"^{name}: .*masked") as caught:
            f(**inputs)
        assert "\n" not in str(caught.value)
    with pytest.raises(SymgradError, match="masked"):
        symgrad.check_grad(labelled, lambda X, W, t: W, *inputs.values(), wrt=[1])


@pytest.mark.parametrize("how", sampled(["centres", "scales", "sorts"], "sorts"))
def test_a_candidate_that_changes_its_inputs_is_told_so(how: str) -> None:
    d = derived("softmax_cross_entropy")
    f = d.to_numpy()

    def candidate(X, W, b, Y):
        gradients = tuple(f(X, W, b, Y)[1])
        if how == "centres":
            b -= b.mean()
        elif how == "scales":
            X *= 2
        else:
            Y.sort(axis=1)
        return gradients

    found = symgrad.diagnose(d, candidate)
    changed = {"centres": "b", "scales": "X", "sorts": "Y"}[how]
    assert found.ok and any(f"changes its input {changed} in place" in remark for remark in found.remarks)


@pytest.mark.slow
def test_a_wrong_candidate_that_changes_its_inputs_is_told_both() -> None:
    def candidate(X, w, y):
        X -= X.mean(axis=0)
        return X.T @ (X @ w - y) / len(y)

    found = symgrad.diagnose(symgrad.derive(parse("mean((X @ w - y)**2)", "X: N D, w: D, y: N", "w")), candidate)
    assert not found.ok and any("changes its input X in place" in remark for remark in found.remarks)


def test_a_function_that_changes_what_check_grad_gives_it_is_told_so() -> None:
    x = np.array([1.0, 2.0])

    def loss(x):
        x *= x
        return x.sum()

    before = x.copy()
    found = symgrad.check_grad(loss, lambda x: 2 * x, x)
    assert np.array_equal(x, before) and "in place" in str(found)
