"""What a diagnosis says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_SHOWN = 5


def gradients_are(names: Sequence[str]) -> str:
    """The beginning of a sentence on gradients with respect to some arrays."""
    subject, verb = ("the gradient", "is") if len(names) == 1 else ("the gradients", "are")
    return f"{subject} with respect to {' and '.join(names)} {verb}"


@dataclass(frozen=True)
class Explanation:
    """A mistake that explains the gradients with respect to ``arrays``.

    ``kind`` is a key such as "diagonal" or "factor", ``words`` say it in a sentence.  ``line`` is the line of the
    derivation at which the candidate leaves it, None for a mistake that is not about one of them; ``right`` is what
    the line says, and ``yours`` what it would have to say for the candidate to be right.  ``cost`` ranks it, the
    simplest first.
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
    """Where a gradient differs most from the proved one: the ``place`` of the entry, both numbers there, and the error
    relative to the largest entry; or the two shapes, in ``words``, where these differ."""

    array: str
    place: tuple[int, ...]
    given: float
    expected: float
    error: float
    words: str = ""

    @property
    def numbers(self) -> str:
        """Both numbers at the place, or what else there is to say of it."""
        if self.words:
            return f"the gradient with respect to {self.array}: {self.words}"
        at = f"[{', '.join(map(str, self.place))}]" if self.place else ""
        return f"the gradient with respect to {self.array}{at}: given {self.given:.6g}, expected {self.expected:.6g}"

    def __str__(self) -> str:
        if self.words or self.error == float("inf"):
            return self.numbers
        return f"{self.numbers}; the largest error is {self.error:.2g} times the largest entry"


def unlike(array: str, words: str) -> Deviation:
    """What is said of a gradient that is no array of numbers of the right shape."""
    nan = float("nan")
    return Deviation(array, (), nan, nan, float("inf"), words)


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """Whether a candidate is the gradient of a loss, and if not, why.

    ``ok`` is whether it agrees at every point, and the points enter every piece of the loss.  ``deviations`` say where
    it differs, ``explanations`` what mistakes would explain that, simplest first (none if no edit of the derivation
    does), ``remarks`` what else was found.  ``unreached`` are the pieces that no point was found in.  ``within`` says
    where alone it agrees, such as "for y in {0, 1}, not for other probabilities"; "" if everywhere.  It is ``finite``
    unless it raises or is not finite at extreme inputs, of which a remark tells.
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
            where = "".join(
                f" {words}," for words in (self.within, "" if self.finite else "where it is finite") if words
            )
            return f"{self.candidate} agrees{where} with the proved gradient of {self.loss}"
        if not self.deviations:
            pieces = f"{' and '.join(self.unreached)} {'were' if len(self.unreached) > 1 else 'was'} not reached"
            return f"{self.candidate} agrees with the gradient of {self.loss} where it was compared, but {pieces}"
        if not self.explanations and (failed := [deviation for deviation in self.deviations if deviation.words]):
            return f"{self.candidate} is not the gradient of {self.loss}: {failed[0]}"
        if not self.explanations:
            return (
                f"{self.candidate} is not the gradient of {self.loss}, and no single edit of the derivation explains it"
            )
        return f"{self.candidate} is not the gradient of {self.loss}: {self.explanations[0].words}"

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
        for place, explanation in enumerate(self.explanations[:MOST_SHOWN], 1):
            lines += self._explained(place, explanation)
        if self.explanations and self.unexplained:
            arrays = ", ".join(self.unexplained)
            lines.append(f"No single edit of the derivation explains the gradient with respect to {arrays}.")
        if len(self.explanations) > MOST_SHOWN:
            lines.append(f"  and {len(self.explanations) - MOST_SHOWN} less simple ones")
        return lines

    def _explained(self, place: int, explanation: Explanation) -> list[str]:
        found = [f"  {place}. {explanation.words}"]
        if not explanation.right:
            return found
        if explanation.line is None:
            found.append("     In the derivation that goes through every array, a line is")
        else:
            before = f"It agrees with the derivation up to line {explanation.line - 1}; line"
            found.append(f"     {before if explanation.line > 1 else 'Line'} {explanation.line} is")
        found.append(f"         {explanation.right}")
        if explanation.yours:
            found += ["     and yours is", f"         {explanation.yours}"]
        return found
