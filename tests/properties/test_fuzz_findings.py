"""What random programs found in symgrad: each as small as it came, with what was wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import sampled
from literal import complex_step, forward, random_inputs
from sympy import Idx, Indexed, Pow, Product, Sum, exp, log, sqrt, tanh, zoo

import symgrad
from symgrad import Array, Axis, Program, abbreviation, derive, node, rows_sum_to_one, symmetric
from symgrad.array import log_softmax, logsumexp, norm, one_hot, softmax, softplus
from symgrad.array import relu as relu_of
from symgrad.array.expression import parse
from symgrad.canonical import canonical
from symgrad.codegen import compile_source
from symgrad.errors import InputError, ProgramError, UnsupportedError
from symgrad.evidence.generated_code import compare_with_differences
from symgrad.functions import absolute, minimum, selection, signum, where
from symgrad.notation import free_indices, renamed, sum_over
from trials.examination import limited

N, C = Axis("N"), Axis("C")
n, m, k, j = N.index("n"), N.index("m"), C.index("k"), C.index("j")
L = Array("L")


def agrees(program: Program, wrt: tuple[str, ...], sizes: tuple[int, ...] = (3, 2)) -> None:
    """Every line is proved, and the generated function is the complex step's."""
    derivation = derive(program, wrt=wrt)
    assert set(derivation.prove().counts) <= {"definition", "every shape"}, derivation.to_text()
    over = {axis.name: size for axis, size in zip(program.axes, sizes, strict=False)}
    inputs = random_inputs(program, over, seed=1)
    arrays = forward(program, inputs, over)
    value, grads = derivation.to_numpy()(*inputs.values())
    assert value == pytest.approx(arrays[program.output].real, rel=1e-9)
    for name in wrt:
        assert getattr(grads, name) == pytest.approx(complex_step(program, name, arrays, over), rel=1e-8, abs=1e-9)


@pytest.mark.slow
def test_no_function_is_written_by_dividing_by_what_may_be_tiny() -> None:
    """tanh z was (r + y)/g: right, and lost where the gate g underflows."""

    @symgrad.loss(shapes="X: N D, w: D, v: D, y: N", wrt="w, v")
    def gated(X: Any, w: Any, v: Any, y: Any) -> Any:
        """Gated regression."""
        g = symgrad.array.sigmoid(X @ v)
        r = g * np.tanh(X @ w) - y
        return np.mean(r**2)

    derivation = derive(gated)
    assert derivation.prove().ok and derivation.gradients["w"].index.has(tanh)
    X, w, v, y = (
        np.array([[1.0, 2.0], [0.5, -1.0]]),
        np.array([0.3, 0.2]),
        np.array([-800.0, 0.0]),
        np.array([1.0, 2.0]),
    )
    assert all(np.all(np.isfinite(grad)) for grad in derivation.to_numpy()(X, w, v, y)[1])


def runs(loss: symgrad.Loss) -> None:
    """The generated function is what NumPy's differences of the loss say."""
    assert compare_with_differences(loss, derive(loss).to_numpy(), loss.wrt).ok


def test_no_division_by_a_size_less_one() -> None:
    """M = (1 - C) Y was solved for Y by dividing through C - 1: not a number where C is 1, and unproved."""
    Y, M = Array("Y", (N, C)), Array("M", (N, C))
    program = Program(
        "sizes",
        (N, C),
        (Y,),
        (node(M[n, k], (1 - C.size) * Y[n, k]), node(L[()], Sum(M[n, k] ** 2 * Y[n, k], n, k))),
        "L",
    )
    agrees(program, ("Y",))
    agrees(program, ("Y",), (2, 1))


def test_an_axis_that_only_counts() -> None:
    """The code went over the rows of an axis that no array of any line has."""

    @symgrad.loss(shapes="u: M, A: N", wrt="A")
    def counted(u: Any, A: Any) -> Any:
        return (A @ A) * len(u)

    runs(counted)


