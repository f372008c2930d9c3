"""A derivation in Markdown with LaTeX between dollar signs, for notebooks, pandoc, MyST and GitHub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from symgrad.render import phrases
from symgrad.render.latex_printer import LatexPrinter, letters, matrix_name, size_latex
from symgrad.render.page import CODE, CONVENTIONS, GRADIENTS, Line, Page, Section
from symgrad.render.symbols import is_symbol, split_words
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Node

SPECIAL = str.maketrans({character: "\\" + character for character in "\\`*_{}[]<>#|$~&"})

NOT_ZERO = r" \ne 0"
BAR = r"\vert "


def to_markdown(page: Page, code: str = "") -> str:
    """Write a page in Markdown: tables, with formulas between dollar signs; ``code`` is the source of the generated
    function."""
    return "\n\n".join(part for part in _MarkdownPage(page).parts(code) if part) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return " ".join(text.translate(SPECIAL).split())


class _MarkdownPage:
    def __init__(self, page: Page) -> None:
        self.content = page
        self.printer = LatexPrinter(page.names)
        self.plain = TextPrinter(page.names)

    def parts(self, code: str) -> Iterator[str]:
        page = self.content
        warning = f"**{self._words(page.warning)}**" if page.warning else ""
        yield warning
        if page.title:
            yield f"# {escaped(page.title)}"
        yield from self._head()
        for section in (*page.sections, *([page.evaluation] if page.evaluation else ())):
            yield self._section(section)
        yield from self._foot()
        if code:
            yield f"## {CODE}\n\n```python\n{code.rstrip()}\n```"
        yield warning

    def _head(self) -> Iterator[str]:
        page = self.content
        if page.axes:
            rows = [(_math(letters(a.name)), escaped(a.meaning), _math(", ".join(a.letters))) for a in page.axes]
            yield _table(("axis", "", "indices"), rows)
        if page.arrays:
            arrays = [
                (self._math(r.matrix), phrases.numpy_shape(r.axes), self._math(r.entry), r.role) for r in page.arrays
            ]
            yield _table(("array", "shape", "entry", ""), arrays)
        plain = self.plain.show
        yield from phrases.remarks(page, lambda node: escaped(plain(node)), escaped, relation=_math("[x > 0]"))
        if page.reduction:
            yield f"Reduction: {self._words(page.reduction)}."
        if page.assumptions:
            yield "## Assumptions"
        for a in page.assumptions:
            used = f" ({phrases.used_words(a)})" if phrases.used_words(a) else ""
            equation = _math(f"{self.printer.show(a.left)} = {self.printer.show(a.right)}")
            yield f"{escaped(f'[{a.key}]')} {self._words(a.words)}: {equation}{used}"

    def _section(self, section: Section) -> str:
        array = f" {self._math(section.array)}" if section.array else ""
        rows = [self._row(line) for line in section.lines]
        table = _table(("", "", "", "reason", "proof"), rows, "rrlll")
        return f"## {self._words(section.title)}{array}\n\n{table}"

    def _row(self, line: Line) -> tuple[str, ...]:
        number = "" if line.number is None else str(line.number)
        return number, self._left(line), self._right(line), self._reason(line), escaped(phrases.mark_words(line.mark))

    def _left(self, line: Line) -> str:
        return _displayed(" = ".join(map(self.printer.show, line.lefts))) if line.left else ""

    def _right(self, line: Line) -> str:
        return _displayed(f"= {self.printer.show(line.right)}")

    def _reason(self, line: Line) -> str:
        parts = [self._words(line.reason)]
        parts += [f"({phrases.numbers(line.cites)})"] if line.cites else []
        parts += [escaped(f"[{key}]") for key in line.keys]
        parts += [_math(f"[{self.printer.show(node)}{NOT_ZERO}]") for node in line.nonzero]
        for product in line.products:
            factors = ", ".join(
                rf"{self.printer.show(node)}\colon {size_latex(size)}" for node, size in product.factors
            )
            parts.append(_math(rf"{factors} \to {size_latex(product.result)}"))
        if line.shape and not line.products:
            parts.append(_math(size_latex(line.shape)))
        return " ".join(part for part in parts if part)

    def _foot(self) -> Iterator[str]:
        page = self.content
        if page.closed:
            rows = [(self._left(line), self._right(line)) for line in page.closed_lines]
            yield f"## {GRADIENTS}\n\n{_table(('', ''), rows, 'rl')}"
        if page.no_matrix:
            yield escaped(phrases.no_matrix_words([self.plain.show(node) for node in page.no_matrix]))
        if page.conditions:
            shown = [
                f"- {_math(self.printer.show(c.nonzero) + NOT_ZERO)}: {self._words(c.reason)}{phrases.cited(c.lines)}"
                for c in page.conditions
            ]
            yield "## Divisors\n\n" + "\n".join(shown)
        if page.conventions:
            shown = [f"{escaped(f'[{c.key}] {c.words}')}{phrases.cited(c.lines)}" for c in page.conventions]
            yield f"## {CONVENTIONS}\n\n" + "\n\n".join(shown)

    def _math(self, node: Node) -> str:
        return _math(self.printer.show(node))

    def _words(self, text: str) -> str:
        """A sentence with the names of the program in it set as mathematics."""
        parts = []
        for words, name in split_words(text, self.content.names):
            parts.append(words.translate(SPECIAL))
            if name:
                spelled = matrix_name(name) if name in self.content.names.arrays and is_symbol(name) else name
                parts.append(f"*{escaped(name)}*" if spelled == name else _math(spelled))
        return "".join(parts)


def _math(latex: str) -> str:
    r"""A formula in a line; a bar would end the cell of a table."""
    return "$" + latex.replace("|", BAR) + "$"


def _displayed(latex: str) -> str:
    """A formula in the size of one that stands alone."""
    return _math(rf"\displaystyle {latex}")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> str:
    rules = [{"r": "--:", "l": ":--"}[side] for side in align or "l" * len(head)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rules, *rows))
