"""The worked example: the one of lecture notes to the letter, and for any loss one that is right and can be read."""

from __future__ import annotations

from functools import cache
from typing import Any

import catalogue
import numpy as np
import pytest
import unseen
from catalogue import TYPICAL_PROGRAMS, derived_from, typical
from literal import complex_step, forward, slopes
from programs import ZOO

import symgrad
from symgrad import Derivation, Loss
from symgrad.array import softmax
from symgrad.example import LARGE, MOST_ENTRIES, TINY, worked_example
from symgrad.render.blocks import Example

OWN = unseen.LOSSES
LOSSES: dict[str, Loss] = {**symgrad.LOSSES, **OWN}


@cache
def derived(name: str) -> Derivation:
    """The derivation of a loss or of a test program, with its example, cached."""
    if name in OWN:
        return symgrad.derive(OWN[name])
    return catalogue.derived(name) if name in symgrad.LOSSES else derived_from(*ZOO[name])


def example_of(derivation: Derivation) -> Example:
    found = derivation.example
    assert found is not None
    return found


def values(quantities: Any) -> dict[str, np.ndarray]:
    return {quantity.array.name: quantity.values for quantity in quantities}


def test_the_softmax_classifier_of_lecture_notes() -> None:
    """One row with the probabilities (.2, .3, .5) and label 2 of 0..2: the gradient is (.2, .3, -.5)."""
    example = example_of(derived("softmax_cross_entropy"))
    assert dict(example.sizes) == {"N": 1, "D": 2, "C": 3}
    assert (
        "Y is the one-hot row of label 2 (of 0, 1, 2)." in example.remark and "P is (0.2, 0.3, 0.5)" in example.remark
    )
    assert "pushes the entry of the right class up, by 0.5 times the step size, and the others down." in example.signs
    inputs, defined, gradients = map(values, (example.inputs, example.defined, example.gradients))
    assert list(inputs) == ["X", "W", "b", "Y"] and inputs["Y"].tolist() == [[0, 0, 1]]
    assert list(defined) == ["Z", "S", "P"]
    assert defined["P"] == pytest.approx(np.array([[0.2, 0.3, 0.5]]), rel=1e-15)
    assert defined["S"] == pytest.approx(np.array([10.0]), rel=1e-15)
    assert example.loss == pytest.approx(np.log(2), rel=1e-15)
    assert list(gradients) == ["Z", "W", "b"]
    for name in ("Z", "b"):
        assert gradients[name].ravel() == pytest.approx([0.2, 0.3, -0.5], rel=1e-14)
    assert gradients["W"] == pytest.approx(np.outer(inputs["X"], [0.2, 0.3, -0.5]), rel=1e-14)


@pytest.mark.parametrize("name", typical(list(LOSSES)[::4]))
def test_every_loss_has_an_example_that_is_right(name: str) -> None:
    loss = LOSSES[name]
    example = example_of(derived(name))
    given = {name: a if a.ndim else float(a) for name, a in values(example.inputs).items()}
    for shape in (s for s in loss.shapes if s.labels):
        given[shape.name] = given.pop(shape.name.upper()).argmax(axis=-1)
    assert example.loss == pytest.approx(float(loss(**given)), rel=1e-12)
    gradients = values(example.gradients)
    assert list(gradients)[-len(loss.wrt) :] == list(loss.wrt)
    for wrt in loss.wrt:
        expected = slopes(loss, given, wrt)
        assert gradients[wrt] == pytest.approx(expected, rel=1e-6, abs=1e-6), wrt
        assert np.abs(gradients[wrt]).max() > 1e-2, f"nothing is seen of the gradient by {wrt}"
    for _, array in [*values(example.defined).items(), *gradients.items()]:
        assert array.ndim <= 2 and np.abs(array).max() < LARGE


