"""The command line, as a user meets it: output, files, exit codes and one line for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from catalogue import derived_once

import symgrad
from symgrad.cli import main
from symgrad.evidence.checks import check
from symgrad.evidence.library import sources
from symgrad.evidence.report import Item, Section
from symgrad.steps import Total

BLOG = (files("symgrad") / "data" / "blog_values.json").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def derivations_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symgrad.cli.derive", derived_once)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_losses_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "losses")
    assert code == 0
    losses, layers = out.removeprefix("Losses:\n").split("Layers, derived for an upstream gradient:\n")
    names = [line.split()[0] for line in losses.splitlines()]
    assert names == list(symgrad.LOSSES) and {"softmax_mse", "softmax_cross_entropy", "focal"} < set(names)
    assert [line.split()[0] for line in layers.splitlines()] == list(symgrad.LAYERS)


def test_derive_prints_the_derivation_with_its_marks(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "derive", "softmax_cross_entropy", "--full")
    assert code == 0
    assert "(1/N) (p_mc − y_mc)" in out
    assert "each row of Y sums to one [A1]" in out
    assert "∂L/∂W = Xᵀ G" in out
    assert out.count("✓ every shape") >= 25
    assert "✗" not in out


def test_notation_and_wrt_and_reduction(capsys: pytest.CaptureFixture[str]) -> None:
    _, index, _ = run(capsys, "derive", "softmax_mse", "--notation", "index", "--wrt", "b", "--reduction", "sum")
    assert "∂L/∂b_c = 2 Σ_n p_nc (r_nc − Σ_k p_nk r_nk)" in index
    assert "∂L/∂W" not in index and "∂L/∂w" not in index and "1_N" not in index
    _, matrix, _ = run(capsys, "derive", "softmax_mse", "--notation", "matrix")
    assert "δ" not in matrix and "∂L/∂W = Xᵀ G" in matrix


def test_latex_and_mathml(capsys: pytest.CaptureFixture[str]) -> None:
    _, latex, _ = run(capsys, "derive", "softmax_mse", "--format", "latex", "--standalone")
    assert latex.startswith(r"\documentclass") and latex.rstrip().endswith(r"\end{document}")
    _, mathml, _ = run(capsys, "derive", "softmax_mse", "--format", "mathml")
    assert "<math" in mathml


def test_shape_prints_entries(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "derive", "softmax_cross_entropy", "--shape", "2,4,3")
    assert code == 0
    assert "x_24" in out and out.count("∂L/∂w_") == 12 and out.count("∂L/∂b_") == 3
    _, latex, _ = run(capsys, "derive", "softmax_cross_entropy", "--shape", "2,4,3", "--format", "latex")
    assert r"\begin{pmatrix}" in latex and r"w_{43}" in latex


def test_a_generated_module_works_on_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gradient.py"
    assert run(capsys, "generate", "softmax_cross_entropy", "-o", str(path))[0] == 0
    script = (
        "import sys; sys.modules['symgrad'] = None; sys.modules['sympy'] = None\n"
        "import numpy as np, gradient\n"
        "loss, grads = gradient.softmax_cross_entropy_gradient(np.ones((2, 4)), np.ones((4, 3)), np.zeros(3), [2, 0])\n"
        "print(loss, *grads.b)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    numbers = np.array(done.stdout.split(), dtype=float)
    np.testing.assert_allclose(numbers, [np.log(3), -1 / 6, 1 / 3, -1 / 6], rtol=1e-12)


def test_an_existing_file_is_kept_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out.txt"
    path.write_text("mine")
    code, _, err = run(capsys, "derive", "softmax_mse", "-o", str(path))
    assert code == 2 and "--force" in err and path.read_text() == "mine"
    assert run(capsys, "derive", "softmax_mse", "-o", str(path), "--force")[0] == 0
    assert "∂L/∂W" in path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["derive", "softmax_mes"], "did you mean softmax_mse"),
        (["derive", "softmax_mse", "--wrt", "V"], "unknown array 'V'; known arrays: X, W, b, Y"),
        (["derive", "softmax_mse", "--reduction", "most"], "expected one of mean, batch_mean, sum"),
        (["derive", "softmax_mse", "--shape", "2,4"], "expected 3 whole numbers, N,D,C"),
        (["derive", "softmax_mse", "--shape", "2,0,3"], "D"),
        (["derive", "softmax_mse", "--standalone"], "--format latex"),
        (["derive", "softmax_mse", "-o", "gradient.pdf"], "no format has the suffix .pdf: use .txt, .tex, .html, .md"),
        (["derive", "softmax_mse", "--steps", "9-5"], "steps 9-5: the range is reversed"),
        (["derive", "mse", "--reduction", "sum"], "mse does not take --reduction"),
        (["generate", "mse", "--target", "scalar"], "--target scalar needs --shape: 2 whole numbers, N,D, such as 2,4"),
        (["derive", "softmax_mse", "-o", "/nonexistent/folder/file"], "cannot write"),
        (["check", "--published", "/nonexistent.json"], "cannot read"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1 and out == "" and "Traceback" not in err


def test_an_unknown_option_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["derive", "softmax_mse", "--formats", "text"])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("name", "options", "start"),
    [
        ("a.txt", [], "Mean squared error\n==="),
        ("a", [], "Mean squared error\n==="),
        ("a.tex", [], "\\begingroup"),
        ("a.tex", ["--standalone"], "\\documentclass"),
        ("a.HTML", [], "<!doctype html>"),
        ("a.md", [], "# Mean squared error"),
        ("a.mml", [], "<math"),
        ("a.typ", [], "#set page"),
        ("a.html", ["--format", "mathml"], "<math"),
        ("a.lines", ["--format", "text"], "Mean squared error\n==="),
    ],
)
def test_the_name_of_the_file_says_the_format_unless_an_option_does(
    name: str, options: list[str], start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    assert run(capsys, "derive", "mse", "--steps", "none", "-o", str(path), *options)[0] == 0
    assert path.read_text(encoding="utf-8").startswith(start)


def test_options_stand_between_the_other_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def gradient(X, w, b, y):\n    return 2 / len(X) * X.T @ (X @ w + b - y)\n", encoding="utf-8")
    assert run(capsys, "diagnose", "mse", "--wrt", "w", f"{path}:gradient")[0] == 0
    assert run(capsys, "derive", "--wrt", "w", "mse", "--steps", "none")[0] == 0


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"symgrad {symgrad.__version__}\n"


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert capsys.readouterr().err == "symgrad: expected a command: losses, derive, generate, check, diagnose\n"


def test_python_dash_m_runs_it() -> None:
    done = subprocess.run([sys.executable, "-m", "symgrad", "losses"], capture_output=True, text=True, check=True)
    assert "softmax_mse" in done.stdout


# --- symgrad check ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report() -> dict[str, object]:
    """Of the blog's numbers; the library and the recorded runs are those of ``evidence/test_library.py``."""
    return check(BLOG).as_dict()


