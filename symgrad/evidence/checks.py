"""The checks of ``symgrad check``: of all published numbers and recorded runs, or of one loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.resources import files
from itertools import chain
from typing import Any

import numpy as np

from symgrad.api import derive
from symgrad.array.loss import Loss
from symgrad.diagnosis import diagnose
from symgrad.errors import InputError
from symgrad.evidence.blog import PUBLISHED, section
from symgrad.evidence.generated_code import compare_at_large_inputs, compare_with_differences, computed, derived
from symgrad.evidence.library import KNOWN, Formula, Numbers, Wrong, entries, evaluated, inputs_of, sources
from symgrad.evidence.published import FLOAT32_EPSILON, read_published
from symgrad.evidence.report import Item, Report, Section, joint_proof, proof_items
from symgrad.evidence.runs import losses_with_runs, run_items
from symgrad.losses import LOSSES

Tell = Callable[[Section], object]
FLOAT64 = 2.0**-50
"""The rounding error of float64 relative to the largest number: four roundings."""


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


def check_formula(item: Formula) -> Item:
    """Whether the printed formula is the proved gradient; for a formula recorded as wrong, whether it is wrong and the
    diagnosis is as recorded: the mistake in words, and the line that the formula implies."""
    diagnosis = diagnose(derived(KNOWN[item.loss], (item.by,)), lambda *inputs: printed(item, inputs))
    sizes = " and ".join(" x ".join(f"{axis} = {size}" for axis, size in point.items()) for point in diagnosis.points)
    if diagnosis.ok:
        words = f"{item.formula} is the proved gradient at random inputs, {sizes or 'of no axes'}"
        return Item(item.what, not item.wrong, words + (", but it is recorded as wrong" if item.wrong else ""))
    words = f"{item.formula}: {diagnosis.deviations[0]}"
    if not diagnosis.explanations:
        return Item(item.what, False, f"{words}; nothing explains it")
    why = diagnosis.explanations[0]
    named = f"{why.words}: {why.yours}" if why.line is not None else why.words
    words += f"; line {why.line}, {why.right}, is not used as it stands" if why.line is not None else ""
    words = f"{'wrong: ' if item.wrong else ''}{words}; {named}"
    return Item(item.what, bool(item.wrong) and named == item.wrong, words)


def printed(item: Formula, inputs: tuple[Any, ...]) -> Any:
    """The value of the printed formula at these inputs of the loss, in the order of its program."""
    arrays = derived(KNOWN[item.loss], (item.by,)).program.inputs
    names: dict[str, Any] = {array.name: value for array, value in zip(arrays, inputs, strict=True)}
    shapes = {array: np.shape(names[array.name]) for array in arrays}
    sizes = {axis.name: size for array in arrays for axis, size in zip(array.axes, shapes[array], strict=True)}
    names = {**sizes, **names}
    for name, text in item.where.items():
        names[name] = evaluated(text, names)
    return evaluated(item.formula, names)


# --- printed numbers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A printed and a computed number; ``excess`` is their distance relative to the allowed error."""

    printed: str
    computed: float
    excess: float

    @property
    def ok(self) -> bool:
        return self.excess <= 1


def check_numbers(item: Numbers) -> Item:
    """Whether the generated function returns the printed numbers; for numbers recorded as wrong, whether they are wrong
    in the recorded way."""
    pairs = compared(item)
    worst = max(pairs, key=lambda pair: pair.excess)
    words = f"{worst.printed} printed, {worst.computed:.{_digits(worst.printed) + 3}g} computed"
    if len(pairs) > 1:
        words = f"{len(pairs)} numbers, of which the farthest {words}"
    if item.wrong is None:
        return Item(item.what, worst.ok, words)
    if worst.ok:
        return Item(item.what, False, f"{words}: recorded as wrong, but it is right")
    explained, how = _explained(item, item.wrong)
    return Item(item.what, explained, f"wrong: {words}; {item.wrong.because}{how}")


def _explained(item: Numbers, wrong: Wrong) -> tuple[bool, str]:
    """Whether the numbers are wrong in the recorded way, and the end of the message that says so."""
    if wrong.off_by:
        distance = max(abs(float(pair.printed) - pair.computed) for pair in compared(item))
        holds = abs(distance - float(wrong.off_by)) <= _half_unit(wrong.off_by)
        return holds, f" (off by {distance:.1e})"
    if wrong.times:
        pairs = compared(item, times=float(evaluated(wrong.times, inputs_of(KNOWN[item.loss], item.inputs))))
        return all(pair.ok for pair in pairs), f" ({wrong.times} times the right one)"
    loss = wrong.instead.get("loss", item.loss)
    inputs = {**item.inputs, **{name: value for name, value in wrong.instead.items() if name != "loss"}}
    return all(pair.ok for pair in compared(item, loss, inputs)), ""


def compared(
    item: Numbers, loss: str | None = None, inputs: Mapping[str, Any] | None = None, times: float = 1.0
) -> list[Pair]:
    """Each printed number, beside ``times`` the result of the item's loss (or another loss) at its inputs (or other
    inputs)."""
    known = KNOWN[loss or item.loss]
    at = inputs_of(known, inputs or item.inputs)
    values = computed(known, at)
    scale = times * float(evaluated(item.scale, at))
    pairs = []
    for name, printed in item.printed.items():
        result = values.loss if name == "loss" else values.gradients[name]
        result = at[name] - float(item.step) * result if item.step else scale * np.asarray(result)
        pairs += _pairs(printed, result, item)
    return pairs


def _pairs(printed: Any, result: Any, item: Numbers) -> list[Pair]:
    texts, numbers, shape = list(entries(printed)), np.ravel(result), np.shape(printed)
    if shape != np.shape(result):
        raise ValueError(f"published.json: {item.what}: printed with shape {shape}, computed with {np.shape(result)}")
    largest = max(abs(_value(text)) for text in texts if text is not None)
    rounding = (FLOAT32_EPSILON if item.float32 else FLOAT64) * largest
    return [
        Pair(text, float(number), _excess(text, float(number), rounding, item))
        for text, number in zip(texts, numbers, strict=True)
        if text is not None
    ]


def _excess(text: str, number: float, rounding: float, item: Numbers) -> float:
    """The distance of the computed number from the printed one, relative to the allowed error (digits and
    ``rounding``); cut-off digits may amount to a unit in the last place."""
    if not np.isfinite(number):
        return float("inf")
    if text.endswith("..."):
        sign = -1.0 if text.startswith("-") else 1.0
        return abs(number - (_value(text) + sign * _half_unit(text))) / (_half_unit(text) + rounding)
    half = 0.0 if item.exact else 0.5 * 10.0**-item.decimals if item.decimals else _half_unit(text)
    return abs(number - _value(text)) / max(half + rounding, 1e-300)


def _value(text: str) -> float:
    return float(text.removesuffix("..."))


def _half_unit(text: str) -> float:
    """Half a unit of the last printed digit."""
    exponent = Decimal(text.removesuffix("...")).as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)


def _digits(text: str) -> int:
    return len(Decimal(text.removesuffix("...")).as_tuple().digits)
