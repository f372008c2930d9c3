"""Mistakes about what is known of an input: a property used that it does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from symgrad.derive import derive_record
from symgrad.diagnosis.bench import Bench, adjoint_lines
from symgrad.diagnosis.hypotheses import Hypothesis, gradients
from symgrad.equations import Assumption, one_hot, rows_sum_to_one
from symgrad.notation import Array, array_names
from symgrad.steps import Record


def of_assumptions(record: Record) -> Iterator[Hypothesis]:
    """The derivation with one more assumption, for each of which a line of it makes use."""
    program = record.program
    for array in program.inputs:
        if array.name in record.wrt or len(array.axes) < 2:
            continue
        known = {a.words for a in program.assumptions}
        for assumed in ((rows_sum_to_one(array, "A"),), one_hot(array, "A")):
            new = tuple(a for a in assumed if a.words not in known)
            if not new:
                continue
            other = derive_record(replace(program, assumptions=(*program.assumptions, *_keyed(new))), record.wrt)
            used = [s for s in other.steps if s.assumption and s.assumption.words in {a.words for a in new}]
            if used:
                assert used[0].assumption
                words = f"it is used that {used[0].assumption.words}, which need not be so"
                yield Hypothesis("assumption", 0.9, _of(other), _last(record, array), partial(str, words))


def _keyed(assumptions: tuple[Assumption, ...]) -> tuple[Assumption, ...]:
    return tuple(replace(a, key=f"T{place}") for place, a in enumerate(assumptions, 1))


def _last(record: Record, array: Array) -> int | None:
    """The line that the other derivation does not stop at: the last about an adjoint that has the array in it."""
    steps = (s for s in adjoint_lines(record).values() if array.name in array_names(s.after))
    return next((s.number for s in steps), None)


def _of(record: Record) -> Callable[[Bench], dict[str, np.ndarray]]:
    return lambda bench: gradients(bench, Bench(record, bench.sizes, bench.inputs).adjoints)
