"""Find the calls of PyTorch and Keras that compute the output of a program.

``data/framework_losses.json`` defines the losses of the frameworks in the one-line language.
``tools/record_frameworks.py`` recorded every call, and the tests compare every definition with these recordings.

A call computes the output if its definition and the output have the same normal form, where arrays are substituted
except those that match arguments of the definition.  Equal normal forms are a proof, as for lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.resources import files
from itertools import chain, combinations

from sympy import Add, Expr, Function, Indexed, Mul, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.array.expression import parse
from symgrad.array.shape_grammar import parse_shapes
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.normal_form.translation import Normaliser
from symgrad.equations import Definition
from symgrad.notation import Array, Axis, array_names, axis_name, bound_indices, indices_of, name_of, sum_over
from symgrad.program import Program

FRAMEWORKS = ("PyTorch", "Keras")


@dataclass(frozen=True)
class Known:
    """A loss of the frameworks.

    ``shapes`` declare the arguments, in one or several ways.  ``definitions`` are equivalent formulas that contain
    exactly ``functions``; a program with other functions is not compared.  ``torch`` and ``keras`` are the calls, with
    arguments in braces, or empty; ``words`` are notes on the calls.
    """

    shapes: tuple[str, ...]
    functions: str
    definitions: tuple[str, ...]
    torch: str = ""
    keras: str = ""
    words: str = ""

    @property
    def calls(self) -> Mapping[str, str]:
        """The calls by the name of the framework."""
        return {name: call for name, call in zip(FRAMEWORKS, (self.torch, self.keras), strict=True) if call}


KNOWN: tuple[Known, ...] = tuple(
    Known(**{**entry, "shapes": tuple(entry["shapes"]), "definitions": tuple(entry["definitions"])})
    for entry in json.loads((files("symgrad") / "data" / "framework_losses.json").read_text(encoding="utf-8"))
)
"""The losses in order of preference: more arguments first; logits before probabilities."""
MOST_CUTS = 2
"""The limit on the defined arrays that may be arguments of a call."""


@dataclass(frozen=True)
class Call:
    """A call of ``framework`` in the names of a program; ``arguments`` are its arrays, ``words`` the notes on it."""

    framework: str
    call: str
    arguments: tuple[str, ...]
    words: str


def calls(program: Program) -> tuple[Call, ...]:
    """For each framework, the first call of the table that computes the output of the program."""
    extended, texts = _with_predictions(program)
    cuts = tuple(_cuts(extended))
    by_framework: dict[str, Call] = {}
    for known in KNOWN:
        missing = [framework for framework in known.calls if framework not in by_framework]
        players = next(_played(known, cuts), None) if missing else None
        if players is not None:
            shown = {name: texts.get(leaf, leaf) + (".T" if turned else "") for name, (leaf, turned) in players.items()}
            for framework in missing:
                call = _filled(known.calls[framework], shown)
                arguments = tuple(leaf for leaf, _ in players.values())
                by_framework[framework] = Call(framework, call, arguments, known.words.format(**shown))
    return tuple(by_framework[framework] for framework in FRAMEWORKS if framework in by_framework)


def _filled(template: str, arguments: Mapping[str, str]) -> str:
    """The call with its arguments; an argument that is not a name gets brackets beside an operator."""

    def argument(match: re.Match[str]) -> str:
        text = arguments[match.group(1)]
        alone = template[: match.start()].endswith(("(", ", ", "=")) and template[match.end() :].startswith((",", ")"))
        return text if alone or text.isidentifier() else f"({text})"

    return re.sub(r"\{(\w+)\}", argument, template)


# --- which arrays are the arguments --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cut:
    """The output of a program in terms of the arrays ``leaves``, latest first, with all other arrays substituted."""

    program: Program
    leaves: tuple[Array, ...]

    @cached_property
    def output(self) -> Expr:
        """The right side of the output's equation in the leaves alone."""
        program = self.program
        others = program.definitions.keys() - {array.name for array in self.leaves} - {program.output}
        return program.written_out(program.definitions[program.output].rhs, others)

    @cached_property
    def functions(self) -> str:
        """The names of the functions in the output."""
        return " ".join(sorted({f.func.__name__ for f in self.output.atoms(Function)}))

    @cached_property
    def inside(self) -> frozenset[str]:
        """The arrays of the output that occur in an argument of a function."""
        return _inside(self.output)


