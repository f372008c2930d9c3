"""One random program examined: what came of it, whatever happens and however long it takes."""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from symgrad import Derivation
from symgrad.check.marks import Level, ProofReport
from symgrad.errors import SymgradError

SECONDS = 20
"""More than that for one program is a finding."""
EVALUATED = 3
"""Of one program in so many the lines on what the code evaluates are proved, and the loops are evaluated, too."""
TOLERANCE = 1e-6
CRASH, TOO_LONG = "crash", "too long"


class TooLong(BaseException):
    """One program took too long: no ``except Exception`` may hide it."""


@dataclass
class Outcome:
    """What came of one program: ``refused`` says why it was not derived, ``findings`` are (kind, what was found)."""

    refused: str = ""
    findings: list[tuple[str, str]] = field(default_factory=list)
    marks: Counter[str] = field(default_factory=Counter)
    points: int = 0
    seconds: float = 0.0

    def refuse(self, error: SymgradError) -> None:
        """Say why the program was not derived: the kind of the error and its first line."""
        self.refused = f"{type(error).__name__}: {str(error).splitlines()[0]}"

    def mark(self, report: ProofReport, refuted: str) -> None:
        """Count the marks of a report; its problems are findings, and lines that are wrong are of the kind named."""
        self.marks.update(report.counts)
        self.findings += [("problem", problem) for problem in report.problems]
        wrong = (mark for mark in report.marks if mark.level == Level.WRONG)
        self.findings += [(refuted, f"line {mark.number}: {mark.detail}") for mark in wrong]


def conclude(outcome: Outcome, examine: Callable[[], None]) -> None:
    """Examine a program within the time that it has, and note in its outcome if it crashes or takes too long."""
    start = time.process_time()
    try:
        with limited(SECONDS):
            examine()
    except TooLong:
        outcome.findings.append((TOO_LONG, f"more than {SECONDS} s"))
    except Exception:
        outcome.findings.append((CRASH, traceback.format_exc(limit=-6)))
    outcome.seconds = time.process_time() - start


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises ``TooLong`` after so many seconds of this process's time."""

    def stop(*_: object) -> None:
        raise TooLong

    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1)  # again: what runs in a callback of C is passed over
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def proofs(derived: Derivation, number: int) -> list[ProofReport]:
    """The proof of a derivation, and of one in so many that of what its code evaluates."""
    found = [derived.prove()]
    if number % EVALUATED == 0 and derived.evaluation.steps:
        found.append(derived.evaluation.prove())
    return found


def print_all(derived: Derivation) -> None:
    """Print a derivation in every form, for crashes."""
    derived.to_text(code=True)
    derived.to_latex(code=True, standalone=True)
    derived.to_html()
    derived.to_markdown(code=True)
