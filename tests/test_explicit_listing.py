"""The print of a derivation at given sizes."""

from __future__ import annotations

import pytest
from catalogue import derived

from symgrad import derive
from symgrad.explicit import entries_to_latex, entries_to_text
from trials.examination import limited


def text(loss: str, wrt: tuple[str, ...] = ("W", "b"), shape: tuple[int, int, int] = (2, 4, 3), **kwargs: str) -> str:
    return entries_to_text(derive(loss, wrt, **kwargs).explicit(**dict(zip("NDC", shape, strict=True))))


def line(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(start))


@pytest.mark.parametrize(("shape", "count"), [((2, 4, 2), 4), ((3, 1, 3), 9), ((2, 4, 3), 6), ((1, 1, 1), 1)])
def test_the_loss_is_divided_by_the_number_of_entries(shape: tuple[int, int, int], count: int) -> None:
    found = line(text("softmax_mse", shape=shape), "L = ")
    assert found.endswith(f"/{count}") if count > 1 else "/" not in found


def test_sums_are_named_once() -> None:
    page = text("softmax_mse")
    assert line(page, "t_2") == "t_2 = p_21 r_21 + p_22 r_22 + p_23 r_23"
    assert line(page, "∂L/∂w_42") == "∂L/∂w_42 = (x_14 p_12 (r_12 − t_1) + x_24 p_22 (r_22 − t_2))/3"
    assert "t_" not in text("softmax_cross_entropy")


@pytest.mark.parametrize("loss", ["softmax_mse", "softmax_cross_entropy"])
@pytest.mark.parametrize("wrt", [("Z",), ("Z", "P"), ("S",), ("X", "Y"), ("P", "W")])
def test_defined_arrays_have_entries(loss: str, wrt: tuple[str, ...]) -> None:
    at = derive(loss, wrt).explicit(N=2, D=4, C=3)
    page, latex = entries_to_text(at), entries_to_latex(at)
    for name in wrt:
        count = len(at.entries[name])
        assert page.count(f"∂L/∂{name.lower()}_") == count
        assert latex.count(rf"{{\partial {name.lower()}_{{") == count


def test_assumptions_that_were_used_are_named() -> None:
    page = text("softmax_cross_entropy")
    assert "Assuming [A1] each row of Y sums to one:\ny_11 + y_12 + y_13 = 1\ny_21 + y_22 + y_23 = 1\n" in page
    assert "Assuming" not in text("softmax_mse")
    latex = entries_to_latex(derived("softmax_cross_entropy").explicit(N=1, D=1, C=2))
    assert "Assuming [A1] each row of \\(Y\\) sums to one:\n\\[ y_{11} + y_{12} = 1 \\]" in latex


def test_labels_are_printed_as_numbers() -> None:
    page = entries_to_text(derived("softmax_cross_entropy").explicit(N=2, D=1, C=3, y=[2, 0]))
    assert "Y = [ 0  0  1 ]\n    [ 1  0  0 ]" in page
    assert line(page, "L = ") == "L = −(log p_13 + log p_21)/2"


def test_print_stays_quick() -> None:
    with limited(60):  # it takes two
        text("softmax_mse", shape=(8, 8, 8))
