"""From a traced graph to a Program: an equation for each value with a name, the others written into their users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, Function, Indexed, Mul, Pow, S, Sum, Symbol, exp, log
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.array.graph import Entries, Indices, Node
from symgrad.array.intermediates import names_of, seen_through
from symgrad.array.source_location import Spot, at_place
from symgrad.canonical import canonical, is_known
from symgrad.equations import Definition, why_no_number
from symgrad.errors import ProgramError
from symgrad.functions import clip, maximum, minimum, relu, root, where
from symgrad.index_letters import fresh_letter, lettered
from symgrad.notation import Array, Axis, array_names, free_indices, name_of, renamed, unfolded
from symgrad.piecewise import may_be_infinite


@dataclass(frozen=True)
class Lowered:
    """The equations of a trace, the name of the output, and where each equation was written."""

    equations: tuple[Definition, ...]
    output: str
    spots: Mapping[str, Spot]


def lower(
    output: Node, given: Mapping[Node, tuple[int, str]], inputs: Sequence[Array], axes: Sequence[Axis]
) -> Lowered:
    """The equations of ``output``, named as ``given`` says, nodes and abbreviations told apart."""
    output = seen_through(output)
    names = names_of(output, given, [*(a.name for a in inputs), *(a.name for a in axes)])
    named = {node: Array(name, node.real_axes) for node, name in names.items()}
    known = {axis.name: axis for axis in axes}
    taken = {array.name.lower() for array in (*inputs, *named.values()) if len(array.name) == 1}
    equations = []
    for node, array in named.items():
        indices = _letters(node, taken)
        entry = array[tuple(i for i in indices if i is not None)]
        rhs = node.build(Entries(named), indices)
        if (why := why_no_number(rhs)) is not None:
            raise at_place(ProgramError(f"{array.name} {why}"), node.spot)
        own = {str(i.label) for i in indices if i is not None}
        equations.append(Definition(entry, lettered(rhs, known, taken | own), True))
    spots = {array.name: node.spot for node, array in named.items() if node.spot is not None}
    return Lowered(classified(norms_marked(equations)), names[output], spots)


def _letters(node: Node, taken: set[str]) -> Indices:
    """The free indices of a node's equation, in the conventional letters of its axes."""
    chosen: list[Idx | None] = []
    for axis in node.axes:
        used = taken | {str(i.label) for i in chosen if i is not None}
        chosen.append(None if axis is None else fresh_letter(axis, used, bound=True))
    return tuple(chosen)


# --- nodes and abbreviations --------------------------------------------------------------------------------------


def classified(equations: Sequence[Definition]) -> tuple[Definition, ...]:
    """The equations, those whose arrays are only names for their right sides as abbreviations.

    That is a sum of exponentials; a root or a sum that only divides or stands in logarithms; an array that stands in
    logarithms alone; and a combination of entries with numbers and scalars, entry by entry.
    """
    output = equations[-1].name
    inside = _branches_alone(equations)
    return tuple(
        Definition(e.entry, e.rhs, e.name == output or not (e.name in inside or _is_short(e, equations)))
        for e in equations
    )


def _branches_alone(equations: Sequence[Definition]) -> set[str]:
    """The arrays that may not be finite, and stand nowhere but in branches: they need have a derivative only where
    these are taken, so none has an adjoint."""
    found: set[str] = set()
    for place, equation in enumerate(equations[:-1][::-1]):
        users = [e for e in equations[len(equations) - 1 - place :] if equation.name in array_names(e.rhs)]
        stands = {at for e in users if e.name not in found for at in _stands(e.rhs, equation.name, "plain")}
        if stands <= {"branch"} and may_be_infinite(equation.rhs):
            found.add(equation.name)
    return found


def _is_short(equation: Definition, equations: Sequence[Definition]) -> bool:
    rhs = equation.rhs
    if isinstance(rhs, Sum) and isinstance(rhs.function, exp):
        return True
    if _is_combination(rhs):
        return True
    stands = {place for other in equations for place in _stands(other.rhs, equation.name, "plain")}
    if stands == {"log"}:
        return True
    is_root = (isinstance(rhs, Pow) and not rhs.exp.is_integer) or isinstance(rhs, root)
    return (is_root or isinstance(rhs, Sum)) and bool(stands) and stands <= {"log", "below"}


