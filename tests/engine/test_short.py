"""The short derivation: a view of the full one, which loses nothing that a line rests on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from catalogue import derived

from symgrad.engine.short import short
from symgrad.errors import InputError
from symgrad.losses import LOSSES
from symgrad.render.layout import layout
from symgrad.render.text import to_text
from symgrad.steps import MatrixTotal, MatrixValue, Record, Step

LENGTHS = {"softmax_cross_entropy": 11, "softmax_mse": 13, "layer_norm": 18, "attention_head": 21, "logistic": 11}
"""How many lines there are in index notation, forward equations included."""

LINES = ["5", "9", "11", "12", "13", "17", "21"]
"""The numbers of the lines of softmax_cross_entropy after its forward equations."""


def index_lines(record: Record) -> list[Step]:
    return [step for step in record.steps if not isinstance(step.subject, (MatrixValue, MatrixTotal))]


def origins(record: Record) -> Mapping[int, frozenset[int]]:
    """The definitions that each line rests on, reached through the lines that it cites and those above it."""
    reached: dict[int, frozenset[int]] = {}
    above: dict[object, int] = {}
    for step in record.steps:
        cited = [*step.cites, *([above[step.subject]] if step.before is not None else [])]
        own = {step.number} if step.rule == "definition" else set()
        reached[step.number] = frozenset(own).union(*(reached[number] for number in cited))
        above[step.subject] = step.number
    return reached


@pytest.fixture(scope="module", params=LOSSES)
def full(request: pytest.FixtureRequest) -> Record:
    return derived(request.param).record


def test_a_short_derivation_has_at_most_half_of_the_lines(full: Record) -> None:
    assert len(index_lines(short(full))) <= (len(full.steps) + 1) // 2


@pytest.mark.parametrize("name", LENGTHS)
def test_how_long_it_is(name: str) -> None:
    assert len(index_lines(short(derived(name).record))) == LENGTHS[name]


def test_each_line_is_a_line_of_the_full_derivation(full: Record) -> None:
    written = {step.number: step for step in full.steps}
    for step in short(full).steps:
        assert (step.subject, step.after, step.rule) == (
            written[step.number].subject,
            written[step.number].after,
            written[step.number].rule,
        )


def test_a_line_cites_lines_above_it_that_are_shown(full: Record) -> None:
    lines = short(full).steps
    shown = {step.number for step in lines}
    assert all(set(step.cites) <= shown and max(step.cites, default=0) < step.number for step in lines)


def test_a_line_rests_on_the_definitions_on_which_it_rests_in_the_full_derivation(full: Record) -> None:
    rests = origins(full)
    assert all(found == rests[number] for number, found in origins(short(full)).items())


def test_nothing_that_hidden_lines_rest_on_is_lost(full: Record) -> None:
    view = short(full)
    for kept in ("conditions", "conventions"):
        assert {c for s in view.steps for c in getattr(s, kept)} == {c for s in full.steps for c in getattr(s, kept)}
    assert view.assumptions_used == full.assumptions_used
    assert view.gradients == full.gradients


def test_the_view_does_not_depend_on_the_words_of_reasons() -> None:
    record = derived("layer_norm").record
    reworded = replace(record, steps=tuple(replace(s, reason=f"because {s.number}") for s in record.steps))
    assert [s.number for s in short(reworded).steps] == [s.number for s in short(record).steps]
    (line,) = (s for s in short(reworded).steps if s.number == 9)
    assert line.reason == "because 7, only n = m and d = e survive"
    untagged = replace(reworded, steps=tuple(replace(s, picked=()) for s in reworded.steps))
    (line,) = (s for s in short(untagged).steps if s.number == 9)
    assert line.reason == "because 7, because 8, because 9"


def test_a_line_in_which_terms_cancel_is_shown_whatever_its_words() -> None:
    record = derived("logistic").record
    (cancelling,) = (s.number for s in record.steps if s.rule == "cancel")
    reworded = replace(record, steps=tuple(replace(s, reason="so") for s in record.steps))
    shown = {s.number for s in short(reworded).steps}
    assert {cancelling - 1, cancelling} <= shown
    collected = replace(
        reworded, steps=tuple(replace(s, rule=s.rule.replace("cancel", "fold")) for s in reworded.steps)
    )
    assert cancelling - 1 not in {s.number for s in short(collected).steps}


def test_no_line_uses_two_assumptions(full: Record) -> None:
    assert [s.assumption for s in short(full).steps if s.assumption] == [
        s.assumption for s in full.steps if s.assumption
    ]


def test_the_page_of_a_short_derivation(golden: Callable[[str, str], None]) -> None:
    golden("short_attention_head.txt", derived("attention_head").to_text(detail="short"))


@pytest.mark.parametrize("notation", ["index", "matrix"])
def test_one_notation_of_a_short_derivation(notation: str) -> None:
    text = derived("softmax_cross_entropy").to_text(notation, detail="short")
    assert ("z_mc" in text, "G = ∂L/∂Z = " in text) == ((True, False) if notation == "index" else (False, True))


def test_the_code_names_nothing_that_the_page_does_not() -> None:
    assert "In the code, G = ∂L/∂Z." in derived("softmax_cross_entropy").to_text("index", detail="short")
    both = derived("mae").to_text(detail="short")
    assert "G_e = np.sign(e) / N" in both and "G_e = ∂L/∂e = (1/N) sign(e)" in both and "In the code" not in both


def test_results_have_the_derivatives_that_they_use_and_functions_their_meaning() -> None:
    results = derived("focal").to_text(detail="short").split("In NumPy")[0]
    assert "G = ∂L/∂Z = R − P ⊙ (R 1_C 1_Cᵀ)" in results and "∂L/∂z_mc = r_mc − p_mc Σ_k r_mk" in results
    assert "r_nk = p_nk ∂L/∂p_nk = (1/N) y_nk (γ p_nk (1 − p_nk)^(γ − 1) log p_nk − (1 − p_nk)^γ)" in results
    results = derived("huber").to_text(detail="short").split("In NumPy")[0]
    assert "(1/N) Xᵀ clip(e, −δ, δ)" in results and "clip(x, a, b) is x, but at least a and at most b." in results
    hinge = derived("multiclass_hinge").to_text(detail="short")
    assert "q_nk = largest_k(v_nk) is 1 at the largest v_nk along k and 0 elsewhere" in hinge.split("In NumPy")[0]
    assert "m_n = max_k v_nk" in hinge


def test_any_line_may_be_asked_for_and_other_details_are_refused() -> None:
    last = len(derived("softmax_cross_entropy").steps)
    text = derived("softmax_cross_entropy").to_text(steps=f"5-{last}")
    assert [line.split()[0] for line in text.splitlines() if re.match(" +[0-9]+ ", line)] == LINES
    with pytest.raises(InputError, match="steps 6: the short derivation has lines 1, 2, 3, 4, 5, 9, "):
        derived("softmax_cross_entropy").to_text(steps="5, 6")
    with pytest.raises(InputError, match="unknown detail 'long': expected one of short, full"):
        derived("softmax_cross_entropy").to_text(detail="long")


def test_a_mark_is_printed_where_it_is_weaker() -> None:
    record = derived("softmax_cross_entropy").record
    marks = {step.number: "every shape" for step in record.steps if step.rule != "definition"}
    marks[12] = "numerically at N=2"
    text = to_text(layout(record, marks, detail="short"))
    assert "Each line without a mark of its own is proved for every N, D and C." in text
    assert [line.split()[0] for line in text.splitlines() if "numerically" in line] == ["12"]
    assert "every shape" not in text


@pytest.mark.parametrize("number", [18, 29])  # the closed form of W, and the same in matrix notation
def test_a_closed_form_that_is_weaker_has_its_line_and_mark(number: int) -> None:
    record = derived("softmax_cross_entropy").record
    marks = {step.number: "every shape" for step in record.steps if step.rule != "definition"}
    results, lines = to_text(layout(record, marks, detail="short")).split("Derivatives with respect to Z")
    assert "(p_nc − y_nc)" in results and "(p_nc − y_nc)" not in lines
    marks[number] = "numerically at N=2"
    lines = to_text(layout(record, marks, detail="short")).split("Derivatives with respect to Z")[1]
    assert lines.count("numerically at N=2") == 1 and "(1/N) Σ_n x_nd (p_nc − y_nc)" in lines
