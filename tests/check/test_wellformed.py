"""Lines and closed forms that are not written in the notation of their program are refused."""

from __future__ import annotations

import pytest
from sympy import Expr, I, Idx, KroneckerDelta, Sum, Symbol, exp, oo

from symgrad.check.wellformed import Notation
from symgrad.equations import node
from symgrad.functions import selection
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Gradient, Largest, MatrixTotal, Partial, Record, Step, Subject, Total, Value

N, M = Axis("N"), Axis("M")
n, k, m = N.index("n"), N.index("k"), M.index("m")
A, B, v, L, Z, G = (
    Array("A", (N, N)),
    Array("B", (N, M)),
    Array("v", (N,)),
    Array("L"),
    Array("Z", (N,)),
    Array("G", (N,)),
)
TOP = Array("t")
OTHER = Array("Q", (N,))
EQUATIONS = (node(Z[n], Sum(A[n, k] * v[k], k)), node(L.base, Sum(Z[n] ** 2 + B[n, m], n, m)))
PROGRAM = Program("sense", (N, M), (A, B, v, TOP), EQUATIONS, "L")


def record(*steps: Step, **adjoints: Array) -> Record:
    return Record(PROGRAM, (), steps, {}, {}, adjoints or {"Z": G})


def line(subject: Subject | Largest, after: Expr) -> Step:
    return Step(1, subject, None, after, "rule", "by hand")


NOTATION = Notation(record())
WRITTEN = [
    Sum(A[n, k] * v[k], k),
    Sum(A[n, k], n, k),
    KroneckerDelta(n, k) * Z[k],
    selection(v[n], n) * N.size,
    exp(G[n]) + TOP.base,
]
FAULTS: dict[str, tuple[Expr, str]] = {
    "an index bound twice": (Sum(B[n, m], n, n), "binds an index twice"),
    "part of an axis": (Sum(v[n], (n, 0, 3)), "is not a sum over whole axes"),
    "axes in another order": (Sum(B[n, m], n) * B[n, m].base[m, n], "do not run over the axes of B"),
    "another array": (OTHER[n], "is not of the arrays of the program"),
    "axes in a delta": (KroneckerDelta(n, m, evaluate=False), "does not compare two indices of one axis"),
    "a selection along an index that its row lacks": (selection(v[n], k), "is no index of"),
    "a selection of what is no row": (selection(OTHER[n], n), "is not of the arrays"),
    "an index for a number": (n * v[n], "is used as a number"),
    "an imaginary number": (1 + I * v[n], "I is not a real number"),
    "an infinite number": (oo * v[n], "oo is not a real number"),
    "a fault within a sum": (Sum(OTHER[n], n), "is not of the arrays of the program"),
}


@pytest.mark.parametrize("expr", WRITTEN)
def test_what_is_written_in_the_notation(expr: Expr) -> None:
    assert NOTATION.fault_of(expr) is None


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_not(case: str) -> None:
    expr, words = FAULTS[case]
    assert words in str(NOTATION.fault_of(expr))


LINES: dict[str, tuple[Subject | Largest, Expr, str]] = {
    "a number": (Total(2 * Z[n]), Z[n], "2*Z[n] is not an array of the program"),  # type: ignore[arg-type]
    "another array": (Total(OTHER[n]), Z[n], "Q is not an array of the program"),
    "by another array": (Partial(Z[n], OTHER[k]), Z[n], "Q is not an array of the program"),
    "an array in a choice": (Largest(TOP.base, (n,)), OTHER[n], "is not of the arrays"),
    "a matrix of other axes": (MatrixTotal(Array("A", (N, M))), A.matrix, "A is not a matrix of the program"),
    "a letter of two axes": (Value(v[n]), Sum(B[n, Idx("n", M.size)], Idx("n", M.size)), "the index n runs over"),
    "a letter of the checker": (Value(v[n]), Sum(v[N.index("%a")], N.index("%a")), "'%a' is not the letter"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_line_that_is_not_is_named(case: str) -> None:
    subject, after, words = LINES[case]
    assert words in str(NOTATION.fault(line(subject, after)))


def test_lines_in_either_notation_are_read() -> None:
    assert NOTATION.fault(line(Total(A[n, k]), 2 * Z[n] * v[k])) is None
    assert NOTATION.fault(line(MatrixTotal(A), 2 * Z.matrix * v.matrix.T)) is None
    assert NOTATION.fault(line(Total(A[n, k]), 2 * Z.matrix * v.matrix.T)) is None  # it is told where it is read


FORMS: dict[str, tuple[str, Gradient, str]] = {
    "a diagonal": ("A", Gradient(A, A[n, n], v[n], None), "it is not of every A[n, n]"),
    "another array": ("A", Gradient(B, B[n, m], v[n], None), "it is about B"),
    "an entry of another": ("A", Gradient(A, v[n], v[n], None), "it is about A and v[n]"),
    "a letter of two axes": (
        "v",
        Gradient(v, v[n], Sum(B[k, Idx("n", M.size)], Idx("n", M.size), k), None),
        "runs over",
    ),
    "an entry with its axes exchanged": ("B", Gradient(B, B.base[m, n], v[n], None), "do not run over the axes of B"),
    "another array within": ("A", Gradient(A, A[n, k], OTHER[n], None), "is not of the arrays"),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_closed_form_that_is_not_is_named(case: str) -> None:
    name, form, words = FORMS[case]
    assert words in str(NOTATION.fault_of_form(name, form))


def test_a_closed_form_is_of_every_entry() -> None:
    assert NOTATION.fault_of_form("A", Gradient(A, A[n, k], v[n], None)) is None
    assert NOTATION.fault_of_form("t", Gradient(TOP, TOP.base, TOP.base, None)) is None


@pytest.mark.parametrize("name", ["A", "N", "not a name", "Z"])
def test_an_adjoint_has_a_name_of_its_own_where_lines_differentiate(name: str) -> None:
    assert Notation(record(line(Total(v[n]), v[n]), Z=Array(name, (N,)))).confusion


def test_where_none_does_it_may_have_that_of_a_definition() -> None:
    assert Notation(record(line(Value(v[n]), v[n]), Z=Array("L", (N,)))).confusion is None
    assert Notation(record(line(MatrixTotal(v), v.matrix), Z=Array("L", (N,)))).confusion


def test_two_adjoints_have_different_names() -> None:
    assert Notation(record(line(Total(v[n]), v[n]), Z=G, v=G)).confusion
    assert Notation(record(line(Total(v[n]), v[n]), Z=G, v=Array("H", (N,)))).confusion is None
    assert "it has other axes" in str(Notation(record(Z=Array("G", (M,)))).confusion)


# Symbols that look like an entry are none.
def test_a_symbol_of_the_same_name_is_not_the_scalar() -> None:
    assert NOTATION.fault_of(Symbol("t")) and NOTATION.fault_of(Symbol("Z"))


@pytest.mark.parametrize("delta", [KroneckerDelta(n, 0), KroneckerDelta(n, Symbol("i", integer=True))])
def test_a_delta_compares_two_indices(delta: Expr) -> None:
    fault = NOTATION.fault_of(delta * v[n])
    assert fault and "does not compare two indices of one axis" in fault
