"""The terminal: UTF-8 whatever the locale says, the width, colours, the count of parts, and completion in a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from cases import sampled

from symgrad import terminal
from symgrad.cli import main
from symgrad.render.text_printer import width

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
COLOUR = re.compile("\x1b\\[[0-9;]*m")
PLAIN = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "PYTHONIOENCODING")}


def on_a_terminal(*arguments: str, both: bool = False, **environment: str) -> str:
    """What ``symgrad`` writes to a terminal, standard error too if ``both``."""
    reader, writer = pty.openpty()
    variables = PLAIN | {"TERM": "xterm"} | environment
    command = [sys.executable, "-m", "symgrad", *arguments]
    done = subprocess.Popen(command, stdout=writer, stderr=writer if both else None, env=variables)
    os.close(writer)
    written = b""
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(reader)
    assert done.wait() == 0
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("encoding", sampled(["ascii", "cp1252"], "ascii"))
def test_utf8_is_written_whatever_the_encoding_is_said_to_be(encoding: str) -> None:
    command = [sys.executable, "-m", "symgrad", "derive", "mse", "--steps", "none", "--wrt", "w"]
    environment = PLAIN | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert "∂L/∂w = (2/N) Xᵀ e" in done.stdout.decode("utf-8")


def test_lines_fit_a_narrow_terminal_and_headings_and_marks_have_colours() -> None:
    written = on_a_terminal("derive", "mse", "--wrt", "w", COLUMNS="40")
    assert "\x1b[1mMean squared error\n==================\x1b[0m\n" in written
    assert "\x1b[1mForward equations\x1b[0m\n" in written
    lines = COLOUR.sub("", written).splitlines()
    assert 50 < max(map(width, lines)) <= terminal.NARROWEST


@pytest.mark.slow
def test_a_formula_takes_one_line_of_a_wide_terminal() -> None:
    assert "∂L/∂w = (2/N) Xᵀ e" in COLOUR.sub("", on_a_terminal("derive", "mse", "--steps", "none", COLUMNS="200"))


@pytest.mark.slow
def test_a_terminal_without_colours_gets_none() -> None:
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in on_a_terminal("derive", "mse", "--steps", "none", **variables)


def test_only_headings_and_marks_are_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    code = "import numpy as np\n\ndef f(x):\n    return x\n\ntable = (\n    1,\n)\n"
    assert terminal.coloured(code) == code
    marked = terminal.coloured("Heading\n   1  a = b  ✓ proved\n   2  c = d  ✗ wrong\n")
    parts = ["", "Heading", "\n   1  a = b  ", "✓", " proved\n   2  c = d  ", "✗", " wrong\n"]
    assert COLOUR.split(marked) == parts


@pytest.mark.slow
def test_a_check_counts_on_standard_error_while_it_works() -> None:
    written = on_a_terminal("check", "-e", "sum(x**2)", "--shapes", "x: N", both=True)
    assert re.search(r"\r\x1b\[Ksymgrad: working, 0 parts done, \d+ s", written)
    shown = re.sub("[^\n]*\r\x1b\\[K", "", written)  # what is left on the screen
    assert "working" not in shown and "Everything holds." in shown


def test_a_check_into_a_file_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-e", "sum(x**2)", "--shapes", "x: N"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("line", "proposals"),
    sampled(
        [
            ("symgrad dia", ["diagnose"]),
            ("symgrad derive rid", ["ridge"]),
            ("symgrad derive ridge --form", ["--format"]),
            ("symgrad derive ridge --format la", ["latex"]),
        ],
        every=4,
    ),
)
def test_a_shell_completes_commands_losses_and_options(line: str, proposals: list[str]) -> None:
    pytest.importorskip("argcomplete")
    script = (
        "import os, sys; from symgrad.cli import main\n"
        "os.dup2(1, 8); sys.argv[0] = 'symgrad'; main()"  # argcomplete writes its proposals to the descriptor 8
    )
    variables = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=PLAIN | variables)
    assert [word.strip() for word in done.stdout.split("\n")] == proposals, done.stderr