@pytest.mark.parametrize("name", typical(list(ZOO)[::4], TYPICAL_PROGRAMS))
def test_every_program_has_an_example_that_is_right(name: str) -> None:
    """The example agrees with an evaluation of the equations entry by entry, and with complex steps."""
    program, wrt = derived(name).program, derived(name).record.wrt
    example = example_of(derived(name))
    arrays = forward(program, values(example.inputs), example.sizes)
    assert example.loss == pytest.approx(arrays[program.output].real, rel=1e-12)
    for quantity in example.defined:
        assert quantity.values == pytest.approx(arrays[quantity.array.name].real, rel=1e-12, abs=1e-12)
        assert quantity.values.size <= MOST_ENTRIES and quantity.array.name != program.output
    gradients = values(example.gradients)
    assert set(wrt) <= gradients.keys()
    if name == "clipped":  # both of its bounds are 1, where the derivative is a convention
        return
    for array, gradient in gradients.items():
        expected = complex_step(program, array, arrays, example.sizes)
        assert gradient == pytest.approx(expected, rel=1e-9, abs=1e-9), array


@pytest.mark.parametrize("name", [*typical([*LOSSES][::4]), *typical([*ZOO][::4], TYPICAL_PROGRAMS)])
def test_inputs_satisfy_what_is_said_of_them(name: str) -> None:
    derivation = derived(name)
    program, example = derivation.program, example_of(derivation)
    inputs = values(example.inputs)
    assert all((inputs[array.name] > 0).all() for array in program.inputs if array.positive)
    for scalar, default in program.defaults:
        said = f"{scalar} is {inputs[scalar]:g}, not {float(default):g} as by default."
        assert (inputs[scalar] != float(default)) == (said in example.remark)
        assert inputs[scalar] == float(default) or float(default) in (0, 0.5, 1)
    for assumption in program.assumptions:
        (array,) = (a for a in program.inputs if assumption.lhs.has(a.base))
        if assumption.domain is not None:
            assert assumption.domain.contains(inputs[array.name]).all()
        elif assumption.is_symmetry:
            assert (inputs[array.name] == inputs[array.name].T).all()
        else:
            assert (np.sort(inputs[array.name])[..., -1] == 1).all() and (inputs[array.name].sum(axis=-1) == 1).all()


@pytest.mark.slow
def test_it_is_the_same_each_time() -> None:
    one, other = (example_of(Derivation(derived("attention_head").record)) for _ in range(2))
    assert one.remark == other.remark
    for a, b in zip((*one.inputs, *one.gradients), (*other.inputs, *other.gradients), strict=True):
        assert (a.values == b.values).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "idle"), [("info_nce", "U"), ("clip_loss", "U"), ("attention_head", "Wq"), ("weighted_cross_entropy", "a")]
)
def test_a_second_row_where_one_shows_nothing(name: str, idle: str) -> None:
    example = example_of(derived(name))
    sizes = list(example.sizes.items())
    assert sizes[0][1] == 2
    smallest = ", ".join(f"{axis} = {size}" for axis, size in [(sizes[0][0], 1), *sizes[1:]])
    assert f"At {smallest} nothing would depend on {idle}." in example.remark


@pytest.mark.parametrize("name", typical(list(symgrad.LOSSES)[::4]))
def test_something_depends_on_every_input(name: str) -> None:
    """Each entry of an input is displaced by itself, except labels."""
    derivation = derived(name)
    evaluate, inputs = derivation.to_numpy(check=False), values(example_of(derivation).inputs)
    assumed = {
        array.name for array in derivation.program.inputs for a in derivation.assumptions if a.lhs.has(array.base)
    }
    before = run(evaluate, inputs)
    for array in inputs.keys() - assumed:
        changes = []
        for place in np.ndindex(inputs[array].shape):
            moved = np.array(inputs[array])
            moved[place] += 0.1
            after = run(evaluate, inputs | {array: moved})
            changes.append(max(np.abs(a - b).max() for a, b in zip(before, after, strict=True)))
        assert max(changes) > 1e-3, array


