"""What ties a loss to the conventions of PyTorch and Keras, by the facts of its program: which mean it takes, what is
logits and what probabilities, along which axis, and the calls that compute the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sympy import Indexed, Mul, Sum, Symbol, fraction

from symgrad.exhibits import Fact
from symgrad.frameworks.calls import calls
from symgrad.notation import array_names, axis_name, bound_indices
from symgrad.probabilities import Probabilities, probabilities
from symgrad.program import Program
from symgrad.render.text import expression_text


def conventions(program: Program) -> tuple[Fact, ...]:
    """The mean that is taken; for each softmax and logistic function what goes in, and along which axis; what rows of
    labels are; and the call of each framework that computes the same, where there is one."""
    found = [_mean(program)]
    for own in probabilities(program):
        found += [_logits(own, program), _axis(own, program)]
    found += [_labels(program), *(Fact(c.framework, c.words, c.call) for c in calls(program))]
    return tuple(fact for fact in found if fact is not None)


def _mean(program: Program) -> Fact | None:
    """What the output sums over and divides by; None where its equation is no single sum."""
    rhs = program.definitions[program.output].rhs
    sums = [f for f in Mul.make_args(rhs) if isinstance(f, Sum)]
    if len(sums) != 1:
        return None
    over = Counter(axis_name(i) for i in bound_indices(sums[0]))
    above, below = fraction(rhs / sums[0])
    above = -above if above.could_extract_minus_sign() else above
    summed = [name for name in program.axis if name in over]
    divided = [name for name in program.axis if program.axis[name].size in below.free_symbols]
    words = f"{program.output} is the sum over {_listed(summed)}"
    words += f", times {expression_text(above, program)}" if above != 1 else ""
    words += f", divided by {expression_text(below, program)}" if below != 1 else ""
    if not divided and not array_names(below):
        words += ": a sum, not a mean"
    elif divided and set(divided) <= set(summed) and max(over.values()) == 1:
        factor = above / below * Mul(*(program.axis[name].size for name in divided))
        inner = [name for name in summed if name not in divided]
        words += f": {expression_text(factor, program)} times the" if factor != 1 else ": the"
        words += f" mean over {_listed(divided)}" + (f" of sums over {_listed(inner)}" if inner else "")
    return Fact("Mean", words)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)


def _logits(own: Probabilities, program: Program) -> Fact:
    function = "sigmoid" if own.over is None else "softmax"
    return Fact("Logits", f"{_inside(own, program)} goes in as logits: {program.output} applies the {function} itself")


def _axis(own: Probabilities, program: Program) -> Fact | None:
    if own.over is None:
        return None
    indices = program.definitions[own.name].indices
    place = indices.index(own.over)
    lines = {(1, 2): "each row of it", (0, 2): "each column of it"}.get((place, len(indices)), "it")
    applied = f"{own.name} = softmax({_inside(own, program)})"
    return Fact("Axis", f"{applied} runs along axis {place}, {axis_name(own.over)}: {lines} sums to one")


def _inside(own: Probabilities, program: Program) -> str:
    """The logits, in the names of whole arrays where their entries stand."""
    indices = program.definitions[own.name].indices
    entries = {e: Symbol(e.base.name) for e in own.exponent.atoms(Indexed) if e.indices == indices}
    return expression_text(own.exponent.xreplace(entries), program)


def _labels(program: Program) -> Fact | None:
    """What is assumed of rows of labels."""
    words = [a.words for a in program.assumptions if not a.is_symmetry]
    return Fact("Labels", f"{'; '.join(words)}: a label k is a row with its 1 in column k") if words else None
