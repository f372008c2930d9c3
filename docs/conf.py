"""Sphinx configuration.  Before each build it writes a page for each catalogue loss, with a title, the definition and
the ``symgrad`` directive."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

import symgrad

project = "symgrad"
author = "the symgrad developers"
version = release = symgrad.__version__
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from saturation import saturation, to_svg  # noqa: E402  (found by the path above)

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.doctest", "symgrad.sphinx_ext", "mathml_math"]
html_math_renderer = "mathml"  # from mathml_math: the default loads MathJax from a server
html_theme = "furo"
html_title = "symgrad"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["docs.css"]
trials = (
    "corrupted",
    "determinism",
    "diagnosis",
    "expressions",
    "fuzz",
    "mutation",
)  # parts of evidence.md
exclude_patterns = ["_build", *(f"trials/{name}.md" for name in trials)]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2
nb_execution_mode = "auto"  # run the tutorial whenever its page is read
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300  # seconds per cell: the machine may be busy
nb_execution_show_tb = True
autodoc_member_order = "bysource"

GROUP = """\
# {title}

{words}

```{{toctree}}
:maxdepth: 1

{names}
```
"""

LOSS = """\
---
myst:
  html_meta:
    description: {description}
---
# {title}

{words}

```{{symgrad}} {name}
:code:
```

## The loss in NumPy

```python
{source}
```
"""


def source(loss: symgrad.Loss) -> str:
    """The function of a loss, without its docstring and types."""
    written = inspect.getsource(loss.function)
    docstring = ast.parse(written).body[0].body[0]
    lines = written.rstrip().splitlines()
    del lines[docstring.lineno - 1 : docstring.end_lineno]
    return re.sub(r": (?:Any|str) = ", "=", "\n".join(lines)).replace(": Any", "").replace(" -> Any", "")


def catalogue() -> Iterator[tuple[str, str]]:
    """The pages of the catalogue by name: one for each loss, and one for each group of losses."""
    groups: dict[str, list[symgrad.Loss]] = {}
    for loss in symgrad.LOSSES.values():
        groups.setdefault(loss.function.__module__, []).append(loss)
    for module, losses in groups.items():
        group = module.rpartition(".")[2]
        words = inspect.getdoc(sys.modules[module])
        names = "\n".join(loss.name for loss in losses)
        yield group, GROUP.format(title=group.capitalize(), words=words, names=names)
        for loss in losses:
            title = re.split("[:;,]", loss.summary)[0]
            words = (inspect.getdoc(loss.function) or "").removeprefix(f"{title}.").strip()
            description = json.dumps(
                f"{loss.summary}: its gradient, derived line by line and proved for any array size."
            )
            page = LOSS.format(title=title, words=words, description=description, name=loss.name, source=source(loss))
            yield loss.name, page


def write_catalogue(app: Sphinx) -> None:
    """Write the pages that changed, and remove the pages of losses that are no longer in the catalogue."""
    folder = Path(app.srcdir, "losses")
    folder.mkdir(exist_ok=True)
    pages = {folder / f"{name}.md": page for name, page in catalogue()}
    for path in set(folder.iterdir()) - pages.keys():
        path.unlink()
    for path, page in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != page:
            path.write_text(page, encoding="utf-8")


def write_figure(app: Sphinx) -> None:
    """Draw the figure of the first page, if it has changed."""
    path, drawn = Path(app.srcdir, "saturation.svg"), to_svg(saturation())
    if not path.exists() or path.read_text(encoding="utf-8") != drawn:
        path.write_text(drawn, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Connect the writers."""
    app.connect("builder-inited", write_catalogue)
    app.connect("builder-inited", write_figure)
