"""The grammar of ``shapes``, the inputs of a loss: ``"X: N D, W: D C, y: N labels of C, t: scalar positive"``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from keyword import iskeyword
from string import ascii_lowercase
from types import MappingProxyType

from symgrad.equations import DOMAINS, TIES
from symgrad.errors import InputError
from symgrad.names import in_english
from symgrad.notation import Array, Axis

# The conventional meanings of axis names; other axes are shown by their name alone.
MEANINGS = {
    "N": "rows of the batch",
    "D": "features",
    "C": "classes",
    "H": "hidden units",
    "T": "tokens",
    "B": "batch",
}
IMAGE = {"C": "channels", "H": "height", "W": "width"}  # of an array with these three axes
BATCH = {"N", "B"}  # they count the rows of a batch only if they are the first axis of every array that has them
ASSUMPTIONS = {"symmetric", "positive-definite", *TIES, "one-hot", "distribution", *DOMAINS}
LETTERS = 3  # the least number of index letters for each axis
MOST_LETTERS = 2_000  # in ``shapes``
MOST_IN_NAME = 60  # letters
MOST_AXES = 32  # the limit of NumPy 1
WORDS = ("positive", "symmetric", "positive-definite", *TIES, "one-hot", "distribution", *DOMAINS)


@dataclass(frozen=True)
class Shape:
    """One declared input: its array, the assumptions in ``words``, and whether it holds integer labels.

    The array of ``y: N labels of C`` is their one-hot rows (N, C), of ``y: N T labels of V`` (N, T, V).
    """

    name: str
    array: Array
    words: frozenset[str] = frozenset()
    labels: bool = False

    @property
    def is_target(self) -> bool:
        """Whether the input is rows of labels, with respect to which a loss is not differentiated by default."""
        return bool(self.words & {"one-hot", "distribution"})


def parse_shapes(
    text: str, meanings: Mapping[str, str] = MappingProxyType({}), printed: Mapping[str, str] = MappingProxyType({})
) -> tuple[Shape, ...]:
    """The inputs that ``shapes`` declares; ``meanings`` says what axes count, ``printed`` how inputs are printed.

    Raises ``InputError``, quoting the part that is wrong.
    """
    if not isinstance(text, str):
        raise InputError(f"shapes must be a string such as 'X: N D, W: D C', not a {type(text).__name__}")
    if len(text) > MOST_LETTERS:
        raise InputError(f"shapes has {len(text)} characters; at most {MOST_LETTERS} are allowed")
    declared: list[Shape] = []
    for part in text.replace("\n", " ").split(","):
        if not part.strip():
            continue
        shape = _parse_one(part.strip())
        if shape.name in {other.name for other in declared}:
            raise InputError(f"shapes: {shape.name} is declared twice")
        declared.append(shape)
    if not declared:
        raise InputError("shapes: no input is declared; expected, for example, 'X: N D, W: D C, b: C'")
    arrays = [shape.array for shape in declared]
    meaningful = {axis.name: _with_meaning(axis, arrays) for array in arrays for axis in array.axes}
    for name, words in meanings.items():
        if name not in meaningful:
            raise InputError(f"axes names {name}, but the axes in shapes are {', '.join(meaningful)}")
        if not isinstance(words, str) or not words.strip():
            raise InputError(f"axes must say in words what {name} counts, such as 'rows of the batch', not {words!r}")
        meaningful[name] = replace(meaningful[name], meaning=words.strip())
    axes = _lettered(meaningful, (printed.get(array.name, array.name) for array in arrays))
    for shape in declared:
        if shape.name in axes:
            raise InputError(f"shapes: {shape.name} names both an array and an axis")
    return tuple(
        replace(shape, array=replace(shape.array, axes=tuple(axes[axis.name] for axis in shape.array.axes)))
        for shape in declared
    )


def _with_meaning(axis: Axis, arrays: Iterable[Array]) -> Axis:
    """``axis`` without the meaning "rows of the batch" unless it is the first axis of every array that has it; with the
    meaning that it has in images, if there are any."""
    if axis.name in IMAGE and any(IMAGE.keys() <= {other.name for other in array.axes} for array in arrays):
        return replace(axis, meaning=IMAGE[axis.name])
    leads = all(array.axes[0] == axis for array in arrays if axis in array.axes)
    return axis if leads or axis.name not in BATCH else replace(axis, meaning="")


def _lettered(axes: Mapping[str, Axis], inputs: Iterable[str]) -> dict[str, Axis]:
    """The axes with at least three index letters each: for the running index, the derivative's denominator, and sums.

    Conventional letters come first.  As far as the alphabet goes, no letter belongs to two axes, or is the lower-case
    name of one of ``inputs``, in which its entries are written.
    """
    entries = {name.lower() for name in inputs if len(name) == 1}
    free = [letter for letter in ascii_lowercase if letter not in entries]
    letters: dict[str, str] = dict.fromkeys(axes, "")
    for turn in range(max((LETTERS, *(len(axis.conventional) for axis in axes.values())))):
        for name, axis in axes.items():
            taken = {*"".join(letters.values()), *entries}
            wanted = [letter for letter in axis.conventional if letter not in taken]
            if turn < LETTERS:
                wanted += [letter for letter in free if letter not in taken]
            if turn < max(LETTERS, len(axis.conventional)):
                letters[name] += "".join(wanted[:1])
    return {
        name: axis if letters[name] in ("", axis.conventional) else replace(axis, letters=letters[name])
        for name, axis in axes.items()
    }


def _parse_one(part: str) -> Shape:
    name, colon, rest = (piece.strip() for piece in part.partition(":"))
    if not colon:
        raise InputError(f"shapes: {part!r} lacks a colon; expected, for example, 'X: N D'")
    _check_length(name)
    name = "lambda_" if name == "lambda" else in_english(name)
    if not name.isidentifier() or not name.isascii() or iskeyword(name):
        raise InputError(f"shapes: {name!r} cannot name an input: use letters, digits and underscores")
    pieces = rest.split()
    if not pieces:
        raise InputError(f"shapes: {name} has no axes; expected '{name}: N D', or '{name}: scalar'")
    if "labels" in pieces:
        return _labels(name, part, pieces)
    words = [piece for piece in pieces if piece in WORDS]
    letters = [piece for piece in pieces if piece not in WORDS and piece != "scalar"]
    if "scalar" in pieces and letters:
        raise InputError(f"shapes: {part!r} is a scalar, so it cannot have the axis {letters[0]}")
    if "scalar" not in pieces and not letters:
        raise InputError(f"shapes: {part!r} names no axis; write 'scalar' for a number")
    if pieces[: len(letters)] != letters and letters:
        raise InputError(f"shapes: in {part!r} the axes must come before words such as {words[0]}")
    if len(letters) > MOST_AXES:
        raise InputError(f"shapes: {name} has {len(letters)} axes; at most {MOST_AXES} are allowed")
    array = Array(name, tuple(_axis(letter, part) for letter in letters), positive="positive" in words)
    _check_words(part, array, set(words))
    return Shape(name, array, frozenset(words))


def _check_words(part: str, array: Array, words: set[str]) -> None:
    rank = len(array.axes)
    for word in (
        words & {"symmetric", "positive-definite", *TIES} if rank != 2 or array.axes[0] != array.axes[1] else ()
    ):
        adjective = word.replace("positive-definite", "symmetric")
        raise InputError(f"shapes: {part!r}: only a square matrix can be {adjective}, such as 'A: D D {adjective}'")
    if "positive-definite" in words and len(words) > 1:
        raise InputError(f"shapes: {part!r}: a positive definite matrix is symmetric; leave other words out")
    for word in words & TIES.keys() if len(words) > 1 else ():
        raise InputError(f"shapes: {part!r}: {word} cannot be combined with other words")
    for word in words & {"one-hot", "distribution"}:
        if rank < (2 if word == "one-hot" else 1):
            raise InputError(f"shapes: {part!r}: {word} describes rows, so it needs two axes, as in 'Y: N C {word}'")
    if "one-hot" in words and "distribution" in words:
        raise InputError(f"shapes: {part!r}: one-hot rows are distributions already, so leave distribution out")
    clash = [word for word in WORDS if word in words - {"symmetric"}]
    if len(clash) > 1 and words & {"one-hot", *DOMAINS}:
        raise InputError(f"shapes: {part!r}: {clash[0]} and {clash[1]} both give the domain of the entries: keep one")


def _labels(name: str, part: str, pieces: list[str]) -> Shape:
    if len(pieces) < 4 or pieces[-3:-1] != ["labels", "of"]:
        raise InputError(f"shapes: {part!r}: declare labels as '{name}: N labels of C'")
    axes = tuple(_axis(letter, part) for letter in (*pieces[:-3], pieces[-1]))
    if len(set(axes)) < len(axes):
        raise InputError(f"shapes: {part!r}: the rows and the classes need different axes")
    return Shape(name, Array(name, axes), frozenset({"one-hot"}), True)


def _check_length(name: str) -> None:
    if len(name) > MOST_IN_NAME:
        raise InputError(f"shapes: the name {name} has {len(name)} letters; at most {MOST_IN_NAME} are allowed")


def _axis(name: str, part: str) -> Axis:
    _check_length(name)
    if not name.isidentifier() or not name.isascii():
        hint = f"known words: {', '.join(WORDS)}" if "-" in name else "separate axes by spaces, and inputs by commas"
        raise InputError(f"shapes: in {part!r}, {name!r} is not a valid axis; {hint}")
    if name[0].islower():
        raise InputError(
            f"shapes: in {part!r}, {name!r} is neither an axis (it needs a capital first letter) nor one of "
            f"{', '.join(WORDS)}"
        )
    return Axis(name, MEANINGS.get(name, ""))
