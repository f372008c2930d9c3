"""A derivation as a page of HTML, or as a section: MathML, no script, no external resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from sympy import Symbol

from symgrad.render import blocks, phrases, stylesheet
from symgrad.render.blocks import Line, Page
from symgrad.render.layout import Beside, layout
from symgrad.render.mathml import NAMESPACE, MathPrinter, element, escaped, markup, pieces
from symgrad.render.printer import Backend
from symgrad.render.shapes import whole_array
from symgrad.render.text_printer import TextPrinter, width
from symgrad.render.tree import Leaf, Node, Relation, Size, Slope
from symgrad.steps import Record

DIGITS = 4  # significant digits in the example
HALF = 48  # columns of the text form: two closed forms that are no longer are side by side
# The heads of the columns of lines in matrix notation beside their index form.
HEADS = {"n": "", "l": "", "r": "matrix form", "i": "index form", "m": ""}
PAIRS = "<thead><tr>" + "".join(f'<th class="{kind}">{head}</th>' for kind, head in HEADS.items()) + "</tr></thead>"
PAGE_STYLE = """\
:root { color-scheme: light dark }
body { margin: 0; background: Canvas; color: CanvasText; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem }
pre, code { font-family: ui-monospace, monospace }
@page { margin: 15mm }
@media print { body { font-size: 10pt } main { max-width: none; padding: 0 } }
"""
EQUALS = "<mo>=</mo>"
Cells = Sequence[tuple[str, str]]


def to_html(page: Page, *, fragment: bool = False) -> str:
    """Write a page as self-contained HTML, or with ``fragment`` as a ``<section class="symgrad">``.

    The title of a page is ``<h1>``, the title of a section ``<h2>``. A section without a title has no style either:
    both come from the surrounding page, and its parts begin with ``<h2>``. Raises ``UnsupportedError`` for a formula
    that latex2mathml cannot write.
    """
    written = _HtmlPage(page)
    blocks = "\n".join(written.blocks())
    section = f'<section class="symgrad" id="{page.anchor}">\n{blocks}\n</section>\n'
    if fragment:
        return f"<style>\n{stylesheet()}</style>\n{lowered(section)}" if page.title else section
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="description" content="{escaped(written.description())}">\n'
        f"<title>{escaped(page.title)}</title>\n<style>\n{PAGE_STYLE}{stylesheet()}</style>\n</head>\n"
        f"<body>\n<main>\n{section}</main>\n</body>\n</html>\n"
    )


def lowered(section: str, levels: int = 1) -> str:
    """Lower the headings of a section by some levels."""
    return re.sub(r"(</?h)([1-6])(?=[ >])", lambda m: f"{m[1]}{min(6, int(m[2]) + levels)}", section)


def closed_forms_html(record: Record) -> str:
    """The closed forms in their box, with the style."""
    page = layout(record)
    (forms,) = (block for block in page.blocks if isinstance(block, blocks.ClosedForms))
    return _section(_HtmlPage(page).box(forms))


def proof_html(record: Record, marks: Mapping[int, str], beside: Beside, problems: Sequence[str]) -> str:
    """The marks of all lines, each with how it was decided, with the style."""
    page = layout(record, marks, beside=beside)
    counts = blocks.Paragraph(phrases.mark_counts(beside.counts))
    return _section(_HtmlPage(replace(page, anchor=f"{page.anchor}-proof")).proof(counts, problems))


def _section(content: str) -> str:
    return f'<style>\n{stylesheet()}</style>\n<section class="symgrad">\n{content}\n</section>\n'


class _HtmlPage(Backend):
    def __init__(self, page: Page) -> None:
        self.page = page
        self.printer: HtmlPrinter = HtmlPrinter(page)
        self.index = {line.number: line for line in page.lines if not line.matrix}
        self.matrix = {line.cites[0]: line for line in page.lines if line.matrix and line.cites}

    def description(self) -> str:
        """The closed forms as text, in matrix notation where there is one."""
        forms = [form for block in self.page.blocks if isinstance(block, blocks.ClosedForms) for form in block.forms]
        lines = [line for form in forms if (line := form.matrix or form.index) and line.left]
        shown = self.printer.plain.show
        return "; ".join(f"{shown(line.left)} = {shown(line.right)}" for line in lines if line.left)

    def show_Warn(self, block: blocks.Warn) -> str:
        return f'<p class="bad">✗ {self.printer.write(block.text)}</p>'

    def show_Title(self, block: blocks.Title) -> str:
        return f'<h1 class="title">{escaped(block.words)}</h1>'

    def show_Paragraph(self, block: blocks.Paragraph) -> str:
        return f'<p class="soft">{self.printer.write(block.text)}</p>'

    def show_Tables(self, block: blocks.Tables) -> str:
        return f'<div class="facts">{"".join(map(self._table, block.tables))}</div>'

    def _table(self, table: blocks.Table) -> str:
        return _table(table.heads, (map(self.printer.write, row) for row in table.rows))

    def show_Entries(self, block: blocks.Entries) -> str:
        return "\n".join([f"<h2>{block.title}</h2>", *map(self.entry, block.entries)])

    def entry(self, entry: blocks.Entry) -> str:
        named = f' id="{self.page.anchor}-{escaped(entry.key)}"' if entry.key else ""
        key = f"[{escaped(entry.key)}] " if entry.key else ""
        return f"<p{named}>{key}{self.printer.write(entry.text)}</p>"

    def show_Code(self, block: blocks.Code) -> str:
        return f"<h2>{block.title}</h2>\n<pre><code>{escaped(block.source.rstrip())}</code></pre>"

    # --- lines --------------------------------------------------------------------------------------------------------

    def show_Section(self, block: blocks.Section) -> str:
        """A heading and its lines; lines in matrix notation are beside their index form."""
        paired = any(map(self._partner, block.lines))
        kind, head = ("lines pairs", PAIRS) if paired else ("lines", "")
        rows = (self._row(line, i == 0, paired) for group in block.groups for i, line in enumerate(group))
        table = f'<table class="{kind}">{head}<tbody>{"".join(rows)}</tbody></table>'
        return f"<h2>{self.printer.write(block.title)}</h2>\n{table}"

    def _partner(self, line: Line) -> Line | None:
        """The index form of a line in matrix notation."""
        return self.index.get(line.cites[0]) if line.matrix and line.cites else None

    def _row(self, line: Line, first: bool, paired: bool) -> str:
        anchor = f"{self.page.anchor}-{line.number}"
        number = f'<a href="#{anchor}" title="link to this line">{line.number}</a>' if line.number else ""
        cells = [("n", number), *self._sides(line)]
        cells.append(("i", self._beside(line)) if paired else ("w", self._reason(line)))
        cells.append(("m", self._mark(line)))
        if line.shapes:
            cells.append(("s", self._shapes(line)))
        return _row(cells, "first" if first else "", anchor if line.number else "")

    def _sides(self, line: Line) -> Cells:
        return ("l", self.printer.math(line.left) if line.left else ""), ("r", self.printer.right(line.right))

    def _beside(self, line: Line) -> str:
        """The index form of a line in matrix notation."""
        partner = self._partner(line)
        if partner is None or partner.left is None:
            return self._reason(line)
        return self.printer.write((Relation("==", partner.left, partner.right), *phrases.cited(line.cites)))

    def _reason(self, line: Line) -> str:
        reason = self.printer.write(line.reason)
        if line.matrix or not (matrix := self.matrix.get(line.number or 0)):
            return reason
        link = f'<a href="#{self.page.anchor}-{matrix.number}" title="in matrix form">matrix: {matrix.number}</a>'
        return f'{reason} <span class="soft">{link}</span>'

    def _mark(self, line: Line) -> str:
        """How a line is known to hold, with the detail on demand."""
        if not line.mark:
            return ""
        kind = _class("bad" if phrases.mark_sign(line.mark) == "✗" else "")
        shown = escaped(phrases.mark_words(line.mark))
        if not line.detail:
            return f"<span{kind}>{shown}</span>"
        detail = self.printer.write((blocks.Prose(line.detail),))
        return f"<details><summary{kind}>{shown}</summary><p>{detail}</p></details>"

    def _shapes(self, line: Line) -> str:
        return "; ".join(map(self.printer.write, line.shapes))

    # --- the closed forms ---------------------------------------------------------------------------------------------

    def show_ClosedForms(self, block: blocks.ClosedForms) -> str:
        forms = [form.matrix for form in block.forms if form.matrix and form.matrix.left and form.matrix.shapes]
        rows = [(self.printer.math(line.left), self._shapes(line)) for line in forms if line.left]
        table = _scrolled((), rows, "shapes")
        shapes = f'\n<details class="more"><summary>{phrases.SHAPES}</summary>{table}</details>' if rows else ""
        return f"<h2>{block.title}</h2>\n{self.box(block)}{shapes}"

    def box(self, block: blocks.ClosedForms) -> str:
        """The closed forms in a box, both notations side by side, and a remark on missing matrix forms."""
        rows = "".join(row for form in block.forms for row in self._form(form))
        remark = self.show_Paragraph(blocks.Paragraph(block.remark)) if block.remark else ""
        return f'<div class="closed"><table class="lines plain"><tbody>{rows}</tbody></table></div>{remark}'

    def _form(self, form: blocks.ClosedForm) -> list[str]:
        lines = [line for line in (form.index, form.matrix) if line]
        if len(lines) == 1 or any(width(self.printer.plain.show(line.right)) > HALF for line in lines):
            return [_row(self._sides(line), "wide") for line in lines]
        return [_row([cell for line in lines for cell in self._sides(line)])]

    # --- beside the lines ---------------------------------------------------------------------------------------------

    def show_Example(self, example: blocks.Example) -> str:
        """The worked example: the inputs, the named intermediates, the loss and its gradients."""
        output = Leaf(self.page.names.output) if self.page.names.output is not None else None
        parts = [
            [self._value(whole_array(q.array), q.values) for q in part] for part in (example.inputs, example.defined)
        ]
        if output:
            slopes = (self._value(Slope(output, whole_array(q.array)), q.values) for q in example.gradients)
            parts.append([self._value(output, np.asarray(example.loss)), *slopes])
        values = "\n".join(f'<div class="values">{"".join(part)}</div>' for part in parts if part)
        sizes = ", ".join(f"{axis} = {size}" for axis, size in example.sizes.items())
        remark = self.printer.write((blocks.Prose(f"{sizes}. {example.remark}".strip()),))
        source = self.show_Paragraph(blocks.Paragraph((blocks.Prose(f"{example.signs} {phrases.GENERATED}".strip()),)))
        return f"<h2>{phrases.EXAMPLE}</h2>\n<p>{remark}</p>\n{values}\n{source}"

    def _value(self, left: Node, values: np.ndarray) -> str:
        latex = f"{self.printer.show(left)} = {values_latex(np.asarray(values))}"
        text = f"{self.printer.plain.show(left)} = {values_text(np.asarray(values))}"
        return f"<span>{self.printer.formula(markup(latex), text)}</span>"

    def show_Facts(self, block: blocks.Facts) -> str:
        rows = []
        for fact in block.facts:
            call = f" <code>{escaped(fact.call)}</code>" if fact.call else ""
            rows.append(
                f"<dt>{escaped(fact.topic)}</dt><dd>{self.printer.write((blocks.Prose(fact.words),))}{call}</dd>"
            )
        return f"<h2>{block.title}</h2>\n<dl>{''.join(rows)}</dl>"

    def proof(self, counts: blocks.Paragraph, problems: Sequence[str]) -> str:
        """Each line with its mark and how it was decided, after the problems of the whole."""
        rows = []
        for line in self.page.lines:
            assert line.left is not None
            equation = self.printer.math(Relation("==", line.left, line.right))
            mark = escaped(phrases.mark_words(line.mark or "definition"))
            rows.append((str(line.number), equation, mark, self.printer.write((blocks.Prose(line.detail),))))
        wrong = "".join(f'<p class="bad">✗ {escaped(problem)}</p>' for problem in problems)
        return f"{self.show_Paragraph(counts)}{wrong}{_scrolled(('', 'line', 'known to hold', 'how'), rows, 'proof')}"


def _table(heads: Sequence[str], rows: Iterable[Iterable[str]], attributes: str = "") -> str:
    """A table, with heads over its columns if there are any."""
    head = f"<thead><tr>{''.join(f'<th>{words}</th>' for words in heads)}</tr></thead>" if heads else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table{attributes}>{head}<tbody>{body}</tbody></table>"


def _scrolled(heads: Sequence[str], rows: Iterable[Iterable[str]], kind: str) -> str:
    """A table that may be wider than the page."""
    return f'<div class="scroll">{_table(heads, rows, _class(kind))}</div>'


def _row(cells: Cells, kind: str = "", anchor: str = "") -> str:
    """One row; ``kind`` is its class, ``anchor`` what links to it name."""
    shown = "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in cells)
    named = f' id="{anchor}"' if anchor else ""
    return f"<tr{_class(kind)}{named}>{shown}</tr>\n"


def _class(kinds: str) -> str:
    return f' class="{kinds}"' if kinds else ""


def values_latex(values: np.ndarray) -> str:
    """An array of numbers: a vector in a row, a matrix in brackets, more axes as a row of these."""
    if values.ndim == 0:
        return number_latex(float(values))
    if values.ndim != 2:
        inner = r", \; ".join(f"{{{values_latex(v)}}}" for v in values)  # braces: a sign after a comma is unary
        return f"({inner})"
    rows = (" & ".join(number_latex(float(v)) for v in row) for row in values)
    return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"


def values_text(values: np.ndarray) -> str:
    """An array of numbers as NumPy's ``tolist`` prints it."""
    return str(np.vectorize(lambda value: float(f"{value:.{DIGITS}g}"), otypes=[float])(values).tolist())


