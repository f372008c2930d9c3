"""The figure that says why a softmax classifier is trained with cross-entropy; it needs matplotlib."""

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
"""For each loss what its curve is called, its colour, and where its name stands.  The colours stand out from white and
from black alike, and so does the ink."""
INK = "#7a7a7a"
RANGE = np.linspace(-6.0, 12.0, 181)
SIZE = (4.8, 3.2)  # inches: letters of 11 points are about as many pixels on a phone
LETTERS = 11


def slopes(name: str, wrong: np.ndarray) -> np.ndarray:
    """``|dL/dz|`` of the wrong one of two classes, for one row of which its logit is ``wrong`` and that of the right
    class 0: the generated function's gradient by the bias, at each number."""
    function = derive(name, wrt="b").to_numpy()
    row, weights, label = np.ones((1, 1)), np.zeros((1, 2)), np.array([1])
    return np.array([abs(function(row, weights, np.array([z, 0.0]), label)[1].b[0]) for z in wrong])


def saturation() -> Figure:
    """``|dL/dz|`` of both losses as a confidently wrong logit grows: that of cross-entropy tends to 1, that of the
    squared error of probabilities to 0, so that nothing is learned where most is wrong."""
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
    """The figure as SVG, the same each time: its letters are text, its ground is transparent, it bears no date."""
    written = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "symgrad"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()
