"""Golden files: ``python -m pytest --update`` writes them anew, to be read in the diff.

Where the environment variable ``CI`` is set, a test that is skipped fails, and says why it was skipped: there all that
tests need is installed.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

import pytest

if TYPE_CHECKING:
    from symgrad import Derivation, Program
    from symgrad.steps import Record

# Before SymPy is imported.  A session has hundreds of losses, of whose parts SymPy would remember a thousand.
os.environ.setdefault("SYMPY_CACHE_SIZE", "20000")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
GOLDEN = Path(__file__).parent / "golden"
KEPT = 300  # derivations; all of those of a session would take gigabytes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write the golden files anew")


def pytest_configure() -> None:
    # Every collection walks through all that SymPy remembers: left to itself Python spends a sixth of the time on it.
    gc.set_threshold(100_000, 20, 100)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _unskipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _unskipped((yield))


def _unskipped(report: Report) -> Report:
    """In CI, a failure in the place of a skip; an expected failure is none."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"CI skips no test, but this one: {reason}"
    return report


@pytest.fixture(scope="session", autouse=True)
def derivations_are_shared() -> Iterator[None]:
    """Derive a program once in a session, for all tests that ask for it, and so prove it and write its code once.

    A derivation depends on the program and ``wrt`` alone.  A test that replaces a part of the package makes its own:
    ``symgrad.Derivation(record)``.
    """
    from symgrad import api
    from symgrad.diagnosis import (
        driver,
    )  # which the package imports on first use, and whose Derivation must be the class

    assert driver.Derivation is api.Derivation
    derive_record, new = api.derive_record, api.Derivation
    alive: WeakValueDictionary[int, Derivation] = WeakValueDictionary()

    @lru_cache(maxsize=KEPT)
    def made(program: Program, wrt: tuple[str, ...]) -> Derivation:
        derivation = new(derive_record(program, wrt))
        alive[id(derivation.record)] = derivation
        return derivation

    def shared_record(program: Program, wrt: Iterable[str]) -> Record:
        return made(program, tuple(wrt)).record

    def shared(record: Record) -> Derivation:
        return alive.get(id(record)) or new(record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "derive_record", shared_record)
        patch.setattr(api, "Derivation", shared)
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)`` compares a text with the golden file of that name."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no golden file {name}: run pytest with --update and read the result"
        assert text == path.read_text(encoding="utf-8"), f"{name} differs: run pytest with --update to accept it"

    return compare