def _cuts(program: Program) -> Iterator[_Cut]:
    names = [name for name in program.definitions if name != program.output]
    for kept in chain.from_iterable(combinations(names, count) for count in range(MOST_CUTS + 1)):
        leaves = _leaves(program, frozenset(kept))
        if leaves >= set(kept):
            yield _Cut(program, tuple(program.arrays[name] for name in reversed(program.arrays) if name in leaves))


def _leaves(program: Program, kept: frozenset[str]) -> frozenset[str]:
    """The inputs and arrays of ``kept`` that remain in the output when all other arrays are substituted."""
    rhs = program.definitions[program.output].rhs
    others = program.definitions.keys() - kept
    opened = (program.definitions[name].rhs for name in program.opened(rhs, others))
    return array_names(rhs).union(*map(array_names, opened)) - others


Players = dict[str, tuple[str, bool]]
"""For each argument of a definition, the program's array that takes its part, and whether it is transposed."""


def _played(known: Known, cuts: Sequence[_Cut]) -> Iterator[Players]:
    for shapes in known.shapes:
        for cut in cuts:
            if sorted(len(array.axes) for array in cut.leaves) == _ranks(shapes):
                for definition in known.definitions if cut.functions == known.functions else ():
                    yield from _matches(_form(definition, shapes), cut)


@cache
def _ranks(shapes: str) -> list[int]:
    return sorted(len(shape.array.axes) for shape in parse_shapes(shapes))


@dataclass(frozen=True)
class _Form:
    """A definition as a program, and its output in terms of the inputs."""

    program: Program
    output: Expr
    inside: frozenset[str]
    normaliser: Normaliser


@cache
def _form(definition: str, shapes: str) -> _Form:
    program = parse(definition, shapes).program()
    output = program.written_out(program.definitions[program.output].rhs, program.definitions.keys())
    return _Form(program, output, _inside(output), Normaliser(program, frozenset()))


def _inside(expr: Expr) -> frozenset[str]:
    """The arrays in arguments of functions."""
    return frozenset().union(*map(array_names, expr.atoms(Function)))


def _matches(form: _Form, cut: _Cut) -> Iterator[Players]:
    for players, axes in _assignments(form.program.inputs, cut.leaves, {}, {}):
        if any((name in form.inside) != (leaf in cut.inside) for name, (leaf, _) in players.items()):
            continue
        arrays = {leaf: (form.program.arrays[name], turned) for name, (leaf, turned) in players.items()}
        carried = _carried(cut.output, arrays, axes)
        try:
            if carried is not None and form.normaliser.equal(carried, form.output):
                yield players
        except NoNormalForm:
            continue


def _assignments(
    arguments: Sequence[Array], leaves: Sequence[Array], players: Players, axes: Mapping[str, Axis]
) -> Iterator[tuple[Players, Mapping[str, Axis]]]:
    """Every assignment of leaves to arguments, with the matching axes of the definition."""
    if not arguments:
        yield players, axes
        return
    argument, *others = arguments
    for leaf in leaves:
        if len(leaf.axes) != len(argument.axes) or (argument.positive and not leaf.positive):
            continue
        left = [other for other in leaves if other is not leaf]
        for turned in (False, True) if len(leaf.axes) == 2 else (False,):
            leaf_axes = leaf.axes[::-1] if turned else leaf.axes
            known = _joined(axes, [(axis.name, to) for axis, to in zip(leaf_axes, argument.axes, strict=True)])
            if known is not None:
                yield from _assignments(others, left, players | {argument.name: (leaf.name, turned)}, known)


def _joined(axes: Mapping[str, Axis], pairs: Sequence[tuple[str, Axis]]) -> Mapping[str, Axis] | None:
    """The axis matching, extended one-to-one by another; None if they contradict."""
    joined = {**axes, **dict(pairs)}
    agrees = all(joined[name] == axis for name, axis in (*axes.items(), *pairs))
    return joined if agrees and len(set(joined.values())) == len(joined) else None


