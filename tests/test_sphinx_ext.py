"""The Sphinx extension, in projects built as a stranger would build them: each build is a process of its own."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree

import pytest

import symgrad

pytest.importorskip("sphinx")
pytest.importorskip("myst_parser")

from sphinx_builds import sphinx_build

MATH = "{http://www.w3.org/1998/Math/MathML}math"
CONF = 'extensions = ["symgrad.sphinx_ext", "myst_parser"]\n'
MINE = '''\
import numpy as np
import symgrad
from helpers import squared

@symgrad.loss(shapes="X: N D, w: D, y: N", wrt="w")
def mine(X, w, y):
    """Squares of <script>alert(1)</script>."""
    r = X @ w - y
    return np.mean(squared(r))
'''
HELPERS = "def squared(r):\n    return r**2\n"
WAVES = """\
import numpy as np
import symgrad

@symgrad.loss(shapes="x: N", wrt="x")
def waves(x):
    return np.mean(np.sin(np.exp(x)))

@symgrad.loss(shapes="x: N", wrt="x")
def steep(x):
    return np.sum(np.sqrt(1 - symgrad.array.softmax(x)))
"""
RST = """\
The gradient :symgrad:`softmax_cross_entropy W`
===============================================

Entry by entry :symgrad:`softmax_cross_entropy W index`; line :symgrad:`softmax_cross_entropy 13`; on the way
:symgrad:`attention_head Q` and :symgrad:`softmax_cross_entropy Z`; mine :symgrad:`losses/mine.py:mine w`.

.. symgrad:: softmax_cross_entropy
   :steps: 10-13
   :code:

