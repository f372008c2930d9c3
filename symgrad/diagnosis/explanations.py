"""From hypotheses that predict the numbers of a candidate to explanations, simplest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from sympy import Sum

from symgrad.check.numeric.fields import OutsideDomain, OutsideField
from symgrad.diagnosis.agreement import AS_IT_IS, Factor, Fit, Matcher, Ratios, equal
from symgrad.diagnosis.comparison_point import Bench, NotHere, adjoint_lines
from symgrad.diagnosis.hypotheses import Hypothesis, definition_line, gradients, text_of
from symgrad.diagnosis.result import Explanation, gradients_are
from symgrad.notation import axis_name, bound_indices
from symgrad.render.text import expression_text, step_text
from symgrad.steps import Record

RIGHT = Hypothesis("", 0.0, lambda bench: gradients(bench, bench.adjoints), None, str)


@dataclass(frozen=True)
class _Found:
    """A hypothesis, how it fits each gradient that it fits, and the arrays whose predicted gradients are not the proved
    ones."""

    hypothesis: Hypothesis
    fits: Mapping[str, Fit]
    changed: frozenset[str]


def explanations(
    record: Record, benches: Sequence[Bench], matcher: Matcher, hypotheses: Iterable[Hypothesis]
) -> tuple[Explanation, ...]:
    """What explains the gradients of a candidate, simplest first.

    A hypothesis that explains all of them comes before those that explain one alone; what explains one
    alone is listed where nothing explains all.
    """
    right = _found(RIGHT, benches, matcher, record.wrt, record.wrt)
    wrong = [n for n in record.wrt if right is None or n not in right.fits or not right.fits[n].is_plain]
    others = (_found(hypothesis, benches, matcher, record.wrt, wrong) for hypothesis in hypotheses)
    found = [f for f in (right, *others) if f]
    whole = [f for f in found if len(f.fits) == len(record.wrt)]
    if whole:
        explained = [e for f in whole for e in _explained(record, f, list(record.wrt))]
    else:
        explained = [e for name in wrong for f in found if name in f.fits for e in _explained(record, f, [name])]
    simplest: dict[tuple[str, tuple[str, ...]], Explanation] = {}
    for _, explanation in sorted(explained, key=lambda e: (e[1].cost, e[0] or 0)):
        simplest.setdefault((explanation.kind, explanation.arrays), explanation)
    return tuple(simplest.values())


def _found(
    hypothesis: Hypothesis, benches: Sequence[Bench], matcher: Matcher, wrt: Sequence[str], wrong: Sequence[str]
) -> _Found | None:
    """How a hypothesis fits, tried at one point after another, as long as it may explain a gradient that is wrong."""
    near, known = list(wrt), []
    ratios: Ratios = {}
    for point, bench in enumerate(benches):
        if (predicted := _predicted(hypothesis, bench)) is None:
            return None
        near = [name for name in near if matcher.close(name, point, predicted[name], ratios)]
        if not set(near) & set(wrong):
            return None
        known.append((predicted, bench.truth))
    changed = frozenset(n for n in wrt if any(not equal(p[n], truth[n], matcher.allowed[n]) for p, truth in known))
    if hypothesis is not RIGHT and not changed & set(near):
        return None
    is_multiple = all(matcher.is_multiple(n, p[n], truth[n]) for p, truth in known for n in near)
    fits = {name: fit for name in near if (fit := matcher.fit(name, [p[name] for p, _ in known]))}
    if hypothesis is not RIGHT and is_multiple and not all(fit.is_plain for fit in fits.values()):
        return None  # the right gradient with another factor says it more simply
    return _Found(hypothesis, fits, changed) if fits else None


def _predicted(hypothesis: Hypothesis, bench: Bench) -> dict[str, np.ndarray] | None:
    with np.errstate(all="ignore"):
        try:
            found = hypothesis.predict(bench)
        except (NotHere, OutsideDomain, OutsideField):
            return None
    return {
        name: np.asarray(value, dtype=float) if np.all(np.isfinite(value)) else np.full(np.shape(value), np.nan)
        for name, value in found.items()
    }


def _explained(record: Record, found: _Found, names: Sequence[str]) -> Iterator[tuple[int | None, Explanation]]:
    """The explanations that a fit gives, each after the line that it is about: the hypothesis with its factors and
    layouts, or a factor or a layout alone."""
    hypothesis = found.hypothesis
    extra = {n: found.fits[n] for n in names if not found.fits[n].is_plain}
    cost = hypothesis.cost + sum({fit.factor: fit.cost for fit in extra.values()}.values())
    if hypothesis is RIGHT:
        for fit, group in _groups(extra):
            explanation = _of_fit(record, fit, group, cost)
            yield explanation.line, explanation
    elif found.changed & set(names):
        arrays = tuple(n for n in names if n in found.changed or n in extra)
        alone = f", for the gradient with respect to {' and '.join(names)} alone" if found.changed - set(names) else ""
        others = (words for fit, group in _groups(extra) for words in _fit_words(record, group, fit))
        words = "; and ".join([text_of(hypothesis.words) + alone, *others])
        line, right, yours = None, "", ""
        if not alone:  # the line would be about the other gradients too
            right, yours = _right(hypothesis.of or record, hypothesis.line), hypothesis.yours()
            line = None if hypothesis.of else hypothesis.line
        shown = yours if yours != right else ""
        yield hypothesis.line, Explanation(hypothesis.kind, words, arrays, line, right, shown, cost)


def _groups(fits: Mapping[str, Fit]) -> list[tuple[Fit, tuple[str, ...]]]:
    """The arrays of which the gradients have the same factor; those laid out in another way each alone."""
    groups: dict[tuple[str, Factor], list[str]] = {}
    for name, fit in fits.items():
        key = name if fit.layout is not AS_IT_IS else ""
        groups.setdefault((key, fit.factor), []).append(name)
    return [(fits[names[0]], tuple(names)) for names in groups.values()]


def _of_fit(record: Record, fit: Fit, names: tuple[str, ...], cost: float) -> Explanation:
    """A factor, or another layout, alone."""
    everywhere = set(names) == set(record.wrt) and fit.layout is AS_IT_IS
    line = definition_line(record, record.program.output) if everywhere else adjoint_lines(record)[names[0]].number
    kind = fit.layout.kind or ("sign" if fit.factor == Factor(Fraction(-1)) else "factor")
    yours = ""
    if line is not None and not fit.factor.is_one:
        yours = step_text(record, line, fit.factor.expr * record.steps[line - 1].after)
    words = "; and ".join(_fit_words(record, names, fit))
    return Explanation(kind, words, names, line, _right(record, line), yours, cost)


def _fit_words(record: Record, names: Sequence[str], fit: Fit) -> Iterable[str]:
    if fit.layout is not AS_IT_IS:
        yield fit.layout.words
    if not fit.factor.is_one:
        yield _factor_words(record, names, fit.factor)


def _factor_words(record: Record, names: Sequence[str], factor: Factor) -> str:
    """Of gradients that have a factor too much, what that is."""
    whose = gradients_are(names)
    if factor.number == -1 and not factor.powers:
        return f"{whose} of the wrong sign"
    sign = " and of the wrong sign" if factor.number < 0 else ""
    size = Factor(abs(factor.number), factor.powers)
    inverse = Factor(1 / size.number, tuple((axis, -power) for axis, power in factor.powers))
    words = f"{whose} {expression_text(size.expr, record)} times the right {'one' if len(names) == 1 else 'ones'}{sign}"
    averaged = [axis for axis, power in factor.powers if power == -1 and _is_summed(record, names, axis)]
    if len(names) == 1 and averaged and size == Factor(Fraction(1), ((averaged[0], -1),)):
        return f"{words}: averaged over {averaged[0]} instead of summed"
    is_product = size.number >= 1 and all(power > 0 for _, power in factor.powers)
    if is_product or (size.number < 1 and not factor.powers):
        return f"{words}: the factor {expression_text(inverse.expr, record)} is missing"
    return words


def _is_summed(record: Record, names: Sequence[str], axis: str) -> bool:
    totals = adjoint_lines(record)[names[0]].after.atoms(Sum)
    return any(axis_name(i) == axis for total in totals for i in bound_indices(total))


def _right(record: Record, line: int | None) -> str:
    return "" if line is None else step_text(record, line)
