"""What is wrong with a record beyond its single lines, and what it is called."""

from __future__ import annotations

from dataclasses import replace

from sympy import Sum

from symgrad.check.wellformed import problems
from symgrad.equations import node
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Gradient, MatrixTotal, Record, Step, Total

N = Axis("N")
n, m = N.index("n"), N.index("m")
V, W, Z, L, G = Array("v", (N,)), Array("w", (N,)), Array("Z", (N,)), Array("L"), Array("G", (N,))
EQUATIONS = (node(Z[n], 2 * V[n] * W[n]), node(L.base, Sum(Z[n] ** 2, n)))
PROGRAM = Program("statements", (N,), (V, W), EQUATIONS, "L")
STEPS = (
    Step(1, Total(Z[n]), None, 2 * Z[n], "rule", "reason"),
    Step(2, Total(V[n]), None, 2 * G[n] * W[n], "rule", "reason"),
    Step(3, Total(V[n]), 2 * G[n] * W[n], 4 * Z[n] * W[n], "rule", "reason"),
    Step(4, MatrixTotal(V), None, 2 * Z.matrix, "rule", "reason"),
    Step(5, Total(W[n]), None, 4 * Z[n] * V[n], "rule", "reason"),
)
FORMS = {
    "v": Gradient(V, V[m], 4 * Z[m] * W[m], 2 * Z.matrix),
    "w": Gradient(W, W[m], 4 * Z[m] * V[m], None),
}
ADJOINTS = {"Z": Gradient(Z, Z[m], 2 * Z[m], None), "L": Gradient(L, L.base, L.base / L.base, None)}
RIGHT = Record(PROGRAM, ("v", "w"), STEPS, FORMS, ADJOINTS, {"Z": G})


def wrong(record: Record = RIGHT, **changed: object) -> tuple[str, ...]:
    return problems(replace(record, **changed))  # type: ignore[arg-type]


def test_a_record_that_states_its_closed_forms_has_no_problems() -> None:
    assert problems(RIGHT) == ()


def test_each_closed_form_that_no_line_states_is_named() -> None:
    forms = {name: replace(form, index=3 * form.index) for name, form in FORMS.items()}
    assert wrong(gradients=forms) == tuple(
        f"the index form of the gradient of {name} is not what the last line about it states" for name in "vw"
    )
    adjoints = {"Z": replace(ADJOINTS["Z"], index=Z[m])}
    assert wrong(adjoints=adjoints) == ("the index form of the adjoint of Z is not what the last line about it states",)


def test_what_is_no_closed_form_is_named_and_so_is_what_follows() -> None:
    forms = {"v": replace(FORMS["v"], entry=W[m]), "w": replace(FORMS["w"], index=V[m])}
    first, second = wrong(gradients=forms)
    assert first.startswith("the gradient of v is not one: it is about") and "the gradient of w" in second


def test_a_matrix_form_is_what_the_last_line_in_matrices_states() -> None:
    forms = FORMS | {"v": replace(FORMS["v"], matrix=3 * Z.matrix)}
    assert wrong(gradients=forms) == ("the matrix form of the gradient of v is not what the last line about it states",)


def test_a_gradient_that_was_asked_for_is_missed() -> None:
    assert wrong(gradients={"v": FORMS["v"]}) == ("there is no gradient of w",)
    assert wrong(gradients={}) == ("there is no gradient of v", "there is no gradient of w")
    assert wrong(gradients={}, adjoints={}) == ()


def test_a_line_goes_on_from_the_one_above_it_about_its_subject() -> None:
    first = (replace(STEPS[0], before=Z[n]), *STEPS[1:])
    assert wrong(steps=first) == ("line 1 goes on from Z[n], which the line above it does not state",)
    again = (*STEPS[:2], replace(STEPS[2], before=3 * G[n] * W[n]), *STEPS[3:])
    assert wrong(steps=again) == ("line 3 goes on from 3*G[n]*w[n], which the line above it does not state",)


def test_the_form_of_the_output_needs_no_line() -> None:
    assert wrong(adjoints={"L": replace(ADJOINTS["L"], index=2 * L.base / L.base)}) != ()
