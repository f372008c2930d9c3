"""How arrays, entries and indices are named in print, and in which order the program defines them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sympy import Expr, Indexed, KroneckerDelta, MatrixSymbol, Symbol
from sympy.core.basic import Basic
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.tensor.indexed import Idx

from symgrad.engine.named_functions import named, sigmoid
from symgrad.index_letters import fresh_letter
from symgrad.matrix_functions import inverse
from symgrad.names import CONVENTIONAL_LETTERS, INVERSE, Word, look, look_same_in_lower_case, word
from symgrad.notation import Array, axis_name, parts_of
from symgrad.program import Program
from symgrad.steps import Differentiated, Largest, Partial, Record, Statement, Step, Total, Value

WORDS = ("a", "A", "I")  # names that are also English words
KRONECKER = Word("delta", greek=True)
UNKNOWN_RANK = 10**6  # arrays that the program does not declare come last


@dataclass(frozen=True)
class Vocabulary:
    """What the printers know of a program: the order and case of its names, its axes, its adjoint arrays.

    ``rank`` orders the arrays (latest highest); ``letters`` has the index letters of each axis, in the order of the
    axes; ``adjoints`` maps the name of an adjoint array to the array whose adjoint it is; ``capital`` names the
    matrices whose entries keep their case, since two would look the same in lower case; ``added`` names the arrays that
    only the lines on the code have. ``names_functions`` tells whether entries may name sigmoid, Phi and phi: not
    if a sigmoid has a name of its own in the program. ``printed`` has the names that the author chose for print, and
    ``inverted`` maps the arrays that are printed as inverses to their matrices, ``bold`` tells whether arrays in matrix
    notation are bold.
    """

    rank: dict[str, int] = field(default_factory=dict)
    letters: dict[str, str] = field(default_factory=dict)
    adjoints: dict[str, Array] = field(default_factory=dict)
    output: Symbol | None = None
    capital: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    arrays: dict[str, Array] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    names_functions: bool = False
    printed: Mapping[str, str] = field(default_factory=dict)
    inverted: Mapping[str, str] = field(default_factory=dict)
    bold: bool = False

    def word(self, name: str) -> Word:
        """The parts of an array's name as it is printed; only the inverse of A itself is printed as A^-1."""
        parts = word(self.printed.get(name, name))
        if name in self.inverted:
            return replace(self.word(self.inverted[name]), is_inverse=True)
        if name in self.adjoints and (of := self.adjoints[name].name).partition(INVERSE)[1] and parts.mark:
            known = self.inverted.get(of)
            return replace(parts, mark=f"{known}{INVERSE}" if known else of.replace("_", ""))
        return replace(parts.inverted, mark=f"{parts.mark}inv") if parts.is_inverse else parts

    def is_symbol(self, name: str) -> bool:
        """Whether a name is a single letter (perhaps with an accent and a mark) and not a word."""
        parts = self.word(name)
        return len(parts.letter) == 1 or parts.greek

    def is_inverse(self, expr: Basic) -> bool:
        """Whether a leaf is a matrix that is printed as the inverse of another."""
        name = leaf_name(expr)
        return name is not None and not leaf_indices(expr) and self.word(name).is_inverse

    def is_bold(self, name: str) -> bool:
        """Whether the name of an array without indices is bold."""
        return self.bold and name in self.arrays and bool(self.arrays[name].axes)

    def rank_of(self, name: str) -> int:
        """The rank of an array; an entry of an explicit matrix (``x_12``) has the rank of its array."""
        if name in self.adjoints:
            return len(self.rank) + self.rank_of(self.adjoints[name].name)
        if name not in self.rank and "_" in name:
            stem = name.partition("_")[0]
            known = {n: r for n, r in self.rank.items() if stem in (n, n.lower())}
            return min(known.values(), default=UNKNOWN_RANK)
        return self.rank.get(name, UNKNOWN_RANK)

    def axis_order(self, name: str) -> int:
        """The position of an axis, by its name, in the order of the program."""
        return list(self.letters).index(name) if name in self.letters else len(self.letters)

    def entry_word(self, name: str, axes: int) -> Word:
        """The word for an entry: in lower case for two axes or more, unless the name is in ``capital``.

        Delta with two indices is Kronecker's; an entry of a matrix named delta is spelled differently.
        """
        parts = self.word(name)
        spelled_word = parts.lower() if axes >= 2 and name not in self.capital else parts
        if axes >= 2 and spelled_word == KRONECKER:
            return parts if parts.letter == "Delta" else Word("delta")
        return spelled_word

    def function(self, letter: str, instead: str) -> str:
        """The letter of a function, or ``instead`` if an array has that letter."""
        return instead if any(look(self.printed.get(name, name)) == letter for name in self.arrays) else letter

    def index_order(self, index: Basic) -> tuple[int, str]:
        """The sort key of an index within its axis: running letters first, the denominator's of a derivative last."""
        letter = index_letter(index)
        if not isinstance(index, Idx):
            return 100, letter
        axis = axis_name(index)
        letters = self.letters.get(axis) or CONVENTIONAL_LETTERS.get(axis, "")
        order = letters[:1] + letters[2:] + letters[1:2]
        return order.find(letter) if letter in order else 50, letter


