"""The figure on saturation: its curves at both ends, and that it can be read on white and on dark."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

pytestmark = [pytest.mark.matplotlib, pytest.mark.slow]  # a picture of the documentation
WHITE, DARK = "#ffffff", "#121212"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """Imported late, so that these tests can be collected, and deselected, without matplotlib."""
    path = str(Path(__file__).resolve().parents[2] / "docs" / "_ext")
    sys.path.append(path)
    try:
        return import_module("saturation")
    finally:
        sys.path.remove(path)


@pytest.fixture(scope="module")
def figure(module: ModuleType) -> Figure:
    return module.saturation()


def curves(figure: Figure) -> dict[str, np.ndarray]:
    lines = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    return {line.get_label(): np.asarray(line.get_ydata()) for line in lines}


def test_the_curves_are_right_at_both_ends(figure: Figure, module: ModuleType) -> None:
    found = curves(figure)
    lines = [line for line in figure.axes[0].lines if line.get_label() in found]
    assert all((line.get_xdata() == module.RANGE).all() for line in lines)
    assert list(found) == ["cross-entropy", "mean squared error"]
    entropy, squares = found.values()
    for curve in (entropy, squares):
        assert 0 < curve[0] < 0.01, "what is right needs no step"
    assert 0.9999 < entropy[-1] < 1 and (np.diff(entropy) > 0).all()
    assert 0 < squares[-1] < 1e-4
    peak = squares.argmax()
    assert abs(module.RANGE[peak] - np.log(2)) < 0.1 and squares[peak] == pytest.approx(8 / 27, rel=1e-2)
    assert (np.diff(squares)[peak:] < 0).all()


def test_the_curves_in_the_middle(figure: Figure, module: ModuleType) -> None:
    """At p = 1/2 by the closed forms: p, and 2 p p (1 - p)."""
    middle = int(np.abs(module.RANGE).argmin())
    assert module.RANGE[middle] == pytest.approx(0, abs=1e-12)
    assert [curve[middle] for curve in curves(figure).values()] == pytest.approx([1 / 2, 1 / 4])


def test_the_svg_is_text_without_a_ground_and_the_same_each_time(figure: Figure, module: ModuleType) -> None:
    written = module.to_svg(figure)
    root = ElementTree.fromstring(written)
    texts = {"".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"cross-entropy", "mean squared error", "logit of the wrong class, minus that of the right one"} <= texts
    assert WHITE not in written and "date" not in written.lower()
    assert module.to_svg(module.saturation()) == written
    assert len(written) < 20_000


def test_nothing_overlaps(figure: Figure, module: ModuleType) -> None:
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    for name, values in curves(figure).items():
        points = axes.transData.transform(np.column_stack([module.RANGE, values]))
        for box, text in zip(boxes, axes.texts, strict=True):
            inside = (points > box.min).all(axis=1) & (points < box.max).all(axis=1)
            assert not inside.any(), f"{text.get_text()} lies on the curve of {name}"


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("ground", [WHITE, DARK])
def test_colours_stand_out(ground: str, module: ModuleType) -> None:
    """The contrast of WCAG 2; the ink comes as near to 4.5 on both grounds as any colour can."""
    for colour, least in [(module.INK, 4.25), *((c, 3.9) for _, c, _ in module.LOSSES.values())]:
        dark, light = sorted((luminance(colour), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) >= least, colour


def test_the_package_needs_no_matplotlib() -> None:
    code = "import sys; sys.modules['matplotlib'] = None; import symgrad.cli; symgrad.derive('mae').to_html()"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
