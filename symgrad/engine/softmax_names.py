"""Names for the softmaxes that a program spells out, or has only as the slope of a log-sum-exp."""

from __future__ import annotations

from dataclasses import replace

from sympy import Indexed, Mul, S, Sum, exp, log
from sympy.core.basic import Basic

from symgrad.equations import Definition, abbreviation
from symgrad.index_letters import fresh_letter
from symgrad.names import is_alike
from symgrad.notation import Array, array_names, axis_name, bound_indices, renamed
from symgrad.program import Program


def with_softmaxes(program: Program) -> Program:
    """``program`` with an abbreviation, P or Q (p or q for a vector), for each softmax that its gradient has unnamed.

    The softmax is that of logits z whose exponentials are summed by an abbreviation S, which the program uses only as
    log S and exp(z)/S.  There is none if an equation defines exp(z)/S, or if P and Q are taken.
    """
    for definition in program.ordered:
        if logits := _logits(program, definition):
            used = [*program.arrays, *program.axis]
            letters = "PQ" if len(logits.indices) > 1 else "pq"
            if name := next((letter for letter in letters if not is_alike(letter, used)), ""):
                program = replace(program, equations=(*program.equations, _softmax(program, definition, logits, name)))
    return program


def _logits(program: Program, definition: Definition) -> Indexed | None:
    """The entry z of a sum of exp(z), or of exp(z/tau) and the like, if its softmax needs a name."""
    total, entry = definition.rhs, definition.entry
    if definition.is_node or not isinstance(total, Sum) or len(total.limits) > 1 or not isinstance(total.function, exp):
        return None
    wanted = {*definition.indices, *bound_indices(total)}
    entries = [e for e in total.function.atoms(Indexed) if set(e.indices) == wanted and len(e.indices) == len(wanted)]
    users = [e for e in program.ordered if definition.name in array_names(e.rhs)]
    if len(entries) != 1 or any(_is_share(e.rhs, definition.name) for e in users):
        return None
    known = [
        e.rhs.replace(lambda e: _is_share(e, definition.name) or _is_log(e, entry), lambda e: S.One)
        for e in users
        if e.is_node
    ]
    # Where shares are added up to another abbreviation, their exponentials are better shifted together.
    alone = all(e.is_node for e in users) and not any(definition.name in array_names(rhs) for rhs in known)
    return entries[0] if alone else None


def _is_log(expr: Basic, entry: Basic) -> bool:
    """Whether an expression is the logarithm of an entry of the array of ``entry``."""
    return isinstance(expr, log) and isinstance(expr.args[0], type(entry)) and array_names(expr) == array_names(entry)


def _is_share(expr: Basic, total: str) -> bool:
    """Whether an expression is an exponential, perhaps times a number, over an entry of the array ``total``."""
    if not isinstance(expr, Mul):
        return False
    above = [f for f in expr.args if isinstance(f, exp) and total not in array_names(f)]
    below = [f for f in expr.args if f.is_Pow and f.exp == -1 and array_names(f) == {total}]
    return len(above) == len(below) == 1 and all(f.is_number for f in expr.args if f not in above + below)


def _softmax(program: Program, definition: Definition, logits: Indexed, name: str) -> Definition:
    """The equation of the softmax, with a letter of its own for the index that is summed over."""
    (index,) = bound_indices(definition.rhs)
    taken = program.entry_letters | {i.name for i in definition.indices}
    letter = {index: fresh_letter(program.axis[axis_name(index)], taken)}
    array = Array(name, tuple(program.axis[axis_name(i)] for i in logits.indices))
    rhs = renamed(definition.rhs.function, letter) / definition.entry
    return abbreviation(array[tuple(letter.get(i, i) for i in logits.indices)], rhs)
