"""What a page shows after the closed forms: the worked example and the conventions of frameworks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symgrad.exhibits import Example, Fact, Quantity
from symgrad.render.formula import escaped
from symgrad.render.html_words import Spelling
from symgrad.render.layout import whole_array
from symgrad.render.tree import Leaf, Node, Slope

DIGITS = 4  # of the numbers of an example


def example_html(example: Example, spelling: Spelling) -> str:
    """The worked example: what is given, what is named on the way, the loss and its gradients."""
    output = Leaf(spelling.names.output) if spelling.names.output is not None else None
    given = [_value(spelling, whole_array(q.array), q) for q in example.inputs]
    on_the_way = [_value(spelling, whole_array(q.array), q) for q in example.defined]
    found = []
    if output:
        found.append(_equal(spelling, spelling.printer.show(output), spelling.text(output), np.asarray(example.loss)))
        found += [_value(spelling, Slope(output, whole_array(q.array)), q) for q in example.gradients]
    blocks = "\n".join(f'<div class="values">{"".join(part)}</div>' for part in (given, on_the_way, found) if part)
    sizes = ", ".join(f"{axis} = {size}" for axis, size in example.sizes.items())
    remark = spelling.words(f"{sizes}. {example.remark}".strip())
    source = '<p class="soft">The loss and the gradients asked for are those of the generated function.</p>'
    return f"<h2>A small example</h2>\n<p>{remark}</p>\n{blocks}\n{source}"


def facts_html(facts: Sequence[Fact], spelling: Spelling) -> str:
    """The conventions, a term each."""
    rows = []
    for fact in facts:
        call = f" <code>{escaped(fact.call)}</code>" if fact.call else ""
        rows.append(f"<dt>{escaped(fact.topic)}</dt><dd>{spelling.words(fact.words)}{call}</dd>")
    return f"<h2>In the frameworks</h2>\n<dl>{''.join(rows)}</dl>"


def _value(spelling: Spelling, left: Node, quantity: Quantity) -> str:
    return _equal(spelling, spelling.printer.show(left), spelling.text(left), np.asarray(quantity.values))


def _equal(spelling: Spelling, latex: str, text: str, values: np.ndarray) -> str:
    formula = spelling.formula(f"{latex} = {values_latex(values)}", f"{text} = {values_text(values)}")
    return f"<span>{formula}</span>"


def values_latex(values: np.ndarray) -> str:
    """An array of numbers: a vector in a row, as NumPy prints it, a matrix in brackets, of more axes a row of those."""
    if values.ndim == 0:
        return number_latex(float(values))
    if values.ndim != 2:
        return "(" + r", \; ".join(f"{{{values_latex(v)}}}" for v in values) + ")"  # a sign there is no operator
    rows = (" & ".join(number_latex(float(v)) for v in row) for row in values)
    return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"


def values_text(values: np.ndarray) -> str:
    """An array of numbers as NumPy's ``tolist`` prints it."""
    return str(np.vectorize(lambda value: float(f"{value:.{DIGITS}g}"), otypes=[float])(values).tolist())


def number_latex(value: float) -> str:
    """A number to four digits."""
    digits, _, exponent = f"{value:.{DIGITS}g}".partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if exponent else digits
