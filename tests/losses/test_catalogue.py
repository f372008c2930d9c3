"""Every ready-made loss: derived, proved, generated, and held against differences of itself and against ``jax.grad``.

A loss is a NumPy function, so that JAX differentiates the very same one, its module's NumPy exchanged for JAX's.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import INVERSES, NAMES, TENSORS, derived, typical

from symgrad.codegen import compile_source
from symgrad.evidence import generated_code
from symgrad.evidence.generated_code import arguments, compare_with_differences
from symgrad.losses import LOSSES
from symgrad.render.layout import layout
from symgrad.render.text import to_text
from symgrad.sampling import InputSpace

FUNCTIONS = {
    "gelu_perceptron": ["Φ(x) =", "φ(x) ="],
    "huber": ["clip(x,"],
    "multiclass_hinge": ["q_nk ="],
    "quantile": ["H(x) is"],
}
"""The functions whose meaning stands below the results."""


@pytest.mark.parametrize("name", typical(NAMES))
def test_each_says_what_its_gradient_means_below_it(name: str) -> None:
    about = derived(name).program.about
    page = to_text(layout(derived(name).record, title=False, detail="short")).split("\n\nAxes\n")[0]
    assert page.startswith("Forward equations\n")
    meaning, *legend = page.split("\nThe gradients\n")[1].split("\n\n")[1:]
    assert " ".join(meaning.split())[-60:] == about[-60:] and "_" not in meaning
    assert len(re.findall(r"[.](?: |$)", about)) in (1, 2, 3)
    assert all(any(words.startswith(start) for words in legend) for start in FUNCTIONS.get(name, []))


def sizes_of(name: str) -> dict[str, int]:
    return generated_code.sizes_of(derived(name).program)


def inputs_of(name: str, seed: int = 3) -> dict[str, Any]:
    """The inputs by name; labels are whole numbers."""
    program = derived(name).program
    inputs = InputSpace(program).random(sizes_of(name), np.random.default_rng(seed))
    return arguments(LOSSES[name], program, inputs)


def in_order(name: str, inputs: dict[str, Any]) -> list[Any]:
    labels = dict(derived(name).program.labels)
    return [inputs[labels.get(array.name, array.name)] for array in derived(name).program.inputs]


@pytest.mark.parametrize("name", typical(NAMES))
def test_every_line_is_proved_at_every_shape(name: str) -> None:
    for report in (derived(name).prove(), derived(name).evaluation.prove()):
        assert set(report.counts) <= {"definition", "every shape"}, report.counts


@pytest.mark.parametrize("name", typical(NAMES))
def test_every_gradient_has_both_notations(name: str) -> None:
    derivation = derived(name)
    assert list(derivation.gradients) == list(LOSSES[name].wrt)
    assert {g.matrix is not None for g in derivation.gradients.values()} == {name not in TENSORS}


@pytest.mark.parametrize("name", typical(NAMES))
def test_the_generated_function_is_the_loss_and_its_differences(name: str) -> None:
    found = compare_with_differences(LOSSES[name], derived(name).to_numpy(), LOSSES[name].wrt)
    assert found.ok, found


@pytest.mark.parametrize("name", typical(name for name in NAMES if name not in INVERSES))
def test_the_scalar_target_agrees(name: str) -> None:
    source = derived(name).to_source("f", target="scalar", sizes=sizes_of(name))
    given = in_order(name, inputs_of(name))
    value, grads = derived(name).to_numpy()(*given)
    unrolled, slopes = compile_source(source, "f")(*given)
    assert unrolled == pytest.approx(value, rel=1e-12)
    for one, other in zip(slopes, grads, strict=True):
        assert np.allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_source_is_named(name: str) -> None:
    words = inspect.getdoc(LOSSES[name].function) or ""
    assert re.search(r"\(1[789]\d\d\)|\(20\d\d\)", words), "the publication, with its year"
    assert LOSSES[name].summary == words.split("\n")[0].rstrip(".")


# --- JAX ----------------------------------------------------------------------------------------------------------


@pytest.mark.jax
@pytest.mark.parametrize("name", sampled(NAMES[::2], "softmax_cross_entropy"))
def test_agrees_with_jax(name: str) -> None:
    pytest.importorskip("jax")
    from benchmarks.jaxed import value_and_grad

    inputs = inputs_of(name, seed=11)
    value, grads = derived(name).to_numpy()(*in_order(name, inputs))
    function, order = value_and_grad(LOSSES[name])
    expected, slopes = function(*(inputs[key] for key in order))
    assert value == pytest.approx(float(expected), rel=1e-12)
    for gradient, slope in zip(grads, slopes, strict=True):
        assert np.allclose(gradient, slope, rtol=1e-10, atol=1e-12 * max(1.0, np.abs(slope).max()))
