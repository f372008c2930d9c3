"""Python identifiers for arrays, and names that are not in use yet."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from itertools import count

from symgrad.names import unlike

RESERVED = {"np", "math", "Gradients", "type", "float", "max", "min", "abs", "map", "range", "next", "Exception"}
RESERVED |= {"len", "scipy", "Any", "njit", "prange", "types", "typeof", "intrinsic", "get_num_threads"}
"""What the lines around and of a generated function call: no array can have such a name there."""


def python_name(name: str) -> str:
    """The name of an array as a Python variable and named-tuple field; unchanged if that is possible."""
    bare = name.lstrip("_")
    clean = bare if bare.isidentifier() else f"array{bare}"
    return f"{clean}_" if keyword.iskeyword(clean) or clean in RESERVED or clean != name else name


def python_names(names: Iterable[str], taken: Iterable[str], authors: Mapping[str, str]) -> dict[str, str]:
    """Distinct Python names of arrays, none of them ``taken``: the author's, or the array's own where possible."""
    used, ordered = set(taken), sorted(dict.fromkeys(names), key=lambda name: python_name(name) != name)
    return {name: free(python_name(authors.get(name, name)), used) for name in ordered}


def part_name(used: set[str]) -> str:
    """The first of part1, part2, ... that is not used; it is added to ``used``."""
    name = next(name for number in count(1) if (name := f"part{number}") not in used)
    used.add(name)
    return name


def fresh(name: str, taken: set[str]) -> str:
    """The name, or the first of name2, name3, ... that does not look like a taken one; it is added to ``taken``."""
    unused = unlike(name, taken)
    taken.add(unused)
    return unused


def free(name: str, used: set[str]) -> str:
    """``name`` with as many underscores appended as make it unused; it is added to ``used``."""
    while name in used:
        name += "_"
    used.add(name)
    return name
