"""Facts that a loss declares about its gradient: proved where true, refuted where false, refused where unclear."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cases import sampled
from catalogue import NAMES, derived, typical

import symgrad
from symgrad.array.expression import parse
from symgrad.check.marks import Level, Mark
from symgrad.declared_facts import proved_facts
from symgrad.errors import InputError, RefutedError
from symgrad.losses import LOSSES
from symgrad.steps import Statement


def stated(name: str, text: str) -> tuple[Statement, Mark]:
    derivation = derived(name)
    record = replace(derivation.record, program=replace(derivation.program, facts=(text,)))
    ((statement, mark),) = proved_facts(record, derivation.prove().marks).items()
    return statement, mark


@pytest.mark.parametrize("name", typical(NAMES))
def test_the_facts_of_the_catalogue_hold_at_every_shape(name: str) -> None:
    assert all(mark.level == Level.EVERY_SHAPE for mark in derived(name).facts.values())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("softmax_cross_entropy", "sum(db) == 0"),
        ("softmax_cross_entropy", "sum(dW, axis=1) == 0"),
        ("softmax_cross_entropy", "dW == X.T @ dZ"),
        ("softmax_cross_entropy", "dZ.T == (P - Y).T / N"),
        ("softmax_cross_entropy", "sum(dZ, axis=1, keepdims=True) == 0"),
        ("layer_norm", "sum(X * dX, axis=1) == 0 where eps = 0"),
        ("ridge", "dw == 2 * lambda_ * w where y = X @ w"),
        ("ridge", "dw == 0 where y = X @ w and lambda_ = 0"),
        ("attention_head", "dV == A.T @ dO"),
        ("matrix_factorisation", "dU == 2 * lambda_ * U where R = U @ V.T"),
        ("softmax_cross_entropy", "dZ == 0 where C = 1"),
        ("softmax_mse", "dZ == 0 where C = 1"),
        ("softmax_cross_entropy", "dZ == 0 where Y = P and C = 2"),
        ("layer_norm", "dX == 0 where D = 1"),
        ("info_nce", "dU == 0 where N = 1"),
        ("matrix_factorisation", "dU == 2 * (E @ V + lambda_ * U) where K = 1 and N = 2"),
    ],
)
def test_what_is_true_is_proved(name: str, text: str) -> None:
    assert stated(name, text)[1].level == Level.EVERY_SHAPE


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("softmax_cross_entropy", "sum(dZ, axis=0) == 0"),
        ("softmax_cross_entropy", "dZ == (P - Y) / C"),
        ("softmax_cross_entropy", "dZ == 0"),
        ("layer_norm", "sum(dX * Xhat, axis=1) == 0"),
        ("ridge", "dw == 0 where y = X @ w"),
        ("attention_head", "sum(A * dA, axis=0) == sum(O * dO, axis=1)"),
        ("matrix_factorisation", "dU == 0 where R = U @ V.T"),
        ("softmax_cross_entropy", "dZ == (sigmoid(Z) - Y) / N where C = 2"),
        ("softmax_cross_entropy", "dZ == 0 where C = 2"),
        ("softmax_cross_entropy", "dZ == (sigmoid(2 * Z - sum(Z, axis=1, keepdims=True)) - Y) / N where C = 3"),
    ],
)
def test_what_is_false_is_refuted(name: str, text: str) -> None:
    assert stated(name, text)[1].level == Level.WRONG


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dZ = 0", "expected an equation such as"),
        ("dQ == 0", "unknown name dQ"),
        ("dZ == 0 where P = Y", "P is not an input: expected one of X, W, b, Y"),
        ("dZ == dW", r"the sides have axes \(N, C\) and \(D, C\)"),
        ("dZ == 0 where Y", "expected the value of an input"),
        ("dZ == 0 where Y = b", r"Y has axes \(N, C\), its value \(C\)"),
        ("dZ == 0 where b = sum(Z, axis=0)", "circular"),
        ("dZ == 0 where C = 5", "the size of C in a fact must be one of 1, 2, 3, 4, not 5"),
        ("dZ == 0 where C = N", "the size of C in a fact must be one of 1, 2, 3, 4, not N"),
        ("dZ == 0 where Y = 2 * P", "assumes that each row of Y sums to one, and the given values may not"),
    ],
)
def test_what_is_not_a_fact_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"the fact '.*': .*{message}"):
        stated("softmax_cross_entropy", text)


def test_a_size_is_refused_where_an_assumption_or_a_maximum_would_be_lost() -> None:
    with pytest.raises(InputError, match=r"C = 2: the assumption that each entry of Y is 0 or 1, .* is not supported"):
        stated("multiclass_hinge", "sum(dZ, axis=1) == 0 where C = 2")
    program = parse("sum(max(X, axis=1))", "X: N D").program()
    derivation = symgrad.derive(replace(program, facts=("dX == 1 where D = 1",)), "X")
    with pytest.raises(InputError, match="D = 1: a largest entry along D is not supported"):
        derivation.refuse()
    loss = parse("sum(Y * Z)", "Y: N C positive distribution, Z: N C").program()
    with pytest.raises(InputError, match="C = 2: the assumption that each row of Y sums to one is not supported"):
        symgrad.derive(replace(loss, facts=("dZ == Y where C = 2",)), "Z").refuse()


def test_rows_that_sum_to_one_do_so_at_a_size() -> None:
    program = parse("sum(Y * Z)", "Y: N C distribution, Z: N C").program()
    facts = ("sum(dZ, axis=1) == 1 where C = 2", "sum(dZ, axis=1) == 2 where C = 3", "dZ == Y where C = 2")
    marks = [mark.level for mark in symgrad.derive(replace(program, facts=facts), "Z").facts.values()]
    assert marks == [Level.EVERY_SHAPE, Level.WRONG, Level.EVERY_SHAPE]


def test_the_size_of_a_fact_is_printed() -> None:
    text = derived("softmax_cross_entropy").to_text().split("Facts about the gradient")[1]
    assert "p_nk = sigmoid(2 z_nk − Σ_j z_nj)" in text and "where C = 2" in text


def test_a_positive_input_keeps_its_sign() -> None:
    with pytest.raises(InputError, match="tau is declared positive, and -1 may not be"):
        stated("temperature", "dZ == 0 where tau = -1")


def test_a_wrong_fact_of_a_users_loss_is_shown_and_refused() -> None:
    loss = parse("mean((X @ w - y)**2)", "X: N D, w: D, y: N")
    right, wrong = "dw == 0 where y = X @ w", "sum(dw) == 0"
    derivation = symgrad.derive(replace(loss.program(), facts=(right, wrong)), ["w"])
    text = derivation.to_text()
    assert "Facts about the gradient\n" in text and "∂L/∂w_d = 0" in text and "✗ wrong" in text
    with pytest.raises(RefutedError, match=r"the fact 'sum\(dw\) == 0' is wrong: refuted at"):
        derivation.refuse()


def test_the_axes_list_the_letters_of_facts() -> None:
    text = derived("matrix_factorisation").to_text()
    assert "∂L/∂u_ma" in text.split("Facts about the gradient")[1]
    assert "  K   factors   indices k, a, d\n" in text


def test_facts_are_declared_with_a_loss() -> None:
    @symgrad.loss(shapes="x: N, y: N", wrt="x", facts=["dx == 2 * (x - y)"])
    def distance(x, y):  # type: ignore[no-untyped-def]
        """Squared distance."""
        return ((x - y) ** 2).sum()

    derivation = symgrad.derive(distance)
    assert [mark.level for mark in derivation.facts.values()] == [Level.EVERY_SHAPE]
    assert "∂L/∂x_n = 2 (x_n − y_n)" in derivation.to_text().split("Facts about the gradient")[1].split("\n\n")[0]


def test_facts_about_other_derivatives_are_left_out() -> None:
    assert derived("mse").facts and not symgrad.derive("mse", "b").facts
    assert "Facts" not in symgrad.derive("mse", "b").to_text()
    with pytest.raises(InputError, match="unknown name dq"):
        stated("mse", "dq == 0")


@pytest.mark.parametrize(("name", "fixed"), [("ridge", {"lambda_": 2}), ("rms_norm", {"eps": 1e-3})])
def test_fixed_inputs_are_numbers_in_facts(name: str, fixed: dict[str, float]) -> None:
    derivation = symgrad.derive(name, **fixed)
    assert len(derivation.facts) == len(derived(name).facts)
    assert all(mark.level == Level.EVERY_SHAPE for mark in derivation.facts.values())


def test_facts_about_the_derivative_by_a_fixed_input_are_left_out() -> None:
    loss = symgrad.loss(shapes="x: N, c: scalar", wrt="x c", facts=["dc == sum(x)", "dx == c"])(
        lambda x, c: (c * x).sum()
    )
    assert len(symgrad.derive(loss).facts) == 2 and len(symgrad.derive(loss, "x", c=3).facts) == 1
    assert symgrad.derive(loss, "x", c=3).program.facts == ("dx == (3)",)


def test_facts_need_the_assumptions_of_the_loss() -> None:
    assert not symgrad.derive("softmax_cross_entropy", assume=()).facts


OTHERS = [(name, {"wrt": wrt}) for name, loss in LOSSES.items() for wrt in loss.wrt]
OTHERS += [("softmax_cross_entropy", {"reduction": "sum"}), ("softmax_mse", {"reduction": "sum"})]


@pytest.mark.parametrize(("name", "options"), sampled([*OTHERS[:-2:4], *OTHERS[-2:]], every=10))
def test_facts_hold_for_every_derivative_and_reduction(name: str, options: dict[str, str]) -> None:
    assert all(mark.ok for mark in symgrad.derive(name, **options).facts.values())
