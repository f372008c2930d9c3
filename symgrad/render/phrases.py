"""What a page says in words, in every notation: of marks, of lines, of arrays and of assumptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from symgrad.names import spelled, word
from symgrad.render.page import AssumptionRow, Line, Page
from symgrad.render.symbols import Vocabulary, split_words
from symgrad.render.tree import Node

COUNTS = {3: "three", 4: "four", 5: "five", 6: "six"}
TICKED = ("every shape", "exactly", "randomised", "numerically")
CROSSED = ("wrong", "unproved")


def sentence(text: str, names: Vocabulary) -> str:
    """Words with the names of the program's arrays in them as formulas spell them (``Xhat`` with its hat)."""
    known = names.arrays
    return "".join(words + (spelled(word(name)) if name in known else name) for words, name in split_words(text, names))


def reason_words(line: Line, names: Vocabulary) -> str:
    """The reason of a line, the lines that it rests on, and the assumption and conventions that it uses."""
    cites = [f"({numbers(line.cites)})"] if line.cites else []
    return " ".join([sentence(line.reason, names), *cites, *(f"[{key}]" for key in line.keys)]).strip()


def mark_sign(mark: str) -> str:
    """A tick for a line that is known to hold, a cross for one that is not, a question mark for one that is undefined
    somewhere, nothing for any other word."""
    sign = {TICKED: "✓", CROSSED: "✗", ("undefined",): "?"}
    return next((sign[words] for words in sign if mark.startswith(words)), "")


def mark_words(mark: str) -> str:
    """A mark with its sign."""
    return f"{mark_sign(mark)} {mark}".strip()


def cited(lines: Sequence[int]) -> str:
    """Line numbers in brackets after a space; nothing for none."""
    return f" ({numbers(lines)})" if lines else ""


def numbers(lines: Iterable[int]) -> str:
    """Line numbers as they are cited."""
    return ", ".join(str(n) for n in lines)


def lines_are(lines: Sequence[int]) -> str:
    """The beginning of a sentence on lines."""
    return f"Lines {listed(list(map(str, lines)))} are" if len(lines) > 1 else f"Line {lines[0]} is"


def used_words(assumption: AssumptionRow) -> str:
    """By which lines on the page an assumption is used; nothing for one that only others use."""
    if assumption.lines:
        return f"used by {numbers(assumption.lines)}"
    return "" if assumption.used else "not used"


def remarks(
    page: Page,
    show: Callable[[Node], str],
    axis: Callable[[str], str] = str,
    times: str = "×",
    relation: str = "[x > 0]",
) -> Iterator[str]:
    """What is said below the table of arrays: of vectors, of arrays that have no matrix form, of relations in
    brackets and of cases, with formulas and names of axes as a dialect shows them."""
    if page.columns:
        yield columns_words([(show(r.matrix), axis(r.axes[0])) for r in page.columns], times)
    if page.index_only:
        yield index_only_words([(show(r.matrix), len(r.axes)) for r in page.index_only])
    if page.has_indicator:
        yield f"A relation in brackets, such as {relation}, is 1 where it holds, else 0."
    if page.has_matrix_cases:
        yield "In matrix notation a case is chosen entry by entry."


def columns_words(vectors: Sequence[tuple[str, str]], times: str) -> str:
    """The one remark on vectors (name and axis of each): NumPy's shape, and the column of the matrix form."""
    by_axis = {axis: [name for name, other in vectors if other == axis] for _, axis in vectors}
    shown = [
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} ({axis},) in NumPy, {axis}{times}1 here"
        for axis, names in by_axis.items()
    ]
    return f"In matrix notation a vector is a column: {'; '.join(shown)}."


def index_only_words(arrays: Sequence[tuple[str, int]]) -> str:
    """The one remark on arrays (name and number of axes of each) that have no matrix form."""
    shown = []
    for count in sorted({count for _, count in arrays}):
        names = [name for name, other in arrays if other == count]
        shown.append(f"{listed(names)} {'has' if len(names) == 1 else 'have'} {COUNTS.get(count, str(count))} axes")
    return f"{listed(shown)}: index notation only."


def no_matrix_words(derivatives: Sequence[str]) -> str:
    """The one remark on derivatives for which no matrix form was found."""
    return f"No matrix form was found for {listed(derivatives)}."


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def numpy_shape(axes: Sequence[str]) -> str:
    """The shape of an array as NumPy writes it."""
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})" if axes else "scalar"
