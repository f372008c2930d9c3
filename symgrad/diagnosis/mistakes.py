"""The mistakes that a diagnosis can name, and the functions that make hypotheses of them.

``KINDS`` is an index by kind, for readers.  ``ROUNDS`` lists the generators that are run; ``explanations`` tries
mistakes in the result before them.  A bias gradient that is not summed over the rows, for example, is "unsummed":
``result_mistakes.layouts`` makes the hypothesis, and ``edits.sums`` the one for a sum that is cut short inside a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from symgrad.diagnosis import backward_mistakes as backward
from symgrad.diagnosis import edits, explanations, extremes
from symgrad.diagnosis import equation_mistakes as equations
from symgrad.diagnosis import input_mistakes as inputs
from symgrad.diagnosis import result_mistakes as result
from symgrad.diagnosis.hypothesis import Hypothesis
from symgrad.steps import Record

Generator = Callable[[Record], Iterator[Hypothesis]]


class Kind(NamedTuple):
    """A kind of mistake in ``words``, and the functions that make hypotheses of this kind."""

    words: str
    makers: tuple[Callable[..., Any], ...]


KINDS: Mapping[str, Kind] = {
    "factor": Kind(
        "a wrong constant or axis size; a sum for a mean or the reverse",
        (result.Fit, edits.terms, edits.factors, edits.sizes),
    ),
    "sign": Kind(
        "the gradient, a term or an input has the wrong sign",
        (result.Fit, inputs.value_changes, edits.terms, edits.true_class),
    ),
    "shape": Kind("the right numbers in the wrong shape", (result.layouts,)),
    "transposed": Kind("an array or a gradient is transposed", (result.layouts, inputs.value_changes)),
    "unsummed": Kind("a gradient is not summed over an axis, or a sum is cut short", (result.layouts, edits.sums)),
    "axis": Kind("a reduction over the wrong axis", (result.layouts, equations.moved_reductions, edits.moved_sums)),
    "zero": Kind("a gradient is 0 everywhere", (explanations.with_zeros,)),
    "labels": Kind("the labels are shifted, or belong to other rows", (inputs.label_changes,)),
    "assumption": Kind(
        "a property of the labels is used that they do not have",
        (inputs.label_changes, inputs.of_assumptions, edits.hard_labels),
    ),
    "missing": Kind("an input or a term is left out", (inputs.value_changes, inputs.constants, edits.terms)),
    "term": Kind(
        "a term is left out or has a wrong factor", (edits.terms, edits.factors, edits.powers, edits.extra_factors)
    ),
    "power": Kind("a product is used instead of a power", (edits.powers, edits.powers_as_products)),
    "branch": Kind(
        "a branch of a piecewise function is left out, or used everywhere",
        (edits.branches, edits.factors, equations.slopes_of_parts),
    ),
    "skipped": Kind("a function is not applied in the forward pass", (edits.changes, edits.branches, edits.powers)),
    "twice": Kind(
        "a function, or its derivative, is applied once too often",
        (equations.functions_applied_twice, backward.jacobian_edits),
    ),
    "jacobian": Kind(
        "the derivative of a function is left out",
        (backward.jacobian_edits, backward.adjoints_of_later_arrays, equations.slopes_of_parts),
    ),
    "diagonal": Kind("the off-diagonal entries of a Jacobian are dropped", (backward.jacobian_edits, edits.sums)),
    "path": Kind(
        "something that depends on the input is treated as constant",
        (backward.jacobian_edits, backward.single_paths, equations.slopes_of_parts),
    ),
    "swapped": Kind(
        "one array or gradient is used instead of another",
        (
            inputs.of_inputs,
            edits.swapped_arrays,
            edits.arrays_swapped_throughout,
            edits.true_class,
            equations.exchanged_arrays,
            backward.jacobian_edits,
            backward.swapped_gradients,
            backward.summed_gradients,
        ),
    ),
    "precision": Kind("right at ordinary inputs, wrong at extreme ones", (extremes.extremes,)),
    "size": Kind("right at other sizes of an axis, wrong at one size", (extremes.extremes,)),
}

ROUNDS: Sequence[Sequence[Generator]] = (
    (inputs.of_inputs, backward.of_jacobians, equations.of_equations, inputs.of_assumptions, backward.of_lines),
    (backward.of_lines_more_widely,),
)
"""The generators of all hypotheses except mistakes in the result; the second round runs only if the first fails."""
