"""The checks of ``symgrad check``: of all published numbers and recorded runs, or of one loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import chain
from typing import Any

import numpy as np

from symgrad.api import derive
from symgrad.array.loss import Loss
from symgrad.diagnosis import diagnose
from symgrad.errors import InputError
from symgrad.evidence.blog import PUBLISHED, section
from symgrad.evidence.generated_code import compare_at_large_inputs, compare_with_differences
from symgrad.evidence.library import KNOWN, Formula, Numbers, sources
from symgrad.evidence.numbers import check_numbers
from symgrad.evidence.published import read_published
from symgrad.evidence.report import Item, Report, Section, joint_proof, proof_items
from symgrad.evidence.runs import losses_with_runs, run_items
from symgrad.evidence.values import derived, evaluated
from symgrad.losses import LOSSES

Tell = Callable[[Section], object]


def check(published: str | None = None, *, each: Tell = lambda section: None) -> Report:
    """Prove the losses that have published numbers or recorded runs, and compare the gradients with these; call
    ``each`` with every section as soon as it is ready.

    With ``published`` (JSON text in the layout of the blog's numbers), check only the losses of the blog, against these
    numbers and the recorded runs.  Raises ``InputError`` for malformed published numbers or an unknown loss.
    """
    text = published
    if text is None:
        text = (files("symgrad") / "data" / "blog_values.json").read_text(encoding="utf-8")
    try:
        numbers = read_published(text, PUBLISHED)
    except ValueError as error:
        raise InputError(f"published numbers: {error}") from None
    losses = [name for name in PUBLISHED if name in numbers or published is None]
    found: list[Section] = []
    for made in chain((section(name, numbers.get(name)) for name in losses), _library() if published is None else ()):
        each(made)
        found.append(made)
    return Report(tuple(found))


def check_loss(loss: Loss, wrt: Sequence[str] | None = None, *, each: Tell = lambda section: None) -> Report:
    """Prove every line of one loss, and compare the generated function with the loss itself; for a catalogue loss, also
    with published numbers and recorded runs.  ``each`` is as in ``check``."""
    derivation = derive(loss, wrt)
    items = proof_items(derivation)
    function = derivation.to_numpy(check=False)  # what is wrong is said above
    items.append(compare_with_differences(loss, function, list(derivation.gradients)))
    items.append(compare_at_large_inputs(loss, function))
    found = [Section(derivation.program.name, tuple(items))]
    if LOSSES.get(loss.name) is loss:
        known = [(source, _checked(item)) for source in sources() for item in source.items if item.loss == loss.name]
        items = [replace(item, what=f"{source.name}: {item.what}") for source, item in known]
        found += [Section(f"{loss.name}: published", tuple(items))] if items else []
        items = run_items(loss)
        found += [Section(f"{loss.name}: recorded runs", tuple(items))] if items else []
    for made in found:
        each(made)
    return Report(tuple(found))


# What was published, and recorded


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


def check_formula(item: Formula) -> Item:
    """Whether the printed formula is the proved gradient; for a formula recorded as wrong, whether it is wrong and the
    diagnosis is as recorded: the mistake in words, and the line that the formula implies."""
    found = diagnose(derived(KNOWN[item.loss], (item.by,)), lambda *inputs: printed(item, inputs))
    sizes = " and ".join(" x ".join(f"{axis} = {size}" for axis, size in point.items()) for point in found.points)
    if found.ok:
        words = f"{item.formula} is the proved gradient at random inputs, {sizes or 'of no axes'}"
        return Item(item.what, not item.wrong, words + (", but it is recorded as wrong" if item.wrong else ""))
    words = f"{item.formula}: {found.deviations[0]}"
    if not found.explanations:
        return Item(item.what, False, f"{words}; nothing explains it")
    why = found.explanations[0]
    named = f"{why.words}: {why.yours}" if why.line is not None else why.words
    words += f"; line {why.line}, {why.right}, is not used as it stands" if why.line is not None else ""
    words = f"{'wrong: ' if item.wrong else ''}{words}; {named}"
    return Item(item.what, bool(item.wrong) and named == item.wrong, words)


def printed(item: Formula, inputs: tuple[Any, ...]) -> Any:
    """The value of the printed formula at these inputs of the loss, in the order of its program."""
    arrays = derived(KNOWN[item.loss], (item.by,)).program.inputs
    names: dict[str, Any] = {array.name: value for array, value in zip(arrays, inputs, strict=True)}
    sizes = {axis.name: np.shape(names[array.name])[place] for array in arrays for place, axis in enumerate(array.axes)}
    names = {**sizes, **names}
    for name, text in item.where.items():
        names[name] = evaluated(text, names)
    return evaluated(item.formula, names)