def test_a_sigmoid_of_a_number() -> None:
    """The helper for sigmoid asked a number of Python's for its dtype."""

    @symgrad.loss(shapes="t: scalar, X: N", wrt="t X")
    def scalar(t: Any, X: Any) -> Any:
        return softplus(t) ** 3 * np.sum(X)

    runs(scalar)


def test_a_logarithm_of_a_number_is_a_number() -> None:
    """The derivative of 1.5**x was written as a weighted logarithm, log(3/2) with a dtype."""

    @symgrad.loss(shapes="X: N", wrt="X")
    def power(X: Any) -> Any:
        s = np.sum(np.arctan(X))
        return 1.5**s

    runs(power)


def test_a_logarithm_opened_into_numbers() -> None:
    """log(e^t + e^t) is log(2) + t, which has no dtype."""

    @symgrad.loss(shapes="t: scalar positive", wrt="t")
    def twice(t: Any) -> Any:
        return np.where(np.abs(np.logaddexp(t, t)) <= 1, 0.5 * np.logaddexp(t, t) ** 2, np.logaddexp(t, t) - 0.5)

    runs(twice)


def test_labels_of_their_own_axis_are_refused() -> None:
    """They were declared without complaint, and refused by the generated function."""
    with pytest.raises(InputError, match="need different axes"):
        symgrad.loss(shapes="X: N, y: N labels of N", wrt="X")(lambda X, y: np.sum(X))


def test_labels_beside_rows_of_another_axis() -> None:
    """Labels stayed labels in the lines before those for blocks of rows."""

    @symgrad.loss(shapes="y: N labels of C, A: N C, V: B N", wrt="A V")
    def beside(y: Any, A: Any, V: Any) -> Any:
        return np.mean(A[np.arange(len(y)), y] @ V.T)

    runs(beside)


def test_an_identity_matrix_among_the_lines_for_rows() -> None:
    """Its dtype was that of an array which these lines were not given."""

    @symgrad.loss(shapes="F: T, X: T T, v: B", wrt="F X v")
    def traced(F: Any, X: Any, v: Any) -> Any:
        return np.trace(X) * np.sum(v) + np.mean(F)

    runs(traced)


def test_the_exponentials_of_a_diagonal() -> None:
    """They were shifted as those of a matrix, whose rows and columns had one index."""

    @symgrad.loss(shapes="a: N, H: N N", wrt="a")
    def diagonal(a: Any, H: Any) -> Any:
        return np.sum(np.arcsinh(a) ** 2) * logsumexp(np.diagonal(H))

    runs(diagonal)


def test_absolute_values_that_sympy_writes() -> None:
    """sqrt(x**2) of an equation written by hand is SymPy's Abs: nothing differentiates or evaluates that."""
    x, y = Array("x"), Array("y", (N,))
    program = Program("roots", (N,), (x, y), (node(L[()], sqrt(x.base**2) * Sum(y[n] ** 2, n)),), "L")
    assert program.definitions["L"].rhs.has(absolute)
    agrees(program, ("x", "y"))
    assert derive(program, wrt="x").gradients["x"].index.has(signum)


@pytest.mark.slow
def test_absolute_values_that_sympy_takes_out_of_roots_in_a_line() -> None:
    """A line had Abs, which the generated code could not call."""
    Z, F = Array("Z", (N,)), Array("F", (N,))
    beta = Array("beta", (N,))
    mean = Sum(F[m], m) / N.size
    centred = beta[n] - Sum(beta[m], m) / N.size
    program = Program(
        "rooted",
        (N,),
        (Z, F),
        (abbreviation(beta[n], mean * Z[n]), node(L[()], sqrt(Sum(centred**2, n)))),
        "L",
    )
    derivation = derive(program, wrt=("Z", "F"))
    assert not any("Abs" in str(step.after) for step in derivation.steps)
    inputs = random_inputs(program, {"N": 3}, seed=1)
    arrays = forward(program, inputs, {"N": 3})
    with pytest.warns(symgrad.UndefinedWarning, match="N = 1") as warned:  # what is centred is 0 there, as is its root
        function = derivation.to_numpy()
        derivation.to_source()
        derivation.explicit(N=3).lambdify()
    assert {warning.filename for warning in warned} == {__file__}
    _, grads = function(*inputs.values())
    assert pytest.approx(complex_step(program, "F", arrays, {"N": 3}), rel=1e-8) == grads.F


