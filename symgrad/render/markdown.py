"""A derivation in Markdown with LaTeX between dollar signs, for notebooks, pandoc, MyST and GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from symgrad.render import blocks, tree
from symgrad.render.blocks import Line, Page
from symgrad.render.latex_printer import LatexPrinter
from symgrad.render.phrases import mark_words
from symgrad.render.printer import Backend

SPECIAL = str.maketrans({character: "\\" + character for character in "\\`*_{}[]<>#|$~&"})
BAR = r"\vert "


def to_markdown(page: Page) -> str:
    """Write a page in Markdown: tables, with formulas between dollar signs."""
    return "\n\n".join(_MarkdownPage(page).blocks()) + "\n"


class _MarkdownPrinter(LatexPrinter):
    def escaped(self, words: str) -> str:
        return re.sub(r"\s+", " ", words.translate(SPECIAL))

    def name(self, name: str) -> str:
        spelled = self.whole(name) if name in self.names.arrays and self.names.is_symbol(name) else name
        return f"*{self.escaped(name)}*" if spelled == name else _math(spelled)

    def math(self, node: tree.Node) -> str:
        return _math(self.show(node))


class _MarkdownPage(Backend):
    dialect = _MarkdownPrinter

    def show_Warn(self, block: blocks.Warn) -> str:
        return f"**{self.printer.write(block.text)}**"

    def show_Title(self, block: blocks.Title) -> str:
        return f"# {self.printer.escaped(block.words)}"

    def show_Tables(self, block: blocks.Tables) -> str:
        return "\n\n".join(map(self._words, block.tables))

    def _words(self, table: blocks.Table) -> str:
        return _table(table.heads, (list(map(self.printer.write, row)) for row in table.rows))

    def show_Entries(self, block: blocks.Entries) -> str:
        return "\n\n".join([f"## {block.title}", *map(self.entry, block.entries)])

    def show_Section(self, block: blocks.Section) -> str:
        rows = (
            (str(line.number), *self._sides(line), self._reason(line), self.printer.escaped(mark_words(line.mark)))
            for line in block.lines
        )
        return f"## {self.printer.write(block.title)}\n\n{_table(('', '', '', 'reason', 'proof'), rows, 'rrlll')}"

    def _sides(self, line: Line) -> tuple[str, str]:
        left = _displayed(self.printer.show(line.left)) if line.left else ""
        return left, _displayed(f"= {self.printer.show(line.right)}")

    def _reason(self, line: Line) -> str:
        return " ".join(map(self.printer.write, filter(None, (line.reason, *line.shapes))))

    def show_ClosedForms(self, block: blocks.ClosedForms) -> str:
        table = _table(("", ""), map(self._sides, block.lines), "rl")
        return "\n\n".join(filter(None, (f"## {block.title}", table, self.printer.write(block.remark))))

    def show_Code(self, block: blocks.Code) -> str:
        return f"## {block.title}\n\n```python\n{block.source.rstrip()}\n```"


def _math(latex: str) -> str:
    r"""A formula in a sentence; a bar would end a table cell."""
    return "$" + latex.replace("|", BAR) + "$"


def _displayed(latex: str) -> str:
    """A formula in display size."""
    return _math(rf"\displaystyle {latex}")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    rules = [{"r": "--:", "l": ":--"}[side] for side in align or "l" * len(head)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rules, *rows))
