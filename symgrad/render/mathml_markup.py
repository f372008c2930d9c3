"""One formula in MathML: our LaTeX dialect, converted by latex2mathml, checked and made compact.

latex2mathml writes what it knows as elements and numeric entities, and passes the rest through as text. So a character
with a meaning in TeX that is left in its output is an error.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert

from symgrad.errors import UnsupportedError

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
BOLD_ZERO = ord("\N{MATHEMATICAL BOLD DIGIT ZERO}")
NOT_TEXT = re.compile("<[^>]*>|&(?:#x[0-9A-F]+|amp|lt|gt);")
LEFTOVER = re.compile(r"\\[A-Za-z]*|[&^_{}~$#%]")
LONE = re.compile(r"\\mathrm\{([A-Za-z])\}")  # for one letter latex2mathml forgets that it is upright
NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The elements that lay their children out as an mrow does.
ROWS = frozenset(["math", "mrow", "mtd", "msqrt", "mstyle", "mpadded", "mphantom", "menclose"])
SIGNS = frozenset("+−⊙⊘")  # a formula may break before these
DESCENDING = frozenset("Qfgjpqyβγζημξρφϕχψ")  # letters that go below the line
# fmt: off
ELEMENTS = ROWS | {
    "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mroot",
    "mtable", "mtr",
}
# fmt: on


def latex_to_mathml(latex: str, display: str = "block", alttext: str = "") -> str:
    """Convert a formula to a ``<math>`` element, well-formed XML; ``display`` is ``"block"`` or ``"inline"``.

    ``alttext`` is the formula in words or in Unicode, for readers without MathML (default: the LaTeX). Raises
    ``UnsupportedError`` where latex2mathml writes malformed XML or leaves TeX in it.
    """
    return element(markup(latex, display), alttext or latex, display)


def element(inside: str, alttext: str, display: str = "block", style: str = "") -> str:
    """A ``<math>`` element around markup; ``alttext`` and ``style`` are escaped here. Raises ``UnsupportedError`` for
    malformed XML."""
    styled = f' style="{escaped(style)}"' if style else ""
    xml = f'<math xmlns="{NAMESPACE}" display="{display}" alttext="{escaped(alttext)}"{styled}>{inside}</math>'
    _tree(xml, alttext)
    return xml


def escaped(words: str) -> str:
    """Escape words for text and for double-quoted attributes, in XML and in HTML; name a character that XML cannot hold
    by its code point."""
    named = NO_XML.sub(lambda match: f"[U+{ord(match[0]):04X}]", words)
    return html.escape(named, quote=False).replace('"', "&quot;")


@lru_cache(maxsize=4096)
def markup(latex: str, display: str = "block") -> str:
    """The content of the ``<math>`` element of a formula; empty for an empty formula. Raises ``UnsupportedError``."""
    if not latex:
        return ""
    try:
        xml = convert(LONE.sub(r"\\text{\1}", latex), display=display).replace(f' xmlns="{NAMESPACE}"', "", 1)
    except Exception as error:  # latex2mathml's own errors have no common class, and some are IndexError
        raise UnsupportedError(f"latex2mathml does not take {latex}: {error}") from error
    root = _tree(xml, latex)
    if left := LEFTOVER.search(NOT_TEXT.sub(" ", xml)):
        raise UnsupportedError(f"latex2mathml does not know {left[0]} in {latex}")
    for part in root.iter():
        if part.tag not in ELEMENTS or (part.tag == "mi" and not part.text):
            raise UnsupportedError(f"latex2mathml writes no formula for {latex}")
    _compact(root)
    return "".join(map(_written, root)).replace('width="0.', 'width=".')


@lru_cache(maxsize=4096)
def pieces(inside: str) -> tuple[str, ...]:
    """The markup of a formula in parts between which a line may break: before each sign between two operands, unless it
    is within an element or between brackets that grow with what is inside."""
    parts, growing = [""], 0
    before = None
    for child in _tree(f"<math>{inside}</math>", inside):
        growing += (child.get("form") == "prefix" and child.text not in SIGNS) - (child.get("form") == "postfix")
        if child.text in SIGNS and not growing and _ends_operand(before) and child.get("form") is None:
            child.set("form", "infix")
            parts.append("")
        parts[-1] += _written(child)
        before = child
    return tuple(parts)


def _ends_operand(part: Element | None) -> bool:
    """Whether a sign after this element is between two operands."""
    return part is not None and (part.tag != "mo" or part.text in (")", "]"))


def _written(part: Element) -> str:
    return ElementTree.tostring(part, encoding="unicode").replace(" />", "/>")


def _tree(xml: str, latex: str) -> Element:
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise UnsupportedError(f"no well-formed XML for {latex}") from error


def _compact(part: Element) -> None:
    """Write the same formula in fewer elements, in place.

    The letters of an upright word become one word; an mrow around one child goes, and so does an mrow that is the only
    child of a row; a bold digit becomes a bold character, since browsers ignore the attribute; the name of a function
    becomes an identifier, since browsers leave space around an operator, unless it has a script (a maximum over an
    index). A letter before a subscript has no depth, since browsers lower the subscript by it, and TeX does not.
    """
    if len(part) > 1 and all(child.tag == "mi" and child.get("mathvariant") == "normal" for child in part):
        word = Element("mi")
        word.text = "".join(child.text or "" for child in part)
        part[:] = [word]
    if part.get("mathvariant") == "bold" and re.fullmatch("[0-9]", part.text or ""):
        del part.attrib["mathvariant"]
        part.text = chr(BOLD_ZERO + int(part.text or ""))
    for child in part:
        if child.tag == "mo" and len(child.text or "") > 1 and part.tag in ROWS:
            child.tag = "mi"
        _compact(child)
    part[:] = [child[0] if len(child) == 1 and _is_plain_row(child) else child for child in part]
    if part.tag in ("msub", "msubsup") and set("".join(part[0].itertext())) & DESCENDING:
        base = Element("mpadded", depth="0")
        base.append(part[0])
        part[0] = base
    while part.tag in ROWS and len(part) == 1 and _is_plain_row(part[0]):
        part[:] = part[0][:]


def _is_plain_row(part: Element) -> bool:
    return part.tag == "mrow" and not part.attrib
