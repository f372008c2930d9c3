"""Render formulas in prose as MathML, which needs no script."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from symgrad.render.mathml import latex_to_mathml


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Render an inline formula.  Raises ``UnsupportedError`` for a macro that latex2mathml does not know."""
    self.body.append(latex_to_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_displayed(self: HTML5Translator, node: nodes.math_block) -> None:
    """Render a displayed formula."""
    self.body.append(f'<div class="formula">{latex_to_mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer for ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
