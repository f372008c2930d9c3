"""A derivation as a Typst document. Its formulas are our LaTeX dialect, translated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from symgrad.errors import UnsupportedError
from symgrad.names import GREEK, GREEK_CAPITALS
from symgrad.render import blocks, tree
from symgrad.render.blocks import Line, Page
from symgrad.render.latex_printer import NAMED, LatexPrinter
from symgrad.render.phrases import mark_words
from symgrad.render.printer import Backend

TOKEN = re.compile(
    r"(?P<word>\\(?:text|mathrm|operatorname)\{[^{}]*\})|\\(?:begin|end)\{\w+\}|\\[A-Za-z]+|\\.|[\d.]+|\S"
)
SPECIAL = re.compile(r"""([#$*_`<>@\[\]()~=+\-/\\"'.;])""")  # markup, or a sign that goes on with code before it
WORDS = {r"\text": '"{}"', r"\mathrm": 'upright("{}")', r"\operatorname": 'op("{}")'}
CALLS = {
    r"\frac": "frac",
    r"\sqrt": "sqrt",
    r"\hat": "hat",
    r"\bar": "macron",
    r"\tilde": "tilde",
    r"\dot": "dot",
    r"\mathbf": "bold",
}
CALLS |= {r"\boldsymbol": "bold"}
# fmt: off
SYMBOLS = {
    **{macro: macro[1:] for macro in (*NAMED.values(), r"\log", r"\exp") if re.fullmatch(r"\\\w+", macro)},
    r"\varepsilon": "ε", r"\varphi": "φ", r"\partial": "∂", r"\infty": "∞", r"\top": "⊤", r"\sum": "sum", r"\odot": "⊙",
    r"\oslash": "⊘", r"\times": "×", r"\cdot": "⋅", r"\mapsto": "↦", r"\ne": "≠", r"\le": "≤", r"\ge": "≥",
    r"\,": "thin", r"\;": "thick", "/": r"\/", ",": r"\,", "-": "−", r"\\": "\n", r"\to": "→", r"\surd": "√",
    **{rf"\{name}": letter for name, letter in GREEK.items()},
    **{rf"\{name}": GREEK[name.lower()].upper() for name in GREEK_CAPITALS},
    **dict.fromkeys((r"\bigl", r"\bigr", r"\Bigl", r"\Bigr", r"\textstyle"), ""),  # brackets grow by themselves
}
# fmt: on
STYLE = """\
#set page(margin: 20mm, numbering: "1")
#set text(10pt)
#set table(stroke: none, align: horizon, inset: (x: 5pt, y: 4pt))
#let small(body) = text(0.85em, body)
#let side(body) = text(top-edge: "bounds", bottom-edge: "bounds", body)
"""


def to_typst(page: Page) -> str:
    """Write a page as a Typst document. Raises ``UnsupportedError`` for a formula that has no translation."""
    return STYLE + "\n" + "\n\n".join(_TypstPage(page).blocks()) + "\n"


def formula(latex: str) -> str:
    """A formula of our LaTeX dialect in Typst's mathematics, without the dollar signs. Raises ``UnsupportedError``."""
    return _until("", TOKEN.finditer(latex))


def _until(end: str, tokens: Iterator[re.Match[str]]) -> str:
    """The translation of the tokens before ``end``."""
    parts: list[str] = []
    for token in tokens:
        if token[0] == end:
            break
        if token[0] in ("^", "_"):  # a script of what is before it
            base = parts.pop() if parts else '""'
            parts.append(f"{base}{token[0]}({_argument(tokens)})")
        elif shown := _part(token, tokens):
            parts.append(shown)
    return " ".join(parts)


def _argument(tokens: Iterator[re.Match[str]]) -> str:
    return _part(next(tokens), tokens)


def _part(token: re.Match[str], tokens: Iterator[re.Match[str]]) -> str:
    """The translation of one token and of its arguments."""
    text = token[0]
    if token["word"]:
        macro, _, words = text.removesuffix("}").partition("{")
        return WORDS[macro].format(words.replace(r"\_", "_"))
    if text == "{":
        return _until("}", tokens)
    if text == r"\left":  # of an absolute value or a norm
        bars = "norm" if next(tokens)[0] == r"\|" else "abs"
        body = _until(r"\right", tokens)
        next(tokens)
        return f"{bars}({body})"
    if text in CALLS:
        arguments = [_argument(tokens) for _ in range(1 + (text == r"\frac"))]
        return f"{CALLS[text]}({', '.join(arguments)})"
    if text == r"\begin{cases}":
        rows = _until(r"\end{cases}", tokens).replace("\n", ",")
        return f"cases({rows})"
    if text == r"\begin{pmatrix}":
        rows = _until(r"\end{pmatrix}", tokens).replace("&", ",").replace("\n", ";")
        return f"mat({rows})"
    if text not in SYMBOLS and text.startswith("\\"):
        raise UnsupportedError(f"no translation of {text} to Typst")
    return SYMBOLS.get(text, text)


class _TypstPrinter(LatexPrinter):
    def escaped(self, words: str) -> str:
        return SPECIAL.sub(r"\\\1", re.sub(r"\s+", " ", words))

    def name(self, name: str) -> str:
        return f"${formula(self.whole(name))}$" if self.names.is_symbol(name) else f"#emph[{self.escaped(name)}]"

    def math(self, node: tree.Node) -> str:
        return f"${formula(self.show(node))}$"


class _TypstPage(Backend):
    dialect = _TypstPrinter

    def show_Warn(self, block: blocks.Warn) -> str:
        return f"*{self.printer.write(block.text)}*"

    def show_Title(self, block: blocks.Title) -> str:
        return f"= {self.printer.escaped(block.words)}"

    def show_Tables(self, block: blocks.Tables) -> str:
        return "\n\n".join(map(self._facts, block.tables))

    def _facts(self, table: blocks.Table) -> str:
        heads = ", ".join(f"small[{self.printer.escaped(head)}]" for head in table.heads)
        cells = [f"[{self.printer.write(cell)}]" for row in table.rows for cell in row]
        return f"#table(columns: {len(table.heads)}, table.header({heads}),\n{', '.join(cells)})"

    def show_Entries(self, block: blocks.Entries) -> str:
        return "\n\n".join([f"== {block.title}", *map(self.entry, block.entries)])

    def show_Section(self, block: blocks.Section) -> str:
        return f"== {self.printer.write(block.title)}\n\n{self._lines(block.lines, '30%')}"

    def _lines(self, lines: Sequence[Line], reasons: str) -> str:
        """A table of number, left side, right side, and reason with mark."""
        rows = "\n".join(map(self._row, lines))
        align = "(left, right, left, left).map(side => side + horizon)"
        return f"#table(columns: (auto, auto, 1fr, {reasons}), align: {align},\n{rows})"

    def _row(self, line: Line) -> str:
        left = formula(self.printer.show(line.left)) if line.left else '""'
        right = formula(f"= {self.printer.show(line.right)}")
        parts = [*map(self.printer.write, (line.reason, *line.shapes)), self.printer.escaped(mark_words(line.mark))]
        beside = r" \ ".join(filter(None, parts))
        return f"small[{line.number or ''}], side[$display({left})$], side[$display({right})$], small[{beside}],"

    def show_ClosedForms(self, block: blocks.ClosedForms) -> str:
        lines = self._lines([replace(line, shapes=()) for line in block.lines], "0pt")
        box = f"#block(stroke: 0.8pt, radius: 3pt, inset: 4pt, breakable: false, width: 100%)[{lines}]"
        return "\n\n".join(filter(None, (f"== {block.title}", box, self.printer.write(block.remark))))

    def show_Code(self, block: blocks.Code) -> str:
        source = json.dumps(block.source.rstrip(), ensure_ascii=False)
        return f'== {block.title}\n\n#raw({source}, block: true, lang: "python")'