def vocabulary(source: Record | Program | None) -> Vocabulary:
    """The vocabulary of a record or a program; without either, names alone decide."""
    if source is None:
        return Vocabulary()
    program = source.program if isinstance(source, Record) else source
    adjoints = {} if isinstance(source, Program) else source.adjoint_arrays
    printed = program.printed
    lower = {n: word(printed.get(n, n)) for n, array in program.arrays.items() if len(array.axes) >= 2}
    inverses = {d.name: d.rhs.matrix for d in program.ordered if isinstance(d.rhs, inverse)}
    inverted = {name: of for name, of in inverses.items() if re.fullmatch(rf"{of}{INVERSE}\d*", name)}
    output = program.arrays[program.output].base
    assert isinstance(output, Symbol)
    defines = any(named(d.rhs).has(sigmoid) for d in program.ordered if d.name != program.output)
    return Vocabulary(
        rank=program.rank,
        letters={axis.name: axis.conventional for axis in program.axes},
        adjoints={adjoint.name: program.arrays[name] for name, adjoint in adjoints.items()},
        output=output,
        capital=look_same_in_lower_case(lower),
        inputs=frozenset(array.name for array in program.inputs),
        arrays={**program.arrays, **{adjoint.name: adjoint for adjoint in adjoints.values()}},
        names_functions=not defines,
        printed=printed,
        inverted=inverted,
        bold=program.vectors == "bold",
    )


def index_letter(index: Basic) -> str:
    """An index as it is printed: its letter, or its number."""
    return index.name if isinstance(index, Idx) else str(index)


def leaf_name(expr: Basic) -> str | None:
    """The name of the array of an entry, a scalar or a matrix symbol; None for numbers and sizes."""
    if isinstance(expr, Indexed):
        return str(expr.base.name)
    if isinstance(expr, MatrixElement):
        return str(expr.parent)
    if isinstance(expr, MatrixSymbol) or (isinstance(expr, Symbol) and not expr.is_integer):
        return str(expr.name)
    return None


def leaf_indices(expr: Basic) -> tuple[Basic, ...]:
    """The indices of an entry or a delta; empty for anything else."""
    if isinstance(expr, Indexed):
        return tuple(expr.indices)
    if isinstance(expr, MatrixElement):
        return tuple(expr.args[1:])
    return tuple(expr.args) if isinstance(expr, KroneckerDelta) else ()


# What makes a single letter a name if it precedes: "in terms of A", "the definition of W and A".
NAMED = re.compile(r"\bof (?:\w+(?:, \w+)*,? and |(?:\w+, )+)?$")
# What must follow if the letter could be the article: "in terms of a", but "the mean of a row".
NO_ARTICLE = re.compile(r"$|[,;:.)]| and | \(| \[")
# What precedes an index in a reason: "sum over a: only a = d survives".
SUMMED = re.compile(r"\bsum over (?:\w+ and )?$")


