"""From a traced graph to a ``Program``: an equation for each named node; other nodes are inlined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, Function, Indexed, Mul, Pow, S, Sum, Symbol, exp, log
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.array.graph import Entries, Indices, Node
from symgrad.array.intermediates import names_of, seen_through
from symgrad.array.source_location import Location, with_location
from symgrad.canonical import is_known, numbered
from symgrad.equations import Definition, why_no_number
from symgrad.errors import ProgramError
from symgrad.functions import clip, maximum, minimum, relu, root, where
from symgrad.index_letters import fresh_letter, lettered
from symgrad.matrix_functions import OF_MATRICES
from symgrad.notation import Array, Axis, array_names, free_indices, indices_of, name_of, parts_of, unfolded
from symgrad.piecewise import may_be_infinite


@dataclass(frozen=True)
class Lowered:
    """The equations of a trace, the name of the output, and where each equation was written."""

    equations: tuple[Definition, ...]
    output: str
    locations: Mapping[str, Location]


def lower(
    output: Node, variables: Mapping[Node, tuple[int, str]], inputs: Sequence[Array], axes: Sequence[Axis]
) -> Lowered:
    """The equations of ``output``; ``variables`` has the names that the user gives nodes."""
    output = seen_through(output)
    names = names_of(output, variables, [*(a.name for a in inputs), *(a.name for a in axes)])
    named = {node: Array(name, node.real_axes) for node, name in names.items()}
    axis_by_name = {axis.name: axis for axis in axes}
    taken = {array.name.lower() for array in (*inputs, *named.values()) if len(array.name) == 1}
    equations = []
    for node, array in named.items():
        indices = _letters(node, taken)
        entry = array[tuple(i for i in indices if i is not None)]
        rhs = node.build(Entries(named), indices)
        if (why := why_no_number(rhs)) is not None:
            raise with_location(ProgramError(f"{array.name} {why}"), node.location)
        letters = {i.name for i in indices if i is not None}
        equations.append(Definition(entry, lettered(rhs, axis_by_name, taken | letters), True))
    locations = {array.name: node.location for node, array in named.items() if node.location is not None}
    return Lowered(classified(with_norms(equations)), names[output], locations)


def _letters(node: Node, taken: set[str]) -> Indices:
    """The free indices of a node's equation, in the conventional letters of its axes."""
    indices: list[Idx | None] = []
    for axis in node.axes:
        used = taken | {i.name for i in indices if i is not None}
        indices.append(None if axis is None else fresh_letter(axis, used, bound=True))
    return tuple(indices)


# --- nodes and abbreviations --------------------------------------------------------------------------------------


def classified(equations: Sequence[Definition]) -> tuple[Definition, ...]:
    """The equations, with those that are only shorthands marked as abbreviations.

    An abbreviation is a sum of exponentials; a root or a sum used only in divisors and logarithms; an array used only
    in logarithms; or a linear combination of single entries.
    """
    output = equations[-1].name
    hidden = _only_in_branches(equations)
    matrices = {call.matrix for e in equations for call in parts_of(e.rhs, *OF_MATRICES)}
    return tuple(
        Definition(e.entry, e.rhs, e.name == output or not (e.name in hidden or _is_short(e, equations, matrices)))
        for e in equations
    )


def _only_in_branches(equations: Sequence[Definition]) -> set[str]:
    """The arrays that may be infinite and occur only in branches of a choice.

    They need a derivative only where the branch is taken, so none of them gets an adjoint.
    """
    hidden: set[str] = set()
    for number, equation in reversed([*enumerate(equations[:-1])]):
        users = [e for e in equations[number:] if equation.name in array_names(e.rhs)]
        uses = {use for e in users if e.name not in hidden for use in _uses(e.rhs, equation.name, "plain")}
        if uses <= {"branch"} and may_be_infinite(equation.rhs):
            hidden.add(equation.name)
    return hidden


def _is_short(equation: Definition, equations: Sequence[Definition], matrices: set[str]) -> bool:
    rhs = equation.rhs
    if parts_of(rhs, *OF_MATRICES) or equation.name in matrices:
        return False  # the inverse of a matrix is not written in the entries of the matrix
    if (isinstance(rhs, Sum) and isinstance(rhs.function, exp)) or _is_combination(rhs):
        return True
    uses = {use for e in equations for use in _uses(e.rhs, equation.name, "plain")}
    if uses == {"log"}:
        return True
    is_root = (isinstance(rhs, Pow) and not rhs.exp.is_integer) or isinstance(rhs, root)
    return (is_root or isinstance(rhs, Sum)) and bool(uses) and uses <= {"log", "divisor"}


