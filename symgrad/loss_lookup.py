"""Find a loss by its name on the command line or on a page: in the catalogue, a file, a module, or one line of text."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from symgrad.array.expression import parse
from symgrad.array.loss import Loss
from symgrad.errors import InputError, SymgradError
from symgrad.losses import ready_made

MOST_LISTED = 12  # losses of a file in a message


def find(name: str | None, expression: str | None, shapes: str | None, wrt: str | None) -> Loss:
    """Return the loss for ``LOSS`` (a catalogue name, ``file.py:name`` or ``package.module:name``) or for ``-e
    EXPRESSION --shapes SHAPES``.  Raises ``InputError`` unless the arguments name exactly one loss."""
    if expression is not None:
        if name is not None:
            raise InputError(f"use either {name} or -e, not both")
        if shapes is None:
            raise InputError("-e needs --shapes, such as --shapes 'X: N D, W: D C, b: C, Y: N C'")
        return parse(expression, shapes, wrt or "")
    if shapes is not None:
        raise InputError("--shapes needs -e; a loss in a file declares its own shapes")
    if name is None:
        raise InputError("expected a loss: a catalogue name (see `symgrad losses`), file.py:name, or -e EXPRESSION")
    if name.endswith(".py"):
        raise InputError(f"{name} is a file: write {name}:NAME{_names_in(Path(name))}")
    if "." in name and ":" not in name:
        raise InputError(f"{name} is a module: write {name}:NAME")
    return _from_module(name) if ":" in name else ready_made(name)


def candidate(name: str) -> Callable[..., Any]:
    """Return the function ``file.py:name`` or ``package.module:name``.  Raises ``InputError`` if it does not exist."""
    where, colon, attribute = name.rpartition(":")
    if not colon:
        raise InputError(f"{name!r} does not name a function: write file.py:name or package.module:name")
    module = _file(Path(where)) if where.endswith(".py") else _module(where)
    function = getattr(module, attribute, None)
    if not callable(function):
        functions = [n for n, value in vars(module).items() if inspect.isfunction(value) and not n.startswith("_")]
        expected = f": expected {_listed(functions[:MOST_LISTED])}" if functions else ""
        raise InputError(f"{where} has no function {attribute!r}{expected}")
    return function  # type: ignore[no-any-return]


def written_in(name: str, loss: Loss) -> tuple[Path, ...]:
    """The files that define a loss: its module, and the modules loaded from the same package or folder.  Empty for a
    catalogue loss."""
    where, _, _ = name.rpartition(":")
    if not where:
        return ()
    files = {key: Path(file) for key, m in list(sys.modules.items()) if (file := getattr(m, "__file__", None))}
    packages = {loss.function.__module__.partition(".")[0], where.partition(".")[0]}
    if where.endswith(".py"):
        folder = Path(where).resolve().parent
        roots = {key: file.parents[file.name == "__init__.py"] for key, file in files.items() if "." not in key}
        packages |= {key for key, root in roots.items() if folder == root}
    return tuple(file for key, file in files.items() if key.partition(".")[0] in packages)


def _names_in(path: Path) -> str:
    """The end of a message that lists the losses of a file; empty if it cannot be loaded."""
    try:
        losses = _losses(_file(path))
    except SymgradError:
        return ""
    return f" with NAME {_listed(list(losses))}" if losses else ""


def _losses(module: ModuleType) -> dict[str, Loss]:
    return {key: value for key, value in vars(module).items() if isinstance(value, Loss)}


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}"


def _from_module(text: str) -> Loss:
    where, _, name = text.rpartition(":")
    module = _file(Path(where)) if where.endswith(".py") else _module(where)
    losses = _losses(module)
    if name in losses:
        return losses[name]
    if hasattr(module, name):
        raise InputError(
            f"{where}: {name} is not a loss; declare it with @symgrad.loss(shapes=...), or a layer with @symgrad.layer"
        )
    if not losses:
        raise InputError(f"{where} has no losses; declare one with @symgrad.loss(shapes=...)")
    near = get_close_matches(name, losses, n=1)
    if len(losses) > MOST_LISTED:
        expected = f"{near[0]} (it has {len(losses)} losses)" if near else f"one of its {len(losses)} losses"
        raise InputError(f"{where} has no loss {name!r}: expected {expected}")
    raise InputError(f"{where} has no loss {name!r}: expected {_listed(near + [n for n in losses if n not in near])}")


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"cannot read {path}: no such file")
    name = f"_symgrad_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise InputError(f"cannot read {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))  # so that it can import from its folder
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise _failed(str(path), error) from error
    finally:
        sys.path.pop(0)
    return module


def _module(name: str) -> ModuleType:
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"{name!r} is neither a file (file.py:name) nor a module (package.module:name)")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error
    finally:
        sys.path.pop(0)


def _failed(where: str, error: BaseException) -> SymgradError:
    if isinstance(error, SymgradError):
        return type(error)(f"{where}: {error}")
    what = str(error).splitlines()[0] if str(error) else ""
    return InputError(f"{where} cannot be imported: {type(error).__name__}: {what}")
