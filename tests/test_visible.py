"""What is invisible in a text is escaped as it enters, wherever it is printed."""

from __future__ import annotations

import ast
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from sympy import Sum

import symgrad
from symgrad import Derivation, derive, rows_sum_to_one
from symgrad.engine.derive import derive_record
from symgrad.equations import node
from symgrad.errors import visible
from symgrad.notation import Array, Axis
from symgrad.program import Program

CONTROLS = [*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), *"\u200b\u200e\u2028\u202e\u2066\ufeff\ud800"]
SPOILED = 'red \x1b[31m \x9b \u202e \r\n$&<\\""" end'


@pytest.mark.parametrize("letter", CONTROLS, ids=ascii)
def test_what_has_no_shape_is_escaped(letter: str) -> None:
    assert visible(f"a{letter}b") == f"a{ascii(letter)[1:-1]}b"


def test_letters_and_signs_stay_as_they_are() -> None:
    assert visible("Größe, δ_nm ✓ \\x1b") == "Größe, δ_nm ✓ \\x1b"


def spoiled() -> Derivation:
    """A derivation whose every text would drive a terminal."""
    axis = Axis("N", SPOILED)
    x, n = Array("x", (axis,)), axis.index("n")
    assumption = replace(rows_sum_to_one(x, "A1"), words=SPOILED)
    equations = (node(Array("L")[()], Sum(abs(x[n]) / 2, n)),)
    program = Program(SPOILED, (axis,), (x,), equations, "L", (assumption,), SPOILED)
    record = derive_record(program, ("x",))
    return Derivation(replace(record, steps=tuple(replace(s, reason=f"{s.reason} {SPOILED}") for s in record.steps)))


@pytest.mark.parametrize("form", ["text", "latex", "html", "markdown", "mathml", "source"])
def test_no_output_has_a_letter_that_drives_a_terminal(form: str) -> None:
    written = getattr(spoiled(), f"to_{form}")()
    assert "31m" in written
    spaces = "\n\N{NO-BREAK SPACE}"  # MathML keeps no other space at the end of a text
    assert [letter for letter in written if letter not in spaces and not letter.isprintable()] == []


def test_generated_code_is_not_broken_by_a_title() -> None:
    tree = ast.parse(spoiled().to_source())
    assert (ast.get_docstring(tree) or "").startswith("red \\x1b[31m")


def test_mathml_is_well_formed_whatever_the_texts() -> None:
    ElementTree.fromstring(f"<div>{spoiled().to_mathml()}</div>")


def test_a_docstring_is_shown_escaped() -> None:
    @symgrad.loss(shapes="X: N")
    def total(X):  # type: ignore[no-untyped-def]
        return (X * X).sum()

    total.function.__doc__ = SPOILED
    named = symgrad.loss(shapes="X: N")(total.function)
    assert derive(named).to_text().startswith("red \\x1b[31m")
