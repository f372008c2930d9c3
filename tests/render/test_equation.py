"""One equation of a derivation, in each notation and in each of the printers."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from catalogue import derived
from programs import ZOO

import symgrad
from symgrad.engine.derive import derive_record
from symgrad.errors import InputError
from symgrad.render.equation import Equation, closed_form, numbered

DERIVATION = derived("softmax_cross_entropy")


def form(name: str, notation: str = "matrix", loss: str = "softmax_cross_entropy") -> Equation:
    found = closed_form(symgrad.derive(loss).record, name, notation)
    assert found is not None
    return found


def test_a_closed_form_in_each_notation_and_printer() -> None:
    assert form("b").text() == "∂L/∂b = (1/N) (P − Y)ᵀ 1_N"
    assert form("b", "index").text() == "∂L/∂b_c = (1/N) Σ_n (p_nc − y_nc)"
    assert form("W").latex() == r"\frac{\partial L}{\partial W} = \frac{1}{N} \, X^{\top} \, (P - Y)"
    math = ElementTree.fromstring(form("W").mathml())
    assert math.get("alttext") == "∂L/∂W = (1/N) Xᵀ (P − Y)"
    assert math.get("display") == "inline"


def test_a_derivative_on_the_way_has_the_name_that_the_closed_forms_use() -> None:
    assert form("Wq", loss="attention_head").text() == "∂L/∂W_q = Xᵀ G_Q"
    assert form("Q", loss="attention_head").text() == "G_Q = ∂L/∂Q = (1/√H) G_E K"


def test_an_array_that_the_closed_forms_do_not_know() -> None:
    assert closed_form(DERIVATION.record, "Q") is None
    assert closed_form(DERIVATION.record, "Y") is None


def test_what_has_no_matrix_form_is_given_entry_by_entry() -> None:
    build, wrt = ZOO["tensor_form"]
    found = closed_form(derive_record(build(), wrt), wrt[0])
    assert found is not None
    assert "Σ" in found.text()


def test_a_line_has_its_left_side_even_where_it_goes_on_from_another() -> None:
    assert numbered(DERIVATION.record, 12).text() == "∂L/∂z_mc = (1/N) (p_mc Σ_k y_mk − y_mc)"
    assert numbered(DERIVATION.record, 27).text() == "G = ∂L/∂Z = (1/N) (P − Y)"


def test_a_line_on_what_the_code_evaluates() -> None:
    assert numbered(DERIVATION.record, 38, DERIVATION.evaluation.record).text() == "p_nk = e_nk/S_shifted_n"


@pytest.mark.parametrize("number", [0, len(DERIVATION.steps) + 1])
def test_a_line_that_is_not_there(number: int) -> None:
    with pytest.raises(
        InputError, match=f"there is no line {number}: the derivation has lines 1 to {len(DERIVATION.steps)}"
    ):
        numbered(DERIVATION.record, number)
