"""Hostile input: expressions, shapes, options and published numbers that would crash, stall, run or spoil something."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from cases import sampled
from hypothesis import given, settings
from hypothesis import strategies as st

from symgrad import LOSSES, SymgradError, cli, read_published
from symgrad.array.expression import parse
from symgrad.array.source_location import WIDTH, Span
from symgrad.cli import main
from symgrad.errors import LONGEST_LINE, shown
from trials.examination import limited

SHAPES = "X: N D, W: D C, b: C, Y: N C, s: scalar"
SECONDS = 10.0
LONG = 10**6
HOSTILE = settings(max_examples=200, deadline=None)


# --- what must hold of every refusal ------------------------------------------------------------------------------

_events: list[str] | None = None
FORBIDDEN = re.compile(r"import|open|exec|os\..*|subprocess\..*|socket\..*|ctypes\..*|shutil\..*|pickle\..*")


def _heard(event: str, _: tuple[Any, ...]) -> None:
    if _events is not None and FORBIDDEN.fullmatch(event):
        _events.append(event)


sys.addaudithook(_heard)


@contextmanager
def nothing_is_run() -> Iterator[None]:
    """Inside, nothing is imported, opened or executed, and it comes to an end."""
    global _events
    _events = []
    try:
        with limited(SECONDS):
            yield
        found = list(_events)
    finally:
        _events = None
    assert found == []


def is_decent(message: str, lines: int = 4) -> bool:
    """Whether a message is short and does nothing to a terminal: one line, with the user's line and a caret at most."""
    parts = message.split("\n")
    return (
        len(parts) in (1, lines)
        and all(part.isprintable() for part in parts)
        and all(len(part) < 1.1 * LONGEST_LINE for part in parts)
    )


def refused(read: Callable[[], object]) -> str:
    """The message of a refusal, which is decent."""
    with nothing_is_run(), pytest.raises((SymgradError, ValueError)) as caught:
        read()
    message = str(caught.value)
    assert type(caught.value) is ValueError or isinstance(caught.value, SymgradError)
    assert is_decent(message), message
    return message


def perhaps_refused(read: Callable[[], object]) -> None:
    """What hypothesis made may be right."""
    with nothing_is_run():
        try:
            read()
        except (SymgradError, ValueError) as error:
            assert type(error) is ValueError or isinstance(error, SymgradError)
            assert is_decent(str(error)), str(error)


