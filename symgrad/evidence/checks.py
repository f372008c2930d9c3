"""The checks of ``symgrad check``: the two losses of the blog, all published numbers and recorded runs, or one loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import chain
from typing import Any

import numpy as np
from sympy import Add, Expr, Integer, Mul, Rational, Sum
from sympy.tensor.indexed import Idx

from symgrad.api import Derivation, derive
from symgrad.array.loss import Loss
from symgrad.check.brute_force import check_end_to_end
from symgrad.codegen import to_numpy
from symgrad.errors import InputError
from symgrad.evidence.generated_code import (
    BLOG,
    compare_at_large_inputs,
    compare_with_differences,
    derived,
    losses_with_runs,
    run_items,
)
from symgrad.evidence.input_search import Variant, Witness, evidence, expected_size, find_witness, witness_at
from symgrad.evidence.library import KNOWN, Formula, Numbers, check_formula, check_numbers, sources
from symgrad.evidence.published import Published, probabilities_possible, read_published, rows_sum_to_zero, shapes_agree
from symgrad.evidence.report import Item, Report, Row, Section, joint_proof, proof_items
from symgrad.losses import LOSSES
from symgrad.notation import axis_name, bound_indices, replaced
from symgrad.render.text import expression_text

PUBLISHED = ("softmax_mse", "softmax_cross_entropy")  # the losses whose printed gradients and runs are known
END_TO_END = {"N": 2, "D": 4, "C": 3}
WITNESS = 5e-8  # the largest error allowed at a witness; the search, which accepts float32 accuracy, allows more
STARTS = 4  # of the search for each formula; where a witness exists, four in five starts find one
Tell = Callable[[Section], object]


def check(published: str | None = None, *, each: Tell = lambda section: None) -> Report:
    """Prove the losses that have published numbers or recorded runs, and compare the gradients with these; call
    ``each`` with every section as soon as it is ready.

    With ``published`` (JSON text in the layout of the blog's numbers), check only the losses of the blog, against these
    numbers and the recorded runs.  Raises ``InputError`` for malformed published numbers or an unknown loss.
    """
    blog_values = files("symgrad") / "data" / "blog_values.json"
    text = blog_values.read_text(encoding="utf-8") if published is None else published
    try:
        numbers = read_published(text, PUBLISHED)
    except ValueError as error:
        raise InputError(f"published numbers: {error}") from None
    losses = [name for name in PUBLISHED if name in numbers or published is None]
    of_the_blog = (section(name, numbers.get(name)) for name in losses)
    return _report(chain(of_the_blog, _library() if published is None else ()), each)


def check_loss(loss: Loss, wrt: Sequence[str] | None = None, *, each: Tell = lambda section: None) -> Report:
    """Prove every line of one loss, and compare the generated function with the loss itself; for a catalogue loss, also
    with published numbers and recorded runs.  ``each`` is as in ``check``."""
    derivation = derive(loss, wrt)
    items = proof_items(derivation)
    function = derivation.to_numpy(check=False)  # the proof above reports errors
    items.append(compare_with_differences(loss, function, list(derivation.gradients)))
    items.append(compare_at_large_inputs(loss, function))
    sections = [Section(derivation.program.name, tuple(items))]
    if LOSSES.get(loss.name) is loss:
        known = [(source, _checked(item)) for source in sources() for item in source.items if item.loss == loss.name]
        items = [replace(item, what=f"{source.name}: {item.what}") for source, item in known]
        sections += [Section(f"{loss.name}: published", tuple(items))] if items else []
        items = run_items(loss)
        sections += [Section(f"{loss.name}: recorded runs", tuple(items))] if items else []
    return _report(sections, each)


def _report(sections: Iterable[Section], each: Tell) -> Report:
    """The report of some sections; ``each`` is called with every section as soon as it is ready."""
    ready: list[Section] = []
    for section_of_report in sections:
        each(section_of_report)
        ready.append(section_of_report)
    return Report(tuple(ready))


# --- published items and recorded runs --------------------------------------------------------------------------------


def _library() -> Iterator[Section]:
    """The proofs of the losses of published items, a section for each source, and the recorded runs."""
    library = sources()
    items = [item for source in library for item in source.items]
    used = dict.fromkeys((KNOWN[i.loss], (i.by,) if isinstance(i, Formula) else KNOWN[i.loss].wrt) for i in items)
    others = [(loss, by) for loss, by in used if loss not in losses_with_runs() or by != loss.wrt]
    proofs = joint_proof(derived(loss, by) for loss, by in others)
    yield Section("Published: the losses of the examples", tuple(proofs))
    for source in library:
        yield Section(f"Published: {source.name}", tuple(map(_checked, source.items)), where=source.where)
    recorded = losses_with_runs()
    runs = [item for loss in recorded for item in run_items(loss)]
    proofs = joint_proof(derived(loss, loss.wrt) for loss in recorded)
    yield Section("Recorded runs of the catalogue", (*proofs, *runs))


def _checked(item: Numbers | Formula) -> Item:
    return check_formula(item) if isinstance(item, Formula) else check_numbers(item)


# --- the two losses of the blog ---------------------------------------------------------------------------------------


def section(name: str, published: Published | None) -> Section:
    """The checks of one of the two losses: proofs, recorded runs and, if given, the ``published`` gradients."""
    derivation = derived(LOSSES[name], LOSSES[name].wrt)
    items = [*_proof(derivation), *run_items(LOSSES[name], BLOG)]
    if published is None:
        return Section(name, tuple(items))
    rows = tuple(
        Row(row.name, row.witness is not None, row.witness.size if row.witness else None)
        for row in evidence(published, variants(derivation, published), starts=STARTS)
    )
    items += _published(derivation, published, rows[0].size)
    return Section(name, tuple(items), rows, expected_size(published))


def _proof(derivation: Derivation) -> list[Item]:
    items = proof_items(derivation)
    end = check_end_to_end(derivation.record, END_TO_END)
    shape = " x ".join(f"{axis} = {size}" for axis, size in END_TO_END.items())
    words = f"{end.entries} entries equal SymPy's gradient of the loss written out, exactly"
    if not end.ok:
        words = f"wrong: {', '.join(end.wrong) or 'none'}; undecided: {', '.join(end.undecided) or 'none'}"
    items.append(Item(f"brute force at {shape}", end.ok, words))
    return items


def _published(derivation: Derivation, published: Published, size: float | None) -> list[Item]:
    """The invariants and the witness; ``size`` is the least witness size found for the derived formula."""
    function = _gradients(derivation.to_numpy())
    N, D, C = published.N, published.D, published.C
    at_zero = function(np.zeros((N, D)), np.zeros((D, C)), np.zeros(C), published.Y)
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
    sizes = {"N": N, "D": D, "C": C}
    explicit = witness_at(published, _gradients(derivation.explicit(y=None, **sizes).lambdify()), witness.X, witness.W)
    words = f"largest error {explicit.error:.1e} at the same inputs"
    return [*items, Item("published: witness, unrolled function", _close(explicit, published), words)]


def _close(witness: Witness, published: Published) -> bool:
    """Whether every printed number is reproduced, within its printed precision."""
    errors = np.abs(np.vstack([witness.dW, witness.db]) - published.values)
    return bool(np.all(errors <= np.maximum(WITNESS, published.resolution)))


def _gradients(function: Callable[..., Any]) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    def gradients(X: np.ndarray, W: np.ndarray, b: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, results = function(X, W, b, Y)
        return results.W, results.b

    return gradients


def _scale_of_probabilities(derivation: Derivation, published: Published) -> float | None:
    """The s with s dL/dZ = P - Y, if the closed form has this shape; then s db + column sums of Y are sums of
    probabilities."""
    adjoint = derivation.record.adjoints["Z"]
    arrays = derivation.program.arrays
    residual = arrays["P"][adjoint.entry.indices] - arrays["Y"][adjoint.entry.indices]
    ratio = (residual / adjoint.index).cancel()
    sizes = {"N": published.N, "D": published.D, "C": published.C}
    value = replaced(ratio, {axis.size: Integer(sizes[axis.name]) for axis in derivation.program.axes})
    return float(value) if value.is_number else None


def variants(derivation: Derivation, published: Published) -> dict[str, Variant]:
    """The derived formula, and wrong formulas made from it: other factors, other labels, and each sum in dL/dZ omitted
    or reduced to its diagonal term (as for a sigmoid)."""
    N, C = published.N, published.C
    factors = {"sign flipped": -1, "extra 1/C": Rational(1, C), "1/N missing": N, "half of it": Rational(1, 2)}
    by_words = {"as derived": Variant(_gradients(derivation.to_numpy()))}
    entry, adjoint = derivation.record.adjoints["Z"].entry, derivation.record.adjoints["Z"].index
    for words, factor in factors.items():
        by_words[words] = Variant(_with_adjoint(derivation, adjoint * factor))
    by_words[f"labels {_shifted(published)}"] = Variant(by_words["as derived"].gradients, _shifted(published))
    for bracket in (part for part in Mul.make_args(adjoint) if isinstance(part, Add)):
        for term in sorted(bracket.args, key=str):
            if isinstance(term, Sum) or term.has(Sum):
                words = f"{expression_text(term, derivation.record)} left out of dL/dZ"
                by_words[words] = Variant(_with_adjoint(derivation, replaced(adjoint, {bracket: bracket - term})))
                diagonal = {total: _at(total, entry.indices) for total in term.atoms(Sum)}
                words = f"only the diagonal term of {expression_text(term, derivation.record)}"
                by_words[words] = Variant(_with_adjoint(derivation, replaced(adjoint, diagonal)))
    return by_words


def _at(total: Sum, indices: Sequence[Idx]) -> Expr:
    """The term of a sum in which its index equals the free index over the same axis."""
    free = {axis_name(i): i for i in indices}
    return replaced(total.function, {i: free[axis_name(i)] for i in bound_indices(total)})


def _shifted(published: Published) -> tuple[int, ...]:
    return tuple((label + 1) % published.C for label in published.labels)


def _with_adjoint(derivation: Derivation, index: Expr) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The gradient function of a derivation with another dL/dZ."""
    record = derivation.record
    adjoints: Mapping[str, Any] = record.adjoints | {"Z": replace(record.adjoints["Z"], index=index)}
    return _gradients(to_numpy(replace(record, adjoints=dict(adjoints))))