def test_an_equation_that_is_not_finite_is_refused() -> None:
    """Division by zero, written by hand, went through to the code, which could not compare it with 0."""
    x = Array("x")
    with pytest.raises(ProgramError, match="L is not finite"):
        Program("infinite", (), (x,), (node(L[()], x.base * zoo),), "L")


@pytest.mark.slow
def test_a_shape_at_which_the_program_has_no_values() -> None:
    """A deviation of one row is 0, and the program divides by it: the prover stopped there, in place of passing by."""

    @symgrad.loss(shapes="F: N", wrt="F")
    def deviations(F: Any) -> Any:
        return np.linalg.norm(np.log1p(np.outer(F / np.std(F), F)) @ F)

    derivation = derive(deviations)
    report = derivation.prove()
    assert not any(mark.words == "wrong" or "evaluated" in mark.detail for mark in report.marks)
    assert all(("N", 1) not in shape for mark in report.weaker() for shape in mark.shapes)


def test_a_line_names_each_shape_once() -> None:
    """The shapes of a program of one axis had (2) twice, and were tried twice."""
    from symgrad.check.at_shapes import standard_shapes

    program = Program("one_axis", (N,), (Array("x", (N,)),), (node(L[()], Sum(Array("x", (N,))[n], n)),), "L")
    shapes = standard_shapes(program)
    assert len(set(shapes)) == len(shapes)
    assert len(shapes) == 5


def test_a_power_with_a_symbolic_exponent_of_scalars() -> None:
    """The derivative was a dot product of two numbers, which have no transpose."""

    @symgrad.loss(shapes="e: scalar positive", wrt="e")
    def tower(e: Any) -> Any:
        mid = e + 10 * e
        return (e * e) ** mid

    runs(tower)


@pytest.mark.slow
def test_exact_arithmetic_gives_up_in_time() -> None:
    """Some lines took most of a minute."""
    F, v = Array("F", (C,)), Array("v", (C, C))
    V, G = Array("V", (C, C)), Array("G", (C,))
    sigmoid = 1 / (1 + exp(-v[k, j] - F[j]))
    i = C.index("i")
    mean = Sum(V[i, j], i) / C.size
    program = Program(
        "variances",
        (C,),
        (F, v),
        (
            node(V[k, j], sigmoid),
            node(G[j], Sum((V[k, j] - mean) ** 2, k) / C.size),
            node(L[()], Sum(V[k, k] ** 3, k) + Sum(G[j] ** 2, j)),
        ),
        "L",
    )
    with limited(60):
        report = derive(program, wrt="F").prove()
    assert not any(mark.words in ("unproved", "wrong") for mark in report.marks)


@pytest.mark.parametrize("name", sampled(["t", "rate0", "still0", "known", "kernel", "entry"], every=3))
def test_an_array_may_have_any_name(name: str) -> None:
    """Placeholders of the engine's had names that a scalar may have: d(log S + t)/dy was 1 + p, a wrong gradient."""
    w, y, S, x = Array("w", (C,)), Array("y", (C,)), Array("S"), Array(name)
    program = Program(
        "named",
        (C,),
        (w, x),
        (
            node(y[k], exp(w[k]) * x.base - 1),
            abbreviation(S[()], Sum(exp(y[k]), k)),
            node(L[()], log(S.base) + x.base + Sum(exp(-x.base * w[k]), k)),
        ),
        "L",
    )
    agrees(program, ("w", name), (3,))


