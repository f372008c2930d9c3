"""Random losses in NumPy's language against the function itself; and that the trial would notice."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import sampled

import symgrad
from symgrad import Derivation
from symgrad.steps import Total
from trials import examination, page
from trials.expressions import campaign, judge, oracle
from trials.expressions.generate import from_seed
from trials.expressions.terms import Input, Loss

SEED, LETTERS = 15, 130
"""No loss is longer than so many letters: they take half a second each.
The trial (python -m trials expressions) takes longer ones, by the thousand."""


def test_a_number_is_one_loss() -> None:
    assert from_seed(3, 7) == from_seed(3, 7) != from_seed(3, 8)


@pytest.mark.parametrize("numbers", sampled([range(2, 3), range(2), range(3, 9)], every=9))
def test_random_losses(numbers: range) -> None:
    for number in numbers:
        loss = from_seed(SEED, number, LETTERS)
        outcome = judge.examine(loss, number, thorough=number == numbers[0])
        assert not outcome.findings, f"{loss}\n{outcome.findings}"


def test_losses_are_various() -> None:
    """What the trial claims to try, it tries."""
    text = "\n".join(str(from_seed(SEED, number)) for number in range(600))
    wanted = [
        *(r"softmax\([^\n]*axis=0", r"softmax\([^\n]*axis=1", "log_softmax", r"logsumexp\([^\n]*axis=0", "one_hot"),
        *(r"np\.where", r"np\.maximum", r"np\.minimum", r"np\.clip", r"np\.abs", r"np\.linalg\.norm", r"\bnorm\("),
        *(r"np\.einsum", r"np\.trace", r"np\.diag", r"np\.outer", r"\[:, None\]", r"\.T\b", "keepdims=True"),
        *(r"np\.max\(", r"np\.min\(", r"np\.var\(", r"np\.std\(", r"\.mean\(", "axis=-1", r"np\.arange\(len", "ddof=1"),
        *("positive", "symmetric", "distribution", "one-hot", "labels of", "scalar", "-e ", r"\) & \(", "@[^\n]*@"),
        *(r"\*\* gamma", r"\*\* \(-0\.5\)", r"\.shape\[1\]", r"\[None", r"\beye\(", r"softmax\([^,\n]* - "),
    ]
    assert [pattern for pattern in wanted if not re.search(pattern, text)] == []


def test_most_losses_have_two_points() -> None:
    assert sum(len(list(oracle.points(from_seed(SEED, number), number))) for number in range(100)) > 190


def norm_of_products(wrt: tuple[str, ...] = ("X", "w")) -> Loss:
    inputs = (Input("X", ("N", "D")), Input("w", ("D",)))
    return Loss(inputs, (("r", "X @ w"),), "np.linalg.norm(r) + np.sum(np.abs(w))", wrt, False)


def test_slopes_are_those_of_the_function() -> None:
    [at, _] = oracle.points(norm_of_products(), 0)
    X, w = at.inputs["X"], at.inputs["w"]
    r = X @ w
    expected = {"X": np.outer(r, w) / np.linalg.norm(r), "w": X.T @ r / np.linalg.norm(r) + np.sign(w)}
    assert [slope.name for slope in at.slopes] == ["X", "X", "w", "w"]
    for slope in at.slopes:
        assert slope.value == pytest.approx(np.sum(expected[slope.name] * slope.direction), rel=1e-8)
        assert slope.error < 1e-8


def test_no_slope_at_a_kink() -> None:
    w = np.array([1.0, 0.0, -1.0])
    direction = np.ones(3)
    for shift, is_kept in ((0.0, False), (1e-4, False), (0.1, True)):
        found = oracle._slope(lambda w: np.sum(np.abs(w)), {"w": w + shift}, "w", direction, np.sum(np.abs(w + shift)))
        assert (found is not None) == is_kept


def findings_of(monkeypatch: pytest.MonkeyPatch, change: Any) -> set[str]:
    """The kinds of findings when symgrad's answer is changed."""
    real = symgrad.derive
    monkeypatch.setattr(symgrad, "derive", lambda *given, **named: change(real(*given, **named)))
    return {kind for kind, _ in judge.examine(norm_of_products(), 1, False).findings}


def test_no_point_where_numpy_overflows() -> None:
    """There its value is finite and wrong: the entries are all -inf, whose spread under atan is 0."""
    loss = Loss((Input("z", ("D",)),), (), "np.var(np.arctan(z - np.log(np.sum(np.exp(500 * z)))))", ("z",), False)
    found = [at for seed in range(10) for at in oracle.points(loss, seed)]
    assert found and all(np.max(at.inputs["z"]) < 1.42 for at in found)


def test_a_wrong_gradient_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(derived: Derivation) -> Derivation:
        run = derived.to_numpy()

        def twice(*inputs: Any) -> Any:
            value, grads = run(*inputs)
            return value, grads._replace(w=grads.w * 1.0001)

        monkeypatch.setattr(derived, "to_numpy", lambda *_, **__: twice)
        return derived

    assert findings_of(monkeypatch, doubled) == {"wrong gradient"}


def test_a_false_mark_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(derived: Derivation) -> Derivation:
        report = derived.prove()
        last = [step for step in derived.steps if isinstance(step.subject, Total)][-1]
        steps = tuple(replace(step, after=2 * step.after) if step is last else step for step in derived.steps)
        wrong = Derivation(replace(derived.record, steps=steps))
        monkeypatch.setattr(wrong, "prove", lambda: report)
        monkeypatch.setattr(wrong, "to_numpy", derived.to_numpy)
        return wrong

    assert findings_of(monkeypatch, trusting) == {"false mark"}


def test_what_fails_and_what_takes_too_long_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(derived: Derivation) -> Derivation:
        raise RuntimeError("no such luck")

    def wait(derived: Derivation) -> Derivation:
        while True:
            pass

    with monkeypatch.context() as patch:
        assert findings_of(patch, fail) == {"crash"}
    monkeypatch.setattr(examination, "SECONDS", 1)
    assert findings_of(monkeypatch, wait) == {"too long"}


def test_a_campaign_writes_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "ROOT", tmp_path)
    monkeypatch.setattr(page, "PAGES", tmp_path)
    monkeypatch.setattr(campaign, "examine", lambda *_: judge.LossOutcome(findings=[("crash", "once")], points=2))
    assert campaign.main(["--seed", "5", "--programs", "1"]) == 1
    assert "| crash | 1 | 0 |" in (tmp_path / "expressions.md").read_text()
    monkeypatch.setattr(campaign, "examine", lambda *_: judge.LossOutcome(points=2))
    assert campaign.main(["--seed", "5", "--programs", "3", "--resume"]) == 0
    written = (tmp_path / "expressions.md").read_text()
    assert "| programs | 3 |" in written and "| crash | 0 | 1 |" in written


def test_one_loss_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign.main(["--seed", "15", "--only", "2"]) == 0
    assert "random_loss" in capsys.readouterr().out