def command(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as ended:
            assert isinstance(ended.code, int)
            code = ended.code
    return code, out.getvalue(), err.getvalue()


def test_the_hook_hears() -> None:
    with pytest.raises(AssertionError), nothing_is_run():
        exec("1")
    with pytest.raises(AssertionError), nothing_is_run():
        open(os.devnull).close()


# --- expressions --------------------------------------------------------------------------------------------------

EXPRESSIONS = {
    "parentheses": "(" * 10**5 + "X" + ")" * 10**5,
    "minus signs": "-" * 9_000 + "X",
    "nots": "not " * 2_400 + "X",
    "attributes": "X" + ".T" * 4_900,
    "subscripts": "X" + "[:]" * 3_000,
    "calls": "X" + "()" * 4_000,
    "nested calls": "sum(" * 10**4 + "X" + ")" * 10**4,
    "a call of many names": "sum(" + ".".join(["a"] * 300) + "(X))",
    "a chain of powers": "**".join(["9"] * 3_000),
    "a tower of powers": "sum(X) * 9**9**9**9",
    "a large exponent": "sum(X) * 10**10**6",
    "powers of powers": "((((9**99)**99)**99)**99)**99 * sum(X)",
    "a large float": "sum(X) * 1e999",
    "infinity from finite numbers": "sum(X) * (1e308 * 10) * 0",
    "a long integer": "sum(X) * " + "9" * 9_000,
    "a long integer in base 16": "sum(X) * 0x" + "f" * 9_000,
    "long factors": "sum(X) * " + "*".join(["9" * 29] * 300),
    "a repeated string": "'x' * 10**9",
    "a long string": "sum('" + "x" * 9_000 + "')",
    "a long name": "A" * LONG,
    "a name that is just read": "sum(" + "A" * 9_000 + ")",
    "a long function": "A" * 9_000 + "(X)",
    "a long attribute": "sum(X." + "A" * 9_000 + ")",
    "a long keyword": "sum(X, " + "A" * 9_000 + "=1)",
    "a long subscript for einsum": "einsum('" + "a" * 9_000 + "', X)",
    "a large axis": f"sum(X, axis=-{10**400})",
    "an axis nested deep": "sum(X, axis=" + "(" * 45 + "1" + ",)" * 45 + ")",
    "a NUL": "sum(X)\0",
    "an escape sequence": "sum(X)\x1b[31m",
    "right to left": "sum(\u202eX)",
    "a lone surrogate": "sum(\udc80X)",
    "a Cyrillic X": "sum(\u0425)",
    "a Greek X": "sum(\u03a7)",
    "a full-width X": "sum(\uff38)",
    "a bold X": "sum(\U0001d417)",
    "a full-width digit": "sum(X) * \uff11",
    "an Arabic digit": "sum(X) * \u0663",
    "a combining accent": "sum(X\u0301)",
    "a joiner": "sum(X\u200d)",
    "dunders": "().__class__.__base__.__subclasses__()",
    "globals": "sum.__globals__['os'].system('true')",
    "an import": "__import__('os').system('true')",
    "eval": "eval('1')",
    "open": "open('/etc/passwd')",
    "a lambda": "(lambda: X)()",
    "a walrus": "(sum := X)",
    "a comprehension": "sum([x for x in X])",
    "an f-string": "f'{X!r:{s}}'",
    "statements": "sum(X); import os",
    "nothing": "",
    "a comment": "# sum(X)",
}


@pytest.mark.parametrize("text", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())
def test_no_expression_does_harm(text: str) -> None:
    refused(lambda: parse(text, SHAPES).program())
    if "\0" not in text:  # which no argument can have
        code, out, err = command("derive", "-e", text, "--shapes", SHAPES)
        assert (code, out) == (2, "") and err.startswith("symgrad: ") and is_decent(err[:-1])


@pytest.mark.parametrize(
    ("text", "called"),
    [("sum(\u0425)", "CYRILLIC CAPITAL LETTER HA"), ("sum(\uff38)", "FULLWIDTH LATIN CAPITAL LETTER X")],
)
def test_a_letter_that_looks_like_another_is_named(text: str, called: str) -> None:
    assert f"({called}) is not in the language" in refused(lambda: parse(text, SHAPES))


NAMES = st.sampled_from(["X", "W", "b", "Y", "s", "sum", "exp", "softmax", "einsum", "mean", "where", "eye", "norm"])
LOOK_ALIKES = st.sampled_from(
    "\u0425\u03a7\uff38\u041d\u039d\uff2e\u0421\uff11\u0663\u0301\u200d\u202e\ud800\0\x1b\x7f\xa0\ufeff"
)
TEXT = st.text(st.characters(codec=None), max_size=30)
LEAVES = NAMES | st.integers(-(10**40), 10**40).map(str) | st.floats().map(repr) | TEXT | LOOK_ALIKES
OPERATORS = st.sampled_from(["+", "-", "*", "/", "**", "@", ">", "==", "%", "//", "<<", "and", "if", ":=", ",", "in"])


def _larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(parts, OPERATORS, parts).map(" ".join),
        st.tuples(NAMES, parts, st.sampled_from(["", ", axis=1", ", axis=0, keepdims=True", ", *X", ", **X"])).map(
            lambda t: f"{t[0]}({t[1]}{t[2]})"
        ),
        parts.map(lambda p: f"({p})"),
        parts.map(lambda p: f"-{p}"),
        parts.map(lambda p: f"{p}.T"),
        st.tuples(parts, st.sampled_from([":", "None", "0", "...", "::2", "X", "True"])).map(
            lambda t: f"{t[0]}[{t[1]}]"
        ),
        st.tuples(parts, st.sampled_from(["__class__", "__globals__", "mean", "shape"])).map(".".join),
        st.tuples(parts, st.integers(2, 60)).map(lambda t: t[0] * t[1]),
    )


GRAMMAR = st.recursive(LEAVES, _larger, max_leaves=8)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(GRAMMAR) if draw(st.booleans()) else "mean(sum((softmax(X @ W + b, axis=1) - Y)**2, axis=1))"
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(TEXT | LOOK_ALIKES) + text[place + draw(st.integers(0, 3)) :]
    return text


@HOSTILE
@given(mutated() | TEXT)
def test_no_expression_that_hypothesis_makes_does_harm(text: str) -> None:
    perhaps_refused(lambda: parse(text, SHAPES))


# --- shapes and options -------------------------------------------------------------------------------------------

