"""Some lines of a derivation, with and without its title, in every format."""

from __future__ import annotations

from functools import partial

import pytest

import symgrad
from symgrad import InputError

D = symgrad.derive("softmax_cross_entropy")
FORMATS = {
    "text": D.to_text,
    "latex": D.to_latex,
    "markdown": D.to_markdown,
    "mathml": D.to_mathml,
    "html": partial(D.to_html, code=False),
}
HEADINGS = ("Axes", "axis", "Arrays", "array")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("steps", ["none", "13", "1-4, 13"])
def test_some_lines(name: str, steps: str) -> None:
    shown = FORMATS[name](steps=steps)
    assert D.program.summary in shown
    assert ("each row of" in shown) == ("13" in steps)
    assert ("chain rule" in shown) is False
    assert "The gradients" in shown
    assert not any(
        f"{heading}</" in shown or f"\n{heading}\n" in shown or f"| {heading} |" in shown for heading in HEADINGS
    )


@pytest.mark.parametrize("name", ["text", "latex", "markdown", "mathml"])
def test_without_a_title(name: str) -> None:
    shown = FORMATS[name](title=False)
    assert D.program.summary not in shown
    assert "Forward equations" in shown


def test_text_of_the_closed_forms_alone_begins_with_them() -> None:
    shown = D.to_text(steps="none", title=False)
    assert shown.startswith("The gradients\n") and "  P = exp(Z)" in shown and "  L = " not in shown


@pytest.mark.parametrize("name", FORMATS)
def test_lines_that_are_not_there(name: str) -> None:
    with pytest.raises(InputError, match="steps 5-40: the derivation has lines 1 to 31"):
        FORMATS[name](steps="5-40")
