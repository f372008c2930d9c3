"""Losses of one's own on the command line: from a file, a module or one line; and one message for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from symgrad.cli import main

FILE = '''
import numpy as np
import symgrad
from symgrad.array import log_softmax, softmax
{extra}

@symgrad.loss(shapes="X: N D, W: D C, b: C, Y: N C distribution, gamma: scalar", wrt="W b")
def focal(X, W, b, Y, gamma=2):
    """Focal loss."""
    Z = X @ W + b
    P = softmax(Z, axis=1)
    return -np.mean(np.sum(Y * (1 - P) ** gamma * log_softmax(Z, axis=1), axis=1))


@symgrad.loss(shapes="X: N D, W: D C, y: N labels of C", wrt="W")
def labelled(X, W, y):
    return -np.log(softmax(X @ W, axis=1)[np.arange(len(y)), y]).mean()


@symgrad.loss(shapes="x: N", wrt="x")
def undefined(x):
    return np.sum(np.log(-(x**2) - (x - 1) ** 2))


@symgrad.loss(shapes="X: N D, W: D C")
def broken(X, W):
    return np.sum(W @ X)


number = 3
'''
LINE = ["-e", "mean((softmax(X @ W + b, axis=1) - Y)**2)", "--shapes", "X: N D, W: D C, b: C, Y: N C", "--wrt", "W b"]


@pytest.fixture
def losses(tmp_path: Path) -> str:
    path = tmp_path / "mylosses.py"
    path.write_text(FILE.format(extra="from neighbour import nothing"))
    (tmp_path / "neighbour.py").write_text("nothing = None\n")
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_derive_from_a_file(losses: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "derive", f"{losses}:focal")
    assert code == 0 and out.startswith("Focal loss")
    assert "L = −(1/N) Σ_n Σ_k y_nk (1 − p_nk)^γ log p_nk" in out
    assert "∂L/∂w_dc" in out and "∂L/∂b_c" in out and "✗" not in out


def test_derive_from_a_module(losses: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(losses).parent)
    monkeypatch.delitem(sys.modules, "mylosses", raising=False)
    code, out, _ = run(capsys, "derive", "mylosses:labelled", "--wrt", "W")
    assert code == 0 and "∂L/∂W = (1/N) Xᵀ (P − Y)" in out


def test_derive_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "derive", *LINE)
    assert code == 0
    assert "(2/(N C)) p_mc (r_mc − Σ_k p_mk r_mk)" in out


def test_generate_writes_a_module_that_needs_numpy_alone(
    losses: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "generate", f"{losses}:labelled", "-o", str(tmp_path / "labelled.py"))[0] == 0
    script = (
        "import sys; sys.modules['symgrad'] = None; sys.modules['sympy'] = None\n"
        "import numpy as np, labelled\n"
        "loss, grads = labelled.labelled_gradient(np.ones((2, 2)), np.zeros((2, 3)), [2, 0])\n"
        "print(loss, *grads.W[0])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(np.array(done.stdout.split(), float), [np.log(3), -1 / 6, 1 / 3, -1 / 6], rtol=1e-12)


def test_generate_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "generate", *LINE)
    assert code == 0 and "def loss_gradient(" in out


@pytest.mark.parametrize("name", ["focal", "labelled"])
def test_check_proves_and_compares_with_differences(name: str, losses: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "check", f"{losses}:{name}", "--json")
    found = {item["what"]: item["ok"] for item in json.loads(out)["sections"][0]["items"]}
    assert code == 0 and all(found.values())
    assert {"proof of every line", "finite differences of the loss itself", "large inputs"} <= set(found)


@pytest.mark.slow
def test_check_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "check", *LINE)
    assert code == 0 and "finite differences" in out and "Everything holds." in out


def test_check_fails_where_the_loss_and_its_gradient_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The function computes something else on arrays than on symbols."""
    path = tmp_path / "two_faced.py"
    path.write_text(
        "import numpy as np\nimport symgrad\n\n"
        "@symgrad.loss(shapes='x: N')\n"
        "def two_faced(x):\n"
        "    return np.sum(x**2) * (1.001 if isinstance(x, np.ndarray) else 1)\n"
    )
    code, out, err = run(capsys, "check", f"{path}:two_faced")
    assert code == 1 and "FAILED" in out and "finite differences" in err


