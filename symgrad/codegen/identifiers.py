"""Names in Python: those of arrays, and those that are in use."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from itertools import chain, count

from symgrad.names import is_alike

RESERVED = {"np", "math", "Gradients", "type", "float", "max", "min", "abs", "map", "range", "next", "Exception"}
RESERVED |= {"Any", "njit", "prange", "types", "typeof", "intrinsic", "get_num_threads"}
"""What the lines around and of a generated function call: no array can have such a name there."""


def python_name(name: str) -> str:
    """The name of an array as a Python variable and as a field of a named tuple: its own where it can be."""
    bare = name.lstrip("_")
    clean = bare if bare.isidentifier() else f"array{bare}"
    return f"{clean}_" if keyword.iskeyword(clean) or clean in RESERVED or clean != name else name


def python_names(
    names: Iterable[str], taken: Iterable[str] = (), authors: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The Python names of arrays, all different and none of them ``taken``; those that need no other keep theirs, or
    have the one that the author gave them."""
    authors = authors or {}
    found: dict[str, str] = {}
    used = set(taken)
    for name in sorted(dict.fromkeys(names), key=lambda n: python_name(n) != n):
        found[name] = free(python_name(authors.get(name, name)), used)
    return found


def part_name(used: set[str]) -> str:
    """The first of part1, part2, ... that is not used, for a part of an expression; it is used from now on."""
    name = next(name for place in count(1) if (name := f"part{place}") not in used)
    used.add(name)
    return name


def fresh(name: str, taken: set[str]) -> str:
    """The name, or the first of name2, name3, ... that is not written like one that is taken; taken from now on."""
    numbered = chain((name,), (f"{name}{number}" for number in count(2)))
    found = next(new for new in numbered if not is_alike(new, taken))
    taken.add(found)
    return found


def free(name: str, used: set[str]) -> str:
    """``name`` with as many underscores after it as make it one that is not used; it is used from now on."""
    while name in used:
        name += "_"
    used.add(name)
    return name