def _is_combination(rhs: Expr) -> bool:
    """Whether a right side is a sum of single entries times numbers and scalars."""
    if not isinstance(rhs, (Add, Mul)) or not rhs.has(Indexed):
        return False
    for term in Add.make_args(rhs):
        factors = [f for f in Mul.make_args(term) if f.has(Indexed)]
        if len(factors) > 1 or not all(isinstance(f, Indexed) for f in factors):
            return False
        if any(free_indices(f) or f.has(Sum) for f in Mul.make_args(term) if f not in factors):
            return False
    return True


def _uses(expr: Basic, name: str, use: str) -> list[str]:
    """How entries of an array are used in an expression: in a "log", "divisor", "function", "branch", or "plain"."""
    if name not in array_names(expr):
        return []
    if isinstance(expr, (Indexed, Symbol)):
        return [use]
    if isinstance(expr, log) and isinstance(expr.args[0], (Indexed, Symbol, Pow)):
        return _uses(expr.args[0], name, "log")
    if isinstance(expr, log):
        return ["log" if inner == "plain" else inner for inner in _uses(expr.args[0], name, "log")]
    if isinstance(expr, Pow) and name in array_names(expr.base) and expr.exp.is_negative:
        return _uses(expr.base, name, "divisor" if isinstance(expr.base, (Indexed, Symbol)) else "plain")
    if isinstance(expr, Sum):
        return _uses(expr.function, name, use)
    if isinstance(expr, (where, maximum, minimum, clip, relu)):
        is_choice = isinstance(expr, where)
        outside = ["function"] if is_choice and name in array_names(expr.args[0]) else []
        return outside + ["branch"] * any(name in array_names(arg) for arg in expr.args[is_choice:])
    if isinstance(expr, Function):
        return ["function"]
    return [inner for arg in expr.args for inner in _uses(arg, name, use)]


# --- norms --------------------------------------------------------------------------------------------------------


def with_norms(equations: Sequence[Definition]) -> list[Definition]:
    """The equations with ``root``, whose derivative at 0 is a convention, for norms: square roots that may be 0.

    A square root of a sum of squares is a norm unless it is positive or the loss divides by it: then it has a pole.
    """
    known = {e.name: e for e in equations}
    divisors = {_key(divisor, known) for e in equations for divisor in _divisors(e.rhs)}

    def marked(expr: Basic) -> Expr:
        new = expr if isinstance(expr, Indexed) or not expr.args else expr.func(*map(marked, expr.args))
        if not (isinstance(new, Pow) and new.exp == S.Half and _is_square(new.base, known)):
            return new
        is_never_zero = _key(new, known) in divisors or is_known(_in_inputs(new, known), "positive")
        return new if is_never_zero else root(new.base)

    return [replace(e, rhs=marked(e.rhs)) for e in equations]


def _divisors(expr: Basic) -> list[Expr]:
    """The factors of divisors and of arguments of logarithms, outside of branches."""
    if isinstance(expr, where):
        return _divisors(expr.args[0])
    below = [expr.base] if isinstance(expr, Pow) and expr.exp.could_extract_minus_sign() else []
    below += expr.args if isinstance(expr, log) else []
    factors = [factor for part in below for factor in Mul.make_args(part)]
    return factors + [divisor for arg in expr.args for divisor in _divisors(arg)]


def _key(expr: Expr, known: dict[str, Definition]) -> Expr:
    """The base of a power, definitions of powers expanded; equal for expressions that differ in letters only."""
    while True:
        if isinstance(expr, Pow) and expr.exp.is_number:
            expr = expr.base
        elif isinstance(expr, (Indexed, Symbol)) and isinstance(getattr(known.get(name_of(expr)), "rhs", None), Pow):
            expr = known[name_of(expr)].at(indices_of(expr))
        else:
            return numbered(expr, sorted(free_indices(expr), key=str))


def _in_inputs(expr: Expr, known: dict[str, Definition]) -> Expr:
    """An expression with all definitions expanded."""
    for definition in reversed(known.values()):
        expr = unfolded(expr, definition.entry, definition.rhs)
    return expr


def _is_square(expr: Basic, known: dict[str, Definition]) -> bool:
    """Whether an expression is a sum of squares with nonnegative factors."""
    if isinstance(expr, (Indexed, Symbol)):
        return name_of(expr) in known and _is_square(known[name_of(expr)].rhs, known)
    if isinstance(expr, Sum):
        return _is_square(expr.function, known)
    if isinstance(expr, Add):
        return all(_is_square(term, known) for term in expr.args)
    if isinstance(expr, Mul):
        squares = [factor for factor in expr.args if _is_square(factor, known)]
        return bool(squares) and all(factor.is_nonnegative for factor in expr.args if factor not in squares)
    return isinstance(expr, Pow) and bool(expr.exp.is_even) and bool(expr.exp.is_positive)