DECLARATIONS = {
    "a long name": "A" * LONG + ": N",
    "a name of 100 letters": "A" * 100 + ": N",
    "a long axis": "X: " + "A" * LONG,
    "an axis of 100 letters": "X: " + "A" * 100,
    "many axes": "X:" + " N" * 60,
    "many inputs": ", ".join(f"X{k}: N" for k in range(3_000)),
    "many words": "X: N " + "positive " * 10**5,
    "only commas": "," * LONG,
    "only colons": ":" * LONG,
    "a NUL": "X\0: N",
    "an escape sequence": "X: N\x1b[31m",
    "right to left": "X: \u202eN",
    "a lone surrogate": "X: \udc80",
    "a Greek N": "X: \u039d",
    "a Greek X": "\u03a7: N",
    "a keyword": "lambda: N",
    "labels of a long name": "y: N labels of " + "C" * LONG,
    "a number": "X: " + "9" * 5_000,
}


@pytest.mark.parametrize("text", DECLARATIONS.values(), ids=DECLARATIONS.keys())
def test_no_shapes_do_harm(text: str) -> None:
    refused(lambda: parse("sum(X)", text))


@HOSTILE
@given(st.lists(st.sampled_from(["X", ":", "N", ",", "scalar", "labels", "of", "positive", " "]) | TEXT | LOOK_ALIKES))
def test_no_shapes_that_hypothesis_makes_do_harm(parts: list[str]) -> None:
    perhaps_refused(lambda: parse("sum(X)", " ".join(parts)))


WORDS = {
    "long": "A" * LONG,
    "escape": "\x1b[31m",
    "two lines": "a\nb",
    "right to left": "\u202ex",
    "surrogate": "\udc80",
    "large": "9" * 5_000,
    "Arabic": "\u0661,\u0662,\u0663",
    "dots": "." * 10**5,
    "path": "a/" * 2_000 + "b.py:x",
    "NUL": "a\0b",
    "NUL in a file": "a\0b.py:x",
    "module": "..os:path",
}


@pytest.mark.parametrize("word", sampled(WORDS.values(), every=3), ids=WORDS.keys())
@pytest.mark.parametrize(
    "before",
    [
        ("derive",),
        ("derive", "ridge", "--wrt"),
        ("derive", "ridge", "--reduction"),
        ("derive", "ridge", "--shape"),
        ("derive", "ridge", "--steps"),
        ("derive", "ridge", "--format"),
        ("derive", "-e", "sum(X)", "--shapes", "X: N D", "--wrt"),
        ("generate", "ridge", "--target", "scalar", "--shape"),
        ("check", "--published"),
        (),
    ],
    ids=" ".join,
)
def test_no_option_does_harm(before: tuple[str, ...], word: str) -> None:
    code, out, err = command(*before, word)
    assert (code, out) == (2, "")
    assert err.startswith("symgrad: ") and err.endswith("\n") and is_decent(err[:-1], lines=1), err


@pytest.mark.parametrize("shape", ["1000000,1000000", "999999999,2"])
def test_sizes_that_fill_the_memory_are_refused(shape: str) -> None:
    for arguments in (("derive", "ridge"), ("generate", "ridge", "--target", "scalar")):
        code, _, err = command(*arguments, "--shape", shape)
        assert code == 2 and "entries at these sizes are too many" in err


def test_what_is_shown_is_cut_and_escaped() -> None:
    assert shown("a\x1b[31m \u202e\udc80\n\t\xa0b") == "a\\x1b[31m \\u202e\\udc80\\n\\t\\xa0b"
    assert shown("Größe, δ_nm ✓") == "Größe, δ_nm ✓"
    assert len(shown("x" * LONG)) < 250 and len(shown("x " * LONG)) < 1000
    for start in (0, 500, 997):
        text = "x" * start + "?" + "x" * (999 - start)
        lines = str(Span("expression", 0, text, start, start + 1)).split("\n")
        assert lines[1][lines[2].index("^")] == "?" and lines[2].count("^") == 1
        assert len(lines[1]) < WIDTH + 20


# --- published numbers --------------------------------------------------------------------------------------------

