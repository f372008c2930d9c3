"""The lines of a page in HTML: tables whose two sides meet at the relation, and the box of the closed forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgrad.render.formula import escaped
from symgrad.render.html_words import Spelling, size_words
from symgrad.render.page import ClosedForm, Line, Section
from symgrad.render.phrases import mark_sign
from symgrad.render.text_printer import width

# In columns of the text form: such a right side needs the place of its reason on a wide page, or on a less wide one;
# and so does the longer of two forms that would stand side by side.
WIDTHS = {"wide": 76, "long": 48}
PAIR_WIDTHS = {"wide": 58, "long": 40}
LEFT = 6  # for a left side, most often a fraction, and the sign after it
# The heads of the columns where lines in matrix notation stand beside what they say in index notation.
HEADS = {"n": "", "l": "", "r": "matrix form", "i": "index form", "m": ""}
PAIRS = "<thead><tr>" + "".join(f'<th class="{kind}">{head}</th>' for kind, head in HEADS.items()) + "</tr></thead>"
Cells = Sequence[tuple[str, str]]


class Lines:
    """Writes sections made of some ``lines``, which may link to each other.

    ``details`` has of each line how its mark was reached.
    """

    def __init__(self, lines: Sequence[Line], spelling: Spelling, details: Mapping[int, str]) -> None:
        self.spelling = spelling
        self.anchor = spelling.anchor
        self.details = details
        self.index = {line.number: line for line in lines if not line.matrix}
        self.matrix = {line.cites[0]: line for line in lines if line.matrix and line.cites}

    def section(self, section: Section) -> str:
        """A heading and its lines; those in matrix notation beside what they say in index notation."""
        array = f" {self.spelling.math(section.array)}" if section.array else ""
        paired = any(map(self._partner, section.lines))
        kind, head = ("lines pairs", PAIRS) if paired else ("lines", "")
        rows = [self._row(line, place == 0, paired) for group in section.groups for place, line in enumerate(group)]
        body = f"<tbody>{''.join(rows)}</tbody>"
        return f'<h2>{escaped(section.title)}{array}</h2>\n<table class="{kind}">{head}{body}</table>'

    def _partner(self, line: Line) -> Line | None:
        """The line in index notation that a line in matrix notation writes."""
        return self.index.get(line.cites[0]) if line.matrix and line.cites else None

    def _row(self, line: Line, first: bool, paired: bool) -> str:
        right = self.spelling.relation(line.right)
        columns, limits = width(self.spelling.text(line.right)), WIDTHS
        if paired:
            limits = PAIR_WIDTHS
            partner = self._partner(line)
            columns = max(columns, width(self.spelling.text(partner.right)) + LEFT if partner else 0)
        kinds = [*(["first"] if first else []), *(kind for kind, least in limits.items() if columns > least)]
        cells = [("n", self._number(line)), ("l", self.left(line)), ("r", right)]
        cells.append(("i", self._beside(line)) if paired else ("w", self._reason(line)))
        cells.append(("m", self._mark(line)))
        cells += [("s", shapes) for shapes in [self._shapes(line)] if shapes]
        return _row(cells, kinds, f"{self.anchor}-{line.number}")

    def _number(self, line: Line) -> str:
        return f'<a href="#{self.anchor}-{line.number}">{line.number}</a>'

    def left(self, line: Line) -> str:
        """The left side of a line, where it has one of its own."""
        return self.spelling.left(line) if line.left else ""

    def _beside(self, line: Line) -> str:
        """What a line in matrix notation says, in index notation."""
        partner = self._partner(line)
        if partner is None or partner.left is None:
            return self._reason(line)
        return f"{self.spelling.equation(partner.left, partner.right)} {self.spelling.cited(line.cites)}"

    def _reason(self, line: Line) -> str:
        parts = [self.spelling.words(line.reason)]
        parts += [self.spelling.cited(line.cites)] if line.cites else []
        parts += [self.spelling.key(key) for key in line.keys]
        parts += [f"[{self.spelling.nonzero(node)}]" for node in line.nonzero]
        if not line.matrix and (matrix := self.matrix.get(line.number or 0)):
            link = f'<a href="#{self.anchor}-{matrix.number}" title="in matrix form">matrix: {matrix.number}</a>'
            parts.append(f'<span class="soft">{link}</span>')
        return " ".join(parts)

    def _mark(self, line: Line) -> str:
        """How a line is known, the detail on demand."""
        if not line.mark:
            return ""
        sign = mark_sign(line.mark)
        kind = _class("bad" if sign == "✗" else "")
        shown = f"{sign} {escaped(line.mark)}".strip()
        detail = self.details.get(line.number or 0, "")
        if not detail:
            return f"<span{kind}>{shown}</span>"
        return f"<details><summary{kind}>{shown}</summary><p>{self.spelling.words(detail)}</p></details>"

    def _shapes(self, line: Line) -> str:
        shown = [self.spelling.product(product) for product in line.products]
        if line.shape and not line.products:
            shown.append(size_words(line.shape))
        return "; ".join(shown)

    def closed(self, forms: Sequence[ClosedForm]) -> str:
        """The closed forms in a box, in both notations side by side."""
        rows = []
        for form in forms:
            shown = [line for line in (form.index, form.matrix) if line]
            if any(width(self.spelling.text(line.right)) > WIDTHS["long"] for line in shown):
                rows += [
                    _row([("l", self.left(line)), ("r", self.spelling.relation(line.right))], ["wide"])
                    for line in shown
                ]
                continue
            cells = [c for line in shown for c in (("l", self.left(line)), ("r", self.spelling.relation(line.right)))]
            rows.append(_row(cells, ["wide"] if len(shown) == 1 else []))
        table = f'<table class="lines plain"><tbody>{"".join(rows)}</tbody></table>'
        return f'<div class="closed">{table}</div>'


def _row(cells: Cells, kinds: Sequence[str], anchor: str = "") -> str:
    """One row; ``kinds`` are its classes, ``anchor`` what links to it name."""
    shown = "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in cells)
    named = f' id="{anchor}"' if anchor else ""
    return f"<tr{_class(' '.join(kinds))}{named}>{shown}</tr>\n"


def _class(kinds: str) -> str:
    return f' class="{kinds}"' if kinds else ""
