"""The Sphinx extension: ``extensions = ["symgrad.sphinx_ext"]``.

The directive ``.. symgrad:: LOSS`` shows a derivation, the role ``:symgrad:`LOSS ARRAY``` one formula: MathML in HTML,
LaTeX in LaTeX, else Unicode.  Both prove the whole derivation.  A line without a proof fails the build; the error
names the file and line of the directive.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator
from sphinx.writers.latex import LaTeXTranslator

from symgrad.api import Derivation, derive
from symgrad.check.marks import Level, Mark
from symgrad.codegen import function_source
from symgrad.errors import InputError, SymgradError
from symgrad.loss_lookup import find, written_in
from symgrad.render import stylesheet
from symgrad.render.equation import Equation, closed_form, numbered
from symgrad.render.html import lowered
from symgrad.render.mathml import NAMESPACE

STYLE = "symgrad.css"
FINGERPRINT = "symgrad"  # key in a page's metadata: the symgrad that made the page
FAILURES = "symgrad_failures"
VALUES = {"notation": "both", "steps": "all", "wrt": "", "reduction": ""}
FLAGS = ("code", "full", "allow-numeric")
INDEX = "index"
WORD_JOINER = "\u2060"  # after a formula, so that no line begins with a period

logger = logging.getLogger(__name__)


class DerivationError(SphinxError):
    """A derivation has no proof, or its directive or role is wrong; the build fails."""

    category = "symgrad error"


# --- derivations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Request:
    """Arguments of a derivation: a loss as ``loss_lookup.find`` takes it, with the absolute path of a file."""

    loss: str
    wrt: tuple[str, ...] = ()
    reduction: str = ""


@cache
def _derived(request: _Request) -> tuple[Derivation, tuple[Path, ...]]:
    """The derivation, and the files that define its loss; cached for a build, in each process of a parallel build."""
    loss = find(request.loss, None, None, None)
    parameters: dict[str, Any] = {"reduction": request.reduction} if request.reduction else {}
    return derive(loss, request.wrt or None, **parameters), written_in(request.loss, loss)


def _prove(derivation: Derivation, *, code: bool = False, allow_numeric: bool = False) -> None:
    """Raise ``SymgradError`` for the first line that is not proved, or only checked numerically."""
    reports = [derivation.prove()]
    reports += [part.prove() for part in (derivation.evaluation, derivation.assignments) if code]
    for report in reports:
        for mark in report.marks:
            if not mark.ok or (mark.level == Level.NUMERICAL and not allow_numeric):
                raise SymgradError(_verdict(derivation, mark))
        if report.problems:
            raise SymgradError(f"{derivation.program.name}: {report.problems[0]}")


def _verdict(derivation: Derivation, mark: Mark) -> str:
    added = (part.record for part in (derivation.evaluation, derivation.assignments))
    evaluation = next((record for record in added if any(s.number == mark.number for s in record.steps)), None)
    formula = numbered(derivation.record, mark.number, evaluation).text()
    why = f": {mark.detail}" if mark.detail else ""
    what = "is only checked numerically" if mark.level == Level.NUMERICAL else f"is {mark.level.words}{why}"
    hint = "; set :allow-numeric: to accept it" if mark.level == Level.NUMERICAL else ""
    return f"{derivation.program.name}: line {mark.number}, {formula}, {what}{hint}"


# --- shared by the directive and the role --------------------------------------------------------------------------


class derivation_node(nodes.container):
    """A derivation: attributes ``html`` and ``latex``; its child is literal text for all other writers."""


class formula_node(nodes.inline):
    """An inline formula: attributes ``html`` and ``latex``; its child is text for all other writers."""


def _request(loss: str, env: BuildEnvironment, wrt: tuple[str, ...] = (), reduction: str = "") -> _Request:
    """Resolve a file relative to the document or, with a leading slash, to the source folder."""
    where, colon, name = loss.rpartition(":")
    if where.endswith(".py"):
        loss = f"{env.relfn2path(where)[1]}{colon}{name}"
    return _Request(loss, wrt, reduction)


def _noted(request: _Request, env: BuildEnvironment) -> Derivation:
    """The derivation; registers the dependency of the page on its loss and on symgrad."""
    env.metadata[env.docname][FINGERPRINT] = _fingerprint()
    derivation, files = _derived(request)
    for file in files:
        env.note_dependency(file)
    return derivation


def _fail(error: SymgradError, location: str, env: BuildEnvironment) -> None:
    """Log an error; ``_stop`` fails the build when all pages are read, so that one build reports every error."""
    logger.error("%s", error, location=location)
    env.metadata[env.docname].setdefault(FAILURES, []).append(f"{location}: {error}")


class _AnyOption(dict[str, Callable[[str | None], str]]):
    """Accepts any option: docutils would omit a directive with an unknown option and continue the build."""

    def __missing__(self, _: str) -> Callable[[str | None], str]:
        return _plain


def _plain(value: str | None) -> str:
    return (value or "").strip()


# --- the directive --------------------------------------------------------------------------------------------------


class DerivationDirective(SphinxDirective):
    """``.. symgrad:: LOSS``, with the options of ``VALUES`` and ``FLAGS``."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True  # content and a missing loss are errors here
    option_spec: ClassVar[_AnyOption] = _AnyOption(dict.fromkeys([*VALUES, *FLAGS], _plain))

    def run(self) -> list[nodes.Node]:
        """The node of the derivation; none after an error."""
        try:
            return [self._node()]
        except SymgradError as error:
            _fail(error, self.get_location(), self.env)
            return []

    def _node(self) -> derivation_node:
        self._check()
        options = VALUES | self.options
        code, notation, steps = "code" in options, options["notation"], options["steps"]
        wrt = tuple(options["wrt"].replace(",", " ").split())
        derivation = _noted(_request(self.arguments[0], self.env, wrt, options["reduction"]), self.env)
        _prove(derivation, code=code, allow_numeric="allow-numeric" in options)
        shown: dict[str, Any] = {"steps": steps, "code": code, "detail": "full" if "full" in options else "short"}
        text = derivation.to_text(notation, title=False, **shown)
        name = derivation.function_name
        node = derivation_node(
            "",
            nodes.literal_block(text, text, language="text"),
            html=self._anchored(derivation.to_html(notation, fragment=True, title=False, **shown)),
            latex=derivation.to_latex(notation, title=False, **shown),
            source=function_source(derivation.to_source(name), name) if code else "",
        )
        self.set_source_info(node)
        return node

    def _anchored(self, section: str) -> str:
        """Make anchors unique if the page already has them, such as the same lines with another reduction."""
        anchor = section.partition(' id="')[2].partition('"')[0]
        number = self.env.new_serialno(f"symgrad {anchor}")
        return re.sub(rf'( id="| href="#){re.escape(anchor)}', rf"\g<0>_{number}", section) if number else section

    def _check(self) -> None:
        """Raise ``InputError`` for options and content that do not apply."""
        if not self.arguments:
            raise InputError("expected a loss: a catalogue name, package.module:name, or file.py:name")
        if self.content:
            raise InputError(f"the directive takes no content, got {self.content[0]!r}")
        for name, value in self.options.items():
            if name not in (*VALUES, *FLAGS):
                raise InputError(f"unknown option {name!r}: expected one of {', '.join((*VALUES, *FLAGS))}")
            if name in VALUES and not value:
                raise InputError(f"the option {name} needs a value")
            if name in FLAGS and value:
                raise InputError(f"the option {name} takes no value, got {value!r}")


