"""The hypotheses that predict the gradients of a candidate, as explanations, simplest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from symgrad.check.numeric.fields import OutsideDomain, OutsideField
from symgrad.diagnosis.hypothesis import (
    ComparisonPoint,
    Hypothesis,
    NotApplicable,
    adjoint_lines,
    definition_line,
    text_of,
)
from symgrad.diagnosis.result import Explanation, gradients_of
from symgrad.diagnosis.result_mistakes import DUST, RIGHT_LAYOUT, Factor, Fit, factors, layouts
from symgrad.gradcheck.slopes import largest
from symgrad.render.text import step_text
from symgrad.sampling.autodiff import Arrays
from symgrad.steps import Record

RIGHT = Hypothesis("", 0.0, lambda point: point.adjoints, None, "")
MOST_DENOMINATOR = 100
"""A wrong factor such as 3/7 is recognised if its denominator is at most this; at low precision the limit is lower,
since some fraction is always near."""

Ratios = dict[tuple[str | int, ...], float]
"""The factor by array, sizes of the axes, and number of the layout."""


def equal(left: np.ndarray, right: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays have the same shape and differ by at most ``tolerance`` times the largest entry."""
    if left.shape != right.shape:
        return False
    size = max(largest(left), largest(right))
    return bool(np.isfinite(size)) and largest(left - right) <= tolerance * size


@dataclass(frozen=True)
class _Match:
    """A hypothesis, its fits by the arrays whose gradients it explains, and the arrays whose predicted gradients differ
    from the proved ones."""

    hypothesis: Hypothesis
    fits: Mapping[str, Fit]
    changed: frozenset[str]


