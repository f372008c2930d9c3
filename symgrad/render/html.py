"""A derivation as a page of HTML, or a section of one: MathML, no script, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from symgrad.render import phrases
from symgrad.render.formula import escaped
from symgrad.render.html_lines import Lines
from symgrad.render.html_words import Spelling, size_words
from symgrad.render.layout import layout, whole_array
from symgrad.render.page import CODE, CONVENTIONS, GRADIENTS, ArrayRow, Example, Fact, Page, Quantity
from symgrad.render.shapes import products, shape
from symgrad.render.style import stylesheet
from symgrad.render.tree import Leaf, Node, Slope
from symgrad.steps import Record

DIGITS = 4  # of the numbers of an example
PAGE_STYLE = """\
:root { color-scheme: light dark }
body { margin: 0; background: Canvas; color: CanvasText; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem }
pre, code { font-family: ui-monospace, monospace }
@page { margin: 15mm }
@media print { body { font-size: 10pt } main { max-width: none; padding: 0 } }
"""


@dataclass(frozen=True)
class Beside:
    """What a page shows beside the lines, all of it given by others: of each line how its mark was reached
    (``details``), how many lines bear each mark, a worked example, conventions of frameworks, the code."""

    details: Mapping[int, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    example: Example | None = None
    facts: tuple[Fact, ...] = ()
    code: str = ""


def to_html(page: Page, beside: Beside | None = None, *, fragment: bool = False) -> str:
    """Write a page as self-contained HTML, or with ``fragment`` as a ``<section class="symgrad">``.

    The title of a page is ``<h1>``, that of a section ``<h2>``.  Without a title a section has no style either: both
    are those of the page around it, and its parts begin with ``<h2>``.

    Raises ``UnsupportedError`` for a formula that latex2mathml cannot write.
    """
    section = _HtmlPage(page, beside or Beside()).section()
    if fragment:
        return f"<style>\n{stylesheet()}</style>\n{lowered(section)}" if page.title else section
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(page.title)}</title>\n<style>\n{PAGE_STYLE}{stylesheet()}</style>\n</head>\n"
        f"<body>\n<main>\n{section}</main>\n</body>\n</html>\n"
    )


def lowered(section: str, levels: int = 1) -> str:
    """A section whose headings stand some levels lower."""
    return re.sub(r"(</?h)([1-6])(?=[ >])", lambda m: f"{m[1]}{min(6, int(m[2]) + levels)}", section)


def closed_forms_html(record: Record) -> str:
    """The closed forms alone, in their box, with the style."""
    return _section(_HtmlPage(layout(record), Beside()).closed())


def proof_html(record: Record, marks: Mapping[int, str], beside: Beside, problems: Sequence[str]) -> str:
    """The marks of all lines, each with how it was reached, with the style."""
    page = layout(record, marks)
    return _section(_HtmlPage(replace(page, anchor=f"{page.anchor}-proof"), beside).proof(problems))


def _section(content: str) -> str:
    return f'<style>\n{stylesheet()}</style>\n<section class="symgrad">\n{content}\n</section>\n'


class _HtmlPage:
    def __init__(self, page: Page, beside: Beside) -> None:
        self.content = page
        self.beside = beside
        self.anchor = anchor = page.anchor
        keys = [*(a.key for a in page.assumptions), *(c.key for c in page.conventions)]
        numbers = {line.number for line in page.lines if line.number}
        self.spelling = Spelling(page.names, {key: f"{anchor}-{key}" for key in keys}, anchor, numbers)
        self.lines = Lines(page.lines, self.spelling, self.beside.details)

    def section(self) -> str:
        words = self.content.warning
        warning = [f'<p class="bad">✗ {escaped(words)}</p>'] if words else []
        parts = [*warning, *self._head(), *map(self.lines.section, self.content.sections), *self._foot(), *warning]
        return f'<section class="symgrad" id="{self.anchor}">\n' + "\n".join(parts) + "\n</section>\n"

    # --- above the lines ----------------------------------------------------------------------------------------------

    def _head(self) -> Iterator[str]:
        page, words, math = self.content, self.spelling.words, self.spelling.math
        if page.title:
            yield f'<h1 class="title">{escaped(page.title)}</h1>'
        if self.beside.counts and page.arrays:
            yield self._counts()
        if page.axes:
            yield '<div class="facts">' + self._arrays(page.arrays) + self._axes() + "</div>"
        for remark in phrases.remarks(page, math, words, relation=escaped("[x > 0]")):
            yield f'<p class="soft">{remark}</p>'
        if page.reduction:
            yield f'<p class="soft">Reduction: {words(page.reduction)}.</p>'
        if page.assumptions:
            yield "<h2>Assumptions</h2>"
        for a in page.assumptions:
            used = f" (used by {self.spelling.links(a.lines)})" if a.lines else "" if a.used else " (not used)"
            equation = self.spelling.equation(a.left, a.right)
            yield f'<p id="{self.anchor}-{escaped(a.key)}">[{escaped(a.key)}] {words(a.words)}: {equation}{used}</p>'

    def _counts(self) -> str:
        """How many lines bear each mark."""
        counts = [_counted(level, count) for level, count in self.beside.counts.items()]
        return f'<p class="soft">{sum(self.beside.counts.values())} lines: {", ".join(counts)}.</p>'

    def _axes(self) -> str:
        letters = self.spelling.letters
        rows = [(letters([a.name]), escaped(a.meaning), letters(a.letters)) for a in self.content.axes]
        return _table(("axis", "", "indices"), rows)

    def _arrays(self, rows: Sequence[ArrayRow]) -> str:
        math, shape = self.spelling.math, phrases.numpy_shape
        shown = [(math(r.matrix), escaped(shape(r.axes)), math(r.entry), r.role) for r in rows]
        return _table(("array", "shape", "entry", ""), shown)

    # --- below the lines ----------------------------------------------------------------------------------------------

    def _foot(self) -> Iterator[str]:
        page = self.content
        if page.closed:
            yield f"<h2>{GRADIENTS}</h2>\n{self.closed()}"
            yield from self._shape_check()
        if page.conditions:
            rows = [
                f"<li>{self.spelling.nonzero(c.nonzero)}: {self.spelling.words(c.reason)} "
                f"{self.spelling.cited(c.lines) if c.lines else ''}</li>"
                for c in page.conditions
            ]
            yield f"<h2>Divisors</h2>\n<ul>{''.join(rows)}</ul>"
        if page.conventions:
            rows = [
                f'<p id="{self.anchor}-{escaped(c.key)}">[{escaped(c.key)}] {escaped(c.words)} '
                f"{self.spelling.cited(c.lines) if c.lines else ''}</p>"
                for c in page.conventions
            ]
            yield f"<h2>{CONVENTIONS}</h2>\n{''.join(rows)}"
        if self.beside.example:
            yield example_html(self.beside.example, self.spelling)
        if self.beside.facts:
            yield facts_html(self.beside.facts, self.spelling)
        if page.evaluation:
            yield self.lines.section(page.evaluation)
        if self.beside.code:
            yield f"<h2>{CODE}</h2>\n<pre><code>{escaped(self.beside.code.rstrip())}</code></pre>"

    def closed(self) -> str:
        """The closed forms, and which have no matrix form."""
        if not self.content.no_matrix:
            return self.lines.closed(self.content.closed)
        remark = phrases.no_matrix_words([self.spelling.text(node) for node in self.content.no_matrix])
        return f'{self.lines.closed(self.content.closed)}<p class="soft">{escaped(remark)}</p>'

    def proof(self, problems: Sequence[str]) -> str:
        """Each line with its mark and how that was reached; then what is not about a line."""
        rows = []
        for line in self.content.lines:
            assert line.left is not None
            mark, detail = line.mark or "definition", self.beside.details.get(line.number or 0, "")
            sign = phrases.mark_sign(mark)
            equation, how = self.spelling.equation(line.left, line.right), self.spelling.words(detail)
            rows.append((str(line.number), equation, f"{sign} {escaped(mark)}", how))
        wrong = "".join(f'<p class="bad">✗ {escaped(problem)}</p>' for problem in problems)
        table = _table(("", "line", "known to hold", "how"), rows, ' class="proof"')
        return f'{self._counts()}{wrong}<div class="scroll">{table}</div>'

    def _shape_check(self) -> Iterator[str]:
        """The shapes of the products in each closed form: its own shape is that of its array."""
        names = self.content.names.arrays
        rows = []
        for matrix in (form.matrix for form in self.content.closed if form.matrix):
            result = shape(matrix.right, names)
            if result is None or matrix.left is None:
                continue
            found = [self.spelling.product(p) for p in dict.fromkeys(products(matrix.right, names))]
            whole = found or [size_words(result)]
            rows.append((self.spelling.math(matrix.left), "; ".join(whole)))
        if rows:
            table = _table((), rows, ' class="shapes"')
            yield f'<h3 class="sub">Shapes</h3>\n<div class="scroll">{table}</div>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], attributes: str = "") -> str:
    """A table, with heads over its columns if there are any."""
    head = f"<thead><tr>{''.join(f'<th>{words}</th>' for words in heads)}</tr></thead>" if heads else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table{attributes}>{head}<tbody>{body}</tbody></table>"


def _counted(level: str, count: int) -> str:
    """How many lines bear a mark."""
    sign = phrases.mark_sign(level)
    return f"{count} {sign} {escaped(level)}" if sign else f"{count} {escaped(level)}{'s' * (count != 1)}"


# --- the worked example and the conventions of frameworks -----------------------------------------------------------


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
