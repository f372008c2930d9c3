"""Markdown: tables whose cells hold, formulas between dollar signs, words that are no markup."""

from __future__ import annotations

from dataclasses import replace

import pytest
from catalogue import derived, derived_from, typical
from markdown_it import MarkdownIt
from programs import ZOO
from records import cross_entropy

import symgrad
from symgrad.render.layout import layout
from symgrad.render.markdown import to_markdown

RECORD = cross_entropy()


def tables(page: str) -> list[list[str]]:
    """The rows of all tables, as Markdown reads them, a list of cells each."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level > 2:
            rows[-1].append(token.content)
    return rows


def test_a_line() -> None:
    lines = {
        row[0]: row for row in tables(derived("softmax_cross_entropy").to_markdown(detail="full")) if row[0].isdigit()
    }
    assert lines["13"] == [
        "13",
        "",
        r"$\displaystyle = \frac{1}{N} \, (p_{mc} - y_{mc})$",
        r"each row of *Y* sums to one \[A1\]",
        "✓ every shape",
    ]
    assert lines["27"][1] == r"$\displaystyle G = \frac{\partial L}{\partial Z}$"


@pytest.mark.parametrize(
    "name",
    [
        *typical(symgrad.LOSSES, {"softmax_cross_entropy", "multiclass_hinge", "layer_norm"}),
        *typical(ZOO, {"crammer_singer", "tensor_form", "clipped"}),
    ],
)
def test_no_formula_ends_a_cell(name: str) -> None:
    record = (derived(name) if name in symgrad.LOSSES else derived_from(*ZOO[name])).record
    rows = [row for row in tables(to_markdown(layout(record))) if row[0].isdigit()]
    assert len(rows) == len(record.steps)
    assert all(len(row) == 5 for row in rows)
    assert all(cell.count("$") % 2 == 0 for row in rows for cell in row)


def test_words_of_users_are_no_markup() -> None:
    program = replace(RECORD.program, summary="*a* <script> [b](c) | $d$ `e`\n# f")
    page = to_markdown(layout(replace(RECORD, program=program)))
    html = MarkdownIt("commonmark").render(page.split("\n\n")[0])
    assert html == "<h1>*a* &lt;script&gt; [b](c) | $d$ `e` # f</h1>\n"


def test_some_lines_and_the_code() -> None:
    page = derived("softmax_cross_entropy").to_markdown(steps="13", code=True)
    numbers = [row[0] for row in tables(page) if row[0].isdigit()]
    assert numbers[0] == "13"
    assert all(int(number) > 31 for number in numbers[1:])
    assert "```python\ndef softmax_cross_entropy_gradient(" in page


def test_names_in_words_are_spelled_as_in_formulas() -> None:
    page = derived("layer_norm").to_markdown(detail="full")
    assert r"in terms of $\hat{X}$" in page
    assert "Xhat" not in page
