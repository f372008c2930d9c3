"""Where a loss that is named on the command line comes from: the ready-made ones, a file, a module, or one line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from symgrad.array.expression import parse
from symgrad.array.loss import Loss
from symgrad.errors import InputError, SymgradError
from symgrad.losses import ready_made


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
    return _from_module(name) if ":" in name else ready_made(name)


def _from_module(text: str) -> Loss:
    where, _, name = text.rpartition(":")
    module = _file(Path(where)) if where.endswith(".py") else _module(where)
    losses = {key: value for key, value in vars(module).items() if isinstance(value, Loss)}
    if name in losses:
        return losses[name]
    if hasattr(module, name):
        raise InputError(f"{where}: {name} is not a loss; declare it with @symgrad.loss(shapes=...)")
    near = get_close_matches(name, losses, n=1, cutoff=0.4) or list(losses)
    raise InputError(f"{where} has no loss {name!r}{': expected ' + ' or '.join(near) if near else ''}")


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
    except Exception as error:
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
    except Exception as error:
        raise _failed(name, error) from error
    finally:
        sys.path.pop(0)


def _failed(where: str, error: Exception) -> SymgradError:
    if isinstance(error, SymgradError):
        return type(error)(f"{where}: {error}")
    what = str(error).splitlines()[0] if str(error) else ""
    return InputError(f"{where} cannot be imported: {type(error).__name__}: {what}")