GOOD = '{"labels": [0, 1], "N": 2, "D": 1, "C": 2, "mse": {"dW": [["0.1", "-0.1"]], "db": ["0.2", "-0.2"]}}'
PUBLISHED = {
    "nested lists": "[" * 10**5 + "]" * 10**5,
    "nested objects": '{"a":' * 10**5 + "1" + "}" * 10**5,
    "lists without an end": "[" * LONG,
    "a nested value": GOOD[:-1] + ', "x": ' + "[" * 5_000 + "]" * 5_000 + "}",
    "a long integer": GOOD.replace('"N": 2', '"N": ' + "9" * LONG),
    "an integer that Python can make": GOOD.replace('"C": 2', '"C": ' + "9" * 4_000),
    "a large size": GOOD.replace('"N": 2', '"N": 999999999'),
    "NaN": GOOD.replace('"N": 2', '"N": NaN'),
    "Infinity": GOOD.replace('"D": 1', '"D": -Infinity'),
    "a float": GOOD.replace('"D": 1', '"D": 1e999'),
    "a number that is none": GOOD.replace('"0.2"', '"NaN"'),
    "a large exponent": GOOD.replace('"0.2"', '"1e999999999"'),
    "a small exponent": GOOD.replace('"0.2"', '"1e-999999999"'),
    "a long exponent": GOOD.replace('"0.2"', '"0e-' + "9" * 10**5 + '"'),
    "zero with an exponent": GOOD.replace('"0.2"', '"0e999999999"'),
    "many digits": GOOD.replace('"0.2"', '"' + "9" * 10**5 + '"'),
    "many places": GOOD.replace('"0.2"', '"0.' + "0" * 10**5 + '1"'),
    "less than there is": GOOD.replace('"0.2"', '"1e-330"'),
    "Arabic digits": GOOD.replace('"0.2"', '"\u0663"'),
    "an underscore": GOOD.replace('"0.2"', '"1_000"'),
    "a space": GOOD.replace('"0.2"', '"1 "'),
    "a key twice": '{"N": 1, "N": 2}',
    "a long key twice": '{"A": 1, "A": 2}'.replace("A", "a" * 10**5),
    "a key of two lines": GOOD.replace("mse", "m\\nse").replace("dW", "d\\u001bW"),
    "a key that drives a terminal": GOOD.replace("mse", "\\u001b[31m").replace('"db"', '"\\u202e"'),
    "a lone surrogate": GOOD.replace('"mse": {', '"\\ud800": {"x": 1, '),
    "a byte order mark": "\ufeff" + GOOD,
    "a NUL": GOOD.replace("mse", "m\0se"),
    "something after it": GOOD + " x",
    "a million labels": GOOD.replace("[0, 1]", "[" + "0," * LONG + "0]"),
    "empty": "",
    "no object": "null",
}


