"""The partial derivative of an equation, line by line: differentiated, deltas summed away, folded into named arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import sympy as sp
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.engine.differentiate import differentiate, kinks
from symgrad.engine.fold import fold, fold_sums, reads_alike
from symgrad.engine.rules import Rule, nonzero_because
from symgrad.engine.summation import contract, deltas, has_delta, is_multiplied_out_soon, multiplied_out
from symgrad.engine.tidying import quotients_named
from symgrad.engine.writer import Writer
from symgrad.equations import Definition
from symgrad.functions import MEANINGS, step, where
from symgrad.matrix_functions import OF_MATRICES, det, inverse, named
from symgrad.notation import (
    array_names,
    axis_name,
    bound_indices,
    name_of,
    parts_of,
    replaced,
    stand_in,
    sum_over,
    unfolded,
)
from symgrad.piecewise import leaves_out
from symgrad.program import Program
from symgrad.special_functions import POSITIVE_WHERE_SMOOTH
from symgrad.steps import Condition, Differentiated, Partial, Subject, Value


def _short_names(program: Program, definition: Definition, name: str) -> set[str]:
    """The abbreviations through which ``definition`` depends on ``name``."""
    return {
        used
        for used in program.varies_with(definition.name)
        if used in program.definitions and not program.definitions[used].is_node and name in program.varies_with(used)
    }


def units(program: Program, user: Definition, name: str) -> list[sp.Expr]:
    """The logarithms of abbreviations in an equation, each of which is differentiated on its own line."""
    short = _short_names(program, user, name)
    return sorted(
        (call for call in parts_of(user.rhs, sp.Function) if array_names(call) & short and isinstance(call, sp.log)),
        key=lambda call: call.sort_key(),
    )


def contribution(
    writer: Writer, user: Definition, name: str, entry: sp.Expr, rules: Sequence[Rule]
) -> tuple[sp.Expr, list[int]]:
    """The term that one equation adds to the adjoint of ``name``, and the lines that state it."""
    program = writer.program
    short = _short_names(program, user, name)
    calls = units(program, user, name)
    slopes: dict[sp.Expr, sp.Expr] = {}
    rest = replaced(user.rhs, dict.fromkeys(calls, sp.Symbol("known ")))
    cites = _origins(writer, rest, short)
    for unit in calls:
        expanded, stated = _rewritten(writer, unit, short, rules)
        slopes[unit] = _partial(writer, Partial(unit, entry), expanded, rules, also=_origins(writer, stated, short))
        cites.append(writer.results[Partial(unit, entry)])
    derivative = _derivative(program, user.rhs, short, entry, slopes)
    if user.name == program.output:
        return fold_sums(derivative, rules), cites
    slope = _partial(writer, Partial(user.entry, entry), derivative, rules, True, cites)
    line = writer.results[Partial(user.entry, entry)]
    if slope == 0:
        return slope, [line]
    adjoint = writer.adjoint[user.name]
    return sum_over(adjoint[user.indices] * slope, user.indices), [line]


def _origins(writer: Writer, expr: sp.Expr, names: set[str]) -> list[int]:
    """The lines that define the abbreviations that expanding ``names`` in ``expr`` uses."""
    return [writer.origins[name] for name in writer.program.opened(expr, names)]


def _rewritten(writer: Writer, unit: sp.Expr, short: set[str], rules: Sequence[Rule]) -> tuple[sp.Expr, sp.Expr]:
    """A logarithm of an abbreviation, expanded (of a quotient, as a difference), and folded as lines state it."""
    program = writer.program
    expanded = program.written_out(unit, short)
    sums = [e for e in expanded.atoms(sp.log) if isinstance(e.args[0], sp.Add)]  # such as log(1 - p)
    opened = sp.expand_log(replaced(expanded, {e: sp.log(sp.together(e.args[0])) for e in sums}))
    named = fold_sums(opened, rules)
    if named != unit:
        cites = _origins(writer, unit, short - array_names(named))
        writer.line(Value(unit), None, named, "logarithm", "take logs", cites)
    return opened, named


def _derivative(
    program: Program, rhs: sp.Expr, short: set[str], entry: sp.Expr, slopes: dict[sp.Expr, sp.Expr]
) -> sp.Expr:
    """The derivative of ``rhs`` with abbreviations expanded, given the ``slopes`` of some functions in it."""
    # No array has a space in its name.
    rates = {unit: stand_in(unit, f"rate {number}") for number, unit in enumerate(slopes)}
    t = sp.Symbol("t ")
    moved = replaced(rhs, {unit: unit + t * rate for unit, rate in rates.items()})
    known = replaced(moved.diff(t), {t: sp.Integer(0)}) if slopes else sp.Integer(0)
    still = {unit: stand_in(unit, f"still {number}") for number, unit in enumerate(slopes)}
    rest = differentiate(program.written_out(replaced(rhs, still), short), entry)
    for unit, slope in slopes.items():
        known = unfolded(known, rates[unit], slope)
        rest = unfolded(rest, still[unit], unit)
    return known + rest


def _partial(
    writer: Writer,
    subject: Partial,
    value: sp.Expr,
    rules: Sequence[Rule],
    differentiated: bool = False,
    also: Sequence[int] = (),
) -> sp.Expr:
    """The lines of one partial derivative; returns the last right side."""
    raw = value if differentiated else differentiate(value, subject.wrt)
    origin = writer.results.get(Value(subject.of))
    side = subject.of
    if defined := _defined(writer.program, subject.of):
        origin = writer.origins[defined]
        side = writer.program.definitions[defined].rhs
    cites = [*also, origin] if origin else also
    (name,) = array_names(subject.wrt)
    nonsmooth, divisors = kinks(writer.program, side, name), divided_by(writer.program, side, name)
    folded, rule = fold_sums(raw, rules), "differentiate"
    reason = rule + lemma_used(side, name)
    if isinstance(side, inverse) and side.matrix == name:
        cites = [_differentiated(writer, subject, side), *cites]
        reason = f"multiply by {side.inverse} from the left"
    raw = writer.line(subject, None, folded, rule, reason, cites=cites, conditions=divisors, kinks=nonsmooth)
    return simplify(writer, subject, raw, rules)


def _differentiated(writer: Writer, subject: Partial, call: inverse) -> int:
    """Write the line that differentiates the equation ``A B = I`` of an inverse; return its number."""
    (i, j), (row, column) = subject.of.indices, subject.wrt.indices
    about = Differentiated(subject.of, subject.wrt)
    product = -sp.KroneckerDelta(i, row) * subject.of.base[column, j]
    cites = [writer.origins[call.inverse]]
    writer.line(about, None, product, "differentiate", f"differentiate the equation of {call.inverse}", cites)
    return writer.results[about]


def _defined(program: Program, entry: sp.Expr) -> str | None:
    """The name of the array whose definition has ``entry`` on its left side, if there is one."""
    return next((d.name for d in program.ordered if d.entry == entry), None)


def simplify(writer: Writer, subject: Subject, value: sp.Expr, rules: Sequence[Rule]) -> sp.Expr:
    """Sum deltas away axis by axis, then fold the line into named arrays."""
    for axis in writer.program.axes * 2:  # a delta inside a sum over another axis may need a second round
        if has_delta(value, axis.name):
            before = value
            value = contract(value, axis.name)
            reason, picked = _delta_reason(writer.shown(subject), axis.name)
            conditions = cancelled(writer.program, before, value)
            value = writer.line(subject, before, value, "contract", reason, conditions=conditions, picked=picked)
    named = canonical(quotients_named(value))
    value = writer.line(subject, value, named, "quotient", "name the quotient")
    before = value
    value, used = fold(value, rules, writer.weights())
    cites = writer.cite(used)
    conditions = cancelled(writer.program, before, value)
    if not used and reads_alike(before, value):
        return writer.amend(subject, value)
    rule, reason = ("fold", _folded_by(used, value)) if used else _collected_by(before, value)
    return writer.line(subject, before, value, rule, reason, cites=cites, conditions=conditions)


def _folded_by(rules: Sequence[Rule], after: sp.Expr) -> str:
    """The reason of a line that uses rules: the names that it puts in, and those that it uses and no longer has."""
    shown = {name: name in array_names(after) for name in dict.fromkeys(rule.source for rule in rules)}
    put_in, used = ([name for name in shown if shown[name] is kept] for kept in (True, False))
    said = [f"in terms of {', '.join(put_in)}"] if put_in else []
    return ", ".join([*said, *(f"definition of {name}" for name in used)])


def _collected_by(before: sp.Expr, after: sp.Expr) -> tuple[str, str]:
    """The rule and the reason of a line that simplifies ``before`` to ``after`` without the program's arrays."""
    if parts_of(after, step) < parts_of(before, step):
        return "collect", "H(−x) is 1 − H(x)"
    if any(leaves_out(power.base) for power in parts_of(before, sp.Pow)):
        return "collect", "0 and 1 equal their powers"
    if not is_multiplied_out_soon(before):
        return "collect", "collect common factors"
    if _products(before) > len(sp.Add.make_args(multiplied_out(before))):
        return "cancel", "terms cancel"
    return "collect", "take out the common factor"