def run(evaluate: Any, inputs: dict[str, np.ndarray]) -> list[Any]:
    loss, gradients = evaluate(*(a if a.ndim else float(a) for a in inputs.values()))
    return [loss, *gradients]


def test_of_several_rows_the_first_has_simple_probabilities() -> None:
    example = example_of(derived("weighted_cross_entropy"))
    assert values(example.defined)["P"][0] == pytest.approx([0.2, 0.3, 0.5], rel=1e-14)
    assert "b is chosen so that the first row of P is (0.2, 0.3, 0.5)." in example.remark
    assert "Y has the one-hot rows of the labels 2, 0 (of 0, 1, 2)." in example.remark


@pytest.mark.parametrize(
    ("name", "scalar", "value"),
    [("temperature", "tau", 2), ("quantile", "q", 0.75), ("elastic_net", "alpha", 0.75), ("focal", "gamma", 2)],
)
def test_a_scalar_at_which_it_says_something(name: str, scalar: str, value: float) -> None:
    assert values(example_of(derived(name)).inputs)[scalar] == value


@pytest.mark.parametrize("name", ["huber", "quantile"])
def test_rows_on_both_sides(name: str) -> None:
    found = example_of(derived(name))
    e, delta = values(found.defined)["e"], float(values(found.inputs).get("delta", 0))
    assert min(np.abs(e)) < delta < max(np.abs(e)) or (delta == 0 and min(e) < 0 < max(e))
    assert "At N = 1, D = 2 only one branch of L would show." in found.remark


@pytest.mark.parametrize("name", typical(symgrad.LOSSES))
def test_no_number_is_tiny(name: str) -> None:
    found = example_of(derived(name))
    for quantity in (*found.defined, *found.gradients):
        sizes = np.abs(quantity.values)
        assert sizes[sizes > 0].min(initial=1) >= TINY, quantity.array.name


def test_the_numbers_are_those_of_the_function() -> None:
    """The function determines the loss and the gradients of the example, the equations the intermediates."""
    derivation = derived("softmax_cross_entropy")
    evaluate = derivation.to_numpy(check=False)

    def doubled(*given: Any) -> Any:
        loss, gradients = evaluate(*given)
        return 2 * loss, [2 * g for g in gradients]

    one, other = example_of(derivation), worked_example(derivation.record, doubled)
    assert other is not None and other.loss == 2 * one.loss
    for name, factor in (("W", 2), ("b", 2), ("Z", 1)):
        assert values(other.gradients)[name] == pytest.approx(factor * values(one.gradients)[name])


def test_logits_of_another_name_and_shape() -> None:
    """A softmax is recognized by its equations, here with the classes first and the logits as an input."""

    @symgrad.loss(shapes="scores: K M, T: K M", wrt="scores")
    def transposed(scores: Any, T: Any) -> Any:
        Q = softmax(scores, axis=0)
        return -np.sum(T * np.log(Q))

    example = example_of(symgrad.derive(transposed))
    assert dict(example.sizes) == {"K": 3, "M": 1}
    assert values(example.defined)["Q"].ravel() == pytest.approx([0.2, 0.3, 0.5])


def test_no_example_where_nothing_is_finite() -> None:
    @symgrad.loss(shapes="x: N", wrt="x")
    def nowhere(x: Any) -> Any:
        return np.sum(np.log(-(x**2) - (x - 1) ** 2))

    assert symgrad.derive(nowhere).example is None


def test_a_kink_is_avoided() -> None:
    """The first numbers of an example, 2 and 1, are kinks of this loss."""

    @symgrad.loss(shapes="x: N D", wrt="x")
    def kinked(x: Any) -> Any:
        return np.sum(np.abs(x - 2) + np.maximum(x, 1) ** 2)

    example = example_of(symgrad.derive(kinked))
    assert not np.isin(values(example.inputs)["x"], (1, 2)).any()
