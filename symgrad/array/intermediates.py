"""Which values of a trace get an equation, and what it is called.

A value that the user named is an equation, under that name.  Of the others, only those that a textbook would introduce
get one: logits, a normaliser, probabilities, a largest entry, a mean and a variance, a residual, a hidden layer.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count

from symgrad.array.graph import Kind, Node
from symgrad.names import is_alike

NONLINEAR = {"exp", "log", "softmax", "sigmoid", "tanh", "relu", "gelu", "softplus", "erf", "normaliser"}
"""The operations whose argument is worth a name where it is a contraction, and that make a hidden layer of it."""

MOST_COPIES = 30  # operations in a value without a name that is used twice; a larger one gets an equation


def in_order(output: Node) -> list[Node]:
    """The values that the output is made of, parts before what is made of them."""
    found: dict[Node, None] = {}
    waiting = [(output, False)]
    while waiting:
        node, ready = waiting.pop()
        if node in found:
            continue
        if ready:
            found[node] = None
            continue
        waiting.append((node, True))
        waiting += [(part, False) for part in reversed(node.parts) if part not in found]
    return list(found)


def seen_through(node: Node) -> Node:
    """The value that a view rearranges."""
    while node.kind is Kind.VIEW:
        node = node.parts[0]
    return node


def names_of(output: Node, given: Mapping[Node, tuple[int, str]], taken: Iterable[str]) -> dict[Node, str]:
    """The values that get an equation, each with its name, in the order in which they were made; the output is last.

    ``given`` has what the user calls values, ``taken`` the names of inputs and axes.
    """
    nodes = in_order(output)
    # Exponentials that are summed are written out, whatever their name: S = sum exp(z) reads better than S = sum e.
    summed = {seen_through(node.parts[0]) for node in nodes if _is_normaliser(node)}
    wanted: dict[Node, str] = {}
    for node, (_, name) in given.items():
        core = seen_through(node)
        if core.kind not in (Kind.INPUT, Kind.CONSTANT) and core not in summed and (clean := sanitised(name)):
            wanted.setdefault(core, clean)
    for node, hint in conventional(nodes, wanted).items():
        wanted.setdefault(node, hint)
    used = {*taken, "L"}
    found: dict[Node, str] = {}
    for node in nodes:
        if node in wanted and node is not seen_through(output):
            found[node] = free_name(wanted[node], used)
            used.add(found[node])
    if is_alike("L", taken):
        found[output] = free_name("loss", used)
    else:
        found[output] = "L"
    return found


def free_name(name: str, used: Iterable[str]) -> str:
    """``name``, with the first number that makes it one that is not used, nor written like one that is."""
    used = set(used)
    if not is_alike(name, used):
        return name
    joined = "_" if name[-1].isdigit() else ""
    return next(new for place in count(1) if not is_alike(new := f"{name}{joined}{place}", used))


def sanitised(name: str) -> str:
    """A variable's name as an array's: Greek letters by their English names, no leading underscores; or nothing."""
    clean = "".join(map(_english, name.strip("_")))
    return clean if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", clean) else ""


def in_english(text: str) -> str:
    """A text with the English names of its Greek letters, but for those that look like Latin ones."""
    return re.sub("[α-νξπρσ-ωΓΔΘΛΞΠΣΦΨΩ]", lambda found: _english(found[0]), text)


def _english(letter: str) -> str:
    if letter.isascii():
        return letter
    known = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(letter, ""))
    if not known:
        return letter
    return {"LAMDA": "lambda_"}.get(known[2], known[2].lower()) if known[1] == "SMALL" else known[2].capitalize()


def conventional(nodes: list[Node], named: Mapping[Node, str]) -> dict[Node, str]:
    """Names for values without one, where a textbook would introduce one."""
    found: dict[Node, str] = {}
    contracts: dict[Node, bool] = {}  # whether a value is, as written with names, made by a sum over an axis
    bends: dict[Node, bool] = {}  # whether it is made by a function that is not linear
    copies: dict[Node, int] = {}  # how many operations it is written with
    uses = Counter(part for node in nodes for part in node.parts)

    def introduce(node: Node, name: str) -> None:
        core = seen_through(node)
        if core not in named and core.kind not in (Kind.INPUT, Kind.CONSTANT):
            found.setdefault(core, name if len(core.real_axes) > 1 or len(name) > 1 else lower(name))
            contracts[node] = contracts[core] = bends[node] = bends[core] = False
            copies[node] = copies[core] = 1

    def lower(name: str) -> str:
        return name.lower() if name in ("Z", "P", "H", "R") else name

    for node in nodes:
        if node.operation in NONLINEAR and node.parts and contracts[node.parts[0]]:
            introduce(node.parts[0], "Z")
        if _is_square(node) and _is_residual(node.parts[0], contracts):
            introduce(node.parts[0], "R")
        if node.operation in ("@", "einsum"):
            for part in node.parts:
                if bends[part]:
                    introduce(part, "H")
        if node.operation == "/" and (_is_root(node.parts[1]) or _is_normaliser(node.parts[1])):
            introduce(node.parts[1], "S")
        if node.operation == "log" and seen_through(node.parts[0]).operation == "sum":
            introduce(node.parts[0], "S")
        for part in node.parts:
            if copies[part] > MOST_COPIES and uses[part] > 1:
                introduce(part, "T")
        known = node in named or node in found
        contracts[node] = not known and (
            node.operation in ("@", "einsum") or any(contracts[part] for part in node.parts)
        )
        bends[node] = not known and (node.operation in NONLINEAR or any(bends[part] for part in node.parts))
        copies[node] = 1 if known else 1 + sum(copies[part] for part in node.parts)
        if node.hint or node.kind is Kind.ALWAYS:
            introduce(node, node.hint or "T")
    return found


def _is_square(node: Node) -> bool:
    """Whether a value is the square of its part."""
    if node.operation != "**" or len(node.parts) < 2:
        return node.operation in ("square", "**")
    exponent = node.parts[1]
    return exponent.operation == "number" and exponent.meaning is not None and exponent.meaning() == 2


def _is_residual(node: Node, contracts: Mapping[Node, bool]) -> bool:
    """Whether a value, which is squared, is what a model leaves: of a product, or of a function's values."""
    core = seen_through(node)
    difference = core.operation == "-" and not any(part.kind is Kind.CONSTANT for part in core.parts)
    bent = any(seen_through(part).operation in NONLINEAR for part in core.parts)
    return bool(core.axes) and (contracts[node] or (difference and bent))


def _is_normaliser(node: Node) -> bool:
    """Whether a value is a sum of exponentials."""
    core = seen_through(node)
    return core.operation == "sum" and seen_through(core.parts[0]).operation == "exp"


def _is_root(node: Node) -> bool:
    """Whether a value is a root, such as a standard deviation, of more than sizes."""
    core = seen_through(node)
    return core.operation in ("sqrt", "norm", "std") and core.kind is Kind.PLAIN
