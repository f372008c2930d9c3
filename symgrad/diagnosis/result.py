"""The result of a diagnosis: where a gradient deviates from the proved one, the explanations, and the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from symgrad.diagnosis.hypothesis import ComparisonPoint
from symgrad.gradcheck.slopes import largest
from symgrad.sampling.autodiff import Arrays

MOST_SHOWN = 5
NOISE = 30  # deviations up to this many times the noise of the proved gradient are rounding


def gradients_of(names: Sequence[str], singular: str, plural: str) -> str:
    """Subject and verb of a sentence, such as "the gradients with respect to W and b are"."""
    subject, verb = ("the gradient", singular) if len(names) == 1 else ("the gradients", plural)
    return f"{subject} with respect to {' and '.join(names)} {verb}"


@dataclass(frozen=True)
class Explanation:
    """A mistake that explains the gradients with respect to ``arrays``.

    ``kind`` is a key of ``symgrad.diagnosis.KINDS``, such as "diagonal" or "factor"; ``words`` describe the mistake.
    ``line`` is the number of the first line of the derivation that the candidate contradicts (None if the mistake does
    not concern a line), ``right`` is that line, and ``yours`` is the line that the candidate follows instead.
    Explanations with a lower ``cost`` are simpler.
    """

    kind: str
    words: str
    arrays: tuple[str, ...]
    line: int | None
    right: str
    yours: str
    cost: float


@dataclass(frozen=True)
class Deviation:
    """The entry in which a gradient differs most from the proved one: its index (``place``), both numbers, and the
    error relative to the largest entry.  If the gradient cannot be compared, ``words`` say why, such as two shapes."""

    array: str
    place: tuple[int, ...]
    given: float
    expected: float
    error: float
    words: str = ""

    @property
    def numbers(self) -> str:
        """A phrase with both numbers, or with the ``words``."""
        if self.words:
            return f"the gradient with respect to {self.array}: {self.words}"
        at = f"[{', '.join(map(str, self.place))}]" if self.place else ""
        return f"the gradient with respect to {self.array}{at}: given {self.given:.6g}, expected {self.expected:.6g}"

    def __str__(self) -> str:
        if self.words or self.error == float("inf"):
            return self.numbers
        return f"{self.numbers}; the largest error is {self.error:.2g} times the largest entry"


def incomparable(array: str, words: str) -> Deviation:
    """The deviation of a gradient that cannot be compared, for the reason ``words``."""
    return Deviation(array, (), np.nan, np.nan, np.inf, words)


def deviation_of(
    name: str,
    points: Sequence[ComparisonPoint],
    returned: Sequence[Arrays],
    tolerance: float,
    instead: Arrays | None = None,
) -> Deviation | None:
    """The largest deviation of a gradient from the proved one (or from the one in ``instead``) at some points; None if
    it is within ``tolerance`` times the largest entry."""
    worst: Deviation | None = None
    for point, gradients in zip(points, returned, strict=True):
        expected, value = (instead or point.truth)[name], gradients[name]
        if value.shape != expected.shape:
            return incomparable(name, f"it has the shape {value.shape}, expected {expected.shape}")
        if not np.all(np.isfinite(value)):
            return incomparable(name, _not_finite(name, point, value))
        error = np.abs(value - expected)
        entry = tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape))
        relative = largest(error) / (largest(expected) or 1.0)
        beyond = instead is not None or largest(error) > NOISE * point.noise[name]
        if beyond and relative > tolerance and (worst is None or relative > worst.error):
            worst = Deviation(name, entry, float(value[entry]), float(expected[entry]), relative)
    return worst


def _not_finite(name: str, point: ComparisonPoint, value: np.ndarray) -> str:
    """The number of entries that are not finite, and one of them with the inputs of its row."""
    entries = np.argwhere(~np.isfinite(value))
    at = dict(zip((axis.name for axis in point.program.arrays[name].axes), map(int, entries[0]), strict=True))
    kind = "NaN" if np.isnan(value[tuple(entries[0])]) else "infinite"
    near = [a for a in point.program.inputs if all(axis.name in at for axis in a.axes)]
    indices = {a.name: tuple(at[axis.name] for axis in a.axes) for a in near}
    shown = ", ".join(f"{n}{list(i) if i else ''} = {point.inputs[n][i]:.4g}" for n, i in indices.items())
    count = f" in {len(entries)} of {value.size} entries, such as {list(at.values())}," if at else ""
    return f"it is {kind}{count} where {shown}"


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """Whether a candidate is the gradient of a loss, and if not, why.

    ``ok`` means that it agrees at every point, and that the points enter every piece of the loss.  ``deviations`` are
    the differences, ``explanations`` the mistakes that explain them, simplest first (empty if no edit of the derivation
    does), and ``remarks`` are other observations.  ``unreached`` are the pieces for which no point was found.
    ``within`` is the only domain on which the candidate agrees, such as "for y in {0, 1}, not for other probabilities";
    "" if it agrees everywhere.  ``finite`` is False if it raises or is not finite at extreme inputs; a remark says
    where.  ``points`` are the sizes of the axes at the first points of the comparison.
    """

    loss: str
    candidate: str
    points: tuple[Mapping[str, int], ...]
    deviations: tuple[Deviation, ...]
    explanations: tuple[Explanation, ...]
    remarks: tuple[str, ...] = ()
    within: str = ""
    unreached: tuple[str, ...] = ()
    finite: bool = True

    @property
    def ok(self) -> bool:
        """Whether the candidate agrees with the proved gradient, on every piece of the loss."""
        return not self.deviations and not self.unreached

    @property
    def unexplained(self) -> tuple[str, ...]:
        """The arrays of which the gradient is wrong and nothing explains it."""
        known = {name for explanation in self.explanations for name in explanation.arrays}
        return tuple(d.array for d in self.deviations if d.array not in known)

    @property
    def summary(self) -> str:
        """The diagnosis in one line."""
        if self.ok:
            conditions = (self.within, "" if self.finite else "where it is finite")
            where = "".join(f" {words}," for words in conditions if words)
            return f"{self.candidate} agrees{where} with the proved gradient of {self.loss}"
        if not self.deviations:
            pieces = f"{' and '.join(self.unreached)} {'were' if len(self.unreached) > 1 else 'was'} not reached"
            return f"{self.candidate} agrees with the gradient of {self.loss} where it was compared, but {pieces}"
        reasons = [*(e.words for e in self.explanations), *(str(d) for d in self.deviations if d.words)]
        reason = f": {reasons[0]}" if reasons else ", and no single edit of the derivation explains it"
        return f"{self.candidate} is not the gradient of {self.loss}{reason}"

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        shapes = [" x ".join(f"{axis} = {n}" for axis, n in point.items()) for point in self.points]
        at = f", {' and '.join(shapes)}" if all(shapes) else ""
        lines = [f"{self.summary}.", f"Compared at random inputs{at}."]
        lines += [f"  {deviation}" for deviation in self.deviations]
        lines += [f"Note: {remark}" for remark in self.remarks]
        if self.explanations:
            several = len(self.explanations) > 1
            lines += ["", "What explains it, the simplest first:" if several else "What explains it:"]
        for number, explanation in enumerate(self.explanations[:MOST_SHOWN], 1):
            lines += _lines_of(number, explanation)
        if self.explanations and self.unexplained:
            arrays = ", ".join(self.unexplained)
            lines.append(f"No single edit of the derivation explains the gradient with respect to {arrays}.")
        if len(self.explanations) > MOST_SHOWN:
            lines.append(f"  and {len(self.explanations) - MOST_SHOWN} less simple explanations")
        return lines


def _lines_of(number: int, explanation: Explanation) -> list[str]:
    lines = [f"  {number}. {explanation.words}"]
    if not explanation.right:
        return lines
    if explanation.line is None:
        lines.append("     In the derivation with an adjoint for every array, a line is")
    else:
        before = f"It agrees with the derivation up to line {explanation.line - 1}; line"
        lines.append(f"     {before if explanation.line > 1 else 'Line'} {explanation.line} is")
    lines.append(f"         {explanation.right}")
    if explanation.yours:
        lines += ["     and yours is", f"         {explanation.yours}"]
    return lines