def test_check_has_sections_of_the_losses_of_each_source_and_of_the_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("symgrad.evidence.checks.section", lambda name, _: Section(name, (Item("known", True, ""),)))
    monkeypatch.setattr("symgrad.evidence.checks.sources", lambda: sources()[:2])
    monkeypatch.setattr("symgrad.evidence.checks.losses_with_runs", lambda: [symgrad.LOSSES["ridge"]])
    code, out, err = run(capsys, "check", "--json")
    assert (code, err) == (0, "")
    titles = [section["title"] for section in json.loads(out)["sections"]]
    published = [f"Published: {name}" for name in ("the losses of the examples", *(s.name for s in sources()[:2]))]
    assert titles == ["softmax_mse", "softmax_cross_entropy", *published, "Recorded runs of the catalogue"]
    assert all(section["items"] for section in json.loads(out)["sections"])


def section(report: dict[str, object], loss: str) -> dict[str, list[dict[str, object]]]:
    (found,) = [s for s in report["sections"] if s["title"] == loss]  # type: ignore[attr-defined]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["softmax_mse", "softmax_cross_entropy"])
def test_check_reports_every_kind_of_evidence(report: dict[str, object], loss: str) -> None:
    whats = " | ".join(str(item["what"]) for item in section(report, loss)["items"])
    for kind in (
        "proof of every line",
        "brute force at N = 2 x D = 4 x C = 3",
        "runs in TensorFlow",
        "generated code in float32",
        "published: rows sum to zero",
        "published: witness, generated function",
        "published: witness, unrolled function",
    ):
        assert kind in whats
    assert ("probabilities" in whats) == (loss == "softmax_cross_entropy")


