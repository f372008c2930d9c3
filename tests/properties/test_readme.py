"""The README and its picture show what symgrad derives today."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest
from catalogue import derived

ROOT = Path(__file__).resolve().parents[2]


def test_the_lines_in_the_readme_are_derived() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n( +∂L/∂W = .*?)```", readme, re.DOTALL)
    lines = derived("softmax_cross_entropy").to_text().splitlines()
    assert [line for line in shown.splitlines() if line != "..." and line not in lines] == []


def test_the_readme_names_the_folders_and_modules_that_there_are() -> None:
    rows = re.findall(r"^\| `(symgrad/[^`]+)` \|(.*)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    for where, contents in rows:
        for name in ("", *re.findall(r"`(\w+\.py)`", contents)):
            assert (ROOT / where / name).exists(), f"{where}{name}"
    folders = {path.parent.name for path in (ROOT / "symgrad").glob("*/__init__.py")}
    assert folders - {where.split("/")[1] for where, _ in rows} == {"example", "frameworks", "sampling"}


@pytest.mark.matplotlib
def test_the_picture_shows_the_derivation_of_the_loss_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    glance = import_module("glance")
    recorded = ElementTree.parse(glance.PICTURE).find("{http://www.w3.org/2000/svg}desc")
    assert recorded is not None and recorded.text == glance.transcript(), "run python docs/_ext/glance.py"
