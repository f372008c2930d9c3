"""Random programs against witnesses that share nothing with symgrad, by hypothesis, so that what fails is made small;
and that the trial would notice."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sympy import Expr, Integer, MatMul, MatrixExpr, Rational

import symgrad
from symgrad.check.marks import Level, Mark, ProofReport
from symgrad.errors import SymgradError
from symgrad.notation import name_of
from symgrad.steps import MatrixTotal, MatrixValue, Partial, Total, Value
from trials import examination, page
from trials.fuzz import campaign, direct, generate, judge, witnesses
from trials.fuzz.lines import lines_at
from trials.fuzz.syntax import Draft
from trials.numbered import shared


@st.composite
def drafts(draw: Any) -> Draft:
    """Any draft of the generator, each of its choices drawn."""
    return generate.draft(lambda low, high: draw(st.integers(low, high)))


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(draft=drafts(), seed=st.integers(0, 2**16))
def test_random_programs(draft: Draft, seed: int) -> None:
    assume(draft.wrt)
    outcome = judge.examine(draft, seed, thorough=False)
    assert not outcome.findings, f"{campaign.shown(draft)}\n{outcome.findings}"


def test_some_programs_of_the_trial() -> None:
    for number, draft in numbered(2):
        assert not judge.examine(draft, number, thorough=False).findings, campaign.shown(draft)


def numbered(count: int) -> list[tuple[int, Draft]]:
    return [(number, generate.from_seed(3, number)) for number in range(count)]


def test_a_number_is_one_draft() -> None:
    assert generate.from_seed(3, 7) == generate.from_seed(3, 7) != generate.from_seed(3, 8)


def test_drafts_are_various() -> None:
    """What the trial claims to try, it tries."""
    found = [draft for _, draft in numbered(600)]
    operations = {part.op for draft in found for value in values(draft) for part in parts(value)}
    assert operations >= {
        "matmul",
        "einsum",
        "softmax",
        "log_softmax",
        "max",
        "trace",
        "diag",
        "gather",
        "where",
        "size",
    }
    assert {given.word for draft in found for given in draft.inputs} >= {
        "labels",
        "one-hot",
        "distribution",
        "symmetric",
    }
    assert 0.2 < sum(draft.by_hand for draft in found) / len(found) < 0.5
    assert {len(given.axes) for draft in found for given in draft.inputs} == {0, 1, 2, 3}


def values(draft: Draft) -> list[Any]:
    return [draft.result, *(statement.value for statement in draft.statements)]


def parts(value: Any) -> list[Any]:
    return [value, *(part for arg in value.args for part in parts(arg))]


@pytest.mark.slow
@pytest.mark.jax
def test_the_complex_step_agrees_with_jax() -> None:
    pytest.importorskip("jax")
    compared = 0
    for number, draft in numbered(12):
        for at in list(judge.points_of(draft, number))[:1]:
            assert not list(judge._jax(draft, at)), campaign.shown(draft)
            compared += not at.tied
    assert compared >= 6


@pytest.mark.slow
def times(factor: Expr, expr: Expr) -> Expr:
    """A product; SymPy's own writes the traces in a matrix expression out as sums."""
    return MatMul(factor, expr) if isinstance(expr, MatrixExpr) else factor * expr


@pytest.mark.slow
def test_every_line_that_is_made_wrong_is_noticed() -> None:
    """A right side with half of itself added: no line but one that says 0 survives."""
    kinds: set[type] = set()
    for number, draft in numbered(16):
        try:
            derived = judge.derivation(draft)
        except SymgradError:
            continue
        for at in list(judge.points_of(draft, number))[:1]:
            lines = lines_at(derived.record, at.inputs, at.sizes)
            assert not list(lines.wrong(derived.steps)), campaign.shown(draft)
            for step in derived.steps:
                worse = replace(step, after=times(Rational(3, 2), step.after))
                noticed = [found.number for found in lines.wrong((worse,))]
                if noticed:
                    kinds.add(type(step.subject))
                else:
                    assert abs(lines._error(replace(step, after=times(Integer(0), step.after)))) < 1e-6, (
                        step,
                        campaign.shown(draft),
                    )
    assert kinds == {Value, Partial, Total, MatrixValue, MatrixTotal}


