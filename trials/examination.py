"""The examination of one random program, with a time limit, and its outcome."""

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
"""A program that takes longer is a finding."""
EVALUATED = 3
"""For every third program, the trial also proves the evaluation and runs the loops."""
TOLERANCE = 1e-6
CRASH, TOO_LONG = "crash", "too long"


class TooLong(BaseException):
    """A program took too long; a ``BaseException``, so that no ``except Exception`` hides it."""


@dataclass
class Outcome:
    """The outcome for one program; ``refused`` is the reason for a refusal, ``findings`` are (kind, description)."""

    refused: str = ""
    findings: list[tuple[str, str]] = field(default_factory=list)
    marks: Counter[str] = field(default_factory=Counter)
    points: int = 0
    seconds: float = 0.0

    def refuse(self, error: SymgradError) -> None:
        """Record why the program was not derived: the type of the error and its first line."""
        self.refused = f"{type(error).__name__}: {str(error).splitlines()[0]}"

    def mark(self, report: ProofReport, refuted: str) -> None:
        """Count the marks of a report; add its problems, and its wrong lines as kind ``refuted``, to the findings."""
        self.marks.update(report.counts)
        self.findings += [("problem", problem) for problem in report.problems]
        wrong = (mark for mark in report.marks if mark.level == Level.WRONG)
        self.findings += [(refuted, f"line {mark.number}: {mark.detail}") for mark in wrong]


def conclude(outcome: Outcome, examine: Callable[[], None]) -> None:
    """Examine a program within the time limit; record a crash or a timeout in its outcome."""
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
    """Raise ``TooLong`` after so many seconds of CPU time."""

    def stop(*_: object) -> None:
        raise TooLong

    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1)  # repeated: C callbacks may discard the exception
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def proofs(derived: Derivation, number: int) -> list[ProofReport]:
    """The proof of a derivation and, for every third program, of its evaluation."""
    found = [derived.prove()]
    if number % EVALUATED == 0 and derived.evaluation.steps:
        found.append(derived.evaluation.prove())
    return found


def print_all(derived: Derivation) -> None:
    """Print a derivation in every format, to find crashes."""
    derived.to_text(code=True)
    derived.to_latex(code=True, standalone=True)
    derived.to_html()
    derived.to_markdown(code=True)