def _carried(expr: Basic, arrays: Mapping[str, tuple[Array, bool]], axes: Mapping[str, Axis]) -> Expr | None:
    """``expr`` in the arrays and axes of a definition; None if it contains arrays or axes without a counterpart."""

    def index(i: Idx) -> Idx:
        return axes[axis_name(i)].index(i.name)

    def carried(part: Basic) -> Basic:
        if isinstance(part, Idx):
            return index(part)
        if isinstance(part, Indexed):
            array, turned = arrays[part.base.name]
            indices = tuple(index(i) for i in part.indices)
            return array[indices[::-1] if turned else indices]
        if isinstance(part, Symbol):
            return axes[part.name].size if part.is_integer else arrays[part.name][0].base
        if isinstance(part, Sum):
            return sum_over(carried(part.function), [index(i) for i in bound_indices(part)])
        return part.func(*map(carried, part.args)) if part.args else part

    try:
        return carried(expr)
    except KeyError:
        return None


# --- predictions without a name ------------------------------------------------------------------------------------


def _with_predictions(program: Program) -> tuple[Program, dict[str, str]]:
    """The program with a prediction in place of every residual (an array minus an input), and Python text for each
    prediction."""
    equations, texts = [], dict[str, str]()
    for definition in program.ordered:
        parted = _residual(definition, program)
        if parted is None:
            equations.append(definition)
            continue
        sign, target, predicted = parted
        array = Array(f"prediction_of_{definition.name}_", program.arrays[definition.name].axes)
        entry = array[definition.indices]
        equations += [replace(definition, rhs=sign * (entry - target)), Definition(entry, predicted, is_node=False)]
        summed = f"{name_of(target)} {'+' if sign > 0 else '-'} {definition.name}"
        texts[array.name] = _python(predicted, definition.indices) or summed
    return (replace(program, equations=tuple(equations)), texts) if texts else (program, {})


def _residual(definition: Definition, program: Program) -> tuple[int, Expr, Expr] | None:
    """``sign, y, z`` if the right side is ``sign * (z - y)`` with an input y and a z that is not an array."""
    inputs = {array.name for array in program.inputs}
    for term in Add.make_args(definition.rhs) if definition.indices else ():
        sign = -1 if term.could_extract_minus_sign() else 1
        target = sign * term
        if isinstance(target, Indexed) and target.indices == definition.indices and target.base.name in inputs:
            predicted = -sign * (definition.rhs - term)
            if isinstance(predicted, Add) or predicted.has(Sum):
                return -sign, target, predicted
    return None


def _python(expr: Expr, indices: tuple[Idx, ...]) -> str:
    """Python text for a sum of arrays and of products of two arrays; empty for anything else."""
    terms = sorted(Add.make_args(expr), key=lambda term: not term.has(Sum))
    texts = [_term(term, indices) for term in terms]
    return " + ".join(texts) if all(texts) else ""


def _term(term: Expr, indices: tuple[Idx, ...]) -> str:
    if isinstance(term, (Indexed, Symbol)):
        of_term = indices_of(term)
        return name_of(term) if of_term == indices[len(indices) - len(of_term) :] else ""
    if not isinstance(term, Sum) or len(bound_indices(term)) != 1:
        return ""
    (over,) = bound_indices(term)
    factors = Mul.make_args(term.function)
    if len(factors) != 2 or not all(isinstance(f, Indexed) and len(f.indices) <= 2 for f in factors):
        return ""
    for left, right in (factors, factors[::-1]):
        rows = tuple(i for i in left.indices if i != over)
        columns = tuple(i for i in right.indices if i != over)
        if rows and rows + columns == indices:
            one = f"{name_of(left)}.T" if left.indices[0] == over else name_of(left)
            other = f"{name_of(right)}.T" if columns and right.indices[1] == over else name_of(right)
            return f"{one} @ {other}"
    return ""
