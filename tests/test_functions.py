"""Functions that are not smooth: their derivatives, the conventions at their kinks, and what rests on them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import classifier as cl
import mpmath
import numpy as np
import pytest
from cases import sampled
from catalogue import derived, derived_from
from printed import expression_latex, expression_mathml
from programs import ZOO, crammer_singer, relu_network
from sympy import Expr, Float, Function, Integer, Rational, S, Sum, Symbol, acosh, erf, erfinv, exp, log, sympify

import symgrad
from symgrad.array.expression import parse
from symgrad.check import prove
from symgrad.check.brute_force import check_end_to_end
from symgrad.check.marks import Level
from symgrad.check.obligations import claims
from symgrad.check.proof import Prover
from symgrad.codegen import compile_source, to_numpy, to_source
from symgrad.engine.derive import derive_record
from symgrad.equations import Definition, abbreviation, node
from symgrad.errors import InputError, ProgramError, UnsupportedError
from symgrad.functions import (
    MEANINGS,
    absolute,
    ceil,
    clip,
    equal,
    floor,
    maximum,
    minimum,
    reciprocal,
    relu,
    root,
    selected,
    selection,
    signum,
    step,
    where,
)
from symgrad.notation import Array, Axis, IndicesCoincide, renamed
from symgrad.piecewise import is_indicator
from symgrad.program import Program
from symgrad.render.text import expression_text
from symgrad.special_functions import (
    arctan2,
    cbrt,
    digamma,
    erfc,
    gammaln,
    normal_sinc,
    position_of,
    sinc_slope,
    trigamma,
)
from symgrad.steps import Record

N, D, C, X, W, b, Y, Z, L = cl.N, cl.D, cl.C, cl.X, cl.W, cl.b, cl.Y, cl.Z, cl.L
n, d, k = cl.n, cl.d, cl.k
RECORDED = json.loads((Path(__file__).parent / "data" / "subgradients.json").read_text(encoding="utf-8"))
half = Rational(1, 2)


def total(loss: Expr, *before: Definition, inputs: tuple[Array, ...] = (Z,)) -> Program:
    return Program("f", (N, C), inputs, (*before, node(L.base, loss)), "L")


# --- the table ----------------------------------------------------------------------------------------------------

POINTS: dict[type[Function], tuple[tuple[float, ...], ...]] = {
    relu: ((0.7,), (-0.7,)),
    absolute: ((0.7,), (-0.7,)),
    signum: ((0.7,), (-0.7,)),
    step: ((0.7, 0.5), (-0.7, 1.0)),
    maximum: ((0.3, 0.7), (0.7, 0.3)),
    minimum: ((0.3, 0.7), (0.7, 0.3)),
    clip: ((0.2, -1.0, 1.0), (1.5, -1.0, 1.0), (-1.5, -1.0, 1.0), (0.2, 1.0, -1.0), (2.0, 1.0, -1.0)),
    where: ((1.0, 0.3, 0.7), (0.0, 0.3, 0.7)),
    equal: ((0.3, 0.7),),
    root: ((0.7,), (2.0,)),
    reciprocal: ((0.7,), (-0.7,)),
    selected: ((0, 0.3, 0.7, 0.5), (1, 0.3, 0.7, 0.5)),
    floor: ((0.7,), (-0.7,)),
    ceil: ((0.7,), (-0.7,)),
}
OF_SMOOTH: dict[type[Function], tuple[tuple[float, ...], ...]] = {
    acosh: ((1.4,), (3.0,)),
    cbrt: ((0.4,), (-0.4,)),
    arctan2: ((0.3, 0.7), (0.3, -0.7), (-0.3, -0.7)),
    normal_sinc: ((0.4,), (-1.4,), (1e-3,)),
    erfc: ((-2.0,), (3.0,)),
}
WITHOUT_NUMBERS = {selection, position_of}
WITHOUT_RULES = {sinc_slope, trigamma}
TRIED = [f for f in MEANINGS if f not in WITHOUT_NUMBERS | WITHOUT_RULES]


def test_the_table_is_of_one_piece() -> None:
    ours = {function for function, meaning in MEANINGS.items() if meaning.number}
    assert ours | {root} == POINTS.keys()
    conventions = (ours | {root, arctan2, selection}) - {selected, reciprocal}
    assert {f for f, m in MEANINGS.items() if m.convention} == conventions


@pytest.mark.parametrize("function", sorted(WITHOUT_RULES, key=str), ids=lambda f: f.__name__)
def test_a_derivative_without_a_rule_is_refused(function: type[Function]) -> None:
    with pytest.raises(UnsupportedError, match="has no rule for its derivative"):
        function(Symbol("x", real=True)).diff()


@pytest.mark.parametrize(
    "function",
    sampled(TRIED, *(f for f in TRIED if f is not normal_sinc)),  # whose derivatives are long
    ids=lambda f: f.__name__,
)
def test_the_derivative_is_that_of_the_value_apart_from_kinks(function: type[Function]) -> None:
    """The condition of a choice and the place in a selection are not variables."""
    for point in (POINTS | OF_SMOOTH).get(function, ((0.4,),)):
        symbols = [Symbol(f"x{place}", real=True) for place in range(len(point))]
        at = dict(zip(symbols, map(Float, point), strict=True))
        others = [
            place for place in range(len(point)) if (function, place) not in ((where, 0), (selected, 0), (step, 1))
        ]
        slopes = [float(function(*symbols).fdiff(place + 1).subs(at)) for place in others]

        def value(*at: float) -> float:
            number = complex(function(*map(sympify, at)))
            return math.nan if number.imag else number.real

        values = [x if place in others else int(x) for place, x in enumerate(point)]
        check = symgrad.check_grad(value, lambda *_, slopes=slopes: slopes, *values, wrt=others)
        assert check.ok, (function, point, check)


x, y = Symbol("x", real=True), Symbol("y", real=True)
AT_KINKS: dict[str, tuple[Expr, ...]] = {
    "relu": (relu(x),),
    "absolute": (absolute(x),),
    "signum": (signum(x),),
    "maximum": (maximum(x, y),),
    "minimum": (minimum(x, y),),
    "clip at the lower bound": (clip(x, -1, 1),),
    "clip at the upper bound": (clip(x, -1, 1),),
    "where, condition true": (where(step(x - 2, 1), x, y),),
    "where, condition false": (where(step(x - 2, 0), x, y),),
}


@pytest.mark.parametrize("name", AT_KINKS)
@pytest.mark.parametrize("framework", RECORDED)
def test_the_conventions_are_those_recorded(framework: str, name: str) -> None:
    case = RECORDED[framework]["cases"][name]
    (call,) = AT_KINKS[name]
    place = 1 if call.func is where else 0
    variables = call.args[place : place + len(case["arguments"])]
    at = dict(zip(variables, map(sympify, case["arguments"]), strict=True))
    found = [float(call.fdiff(place + p).subs(at)) for p in range(1, len(variables) + 1)]
    if framework in words_claim(call.func):
        assert found == case["gradients"]
    else:
        assert found != case["gradients"] == [1, 0], "the words say that the first gets all of it"


def words_claim(function: type[Function]) -> set[str]:
    """The frameworks of which the words say that they do the same."""
    words = MEANINGS[function].convention
    before = words.partition("(TensorFlow gives")[0]
    return {name for name, shown in (("torch", "PyTorch"), ("tensorflow", "TensorFlow")) if shown in before}


def test_a_norm_has_the_derivative_that_was_recorded_where_it_is_zero() -> None:
    cases = RECORDED["torch"]["cases"]
    assert cases["norm of zeros"]["gradients"] == [[0, 0]]
    assert cases["distance of equal points"]["gradients"] == [[[0, 0]], [[0, 0]]]
    assert root(x**2 + y**2).diff(x).subs({x: 0, y: 0}) == 0


@pytest.mark.parametrize("framework", RECORDED)
def test_ties_of_a_maximum_are_shared_as_recorded(framework: str) -> None:
    for name, case in RECORDED[framework]["cases"].items():
        if name.startswith("maximum along"):
            values = case["arguments"][0]
            shares = [float(selected(place, *values)) for place in range(len(values))]
            assert shares == pytest.approx(case["gradients"][0])


def test_numbers_alone_are_evaluated() -> None:
    assert [step(v, half) for v in (-2, 0, 2)] == [0, half, 1]
    assert (relu(Rational(-1, 3)), absolute(-2), signum(0), clip(5, 0, 1)) == (0, 2, 0, 1)
    assert selected(1, 2, 3, 3) == half and equal(2, 3) == 0 and where(1, 2, 3) == 2
    assert relu(x).is_real and relu(x).func is relu
    assert relu(x).is_nonnegative and not step(x, 0).is_positive


def test_indicators() -> None:
    z = Z[n, k]
    assert all(map(is_indicator, (step(z, 0), equal(z, 1), 1 - step(z, 1), step(z, 0) * step(1 - z, 1), S.One, z)))
    assert not any(map(is_indicator, (step(z, half), relu(z), 2 * step(z, 0), step(z, 0) + step(-z, 0))))


# --- what may be written ------------------------------------------------------------------------------------------


def test_a_condition_with_other_values_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"relu\(Z\[n, k\]\) in the equation of L must be 0 or 1 everywhere"):
        derive_record(total(Sum(where(relu(Z[n, k]), Z[n, k], 0), n, k)), ("Z",))


@pytest.mark.parametrize("index", [C.index("j"), Symbol("k")])
def test_a_selection_is_along_a_free_index_of_its_row(index: Any) -> None:
    with pytest.raises(ProgramError, match=r"a selection must be along a free index of Z\[n, k\]"):
        total(Sum(selection(Z[n, k], index) * Z[n, k], n, k))


def test_the_index_of_a_selection_cannot_become_that_of_its_row() -> None:
    T = Axis("T")
    s, t = T.index("s"), T.index("t")
    E = Array("E", (T, T))
    assert renamed(selection(E[s, t], t), {s: T.index("a"), t: T.index("b")}).args[1] == T.index("b")
    with pytest.raises(IndicesCoincide):
        renamed(selection(E[s, t], t), {t: s})


def test_a_square_array_in_a_selection() -> None:
    """Rules are tried at all indices, equal ones too."""
    T = Axis("T")
    s, t = T.index("s"), T.index("t")
    E, M, m = Array("E", (T, T)), Array("M", (T, T)), Array("m", (T,))
    program = Program(
        "square",
        (T,),
        (E,),
        (
            node(M[s, t], selection(E[s, t] ** 2, t)),
            node(m[s], Sum(M[s, t] * E[s, t] ** 2, t)),
            node(L.base, Sum(m[t], t)),
        ),
        "L",
    )
    derivation = symgrad.derive(program, wrt=("E",))
    assert derivation.prove().counts.keys() == {"definition", "every shape"}


def test_what_is_constant_apart_from_jumps_has_no_gradient() -> None:
    A, V = Array("A", (N, C)), Array("V", (N, C))
    by_steps = total(Sum(A[n, k] * V[n, k], n, k), node(A[n, k], step(Z[n, k], 0)), inputs=(Z, V))
    with pytest.raises(InputError, match="depends on Z only through piecewise constant functions"):
        derive_record(by_steps, ("Z",))
    of = derive_record(by_steps, ("V",))
    assert of.gradients["V"].index == A[of.gradients["V"].entry.indices] and not of.conventions


# --- the lines, and what they cite --------------------------------------------------------------------------------


def test_an_array_of_steps_gets_no_adjoint_and_is_cited() -> None:
    of = derive_record(crammer_singer(), ("W", "b"))
    assert "M" not in of.adjoints and {"V", "t", "m", "Z"} <= of.adjoints.keys()
    ((convention, lines),) = of.conventions.items()
    assert convention.key == "S1" and convention.words == MEANINGS[selection].convention
    assert [str(line.subject.of) for line in lines] == ["m[n]"]  # type: ignore[union-attr]
    M = of.program.arrays["M"]
    Gz = of.adjoints["Z"]
    assert sympify(Gz.index * N.size - (M[Gz.entry.indices] - Y[Gz.entry.indices])).expand() == 0


@pytest.mark.parametrize(
    ("name", "functions"),
    [
        ("relu_network", [relu]),
        ("huber", [where]),
        ("quantile", [maximum]),
        ("clipped", [clip, minimum]),
        ("elastic_net", [absolute]),
        ("gelu_network", []),
    ],
)
def test_lines_cite_what_they_differentiate(name: str, functions: list[type[Function]]) -> None:
    of = derived_from(*ZOO[name]).record
    assert [c.words for c in of.conventions] == [MEANINGS[f].convention for f in functions]
    assert [c.key for c in of.conventions] == [f"S{place}" for place in range(1, len(functions) + 1)]


DELTA = Array("delta", (), positive=True)
BOUND = DELTA.base
SMOOTHED: dict[str, tuple[Callable[[Expr], Expr], list[type[Function]]]] = {
    "the kink is in the other branch": (lambda a: where(step(BOUND - a, 1), Z[n, k] ** 2, a), [where]),
    "or behind the opposite condition": (lambda a: where(step(a - 2, 0), a, Z[n, k] ** 2), [where]),
    "the kink is in this branch": (lambda a: where(step(a - BOUND, 1), Z[n, k] ** 2, a), [absolute, where]),
    "at the bound itself": (lambda a: where(step(-a, 1), Z[n, k] ** 2, a), [absolute, where]),
    "it depends on another array": (lambda a: where(step(Y[n, k] - a, 1), Z[n, k] ** 2, a), [absolute, where]),
    "in both": (lambda a: where(step(BOUND - a, 1), Z[n, k] ** 2, a) + a, [absolute, where]),
}


@pytest.mark.parametrize("case", SMOOTHED)
def test_a_kink_in_a_branch_that_is_not_taken_there_needs_no_convention(case: str) -> None:
    choice, functions = SMOOTHED[case]
    of = derive_record(total(Sum(choice(absolute(Z[n, k])), n, k), inputs=(Z, Y, DELTA)), ("Z",))
    assert [c.words for c in of.conventions] == [MEANINGS[f].convention for f in functions]
    assert prove(of).ok


def test_the_key_of_a_convention_is_not_the_name_of_an_array() -> None:
    A = Array("S1", (N, C))
    of = derive_record(total(Sum(A[n, k] ** 2, n, k), node(A[n, k], relu(Z[n, k]))), ("Z",))
    assert [c.key for c in of.conventions] == ["K1"]


def test_an_abbreviation_is_looked_through() -> None:
    A = Array("A", (N, C))
    of = derive_record(total(Sum(A[n, k] ** 2, n, k), abbreviation(A[n, k], relu(Z[n, k]))), ("Z",))
    assert [c.words for c in of.conventions] == [MEANINGS[relu].convention]


def test_every_page_says_the_conventions() -> None:
    derivation = symgrad.derive(relu_network(), wrt=("W1",))
    (convention,) = derivation.conventions
    text, latex, mathml = derivation.to_text(), derivation.to_latex(), derivation.to_mathml()
    for page in (text, latex, re.sub('alttext="[^"]*"', "", mathml)):
        assert "[S1]" in page and "Where a function is not smooth" in page and page.count("[S1]") == 2
    assert convention.words in " ".join(text.split())
    assert "Where a function is not smooth" not in derived("softmax_mse").to_text()


@pytest.mark.parametrize(
    ("expr", "text", "latex"),
    [
        (relu(Z[n, k]), "relu z_nk", r"\operatorname{relu} z_{nk}"),
        (absolute(Z[n, k]), "|z_nk|", r"\left| z_{nk} \right|"),
        (signum(Z[n, k]), "sign z_nk", r"\operatorname{sign} z_{nk}"),
        (step(Z[n, k], 0), "[z_nk > 0]", "[z_{nk} > 0]"),
        (step(Z[n, k], 1), "[z_nk ≥ 0]", r"[z_{nk} \ge 0]"),
        (step(Z[n, k], half), "H(z_nk)", "H(z_{nk})"),
        (step(1 - Z[n, k], 0), "[z_nk < 1]", "[z_{nk} < 1]"),
        (step(Y[n, k] - Z[n, k], 1), "[y_nk ≥ z_nk]", r"[y_{nk} \ge z_{nk}]"),
        (equal(Z[n, k], Y[n, k]), "[z_nk = y_nk]", "[z_{nk} = y_{nk}]"),
        (maximum(Z[n, k], 0), "max(z_nk, 0)", r"\max(z_{nk}, 0)"),
        (minimum(Z[n, k], 0), "min(z_nk, 0)", r"\min(z_{nk}, 0)"),
        (selection(Z[n, k], k), "largest_k(z_nk)", r"\operatorname{largest}_{k}(z_{nk})"),
        (Y[n, k] * step(Z[n, k], 0) ** 2, "y_nk ([z_nk > 0])²", None),
    ],
)
def test_printing(expr: Expr, text: str, latex: str | None) -> None:
    assert expression_text(expr, cl_program()) == text
    assert latex is None or expression_latex(expr, cl_program()) == latex
    assert expression_mathml(expr, cl_program()).startswith("<math")


def cl_program() -> Program:
    return cl.LOSSES["softmax_mse"]()


# --- the proof ----------------------------------------------------------------------------------------------------


def swapped(*pairs: tuple[type[Function], Callable[..., Expr]]) -> Callable[[Expr], Expr]:
    def change(expr: Expr) -> Expr:
        for function, new in pairs:
            expr = expr.replace(lambda e, f=function: isinstance(e, f), lambda e, g=new: g(*e.args))
        return expr

    return change


KINK_CHANGES = {
    "step at 1": swapped((step, lambda z, a: step(z, 1 - a))),
    "step at 1/2": swapped((step, lambda z, a: step(z, half if a != half else 1))),
    "the other side": swapped((step, lambda z, a: step(z, a) if a == half else 1 - step(-z, a))),
    "sign by a step": swapped((signum, lambda z: 2 * step(z, 0) - 1)),
}


@pytest.mark.slow
def test_a_line_that_is_wrong_at_the_kink_alone_is_not_accepted() -> None:
    """Random points never meet a kink, so that agreement there does not count."""
    for name in ("relu_network", "mae", "huber", "quantile", "clipped"):
        of = derived_from(*ZOO[name]).record
        prover, changed = Prover(of), 0
        for place, (line, claim) in enumerate(zip(of.steps, claims(of), strict=True)):
            for label, change in KINK_CHANGES.items():
                wrong = change(line.after)
                if wrong != line.after and line.rule != "definition":
                    changed += 1
                    steps = (*of.steps[:place], replace(line, after=wrong))
                    mark = prover.verdict(claims(replace(of, steps=steps))[-1])  # type: ignore[arg-type]
                    assert not mark.ok, (name, label, line, wrong, mark)
            prover.mark(claim)  # type: ignore[arg-type]
        assert changed >= 5


def test_shares_add_up_to_one_at_every_shape() -> None:
    of = derive_record(crammer_singer(), ("W",))
    (line,) = (s for s in of.steps if "shares" in s.reason)
    assert prove(of).mark(line.number).level == Level.EVERY_SHAPE
    place = of.steps.index(line)
    for wrong in (S.Zero, Integer(2), 1 / C.size):
        steps = (*of.steps[:place], replace(line, after=wrong))
        assert Prover(of).verdict(claims(replace(of, steps=steps))[-1]).level == Level.WRONG  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sampled(["relu_network", "mae", "hinge", "crammer_singer"], "mae", "hinge"))
def test_end_to_end(name: str) -> None:
    assert check_end_to_end(derived_from(*ZOO[name]).record, {"N": 2, "D": 2, "H": 2, "C": 3}).ok


# --- the code -----------------------------------------------------------------------------------------------------


def erf_of() -> Callable[..., Any]:
    program = Program("f", (N,), (Array("x", (N,)),), (node(L.base, Sum(erf(Array("x", (N,))[n]), n)),), "L")
    return to_numpy(derive_record(program, ("x",))).__globals__["_erf"]  # type: ignore[no-any-return]


def test_erf_is_accurate() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(-7, 7, 4000), rng.uniform(-1, 1, 4000), 10.0 ** rng.uniform(-300, 300, 400)])
    exact = np.array([float(mpmath.erf(v)) for v in points])
    found = erf_of()(points)
    assert np.all(np.abs(found - exact) <= 2 * np.spacing(np.abs(exact)))
    ends = erf_of()(np.array([0.0, np.inf, -np.inf, np.nan]))
    assert list(ends[:3]) == [0, 1, -1] and np.isnan(ends[3])
    assert erf_of()(points[:10].astype(np.float32)).dtype == np.float32


def test_the_slope_of_sinc_is_accurate_near_zero() -> None:
    points = np.concatenate([10.0 ** np.linspace(-300, 0.5, 200), np.linspace(-3, 3, 101)])
    with mpmath.workdps(700):
        exact = [
            mpmath.diff(mpmath.sincpi, x)
            if abs(x) > 1e-3
            else -(mpmath.pi**2) * x / 3 * (1 - mpmath.pi**2 * x**2 / 10 + mpmath.pi**4 * x**4 / 280)
            for x in map(mpmath.mpf, points)
        ]
    found = symgrad.derive(parse("sum(sinc(x))", "x: N", "x")).to_numpy()(points)[1].x
    wrong = np.abs(found - np.array([float(value) for value in exact]))
    assert np.all(wrong <= 1e-15 + 1e-15 * np.abs(points))
    tiny = np.abs(points) < 1e-5
    assert np.allclose(found[tiny], -(np.pi**2) / 3 * points[tiny], rtol=1e-9, atol=0)


SPECIAL = {
    "sum(arctanh(x))": ("x: N probability", "x", [0.3, 0.5]),
    "sum(arccosh(x))": ("x: N", "x", [1.3, 5.0]),
    "sum(erfc(x))": ("x: N", "x", [-3.0, 30.0]),
    "sum(erfinv(x))": ("x: N", "x", [-0.9, 0.2]),
    "sum(gammaln(x))": ("x: N positive", "x", [0.3, 40.0]),
    "sum(digamma(x) ** 2)": ("x: N positive", "x", [0.3, 40.0]),
    "sum(sinc(x))": ("x: N", "x", [0.0, 1.3]),
    "sum(cbrt(x))": ("x: N", "x", [-3.0, 2.0]),
    "sum(arctan2(x, 0.5 - x))": ("x: N", "x", [-3.0, 2.0]),
    "sum((x % 0.7) * floor(x) * ceil(x))": ("x: N", "x", [-3.2, 2.3]),
}


@pytest.mark.numba
@pytest.mark.parametrize("text", sampled(SPECIAL, every=3))
def test_special_functions_derive_prove_and_run_in_every_target(text: str) -> None:
    shapes, wrt, point = SPECIAL[text]
    loss = parse(text, shapes, wrt)
    derivation = symgrad.derive(loss)
    assert derivation.prove().counts.keys() == {"definition", "every shape"}
    x = np.array(point)
    functions = [
        derivation.to_numpy(),
        compile_source(derivation.to_source(target="scalar", sizes={"N": 2}), "loss_gradient"),
    ]
    if any(derivation.program.equations[-1].rhs.has(f) for f in (erfinv, digamma, gammaln, normal_sinc)):
        with pytest.raises(UnsupportedError, match="no Python function of a number is known"):
            derivation.to_source(target="numba")
    else:
        functions.append(derivation.to_numba())
    for function in functions:
        assert symgrad.check_grad(lambda x, f=function: f(x)[0], lambda x, f=function: f(x)[1].x, x, wrt=[0]).ok
    needs_scipy = any(name in text for name in ("erfc", "erfinv", "gamma"))
    assert ("SciPy" in derivation.to_source()) == needs_scipy == ("import scipy.special" in derivation.to_source())
    assert symgrad.check_grad(
        lambda x: evaluated_lines(derivation.numpy_lines, x)["L"],
        lambda x: evaluated_lines(derivation.numpy_lines, x)["dx"],
        x,
    ).ok
    for page in (derivation.to_text(), derivation.to_latex(), derivation.to_markdown(), derivation.to_html()):
        assert page
    assert "<math" in derivation.to_mathml()


def evaluated_lines(lines: str, x: np.ndarray) -> dict[str, Any]:
    space: dict[str, Any] = {"np": np, "x": x}
    exec(lines, space)
    return space


def test_small_values_of_erfc_keep_their_digits() -> None:
    value, _ = symgrad.derive(parse("sum(log(erfc(x)))", "x: N", "x")).to_numpy()(np.array([20.0]))
    assert value == pytest.approx(float(mpmath.log(mpmath.erfc(20))), rel=1e-14)


def both_targets(program: Program, wrt: tuple[str, ...], sizes: dict[str, int]) -> list[Callable[..., Any]]:
    of: Record = derive_record(program, wrt)
    return [to_numpy(of), compile_source(to_source(of, "f", target="scalar", sizes=sizes), "f")]


def test_the_code_takes_the_stated_values_at_kinks() -> None:
    z = np.array([[0.0, 0.0, -1.0], [2.0, 2.0, 2.0]])
    cases: list[tuple[Expr, list[list[float]]]] = [
        (relu(Z[n, k]), [[0, 0, 0], [1, 1, 1]]),
        (absolute(Z[n, k]), [[0, 0, -1], [1, 1, 1]]),
        (maximum(Z[n, k], 0), [[0.5, 0.5, 0], [1, 1, 1]]),
        (minimum(Z[n, k], 0), [[0.5, 0.5, 1], [0, 0, 0]]),
        (clip(Z[n, k], -1, 2), [[1, 1, 1], [1, 1, 1]]),
        (where(step(Z[n, k], 1), 3 * Z[n, k], Z[n, k]), [[3, 3, 1], [3, 3, 3]]),
        (selection(Z[n, k], k) * Z[n, k], [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]]),
        (where(equal(Z[n, k], 0), 1, 2) * Z[n, k], [[1, 1, 2], [2, 2, 2]]),
    ]
    for loss, expected in cases:
        for f in both_targets(total(Sum(loss, n, k)), ("Z",), {"N": 2, "C": 3}):
            for dtype in (np.float64, np.float32):
                value, grads = f(z.astype(dtype))
                assert grads.Z.dtype == value.dtype == dtype, loss
                assert np.allclose(grads.Z, expected), (loss, grads.Z)


def test_a_selection_along_the_rows_is_not_evaluated_in_blocks() -> None:
    along_rows = derive_record(total(Sum(selection(Z[n, k], n) * Z[n, k], n, k)), ("Z",))
    along_classes = derive_record(total(Sum(selection(Z[n, k], k) * Z[n, k], n, k)), ("Z",))
    M = Array("M", (N, C))
    defined = total(Sum(M[n, k] * Z[n, k], n, k), node(M[n, k], selection(Z[n, k], n)))
    assert "_BLOCK" in to_source(along_classes)
    assert "_BLOCK" not in to_source(along_rows) and "_BLOCK" not in to_source(derive_record(defined, ("Z",)))
    z = np.random.default_rng(0).standard_normal((5, 4))
    _, grads = to_numpy(along_rows)(z)
    assert np.array_equal(grads.Z, z == z.max(axis=0))


def test_small_arguments_keep_their_digits() -> None:
    tiny = np.full((2, 3), 1e-18)
    for f in both_targets(total(Sum(log(1 + Z[n, k]), n, k)), ("Z",), {"N": 2, "C": 3}):
        assert f(tiny)[0] == pytest.approx(6e-18, rel=1e-15)
    for f in both_targets(total(Sum((exp(Z[n, k]) - 1) ** 2, n, k)), ("Z",), {"N": 2, "C": 3}):
        loss, grads = f(tiny)
        assert loss == pytest.approx(6e-36, rel=1e-15) and pytest.approx(2e-18, rel=1e-15) == grads.Z
    for f in both_targets(total(Sum(1 - exp(-Z[n, k]), n, k)), ("Z",), {"N": 2, "C": 3}):
        assert f(tiny)[0] == pytest.approx(6e-18, rel=1e-15)
