"""Records as loops that numba compiles; the only module besides ``loop_runtime`` that needs numba."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from symgrad.codegen import loop_runtime
from symgrad.codegen.loop_module import loop_module
from symgrad.codegen.source import checked_name
from symgrad.steps import Record


def loop_source(record: Record, name: str = "", closed_form: Sequence[str] = ()) -> str:
    """Source of a module that needs numpy, numba and scipy, with a function ``name`` as that of ``to_source``.

    Raises ``InputError`` if ``name`` cannot name a function or no input is an array; ``UnsupportedError`` for an
    operation that loops lack.
    """
    return loop_module(record, checked_name(record, name), closed_form, loop_runtime)


def to_numba(record: Record) -> Callable[..., Any]:
    """``f`` with ``loss, grads = f(inputs...)``, evaluated by loops that numba compiles when they are first called.

    numba keeps what it compiled beside a source file.  So the module is one, named after its contents, in the
    user's cache (``$XDG_CACHE_HOME`` or ``~/.cache``), or for this process alone where that cannot be written.
    """
    source = loop_source(record, "evaluate")
    name = f"symgrad_{sha256(source.encode()).hexdigest()[:20]}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, _stored(source, f"{name}.py"))
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    function: Callable[..., Any] = sys.modules[name].evaluate
    return function


def _stored(source: str, name: str) -> Path:
    """A file with this source, which appears as a whole or not at all."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "symgrad"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return _written(cache / name, source)
    except OSError:
        return _written(Path(tempfile.mkdtemp(prefix="symgrad")) / name, source)


def _written(path: Path, source: str) -> Path:
    if not path.exists() or path.read_text(encoding="utf-8") != source:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write(source)
        Path(file.name).replace(path)
    return path
