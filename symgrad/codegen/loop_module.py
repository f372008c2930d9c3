"""Writes the module of the numba target and loads it; with ``loop_runtime`` the only module that needs numba."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from symgrad.codegen import loop_runtime
from symgrad.codegen import python_source as py
from symgrad.codegen.loop_kernels import SMALL, Kernels
from symgrad.codegen.module_frame import assembled, held
from symgrad.codegen.targets import checked_name
from symgrad.errors import InputError
from symgrad.steps import Record

NEEDS = "Needs NumPy 2.0 or later, numba, and SciPy, through which numba multiplies matrices."
IMPORTS = ["from numba import get_num_threads, njit, prange, typeof, types", "from numba.extending import intrinsic"]
OPTIONS = """\
# Sums of products may be added up in any order; everything else is computed as written.
_TILES = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz", "arcp"}}
_ENTRIES = {"nogil": True, "cache": True, "error_model": "numpy"}
_SERIES = {**_ENTRIES, "fastmath": {"contract"}}
_OTHERS = ("reduction", "setitem", "numpy", "fusion", "stencil", "comprehension", "inplace_binop")
_ROWS_ALONE = dict.fromkeys(_OTHERS, False)  # nothing but the loop over the rows is done in several threads"""


def loop_source(record: Record, name: str = "", closed_form: Sequence[str] = ()) -> str:
    """Source of a module that needs numpy, numba and scipy, with a function ``name`` like that of ``to_source``. Raises
    ``InputError`` if ``name`` cannot name a function or no input is an array; ``UnsupportedError`` for an operation
    that loops lack."""
    name = checked_name(record, name)
    if not any(a.axes for a in record.program.inputs):
        raise InputError("the target numba needs an input that is an array")
    kernels = Kernels(record)
    local = {n: kernels.loops.name(n) for n in ("fits", "value", "gradients", "fresh")}
    tables = [*kernels.inputs.tables(), OPTIONS]
    functions = [_function(kernels, local, name), _evaluated(kernels, local), *kernels.kernels()]
    return assembled(
        kernels.inputs, [name], closed_form, tables, functions, loop_runtime, imports=IMPORTS, needed=NEEDS
    )


def _evaluated(kernels: Kernels, local: Mapping[str, str]) -> py.Source:
    """The function that calls a kernel."""
    lines: list[py.Source] = []
    for n, result in kernels.results.items():
        axes = [axis.name for axis in kernels.record.program.arrays[n].axes]
        is_given = n in {a.name for a in kernels.arrays} and n not in kernels.inputs.labels
        shape = f"{kernels.plan.names[n]}.shape" if is_given else f"({', '.join(axes)},)"
        needs = frozenset([] if is_given else axes)
        lines.append(py.Source(f"{result} = np.empty({shape}, {kernels.dtype.code})", needs=needs))
    args = [*kernels.args, *kernels.results.values()]
    serial = _call(kernels, local, "_serial", args)
    if kernels.loops.axis:
        work = " + ".join(" * ".join(axes) for axes in kernels.loops.extents)
        needs = frozenset[str]().union(*kernels.loops.extents, *kernels.loops.weights)
        lines += [
            py.Source(f"if {work} < {SMALL}{kernels.large}:", needs=needs),
            *py.indented(serial),
            py.Source("else:"),
        ]
        lines += py.indented(_call(kernels, local, "_parallel", [*args, "get_num_threads()"]))
    else:
        lines += serial
    results = [kernels.results.get(n) or f"{kernels.dtype.code}.type({kernels.scalars[n]})" for n in kernels.record.wrt]
    gradients = py.called("Gradients", results, 2)
    value = f"{kernels.dtype.code}.type({local['value']})"
    lines.append(py.Source(f"return {', '.join([local['fits'], value, gradients.code, *kernels.gaps])}"))
    doc = f"Whether the shapes of the inputs agree, and the results; ``{local['fresh']}`` allows for compilation."
    head = py.called("def _evaluated", [*kernels.args, f"{local['fresh']}=False"], 0, ":")
    return py.function(head, [doc], [*kernels.sizes(lines), *lines])


def _call(kernels: Kernels, local: Mapping[str, str], kernel: str, args: Sequence[str]) -> list[py.Source]:
    """The lines that call a kernel, which is compiled first if that is allowed."""
    target = ", ".join([local["fits"], local["value"], *kernels.scalars.values(), *kernels.gaps])
    compiled = replace(py.called("_compile", [kernel, local["fresh"], *args], 3), needs=frozenset(["_compile"]))
    return [
        py.Source(f"if {local['fresh']} or not {kernel}.overloads:"),
        *py.indented([compiled]),
        py.called(kernel, args, 2, before=f"{target} = "),
    ]


def _function(kernels: Kernels, local: Mapping[str, str], name: str) -> py.Source:
    """The function of the module; it checks inputs more closely if they do not fit a kernel."""
    record, names = kernels.record, kernels.plan.names
    notes = ["It is compiled when it is first called for a type of inputs, float32 or float64, which takes seconds."]
    if not kernels.loops.axis:
        notes += ["Its rows do not stay apart: the function for NumPy is as fast, or faster, where products are large."]
    target = f"{', '.join([local['fits'], local['value'], local['gradients'], *kernels.gaps])} = "
    closer = [kernels.inputs.checked()]
    closer += kernels.inputs.opened([n for n in kernels.inputs.labels if n not in kernels.loops.labels], kernels.dtype)
    converted = [f"_native({names[a.name]})" if a.axes else f"float({names[a.name]})" for a in record.program.inputs]
    are_plain = [f"type({names[a.name]}) is np.ndarray" for a in record.program.inputs if a.axes]
    call = py.called("_evaluated", [*converted, f"{local['fresh']}=True"], 2, before=target)
    lines = [
        *py.joined_tests(f"{local['fits']} =", are_plain, "and"),  # loops would ignore the mask of a masked array
        py.Source(f"if {local['fits']}:"),
        py.Source(f"{py.INDENT}try:"),
        *py.indented(py.indented([py.called("_evaluated", kernels.args, 3, before=target)])),
        py.Source(
            f"{py.INDENT}except Exception:  # other types, or others in memory, than those that it is compiled for"
        ),
        py.Source(f"{py.INDENT * 2}{local['fits']} = False"),
        py.Source(f"if not {local['fits']}:"),
        *py.indented([*closer, replace(call, needs=frozenset(["_native"]))]),
        *kernels.inputs.in_domains(),
    ]
    for gap, (words, _) in zip(kernels.gaps, kernels.plan.checks, strict=True):
        lines += held(f"{gap} > 1e-5", gap, words)
    lines.append(py.Source(f"return {local['value']}, {local['gradients']}"))
    returned = f"{kernels.record.program.output} and its gradients"
    return kernels.inputs.function(name, lines, returned, notes)


def to_numba(record: Record) -> Callable[..., Any]:
    """``f`` with ``loss, grads = f(inputs...)``, evaluated by loops that numba compiles when they are first called.
    numba caches compiled code next to a source file. The module is therefore written to a file named by its hash, in
    the user's cache (``$XDG_CACHE_HOME`` or ``~/.cache``), or in a temporary folder if that is not writable."""
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
    """A file with this source; it is written atomically."""
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
