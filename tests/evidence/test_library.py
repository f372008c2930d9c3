"""The library of published numbers and formulas, and the recorded runs of the catalogue: each holds, and can fail.

``symgrad check`` compares all of them, in CI as well; a sample is compared here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from cases import sampled

from symgrad import LOSSES, Derivation, derive
from symgrad.evidence.checks import PUBLISHED, check_loss
from symgrad.evidence.generated_code import (
    BLOG,
    CATALOGUE,
    INACCURATE,
    cases_of,
    computed,
    derived,
    losses_with_runs,
    recorded,
    run_items,
)
from symgrad.evidence.generated_code import compared as compared_runs
from symgrad.evidence.library import (
    KNOWN,
    Formula,
    Numbers,
    check_formula,
    check_numbers,
    compared,
    entries,
    evaluated,
    inputs_of,
    sources,
)
from symgrad.evidence.report import joint_proof
from symgrad.frameworks import conventions

ITEMS = [(source.name, item) for source in sources() for item in source.items]
NUMBERS = [pytest.param(item, id=f"{name}: {item.what}") for name, item in ITEMS if isinstance(item, Numbers)]
FORMULAS = [pytest.param(item, id=f"{name}: {item.what}") for name, item in ITEMS if isinstance(item, Formula)]
RUNS = [*((loss, CATALOGUE) for loss in losses_with_runs()), *((LOSSES[name], BLOG) for name in PUBLISHED)]
CASES = [(loss, case) for loss, file in RUNS for case in cases_of(loss.name, file)]
SOME = list({loss.name: (loss, case) for loss, case in CASES}.values())[::3]


def changed(nested: Any, change: Callable[[str], str]) -> Any:
    if isinstance(nested, list):
        return [changed(part, change) for part in nested]
    return None if nested is None else change(nested)


def moved(item: Numbers, texts: list[str], text: str, up: bool) -> str:
    """A printed number with a digit moved by 3: the last that the precision carries in which its array was computed."""
    largest = max(Decimal(other.removesuffix("...")).adjusted() for other in texts)
    digits = Decimal(text.removesuffix("..."))
    unit = Decimal(10) ** max(int(digits.as_tuple().exponent), largest - (6 if item.float32 else 14))
    return str(digits + (3 if up else -3) * unit) + ("..." if text.endswith("...") else "")


# Numbers


@pytest.mark.parametrize("item", NUMBERS[::20])
def test_printed_numbers_are_right_or_wrong_as_recorded(item: Numbers) -> None:
    found = check_numbers(item)
    assert found.ok, found.found
    assert found.found.startswith("wrong: ") == (item.wrong is not None)


@pytest.mark.parametrize("item", sampled([param for param in NUMBERS if not param.values[0].wrong][::3], every=9))  # type: ignore[union-attr]
def test_a_changed_digit_of_any_printed_number_shows(item: Numbers) -> None:
    for name, printed in item.printed.items():
        text = json.dumps(printed)
        numbers = list(dict.fromkeys(re.findall(r'"([^"]+)"', text)))
        for number in numbers:
            pair = next(pair for pair in compared(item) if pair.printed == number)
            away = moved(item, numbers, number, up=float(number.removesuffix("...")) >= pair.computed)
            other = json.loads(text.replace(f'"{number}"', f'"{away}"'))
            assert not check_numbers(replace(item, printed={**item.printed, name: other})).ok, (number, away)


@pytest.mark.parametrize("item", [param for param in NUMBERS if param.values[0].wrong])  # type: ignore[union-attr]
def test_numbers_recorded_as_wrong_have_to_be_wrong_and_in_the_way_that_is_said(item: Numbers) -> None:
    assert item.wrong is not None
    assert not check_numbers(replace(item, wrong=None)).ok
    for ways in ({"times": "2"}, {"times": "", "off_by": "1e3"}):
        assert not check_numbers(replace(item, wrong=replace(item.wrong, **{"instead": {}, "off_by": "", **ways}))).ok
    at = inputs_of(KNOWN[item.loss], item.inputs)
    values = computed(KNOWN[item.loss], at)
    right = {
        name: np.vectorize(repr)(np.asarray(values.loss if name == "loss" else values.gradients[name], dtype=float))
        for name in item.printed
    }
    right = {name: np.char.replace(text, "np.float64(", "") for name, text in right.items()}
    printed = {name: np.char.replace(text, ")", "").tolist() for name, text in right.items()}
    found = check_numbers(replace(item, printed=printed))
    assert not found.ok and "recorded as wrong, but it is right" in found.found


def test_digits_that_were_cut_off_say_where_the_number_lies() -> None:
    item = next(i for _, i in ITEMS if isinstance(i, Numbers) and i.printed == {"loss": "0.32..."})
    assert compared(item)[0].computed == pytest.approx(0.325)
    assert not check_numbers(replace(item, printed={"loss": "0.33..."})).ok
    assert not check_numbers(replace(item, printed={"loss": "0.31..."})).ok


def test_the_sources_are_those_of_several_kinds() -> None:
    assert len(sources()) == 24 and len(NUMBERS) + len(FORMULAS) == 80
    assert all(source.where for source in sources())


# Formulas


@pytest.mark.parametrize("item", FORMULAS[::11])
def test_printed_formulas_are_right_or_wrong_as_recorded(item: Formula) -> None:
    found = check_formula(item)
    assert found.ok, found.found
    assert found.found.startswith("wrong: ") == bool(item.wrong)


@pytest.mark.parametrize("item", sampled(FORMULAS[:1]))
def test_a_changed_factor_of_any_formula_shows(item: Formula) -> None:
    found = check_formula(replace(item, formula=f"2 * ({item.formula})"))
    assert not found.ok and "2 times the right one" in found.found


@pytest.mark.parametrize("item", sampled([param for param in FORMULAS if param.values[0].wrong]))  # type: ignore[union-attr]
def test_a_wrong_formula_shows_by_which_term(item: Formula) -> None:
    assert check_formula(item).found.endswith(f"; {item.wrong}") and "only the diagonal" in item.wrong
    assert not check_formula(replace(item, wrong="")).ok
    assert not check_formula(replace(item, wrong=item.wrong.replace("1 − p_nk", "1 + p_nk"))).ok


def test_a_right_formula_is_not_recorded_as_wrong() -> None:
    item = next(i for _, i in ITEMS if isinstance(i, Formula) and i.loss == "sigmoid_sum")
    found = check_formula(replace(item, wrong="∂p_n/∂x_m = 0"))
    assert not found.ok and found.found.endswith("recorded as wrong")


@pytest.mark.slow
def test_the_sigmoid_form_is_found_where_it_was_printed() -> None:
    item = next(i for _, i in ITEMS if isinstance(i, Formula) and i.formula == "2 * (p - Y) * p * (1 - p)")
    assert check_formula(item).found.endswith(
        "line 12, ∂p_nk/∂z_mc = p_nk δ_nm (δ_kc − p_nc), is not used as it stands; only the diagonal of the Jacobian "
        "of the softmax P is used: ∂p_nk/∂z_mc = p_nk δ_nm δ_kc (1 − p_nk)"
    )


def test_text_is_evaluated_over_the_names_before_it() -> None:
    names = {"X": np.arange(6.0).reshape(2, 3), "w": np.array([1.0, 0.0, 2.0])}
    np.testing.assert_array_equal(evaluated("X @ w", names), [4, 13])
    at = inputs_of(KNOWN["log_likelihood"], {"p": [[0.25, 0.75]], "Z": "log(p)", "Y": [[1, 0]]})
    np.testing.assert_allclose(at["Z"], np.log([[0.25, 0.75]]))
    assert list(at) == ["Z", "Y"]


# The data


NUMBER = re.compile(r"-?\d+(\.\d*)?(e-?\d+)?(\.\.\.)?")
"""A printed number; three dots at the end mean that more digits were cut off."""


def test_every_item_is_about_a_known_loss_and_its_inputs() -> None:
    for source in sources():
        assert source.author and source.title and source.where and source.items
    for _, item in ITEMS:
        declared = {shape.name for shape in KNOWN[item.loss].shapes}
        assert isinstance(item, Formula) or declared <= item.inputs.keys(), item.what


def test_printed_numbers_are_strings_of_the_loss_or_its_gradients() -> None:
    for item in (item for _, item in ITEMS if isinstance(item, Numbers)):
        assert item.printed.keys() <= {*KNOWN[item.loss].wrt, *(() if item.step else ("loss",))}, item.what
        printed = [number for array in item.printed.values() for number in entries(array) if number is not None]
        assert printed and all(NUMBER.fullmatch(number) for number in printed), item.what
        if item.wrong:
            ways = (item.wrong.times, item.wrong.instead, item.wrong.off_by)
            assert item.wrong.because and sum(map(bool, ways)) == 1, item.what


def test_a_shape_that_does_not_fit_is_an_error() -> None:
    item = Numbers("w", "tanh", {"x": 1}, {"x": ["0.42"]})
    with pytest.raises(ValueError, match=r"printed with shape \(1,\), computed with \(\)"):
        check_numbers(item)


# Recorded runs


@pytest.mark.parametrize(("loss", "file"), RUNS[::9], ids=[f"{loss.name} {file}" for loss, file in RUNS[::9]])
def test_recorded_runs_are_what_is_derived(loss: Any, file: str) -> None:
    for item in run_items(loss, file):
        assert item.ok, item.found


@pytest.mark.parametrize(
    ("loss", "case"), sampled(SOME, every=5), ids=[f"{c['loss']} {c['kind']} {c['seed']}" for _, c in SOME]
)
def test_a_factor_in_any_recorded_array_shows(loss: Any, case: Any) -> None:
    for framework, by_dtype in case["results"].items():
        for dtype, found in by_dtype.items():
            for key, value in found.items():
                if not np.any(np.asarray(value)):
                    continue  # twice 0 is 0
                other = deepcopy(case)
                other["results"][framework][dtype][key] = (2 * np.asarray(value)).tolist()
                runs = [r for r in compared_runs(loss, other) if (r.framework, r.dtype) == (framework, dtype)]
                assert [run.ok for run in runs] == [False], (framework, dtype, key)


@pytest.mark.parametrize("known", sampled(INACCURATE, every=9), ids=lambda known: f"{known.loss} {known.framework}")
def test_every_inaccuracy_that_is_allowed_for_is_there(known: Any) -> None:
    others = [other for other in INACCURATE if other is not known]
    runs = [run for case in cases_of(known.loss) for run in compared_runs(LOSSES[known.loss], case, others)]
    failed = [run for run in runs if not run.ok]
    assert failed and {run.dtype for run in failed} == {known.dtype}
    assert known.framework in ("", *(run.framework for run in failed))


@pytest.mark.slow
def test_how_far_off_the_runs_are_at_most_is_what_the_documentation_says() -> None:
    known = {(i.loss, i.framework, i.dtype) for i in INACCURATE}
    for loss, case in CASES:
        for run in compared_runs(loss, case):
            if (loss.name, run.framework, run.dtype) not in known:
                assert run.error <= {"float32": 1e-3, "float64": 1e-12}[run.dtype], (loss.name, run)


def test_a_result_that_is_not_finite_fails() -> None:
    case = deepcopy(cases_of("mse")[0])
    case["results"]["torch"]["float32"]["b"] = float("nan")
    assert [r.ok for r in compared_runs(LOSSES["mse"], case) if (r.framework, r.dtype) == ("torch", "float32")] == [
        False
    ]


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_that_a_framework_has_is_recorded_with_its_call(name: str) -> None:
    keys = {"PyTorch": "torch", "Keras": "tensorflow"}
    for fact in conventions(LOSSES[name].program()):
        if fact.call:
            written = recorded()["header"][keys[fact.topic]]["calls"][name]
            for function in re.findall(r"(?:torch\.nn\.functional|keras\.losses)\.(\w+)", fact.call):
                same = {"CategoricalCrossentropy": "Crossentropy"}.get(function, function)
                assert same in written, f"{fact.call} is recorded as {written}"


@pytest.mark.parametrize("name", [loss.name for loss in losses_with_runs()])
def test_the_runs_are_of_several_seeds_and_of_logits_up_to_ten_thousand(name: str) -> None:
    cases = cases_of(name)
    assert len({case["seed"] for case in cases}) == len(cases)
    limited = recorded()["header"]["limits"]
    assert {case["kind"] for case in cases} == ({"plain"} if name == "focal" else {"plain", "1e2", "1e4"})
    for case in cases:
        inputs = {key: np.array(value, dtype=np.float32) for key, value in case["inputs"].items()}
        if case["kind"] == "1e4" and "W" in inputs and name not in limited:
            largest = np.abs(inputs["X"] @ inputs["W"] + inputs["b"]).max()
            assert 5e3 < largest < 5e4


# The reports


def test_a_loss_of_the_catalogue_is_held_against_what_was_published_and_recorded_of_it() -> None:
    report = check_loss(LOSSES["mae"])
    assert report.ok and [s.title for s in report.sections] == ["mae", "mae: published", "mae: recorded runs"]
    (item,) = report.sections[1].items
    assert item.what == "Chollet and others: Keras documentation, release 3.15 (2026): MeanAbsoluteError"
    assert item.found == "0.5666667 printed, 0.5666666667 computed"


def test_a_loss_of_ones_own_is_not_taken_for_one_of_the_catalogue() -> None:
    own = replace_name(KNOWN["twice_dot"], "mae")
    assert [section.title for section in check_loss(own).sections] == ["mae"]


def replace_name(loss: Any, name: str) -> Any:
    return type(loss)(loss.function, loss.shapes, loss.wrt, name, loss.summary)


def test_a_line_that_does_not_prove_fails_the_joint_proof() -> None:
    right, record = derive("mse"), derive("mae").record
    assert [item.ok for item in joint_proof([right])] == [True]
    last = record.steps[-1]
    wrong = Derivation(replace(record, steps=(*record.steps[:-1], replace(last, after=2 * last.after))))
    items = joint_proof([right, wrong])
    assert not items[-1].ok and next(i for i in items if not i.ok).what.startswith("mae: ")
    gradients = {name: replace(g, index=2 * g.index) for name, g in record.gradients.items()}
    items = joint_proof([Derivation(replace(record, gradients=gradients))])
    assert not items[-1].ok and items[0].what == "mae: proof"


def test_derivations_are_made_once() -> None:
    loss = KNOWN["tanh"]
    assert derived(loss, loss.wrt) is derived(loss, loss.wrt)