def _products(expr: sp.Expr) -> int:
    """The number of terms of ``expr`` when it is expanded and nothing is merged."""
    if isinstance(expr, sp.Add):
        return sum(_products(term) for term in expr.args)
    return prod(_products(factor) for factor in expr.args) if isinstance(expr, sp.Mul) else 1


def _delta_reason(before: sp.Expr, axis: str) -> tuple[str, tuple[str, ...]]:
    """The reason of a line that sums away deltas of ``before`` over ``axis``, and what the deltas pick in all terms."""
    bound = {i for total in parts_of(before, sp.Sum) for i in bound_indices(total) if axis_name(i) == axis}
    picked: dict[str, set[str]] = {}
    for delta in sorted(deltas(before), key=lambda delta: delta.sort_key()):
        ends = [(gone, kept) for gone, kept in (delta.args, delta.args[::-1]) if gone in bound]
        for gone, kept in sorted(ends, key=lambda pair: str(pair[0]) in picked)[:1]:
            picked.setdefault(str(gone), set()).add(str(kept))
    summed = f"sum over {' and '.join(picked)}"
    if any(len(kept) > 1 for kept in picked.values()):
        pairs = [f"{gone} = {kept}" for gone, some in picked.items() for kept in sorted(some)]
        return f"{summed}: in each term only {', '.join(pairs[:-1])} or {pairs[-1]} survives", ()
    in_some = {str(index) for index in bound if str(index) in picked and _is_in_some_terms(before, index)}
    everywhere, partly = (
        tuple(f"{gone} = {kept}" for gone, (kept,) in picked.items() if (gone in in_some) is some)
        for some in (False, True)
    )
    where = f"in terms with a delta in {' or '.join(gone for gone in picked if gone in in_some)} only"
    survivors = [f"only {_survive(everywhere)}"] if everywhere else []
    survivors += [f"{where} {_survive(partly)}"] if partly else []
    return f"{summed}: {', and '.join(survivors)}", () if partly else everywhere


