"""Sphinx configuration.  The pages of the losses are written here, from the derivations, before each build: a line that
does not prove stops the build."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

import symgrad

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "symgrad"
author = "the symgrad developers"
version = release = symgrad.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.doctest", "mathml_math"]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "symgrad"
html_static_path = ["_static"]
html_css_files = ["derivation.css"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "auto"  # a text notebook is run whenever its page is read
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_show_tb = True
autodoc_typehints = "description"
autodoc_member_order = "bysource"

PAGE = """\
# {title}

```python
{definition}
```

```{{raw}} html
<div class="derivation">
{mathml}
</div>
```

## As text

```text
{text}
```

## As NumPy

```python
{source}
```
"""


def write_losses(app: Sphinx) -> None:
    """One page a loss, made from its derivation."""
    folder = Path(app.srcdir) / "losses"
    folder.mkdir(exist_ok=True)
    for name, loss in symgrad.LOSSES.items():
        derivation = symgrad.derive(name)
        report = derivation.prove()
        if not report.ok:
            wrong = [mark.words for mark in report.marks if not mark.ok]
            raise ExtensionError(f"{name}: lines that do not prove: {wrong}")
        page = PAGE.format(
            title=derivation.program.summary,
            definition=inspect.getsource(loss.function),
            mathml=derivation.to_mathml(),
            text=derivation.to_text(),
            source=derivation.to_source(),
        )
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != page:
            path.write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Connect the writer."""
    app.connect("builder-inited", write_losses)