@pytest.mark.slow
def test_a_power_of_an_array_is_not_written_in_a_root_of_itself() -> None:
    """(s^(1/4) - s) s, solved for s^(1/4), was put for s^2 in the solution, again and again: derive took all memory."""

    @symgrad.loss(shapes="u: B", wrt="u")
    def roots(u: Any) -> Any:
        s = 1 / (u**2 + 1)
        U = (s**0.25 - s) * s
        return np.sum(U)

    runs(roots)


@pytest.mark.slow
def test_the_exponential_of_a_sum_stays_one() -> None:
    """SymPy multiplies exp(sum) out into a product over an index, which had no code and no notation."""
    Z, v, M = Array("Z", (N, C)), Array("t"), Array("mid", (N, C))
    product = Sum(M[n, k] * Z[m, k], k)
    program = Program(
        "products",
        (N, C),
        (v, Z),
        (node(M[n, k], Z[n, k] + v.base), node(L[()], Sum(log(1 + exp(product)), n, m))),
        "L",
    )
    agrees(program, ("t",))


def test_entries_at_labels_of_what_the_labels_make_infinite() -> None:
    """1/one_hot(y) is infinite off the label; times the 0 there it had become 1, and the sum over the classes C."""

    @symgrad.loss(shapes="y: N labels of C, x: N C", wrt="x")
    def inverse(y: Any, x: Any) -> Any:
        return np.sum((x / one_hot(y, x.shape[1]))[np.arange(len(y)), y])

    with pytest.raises(UnsupportedError, match="already depends on the one-hot rows of y"):
        derive(inverse)


def test_an_example_whose_adjoints_are_written_in_one_that_was_asked_for() -> None:
    """The example looked for the adjoint of an array in ``wrt`` among those on the way."""

    @symgrad.loss(shapes="X: M", wrt="X")
    def chain(X: Any) -> Any:
        p = X / len(X)
        G = np.exp(p) ** 1.5
        return norm(G)

    assert derive(chain, wrt=["X", "G"]).example is not None


@pytest.mark.slow
def test_no_line_says_the_same_as_the_one_before_it() -> None:
    """SymPy's absolute value and ours were two things to the page: a line was written twice, and the second went on
    from what no line states."""

    @symgrad.loss(shapes="n: K K", wrt="n")
    def deviation(n: Any) -> Any:
        return -norm(np.diagonal(n) / np.std(np.diagonal(n), axis=0, keepdims=True))

    derivation = derive(deviation)
    assert not derivation.prove().problems
    shown = [line.split("  ")[0] for line in derivation.to_text().splitlines() if line.lstrip().startswith("=")]
    assert len(set(shown)) == len(shown)


@pytest.mark.slow
def test_what_labels_pick_of_their_own_rows() -> None:
    """1/y[y], which is 1, was the sum of y/y over all classes, and that is their number: a wrong value."""

    @symgrad.loss(shapes="y: N labels of C, A: N C", wrt="A")
    def inverse(y: Any, A: Any) -> Any:
        return np.sum((1.5 / one_hot(y, A.shape[1])[np.arange(len(y)), y]) @ A**2)

    runs(inverse)


@pytest.mark.slow
def test_normal_forms_give_up_in_time() -> None:
    """No product of two polynomials was too large, but all together took minutes."""

    @symgrad.loss(shapes="Z: D N", wrt="Z")
    def nested(Z: Any) -> Any:
        p = Z / len(Z) - Z
        Hid = softmax(p.T, axis=1) - p.T - 1
        X = p @ Hid
        U = X / (X**2 + 1)
        return np.mean(np.log(U**2 + 1))

    with limited(90):
        report = derive(nested).prove()
    assert all(mark.ok or "terms of work" in mark.detail for mark in report.marks)


