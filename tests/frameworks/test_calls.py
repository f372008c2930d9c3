"""The conventions shown beside a derivation, and the calls of frameworks: definitions against recorded runs."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import frameworks_in_numpy
import numpy as np
import pytest
import unseen
from cases import sampled
from literal import forward, random_inputs
from programs import ZOO
from sympy import Function

import symgrad
from symgrad.array import logsumexp, softmax, softplus
from symgrad.array.expression import parse
from symgrad.frameworks import conventions
from symgrad.frameworks.calls import KNOWN, Known
from symgrad.program import Program

ALLOWED = {"keras.losses.LogCosh()(y, z)": 1e-8}
"""Relative errors; 1e-12 for all others.  Keras subtracts log 2 in single precision."""
RECORDED = json.loads((Path(__file__).parents[1] / "data" / "frameworks.json").read_text(encoding="utf-8"))
CASES = [(name, case) for name, runs in RECORDED.items() for case in runs["cases"]]
F, K = "torch.nn.functional.", "keras.losses."
SIZES = {"N": 4, "D": 3, "C": 5, "H": 2, "T": 4, "M": 3, "K": 2, "B": 2, "E": 3, "G": 2, "I": 3, "J": 2, "R": 2, "V": 5}

# loss -> what PyTorch and Keras call it; a loss that is not here has neither
CALLS: dict[str, tuple[str, str]] = {
    "softmax_cross_entropy": ("cross_entropy(Z, Y)", "CategoricalCrossentropy(from_logits=True)(Y, Z)"),
    "softmax_mse": ("mse_loss(P, Y)", "MeanSquaredError()(Y, P)"),
    "weighted_cross_entropy": ("cross_entropy(Z, Y.argmax(1), weight=a)", ""),
    "label_smoothing": (
        "cross_entropy(Z, Y, label_smoothing=alpha)",
        "CategoricalCrossentropy(from_logits=True, label_smoothing=alpha)(Y, Z)",
    ),
    "temperature": ("cross_entropy(Z / tau, Y)", "CategoricalCrossentropy(from_logits=True)(Y, Z / tau)"),
    "focal": ("", "CategoricalFocalCrossentropy(alpha=1, gamma=gamma, from_logits=True)(Y, Z)"),
    "distillation": (
        'kl_div(torch.log_softmax(Z / tau, 1), torch.log_softmax(V / tau, 1), log_target=True, reduction="batchmean")',
        "",
    ),
    "logistic": ("binary_cross_entropy_with_logits(z, y)", "BinaryCrossentropy(from_logits=True)(y, z)"),
    "mse": ("mse_loss(X @ w + b, y)", "MeanSquaredError()(y, X @ w + b)"),
    "mae": ("l1_loss(X @ w + b, y)", "MeanAbsoluteError()(y, X @ w + b)"),
    "huber": ("huber_loss(X @ w + b, y, delta=delta)", "Huber(delta=delta)(y, X @ w + b)"),
    "log_cosh": ("", "LogCosh()(y, X @ w + b)"),
    "poisson": ("poisson_nll_loss(z, y)", ""),
    "gaussian": ("gaussian_nll_loss(X @ w + b, y, torch.exp(s), eps=0)", ""),
    "info_nce": ("cross_entropy(Z, torch.arange(len(Z)))", ""),
    "clip_loss": (
        f"cross_entropy(Z, torch.arange(len(Z))) + {F}cross_entropy(Z.T, torch.arange(len(Z)))) / 2",
        "",
    ),
    "tanh_perceptron": ("cross_entropy(Z, Y)", "CategoricalCrossentropy(from_logits=True)(Y, Z)"),
    "relu_perceptron": ("cross_entropy(Z, Y)", "CategoricalCrossentropy(from_logits=True)(Y, Z)"),
    "gelu_perceptron": ("cross_entropy(Z, Y)", "CategoricalCrossentropy(from_logits=True)(Y, Z)"),
    "attention_head": ('mse_loss(O, Y, reduction="sum")', ""),
}
BEFORE = {"distillation": "tau**2 * ", "clip_loss": "("}


def calls(program: Program) -> dict[str, str]:
    return {fact.topic: fact.call for fact in conventions(program) if fact.call}


def words(program: Program) -> list[tuple[str, str]]:
    return [(fact.topic, fact.words) for fact in conventions(program) if not fact.call]


# That a definition is what a framework computes


def templates(known: Known) -> dict[str, str]:
    return {name: call.format_map({n: n for n in arguments(known)}) for name, call in known.calls.items()}


def arguments(known: Known) -> list[str]:
    return [declared.split(":")[0].strip() for declared in known.shapes[0].split(",")]


@pytest.mark.parametrize("known", KNOWN, ids=lambda k: k.torch or k.keras)
def test_definitions_are_what_the_frameworks_computed(known: Known) -> None:
    for framework, call in templates(known).items():
        runs = [c for c in RECORDED[{"PyTorch": "torch", "Keras": "keras"}[framework]]["cases"] if c["call"] == call]
        assert {run["shapes"] for run in runs} >= set(known.shapes), f"{call} is not recorded"
        for run in (r for r in runs if list(r["arguments"]) == arguments(known)):
            given = {name: np.array(value) for name, value in run["arguments"].items()}
            for definition in known.definitions:
                assert float(parse(definition, run["shapes"])(*given.values())) == pytest.approx(
                    run["value"], rel=ALLOWED.get(call, 1e-12)
                ), call


@pytest.mark.parametrize("known", KNOWN, ids=lambda k: k.torch or k.keras)
def test_definitions_have_the_functions_that_are_said(known: Known) -> None:
    """A program without them is not compared."""
    for shapes, definition in product(known.shapes, known.definitions):
        program = parse(definition, shapes).program()
        found = {f.func.__name__ for d in program.ordered for f in d.rhs.atoms(Function)}
        assert " ".join(sorted(found)) == known.functions


def test_the_versions_are_said() -> None:
    assert {name: runs["version"] for name, runs in RECORDED.items()} == {"keras": "3.15.1", "torch": "2.13.0+cpu"}


@pytest.mark.parametrize(("framework", "case"), CASES, ids=lambda x: x["call"] if isinstance(x, dict) else x)
def test_the_stand_ins_of_these_tests_compute_what_the_frameworks_do(framework: str, case: dict[str, Any]) -> None:
    given = {name: np.array(value) if isinstance(value, list) else value for name, value in case["arguments"].items()}
    assert float(run_call(case["call"], given)) == pytest.approx(case["value"], rel=ALLOWED.get(case["call"], 1e-12))


def run_call(call: str, arrays: dict[str, Any]) -> Any:
    return eval(call, {"torch": frameworks_in_numpy.torch, "keras": frameworks_in_numpy.keras, **arrays})


# Which losses match


@pytest.mark.parametrize("name", symgrad.LOSSES)
def test_which_calls_the_catalogue_has(name: str) -> None:
    torch, keras = CALLS.get(name, ("", ""))
    expected = {"PyTorch": f"{BEFORE.get(name, '')}{F}{torch}"} if torch else {}
    expected |= {"Keras": f"{K}{keras}"} if keras else {}
    assert calls(symgrad.LOSSES[name].program()) == expected


PROGRAMS = {
    **{name: loss.program for name, loss in symgrad.LOSSES.items()},
    **{f"hand-written {name}": build for name, (build, _) in ZOO.items()},
    **{name: loss.program for name, loss in unseen.LOSSES.items()},
}


@pytest.mark.parametrize("name", sampled(PROGRAMS, every=3))
def test_a_call_computes_what_the_program_does(name: str) -> None:
    """Run with the arrays of the program at random inputs, as a reader would who copies it."""
    program = PROGRAMS[name]()
    sizes = {axis: SIZES[axis] for axis in program.axis}
    inputs = random_inputs(program, sizes)
    if name == "weighted_cross_entropy" or name.endswith("class_weights_normalised"):
        inputs["Y"] = np.eye(5)[[0, 2, 1, 4]]
    arrays = {name: array.real[()] for name, array in forward(program, inputs, sizes).items()}
    facts = conventions(program)
    for call in (fact.call for fact in facts if fact.call):
        assert float(run_call(call, arrays)) == pytest.approx(float(arrays[program.output]), rel=1e-10), call
    assert len({fact.topic for fact in facts}) == len(facts), "two facts about one topic"


@pytest.mark.parametrize(
    ("name", "reduction", "torch", "keras"),
    [
        (
            "softmax_cross_entropy",
            "sum",
            'cross_entropy(Z, Y, reduction="sum")',
            'CategoricalCrossentropy(from_logits=True, reduction="sum")(Y, Z)',
        ),
        ("softmax_cross_entropy", "batch_mean", *CALLS["softmax_cross_entropy"]),
        ("softmax_mse", "sum", 'mse_loss(P, Y, reduction="sum")', ""),
        ("softmax_mse", "batch_mean", "", ""),
    ],
)
def test_the_reduction_changes_the_call(name: str, reduction: str, torch: str, keras: str) -> None:
    found = calls(symgrad.LOSSES[name].program(reduction=reduction))
    assert found == {n: p + c for n, p, c in (("PyTorch", F, torch), ("Keras", K, keras)) if c}


def own(shapes: str, function: Any) -> dict[str, str]:
    return calls(symgrad.loss(shapes=shapes)(function).program())


def test_a_slightly_different_loss_has_no_call() -> None:
    shapes = "Z: N C, Y: N C"
    assert own(shapes, lambda Z, Y: -np.mean(np.sum(Y * np.log(softmax(Z, axis=1)), axis=1)))
    assert not own(shapes, lambda Z, Y: -2 * np.mean(np.sum(Y * np.log(softmax(Z, axis=1)), axis=1)))
    assert not own(shapes, lambda Z, Y: -np.mean(np.sum(Y * np.log(softmax(Z, axis=0)), axis=1)))
    assert not own(shapes, lambda Z, Y: -np.mean(Y * np.log(softmax(Z, axis=1))))
    assert not own(shapes, lambda Z, Y: -np.mean(np.sum(Z * np.log(softmax(Z, axis=1)), axis=1)) + np.sum(Y))
    assert own("z: N, y: N", lambda z, y: np.mean((z - y) ** 2))
    assert not own("z: N, y: N", lambda z, y: np.mean((z - y) ** 2) / 2)
    assert not own("z: N, y: N", lambda z, y: np.mean((z + y) ** 2))


def test_other_names_axes_and_ways_of_writing() -> None:
    """The classes first, labels called T, and the cross-entropy in a difference."""
    turned = {
        "PyTorch": F + "cross_entropy(S.T, T.T)",
        "Keras": K + "CategoricalCrossentropy(from_logits=True)(T.T, S.T)",
    }
    shapes = "S: K M, T: K M"
    assert own(shapes, lambda S, T: np.mean(np.sum(T * -np.log(softmax(S, axis=0)), axis=0))) == turned

    def in_one(S: Any, T: Any) -> Any:
        return np.sum(T * (logsumexp(S, axis=0, keepdims=True) - S)) / S.shape[1]

    assert own(shapes, in_one) == turned
    assert own("a: M, t: M", lambda a, t: np.mean(softplus(a) - t * a))["PyTorch"] == (
        F + "binary_cross_entropy_with_logits(a, t)"
    )


def test_predictions_are_written_out() -> None:
    assert own("X: N D, W: D C, b: C, Y: N C", lambda X, W, b, Y: np.mean((X @ W + b - Y) ** 2))["PyTorch"] == (
        F + "mse_loss(X @ W + b, Y)"
    )
    assert own("U: M K, V: N K, R: M N", lambda U, V, R: np.sum((R - U @ V.T) ** 2)) == {
        "PyTorch": F + 'mse_loss(U @ V.T, R, reduction="sum")'
    }


def test_a_scale_that_may_be_negative_has_no_call() -> None:
    def huber(z: Any, y: Any, delta: Any) -> Any:
        e = z - y
        return np.mean(np.where(np.abs(e) <= delta, e**2 / 2, delta * (np.abs(e) - delta / 2)))

    assert own("z: N, y: N, delta: scalar positive", huber) and not own("z: N, y: N, delta: scalar", huber)


# The other facts


def test_the_facts_of_the_softmax_classifiers() -> None:
    logits = [
        ("Logits", "Z holds the logits: L applies the softmax itself"),
        ("Axis", "P = softmax(Z) runs along axis 1, C: each row sums to one"),
    ]
    assert words(symgrad.LOSSES["softmax_cross_entropy"].program()) == [
        ("Reduction", "L is the sum over N and C, divided by N: the mean over N of sums over C"),
        *logits,
        ("Labels", "each row of Y sums to one: a label k is a row with its 1 in column k"),
    ]
    assert words(symgrad.LOSSES["softmax_mse"].program()) == [
        ("Reduction", "L is the sum over N and C, divided by N C: the mean over N and C"),
        *logits,
    ]
    assert words(symgrad.LOSSES["softmax_mse"].program(reduction="sum"))[0] == (
        ("Reduction", "L is the sum over N and C: a sum, not a mean")
    )


def test_facts_of_others() -> None:
    assert words(symgrad.LOSSES["gaussian"].program()) == [
        ("Reduction", "L is the sum over N, divided by 2 N: 1/2 times the mean over N")
    ]
    assert words(symgrad.LOSSES["weighted_cross_entropy"].program())[0] == (
        ("Reduction", "L is the sum over N and C, divided by A")
    )
    assert words(symgrad.LOSSES["logistic"].program())[1:] == [
        ("Logits", "z holds the logits: L applies the sigmoid itself")
    ]
    assert words(symgrad.LOSSES["ridge"].program()) == [], "a sum of two sums has no one mean"


def test_two_softmaxes_are_one_fact_each() -> None:
    distillation, clip = (dict(words(symgrad.LOSSES[name].program())) for name in ("distillation", "clip_loss"))
    assert distillation["Logits"] == "V/τ and Z/τ hold the logits: L applies the softmax itself"
    assert distillation["Axis"] == "Q = softmax(V/τ) and P = softmax(Z/τ) run along axis 1, C: each row sums to one"
    assert clip["Logits"] == "Z holds the logits: L applies the softmax itself"
    assert clip["Axis"] == (
        "P = softmax(Z) runs along axis 1, N: each row sums to one; "
        "Q = softmax(Z) runs along axis 0, N: each column sums to one"
    )


def test_a_call_says_what_goes_in_where_that_is_no_logits() -> None:
    def said(program: Program) -> list[str]:
        return [fact.words for fact in conventions(program) if fact.call]

    assert said(symgrad.LOSSES["softmax_mse"].program()) == ["the probabilities P go in"] * 2
    assert said(symgrad.LOSSES["softmax_cross_entropy"].program()) == ["", ""]
    assert said(symgrad.LOSSES["attention_head"].program()) == ["O goes in, computed from the probabilities A"]

    @symgrad.loss(shapes="E: N N, V: N C, Y: N C")
    def attended(E: Any, V: Any, Y: Any) -> Any:
        A = softmax(E, axis=1)
        Z = A @ V
        return np.mean(np.sum(-Y * np.log(softmax(Z, axis=1)), axis=1))

    assert said(attended.program()) == ["", ""], "logits again"