def _is_in_some_terms(expr: sp.Expr, index: Idx) -> bool:
    """Whether a sum over ``index`` has terms with a delta in it and terms without."""
    for total in parts_of(expr, sp.Sum):
        if index in bound_indices(total) and parts_of(total, sp.KroneckerDelta):
            terms = sp.Add.make_args(multiplied_out(total.function))
            if len({any(index in delta.args for delta in deltas(term)) for term in terms}) > 1:
                return True
    return False


def _survive(equalities: Sequence[str]) -> str:
    return f"{' and '.join(equalities)} {'survives' if len(equalities) == 1 else 'survive'}"


def cancelled(program: Program, before: sp.Expr, after: sp.Expr) -> tuple[Condition, ...]:
    """The divisors of ``before`` that ``after`` no longer has, with the reason why they are not zero."""
    kept = {name for divisor in _divisors(after) for name in array_names(divisor)}
    gone = sorted((d for d in _divisors(before) - _divisors(after) if not array_names(d) <= kept), key=str)
    return tuple(Condition(d, nonzero_because(program, d) or _used(program, d)) for d in gone)


def lemma_used(expr: sp.Expr, name: str) -> str:
    """How the derivative of a determinant in an expression is found, in words; "" without one."""
    calls = [call for call in parts_of(expr, *OF_MATRICES) if call.matrix == name and not isinstance(call, inverse)]
    return " with Jacobi's formula" if calls else ""


