"""What a mistake in a loss gets: one line that names the thing, and the user's line with a caret under it."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import sympy
from catalogue import derived

import symgrad
from symgrad.array import elementwise, eye, one_hot, softmax
from symgrad.array import numpy_table as table
from symgrad.array.graph import exact
from symgrad.array.shape_grammar import parse_shapes
from symgrad.errors import InputError, ProgramError, UnsupportedError

Arrays = Any
SHAPES = "X: N D, W: D C, V: C D, y: N labels of C, a: C"


def message(body: Callable[..., Any], shapes: str = SHAPES) -> list[str]:
    with pytest.raises(symgrad.SymgradError) as caught:
        symgrad.derive(symgrad.loss(shapes=shapes)(body))
    return str(caught.value).splitlines()


def pointed(lines: list[str]) -> str:
    """The text over the carets."""
    start = lines[3].index("^")
    return lines[2][start : start + lines[3].count("^")]


def test_a_shape_error_names_both_operands_and_points_at_them() -> None:
    def body(X: Arrays, W: Arrays, V: Arrays, y: Arrays, a: Arrays) -> Arrays:
        H = np.tanh(X @ W)
        return np.sum(H + X @ V)

    lines = message(body)
    assert lines[0] == "X (N, D) @ V (C, D): D does not match C"
    assert lines[1].startswith("  tests/array/test_errors.py, line ") or lines[1].endswith(":")
    assert pointed(lines) == "X @ V" and len(lines) == 4


def test_named_intermediates_are_named_in_errors() -> None:
    def body(X: Arrays, W: Arrays, V: Arrays, y: Arrays, a: Arrays) -> Arrays:
        hidden = X @ W
        return np.sum(hidden + X)

    lines = message(body)
    assert lines[0] == "hidden (N, C) + X (N, D): C does not match D"
    assert pointed(lines) == "hidden + X"


def _reassigned(X: Arrays, W: Arrays, V: Arrays, y: Arrays, a: Arrays) -> Arrays:
    X -= X.mean()
    return X.sum()


def _stored(X: Arrays, W: Arrays, V: Arrays, y: Arrays, a: Arrays) -> Arrays:
    X[X < 0] = 0
    return X.sum()


def _branch(X: Arrays, W: Arrays, V: Arrays, y: Arrays, a: Arrays) -> Arrays:
    if X.sum() > 0:
        return X.sum()
    return W.sum()


def _loop(X: Arrays, W: Arrays, V: Arrays, y: Arrays, a: Arrays) -> Arrays:
    return sum(row.sum() for row in X)


def _range(X: Arrays, W: Arrays, V: Arrays, y: Arrays, a: Arrays) -> Arrays:
    return sum(X[i].sum() for i in range(len(X)))


@pytest.mark.parametrize(
    ("body", "words", "under"),
    [
        (_reassigned, ["-= changes an array in place", "write A = A - B"], "X -= X.mean()"),
        (_stored, ["in place", "np.where(condition, B, A)"], "X[X < 0]"),
        (_branch, ["an if, while or bool()", "depend on the data", "np.where(condition, a, b)"], "X.sum() > 0"),
        (_loop, ["a loop over an axis", "write a sum"], ""),
        (_range, ["an integer argument", "write a sum"], "range(len(X))"),
        (lambda X, W, V, y, a: float(X.sum()), ["float()", "leave it out"], "float(X.sum())"),
        (
            lambda X, W, V, y, a: np.array([X, X]).sum(),
            ["np.array needs", "pass it to NumPy"],
            "np.array([X, X])",
        ),
        (lambda X, W, V, y, a: X[1:].sum(), ["a slice of X (N, D)", "only whole axes"], "X[1:]"),
        (lambda X, W, V, y, a: X[: a * 2].sum(), ["a slice of X (N, D)", "only whole axes"], "X[: a * 2]"),
        (lambda X, W, V, y, a: X[0].sum(), ["entry 0 of X (N, D)", "an input of its own"], "X[0]"),
        (lambda X, W, V, y, a: np.cumprod(X).sum(), ["cumprod has no rule"], "np.cumprod(X)"),
        (lambda X, W, V, y, a: np.nansum(X), ["nansum has no rule; use sum instead"], "np.nansum(X)"),
        (lambda X, W, V, y, a: X.reshape(-1, 2).sum(), ["reshape has no rule", "x[:, None]"], "X.reshape(-1, 2)"),
        (lambda X, W, V, y, a: np.stack([X, X]).sum(), ["stack has no rule"], "np.stack([X, X])"),
        (
            lambda X, W, V, y, a: np.zeros(2 * len(X)).sum(),
            ["an integer", "sizes of axes"],
            "np.zeros(2 * len(X))",
        ),
        (lambda X, W, V, y, a: np.sum(X, dtype=float), ["sum with these arguments"], "np.sum(X, dtype=float)"),
        (
            lambda X, W, V, y, a: np.sum(X * np.ones(3)),
            ["an array of numbers of shape (3,)", "declare it"],
            "X * np.ones(3)",
        ),
        (lambda X, W, V, y, a: np.sum(X * [1, 2]), ["a list", "declare it"], "X * [1, 2]"),
        (lambda X, W, V, y, a: np.sum(X * np.inf), ["inf cannot be used"], "X * np.inf"),
        (lambda X, W, V, y, a: np.sum(y * 2), ["the labels y are used as numbers"], "y * 2"),
        (lambda X, W, V, y, a: np.sum(X[np.arange(len(y)), y]), ["labels are of C"], "X[np.arange(len(y)), y]"),
        (lambda X, W, V, y, a: np.sum(one_hot(y, X.shape[1])), ["of another axis"], "one_hot(y, X.shape[1])"),
        (
            lambda X, W, V, y, a: np.sum(np.linspace(0, 1, X.shape[1])),
            ["linspace has no rule", "it needs concrete values", "declare its result as an input"],
            "np.linspace(0, 1, X.shape[1])",
        ),
        (
            lambda X, W, V, y, a: np.sum(np.eye(len(X), k=1)),
            ["np.eye of a symbolic size must be square"],
            "np.eye(len(X), k=1)",
        ),
        (
            lambda X, W, V, y, a: np.sum([np.sum(X), np.sum(W)]),
            ["sum takes an array, not a list of symbolic arrays"],
            "np.sum([np.sum(X), np.sum(W)])",
        ),
        (lambda X, W, V, y, a: np.sum(X / 0), ["division by zero"], "X / 0"),
        (lambda X, W, V, y, a: np.sum(X * 0**-1), ["division by zero"], "0**-1"),
        (lambda X, W, V, y, a: np.sum(X / np.zeros_like(X)), ["division by zero"], "X / np.zeros_like(X)"),
        (lambda X, W, V, y, a: np.sum(np.zeros_like(X) ** -1), ["division by zero"], "np.zeros_like(X) ** -1"),
        (lambda X, W, V, y, a: np.sum(np.reciprocal(0 * len(X))), ["division by zero"], ""),
        (lambda X, W, V, y, a: np.sum(eye(X)), ["eye takes the size of an axis"], "eye(X)"),
        (lambda X, W, V, y, a: np.sum(np.where(X, 1, 0)), ["where takes a comparison"], "np.where(X, 1, 0)"),
        (lambda X, W, V, y, a: softmax(X, axis=2).sum(), ["softmax: X (N, D) has no axis 2"], "softmax(X, axis=2)"),
        (lambda X, W, V, y, a: np.add.reduce(X, axis=0).sum(), ["add.reduce has no rule"], "np.add.reduce(X, axis=0)"),
        (lambda X, W, V, y, a: np.sum(X // 2), ["np.floor(a / b)"], "X // 2"),
        (lambda X, W, V, y, a: {}["missing"], ["raised KeyError"], '{}["missing"]'),
    ],
)
def test_what_is_refused_says_why_and_where(body: Callable[..., Any], words: list[str], under: str) -> None:
    lines = message(body)
    assert all(word in lines[0] for word in words), lines[0]
    assert len(lines) == 4
    if under:
        assert pointed(lines) == under


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda X, W, V, y, a: X, "returns an array (N, D)"),
        (lambda X, W, V, y, a: None, "returns nothing"),
        (lambda X, W, V, y, a: 3.0, "does not depend on any input"),
        (lambda X, W, V, y, a: (X.sum(), 1), "returns a tuple"),
    ],
)
def test_what_is_returned_is_one_scalar(body: Callable[..., Any], words: str) -> None:
    assert words in message(body)[0]


def test_an_error_at_derivation_time_points_at_the_users_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def body(x: Arrays) -> Arrays:
        scaled = 2 * x
        angle = np.arccos(scaled)
        return np.sum(angle)

    handler = partial(elementwise.elementwise, "arccos", sympy.zeta)  # a function without a derivative
    monkeypatch.setitem(table.FUNCTIONS, np.arccos, handler)
    lines = message(body, "x: N")
    assert "no rule to differentiate zeta" in lines[0] and "angle" in lines[0]
    assert pointed(lines) == "np.arccos(scaled)"


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ("X N D", "lacks a colon"),
        ("", "no input is declared"),
        ("X:", "has no axes"),
        ("X: N D, X: N", "declared twice"),
        ("X: N d", "'d' is neither an axis"),
        ("X: N D one-hott", "known words: positive"),
        ("A: N D symmetric", "only a square matrix"),
        ("y: N one-hot", "one-hot describes rows"),
        ("y: N labels of", "declare labels as 'y: N labels of C'"),
        ("s: scalar N", "is a scalar, so it cannot have the axis N"),
        ("N: N D", "names both an array and an axis"),
        ("X: positive N", "the axes must come before words"),
        ("1x: N", "cannot name an input"),
        ("X: (N, D)", "separate axes by spaces, and inputs by commas"),
        ("X: N D; W: D C", "'D;' is not a valid axis; separate axes by spaces"),
        ("X: 3", "separate axes by spaces, and inputs by commas"),
    ],
)
def test_the_grammar_of_shapes_says_what_is_wrong(shapes: str, words: str) -> None:
    with pytest.raises(symgrad.InputError, match=words.replace("(", r"\(")):
        parse_shapes(shapes)


def test_the_grammar_of_shapes() -> None:
    X, A, y, s, Y = parse_shapes(
        "X: N D positive, A: D D symmetric,\n y: N labels of C, s: scalar positive, Y: N C distribution"
    )
    assert [a.name for a in X.array.axes] == ["N", "D"] and X.array.positive
    assert A.words == {"symmetric"} and y.labels and not s.array.axes and s.array.positive
    assert Y.words == {"distribution"}


@pytest.mark.parametrize(
    "shapes", ["X: M K, V: K N, U: N Q R", "k: C, N1: N, n: M", "b: B, p: B Q, q: Q, m: M", "X: C K D E H T B M"]
)
def test_every_axis_has_three_letters_of_its_own(shapes: str) -> None:
    found = parse_shapes(shapes)
    axes = {axis for shape in found for axis in shape.array.axes}
    letters = [letter for axis in axes for letter in axis.conventional]
    assert len(letters) == len(set(letters)) and all(len(axis.conventional) >= 3 for axis in axes)
    assert not {shape.name.lower() for shape in found} & set(letters)


def test_letters_that_run_out() -> None:
    (X,) = parse_shapes("X: " + " ".join(f"Q{place}" for place in range(30)))
    assert len({axis.conventional for axis in X.array.axes[:25]}) == 25
    assert all(axis.conventional for axis in X.array.axes)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (0.5 * np.log(2 * np.pi), sympy.log(2 * sympy.pi) / 2),
        (np.log(np.sqrt(2 * np.pi)), sympy.log(2 * sympy.pi) / 2),
        (np.log(2 * np.pi), sympy.log(2 * sympy.pi)),
        (np.log(np.pi), sympy.log(sympy.pi)),
        (np.log(np.pi) / 2, sympy.log(sympy.pi) / 2),
        (np.log(2) / 2, sympy.log(2) / 2),
        (1 / np.sqrt(7), 1 / sympy.sqrt(7)),
        (0.1, sympy.Rational(1, 10)),
        (0.9 - 1, sympy.Rational(-1, 10)),
        (0.1 + 0.2, sympy.Rational(3, 10)),
        (1e-17, sympy.Rational(1, 10**17)),
        (float(np.nextafter(1, 2)), sympy.Rational("1.0000000000000002")),  # a guard against 0, such as 1 + eps
    ],
)
def test_numbers_are_what_was_meant(value: float, meant: sympy.Expr) -> None:
    assert exact(value) == meant


def test_the_decorator_checks_names() -> None:
    with pytest.raises(symgrad.InputError, match="shapes names Q"):
        symgrad.loss(shapes="Q: N")(lambda X: X)
    with pytest.raises(symgrad.InputError, match="wrt names Q"):
        symgrad.loss(shapes="X: N", wrt="Q")(lambda X: X)
    with pytest.raises(symgrad.InputError) as caught:

        @symgrad.loss(shapes="X: N d")
        def mistaken(X: Arrays) -> Arrays:
            return np.sum(X)

    first, where, text, _ = str(caught.value).splitlines()
    assert first.startswith("mistaken: shapes: in 'X: N d'") and "test_errors.py, line" in where
    assert text.strip() == '@symgrad.loss(shapes="X: N d")'
    loss = symgrad.loss(shapes="X: N")(lambda X, other: np.sum(X * other))
    with pytest.raises(symgrad.InputError, match="other is not in shapes and has no default"):
        loss.program()
    with pytest.raises(symgrad.InputError, match="no parameter 'foo'"):
        loss.program(foo=1)
    with pytest.raises(symgrad.InputError, match="only a scalar can be fixed"):
        loss.program(X=1, other=2)


def test_assumptions_come_from_the_words() -> None:
    def body(Y: Arrays, P: Arrays, A: Arrays) -> Arrays:
        return np.sum(Y * P) + np.sum(A)

    program = symgrad.loss(shapes="Y: N C distribution, P: N C one-hot, A: C C symmetric")(body).program()
    words = {a.words for a in program.assumptions}
    assert {"each row of Y sums to one", "each row of P sums to one", "A is symmetric"} <= words
    assert len({a.key for a in program.assumptions}) == len(program.assumptions)


def test_a_fixed_number_decides_a_branch() -> None:
    def body(x: Arrays, power: Arrays) -> Arrays:
        return np.sum(x**2) if power == 2 else np.sum(np.abs(x) ** power)

    loss = symgrad.loss(shapes="x: N, power: scalar")(body)
    assert "absolute" not in str(loss.program(power=2).equations)
    with pytest.raises(symgrad.UnsupportedError):
        loss.program()


def test_a_size_equals_itself() -> None:
    """As losses assert the shapes that they take."""

    def body(X: Arrays, w: Arrays) -> Arrays:
        assert X.shape[1] == len(w) and X.shape == (len(X), *w.shape) and repr(X.shape) == "(N, D)"
        if X.shape[1] != w.shape[0]:
            raise ValueError
        return np.sum(X @ w)

    assert symgrad.loss(shapes="X: N D, w: D")(body).program()
    with pytest.raises(symgrad.UnsupportedError, match="an if, while"):
        symgrad.loss(shapes="X: N D, w: E")(lambda X, w: np.sum(X) * (len(w) == len(X) and 1)).program()


def test_a_fixed_number_is_a_size_for_numpy() -> None:
    loss = symgrad.loss(shapes="x: N, size: scalar")(lambda x, size: np.sum(x) * float(np.trace(np.eye(size))))
    assert loss.program(size=3).equations[-1].rhs.has(sympy.Integer(3))


def test_a_notebooks_cell_is_quoted_and_code_without_source_is_not() -> None:
    """Notebooks and recent prompts register their text with ``linecache``; ``exec`` does not."""
    text = "def cell(X, W, V, y, a):\n    return np.sum(W @ X)\n"
    linecache.cache["<cell 1>"] = (len(text), None, text.splitlines(keepends=True), "<cell 1>")
    for file, lines in (("<cell 1>", 4), ("<nowhere>", 2)):
        space: dict[str, Any] = {"np": np}
        exec(compile(text, file, "exec"), space)
        said = message(space["cell"])
        assert said[0] == "W (D, C) @ X (N, D): C does not match N"
        assert said[1].startswith(f"  {file}, line 2") and len(said) == lines


@pytest.mark.parametrize(
    ("shapes", "meaning"),
    [
        ("X: N D, R: N N", "rows of the batch"),
        ("R: M N, V: N K", ""),
        ("U: D N", ""),
        ("X: D, y: N", "rows of the batch"),
    ],
)
def test_an_axis_counts_rows_where_it_comes_first(shapes: str, meaning: str) -> None:
    axes = {axis.name: axis.meaning for shape in parse_shapes(shapes) for axis in shape.array.axes}
    assert axes["N"] == meaning and axes.get("D", "features") == "features"


def test_an_image_has_channels_a_height_and_a_width() -> None:
    (image,) = parse_shapes("X: N C H W")
    assert [axis.meaning for axis in image.array.axes] == ["rows of the batch", "channels", "height", "width"]
    rows, hidden = parse_shapes("X: N C, Z: N H")
    assert (rows.array.axes[1].meaning, hidden.array.axes[1].meaning) == ("classes", "hidden units")


def test_the_author_says_what_an_axis_counts() -> None:
    loss = symgrad.loss(shapes="U: N D, V: N D", axes={"N": " pairs "})(lambda U, V: np.sum(U * V))
    assert [axis.meaning for axis in loss.program().axes] == ["pairs", "features"]
    text = symgrad.derive(loss).to_text()
    assert "  N   pairs      indices" in text and "the sum over the pairs and the features" in text


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ({"M": "items"}, "axes names M, but the axes in shapes are N, D"),
        ({"N": ""}, "axes must say in words what N counts, such as 'rows of the batch', not ''"),
        ({"N": 3}, "axes must say in words what N counts, such as 'rows of the batch', not 3"),
    ],
)
def test_what_no_axis_can_count_is_refused(axes: Any, expected: str) -> None:
    with pytest.raises(InputError, match=f"loss: {expected}"):
        symgrad.loss(shapes="U: N D", axes=axes)(lambda U: np.sum(U))


@pytest.mark.parametrize("name", ["any", "all"])
def test_a_branch_on_any_or_all_is_answered_with_where(name: str) -> None:
    @symgrad.loss(shapes="X: N D, w: D", wrt="w")
    def loss(X, w):
        return np.sum(w) if getattr(X @ w > 0, name)() else np.sum(X)

    with pytest.raises(UnsupportedError, match=r"np\.where\(condition, a, b\)"):
        loss.program()


@pytest.mark.parametrize("given", [None, 3, np.sin])
def test_what_is_no_loss(given: object) -> None:
    with pytest.raises(InputError, match="expected a catalogue name, a @symgrad") as error:
        symgrad.derive(given)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_wrt_of_another_type() -> None:
    with pytest.raises(InputError, match=r"wrt must name arrays, such as 'W' or \['W', 'b'\], got int"):
        symgrad.derive("mse", wrt=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [[1, 2], 1.5, None])
def test_steps_of_another_type(steps: object) -> None:
    with pytest.raises(InputError, match="unknown steps"):
        derived("mse").to_text(steps=steps)  # type: ignore[arg-type]


def test_a_ready_made_loss_points_at_no_line_of_its_own() -> None:
    with pytest.raises(ProgramError, match=r"^temperature: division by zero$"):
        symgrad.derive("temperature", tau=0)


def test_labels_that_are_no_integers() -> None:
    @symgrad.loss(shapes="Z: N C, y: N labels of C", wrt="Z")
    def loss(Z, y):
        return -symgrad.array.log_softmax(Z, axis=1)[np.arange(len(y)), y].mean()

    function = symgrad.derive(loss).to_numpy()
    assert function(np.zeros((3, 3)), y=np.array([0, 1, 2]))[0] == pytest.approx(np.log(3))
    with pytest.raises(ValueError, match="y: labels are integers, got dtype float64"):
        function(np.zeros((3, 3)), y=[0.0, 1.0, 2.0])


def test_a_shape_of_one_axis_is_written_as_numpy_does() -> None:
    with pytest.raises(ValueError, match=r"w: expected shape \(D,\) with D = 2"):
        derived("mse").to_numpy()(np.zeros((3, 2)), np.zeros(3), 0.0, np.zeros(3))
