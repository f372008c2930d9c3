"""The figure that shows why a softmax classifier is trained with cross-entropy; needs matplotlib."""

from __future__ import annotations

from io import StringIO

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from symgrad import derive

LOSSES = {
    "softmax_cross_entropy": ("cross-entropy", "#2f7fc1", (4.6, 0.93)),
    "softmax_mse": ("mean squared error", "#c8641e", (2.3, 0.27)),
}
"""For each loss: label, color, and position of the label.  All colors are readable on white and on black."""
INK = "#7a7a7a"
RANGE = np.linspace(-6.0, 12.0, 181)
SIZE = (4.8, 3.2)  # inches: on a phone, 11 points are about 11 pixels
LETTERS = 11


def slopes(name: str, wrong: np.ndarray) -> np.ndarray:
    """``|dL/dz|`` of the wrong class, for one row with two classes: its logit is ``wrong``, the other is 0.

    It equals the gradient with respect to the bias, which the generated function returns.
    """
    function = derive(name, wrt="b").to_numpy()
    row, weights, label = np.ones((1, 1)), np.zeros((1, 2)), np.array([1])
    return np.array([abs(function(row, weights, np.array([z, 0.0]), label)[1].b[0]) for z in wrong])


def saturation() -> Figure:
    """``|dL/dz|`` of both losses as a wrong logit grows: it tends to 1 for cross-entropy, and to 0 for the squared
    error of probabilities, which then learns nothing from its worst mistakes."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    for name, (words, colour, (x, y)) in LOSSES.items():
        axes.plot(RANGE, slopes(name, RANGE), color=colour, linewidth=2.2, label=words, zorder=3, clip_on=False)
        axes.text(x, y, words, color=colour, fontsize=LETTERS, verticalalignment="center")
    axes.set_xlabel("logit of the wrong class, minus that of the right one", fontsize=LETTERS, color=INK)
    axes.set_title("|∂L/∂z| of the wrong class, one row", fontsize=LETTERS, color=INK, loc="left")
    axes.set(xlim=(RANGE[0], RANGE[-1]), ylim=(0, 1.05), xticks=range(-6, 13, 3))
    axes.set_yticks((0, 0.5, 1), ("0", "0.5", "1"))
    axes.tick_params(colors=INK, labelsize=LETTERS, length=3)
    axes.axvline(0, color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=INK)
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    return figure


def to_svg(figure: Figure) -> str:
    """The figure as reproducible SVG: text as text, a transparent background, no date."""
    written = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "symgrad"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()
