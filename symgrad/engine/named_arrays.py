"""Names for arrays that a program does not name: softmaxes, and products of an array with its adjoint.

A softmax gets a name where the program spells it out, or has it only as the slope of a log-sum-exp.  A product gets one
where it needs no division and the adjoint does.
The adjoint of probabilities P often divides by P, and the chain rule multiplies it by P again: as
dL/dz = p (dL/dp - sum p dL/dp).  In terms of R = P o dL/dP it is r - p sum r, without a division.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sympy import Add, Expr, Indexed, Mul, Pow, S, Sum, exp, log, powsimp
from sympy.core.basic import Basic

from symgrad.canonical import canonical
from symgrad.engine.fold import fold
from symgrad.engine.rules import nonzero_because
from symgrad.engine.summation import multiplied_out, ordered_sums
from symgrad.engine.tidying import cost, tidy
from symgrad.engine.writer import Writer
from symgrad.equations import Definition, abbreviation
from symgrad.index_letters import fresh_letter
from symgrad.names import is_alike
from symgrad.notation import (
    Array,
    array_names,
    axis_name,
    bound_indices,
    entries,
    entry_of,
    indices_of,
    renamed,
    unfolded,
)
from symgrad.program import Program
from symgrad.steps import Condition, Gradient, Total, Value

LETTERS = "RTUVK"
"""Names for a product of matrices; those for vectors are in lower case."""


def with_products(writer: Writer, subject: Total, value: Expr, node: str) -> Expr:
    """``value`` in products of the array ``node`` and its adjoint, where each entry of the adjoint has such a factor
    and the division by ``node`` in the adjoint cancels; otherwise unchanged, also if the product may be undefined.

    The product gets a name if it has a bracket and ``value`` mentions it more than once.
    """
    adjoint, closed, weights = writer.adjoint[node], writer.closed[node], writer.weights()
    if not _poles(closed.index, node):  # then a product cannot save a division
        return value
    whole = closed.entry * closed.index
    forms = [tidy(canonical(form), weights) for form in (whole, powsimp(multiplied_out(whole), combine="exp"))]
    product = min(forms, key=lambda form: (_poles(form, node), cost(form, weights)))
    name, reason = _unused(writer, len(closed.array.axes)), nonzero_because(writer.program, closed.entry)
    is_shorter = _poles(product, node) < _poles(closed.index, node) and not array_names(product) & _adjoints(writer)
    is_defined = all(nonzero_because(writer.program, p.base) for p in product.atoms(Pow) if p.exp.is_negative)
    if not name or not reason or not is_shorter or not is_defined:
        return value

    def written(of: Expr) -> Expr:
        quotient = unfolded(value, adjoint[indices_of(closed.entry)], of / closed.entry)
        return fold(ordered_sums(quotient), [], weights)[0]

    named = written(entry_of(name, indices_of(closed.entry)))
    if _poles(named, node) > _poles(value, node):
        return value
    cites, divisors = [writer.results[Total(closed.entry)]], [Condition(closed.entry, reason)]
    if any(isinstance(factor, Add) for factor in Mul.make_args(product)) and len(entries(named, name)) > 1:
        cites.append(_named(writer, name, product, closed, divisors))
    else:
        named = written(product)
        if _divides(named, node):  # another factor, such as 1 - p, may cancel what is left
            named = tidy(canonical(powsimp(multiplied_out(named).expand(), combine="exp")), weights)
        if _divides(named, node):
            return value
    return writer.line(subject, value, named, "substitute", "substitute", cites=cites, conditions=divisors)


def _adjoints(writer: Writer) -> set[str]:
    return {array.name for array in writer.adjoint.values()}


def _poles(expr: Expr, name: str) -> Expr:
    """How often ``expr`` is divided by entries of an array: the sum of the exponents in its distinct powers."""
    powers = [p for p in expr.atoms(Pow) if array_names(p.base) == {name} and p.base in entries(expr, name)]
    return Add(*(max(S.Zero, -p.exp.as_coeff_Add()[0]) for p in powers))


def _divides(expr: Expr, name: str) -> bool:
    """Whether ``expr`` has a divisor in which the array occurs."""
    return any(p.exp.is_negative and name in array_names(p.base) for p in expr.atoms(Pow))


def _unused(writer: Writer, rank: int) -> str:
    """A name that neither arrays nor axes nor indices have, or ""."""
    program = writer.program
    used = [*program.arrays, *program.axis, *program.printed.values(), *_adjoints(writer)]
    used += [letter for axis in program.axes for letter in axis.conventional]
    letters = LETTERS if rank > 1 else LETTERS.lower()
    return next((letter for letter in letters if not is_alike(letter, used)), "")


def _named(writer: Writer, name: str, product: Expr, closed: Gradient, divisors: Sequence[Condition]) -> int:
    """The number of a new line that defines ``name`` as the product, from now on an equation of the program."""
    definition, adjoint = writer.program.definitions[closed.array.name], writer.adjoint[closed.array.name]
    subject = Value(Array(name, closed.array.axes)[definition.indices])
    rhs = renamed(product, dict(zip(indices_of(closed.entry), definition.indices, strict=True)))
    writer.program = replace(writer.program, equations=(*writer.program.equations, abbreviation(subject.expr, rhs)))
    times = definition.entry * adjoint[definition.indices]
    writer.line(subject, None, times, "name", f"name {name}")
    cites = [writer.results[Total(closed.entry)]]
    writer.line(subject, times, rhs, "substitute", "substitute", cites, conditions=divisors)
    writer.origins[name] = len(writer.steps)
    return len(writer.steps)


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