class Matcher:
    """Compares the gradients that a candidate ``returned`` at some points with predicted ones.

    ``tolerances`` are relative to the largest entry, by array.
    """

    def __init__(
        self,
        record: Record,
        points: Sequence[ComparisonPoint],
        returned: Sequence[Arrays],
        tolerances: Mapping[str, float],
    ) -> None:
        self.record, self.points, self.tolerances = record, points, tolerances
        self._returned = [{n: self._denoised(n, p, v) for n, v in r.items()} for p, r in enumerate(returned)]
        self._factors = factors(record.program)
        self._factor_values = cache(lambda sizes: np.array([factor.at(dict(sizes)) for factor in self._factors]))
        self._layouts = {
            name: [
                tuple(layouts(name, r[name].shape, p.truth[name].shape, p.sizes))
                for r, p in zip(returned, points, strict=True)
            ]
            for name in returned[0]
        }

    def explanations(self, hypotheses: Iterable[Hypothesis]) -> tuple[Explanation, ...]:
        """The explanations that the hypotheses give, simplest first.

        Hypotheses that explain only one gradient are listed only if no hypothesis explains all gradients.
        """
        wrt = list(self.record.wrt)
        right = self._match(RIGHT, wrt)
        wrong = [n for n in wrt if right is None or n not in right.fits or not right.fits[n].is_plain]
        matches = [m for m in (right, *(self._match(hypothesis, wrong) for hypothesis in hypotheses)) if m]
        whole = [match for match in matches if len(match.fits) == len(wrt)]
        if whole:
            explained = [e for match in whole for e in _explained(self.record, match, wrt)]
        else:
            alone = [(name, match) for name in wrong for match in matches if name in match.fits]
            explained = [e for name, match in alone for e in _explained(self.record, match, [name])]
        simplest: dict[tuple[str, tuple[str, ...]], Explanation] = {}
        for _, explanation in sorted(explained, key=lambda e: (e[1].cost, e[0] or 0)):
            simplest.setdefault((explanation.kind, explanation.arrays), explanation)
        return tuple(simplest.values())

    def _match(self, hypothesis: Hypothesis, wrong: Sequence[str]) -> _Match | None:
        """The match of a hypothesis; None as soon as it cannot explain a gradient that is wrong."""
        near, predictions = list(self.record.wrt), []
        ratios: Ratios = {}
        for number, point in enumerate(self.points):
            if (predicted := _predicted(hypothesis, point)) is None:
                return None
            near = [name for name in near if self._is_close(name, number, predicted[name], ratios)]
            if not set(near) & set(wrong):
                return None
            predictions.append(predicted)
        pairs = [(predicted, point.truth) for predicted, point in zip(predictions, self.points, strict=True)]
        tolerances = self.tolerances
        changed = {n for n in self.record.wrt if any(not equal(p[n], truth[n], tolerances[n]) for p, truth in pairs)}
        if hypothesis is not RIGHT and not changed & set(near):
            return None
        fits = {name: fit for name in near if (fit := self._fit(name, [p[name] for p in predictions]))}
        is_multiple = all(_ratio(p[n], truth[n], tolerances[n]) is not None for p, truth in pairs for n in near)
        if hypothesis is not RIGHT and is_multiple and not all(fit.is_plain for fit in fits.values()):
            return None  # a factor of the right gradient is a simpler explanation
        return _Match(hypothesis, fits, frozenset(changed)) if fits else None

    def _denoised(self, name: str, point: int, value: np.ndarray) -> np.ndarray:
        """The gradient, or zeros if all of its entries are within the noise at the point."""
        return np.zeros_like(value) if largest(value) <= self.points[point].noise[name] else value

    def _is_close(self, name: str, point: int, predicted: np.ndarray, known: Ratios) -> bool:
        """Whether the gradient at a point is the predicted one, up to a layout and a factor.

        The factor must be the ``known`` one of other points of the same sizes; a new one is added to these.
        """
        returned, predicted = self._returned[point][name], self._denoised(name, point, predicted)
        tolerance, is_close = self.tolerances[name], False
        for number, layout in enumerate(self._layouts[name][point]):
            ratio = _ratio(layout.of_returned(returned), layout.of_expected(predicted), tolerance)
            if ratio is not None:
                before = known.setdefault((name, *self.points[point].sizes.values(), number), ratio)
                is_close |= not abs(ratio - before) > 4 * tolerance * abs(ratio)  # also if one of them is NaN
        return is_close

    def _fit(self, name: str, predicted: Sequence[np.ndarray]) -> Fit | None:
        """The layout and the factor that turn the predicted gradients into the returned ones at every point, if any
        do."""
        predicted = [self._denoised(name, number, value) for number, value in enumerate(predicted)]
        for alternatives in zip(*self._layouts[name], strict=False):
            if len({layout.kind for layout in alternatives}) > 1:
                continue
            ratios = [
                _ratio(layout.of_returned(returned[name]), layout.of_expected(value), self.tolerances[name])
                for layout, returned, value in zip(alternatives, self._returned, predicted, strict=True)
            ]
            if None in ratios:
                continue
            known = [
                (r, p.sizes) for r, p in zip(ratios, self.points, strict=True) if r is not None and not np.isnan(r)
            ]
            if factor := self._factor(known, self.tolerances[name]):
                return Fit(alternatives[0], factor)
        return None

    def _factor(self, ratios: Sequence[tuple[float, Mapping[str, int]]], tolerance: float) -> Factor | None:
        """The simplest factor with these values at these sizes, else a fraction that is the same at all sizes."""
        if not ratios:
            return Factor(Fraction(1))
        values = np.stack([self._factor_values(tuple(s.items())) for _, s in ratios])
        wanted = np.array([[r] for r, _ in ratios])
        fitting = np.flatnonzero(np.all(np.abs(wanted - values) <= 2 * tolerance * np.abs(wanted), axis=0))
        if len(fitting):
            return self._factors[int(fitting[0])]
        number = Fraction(ratios[0][0]).limit_denominator(int(min(MOST_DENOMINATOR, 0.1 / tolerance**0.5)))
        is_constant = all(abs(r - float(number)) <= 2 * tolerance * abs(r) for r, _ in ratios)
        return Factor(number) if is_constant else None


def _ratio(returned: np.ndarray, predicted: np.ndarray, tolerance: float) -> float | None:
    """The factor between two gradients; None if they are not proportional, NaN if both are 0."""
    if returned.shape != predicted.shape:
        return None
    returned = returned.astype(float)
    square = float(np.sum(predicted * predicted))
    if not np.isfinite(square) or not np.all(np.isfinite(returned)):
        return None
    if square == 0:
        return np.nan if largest(returned) <= DUST else None
    ratio = float(np.sum(returned * predicted)) / square
    return ratio if ratio and equal(returned, ratio * predicted, tolerance) else None