@pytest.mark.slow
def test_check_says_what_the_evidence_can_reject(report: dict[str, object]) -> None:
    entropy = {row["formula"]: row["witness"] for row in section(report, "softmax_cross_entropy")["rows"]}
    assert entropy["as derived"] and entropy["1/N missing"]
    assert not entropy["sign flipped"] and not entropy["extra 1/C"] and not entropy["labels (0, 1)"]
    mse = {row["formula"]: row for row in section(report, "softmax_mse")["rows"]}
    (left_out,) = [row for name, row in mse.items() if "left out" in str(name)]
    assert mse["as derived"]["witness"] and mse["half of it"]["witness"] and left_out["witness"]
    assert left_out["size"] > 20 * mse["as derived"]["size"]


@pytest.mark.slow
@pytest.mark.parametrize("section_name", ["mse", "cross_entropy"])
def test_one_changed_number_makes_the_check_fail(
    section_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = json.loads(BLOG)
    values = {key: values[key] for key in ("labels", "N", "D", "C", section_name)}
    values[section_name]["dW"][1][2] = str(float(values[section_name]["dW"][1][2]) + 1e-5)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(values))
    code, _, err = run(capsys, "check", "--published", str(path))
    assert code == 1
    assert err.startswith("symgrad: check failed: softmax_") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.pop("labels"), "labels"),
        (lambda v: v["mse"]["dW"].pop(), "dW"),
        (lambda v: v["mse"]["db"].__setitem__(0, "x"), "db"),
        (lambda v: v.__setitem__("labels", [3, 0]), "labels"),
        (lambda v: v.__setitem__("N", 0), "N"),
    ],
)
def test_malformed_published_numbers_are_named(
    change: object, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = json.loads(BLOG)
    change(values)  # type: ignore[operator]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(values))
    code, out, err = run(capsys, "check", "--published", str(path))
    assert code == 2 and words in err and err.count("\n") == 1 and out == ""


def test_html_and_markdown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "derivation.html"
    assert run(capsys, "derive", "softmax_mse", "--format", "html", "-o", str(page))[0] == 0
    written = page.read_text(encoding="utf-8")
    assert written.startswith("<!doctype html>") and "def softmax_mse_gradient(" in written
    _, markdown, _ = run(capsys, "derive", "softmax_mse", "--format", "markdown")
    assert markdown.startswith("# Mean squared error of softmax probabilities\n") and "_gradient(" not in markdown
    assert "def softmax_mse_gradient(" in run(capsys, "derive", "softmax_mse", "--format", "markdown", "--code")[1]


@pytest.mark.parametrize("form", ["html", "markdown", "mathml"])
def test_entries_are_text_or_latex(capsys: pytest.CaptureFixture[str], form: str) -> None:
    code, out, err = run(capsys, "derive", "softmax_mse", "--shape", "2,4,3", "--format", form)
    assert (code, out) == (2, "")
    assert "--shape needs --format text or latex" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["derive", "mse", "--format", "pdf"], "argument --format: invalid choice: 'pdf'"),
        (["derive", "mse", "--shape", "2"], "--shape 2: expected 2 whole numbers, N,D, such as 2,4"),
        (["derive", "nope"], "unknown loss 'nope': known losses: softmax"),
        (["derive", "info_nse"], "unknown loss 'info_nse': did you mean info_nce?"),
        (["derive", "-e", "sum(A_1 - A1)", "--shapes", "A_1: N, A1: N"], "A_1 and A1 are both written A1: rename one"),
        (
            ["derive", "-e", "sum(é)", "--shapes", "é: N"],
            "'é' cannot name an input: use letters, digits and underscores",
        ),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(str(stop.code))
    out, error = capsys.readouterr()
    assert code == 2 and not out
    assert error.startswith("symgrad: ") and error.count("\n") == 1 and words in error