@pytest.mark.parametrize(
    "power", [lambda z: np.power(-1, z), lambda z: (-np.exp(z)) ** 0.5, lambda z: np.log(-np.exp(z))]
)
def test_an_equation_without_a_real_value_is_refused(power: Any) -> None:
    @symgrad.loss(shapes="z: N", wrt="z")
    def unreal(z: Any) -> Any:
        """Not a number."""
        return np.sum(power(z))

    with pytest.raises(ProgramError, match="is not real: "):
        derive(unreal)
    z = Array("z", (N,))
    direct = {"a power": (-1) ** z[n], "a root": sqrt(-exp(z[n])), "a number": sqrt(-1) * z[n]}
    for rhs in direct.values():
        with pytest.raises(ProgramError, match="L is not real: "):
            Program("unreal", (N,), (z,), (node(L[()], Sum(rhs, n)),), "L")
    assert Program("signs", (N,), (z,), (node(L[()], Sum((-1) ** 3 * z[n], n)),), "L")


@pytest.mark.slow
def test_a_line_that_holds_by_chance_without_its_assumption() -> None:
    """At the first shape every step was 0, whether G is symmetric or not; at another one the line was called wrong."""

    E, K = Axis("E"), Axis("K")
    y, i, o, p = (K.index(letter) for letter in "ykno")
    v, G, Hid, V = Array("v", (E,)), Array("G", (K, K)), Array("Hid", (K,)), Array("V", (K,))
    equations = (
        node(Hid[y], Sum(G[y, i] ** 2, i)),
        abbreviation(V[o], sqrt(Sum(minimum(G[i, o], Hid[o]) ** 2, i))),
        node(L[()], Sum(V[p] ** 2, p)),
    )
    capped = Program("capped", (E, K), (v, G), equations, "L", (symmetric(G, "A1"),))
    report = derive(capped, wrt="G").prove()
    assert report.ok and set(report.counts) == {"definition", "every shape"}
    assert any(mark.assumptions == ("A1",) for mark in report.marks)


def test_the_exponential_of_a_sum_stays_one_where_an_equation_is_solved() -> None:
    """Solved for a kernel, by SymPy's expand again, it became a product that nothing could print or compute."""
    z, h, V = Array("z", (N,)), Array("h", (C, N)), Array("V", (C, N))
    loss = Sum(h[k, m] * V[k, m], k, m) / log(1 + exp(Sum(z[n], n)))
    program = Program("total", (N, C), (z, h), (node(V[k, n], -h[k, n]), node(L[()], loss)), "L")
    agrees(program, ("z",))
    assert not any(step.after.has(Product) for step in derive(program, wrt="z").steps)


@pytest.mark.slow
def test_an_example_of_logits_from_a_square_matrix() -> None:
    """The rows of a softmax came from an array with the same axis twice, which the example tried to choose."""

    @symgrad.loss(shapes="F: B B", wrt="F")
    def means(F: Any) -> Any:
        """A softmax of means of squares, twice."""
        return np.sum(softmax(softmax(np.mean(F * F, axis=1), axis=0), axis=0) ** 2)

    derivation = derive(means)
    assert "<math" in derivation.to_html() and derivation.example is not None


def test_an_assumption_is_not_used_in_what_is_chosen() -> None:
    """The largest of sums that are all 1 became the largest entry of 1, which has no entries to choose from."""

    P, B = Array("P", (N, C)), Array("B", (N,))
    total, other = Sum(P[n, k], k), Sum(P[m, k], k)
    equations = (node(B[n], total - Sum(selection(other, m) * other, m)), node(L[()], Sum(B[n], n)))
    derivation = derive(Program("gap", (N, C), (P,), equations, "L", (rows_sum_to_one(P, "A1"),)), wrt="P")
    assert set(derivation.prove().counts) == {"definition", "every shape"}
    assert derivation.gradients["P"].index.has(selection)