# --- the role -------------------------------------------------------------------------------------------------------


class FormulaRole(SphinxRole):
    """``LOSS ARRAY`` or ``LOSS ARRAY index``, a derivative; or ``LOSS NUMBER``, a line."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The node of the formula; none after an error."""
        try:
            equation = self._equation()
        except SymgradError as error:
            _fail(error, self.get_location(), self.env)
            return [], []
        node = formula_node("", equation.text(), html=equation.mathml(), latex=equation.latex())
        self.set_source_info(node)
        return [node], []

    def _equation(self) -> Equation:
        loss, what, notation = _parts(self.text)
        derivation = _noted(_request(loss, self.env), self.env)
        if what.isdecimal():
            _prove(derivation)
            return numbered(derivation.record, int(what))
        formula = closed_form(derivation.record, what, notation)
        if formula is None:
            derivation = _noted(_request(loss, self.env, (what,)), self.env)
            formula = closed_form(derivation.record, what, notation)
            assert formula is not None
        _prove(derivation)
        return formula


def _parts(text: str) -> tuple[str, str, str]:
    """Parse the text of a role: loss, array or line number, notation."""
    loss, what, *notation = [*text.split(), "", ""][: max(3, len(text.split()))]
    if not what or notation not in ([""], [INDEX]) or (what.isdecimal() and notation == [INDEX]):
        raise InputError(
            f"{text!r}: expected a loss and an array (softmax_mse W, or softmax_mse W index), or a loss and a line "
            "(softmax_mse 13)"
        )
    return loss, what, notation[0] or "matrix"