def split_words(text: str, names: Vocabulary) -> Iterator[tuple[str, str]]:
    """Split a sentence into pairs ``(words, name)``: ``name`` is a known name after the words, or empty.

    Known names are the arrays, the axes and the index letters, as whole words, and any letter beside an equals sign or
    after "sum over". There, and after "of", ``a``, ``A`` and ``I`` are names and not English words.
    """
    known = {*names.arrays, *names.letters, *(letter for axis in names.letters.values() for letter in axis)}
    end = 0
    for match in re.finditer(r"(?<![\w'’])[^\W\d]\w*(?!['’\w])", text):
        name, before, after = match.group(), text[: match.start()], text[match.end() :]
        formula = before.endswith("= ") or after.startswith(" =") or bool(SUMMED.search(before))
        named = name not in WORDS or (NAMED.search(before) and (name != "a" or NO_ARTICLE.match(after)))
        if (formula and len(name) == 1) or (name in known and (formula or named)):
            yield text[end : match.start()], name
            end = match.end()
    yield text[end:], ""


@dataclass(frozen=True)
class AxisRow:
    """An axis: its name, what it counts, and the letters of its indices."""

    name: str
    meaning: str
    letters: tuple[str, ...]


def table_entry(array: Array, program: Program) -> Expr:
    """An entry of an array, with the indices of its definition. The indices of an input get distinct letters that no
    entry of the program's arrays uses; a repeated axis gets its second letter."""
    if array.name in program.definitions:
        return program.definitions[array.name].entry
    taken = set(program.entry_letters)
    indices: list[Idx] = []
    for axis in array.axes:
        indices.append(fresh_letter(axis, taken))
        taken.add(indices[-1].name)
    return array[tuple(indices)]


def summed_index(entry: Indexed, program: Program, taken: Iterable[Idx] = ()) -> Idx:
    """The summed index in the product of a matrix and its inverse; ``entry`` is an entry of the inverse."""
    letters = {str(index.label) for index in (*entry.indices, *taken)} | program.entry_letters
    return fresh_letter(program.axis[axis_name(entry.indices[0])], letters, bound=True)


def axis_rows(
    record: Record, evaluation: Record | None, names: Vocabulary, facts: Iterable[Statement] = ()
) -> tuple[AxisRow, ...]:
    """The axes with the letters that the page uses: the running letter first, then in order of first use."""
    program = record.program
    steps = (*record.steps, *(evaluation.steps if evaluation else ()))
    used: dict[str, dict[str, None]] = {axis.name: {} for axis in program.axes}
    written: list[Basic] = [part for step in steps for part in _expressions(step, program)]
    written += [table_entry(array, program) for array in program.arrays.values()]
    written += [side for a in program.assumptions for side in (a.lhs, a.rhs)]
    written += [side for fact in facts for pair in ((fact.left, fact.right), *fact.given) for side in pair]
    for expr in written:
        for index in sorted(parts_of(expr, Idx), key=names.index_order):
            used[axis_name(index)][index_letter(index)] = None
    return tuple(
        AxisRow(a.name, a.meaning, tuple(sorted(used[a.name], key=lambda letter: letter != a.conventional[0])))
        for a in program.axes
    )


def _expressions(step: Step, program: Program) -> list[Basic]:
    """The expressions on both sides of a line."""
    match step.subject:
        case Value(expr):
            return [expr, step.after]
        case Differentiated(of, wrt):
            return [of, wrt, summed_index(of, program, wrt.indices), step.after]
        case Largest(entry, over):
            return [entry, *over, step.after]
        case Partial(of, wrt):
            return [of, wrt, step.after]
        case Total(wrt):
            return [wrt, step.after]
    return []