def has_inverse(program: Program, definition: Definition) -> tuple[Condition, ...]:
    """The determinant of the matrix, if a definition is an inverse; A^T A has one where A has full column rank."""
    call = definition.rhs
    if not isinstance(call, inverse):
        return ()
    because, matrix = f"{call.matrix} has an inverse", program.definitions.get(call.matrix)
    total = matrix.rhs if matrix and isinstance(matrix.rhs, sp.Sum) else None
    entries: Sequence[Basic] = total.function.args if total is not None and len(total.limits) == 1 else ()
    if len(entries) == 2 and all(isinstance(e, sp.Indexed) for e in entries) and len(set(map(name_of, entries))) == 1:
        (index,) = bound_indices(total)
        places = {e.indices.index(index) for e in entries if len(e.indices) == 2 and index in e.indices}
        rank = "" if len(places) != 1 else "column" if 0 in places else "row"
        because += f", as {name_of(entries[0])} has full {rank} rank" if rank else ""
    return (Condition(named(det, call.matrix, call.inverse), because),)


def divided_by(program: Program, expr: Basic, name: str) -> tuple[Condition, ...]:
    """The divisors in the derivatives of functions in an expression, outside of branches."""
    if isinstance(expr, where):
        return ()
    conditions = [condition for arg in expr.args for condition in divided_by(program, arg, name)]
    if isinstance(expr, sp.Function) and expr.func in POSITIVE_WHERE_SMOOTH and name in array_names(expr):
        because = f"{MEANINGS[expr.func].text} is differentiated"
        conditions += [Condition(part, because) for part in POSITIVE_WHERE_SMOOTH[expr.func](*expr.args)]
    is_power = isinstance(expr, sp.Pow) and not expr.exp.is_number and name in array_names(expr.base)
    if is_power and not (expr.exp - 1).is_nonnegative and not nonzero_because(program, expr.base):
        exponent = name_of(expr.exp) if isinstance(expr.exp, (sp.Indexed, sp.Symbol)) else "the exponent"
        conditions.append(Condition(expr.base, f"needed only where {exponent} is less than 1"))
    return tuple(dict.fromkeys(conditions))


def _used(program: Program, divisor: sp.Expr) -> str:
    """The reason why a divisor is not zero, if only the forward equations imply it."""
    names = array_names(divisor)
    divided = {name for d in program.ordered for base in _divisors(d.rhs) for name in array_names(base)}
    rooted = {name for d in program.ordered for base in _radicands(d.rhs) for name in array_names(base)}
    is_root = names <= rooted and not names <= divided
    return "a root of it is differentiated" if is_root else "it divides in the forward equations"


def _radicands(expr: Basic) -> set[sp.Expr]:
    return {p.base for p in parts_of(expr, sp.Pow) if not p.exp.is_integer and not p.exp.could_extract_minus_sign()}


@lru_cache(maxsize=16384)
def _divisors(expr: Basic) -> frozenset[sp.Expr]:
    """The divisors in an expression, outside of branches: those are not zero where the branch is taken."""
    if isinstance(expr, where):
        return _divisors(expr.args[0])
    if isinstance(expr, (sp.Indexed, Idx)):
        return frozenset()
    inner = frozenset[sp.Expr]().union(*map(_divisors, expr.args))
    is_divisor = isinstance(expr, sp.Pow) and expr.exp.could_extract_minus_sign() and not expr.base.is_integer
    return inner | {expr.base} if is_divisor else inner