# --- writers --------------------------------------------------------------------------------------------------------


def _derivation_html(translator: HTML5Translator, node: nodes.Element) -> None:
    shown, source = node["html"], node["source"].rstrip()
    if translator.builder.out_suffix == ".xhtml":  # XML needs the namespace of a formula
        shown = re.sub(r"<math(?=[ >])", f'<math xmlns="{NAMESPACE}"', shown)
    if source:
        code = translator.highlighter.highlight_block(source, "python")
        above, _, rest = shown.partition("<pre><code>")  # the renderer's version, without colors
        below = rest.partition("</code></pre>")[2]
        shown = f'{above}<div class="highlight-python notranslate">{code}</div>{below}'
    translator.body.append(lowered(shown, max(0, translator.section_level - 1)))
    raise nodes.SkipNode


def _formula_html(translator: HTML5Translator, node: nodes.Element) -> None:
    translator.body.append(node["html"] + WORD_JOINER)
    raise nodes.SkipNode


def _derivation_latex(translator: LaTeXTranslator, node: nodes.Element) -> None:
    translator.body.append(f"\n{node['latex']}\n")
    raise nodes.SkipNode


def _formula_latex(translator: LaTeXTranslator, node: nodes.Element) -> None:
    translator.body.append(rf"\({node['latex']}\)")
    raise nodes.SkipNode


# --- the build ------------------------------------------------------------------------------------------------------


@cache
def _fingerprint() -> str:
    """A digest of what all pages depend on: symgrad's files, and the versions of its libraries."""
    digest = hashlib.sha256()
    for library in ("sympy", "latex2mathml", "numpy"):
        digest.update(f"{library} {version(library)}\n".encode())
    root = Path(__file__).parent
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".py", ".json")):
        digest.update(f"{path.relative_to(root)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _begin(app: Sphinx) -> None:
    """Start a build: clear the cache of derivations, and write the style sheet."""
    _derived.cache_clear()
    if app.builder.format == "html":
        path = Path(app.outdir, "_static", STYLE)
        style = stylesheet()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(style, encoding="utf-8")


def _outdated(_: Sphinx, env: BuildEnvironment, *__: set[str]) -> list[str]:
    """The pages made by another version of symgrad."""
    return [page for page, data in env.metadata.items() if data.get(FINGERPRINT, _fingerprint()) != _fingerprint()]


def _outside_tables(app: Sphinx, doctree: nodes.document) -> None:
    """Reject derivations in table cells: they are too wide, and TeX refuses them."""
    within = (node for cell in doctree.findall(nodes.entry) for node in cell.findall(derivation_node))
    for node in dict.fromkeys(within):  # once, even in nested tables
        error = InputError("a derivation is too wide for a table cell: move it out of the table")
        _fail(error, f"{node.source}:{node.line}", app.env)


def _stop(_: Sphinx, env: BuildEnvironment) -> None:
    """Fail before anything is written or cached, so that the next build reads the same pages again."""
    failures = [failure for data in env.metadata.values() for failure in data.get(FAILURES, ())]
    if failures:
        raise DerivationError("\n".join(failures))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive, the role and their writers."""
    app.add_directive("symgrad", DerivationDirective)
    app.add_role("symgrad", FormulaRole())
    app.add_node(derivation_node, html=(_derivation_html, None), latex=(_derivation_latex, None))
    app.add_node(formula_node, html=(_formula_html, None), latex=(_formula_latex, None))
    for package in ("amsmath", "amssymb"):
        app.add_latex_package(package)
    app.add_css_file(STYLE)
    app.connect("builder-inited", _begin)
    app.connect("env-get-outdated", _outdated)
    app.connect("doctree-read", _outside_tables)
    app.connect("env-updated", _stop)
    return {"version": version("symgrad"), "parallel_read_safe": True, "parallel_write_safe": True}
