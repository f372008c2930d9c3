"""Lines corrupted in every place, and which of them the prover accepts although their values differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

import literal
import numpy as np
from sympy import Add, Expr, HadamardProduct, Indexed, Integer, MatAdd, MatMul, MatrixExpr, MatrixSymbol

from symgrad.check.obligations import Claim, claims
from symgrad.check.proof import Prover
from symgrad.notation import array_names, axis_name, free_indices
from symgrad.steps import Record, Step

SHARE = 6  # of the corruptions of a line, one in so many: all of them are a trial (python -m trials corrupted)


def corruptions(step: Step, sizes: dict[str, Expr]) -> Iterator[tuple[str, Expr]]:
    """Wrong right sides of the same shape."""
    after = step.after
    n, c = sizes.get("N", Integer(2)), next((s for a, s in sizes.items() if a != "N"), Integer(3))
    factors: dict[str, Expr] = {
        "sign": Integer(-1),
        "2": Integer(2),
        "(C-1)/N": (c - 1) / n,
        "C/3": c / 3,
        "(N-1)-(C-2)": (n - 1) - (c - 2),
        "N(N-1)/2": n * (n - 1) / 2,
    } | {axis: size for axis, size in sizes.items()}
    for label, factor in factors.items():
        yield f"factor {label}", (MatMul(factor, after) if isinstance(after, MatrixExpr) else factor * after)
    yield from dropped_terms(after)
    yield from swapped_indices(after)
    if not isinstance(after, MatrixExpr):
        hidden = (n - 1) * (n - 2) * (n - 3) * (n - 5)
        yield "a factor that is 1 at every shape of the series", after * (1 + hidden)
        yield "a term that vanishes at N = 1", after + (n - 1) * (n - 2) * (n - 3)
        yield "y squared", after.replace(lambda e: isinstance(e, Indexed) and e.base.name == "Y", lambda e: e**2)
    else:
        yield (
            "y squared",
            after.replace(
                lambda e: isinstance(e, MatrixSymbol) and e.name == "Y", lambda e: HadamardProduct(e, e, evaluate=False)
            ),
        )


def dropped_terms(after: Expr) -> Iterator[tuple[str, Expr]]:
    for total in after.atoms(Add, MatAdd):
        if not total.free_symbols & {s for s in after.free_symbols if not s.is_integer}:
            continue
        for place, term in enumerate(total.args):
            rest = [*total.args[:place], *total.args[place + 1 :]]
            yield f"without {term}", after.xreplace({total: total.func(*rest)})


def swapped_indices(after: Expr) -> Iterator[tuple[str, Expr]]:
    free = sorted(free_indices(after), key=str)
    for entry in sorted(after.atoms(Indexed), key=str):
        for place, old in enumerate(entry.indices):
            for new in free:
                if new != old and axis_name(new) == axis_name(old):
                    indices = [*entry.indices[:place], new, *entry.indices[place + 1 :]]
                    yield f"{entry} with {new} for {old}", after.xreplace({entry: entry.base[tuple(indices)]})


def wrongly_accepted(record: Record) -> Iterator[str]:
    """The corruptions that pass although the values of the two sides differ, of a share of those of each line."""
    sizes = {axis.name: axis.size for axis in record.program.axes}
    prover = Prover(record)
    for place, (step, claim) in enumerate(zip(record.steps, claims(record), strict=True)):
        for label, wrong in islice(corruptions(step, sizes), place % SHARE, None, SHARE):
            steps = (*record.steps[:place], replace(step, after=wrong))
            corrupted = claims(replace(record, steps=steps))[-1]
            if not isinstance(corrupted, Claim):
                continue  # its axes do not fit
            mark = prover.verdict(corrupted)
            if mark.ok and differ(record, claim, corrupted):
                yield f"{step.number}: {step.subject} = {step.after}: {label}: {wrong}: {mark}"
        prover.mark(claim)


def differ(record: Record, right: Claim, wrong: Claim) -> bool:
    """Whether two right sides differ in floating point, at true values of all names and at a shape of its own."""
    sizes = {axis.name: size for axis, size in zip(record.program.axes, (4, 3, 5, 2), strict=False)}
    letters, values = right.letters, true_values(record, bool(right.allowed))
    for place in product(*(range(sizes[axis_name(i)]) for i in letters)):
        at = dict(zip(letters, place, strict=True))
        found = [literal.value(side.after, values, sizes, at) for side in (right, wrong)]
        if abs(found[0] - found[1]) > 1e-9 * (1 + abs(found[0])):
            return True
    return False


_values: dict[tuple[str, bool], dict[str, np.ndarray]] = {}


def true_values(record: Record, assumed: bool) -> dict[str, np.ndarray]:
    """Forward values and adjoints; inputs that satisfy no assumption unless ``assumed``."""
    program = record.program
    if (program.name, assumed) not in _values:
        sizes = {axis.name: size for axis, size in zip(program.axes, (4, 3, 5, 2), strict=False)}
        inputs = literal.random_inputs(program, sizes)
        for name in {n for a in program.assumptions for n in array_names(a.lhs)}:
            if not assumed:
                inputs[name] = np.random.default_rng(1).standard_normal(inputs[name].shape)
        values = literal.forward(program, inputs, sizes)
        for name, array in record.adjoint_arrays.items():
            values[array.name] = literal.complex_step(program, name, values, sizes)
        _values[program.name, assumed] = values
    return _values[program.name, assumed]
