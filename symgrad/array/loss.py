"""A user's loss: a function of arrays, which is traced on symbolic arrays."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from sympy import Expr

from symgrad.array.graph import Node, Trace, constant, exact, is_number, leaf, operand, shape_text, tracing
from symgrad.array.indexing import LabelIndex
from symgrad.array.shape_grammar import ASSUMPTIONS, Shape, parse_shapes
from symgrad.array.source_location import Location, defined_at, with_location
from symgrad.array.symbolic import Labels, Symbolic
from symgrad.array.to_program import lower
from symgrad.array.tracer import run
from symgrad.equations import DOMAINS, TIES, Assumption, in_domain, one_hot, rows_sum_to_one, symmetric
from symgrad.errors import InputError, ProgramError, SymgradError, nested
from symgrad.names import in_english, printed_name, same_look
from symgrad.notation import Array
from symgrad.program import Program


@dataclass(frozen=True)
class Traced:
    """The program of a loss, and where in the user's source each equation was written."""

    program: Program
    locations: Mapping[str, Location]

    def pointing(self, error: SymgradError, equation: str) -> SymgradError:
        """The error with the line of ``equation`` under it."""
        return with_location(error, self.locations.get(equation))


class Loss:
    """A loss as a function of arrays with declared axes.

    Called with arrays, it runs the function.  ``program()`` traces the function and returns its forward equations.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        shapes: Sequence[Shape],
        wrt: Sequence[str],
        name: str,
        summary: str,
        facts: Sequence[str] = (),
        about: str = "",
        names: Mapping[str, str] = MappingProxyType({}),
        vectors: str = "",
    ) -> None:
        self.function, self.shapes, self.name, self.summary = function, tuple(shapes), name, summary
        self.facts, self.about, self.names, self.vectors = tuple(facts), about, names, vectors
        self.wrt = tuple(same_look(name, [shape.name for shape in shapes]) for name in wrt)
        update_wrapper(self, function)
        self._check()

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Run the function on arrays."""
        try:
            return self.function(*args, **keywords)
        except TypeError:
            try:
                inspect.signature(self.function).bind(*args, **keywords)
            except TypeError as error:
                raise TypeError(f"{error}: expected {self._signature()}") from None
            raise

    def _signature(self) -> str:
        parameters = [p.replace(annotation=p.empty) for p in inspect.signature(self.function).parameters.values()]
        return f"{self.name}{inspect.Signature(parameters)}"

    def __repr__(self) -> str:
        inputs = ", ".join(f"{s.name} {shape_text(s.array.axes)}" for s in self.shapes)
        return f"<loss {self.name}: {inputs}; with respect to {', '.join(self.wrt)}>"

    def _check(self) -> None:
        known = self._parameters()
        declared = [shape.name for shape in self.shapes]
        if unknown := [name for name in declared if name not in known]:
            raise InputError(f"shapes names {unknown[0]}, but the parameters are {', '.join(known)}")
        if unknown := [name for name in self.wrt if name not in declared]:
            raise InputError(f"wrt names {unknown[0]}, but shapes declares {', '.join(declared)}")

    def _parameters(self) -> dict[str, inspect.Parameter]:
        """The parameters of the function; Greek letters are spelled as in ``shapes``."""
        declared = [shape.name for shape in self.shapes]
        return {same_look(name, declared): p for name, p in inspect.signature(self.function).parameters.items()}

    def program(self, **fixed: Any) -> Program:
        """The forward equations; ``fixed`` has numbers for scalar inputs, and values for other parameters.

        Raises ``ProgramError`` where shapes do not match, ``UnsupportedError`` for an operation without a rule, and
        ``InputError`` for a wrong argument; each points at the user's line.
        """
        return self.trace(fixed).program

    def trace(self, fixed: Mapping[str, Any]) -> Traced:
        """As ``program``, with the source locations of the equations."""
        order = list(self._parameters())
        fixed = {same_look(name, order): value for name, value in fixed.items()}
        kept = [s for s in sorted(self.shapes, key=lambda s: order.index(s.name)) if s.name not in fixed]
        arrays = {shape.name: _array(shape, self.shapes) for shape in kept}
        axes = tuple(dict.fromkeys(axis for shape in self.shapes for axis in shape.array.axes if shape in kept))
        rows = {name: array.name for name, array in arrays.items()}  # labels y have the rows Y
        with tracing(axes) as trace, nested(self.name):
            symbols = {shape.name: _symbol(shape, arrays[shape.name]) for shape in kept}
            args, keywords = self._arguments(symbols, fixed)
            returned = run(trace, self.name, self.function, args, keywords)
            output, upstream = self._output(returned, trace, {*arrays, *rows.values(), *(axis.name for axis in axes)})
            inputs = (*arrays.values(), *upstream.values())
            lowered = lower(output, trace.names, inputs, axes)
        program = Program(
            name=self.name,
            axes=axes,
            inputs=inputs,
            equations=lowered.equations,
            output=lowered.output,
            assumptions=_assumptions(kept, arrays),
            summary=self.summary,
            defaults=self._defaults(kept),
            labels=tuple((arrays[shape.name].name, shape.name) for shape in kept if shape.labels),
            facts=tuple(_with_numbers(self.facts, {s.name: fixed[s.name] for s in self.shapes if s.name in fixed})),
            about=self.about,
            names=tuple((rows.get(n, n), printed) for n, printed in self.names.items() if n not in fixed),
            vectors=self.vectors,
            upstream=tuple((name, gradient.name) for name, gradient in upstream.items()),
        )
        return Traced(program.with_nodes(upstream), lowered.locations)

    def _defaults(self, kept: Sequence[Shape]) -> tuple[tuple[str, Expr], ...]:
        """The default numbers of scalar inputs."""
        parameters = self._parameters()
        defaults = ((s.name, parameters[s.name].default) for s in kept if not s.array.axes)
        return tuple((n, exact(value)) for n, value in defaults if is_number(value) and np.isfinite(complex(value)))

    def _arguments(self, symbols: Mapping[str, Any], fixed: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the call: symbolic arrays, fixed values, and defaults."""
        parameters = self._parameters()
        declared = {shape.name: shape for shape in self.shapes}
        if unknown := [name for name in fixed if name not in parameters]:
            raise InputError(f"{self.name} has no parameter {unknown[0]!r}: expected {self._signature()}")
        args: list[Any] = []
        keywords: dict[str, Any] = {}
        for name, parameter in parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if name in symbols:
                value = symbols[name]
            elif name in fixed:
                value = self._fixed(declared[name], fixed[name]) if name in declared else fixed[name]
            elif parameter.default is not parameter.empty:
                value = parameter.default
            else:
                raise InputError(
                    f"{self.name}: {name} is not in shapes and has no default: declare it, or pass {name}="
                )
            if parameter.kind is parameter.KEYWORD_ONLY:
                keywords[parameter.name] = value
            else:
                args.append(value)
        return args, keywords

    def _fixed(self, shape: Shape, value: Any) -> Symbolic:
        if shape.array.axes:
            array = f"{shape.name} {shape_text(shape.array.axes)}"
            raise InputError(f"{self.name}: only a scalar can be fixed, not the array {array}")
        if not is_number(value):
            raise InputError(f"{self.name}: {shape.name} must be a number, got {value!r}")
        return Symbolic(constant(exact(value)))

    def _output(self, value: Any, trace: Trace, taken: set[str]) -> tuple[Node, dict[str, Array]]:
        """The scalar to differentiate, and the upstream gradients of a layer, by output."""
        node = self._returned(value, "the loss")
        if node.real_axes:
            raise ProgramError(
                f"{self.name} returns an array {shape_text(node.axes)}: a loss must be a scalar, such as its np.mean; "
                "declare a function that returns arrays with @symgrad.layer"
            )
        return node, {}

    def _returned(self, value: Any, what: str) -> Node:
        if value is None:
            raise ProgramError(f"{self.name} returns nothing: it must return {what}")
        if is_number(value):
            raise ProgramError(f"{self.name} returns {value}, which does not depend on any input")
        if not isinstance(value, Symbolic):
            raise ProgramError(f"{self.name} returns a {type(value).__name__}: it must return {what}")
        return operand(value.node, self.name)


def _array(shape: Shape, shapes: Sequence[Shape]) -> Array:
    """The program's array for an input; the one-hot rows of labels y are called Y, if that name is free."""
    upper = shape.name.upper()
    taken = {s.name for s in shapes} | {axis.name for s in shapes for axis in s.array.axes}
    name = upper if shape.labels and upper not in taken else shape.name
    return Array(name, shape.array.axes, shape.array.positive)


def _symbol(shape: Shape, array: Array) -> Symbolic:
    node = leaf(array)
    if not shape.labels:
        return Symbolic(node)
    return Labels(leaf(Array(shape.name, array.axes[:-1])), LabelIndex(shape.name, node))


def _with_numbers(facts: Sequence[str], fixed: Mapping[str, Any]) -> Iterator[str]:
    """The facts with numbers in place of ``fixed`` inputs, without those that give such an input a value, or are about
    the derivative with respect to it."""
    names = re.compile("|".join(rf"\b{name}\b" for name in fixed) or "(?!)")
    derivatives = {f"d{name}" for name in fixed}
    for fact in facts:
        equation, where, values = fact.partition(" where ")
        if not names.search(values) and derivatives.isdisjoint(re.findall(r"\w+", equation)):
            yield names.sub(lambda name: f"({fixed[name[0]]})", equation) + where + values


def _assumptions(shapes: Sequence[Shape], arrays: Mapping[str, Array]) -> tuple[Assumption, ...]:
    assumptions: list[Assumption] = []
    declared = [shape for shape in shapes if shape.words & ASSUMPTIONS]
    for number, shape in enumerate(declared, 1):
        key, array = f"A{number}", arrays[shape.name]
        both = bool(shape.words & DOMAINS.keys() and "symmetric" in shape.words)
        assumptions += [in_domain(array, word, f"{key}{'a' * both}") for word in DOMAINS if word in shape.words]
        if "one-hot" in shape.words:
            assumptions += one_hot(array, key)
        if "distribution" in shape.words:
            assumptions.append(rows_sum_to_one(array, key))
        if "positive-definite" in shape.words:
            assumptions.append(symmetric(array, key, is_definite=True))
        assumptions += [tie(array, key) for word, tie in TIES.items() if word in shape.words]
        if "symmetric" in shape.words:
            assumptions.append(symmetric(array, f"{key}{'b' * both}"))
    return tuple(assumptions)


def _printed(name: str, text: str) -> str:
    try:
        return printed_name(text)
    except InputError as error:
        raise InputError(f"names: {name}: {error}") from None


def loss(
    shapes: str,
    wrt: str | Sequence[str] = (),
    *,
    name: str | None = None,
    summary: str | None = None,
    facts: Sequence[str] = (),
    about: str = "",
    axes: Mapping[str, str] = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
    vectors: str = "",
) -> Callable[[Callable[..., Any]], Loss]:
    r"""Declare a function as a loss: ``@symgrad.loss(shapes="X: N D, W: D C, b: C, Y: N C", wrt="W b")``.

    ``shapes`` gives the axes of each input, or ``scalar``.  Words may follow: ``positive``, ``symmetric``,
    ``positive-definite`` (and symmetric), ``diagonal``, ``lower`` (triangular), ``orthogonal``, ``one-hot``,
    ``distribution`` (rows that sum to one), or a domain: ``binary`` (0 or 1), ``sign`` (-1 or 1), ``probability``,
    ``nonnegative`` or ``count``.  ``y: N labels of C`` declares integer labels.  Parameters that are not in ``shapes``
    are ordinary values.  ``wrt`` names the inputs to differentiate with
    respect to; default: all except labels.
    ``name`` and ``summary`` default to the function's name and the first line of its docstring.  ``facts`` are
    statements about the gradient, which are proved with the derivation: equations in the loss's names, with ``dZ`` for
    the derivative by ``Z``, and values of inputs: ``["sum(dZ, axis=1) == 0", "dZ == 0 where Y = P"]``.  ``about`` says
    in words what the gradient means; it is printed below the gradient.  ``axes`` says what an axis counts, in place of
    the usual words for N, D, C, H, T and B: ``{"N": "patients"}``.  ``names`` gives arrays another letter in print:
    ``{"W": r"\theta", "Z": "A"}``; code keeps their names.  ``vectors="bold"`` prints arrays in matrix notation bold.

    Raises ``InputError``, with the function's line, for a mistake in ``shapes``, ``wrt``, ``axes`` or ``names``.
    """

    return declaration(Loss, shapes, wrt, name, summary, facts, about, axes, names, vectors)


Kind = TypeVar("Kind", bound=Loss)


def declaration(
    kind: type[Kind],
    shapes: str,
    wrt: str | Sequence[str],
    name: str | None,
    summary: str | None,
    facts: Sequence[str],
    about: str,
    axes: Mapping[str, str],
    names: Mapping[str, str],
    vectors: str,
) -> Callable[[Callable[..., Any]], Kind]:
    """The decorator with these options that declares a function as a ``kind`` of loss."""

    def declare(function: Callable[..., Any]) -> Kind:
        wanted = wrt.replace(",", " ").split() if isinstance(wrt, str) else list(wrt)
        title = str(name or getattr(function, "__name__", ""))
        title = title if title.isidentifier() else kind.__name__.lower()
        first_line: str = (inspect.getdoc(function) or "").split("\n")[0].rstrip(".")
        try:
            printed = {in_english(name): _printed(name, text) for name, text in names.items()}
            inputs = parse_shapes(shapes, axes, printed)
            default = [shape.name for shape in inputs if not shape.is_target]
            said = first_line if summary is None else summary
            return kind(function, inputs, wanted or default, title, said, facts, about, printed, vectors)
        except InputError as error:
            raise with_location(InputError(f"{title}: {error}"), defined_at(function)) from None

    return declare
