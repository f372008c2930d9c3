"""The short derivation: a view of the full one, with a line for each idea.

Each line shown is a line of the full derivation and keeps its number, so the proof of the full derivation covers it.
A line is hidden if the next line about the same subject does only what a reader does mentally: a delta that multiplies
the whole summand picks its term, a factor gets its name, a common factor is taken out.  The next line inherits the
citations, assumptions and divisors of the hidden lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import sympy as sp
from sympy.core.basic import Basic

from symgrad.canonical import canonical
from symgrad.engine.summation import deltas, multiplied_out
from symgrad.notation import array_names, axis_name, name_of, parts_of
from symgrad.steps import (
    Differentiated,
    Largest,
    MatrixTotal,
    MatrixValue,
    Partial,
    Record,
    Step,
    Subject,
    Value,
    product_names,
)

MOST_TERMS_CHANGED = 1
"""If folding or factoring changes more terms of a line at once, the line before it is shown too."""

UNSAID = ("definition", "quotient", "collect", "cancel")
"""Rules whose reasons are omitted beside other reasons; the reason of a definition is always omitted."""


def short(record: Record, weaker: Collection[int] = ()) -> Record:
    """The short derivation of ``record``: some of its lines with their numbers, and the same gradients.

    The results state a closed form without its line, unless the line is among ``weaker``, the numbers of the lines that
    are not proved at every shape: then the line is shown, and its mark with it.
    """
    view = _View(record, weaker)
    lines: list[Step] = []
    last: dict[Subject | Largest, sp.Expr] = {}
    for step in record.steps:
        if step.number not in view.dropped and step.number not in view.shown_by:
            lines.append(view.line(step, last.get(step.subject)))
            last[step.subject] = step.after
    return replace(record, steps=tuple(lines))


class _View:
    """Which lines of a derivation are hidden.

    ``shown_by`` maps a hidden line to the next shown line about its subject.  ``dropped`` are hidden lines without such
    a line; lines that cite them cite their sources instead.
    """

    def __init__(self, record: Record, weaker: Collection[int]) -> None:
        self.steps = {step.number: step for step in record.steps}
        self.about: dict[Subject | Largest, list[Step]] = {}
        for step in record.steps:
            self.about.setdefault(step.subject, []).append(step)
        self.shown_by: dict[int, int] = {}
        self.dropped: set[int] = set()
        matrix_lines = [s for s in record.steps if s.is_matrix]
        for subject, steps in self.about.items():
            if isinstance(subject, (MatrixValue, MatrixTotal)):
                continue
            if _is_plain(record, subject, steps) or _is_solved(subject, steps):
                self.dropped |= {step.number for step in steps}
            if steps[-1].rule == "close" and not self._is_weaker(steps[-1], matrix_lines, weaker):
                self.dropped.add(steps.pop().number)  # stated in the results
            for step, following in reversed(list(pairwise(steps))):
                if _goes_unsaid(step, following):
                    self.shown_by[step.number] = self.shown_by.get(following.number, following.number)
        hidden = self.dropped | self.shown_by.keys()
        products = product_names(record.steps)
        self.dropped |= {s.number for s in matrix_lines if hidden & set(s.cites) or _only_spells(s, products)}
        self.inherited: dict[int, list[int]] = {}
        for number, by in sorted(self.shown_by.items()):
            self.inherited.setdefault(by, []).append(number)

    def _is_weaker(self, step: Step, matrix_lines: Sequence[Step], weaker: Collection[int]) -> bool:
        """Whether a line, or what it says in matrix notation, is among ``weaker``."""
        same = {step.number, *(line.number for line in matrix_lines if step.number in line.cites)}
        return not same.isdisjoint(weaker)

    def line(self, step: Step, before: sp.Expr | None) -> Step:
        """A shown line that continues ``before``, with what it inherits from hidden lines."""
        sources = {source.number: source for source in self._sources(step)}
        inherited = [sources[number] for number in sorted(sources)]
        about_same = [source for source in inherited if source.subject == step.subject]
        cites = {self.shown_by.get(cited, cited) for source in inherited for cited in source.cites} - self.dropped
        return replace(
            step,
            before=before,
            reason=_reason(about_same, has_shown_sources=about_same == inherited),
            cites=tuple(sorted(c for c in cites if self.steps[c].subject != step.subject)),
            assumption=next((source.assumption for source in inherited if source.assumption), None),
            conditions=tuple(dict.fromkeys(c for source in inherited for c in source.conditions)),
            conventions=tuple(dict.fromkeys(c for source in inherited for c in source.conventions)),
        )

    def _sources(self, step: Step) -> Iterator[Step]:
        """A line and the hidden lines that it follows from."""
        for number in (*self.inherited.get(step.number, ()), step.number):
            yield self.steps[number]
            for cited in self.steps[number].cites:
                if cited in self.dropped:
                    for hidden in self._up_to(cited):
                        yield from self._sources(hidden)

    def _up_to(self, number: int) -> list[Step]:
        """The lines about a subject from its first line to line ``number``."""
        lines = [step for step in self.about[self.steps[number].subject] if step.number <= number]
        first = max(position for position, step in enumerate(lines) if step.before is None)
        return lines[first:]


def _is_plain(record: Record, subject: Subject | Largest, steps: Sequence[Step]) -> bool:
    """Whether lines state the obvious partial derivative of a linear definition: 1, or a product of its arrays."""
    if not isinstance(subject, Partial) or not isinstance(subject.of, (sp.Indexed, sp.Symbol)):
        return False
    definition, slope = record.program.definitions.get(name_of(subject.of)), steps[-1].after
    if definition is None or slope == 0 or any(s.conditions or s.conventions for s in steps):
        return False
    used = array_names(slope)
    is_linear = name_of(subject.wrt) not in used and used <= array_names(definition.rhs)
    return is_linear and _is_product(slope) and {s.rule for s in steps} <= {"differentiate", "contract"}


def _is_product(expr: sp.Expr) -> bool:
    """Whether an expression is a product without brackets, or a sum of such a product over axes."""
    if isinstance(expr, sp.Sum):
        return _is_product(expr.function)
    if isinstance(expr, sp.Mul):
        return all(map(_is_product, expr.args))
    return not isinstance(expr.base if isinstance(expr, sp.Pow) else expr, sp.Add)


def _is_solved(subject: Subject | Largest, steps: Sequence[Step]) -> bool:
    """Whether a line is a solved definition, and not an identity such as a sum that is 0."""
    return isinstance(subject, Value) and steps[-1].rule == "solve" and not steps[-1].after.is_number


def _only_spells(step: Step, products: Collection[str]) -> bool:
    """Whether a matrix line is a forward equation with Hadamard products, or with ones that do more than repeat a
    vector or a scalar (``1_N b^T``), which is not easier to read."""
    if not isinstance(step.subject, MatrixValue) or step.subject.array.name in products:
        return False
    terms = step.after.args if isinstance(step.after, sp.MatAdd) else (step.after,)
    summed = (term for term in terms if term.has(sp.OneMatrix) and not _repeats(term))
    return step.after.has(sp.HadamardProduct, sp.HadamardPower) or any(summed)


def _repeats(term: Basic) -> bool:
    """Whether a term with ones is a multiple of the ones or their outer product with a vector."""
    matrices = [factor for factor in (term.args if isinstance(term, sp.MatMul) else (term,)) if factor.is_Matrix]
    return len(matrices) == 1 or (len(matrices) == 2 and matrices[0].shape[1] == 1)


def _goes_unsaid(step: Step, following: Step) -> bool:
    """Whether a reader sees at once that ``following`` follows from the line before ``step``."""
    if following.rule == "contract":
        return not _splits(step.after, _deltas_by_axis(step.after) - _deltas_by_axis(following.after))
    if following.rule in ("fold", "collect", "quotient"):
        return _terms_changed(step.after, following.after) <= MOST_TERMS_CHANGED
    if following.rule == "symmetry":
        return bool(step.after.count_ops() == following.after.count_ops())  # entries are transposed, no terms merge
    if following.rule == "substitute" and step.rule != "name":
        return step.rule == "substitute" or _is_product(following.after)
    return False


def _deltas_by_axis(expr: sp.Expr) -> Counter[str]:
    return Counter(axis_name(delta.args[0]) for delta in deltas(expr))


def _splits(expr: sp.Expr, axes: Mapping[str, int]) -> bool:
    """Whether a delta over one of ``axes`` is in some terms of a bracket and not in the others."""
    brackets = (factor for product in parts_of(expr, sp.Mul) for factor in product.args if isinstance(factor, sp.Add))
    for bracket in brackets:
        terms = [{d for d in parts_of(t, sp.KroneckerDelta) if axis_name(d.args[0]) in axes} for t in bracket.args]
        if set.union(*terms) != set.intersection(*terms):
            return True
    return False


def _terms_changed(before: sp.Expr, after: sp.Expr) -> int:
    """The number of terms of ``before`` that are not in ``after``, both expanded; 1 if ``after`` is one term."""
    old, new = (set(sp.Add.make_args(canonical(multiplied_out(expr)))) for expr in (before, after))
    return len(old - new) if len(new) > 1 else 1


def _reason(steps: Sequence[Step], *, has_shown_sources: bool) -> str:
    """The combined reason of several lines; a definition needs none, nor do deltas that no shown line has."""
    is_partial = isinstance(steps[-1].subject, Partial)
    said = [s for s in steps if s.rule not in UNSAID]
    sums = [step for step in said if step.rule == "contract"]
    reasons = [step.reason for step in said if step.rule != "contract"]
    if sums and (not reasons or (has_shown_sources and not is_partial)):
        if len(sums) > 1 and all(step.picked for step in sums):
            reasons.insert(1, f"only {' and '.join(equality for step in sums for equality in step.picked)} survive")
        else:
            reasons[1:1] = [step.reason for step in sums]
    reasons += _zero_unless(steps[-1])
    alone = "" if steps[-1].rule == "definition" else steps[-1].reason
    return ", ".join(dict.fromkeys(reasons)) or alone


def _zero_unless(step: Step) -> list[str]:
    """Where a partial derivative is not zero, if a delta that multiplies all of it says so."""
    if not isinstance(step.subject, Partial) or isinstance(step.subject, Differentiated):
        return []
    pairs = [factor.args[:2] for factor in sp.Mul.make_args(step.after) if isinstance(factor, sp.KroneckerDelta)]
    return [f"0 unless {' and '.join(f'{i.label} = {j.label}' for i, j in pairs)}"] if pairs else []