.. toctree::
   :glob:

   *
   losses/*
"""
MYST = """\
# In Markdown

The gradient is {symgrad}`softmax_mse W`.

```{symgrad} softmax_mse
:wrt: W
:notation: matrix
:reduction: sum
```

```{symgrad} package.losses:theirs
:steps: none
```
"""
OWN = ".. symgrad:: mine.py:mine\n   :code:\n"


def write(folder: Path, pages: Mapping[str, str]) -> Path:
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, builder: str = "html", *options: str) -> CompletedProcess[str]:
    """Build a project with the symgrad under test; the doctrees are shared by all builders."""
    places = ["-d", str(folder / "_trees"), str(folder), str(folder / "_out" / builder)]
    return sphinx_build(folder, "-b", builder, *options, *places)


def read_again(build: CompletedProcess[str]) -> tuple[int, int]:
    """How many pages were new, and how many were read again."""
    assert build.returncode == 0, build.stderr
    found = re.search(r"(\d+) added, (\d+) changed", build.stdout)
    assert found, build.stdout
    return int(found[1]), int(found[2])


def errors(build: CompletedProcess[str], folder: Path) -> list[str]:
    """The errors of a build that failed, a line each, with the files as the project names them."""
    assert build.returncode != 0
    lines = [line for line in build.stderr.splitlines() if ": ERROR: " in line]
    return [line.replace(f"{folder}/", "") for line in lines]


PROJECT = {
    "conf.py": CONF,
    "index.rst": RST,
    "markdown.md": MYST,
    "losses/mine.py": MINE,
    "losses/helpers.py": HELPERS,
    "losses/own.rst": f"Own\n===\n\n{OWN}",
    "package/__init__.py": "",
    "package/parts.py": HELPERS,
    "package/losses.py": MINE.replace("from helpers", "from package.parts").replace("def mine", "def theirs"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of pages in both languages."""
    return write(tmp_path_factory.mktemp("project"), PROJECT)


def built(project: Path, builder: str) -> Path:
    """The folder of a build, which is made where it is first needed."""
    folder = project / "_out" / builder
    if not folder.exists():
        build = run(project, builder)
        assert build.returncode == 0, build.stderr
        assert "symgrad" not in build.stderr
    return folder


def output(project: Path, builder: str, name: str) -> str:
    return (built(project, builder) / name).read_text(encoding="utf-8")


def formulas(page: str) -> list[str]:
    """The text forms of the formulas of a page, each of them XML."""
    found = re.findall(r"<math\b.*?</math>", page, re.DOTALL)
    return [ElementTree.fromstring(math).get("alttext") or "" for math in found]


def test_html_has_mathml(project: Path) -> None:
    page = output(project, "html", "index.html")
    found = formulas(page)
    assert "∂L/∂W = (1/N) Xᵀ (P − Y)" in found
    assert "∂L/∂w_dc = (1/N) Σ_n x_nd (p_nc − y_nc)" in found
    assert "∂L/∂z_mc = (1/N) (p_mc − y_mc)" in found
    assert "G_Q = ∂L/∂Q = (1/√H) G_E K" in found
    assert "∂L/∂Z = (1/N) (P − Y)" in found
    assert "∂L/∂w = (2/N) Xᵀ r" in found
    assert '<section class="symgrad"' in page
    assert formulas(output(project, "dirhtml", "index.html")) == found


def test_a_range_of_lines(project: Path) -> None:
    page = output(project, "html", "index.html")
    numbers = [int(n) for n in re.findall(r'<tr[^>]* id="[^"]*-(\d+)"', page)]
    assert [n for n in numbers if n < 32] == [11, 12, 13]
    assert max(numbers) > 32  # and those on the code


def test_the_code_is_highlighted(project: Path) -> None:
    page = output(project, "html", "index.html")
    assert '<span class="nf">softmax_cross_entropy_gradient</span>' in page
    assert "<pre><code>" not in page


def test_markdown(project: Path) -> None:
    page = output(project, "html", "markdown.html")
    assert "∂L/∂W = (2/(N C)) Xᵀ (P ⊙ (R − (P ⊙ R) 1_C 1_Cᵀ))" in formulas(page)  # the role: the mean
    assert "= 2 Xᵀ (P ⊙ (R − (P ⊙ R) 1_C 1_Cᵀ))" in formulas(page)  # the directive: the sum
    assert not any("∂L/∂b" in formula for formula in formulas(page))
    assert "= (2/N) Xᵀ r" in formulas(page)


def test_no_anchor_stands_twice_on_a_page(tmp_path: Path) -> None:
    options = ("", "   :notation: index\n", "   :reduction: sum\n", "   :steps: 5-13\n")
    text = "Page\n====\n\n" + "\n".join(f".. symgrad:: softmax_mse\n{option}" for option in options)
    write(tmp_path, {"conf.py": CONF, "index.rst": text})
    build = run(tmp_path)
    assert build.returncode == 0, build.stderr
    page = output(tmp_path, "html", "index.html")
    sections = re.findall(r'<section class="symgrad".*?</section>', page, re.DOTALL)
    assert len(sections) == len(options)
    ids = [re.findall(r' id="([^"]*)"', section) for section in sections]
    assert len(set().union(*ids)) == sum(map(len, ids))
    for section, own in zip(sections, ids, strict=True):
        assert set(re.findall(r' href="#([^"]*)"', section)) <= set(own)


def test_the_style_is_shipped(project: Path) -> None:
    style = output(project, "html", "_static/symgrad.css")
    assert style == symgrad.stylesheet()
    assert "_static/symgrad.css" in output(project, "html", "index.html")


@pytest.mark.slow
def test_latex_has_latex(project: Path) -> None:
    (path,) = built(project, "latex").glob("*.tex")
    text = path.read_text(encoding="utf-8")
    assert r"\usepackage{amsmath}" in text
    assert r"\usepackage{amssymb}" in text
    assert r"\(\frac{\partial L}{\partial z_{mc}} = \frac{1}{N} \, (p_{mc} - y_{mc})\)" in text
    assert r"\begin{flalign*}" in text
    assert "<math" not in text
    assert "∂" not in text


@pytest.mark.slow
def test_text_and_man_have_unicode(project: Path) -> None:
    text = output(project, "text", "index.txt")
    assert "∂L/∂W = (1/N) Xᵀ (P − Y)" in text
    assert re.search(r"  \d+           = \(1/N\) \(p_mc − y_mc\)   ", text)
    assert "proved for every N, D and C" in text
    assert "∂L/∂w_dc = Σ_n x_nd" not in text
    (path,) = built(project, "man").glob("*.1")
    manual = path.read_text(encoding="utf-8")
    assert "proved for every N, D and C" in manual
    assert "∂L/∂" in manual


@pytest.mark.slow
def test_an_epub_is_xml(project: Path) -> None:
    (path,) = built(project, "epub").glob("*.epub")
    with zipfile.ZipFile(path) as book:
        names = {"index.xhtml", "markdown.xhtml", "own.xhtml"}
        pages = [name for name in book.namelist() if name.rpartition("/")[2] in names]
        found = [len(list(ElementTree.fromstring(book.read(name)).iter(MATH))) for name in pages]
        text = "".join(book.read(name).decode() for name in pages)
    assert len(found) == 3
    assert all(found)
    assert sum(found) == text.count("<math")  # each in its namespace


@pytest.mark.slow
@pytest.mark.parametrize("builder", ["dirhtml", "texinfo"])
def test_other_builders(builder: str, project: Path) -> None:
    assert any(built(project, builder).iterdir())


@pytest.mark.slow
def test_a_parallel_build_gives_the_same(project: Path, tmp_path: Path) -> None:
    write(tmp_path, PROJECT | {f"page{n}.md": f"# {n}\n" for n in range(6)})  # fewer pages are read by one process
    build = run(tmp_path, "html", "-j", "2")
    assert build.returncode == 0, build.stderr
    for name in ("index.html", "markdown.html", "losses/own.html"):
        shown, expected = (formulas(output(folder, "html", name)) for folder in (tmp_path, project))
        assert shown == expected
        assert shown
    assert read_again(run(tmp_path, "html", "-j", "2")) == (0, 0)


# --- what fails ---------------------------------------------------------------------------------------------------

WRONG = {
    ".. symgrad:: softmax_mce": "unknown loss 'softmax_mce': did you mean softmax_mse?",
    ".. symgrad::": "expected a loss",
    ".. symgrad:: mse\n   :colour: red": "unknown option 'colour': expected one of notation, steps",
    ".. symgrad:: mse\n   :notation: prose": "unknown notation 'prose': expected one of both, index, matrix",
    ".. symgrad:: mse\n   :notation:": "the option notation needs a value",
    ".. symgrad:: mse\n   :code: yes": "the option code takes no value, got 'yes'",
    ".. symgrad:: mse\n   :steps: 13-5": "steps 13-5: the range is reversed",
    ".. symgrad:: mse\n   :steps: 5-99": "steps 5-99: the derivation has lines 1 to ",
    ".. symgrad:: mse\n   :steps: some": "unknown steps 'some'",
    ".. symgrad:: mse\n   :wrt: Q": "Q",
    ".. symgrad:: softmax_mse\n   :reduction: median": "unknown reduction 'median': expected one of mean",
    ".. symgrad:: elastic_net\n   :reduction: sum": "has no parameter 'reduction'",
    ".. symgrad:: mse\n\n   Some words.": "the directive takes no content, got 'Some words.'",
    ".. symgrad:: nowhere.py:mine": "no such file",
    ".. symgrad:: no.such.module:mine": "cannot be imported",
    ".. symgrad:: losses.py:yours": "has no loss 'yours': expected one of waves, steep",
    "A word, :symgrad:`mse`": "'mse': expected a loss and an array (softmax_mse W, or softmax_mse W index)",
    "A word, :symgrad:`mse Q`": "Q",
    "A word, :symgrad:`mse w matrix`": "'mse w matrix': expected a loss and an array (softmax_mse W, or",
    "A word, :symgrad:`mse 3 index`": "'mse 3 index': expected",
    ".. symgrad:: package.losses": "package.losses is a module: write package.losses:NAME",
    "A word, :symgrad:`mse 99`": "there is no line 99: the derivation has lines 1 to ",
}


def test_every_mistake_stops_the_build_and_is_one_line(tmp_path: Path) -> None:
    pages = {f"page{place:02}.rst": f"Page\n====\n\n{text}\n" for place, text in enumerate(WRONG)}
    index = "Index\n=====\n\n.. toctree::\n   :glob:\n\n   *\n"
    write(tmp_path, {"conf.py": CONF, "index.rst": index, "losses.py": WAVES} | pages)
    for options in ((), ("-j", "2")):
        build = run(tmp_path, "html", *options)
        found = sorted(errors(build, tmp_path))
        for place, (line, message) in enumerate(zip(found, WRONG.values(), strict=True)):
            assert line.startswith(f"page{place:02}.rst:4: ERROR: ")
            assert message in line
        assert not (tmp_path / "_out" / "html" / "index.html").exists()
        assert "symgrad error" in build.stderr


def test_a_derivation_in_a_table_is_refused(tmp_path: Path) -> None:
    rst = "Page\n====\n\n.. list-table::\n\n   * - .. symgrad:: mse\n\n     - :symgrad:`mse w`\n"
    write(tmp_path, {"conf.py": CONF, "index.rst": rst})
    message = "a derivation is too wide for a table cell: move it out of the table"
    assert errors(run(tmp_path), tmp_path) == [f"index.rst:6: ERROR: {message}"]


def test_a_mistake_in_markdown(tmp_path: Path) -> None:
    text = "# Page\n\n```{symgrad} mse\n:colour: red\n```\n\n\nA {symgrad}`mse Q`\n"
    write(tmp_path, {"conf.py": CONF, "index.md": text})
    first, second = errors(run(tmp_path), tmp_path)
    assert first.startswith("index.md:3: ERROR: unknown option 'colour'")
    assert second.startswith("index.md:8: ERROR: ")


# Without normal forms, the grid and exact arithmetic, a sine of an exponential is compared at random points.
NUMERIC = """
from symgrad.check import proof
from symgrad.check.every_shape import EveryShape
from symgrad.check.numeric.exact import ExactLines

EveryShape.mark = lambda *_: None
proof.tried_on_grid = lambda _: None
ExactLines.holds = lambda *_: False
proof.Prover._holds_elsewhere = lambda *_: False
"""


def test_what_does_not_prove_fails_the_build(tmp_path: Path) -> None:
    """A root of 1 - p has a divisor of which nothing says that it is not zero."""
    rst = "Page\n====\n\n.. symgrad:: losses.py:steep\n   :allow-numeric:\n\nA\nline, :symgrad:`losses.py:steep x`\n"
    md = "# Page\n\n```{symgrad} losses.py:steep\n```\n\nA {symgrad}`losses.py:steep x`\n"
    write(tmp_path, {"conf.py": CONF, "index.rst": rst, "other.md": md, "losses.py": WAVES})
    for options in ((), ("-W",), ("-j", "2")):
        build = run(tmp_path, "html", *options)
        found = sorted(errors(build, tmp_path))  # two processes tell of theirs in either order
        places = [":".join(line.split(":")[:2]) for line in found]
        assert places == ["index.rst:4", "index.rst:7", "other.md:3", "other.md:6"]
        for line in found:
            assert re.search(r"steep: line \d+, .* = .*, is unproved", line)
            assert "is unproved: nothing says that" in line
        assert not (tmp_path / "_out" / "html" / "index.html").exists()
    assert len(errors(run(tmp_path), tmp_path)) == 4  # the next build does not take the pages for read


def test_what_is_only_numeric_fails_the_build(tmp_path: Path) -> None:
    page = "Page\n====\n\n.. symgrad:: losses.py:waves\n{option}\n{role}\n"
    role = "A :symgrad:`losses.py:waves x`"
    wrong = page.format(option="", role=role)
    write(tmp_path, {"conf.py": CONF + NUMERIC, "index.rst": wrong, "losses.py": WAVES})
    first, second = errors(run(tmp_path), tmp_path)
    assert re.match(
        r"index\.rst:4: ERROR: waves: line \d+, .* = .*, is only checked numerically; set :allow-numeric:", first
    )
    assert second.startswith("index.rst:6: ERROR: waves: line ")

    write(tmp_path, {"index.rst": page.format(option="   :allow-numeric:\n", role="")})
    build = run(tmp_path)
    assert build.returncode == 0, build.stderr
    assert "numerically (50 digits)" in output(tmp_path, "html", "index.html")

    write(tmp_path, {"index.rst": wrong, "conf.py": CONF})
    assert run(tmp_path).returncode == 0  # and the prover itself knows better


# --- what is read again -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_changed_loss_is_read_again_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, PROJECT)
    assert read_again(run(tmp_path)) == (3, 0)
    assert read_again(run(tmp_path)) == (0, 0)

    write(tmp_path, {"losses/helpers.py": HELPERS.replace("r**2", "r**4")})  # what the loss imports from beside it
    assert read_again(run(tmp_path)) == (0, 2)  # its own page and the index, which has a formula of it
    assert "= (4/N) Xᵀ r^⊙3" in formulas(output(tmp_path, "html", "losses/own.html"))
    assert "∂L/∂w = (4/N) Xᵀ r^⊙3" in formulas(output(tmp_path, "html", "index.html"))

    write(tmp_path, {"package/parts.py": HELPERS.replace("r**2", "3 * r**2")})  # another module of the package
    assert read_again(run(tmp_path)) == (0, 1)
    assert "= (6/N) Xᵀ r" in formulas(output(tmp_path, "html", "markdown.html"))


@pytest.mark.slow
def test_another_symgrad_reads_the_pages_with_derivations_again(tmp_path: Path) -> None:
    changed = CONF + "import symgrad.sphinx_ext\n\nsymgrad.sphinx_ext._fingerprint = lambda: 'another'\n"
    index = "Index\n=====\n\n.. toctree::\n\n   one\n   two\n   three\n"
    pages = {
        "one.rst": "One\n===\n\n.. symgrad:: mse\n",
        "two.rst": "Two\n===\n\nA :symgrad:`mse w`\n",
        "three.rst": "Three\n=====\n",
    }
    write(tmp_path, {"conf.py": CONF, "index.rst": index} | pages)
    assert read_again(run(tmp_path, "html", "-j", "2")) == (4, 0)
    write(tmp_path, {"conf.py": changed})
    assert read_again(run(tmp_path)) == (0, 2)
    assert read_again(run(tmp_path)) == (0, 0)


@pytest.mark.slow
def test_pages_of_one_derivation_derive_it_once(tmp_path: Path) -> None:
    counted = CONF + (
        "import symgrad.sphinx_ext as ext\n\nderive = ext.derive\n\n\n"
        "def counting(*args, **keywords):\n    print('DERIVED')\n    return derive(*args, **keywords)\n\n\n"
        "ext.derive = counting\n"
    )
    page = "Page\n====\n\n" + ":symgrad:`mse w`\n\n" * 5 + ".. symgrad:: mse\n"
    write(tmp_path, {"conf.py": counted, "index.rst": page})
    build = run(tmp_path)
    assert build.returncode == 0, build.stderr
    assert build.stdout.count("DERIVED") == 1