def test_check_says_that_the_loss_is_nowhere_finite(losses: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "check", f"{losses}:undefined")
    assert code == 1 and "not finite at random inputs" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["derive", "{file}:focl"], "has no loss 'focl': expected one of focal, labelled, undefined, broken"),
        (["derive", "{file}"], ".py:NAME with NAME one of focal, labelled, undefined, broken"),
        (["derive", "nofile.py"], "nofile.py is a file: write nofile.py:NAME"),
        (
            ["derive", "-e", "sum(X)", "--shapes", "X: N, b: C", "--wrt", "X b"],
            "L does not depend on b: leave b out of wrt",
        ),
        (["derive", "{file}:number"], "number is not a loss"),
        (["derive", "{file}:focal", "--wrt", "Q"], "unknown array 'Q'"),
        (["derive", "nofile.py:focal"], "no such file"),
        (["derive", "no.module:focal"], "cannot be imported: ModuleNotFoundError"),
        (["derive", "a b:focal"], "neither a file"),
        (["derive"], "expected a loss"),
        (["derive", "{file}:focal", "-e", "sum(X)"], "not both"),
        (["derive", "-e", "sum(X)"], "-e needs --shapes"),
        (["derive", "softmax_mse", "--shapes", "X: N"], "--shapes needs -e"),
        (["derive", "-e", "sum(X)", "--shapes", "X N"], "lacks a colon"),
        (["derive", "-e", "sum(X)", "--shapes", "X: N", "--wrt", "Q"], "wrt names Q"),
        (["derive", "-e", "sum(X)", "--shapes", "X: N", "--reduction", "sum"], "loss does not take --reduction"),
        (["check", "softmax_mse", "--published", "x.json"], "--published applies to the catalogue"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    arguments: list[str], words: str, losses: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *(argument.replace("{file}", losses) for argument in arguments))
    assert code == 2 and out == ""
    assert words in err and err.count("\n") == 1


@pytest.mark.parametrize(("text", "words"), [("def", "SyntaxError"), ("1 / 0", "ZeroDivisionError")])
def test_a_file_that_cannot_be_imported(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    code, out, err = run(capsys, "derive", f"{path}:loss")
    assert code == 2 and out == "" and words in err and err.count("\n") == 1


def test_a_file_with_many_losses_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "many.py"
    declared = "\n".join(f"{name} = symgrad.loss(shapes='x: N')(np.sum)" for name in [f"loss{n}" for n in range(20)])
    path.write_text(f"import numpy as np\nimport symgrad\n{declared}\n".replace("(np.sum)", "(lambda x: np.sum(x))"))
    assert "expected loss19 (it has 20 losses)" in run(capsys, "derive", f"{path}:los19")[2]
    assert "expected one of its 20 losses" in run(capsys, "derive", f"{path}:q")[2]
    path.write_text("")
    assert "has no losses; declare one with @symgrad.loss" in run(capsys, "derive", f"{path}:q")[2]


def test_a_mistake_in_a_declaration_names_the_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.py"
    path.write_text(FILE.format(extra="").replace('shapes="x: N", wrt="x"', 'shapes="x: N", wrt="q"'))
    code, _, err = run(capsys, "derive", f"{path}:focal")
    lines = err.splitlines()
    assert code == 2 and lines[0].endswith("bad.py: undefined: wrt names q, but shapes declares x")
    assert lines[1].endswith("line 20:") and lines[2].strip() == '@symgrad.loss(shapes="x: N", wrt="q")'


def test_a_mistake_in_a_loss_points_at_its_line_and_writes_nothing(
    losses: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.py"
    code, out, err = run(capsys, "generate", f"{losses}:broken", "-o", str(target))
    assert code == 2 and out == "" and not target.exists()
    lines = err.splitlines()
    assert lines[0] == "symgrad: W (D, C) @ X (N, D): C does not match N"
    assert lines[2:] == ["    return np.sum(W @ X)", "                  ^^^^^"]