def test_what_the_output_does_not_depend_on_is_no_labels() -> None:
    """Z, used for its shape alone, was taken for labels too, and the number of classes was read off the labels t."""

    @symgrad.loss(shapes="m: M K, t: K labels of C, Z: K C", wrt="m")
    def shares(m: Any, t: Any, Z: Any) -> Any:
        """Shares of classes, beside a sum."""
        return np.mean(softmax(one_hot(t, Z.shape[1]), axis=1)) + np.sum(m)

    m, Z, t = np.ones((2, 3)), np.zeros((3, 4)), np.array([0, 3, 1])
    value, grads = derive(shares).to_numpy()(m, t, Z)
    assert value == pytest.approx(6.25) and np.array_equal(grads.m, np.ones((2, 3)))


def test_the_number_of_classes_is_read_off_rows_where_others_are_labels() -> None:
    @symgrad.loss(shapes="m: M, s: K C distribution, t: K C distribution", wrt="m")
    def both(m: Any, s: Any, t: Any) -> Any:
        """Two arrays that may be labels, and none beside that knows how many classes there are."""
        return np.sum(m) * np.mean(s * t)

    run, rows, labels = derive(both).to_numpy(), np.eye(4)[[0, 3, 1]], np.array([0, 1, 1])
    value, _ = run(np.ones(2), rows, rows)
    assert value == pytest.approx(2 * 3 / 12)
    for given in ((labels, rows), (rows, labels)):
        assert run(np.ones(2), *given)[0] == pytest.approx(2 * 2 / 12)
    with pytest.raises(ValueError, match="expected labels"):
        run(np.ones(2), labels, labels)


def test_the_number_of_classes_may_be_that_of_the_rows_of_other_labels() -> None:
    @symgrad.loss(shapes="m: M, s: K C distribution, t: C B distribution", wrt="m")
    def chained(m: Any, s: Any, t: Any) -> Any:
        """The classes of s are the rows of t, which has another number of columns."""
        return np.sum(m) * np.mean(s @ t)

    s, t = np.eye(4)[[0, 3, 1]], np.eye(2)[[0, 1, 1, 0]]
    run = derive(chained).to_numpy()
    assert run(np.ones(2), np.array([0, 3, 1]), t)[0] == pytest.approx(2 * 3 / 6)
    assert run(np.ones(2), s, t)[0] == pytest.approx(2 * 3 / 6)


@pytest.mark.parametrize("shape", ["scalar", "N"])
def test_a_root_of_what_vanishes_for_all_negative_numbers_is_not_known_to_be_something(shape: str) -> None:
    """Of one number the random points saw positive values alone, and the lines that divide by its root were proved."""

    @symgrad.loss(shapes=f"x: {shape}", wrt="x")
    def rooted(x: Any) -> Any:
        return np.sum(relu_of(x) ** 0.25)

    derivation = derive(rooted)
    marks = {mark.number: mark for mark in derivation.prove().marks}
    assert {"every shape"} < {mark.words for mark in marks.values()}
    for step in derivation.steps:
        if step.after.has(Pow) and any(power.exp.is_negative for power in step.after.atoms(Pow)):
            assert marks[step.number].words in {"unproved", "wrong"}, step


def test_0_to_a_power_is_refused() -> None:
    """Its derivative has the logarithm of 0: printing and generating code broke off."""

    @symgrad.loss(shapes="b: C", wrt="b")
    def powers(b: Any) -> Any:
        return np.power(-1 + 1, b @ b)

    with pytest.raises(ProgramError, match="0 to a power that may be negative"):
        derive(powers)


@pytest.mark.parametrize("view", ["transpose", "diagonal"])
def test_an_array_of_which_a_view_is_still_needed_is_not_written_over(view: str) -> None:
    """Its memory was taken for another array, and the transpose, a view of it, changed with it."""
    S, q, X, U = Array("S", (N,)), Array("q", (N, N)), Array("X", (N, N)), Array("U", (N, N))
    d = Array("d", (N,))
    seen, total = (X[n, m], Sum(X[n, m], n, m)) if view == "transpose" else (d[n], Sum(d[n], n))
    equations = (
        node(q[n, m], S[n] * S[m]),
        node(seen, q[m, n] if view == "transpose" else q[n, n]),
        node(U[n, m], q[n, m] - S[m]),
        node(L.base, Sum(U[n, m] ** 2, n, m) + total),
    )
    agrees(Program("seen", (N,), (S,), equations, "L"), ("S",), sizes=(3,))