def number_latex(value: float) -> str:
    """A number to four digits."""
    digits, _, exponent = f"{value:.{DIGITS}g}".partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if exponent else digits


# --- words and formulas -----------------------------------------------------------------------------------------------


class HtmlPrinter(MathPrinter):
    """Prints the formulas and sentences of a page; lines, assumptions and conventions on the page become links."""

    def __init__(self, page: Page) -> None:
        super().__init__(page.names)
        self.plain = TextPrinter(page.names)
        self.anchor = page.anchor
        self.numbers = {line.number for line in page.lines}
        self.keys = {e.key for block in page.blocks if isinstance(block, blocks.Entries) for e in block.entries}

    def escaped(self, words: str) -> str:
        return escaped(words)

    def name(self, name: str) -> str:
        if name in self.names.arrays and (self.names.word(name).mark or self.names.is_bold(name)):
            return self.formula(markup(self.whole(name)), self.plain.name(name))
        return f"<var>{escaped(self.plain.name(name))}</var>"

    def line(self, number: int) -> str:
        return f'<a href="#{self.anchor}-{number}">{number}</a>' if number in self.numbers else str(number)

    def key(self, key: str) -> str:
        shown = f"[{escaped(key)}]"
        return f'<a href="#{self.anchor}-{escaped(key)}">{shown}</a>' if key in self.keys else shown

    def math(self, node: Node) -> str:
        match node:
            case Size(rows, columns):
                return " × ".join(map(self._axis, (rows, columns)))
            case Leaf(Symbol() as symbol) if symbol.is_integer:
                return self._axis(str(symbol))
        return self.formula(self._inside(node), self.plain.show(node))

    def formula(self, inside: str, text: str) -> str:
        """A formula in a sentence, with its text form. The style sheet decides whether it is displayed, so that limits
        may be above and below a sum. HTML implies the namespace. A line can break only between elements, so each piece
        is one."""
        first, *others = pieces(inside)
        begun = element(first, text).replace(f' xmlns="{NAMESPACE}" display="block"', "", 1)
        return begun + "".join(f"<math>{piece}</math>" for piece in others)

    def right(self, node: Node) -> str:
        """A right side after an equals sign."""
        return self.formula(EQUALS + _side(self._inside(node)), f"= {self.plain.show(node)}")

    def _inside(self, node: Node) -> str:
        """The markup of a formula. The sides of an equation are converted separately, since most are on the page
        twice."""
        if isinstance(node, Relation) and node.sign == "==":
            return EQUALS.join(_side(self._inside(side)) for side in (node.left, node.right))
        return markup(self.show(node))

    def _axis(self, name: str) -> str:
        return name if name.isdigit() else f"<var>{escaped(name)}</var>"


def _side(inside: str) -> str:
    """One side of an equation. A sign at its beginning is unary, not an operator between the sides."""
    return re.sub("^<mo>−", '<mo form="prefix">−', inside)
