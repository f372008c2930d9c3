"""``symgrad check``: every line proved, and the closed forms held against published numbers and recorded runs.

The parts that decide stand in ``symgrad.check``; here they are given derivations and generated functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from typing import Any

import numpy as np
from sympy import Add, Expr, Mul, Rational, Sum
from sympy.tensor.indexed import Idx

from symgrad.api import Derivation, derive
from symgrad.array.loss import Loss
from symgrad.check.endtoend import check_end_to_end
from symgrad.check.marks import ProofReport
from symgrad.check.published import Published, probabilities_possible, read_published, rows_sum_to_zero, shapes_agree
from symgrad.check.recorded import BOUND, compare, recorded_cases
from symgrad.check.witness import Variant, Witness, evidence, expected_size, find_witness, witness_at
from symgrad.codegen import to_numpy
from symgrad.differences import LARGE, NoInputs, compare_at_large_inputs, compare_with_differences
from symgrad.errors import InputError
from symgrad.notation import axis_name, bound_indices
from symgrad.render.text import expression_text

PUBLISHED = ("softmax_mse", "softmax_cross_entropy")  # the losses whose printed gradients and runs are known
END_TO_END = {"N": 2, "D": 4, "C": 3}
WITNESS = 5e-8  # the largest error allowed at a witness; a finder that accepts what float32 can do allows more
STARTS = 4  # of the search for each formula: four in five of its starts lead to a witness where there is one


@dataclass(frozen=True)
class Item:
    """One thing checked: whether it holds, and what was found.

    ``compared`` is False where there was nothing to compare: then that it holds says nothing.
    """

    what: str
    ok: bool
    found: str
    compared: bool = True


@dataclass(frozen=True)
class Row:
    """What the published numbers can say of one formula, right or wrong.

    ``witness`` tells whether inputs were found at which it gives the printed numbers; ``size`` is the least
    |x|^2 + |w|^2 of those found, or None.
    """

    formula: str
    witness: bool
    size: float | None


@dataclass(frozen=True)
class Section:
    """What was checked of one loss."""

    loss: str
    items: tuple[Item, ...]
    rows: tuple[Row, ...] = ()
    expected_size: tuple[float, float] | None = None


@dataclass(frozen=True)
class Report:
    """All that was checked; ``ok`` only if everything holds."""

    sections: tuple[Section, ...]

    @property
    def ok(self) -> bool:
        return self.first_failure is None

    @property
    def first_failure(self) -> str | None:
        """The first thing that does not hold, in words, or None."""
        failed = (f"{s.loss}: {i.what}: {i.found}" for s in self.sections for i in s.items if not i.ok)
        return next(failed, None)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        return {"ok": self.ok, "first_failure": self.first_failure, "sections": [asdict(s) for s in self.sections]}


def check(published: str | None = None) -> Report:
    """Prove both losses and hold them against ``published`` (JSON text in the layout of the blog's numbers; the blog's
    own unless given) and against the recorded runs.

    Raises ``InputError`` for published numbers that are malformed or of a loss that is not known.
    """
    text = published if published is not None else _package_data("blog_values.json")
    try:
        numbers = read_published(text, PUBLISHED)
    except ValueError as error:
        raise InputError(f"published numbers: {error}") from None
    losses = [name for name in PUBLISHED if name in numbers or published is None]
    return Report(tuple(_section(name, numbers.get(name)) for name in losses))


def check_loss(loss: Loss, wrt: Sequence[str] | None = None) -> Report:
    """Prove every line of one loss; and hold the generated function against the loss itself."""
    derivation = derive(loss, wrt)
    items = _lines("proof of every line", derivation.prove())
    items += _lines("proof of what the code evaluates", derivation.evaluation.prove())
    function = derivation.to_numpy()
    items += [_differences(loss, function, list(derivation.gradients)), _large(loss, function)]
    return Report((Section(derivation.program.name, tuple(items)),))


def _differences(loss: Loss, function: Callable[..., Any], wrt: Sequence[str]) -> Item:
    """The generated function against the loss as NumPy runs it, and its gradients against finite differences."""
    what = "finite differences of the loss itself"
    try:
        found = compare_with_differences(loss, function, wrt)
    except NoInputs as reason:
        return Item(what, False, str(reason))
    sizes = " x ".join(f"{axis} = {size}" for axis, size in found.sizes.items())
    words = f"{found.entries} entries at random inputs, {sizes}: largest relative error {found.error:.1e}"
    return Item(what, found.ok, f"{words} ({found.worst}), allowed {found.allowed:.0e}")


def _large(loss: Loss, function: Callable[..., Any]) -> Item:
    """The generated function where exponentials overflow."""
    found = compare_at_large_inputs(loss, function)
    if not found.compared and found.ok:
        return Item("large inputs", True, f"nothing to compare: the loss overflows at all {found.draws} draws", False)
    words = found.wrong or (
        f"{found.draws} draws, up to {max(factor for _, factor in LARGE):g} times as large: every gradient is finite "
        f"where the loss is, the loss within {found.error:.1e} of NumPy's where that is finite"
    )
    if found.overflows:
        words += f"; the loss itself overflows at {found.overflows} of {found.draws}"
    return Item("large inputs", found.ok, words)


def _package_data(name: str) -> str:
    return (files("symgrad") / "data" / name).read_text(encoding="utf-8")


def _section(name: str, published: Published | None) -> Section:
    derivation = derive(name)
    items = [*_proof(derivation), *_recorded(derivation)]
    if published is None:
        return Section(name, tuple(items))
    rows = tuple(
        Row(row.name, row.witness is not None, row.witness.size if row.witness else None)
        for row in evidence(published, variants(derivation, published), starts=STARTS)
    )
    items += _published(derivation, published, rows[0].size)
    return Section(name, tuple(items), rows, expected_size(published))


def _proof(derivation: Derivation) -> list[Item]:
    items = _lines("proof of every line", derivation.prove())
    items += _lines("proof of what the code evaluates", derivation.evaluation.prove())
    end = check_end_to_end(derivation.record, END_TO_END)
    shape = " x ".join(f"{axis} = {size}" for axis, size in END_TO_END.items())
    found = f"{end.entries} entries equal SymPy's gradient of the loss written out, exactly"
    if not end.ok:
        found = f"wrong: {', '.join(end.wrong) or 'none'}; undecided: {', '.join(end.undecided) or 'none'}"
    items.append(Item(f"brute force at {shape}", end.ok, found))
    return items


def _lines(what: str, report: ProofReport) -> list[Item]:
    counts = ", ".join(f"{count} {words}" for words, count in report.counts.items())
    items = [Item(what, report.ok, f"{len(report.marks)} lines: {counts}")]
    return items + [Item(f"line {mark.number}", mark.ok, f"{mark.words}: {mark.detail}") for mark in report.weaker()]


def _recorded(derivation: Derivation) -> list[Item]:
    function = derivation.to_numpy()
    found = [compare(function, case) for case in recorded_cases() if case["loss"] == derivation.program.name]
    worst = max(found, key=lambda c: c.error)
    words = (
        f"{len(found)} runs in TensorFlow, largest relative error {worst.error:.1e} ({worst.id}), allowed {BOUND:.0e}"
    )
    return [Item("recorded runs", bool(found) and all(c.ok for c in found), words)]


def _published(derivation: Derivation, published: Published, size: float | None) -> list[Item]:
    """Invariants and witness; ``size`` is the least found for the formula as derived."""
    function = _gradients(derivation.to_numpy())
    at_zero = function(*(np.zeros(shape) for shape in _shapes(published)), published.Y)
    invariants = [shapes_agree(published, at_zero[0].shape, at_zero[1].shape), rows_sum_to_zero(published)]
    scale = _scale_of_probabilities(derivation, published)
    if scale is not None:
        invariants.append(probabilities_possible(published, scale))
    items = [Item(f"published: {i.name}", i.holds, i.detail) for i in invariants]
    witness = find_witness(published, function)
    if witness is None:
        return [*items, Item("published: witness", False, "no inputs found at which the printed numbers come out")]
    mean, deviation = expected_size(published)
    least = witness.size if size is None else size
    words = (
        f"largest error {witness.error:.1e} over the {published.values.size} printed numbers; "
        f"least |x|^2 + |w|^2 found {least:.0f}, standard normal inputs have {mean:.0f} +- {deviation:.0f}"
    )
    items.append(Item("published: witness, generated function", _close(witness, published), words))
    sizes = {"N": published.N, "D": published.D, "C": published.C}
    explicit = witness_at(published, _gradients(derivation.explicit(y=None, **sizes).lambdify()), witness.X, witness.W)
    words = f"largest error {explicit.error:.1e} at the same inputs"
    return [*items, Item("published: witness, lambdified entries", _close(explicit, published), words)]


def _close(witness: Witness, published: Published) -> bool:
    """Whether every printed number is reproduced, as far as its printing goes."""
    errors = np.abs(np.vstack([witness.dW, witness.db]) - published.values)
    return bool(np.all(errors <= np.maximum(WITNESS, published.resolution)))


def _shapes(published: Published) -> tuple[tuple[int, ...], ...]:
    return (published.N, published.D), (published.D, published.C), (published.C,)


def _gradients(function: Callable[..., Any]) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    def gradients(X: np.ndarray, W: np.ndarray, b: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, found = function(X, W, b, Y)
        return found.W, found.b

    return gradients


def _scale_of_probabilities(derivation: Derivation, published: Published) -> float | None:
    """The s for which s dL/dZ = P - Y, if the derived closed form says so; then s db + column sums of Y are sums of
    probabilities."""
    adjoint = derivation.record.adjoints["Z"]
    arrays = derivation.program.arrays
    residual = arrays["P"][adjoint.entry.indices] - arrays["Y"][adjoint.entry.indices]
    ratio = (residual / adjoint.index).cancel()
    sizes = {"N": published.N, "D": published.D, "C": published.C}
    value = ratio.subs({axis.size: sizes[axis.name] for axis in derivation.program.axes})
    return float(value) if value.is_number else None


def variants(derivation: Derivation, published: Published) -> dict[str, Variant]:
    """The derived formula and wrong ones made from it: other factors, other labels, each sum in dL/dZ left out
    or cut to its diagonal term (the sigmoid's form)."""
    N, C = published.N, published.C
    factors = {"sign flipped": -1, "extra 1/C": Rational(1, C), "1/N missing": N, "half of it": Rational(1, 2)}
    found = {"as derived": Variant(_gradients(derivation.to_numpy()))}
    adjoint = derivation.record.adjoints["Z"].index
    for words, factor in factors.items():
        found[words] = Variant(_with_adjoint(derivation, adjoint * factor))
    found[f"labels {_shifted(published)}"] = Variant(found["as derived"].gradients, _shifted(published))
    for bracket in (part for part in Mul.make_args(adjoint) if isinstance(part, Add)):
        for term in sorted(bracket.args, key=str):
            if isinstance(term, Sum) or term.has(Sum):
                words = f"{expression_text(term, derivation.record)} left out of dL/dZ"
                found[words] = Variant(_with_adjoint(derivation, adjoint.xreplace({bracket: bracket - term})))
                diagonal = {
                    total: _at(total, derivation.record.adjoints["Z"].entry.indices) for total in term.atoms(Sum)
                }
                words = f"only the diagonal term of {expression_text(term, derivation.record)}"
                found[words] = Variant(_with_adjoint(derivation, adjoint.xreplace(diagonal)))
    return found


def _at(total: Sum, indices: Sequence[Idx]) -> Expr:
    """The one term of a sum at which its index equals the free index over the same axis."""
    free = {axis_name(i): i for i in indices}
    return total.function.xreplace({i: free[axis_name(i)] for i in bound_indices(total)})


def _shifted(published: Published) -> tuple[int, ...]:
    return tuple((label + 1) % published.C for label in published.labels)


def _with_adjoint(derivation: Derivation, index: Expr) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The gradient function of a derivation in which dL/dZ is something else."""
    record = derivation.record
    adjoints: Mapping[str, Any] = record.adjoints | {"Z": replace(record.adjoints["Z"], index=index)}
    return _gradients(to_numpy(replace(record, adjoints=dict(adjoints))))