def test_the_softplus_of_a_number_is_a_number() -> None:
    @symgrad.loss(shapes="z: M, a: scalar", wrt="z")
    def divided(z: Any, a: Any) -> Any:
        return norm(z) / softplus(-1) + np.power(softplus(-1), a)

    z = np.array([3.0, 4.0])
    value, grads = derive(divided).to_numpy()(z, 2.0)
    assert value == pytest.approx(divided(z, 2.0)) and grads.z == pytest.approx(z / 5 / np.log1p(np.exp(-1)))


def test_a_sum_that_is_put_in_order_inside_another_does_not_capture_its_index() -> None:
    """Inner sums are named by their heights: one that grew took the name of the sum around it."""
    q, outer = Array("q", (N, N)), Idx("_N3", N.size)
    x, y, z = (Idx(f"_N_{place}", N.size) for place in range(3))
    deep = Sum(q[outer, x] * Sum(exp(Sum(q[outer, z] * q[z, y], z)) * q[x, y], y), x)
    assert free_indices(canonical(deep)) == {outer}
    assert not any(entry.indices == (outer, outer) for entry in canonical(deep).atoms(Indexed))
    turned = renamed(deep, {outer: n})
    assert canonical(renamed(canonical(deep), {outer: n})) == canonical(turned) == canonical(canonical(turned))
    assert canonical(sum_over(canonical(deep), (outer,))) == canonical(sum_over(turned, (n,)))


def test_a_sum_is_not_written_by_what_depends_on_more_than_it_does() -> None:
    """It was the largest of row b, for every a: said of a line about b, and so marked wrong."""
    m, J, y = Array("m", (C, C)), Array("J", (C, C)), Array("y", (C, C))
    a, b = C.index("a"), C.index("b")
    largest = Sum(m[b, k] * selection(m[b, k], k), k)
    equations = (
        node(J[a, b], -m[a, b]),
        node(y[a, b], largest / J[a, b]),
        node(L.base, Sum(y[a, b], a, b)),
    )
    proof = derive(Program("divided", (C,), (m,), equations, "L"), wrt=("m",)).prove()
    assert all(mark.words != "wrong" for mark in proof.marks)


@pytest.mark.slow
def test_the_closed_form_of_a_gradient_that_cancels_is_what_its_last_line_states() -> None:
    """The line said 0, the closed form was a difference of two equal sums."""

    @symgrad.loss(shapes="w: C, shift: scalar", wrt="w shift")
    def spread(w, shift):
        return np.std(w + shift)

    derivation = derive(spread)
    assert derivation.prove().problems == ()
    assert derivation.gradients["shift"].index == 0


@pytest.mark.slow
def test_a_page_is_made_where_an_array_on_the_way_has_no_derivative() -> None:
    """No entry of log p exceeds 0.1: the variance is 0, and its root has no derivative, at every input."""

    @symgrad.loss(shapes="Z: H M", wrt="Z")
    def flat(Z):
        return -np.std(np.maximum(0.1, log_softmax(Z, axis=0)))

    assert derive(flat).to_html()