def test_a_wrong_gradient_and_a_false_mark_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    number, draft = next((n, d) for n, d in numbered(50) if not d.by_hand and list(judge.points_of(d, n)))
    real = judge.derivation(draft)
    record = real.record
    name = draft.wrt[-1]
    place, step = next(
        (p, s) for p, s in enumerate(record.steps) if isinstance(s.subject, Total) and name_of(s.subject.wrt) == name
    )
    steps = [*record.steps]
    steps[place] = replace(step, after=2 * step.after)
    wrong = symgrad.Derivation(replace(record, steps=tuple(steps)))
    marks = tuple(Mark(s.number, Level.EVERY_SHAPE, "said so") for s in record.steps)
    [at, *_] = judge.points_of(draft, number)
    assert [kind for kind, _ in judge._lines(wrong, ProofReport(marks), at)] == ["false mark"]
    unproved = tuple(replace(mark, level=Level.UNPROVED) for mark in marks)
    assert not list(judge._lines(wrong, ProofReport(unproved), at))

    run = real.to_numpy()

    def doubled(*given: Any) -> Any:
        value, grads = run(*given)
        return value, type(grads)(*(2 * g for g in grads))

    assert {kind for kind, _ in judge._gradients(real, doubled, at)} == {"wrong gradient"}


def test_what_crashes_and_what_takes_too_long_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(draft: Draft) -> Any:
        raise RuntimeError("no such luck")

    def wait(draft: Draft) -> Any:
        while True:
            pass

    draft = generate.from_seed(3, 0)
    monkeypatch.setattr(judge, "derivation", crash)
    [(kind, what)] = judge.examine(draft, 0, False).findings
    assert kind == "crash" and "no such luck" in what
    monkeypatch.setattr(judge, "derivation", wait)
    monkeypatch.setattr(examination, "SECONDS", 0.05)
    [(kind, _)] = judge.examine(draft, 0, False).findings
    assert kind == "too long"


@pytest.mark.slow
def test_equations_by_hand_are_those_of_the_source() -> None:
    """The witness of equations written by hand: the same numbers as the source of the same draft."""
    compared = 0
    for number, draft in numbered(60):
        if draft.by_hand:
            derived = symgrad.derive(direct.program(draft), wrt=draft.wrt)
            for at in list(judge.points_of(draft, number))[:1]:
                found = lines_at(derived.record, at.inputs, at.sizes).arrays[derived.program.output]
                assert found.reshape(-1)[0].real == pytest.approx(at.value, rel=1e-9), campaign.shown(draft)
                compared += 1
    assert compared > 8


@pytest.mark.jax
def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "ROOT", tmp_path)
    monkeypatch.setattr(page, "PAGES", tmp_path)
    monkeypatch.setattr(campaign, "THOROUGH", 1000)
    kept = tmp_path / ".trials" / "fuzz-5.jsonl"
    assert campaign.main(["--seed", "5", "--programs", "2"]) == 0
    first = kept.read_text()
    assert campaign.main(["--seed", "5", "--programs", "4", "--resume"]) == 0
    lines = kept.read_text().splitlines()
    assert kept.read_text().startswith(first) and [json.loads(line)["number"] for line in lines] == [0, 1, 2, 3]
    written = (tmp_path / "fuzz.md").read_text()
    assert "| programs | 4 |" in written and "--seed 5" in written and "| wrong gradient | 0 | 0 |" in written


@pytest.mark.slow
def test_several_processes_find_what_one_finds() -> None:
    one = list(shared(partial(campaign._examined, 5), [1, 2], 1))
    two = sorted(shared(partial(campaign._examined, 5), [1, 2], 2), key=lambda entry: entry["number"])
    assert [{**entry, "seconds": 0} for entry in two] == [{**entry, "seconds": 0} for entry in one]


@pytest.mark.jax
def test_what_had_findings_is_examined_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "ROOT", tmp_path)
    monkeypatch.setattr(page, "PAGES", tmp_path)
    monkeypatch.setattr(campaign, "examine", lambda *_, **__: judge.DraftOutcome(findings=[("crash", "once")]))
    assert campaign.main(["--seed", "5", "--programs", "1"]) == 1
    assert "| crash | 1 | 0 |" in (tmp_path / "fuzz.md").read_text()
    monkeypatch.setattr(campaign, "examine", lambda *_, **__: judge.DraftOutcome())
    assert campaign.main(["--seed", "5", "--programs", "1", "--resume"]) == 0
    assert "| crash | 0 | 1 |" in (tmp_path / "fuzz.md").read_text()


@pytest.mark.slow
@pytest.mark.jax
def test_one_program_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign.main(["--seed", "3", "--only", "1"]) == 0
    assert "def random_loss(" in capsys.readouterr().out


def test_ties_take_the_documented_derivative() -> None:
    """The witness takes half of each at a tie, and notes it."""
    kinks = witnesses.Kinks()
    x = 1.0 + 1j * witnesses.STEP
    assert kinks.maximum(x, 1.0).imag == pytest.approx(witnesses.STEP / 2) and kinks.watch.tied
    assert kinks.absolute(0j + 1j * witnesses.STEP).imag == 0
