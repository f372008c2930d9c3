"""Source of a record in a target: a standalone module with one function ``loss, grads = f(inputs...)``."""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import linecache
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from symgrad.codegen.identifiers import RESERVED
from symgrad.codegen.numpy_module import FUNCTIONS, ROWS, layer_module, module
from symgrad.codegen.scalar_module import scalar_module
from symgrad.errors import InputError, UnsupportedError
from symgrad.facts import check_sizes
from symgrad.steps import Record

_serial = count()
TARGETS = ("numpy", "scalar")


def to_source(
    record: Record,
    name: str = "",
    closed_form: Sequence[str] = (),
    *,
    target: str = "numpy",
    sizes: Mapping[str, int] | None = None,
) -> str:
    """Source of a module that needs numpy alone, with a function ``name`` (default: the program's name).
    ``target`` is "numpy", for inputs of any size, or "scalar", for inputs of ``sizes`` (an entry for every axis): plain
    Python, unrolled. The function takes the program's inputs in order (scalars as floats) and returns the output and a
    named tuple of gradients. ``closed_form`` are lines for the docstring. Raises ``InputError`` if ``name`` is not a
    function name, or for a wrong target or wrong sizes; ``UnsupportedError`` for an operation that the target lacks.
    """
    name = checked_name(record, name)
    if target not in TARGETS:
        raise InputError(f"unknown target {target!r}: expected one of {', '.join((*TARGETS, 'numba'))}")
    if record.program.upstream:
        return layer_module(record, closed_form)
    if target == "numpy":
        if sizes:
            raise InputError("sizes (--shape) work only with the target scalar")
        return module(record, name, closed_form)
    if sizes is None:
        raise InputError("the target scalar needs a size for each axis")
    check_sizes(record.program, sizes)
    return scalar_module(record, name, {axis.name: sizes[axis.name] for axis in record.program.axes}, closed_form)


def checked_name(record: Record, name: str) -> str:
    """``name``, or the program's, if it can name a function of a module."""
    name = name or record.program.name
    if not name.isidentifier() or keyword.iskeyword(name):
        raise InputError(f"{name!r} cannot name a function: expected a Python identifier")
    if name.startswith("_") or name in RESERVED or hasattr(builtins, name):
        raise InputError(f"{name!r} cannot name a function: the module around it has, or may have, one of that name")
    if wrong := [a.name for a in record.program.axes if keyword.iskeyword(a.name) or a.name in RESERVED]:
        raise InputError(f"the axis {wrong[0]} means something else in Python: rename it")
    return name


def function_source(source: str, name: str) -> str:
    """The source of the function ``name`` of a NumPy module, and of the function for its rows."""
    lines = source.splitlines()
    functions = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name in (name, ROWS)]
    return "\n\n\n".join("\n".join(lines[n.lineno - 1 : n.end_lineno]) for n in functions)


class LayerFunctions(NamedTuple):
    """The functions of a layer: ``O, saved = forward(X, W)`` and ``gradients = backward(saved, dO)``.

    Called with the inputs and the upstream gradients, it returns the sum of the products of outputs and upstream
    gradients, and its gradients, as the function of a loss does.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]

    def __call__(self, *inputs: Any, **keywords: Any) -> tuple[float, Any]:
        bound = inspect.signature(self.backward).parameters
        count = len(bound) - 1
        arrays, upstream = inputs[:-count], inputs[-count:]
        outputs, saved = self.forward(*arrays, **keywords)
        each = outputs if count > 1 else (outputs,)
        value = sum(float(np.vdot(o, g)) for o, g in zip(each, upstream, strict=True))
        return value, self.backward(saved, *upstream)


def compile_source(source: str, name: str) -> Callable[..., Any]:
    """The function ``name`` of a generated module, or the functions of a layer; the source stays visible to tracebacks
    and ``inspect``.

    Raises ``UnsupportedError`` if it needs SciPy, which is not installed.
    """
    filename = f"<symgrad {name} {next(_serial)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": f"symgrad_generated_{name}"}
    try:
        exec(compile(source, filename, "exec"), namespace)
    except ImportError as error:
        raise UnsupportedError(f"this function needs SciPy ({error}): python -m pip install scipy") from None
    if name not in namespace:
        # mypy does not take a named tuple with __call__ for a function.
        return LayerFunctions(*(namespace[each] for each in FUNCTIONS))  # type: ignore[return-value]
    function: Callable[..., Any] = namespace[name]
    return function


def to_numpy(record: Record) -> Callable[..., Any]:
    """``f`` with ``loss, grads = f(inputs...)``, evaluated by NumPy from the closed forms of ``record``."""
    return compile_source(to_source(record, "evaluate"), "evaluate")