def _predicted(hypothesis: Hypothesis, point: ComparisonPoint) -> dict[str, np.ndarray] | None:
    """The predicted gradients (all NaN if an entry is not finite); None if the hypothesis does not apply."""
    with np.errstate(all="ignore"):
        try:
            adjoints = hypothesis.predict(point)
        except (NotApplicable, OutsideDomain, OutsideField):
            return None
    gradients = {name: np.asarray(adjoints[name], dtype=float) for name in point.record.wrt}
    return {n: v if np.all(np.isfinite(v)) else np.full(v.shape, np.nan) for n, v in gradients.items()}


# --- from matches to explanations -------------------------------------------------------------------------------------


def _explained(record: Record, match: _Match, names: Sequence[str]) -> Iterator[tuple[int | None, Explanation]]:
    """The explanations of the gradients with respect to ``names`` by a match, each with the number of its line: the
    hypothesis with extra factors and layouts, or for ``RIGHT``, only these."""
    hypothesis = match.hypothesis
    extra = {n: match.fits[n] for n in names if not match.fits[n].is_plain}
    cost = hypothesis.cost + sum({fit.factor: fit.cost for fit in extra.values()}.values())
    if hypothesis is RIGHT:
        for fit, group in _groups(extra):
            explanation = _of_fit(record, fit, group, cost)
            yield explanation.line, explanation
    elif match.changed & set(names):
        arrays = tuple(n for n in names if n in match.changed or n in extra)
        is_partial = bool(match.changed - set(names))
        alone = f", for the gradient with respect to {' and '.join(names)} alone" if is_partial else ""
        others = (words for fit, group in _groups(extra) for words in fit.words(record, group))
        words = "; and ".join([text_of(hypothesis.words) + alone, *others])
        line, right, yours = None, "", ""
        if not is_partial:  # the line concerns the other gradients too
            right, yours = _line_text(hypothesis.of or record, hypothesis.line), hypothesis.yours()
            line = None if hypothesis.of else hypothesis.line
        shown = yours if yours != right else ""
        yield hypothesis.line, Explanation(hypothesis.kind, words, arrays, line, right, shown, cost)


def _groups(fits: Mapping[str, Fit]) -> list[tuple[Fit, tuple[str, ...]]]:
    """The arrays grouped by the factor of their gradients; gradients with a wrong layout are not grouped."""
    groups: dict[tuple[str, Factor], list[str]] = {}
    for name, fit in fits.items():
        key = name if fit.layout is not RIGHT_LAYOUT else ""
        groups.setdefault((key, fit.factor), []).append(name)
    return [(fits[names[0]], tuple(names)) for names in groups.values()]


def _of_fit(record: Record, fit: Fit, names: tuple[str, ...], cost: float) -> Explanation:
    """The explanation by a factor or a layout, without a hypothesis."""
    is_global = set(names) == set(record.wrt) and fit.layout is RIGHT_LAYOUT
    line = definition_line(record, record.program.output) if is_global else adjoint_lines(record)[names[0]].number
    yours = ""
    if line is not None and not fit.factor.is_one:
        yours = step_text(record, line, fit.factor.expr * record.steps[line - 1].after)
    words = "; and ".join(fit.words(record, names))
    return Explanation(fit.kind, words, names, line, _line_text(record, line), yours, cost)


def _line_text(record: Record, line: int | None) -> str:
    return "" if line is None else step_text(record, line)


def with_zeros(
    explanations: tuple[Explanation, ...], gradients: Sequence[Arrays], wrong: Set[str]
) -> tuple[Explanation, ...]:
    """The explanations, and one for the gradients that are 0 everywhere.

    The latter comes after the explanations of all wrong gradients.  But if all wrong gradients are 0, it comes first,
    and only explanations by something treated as constant are kept.
    """
    zero = tuple(name for name in gradients[0] if name in wrong and not any(np.any(g[name]) for g in gradients))
    if not zero:
        return explanations
    explanation = Explanation("zero", gradients_of(zero, "is zero", "are zero"), zero, None, "", "", 0.0)
    if set(zero) == wrong:
        return explanation, *(e for e in explanations if e.kind == "path")
    whole = tuple(e for e in explanations if wrong <= set(e.arrays))
    return *whole, explanation, *(e for e in explanations if e not in whole and not set(e.arrays) <= set(zero))