def test_where_nothing_is_finite_nothing_is_ticked(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", "-e", "sum(exp(exp(x * x)))", "--shapes", "x: N positive"]
    assert main(["check", "-e", "sum(exp(x * x * 9))", "--shapes", "x: N"]) == 0
    large = next(line for line in capsys.readouterr().out.splitlines() if "large inputs" in line)
    assert large == "  - large inputs: nothing to compare: the loss overflows at all 8 draws"
    assert main([*arguments, "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["sections"][0]["items"]
    assert [item["compared"] for item in items] == [True] * len(items)


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of a line; ``symgrad.cli`` gets a derivation of ridge in which it is doubled."""
    right = symgrad.derive("ridge")
    number = max(step.number for step in right.steps if isinstance(step.subject, Total))
    steps = tuple(replace(s, after=2 * s.after) if s.number == number else s for s in right.steps)
    derivation = symgrad.Derivation(replace(right.record, steps=steps))
    monkeypatch.setattr("symgrad.cli.derive", lambda *_, **__: derivation)
    return number


@pytest.mark.parametrize("form", ["text", "latex", "mathml", "html", "markdown", "typst"])
def test_a_wrong_line_is_said_in_every_format(form: str, wrong: int, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "derive", "ridge", "--format", form, "--code")
    said = f"Warning: line {wrong} is wrong"
    assert code == 1 and said in out and "def ridge_gradient" not in out
    assert err.startswith(f"symgrad: ridge: line {wrong} is wrong: ") and err.count("\n") == 1
    if form == "text":
        lines = out.splitlines()
        assert lines[0].startswith(said) and lines[-1].startswith(said)


@pytest.mark.parametrize("arguments", [["generate", "ridge"], ["derive", "ridge", "--shape", "2,2"]])
def test_a_wrong_line_gives_no_code(arguments: list[str], wrong: int, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "") and f"line {wrong} is wrong" in err


@pytest.mark.parametrize("option", ["-e", "--expression"])
def test_an_expression_may_begin_with_a_minus(capsys: pytest.CaptureFixture[str], option: str) -> None:
    code, out, err = run(capsys, "derive", option, "-sum(x**2)", "--shapes", "x: N", "--wrt", "x")
    assert code == 0 and "∂L/∂x = −2 x" in out and not err
    with pytest.raises(SystemExit, match="2"):
        main(["derive", option, "--shapes", "x: N"])
    assert capsys.readouterr().err.strip().endswith("argument -e/--expression: expected one argument")


@pytest.mark.slow
def test_what_is_undefined_somewhere_is_said_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    odds = "sum(log(softmax(X, axis=1) / (1 - softmax(X, axis=1))))"
    code, out, err = run(capsys, "derive", "-e", odds, "--shapes", "X: N C")
    assert code == 0 and "undefined at C = 1" in out and "Warning" not in out
    assert (
        all(line.startswith("symgrad: ") and line.endswith("undefined at C = 1") for line in err.splitlines()) and err
    )
