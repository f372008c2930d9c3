"""Different arrays are written differently: names that look alike in print are refused, or made others."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from cases import sampled
from sympy import Sum

import symgrad
from symgrad.array.expression import parse
from symgrad.equations import node
from symgrad.errors import ProgramError
from symgrad.names import entry_look, in_english, is_alike, look
from symgrad.notation import Array, Axis
from symgrad.program import Program

ALIKE = [
    ("A_1", "A1", "A1"),
    ("x_1", "x1", "x1"),
    ("theta", "theta_", "θ"),
    ("eps", "epsilon", "ε"),
    ("lam", "lambda_", "λ"),
    ("K_x", "Kx", "K_x"),
    ("xhat_1", "xhat1", "x̂1"),
    ("x_a", "xa", "xa"),  # the arrays differ, their entries do not
    ("Eta", "H", "H"),
]


@pytest.mark.parametrize(("one", "other", "shown"), ALIKE)
def test_inputs_that_are_written_alike_are_refused(one: str, other: str, shown: str) -> None:
    found = parse(f"sum(({one} - {other})**2)", f"{one}: N, {other}: N")
    with pytest.raises(ProgramError, match=f"{one} and {other} are both written {shown}: rename one"):
        found.program()


@pytest.mark.parametrize(("one", "other", "shown"), ALIKE)
def test_so_are_those_of_a_program_written_by_hand(one: str, other: str, shown: str) -> None:
    n = Axis("N")
    i, x, y, total = n.index("n"), Array(one, (n,)), Array(other, (n,)), Array("L")
    with pytest.raises(ProgramError, match=f"{one} and {other} are both written {shown}"):
        Program("p", (n,), (x,), (node(y[i], 2 * x[i]), node(total[()], Sum(y[i], i))), "L")


def test_an_array_is_not_written_as_an_axis() -> None:
    with pytest.raises(ProgramError, match="the axis N_x and Nx are both written N_x: rename one"):
        parse("sum(Nx)", "Nx: N_x").program()


@pytest.mark.parametrize(("one", "other"), [("X", "x"), ("X_1", "x_1"), ("X_a", "xa"), ("Theta", "theta")])
def test_matrices_that_differ_in_case_keep_it_in_entries(one: str, other: str) -> None:
    text = symgrad.derive(parse(f"sum(({one} - {other})**2)", f"{one}: N D, {other}: N D")).to_text()
    assert len(set(re.findall(r"\((\S+)_nd − (\S+)_nd\)²", text)[0])) == 2


def test_what_a_function_calls_its_values_is_told_apart() -> None:
    @symgrad.loss(shapes="x1: N, theta: N", wrt="x1 theta")
    def loss(x1, theta):
        x_1 = np.exp(x1)
        theta_ = np.tanh(theta * x_1)
        return np.sum(x_1 * theta_ * theta_)

    names = list(loss.program().arrays)
    assert len(names) == 5 and not [pair for pair in combinations(names, 2) if is_alike(pair[0], [pair[1]])]


@pytest.mark.parametrize("name", sampled(["G_Z", "GZ", "G", "Z_max", "Zmax", "L", "S"], every=4))
def test_names_that_symgrad_makes_are_none_of_the_users(name: str) -> None:
    loss = parse(
        f"mean(logsumexp(Z + {name}, axis=1)) + mean((softmax(Z, axis=1) @ {name}.T)**2)", f"Z: N C, {name}: N C"
    )
    derivation = symgrad.derive(loss, "Z")
    records = [derivation.record, derivation.evaluation.record]
    made = [a.name for a in derivation.record.adjoint_arrays.values()]
    names = dict.fromkeys([*records[0].program.arrays, *records[1].program.arrays, *made])
    assert not [pair for pair in combinations(names, 2) if look(pair[0]) == look(pair[1])]
    assert not [pair for pair in combinations(names, 2) if entry_look(pair[0]) == entry_look(pair[1])]
    rng = np.random.default_rng(0)
    inputs = {array: rng.normal(size=(3, 3)) for array in ("Z", name)}
    assert np.isclose(derivation.to_numpy()(**inputs)[0], loss(**inputs))


def test_a_step_is_no_array_called_h() -> None:
    derivation = symgrad.derive(parse("sum(maximum(H, 0) * x)", "H: N, x: N"))
    assert derivation.closed_form_words()[0] == "dL/dH = step(H) ⊙ x"
    assert r"\operatorname{step}(H_{m})" in derivation.to_latex() and "H(H" not in derivation.to_latex()
    other = symgrad.derive(parse("sum(maximum(x, y))", "x: N, y: N"))
    assert "H(" in other.to_text() and "step" not in other.to_latex().replace("steps", "")


@pytest.mark.parametrize(
    ("name", "shown", "latex"), [("delta", "delta_", r"\mathrm{delta}_"), ("Delta", "Δ_", r"\Delta_")]
)
def test_the_entries_of_a_matrix_are_no_kroneckers_deltas(name: str, shown: str, latex: str) -> None:
    derivation = symgrad.derive(parse(f"sum({name}**2)", f"{name}: N M"))
    first = next(line for line in derivation.to_text(detail="full").splitlines() if " definition" in line)
    assert f"{shown}nm²" in first and "δ" not in first
    assert latex in derivation.to_latex()
    assert "δ_nm" in symgrad.derive(parse("sum(x * x)", "x: N")).to_text(detail="full")  # Kronecker's
    assert "δ_n²" in symgrad.derive(parse("sum(delta**2)", "delta: N")).to_text()  # a vector's


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("y_hat", "ŷ"),
        ("yhat", "ŷ"),
        ("y_hat_1", "ŷ1"),
        ("yhat1", "ŷ1"),
        ("mu_bar", "μ̄"),
        ("lambda_", "λ"),
        ("lambda_hat", "λ̂"),
        ("X_tilde_q", "X̃_q"),
    ],
)
def test_what_is_printed_can_be_typed(name: str, shown: str) -> None:
    assert look(name) == shown and look(in_english(shown)) == shown
    loss = parse(f"sum(({shown} - x)**2)", f"{shown}: N, x: N", shown)
    assert loss.wrt == (loss.shapes[0].name,) and look(loss.wrt[0]) == shown
    derivation = symgrad.derive(replace(loss.program(), facts=(f"d{shown} == 0 where x = {shown}",)), shown)
    assert f"∂L/∂{shown}" in derivation.to_text() and all(mark.ok for mark in derivation.facts.values())


@pytest.mark.parametrize("name", ["x_hatch", "pred_hat", "y_hats"])
def test_other_marks_are_no_accents(name: str) -> None:
    assert look(name) == name