def test_labels_in_the_place_of_every_array_leave_numbers_as_they_are() -> None:
    """The data type of labels is that of integers, in which 1/2 is 0."""
    loss = parse("sum(Y * Z) * exp(t) + t / 2", "Y: N C distribution, Z: N C distribution, t: scalar")
    derivation = symgrad.derive(loss, ["t"])
    rows, labels = np.eye(2)[[0, 1, 1]], np.array([1, 1, 0])
    unrolled = compile_source(derivation.to_source("f", target="scalar", sizes={"N": 3, "C": 2}), "f")
    for f in (derivation.to_numpy(), unrolled):
        for one, other in ((rows, labels), (labels, rows), (rows, np.eye(2)[labels])):
            value, grads = f(one, other, 0.5)
            assert value == pytest.approx(np.exp(0.5) + 0.25) and grads.t == pytest.approx(np.exp(0.5) + 0.5)


@pytest.mark.parametrize(
    ("text", "shapes", "wrt"),
    [
        ("sum(X * exp(tau))", "X: N D, tau: scalar", "X tau"),
        ("sum(X * exp(tau) * exp(X * tau))", "X: N D, tau: scalar", "X tau"),
        ("sum(tanh(X * sqrt(tau) + log(tau)))", "X: N D, tau: scalar", "X tau"),
        ("sum(X) - tau", "X: N D, tau: scalar", "X tau"),
        ("sum(X) / 3 + tau / 2", "X: N D, tau: scalar", "X tau"),
    ],
)
def test_a_number_of_pythons_keeps_single_precision(text: str, shapes: str, wrt: str) -> None:
    """NumPy takes functions of such a number in double precision, and an array times that is of double precision."""
    f = symgrad.derive(parse(text, shapes), wrt.split()).to_numpy()
    value, grads = f(np.ones((2, 3), np.float32), 0.5)
    assert value.dtype == np.float32 and all(gradient.dtype == np.float32 for gradient in grads)


def test_functions_of_sizes_alone() -> None:
    @symgrad.loss(shapes="X: N D", wrt="X")
    def loss(X: Any) -> Any:
        count = len(X)
        return (
            np.sum(X) * symgrad.array.sigmoid(count) * symgrad.array.softplus(count) * np.log1p(count) * np.expm1(count)
        )

    value, grads = symgrad.derive(loss).to_numpy()(np.ones((2, 3)))
    expected = np.log(1 + np.exp(2)) / (1 + np.exp(-2)) * np.log(3) * (np.exp(2) - 1)
    assert np.allclose(grads.X, expected, rtol=1e-14) and value == pytest.approx(6 * expected)


@pytest.mark.parametrize("choice", ["where(A > 0, 1, 0)", "where(A > 0, 1, -1)", "where((A > 0) & (B > 0), 2, 1)"])
def test_a_choice_between_numbers_is_an_assignment_that_holds(choice: str) -> None:
    derivation = symgrad.derive(parse(f"sum({choice} * B)", "A: N D, B: N D"), ["B"])
    assert set(derivation.assignments.prove().counts) <= {"every shape"}


@pytest.mark.parametrize("name", ["next", "self", "cls"])
def test_inputs_called_like_what_the_code_calls(name: str) -> None:
    shapes = f"Y: N C distribution, Z: N C distribution, {name}: scalar"
    f = symgrad.derive(parse(f"mean((Y - Z)**2) * {name}", shapes), [name]).to_numpy()
    assert f(np.eye(2)[[0, 1, 1]], np.array([1, 1, 0]), 2.0)[0] == pytest.approx(4 / 3)


@pytest.mark.parametrize("target", ["numpy", "scalar"])
def test_a_choice_by_what_is_no_relation(target: str) -> None:
    """Any number but 0 chooses the first."""
    N = Axis("N")
    n, x, L = N.index("n"), Array("x", (N,)), Array("L")
    program = Program("f", (N,), (x,), (node(L[()], Sum(where(x[n], 1, 3) * x[n], n)),), "L")
    sizes = {"N": 3} if target == "scalar" else None
    f = compile_source(derive(program, ["x"]).to_source("f", target=target, sizes=sizes), "f")
    value, grads = f(np.array([2.0, 0.0, -1.0]))
    assert value == 1 and np.array_equal(grads.x, [1, 3, 1])