@pytest.mark.parametrize("text", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_no_published_numbers_do_harm(text: str, tmp_path: Path) -> None:
    message = refused(lambda: read_published(text, LOSSES))
    assert "\n" not in message and "set_int_max_str_digits" not in message
    path = tmp_path / "published.json"
    path.write_text(text, encoding="utf-8")
    code, out, err = command("check", "--published", str(path))
    assert (code, out) == (2, "") and err.count("\n") == 1 and is_decent(err[:-1])


@pytest.mark.parametrize("value", [None, True, 1.5, "x", [], {}, [[]], [[[]]], [None, None], {"dW": 1}, -1, 10**30])
def test_values_of_the_wrong_kind_are_named(value: Any) -> None:
    for path in ("labels", "labels 0", "N", "D", "C", "mse", "mse dW", "mse db", "mse dW 0", "mse dW 0 0", "mse db 0"):
        top = json.loads(GOOD)
        *steps, last = [int(part) if part.isdigit() else part for part in path.split()]
        inner = top
        for step in steps:
            inner = inner[step]
        inner[last] = value
        message = refused(lambda top=top: read_published(json.dumps(top)))
        assert any(name in message for name in (str(last), path.split()[0])), message


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.decimals().map(str) | st.just("0.1"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["dW", "db", "N"]) | TEXT, inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.slow
@HOSTILE
@given(
    st.fixed_dictionaries(
        {
            "labels": st.just([0, 1]) | VALUES,
            "N": st.just(2) | VALUES,
            "D": st.just(1) | VALUES,
            "C": st.just(2) | VALUES,
        },
        optional={"mse": VALUES, "cross_entropy": VALUES, "source": VALUES},
    ),
    st.integers(0, 200),
    TEXT,
)
def test_no_published_numbers_that_hypothesis_makes_do_harm(top: Any, place: int, noise: str) -> None:
    perhaps_refused(lambda: read_published(json.dumps(top)))
    text = GOOD[:place] + noise + GOOD[place:]
    perhaps_refused(lambda: read_published(text))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a file without an end")
def test_a_file_without_an_end_is_not_read_to_it() -> None:
    code, out, err = command("check", "--published", "/dev/zero")
    assert (code, out) == (2, "") and "more than 300000 letters" in err


# --- writing ------------------------------------------------------------------------------------------------------


def fails(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("where", ["fsync", "replace", "write"])
@pytest.mark.parametrize("old", ["old", None])
def test_a_full_disk_leaves_the_old_file(
    where: str, old: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.txt"
    if old:
        path.write_text(old)
    if where == "write":  # where a file system is full, it is in writing or in closing that it is said
        monkeypatch.setattr(Path, "open", lambda *_, **__: open("/dev/full", "w"))  # noqa: SIM115
    else:
        monkeypatch.setattr(*((os, "fsync") if where == "fsync" else (Path, "replace")), fails(errno.ENOSPC))
    code, out, err = command("derive", "ridge", "--steps", "none", "-o", str(path), "--force")
    assert (code, out, err) == (2, "", f"symgrad: cannot write {path}: No space left on device\n")
    assert [p.name for p in tmp_path.iterdir()] == (["out.txt"] if old else [])
    monkeypatch.undo()
    assert not old or path.read_text() == old


WRITER = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell has its background jobs ignore
from symgrad.cli import write_whole
def slow(_):
    print("writing", flush=True)
    time.sleep(60)
os.fsync = slow
write_whole(Path("out.txt"), "new")
"""


@pytest.mark.parametrize("number", sampled([signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL], every=4))
def test_a_write_that_is_interrupted_leaves_the_old_file(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("old")
    running = subprocess.Popen(
        [sys.executable, "-c", WRITER], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with running:
        assert running.stdout is not None and running.stdout.readline() == b"writing\n"
        running.send_signal(number)
        code = running.wait(120)
    assert code in (128 + number, -number)
    assert (tmp_path / "out.txt").read_text() == "old"
    left = sorted(p.name for p in tmp_path.iterdir())
    assert left == ["out.txt"] if number != signal.SIGKILL else len(left) == 2  # nobody can clean up after that


def test_signals_are_as_they_were_afterwards(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in cli.ENDINGS]
    cli.write_whole(tmp_path / "out.txt", "new")
    assert [signal.getsignal(number) for number in cli.ENDINGS] == before


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "out.txt", tmp_path / "link.txt"
    cli.write_whole(path, "new")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    path.chmod(0o640)
    link.symlink_to("out.txt")
    assert command("derive", "ridge", "--steps", "none", "-o", str(link))[0] == 2
    assert command("derive", "ridge", "--steps", "none", "-o", str(link), "--force")[0] == 0
    assert link.is_symlink() and "∂L/∂w" in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_into_what_is_no_file_the_text_is_written_straight(tmp_path: Path) -> None:
    assert command("derive", "ridge", "--steps", "none", "-o", os.devnull)[0] == 0
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert command("derive", "ridge", "--steps", "none", "-o", str(pipe))[0] == 0
    assert "∂L/∂w" in os.read(end, 10**5).decode()
    os.close(end)
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["a" * 250, "a" * 300, "a\0b", "no/such/folder/x"])
def test_names_of_files(name: str, tmp_path: Path) -> None:
    code, out, err = command("derive", "ridge", "--steps", "none", "-o", str(tmp_path / name))
    assert out == "" and code == (0 if len(name) == 250 else 2)
    assert code == 0 or (err.startswith("symgrad: cannot write ") and is_decent(err[:-1], lines=1))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
@pytest.mark.parametrize("arguments", [pytest.param(["derive", "ridge"], marks=pytest.mark.slow)])
def test_a_full_screen_is_said_in_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "symgrad", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (2, "symgrad: cannot write the output: No space left on device\n")


def test_an_interruption_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("symgrad.cli.derive", interrupted)
    assert command("derive", "ridge") == (130, "", "symgrad: interrupted\n")


STREAMS = {  # where output or errors go -> the exit code of a derivation, of --help, and of a loss that is unknown
    ">&-": (2, 2, 2),
    "2>&-": (0, 0, 2),
    ">&- 2>&-": (2, 2, 2),
    "2>/dev/full": (0, 0, 2),
    ">/dev/full 2>&-": (2, 2, 2),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("streams", "command_line"),
    [*((">&-", place) for place in range(3)), *((streams, 0) for streams in [*STREAMS][1:])],
)
def test_a_closed_screen_is_no_traceback(streams: str, command_line: int) -> None:
    words = ["derive ridge --steps none", "derive --help", "derive nope"][command_line]
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m symgrad {words} {streams}"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == STREAMS[streams][command_line]
    assert done.stderr.count("\n") <= 1 and "Traceback" not in done.stdout + done.stderr
    assert done.stdout == "" or (streams.startswith("2") and command_line < 2)


@pytest.mark.slow
def test_a_reader_that_went_away_is_told_by_the_exit_code(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "symgrad", "losses"], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.slow
def test_without_a_screen_a_file_is_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m symgrad derive ridge --steps none -o {path} >&- 2>&-"], timeout=120
    )
    assert done.returncode == 0 and "∂L/∂w" in path.read_text(encoding="utf-8")