def _is_combination(rhs: Expr) -> bool:
    """Whether a right side is a sum of single entries of arrays, times numbers and scalars."""
    if not isinstance(rhs, (Add, Mul)) or not rhs.has(Indexed):
        return False
    for term in Add.make_args(rhs):
        factors = [f for f in Mul.make_args(term) if f.has(Indexed)]
        if len(factors) > 1 or not all(isinstance(f, Indexed) for f in factors):
            return False
        if any(free_indices(f) or f.has(Sum) for f in Mul.make_args(term) if f not in factors):
            return False
    return True


def _stands(expr: Basic, name: str, place: str) -> list[str]:
    """Where the entries of an array stand in an expression: in a logarithm, in a divisor, in a function, or plainly."""
    if name not in array_names(expr):
        return []
    if isinstance(expr, (Indexed, Symbol)):
        return [place]
    if isinstance(expr, log) and isinstance(expr.args[0], (Indexed, Symbol, Pow)):
        return _stands(expr.args[0], name, "log")
    if isinstance(expr, log):
        return ["log" if place == "plain" else place for place in _stands(expr.args[0], name, "log")]
    if isinstance(expr, Pow) and name in array_names(expr.base) and expr.exp.is_negative:
        below = "below" if isinstance(expr.base, (Indexed, Symbol)) else "plain"
        return _stands(expr.base, name, below)
    if isinstance(expr, Sum):
        return _stands(expr.function, name, place)
    if isinstance(expr, (where, maximum, minimum, clip, relu)):
        is_choice = isinstance(expr, where)
        outside = ["function"] if is_choice and name in array_names(expr.args[0]) else []
        return outside + ["branch"] * any(name in array_names(arg) for arg in expr.args[is_choice:])
    if isinstance(expr, Function):
        return ["function"]
    return [found for arg in expr.args for found in _stands(arg, name, place)]


def norms_marked(equations: Sequence[Definition]) -> list[Definition]:
    """The equations with ``root`` for the square roots of sums of squares, but for those by which one divides."""
    known = {e.name: e for e in equations}
    divided = {_spelled(_resolved(part, known)) for e in equations for part in _divisors(e.rhs)}

    def marked(expr: Basic) -> Expr:
        made = expr if isinstance(expr, Indexed) or not expr.args else expr.func(*map(marked, expr.args))
        if not (isinstance(made, Pow) and made.exp == S.Half and _is_square(made.base, known)):
            return made
        is_never_zero = _spelled(_resolved(made, known)) in divided or is_known(_written_out(made, known), "positive")
        return made if is_never_zero else root(made.base)

    return [replace(e, rhs=marked(e.rhs)) for e in equations]


def _divisors(expr: Basic) -> list[Expr]:
    """The factors by which an expression divides, or of which it takes a logarithm, outside of branches."""
    if isinstance(expr, where):
        return _divisors(expr.args[0])
    below = [expr.base] if isinstance(expr, Pow) and expr.exp.could_extract_minus_sign() else []
    below += expr.args if isinstance(expr, log) else []
    factors = [factor for part in below for factor in Mul.make_args(part)]
    return factors + [divisor for arg in expr.args for divisor in _divisors(arg)]


def _resolved(expr: Expr, known: dict[str, Definition]) -> Expr:
    """What an expression is a power of, names for powers written out."""
    while True:
        if isinstance(expr, Pow) and expr.exp.is_number:
            expr = expr.base
        elif isinstance(expr, (Indexed, Symbol)) and name_of(expr) in known:
            definition = known[name_of(expr)]
            if not isinstance(definition.rhs, Pow):
                return expr
            expr = definition.at(expr.indices if isinstance(expr, Indexed) else ())
        else:
            return expr


def _written_out(expr: Expr, known: dict[str, Definition]) -> Expr:
    """An expression in the inputs alone."""
    for definition in reversed(known.values()):
        expr = unfolded(expr, definition.entry, definition.rhs)
    return expr


def _spelled(expr: Expr) -> Expr:
    """The same for expressions that differ in the letters of their indices alone."""
    free = sorted(free_indices(expr), key=str)
    return canonical(renamed(expr, {i: type(i)(f"_at{place}", i.upper + 1) for place, i in enumerate(free)}))


def _is_square(expr: Basic, known: dict[str, Definition]) -> bool:
    """Whether an expression is a sum of squares with positive factors, and nothing else."""
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
