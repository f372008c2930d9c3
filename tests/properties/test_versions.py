"""The declared versions: what generated modules say they need is what the package itself is tested with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from catalogue import derived

import symgrad

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_generated_modules_name_the_lowest_numpy_that_the_package_declares() -> None:
    (lowest,) = (d.removeprefix("numpy>=") for d in PROJECT["dependencies"] if d.startswith("numpy"))
    derivation = derived("softmax_mse")
    sizes = {"N": 2, "D": 4, "C": 3}
    for source in (derivation.to_source(), derivation.to_source(target="scalar", sizes=sizes)):
        assert re.findall(r"NumPy (\d+\.\d+) or later", source) == [lowest]


def test_the_package_and_the_project_have_one_version() -> None:
    assert PROJECT["version"] == symgrad.__version__


def test_every_dependency_has_a_lowest_version_and_nothing_else() -> None:
    """``.ci/run`` installs exactly these versions once, by writing == for >=."""
    assert all(re.fullmatch(r"[\w-]+>=\d+\.\d+", dependency) for dependency in PROJECT["dependencies"])
