"""Programs are validated: each mistake is named, and says what was expected."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sympy import Expr, Float, Integer, Sum, exp, log, oo

from symgrad import Array, Axis, Program, ProgramError, UnsupportedError, abbreviation, node, rows_sum_to_one
from symgrad.equations import Definition

N, D, C = Axis("N"), Axis("D"), Axis("C")
X, W, Y, Z, L = Array("X", (N, D)), Array("W", (D, C)), Array("Y", (N, C)), Array("Z", (N, C)), Array("L")
n, d, k, j = N.index("n"), D.index("d"), C.index("k"), C.index("j")
LOGITS = node(Z[n, k], Sum(X[n, d] * W[d, k], d))
LOSS_OF_STACK = node(L.base, Sum(Array("Z", (N, C, D))[n, k, d] ** 2, n, k, d))
LOSS = node(L.base, Sum((Z[n, k] - Y[n, k]) ** 2, n, k))


def program(*equations: Definition, inputs: tuple[Array, ...] = (X, W, Y), output: str = "L") -> Program:
    return Program("test", (N, D, C), inputs, equations, output)


def test_a_well_formed_program_is_ordered_whatever_the_order_of_declaration() -> None:
    assert [e.name for e in program(LOSS, LOGITS).ordered] == ["Z", "L"]


BAD: list[tuple[str, Callable[[], Program], str]] = [
    ("undefined", lambda: program(LOSS), "uses Z, which no input or equation defines"),
    ("defined twice", lambda: program(LOGITS, LOGITS, LOSS), "Z is defined twice"),
    ("input defined", lambda: program(LOGITS, LOSS, node(X[n, d], X[n, d] * 2)), "X is defined twice"),
    ("input twice", lambda: program(LOGITS, LOSS, inputs=(X, X, W, Y)), "an input is declared twice"),
    (
        "circular",
        lambda: program(node(Z[n, k], Array("U", (N, C))[n, k]), node(Array("U", (N, C))[n, k], Z[n, k]), LOSS),
        "the equations of L, U, Z are circular",
    ),
    ("wrong axis", lambda: program(node(Z[n, k], Sum(X[n, j], j)), LOSS), "index 2 of X[n, j] runs over C, expected D"),
    ("unbound", lambda: program(node(Z[n, k], X[n, d] * W[d, k]), LOSS), "] is unbound"),
    (
        "bound twice",
        lambda: program(node(Z[n, k], Sum(X[n, d] * Sum(W[d, k], k), d)), LOSS),
        "the index k is bound twice",
    ),
    ("non-scalar output", lambda: program(LOGITS, LOSS, output="Z"), "Z must be a scalar, but it has the axes N, C"),
    ("unknown output", lambda: program(LOGITS, LOSS, output="M"), "the output M is not defined"),
    ("too few indices", lambda: program(node(Z[n, k], Sum(X[n] + X[n, d], d)), LOSS), "X[n] has 1 indices, expected 2"),
    ("index as number", lambda: program(node(Z[n, k], n * 1.0), LOSS), "the index n is used as a number"),
    ("declared axes", lambda: program(node(Z[k, n], Y[n, k]), LOSS), "Z[k, n] does not fit the declared axes (N, C)"),
    ("array for entry", lambda: program(LOGITS, node(L, Sum(Z[n, k], n, k))), "L (write L[...], or L[()]"),
    ("not an identifier", lambda: program(LOGITS, LOSS, inputs=(X, W, Y, Array("a b"))), "use an identifier"),
]


@pytest.mark.parametrize(("make", "words"), [(m, w) for _, m, w in BAD], ids=[name for name, *_ in BAD])
def test_a_mistake_is_named(make: Callable[[], Program], words: str) -> None:
    with pytest.raises(ProgramError) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rank_and_order_do_not_depend_on_names() -> None:
    def build(z: str, s: str, p: str) -> Program:
        Z, S, P = Array(z, (N, C)), Array(s, (N,)), Array(p, (N, C))
        return program(
            node(L.base, -Sum(Y[n, k] * log(P[n, k]), n, k)),
            abbreviation(P[n, k], exp(Z[n, k]) / S[n]),
            abbreviation(S[n], Sum(exp(Z[n, j]), j)),
            node(Z[n, k], Sum(X[n, d] * W[d, k], d)),
        )

    assert [e.name for e in build("Z", "S", "P").ordered] == ["Z", "S", "P", "L"]
    assert [e.name for e in build("B", "Q", "A").ordered] == ["B", "Q", "A", "L"]


def test_the_order_is_found_quickly_where_arrays_are_used_twice() -> None:
    """A residual network of 60 layers: the text of a definition may not contain those of all its ancestors."""
    arrays = [Array(f"A{place}", (N, D)) for place in range(61)]
    equations = [node(arrays[place + 1][n, d], arrays[place][n, d] + exp(arrays[place][n, d])) for place in range(60)]
    deep = Program("deep", (N, D), (arrays[0],), (*equations, node(L.base, Sum(arrays[60][n, d], n, d))), "L")
    assert [e.name for e in deep.ordered] == [*(f"A{place}" for place in range(1, 61)), "L"]


def test_the_assumption_is_an_equation() -> None:
    assumption = rows_sum_to_one(Y)
    assert assumption.rhs == 1
    assert assumption.words == "each row of Y sums to one"


def test_arrays_may_have_any_number_of_axes_but_a_matrix_form_only_up_to_two() -> None:
    stack = Array("A", (N, D, C))
    of = program(node(Array("Z", (N, C, D))[n, k, d], stack[n, d, k]), LOSS_OF_STACK, inputs=(stack,))
    assert [axis.name for axis in of.arrays["Z"].axes] == ["N", "C", "D"]
    assert not stack.has_matrix and X.has_matrix
    with pytest.raises(UnsupportedError, match="A has 3 axes"):
        _ = stack.matrix


S, POSITIVE = Array("s"), Array("t", positive=True)


@pytest.mark.parametrize(
    ("defaults", "words"),
    [
        ((("X", Integer(1)),), "X has a default, but is not a scalar input"),
        ((("Q", Integer(1)),), "Q has a default, but is not a scalar input"),
        ((("s", Integer(1)), ("s", Integer(2))), "two defaults"),
        ((("s", oo),), "the default of s must be a real SymPy number"),
        ((("s", 2),), "the default of s must be a real SymPy number"),
        ((("t", Integer(0)),), "t is positive, but its default is 0"),
    ],
)
def test_defaults_are_numbers_for_scalar_inputs(defaults: tuple[tuple[str, Expr], ...], words: str) -> None:
    inputs, equations = (X, W, Y, S, POSITIVE), (LOGITS, LOSS)
    Program("test", (N, D, C), inputs, equations, "L", defaults=(("s", Float(0.5)), ("t", Integer(1))))
    with pytest.raises(ProgramError, match=words):
        Program("test", (N, D, C), inputs, equations, "L", defaults=defaults)
