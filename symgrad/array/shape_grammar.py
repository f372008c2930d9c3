"""The grammar of ``shapes``: what a loss takes, such as ``"X: N D, W: D C, y: N labels of C, t: scalar positive"``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from keyword import iskeyword
from string import ascii_lowercase

from symgrad.array.intermediates import in_english
from symgrad.equations import DOMAINS
from symgrad.errors import InputError
from symgrad.notation import Array, Axis

# What the field calls an axis of this letter; other axes are shown by their letter alone.
MEANINGS = {
    "N": "rows of the batch",
    "D": "features",
    "C": "classes",
    "H": "hidden units",
    "T": "tokens",
    "B": "batch",
}
BATCH = {"N", "B"}  # they count the rows of a batch where they come first, as NumPy has it, in whatever has them
ASSUMPTIONS = {"symmetric", "one-hot", "distribution", *DOMAINS}
LETTERS = 3  # that every axis has at the least
MOST_LETTERS = 2_000  # of the text
MOST_IN_NAME = 60  # letters
MOST_AXES = 32  # as many as every version of NumPy has
WORDS = ("positive", "symmetric", "one-hot", "distribution", *DOMAINS)


@dataclass(frozen=True)
class Shape:
    """One declared input: its array, the assumptions in ``words``, and whether it holds integer labels.

    The array of labels is that of their one-hot rows: ``y: N labels of C`` is an array (N, C).
    """

    name: str
    array: Array
    words: frozenset[str] = frozenset()
    labels: bool = False


def parse_shapes(text: str) -> tuple[Shape, ...]:
    """The inputs that ``shapes`` declares.  Raises ``InputError``, naming the place, for what the grammar has not."""
    if not isinstance(text, str):
        raise InputError(f"shapes is text such as 'X: N D, W: D C', not a {type(text).__name__}")
    if len(text) > MOST_LETTERS:
        raise InputError(f"shapes: {len(text)} letters; at most {MOST_LETTERS} are read")
    found: list[Shape] = []
    for part in text.replace("\n", " ").split(","):
        if not part.strip():
            continue
        shape = _parse_one(part.strip())
        if shape.name in {known.name for known in found}:
            raise InputError(f"shapes: {shape.name} is declared twice")
        found.append(shape)
    if not found:
        raise InputError("shapes: no input is declared; expected such as 'X: N D, W: D C, b: C'")
    arrays = [shape.array for shape in found]
    meant = {axis.name: _meant(axis, arrays) for array in arrays for axis in array.axes}
    axes = _lettered(meant, (array.name for array in arrays))
    for shape in found:
        if shape.name in axes:
            raise InputError(f"shapes: {shape.name} names both an array and an axis")
    return tuple(
        replace(shape, array=replace(shape.array, axes=tuple(axes[axis.name] for axis in shape.array.axes)))
        for shape in found
    )


def _meant(axis: Axis, arrays: Iterable[Array]) -> Axis:
    """``axis`` without the meaning that its letter has by convention, where its place in an array tells otherwise."""
    leads = all(array.axes[0] == axis for array in arrays if axis in array.axes)
    return axis if leads or axis.name not in BATCH else replace(axis, meaning="")


def _lettered(axes: Mapping[str, Axis], inputs: Iterable[str]) -> dict[str, Axis]:
    """The axes with at least three index letters each: the running index, that of a derivative's denominator, spares.

    None is another axis's, nor the lower-case name of one of ``inputs``, in which its entries are written, as far as
    the alphabet goes; the conventional ones come first.
    """
    entries = {name.lower() for name in inputs if len(name) == 1}
    free = [letter for letter in ascii_lowercase if letter not in entries]
    chosen: dict[str, str] = dict.fromkeys(axes, "")
    for place in range(max((LETTERS, *(len(axis.conventional) for axis in axes.values())))):
        for name, axis in axes.items():
            taken = {*"".join(chosen.values()), *entries}
            wanted = [letter for letter in axis.conventional if letter not in taken]
            if place < LETTERS:
                wanted += [letter for letter in free if letter not in taken]
            if place < max(LETTERS, len(axis.conventional)):
                chosen[name] += "".join(wanted[:1])
    return {
        name: axis if chosen[name] in ("", axis.conventional) else replace(axis, letters=chosen[name])
        for name, axis in axes.items()
    }


def _parse_one(part: str) -> Shape:
    name, colon, rest = (piece.strip() for piece in part.partition(":"))
    if not colon:
        raise InputError(f"shapes: {part!r} lacks a colon; expected such as 'X: N D'")
    _check_length(name)
    name = "lambda_" if name == "lambda" else in_english(name)
    if not name.isidentifier() or not name.isascii() or iskeyword(name):
        raise InputError(f"shapes: {name!r} cannot name an input: use letters a-z, digits and underscores")
    pieces = rest.split()
    if not pieces:
        raise InputError(f"shapes: {name} has no axes; expected such as '{name}: N D', or '{name}: scalar'")
    if "labels" in pieces:
        return _labels(name, part, pieces)
    words = [piece for piece in pieces if piece in WORDS]
    letters = [piece for piece in pieces if piece not in WORDS and piece != "scalar"]
    if "scalar" in pieces and letters:
        raise InputError(f"shapes: {part!r} is a scalar and has the axis {letters[0]}")
    if "scalar" not in pieces and not letters:
        raise InputError(f"shapes: {part!r} names no axis; write 'scalar' for a number")
    if pieces[: len(letters)] != letters and letters:
        raise InputError(f"shapes: in {part!r} the axes come first, then words such as {words[0]}")
    if len(letters) > MOST_AXES:
        raise InputError(f"shapes: {name} has {len(letters)} axes; at most {MOST_AXES} are understood")
    array = Array(name, tuple(_axis(letter, part) for letter in letters), positive="positive" in words)
    _check_words(part, array, set(words))
    return Shape(name, array, frozenset(words))


def _check_words(part: str, array: Array, words: set[str]) -> None:
    rank = len(array.axes)
    if "symmetric" in words and (rank != 2 or array.axes[0] != array.axes[1]):
        raise InputError(f"shapes: {part!r}: only a square matrix, such as 'A: D D symmetric', is symmetric")
    for word in words & {"one-hot", "distribution"}:
        if rank < 2:
            raise InputError(f"shapes: {part!r}: {word} is about rows, such as those of 'Y: N C {word}'")
    if "one-hot" in words and "distribution" in words:
        raise InputError(f"shapes: {part!r}: one-hot rows are distributions already")
    clash = [word for word in WORDS if word in words - {"symmetric"}]
    if len(clash) > 1 and words & {"one-hot", *DOMAINS}:
        raise InputError(f"shapes: {part!r}: {clash[0]} and {clash[1]} both say what the entries are: give one")


def _labels(name: str, part: str, pieces: list[str]) -> Shape:
    if len(pieces) != 4 or pieces[1:3] != ["labels", "of"]:
        raise InputError(f"shapes: {part!r}: labels are declared as '{name}: N labels of C'")
    axes = tuple(_axis(letter, part) for letter in (pieces[0], pieces[3]))
    if axes[0] == axes[1]:
        raise InputError(f"shapes: {part!r}: the labels and what they are labels of need axes of two names")
    return Shape(name, Array(name, axes), frozenset({"one-hot"}), True)


def _check_length(name: str) -> None:
    if len(name) > MOST_IN_NAME:
        raise InputError(f"shapes: the name {name} has {len(name)} letters; at most {MOST_IN_NAME} are read")


def _axis(name: str, part: str) -> Axis:
    _check_length(name)
    if not name.isidentifier() or not name.isascii():
        near = "axes are names separated by spaces, inputs by commas"
        near = f"; the words are {', '.join(WORDS)}" if "-" in name else f": {near}"
        raise InputError(f"shapes: in {part!r}, {name!r} is not the name of an axis{near}")
    if name[0].islower():
        raise InputError(
            f"shapes: in {part!r}, {name!r} is neither an axis (a capital letter first) nor one of {', '.join(WORDS)}"
        )
    return Axis(name, MEANINGS.get(name, ""))
