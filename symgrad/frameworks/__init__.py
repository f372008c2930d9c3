"""How a loss relates to the conventions of PyTorch and Keras, by facts about its program: its reduction, its logits,
probabilities and axes, and the framework calls that compute it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sympy import Indexed, Mul, Symbol
from sympy.tensor.indexed import Idx

from symgrad.facts import Probabilities, probabilities, reduction_of
from symgrad.frameworks.calls import Call, calls
from symgrad.notation import array_names, axis_name, replaced
from symgrad.program import Program
from symgrad.render.blocks import Fact
from symgrad.render.phrases import listed
from symgrad.render.text import expression_text

SUM_TO_ONE = {(1, 2): "each row sums to one", (0, 2): "each column sums to one", (0, 1): "its entries sum to one"}
"""What a softmax along an axis does, by the position of the axis and the number of axes."""


def conventions(program: Program) -> tuple[Fact, ...]:
    """The reduction; the logits of softmax and logistic functions, and the axes of softmaxes; the meaning of rows of
    labels; and the framework calls that compute the same loss."""
    every = probabilities(program)
    facts = [_reduction(program), _logits(every, program), _axis(every, program), _labels(program)]
    facts += [Fact(c.framework, _call_words(c, every, program), c.call) for c in calls(program)]
    return tuple(fact for fact in facts if fact is not None)


def _reduction(program: Program) -> Fact | None:
    """What the output sums over and divides by; None if its equation is not a single sum."""
    if (single_sum := reduction_of(program)) is None:
        return None
    over, above, below = single_sum.axes, single_sum.above, single_sum.below
    above = -above if above.could_extract_minus_sign() else above
    summed = [name for name in program.axis if name in over]
    divided = [name for name in program.axis if program.axis[name].size in below.free_symbols]
    words = f"{program.output} is the sum over {listed(summed)}"
    words += f", times {expression_text(above, program)}" if above != 1 else ""
    words += f", divided by {expression_text(below, program)}" if below != 1 else ""
    if not divided and not array_names(below):
        words += ": a sum, not a mean"
    elif divided and set(divided) <= set(summed) and max(over.values()) == 1:
        factor = above / below * Mul(*(program.axis[name].size for name in divided))
        inner = [name for name in summed if name not in divided]
        words += f": {expression_text(factor, program)} times the" if factor != 1 else ": the"
        words += f" mean over {listed(divided)}" + (f" of sums over {listed(inner)}" if inner else "")
    return Fact("Reduction", words)


def _logits(every: Sequence[Probabilities], program: Program) -> Fact | None:
    by_function = _grouped(("sigmoid" if p.over is None else "softmax", _inside(p, program)) for p in every)
    words = [
        f"{listed(logits)} {_verb(logits, 'holds', 'hold')} the logits: {program.output} applies the {function} itself"
        for function, logits in by_function.items()
    ]
    return Fact("Logits", "; ".join(words)) if words else None


def _axis(every: Sequence[Probabilities], program: Program) -> Fact | None:
    """The axes along which softmaxes run, one clause per axis."""
    softmaxes = ((p.name, p.over, _inside(p, program)) for p in every if p.over is not None)
    by_run = _grouped((_run(name, over, program), f"{name} = softmax({logits})") for name, over, logits in softmaxes)
    words = [f"{listed(names)} {_verb(names, 'runs', 'run')} {run}" for run, names in by_run.items()]
    return Fact("Axis", "; ".join(words)) if words else None


def _run(name: str, over: Idx, program: Program) -> str:
    """Along which axis the softmax ``name`` runs, and what follows."""
    indices = program.definitions[name].indices
    position = indices.index(over)
    sums = SUM_TO_ONE.get((position, len(indices)), "it sums to one there")
    return f"along axis {position}, {axis_name(over)}: {sums}"


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The second elements grouped by the first, in order, without duplicates."""
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        if value not in groups.setdefault(key, []):
            groups[key].append(value)
    return groups


def _verb(subjects: Sequence[str], one: str, several: str) -> str:
    return one if len(subjects) == 1 else several


def _call_words(call: Call, every: Sequence[Probabilities], program: Program) -> str:
    """The notes on a call, above all the inputs that are not logits, in order."""
    names = {p.name for p in every}
    logits = {name for p in every for name in array_names(p.exponent)}
    words = [call.words] if call.words else []
    for name in (n for n in call.arguments if n not in logits):
        if name in names:
            words.append(f"the probabilities {name} go in")
        elif before := [p.name for p in every if p.name in program.ancestors.get(name, ())]:
            words.append(f"{name} goes in, computed from the probabilities {listed(before)}")
    return "; ".join(words)


def _inside(probability: Probabilities, program: Program) -> str:
    """The logits as text, such as Z / tau: an array's name stands for its entries."""
    indices = program.definitions[probability.name].indices
    entries = {e: Symbol(e.base.name) for e in probability.exponent.atoms(Indexed) if e.indices == indices}
    return expression_text(replaced(probability.exponent, entries), program)


def _labels(program: Program) -> Fact | None:
    """The assumptions about rows of labels."""
    words = [a.words for a in program.assumptions if not (a.is_structure or a.domain)]
    return Fact("Labels", f"{'; '.join(words)}: a label k is a row with its 1 in column k") if words else None
