"""Where a loss that is named on the command line or on a page comes from: the ready-made ones, a file, a module, or one
line."""

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

MOST_LISTED = 12  # losses of a file that a message names


def find(name: str | None, expression: str | None, shapes: str | None, wrt: str | None) -> Loss:
    """The loss that the arguments of a command name: ``LOSS``, or ``-e EXPRESSION --shapes SHAPES``.

    ``LOSS`` is the name of a ready-made loss, ``file.py:name`` or ``package.module:name``.  Raises ``InputError`` where
    there is none, or more than one.
    """
    if expression is not None:
        if name is not None:
            raise InputError(f"give either {name} or -e, not both")
        if shapes is None:
            raise InputError("-e goes with --shapes, such as --shapes 'X: N D, W: D C, b: C, Y: N C'")
        return parse(expression, shapes, wrt or "")
    if shapes is not None:
        raise InputError("--shapes goes with -e; a loss in a file declares its own")
    if name is None:
        raise InputError("name a loss (see `symgrad losses`), file.py:name, or -e EXPRESSION")
    if name.endswith(".py"):
        raise InputError(f"{name} is a file: write {name}:NAME{_names_in(Path(name))}")
    if "." in name and ":" not in name:
        raise InputError(f"{name} is a module: write {name}:NAME")
    return _from_module(name) if ":" in name else ready_made(name)


def candidate(name: str) -> Callable[..., Any]:
    """The function that ``file.py:name`` or ``package.module:name`` names.

    Raises ``InputError`` where there is none.
    """
    where, colon, attribute = name.rpartition(":")
    if not colon:
        raise InputError(f"{name!r} names no function: write file.py:name or package.module:name")
    module = _file(Path(where)) if where.endswith(".py") else _module(where)
    found = getattr(module, attribute, None)
    if not callable(found):
        own = [n for n, value in vars(module).items() if inspect.isfunction(value) and not n.startswith("_")]
        instead = f": expected {_listed(own[:MOST_LISTED])}" if own else ""
        raise InputError(f"{where} has no function {attribute!r}{instead}")
    return found  # type: ignore[no-any-return]


def written_in(name: str, loss: Loss) -> tuple[Path, ...]:
    """The files that say what the loss with this name is: its module, and what is loaded of the same package or from
    beside its file.  None for a ready-made loss."""
    where, _, _ = name.rpartition(":")
    if not where:
        return ()
    files = {key: Path(file) for key, m in list(sys.modules.items()) if (file := getattr(m, "__file__", None))}
    own = {loss.function.__module__.partition(".")[0], where.partition(".")[0]}
    if where.endswith(".py"):
        folder = Path(where).resolve().parent
        roots = {key: file.parents[file.name == "__init__.py"] for key, file in files.items() if "." not in key}
        own |= {key for key, root in roots.items() if folder == root}
    return tuple(file for key, file in files.items() if key.partition(".")[0] in own)


def _names_in(path: Path) -> str:
    """The losses of a file that can be loaded, as a message lists them."""
    try:
        losses = _losses(_file(path))
    except SymgradError:
        return ""
    return f", NAME being {_listed(list(losses))}" if losses else ""


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
        raise InputError(f"{where}: {name} is not a loss; declare it with @symgrad.loss(shapes=...)")
    if not losses:
        raise InputError(f"{where} has no losses; declare one with @symgrad.loss(shapes=...)")
    near = get_close_matches(name, losses, n=1)
    if len(losses) > MOST_LISTED:
        expected = f"{near[0]}, of the {len(losses)} that it has" if near else f"one of the {len(losses)} that it has"
        raise InputError(f"{where} has no loss {name!r}: expected {expected}")
    raise InputError(f"{where} has no loss {name!r}: expected {_listed(near + [n for n in losses if n not in near])}")


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"cannot read {path}: there is no such file")
    name = f"_symgrad_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise InputError(f"cannot read {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))  # so that it finds its neighbours, as when it is run
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
