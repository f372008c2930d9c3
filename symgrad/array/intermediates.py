"""Which nodes of a trace become equations, and the names of these intermediates.

A node that the user named becomes an equation of that name.  Other nodes are inlined, except those that a textbook
introduces: logits, a normaliser, probabilities, a maximum, a mean, a variance, a residual, a hidden layer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from symgrad.array.graph import Kind, Node, in_order
from symgrad.names import in_english, is_alike, unlike

NONLINEAR = {"exp", "log", "softmax", "sigmoid", "tanh", "relu", "gelu", "softplus", "erf", "normaliser"}
"""Activations: an argument that is a contraction gets a name (logits), and so does the hidden layer that they make."""

INVERSE = "inv"
"""The operation of a node that is an inverse: it is named after the matrix, which always has a name."""

SECOND = {"P": "Q", "p": "q", "S": "T", "s": "t", "mu": "nu"}
"""The textbook name of a value -> the name of the second one."""

MOST_COPIES = 30  # a node inlined with more operations gets an equation if it is used twice


def seen_through(node: Node) -> Node:
    """The node that a view rearranges."""
    while node.kind is Kind.VIEW:
        node = node.operands[0]
    return node


def names_of(output: Node, variables: Mapping[Node, tuple[int, str]], taken: Iterable[str]) -> dict[Node, str]:
    """The nodes that become equations, with their names, operands first and the output last.

    ``variables`` has the names that the user gives nodes, ``taken`` the names of inputs and axes.
    """
    nodes = in_order(output)
    # Summed exponentials are inlined even if they have a name: S = sum exp(z) reads better than S = sum e.
    summed = {seen_through(node.operands[0]) for node in nodes if _is_normaliser(node)}
    wanted: dict[Node, str] = {}
    for node, (_, name) in variables.items():
        core = seen_through(node)
        if core.kind not in (Kind.INPUT, Kind.CONSTANT) and core not in summed and (clean := sanitised(name)):
            wanted.setdefault(core, clean)
    hinted = {node: hint for node, hint in conventional(nodes, wanted).items() if node not in wanted}
    wanted |= hinted
    used = {*taken, "L"}
    names: dict[Node, str] = {}
    for node in nodes:
        if node in wanted and node is not seen_through(output):
            name = wanted[node]
            if node in hinted and node.operation == INVERSE:
                (matrix,) = node.operands
                name = f"{matrix.array.name if matrix.array else names[matrix]}_inv"
            if node in hinted and is_alike(name, used) and not is_alike(SECOND.get(name, name), used):
                name = SECOND[name]
            names[node] = free_name(name, used)
            used.add(names[node])
    return names | {output: free_name("loss", used) if is_alike("L", taken) else "L"}


def free_name(name: str, used: Iterable[str]) -> str:
    """``name``, with a number where needed so that it differs in print from the names in ``used``."""
    return unlike(name, set(used), joint="_" if name[-1].isdigit() else "", first=1)


def sanitised(name: str) -> str:
    """A variable's name as an array's name, with Greek letters spelled in English; "" if it cannot name an array."""
    clean = in_english(name.strip("_"))
    return clean if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", clean) else ""


def conventional(nodes: list[Node], named: Mapping[Node, str]) -> dict[Node, str]:
    """Textbook names for nodes that the user did not name."""
    names: dict[Node, str] = {}
    has_sum: dict[Node, bool] = {}  # whether a node sums over an axis; named nodes count as atoms
    is_nonlinear: dict[Node, bool] = {}  # whether it applies a nonlinear function
    copies: dict[Node, int] = {}  # how many operations it has
    uses = Counter(operand for node in nodes for operand in node.operands)

    def introduce(node: Node, name: str) -> None:
        core = seen_through(node)
        if core not in named and core.kind not in (Kind.INPUT, Kind.CONSTANT):
            names.setdefault(core, name if len(core.real_axes) > 1 or len(name) > 1 else lower(name))
            has_sum[node] = has_sum[core] = is_nonlinear[node] = is_nonlinear[core] = False
            copies[node] = copies[core] = 1

    def lower(name: str) -> str:
        return name.lower() if name in ("Z", "P", "H", "R") else name

    for node in nodes:
        if node.operation in NONLINEAR and node.operands and has_sum[node.operands[0]]:
            introduce(node.operands[0], "Z")
        if _is_square(node) and _is_residual(node.operands[0], has_sum):
            introduce(node.operands[0], "R")
        if node.operation in ("@", "einsum"):
            for operand in node.operands:
                if is_nonlinear[operand]:
                    introduce(operand, "H")
        if node.operation in ("-", "var") and len(node.operands) == 2 and _is_mean_of(*node.operands[::-1]):
            introduce(node.operands[1], "mu")
        if node.operation == "/" and (_is_root(node.operands[1]) or _is_normaliser(node.operands[1])):
            introduce(node.operands[1], "sigma" if _is_deviation(node.operands[1]) else "S")
        if node.operation == "log" and seen_through(node.operands[0]).operation == "sum":
            introduce(node.operands[0], "S")
        for operand in node.operands:
            if copies[operand] > MOST_COPIES and uses[operand] > 1:
                introduce(operand, "T")
        known = node in named or node in names
        has_sum[node] = not known and (
            node.operation in ("@", "einsum") or any(has_sum[operand] for operand in node.operands)
        )
        is_nonlinear[node] = not known and (
            node.operation in NONLINEAR or any(is_nonlinear[operand] for operand in node.operands)
        )
        copies[node] = 1 if known else 1 + sum(copies[operand] for operand in node.operands)
        if node.operation == INVERSE:
            introduce(node.operands[0], "S")
        if node.hint or node.kind is Kind.ALWAYS:
            introduce(node, node.hint or "T")
    return names


def _is_square(node: Node) -> bool:
    """Whether a node is the square of its first operand."""
    if node.operation != "**" or len(node.operands) < 2:
        return node.operation in ("square", "**")
    exponent = node.operands[1]
    return exponent.operation == "number" and exponent.meaning is not None and exponent.meaning() == 2


def _is_residual(node: Node, has_sum: Mapping[Node, bool]) -> bool:
    """Whether a squared node is a residual: it contains a sum, or subtracts from a nonlinear function's value."""
    core = seen_through(node)
    difference = core.operation == "-" and not any(operand.kind is Kind.CONSTANT for operand in core.operands)
    activated = any(seen_through(operand).operation in NONLINEAR for operand in core.operands)
    return bool(core.axes) and (has_sum[node] or (difference and activated))


def _is_deviation(node: Node) -> bool:
    """Whether a node is the root of a variance, to which a number may be added."""
    core = seen_through(node)
    radicands = core.operands if core.operation == "sqrt" else ()
    parts = [part for radicand in radicands for part in (radicand, *seen_through(radicand).operands)]
    return any(seen_through(part).operation == "var" for part in parts if seen_through(part).kind is Kind.CONTRACTION)


def _is_mean_of(node: Node, values: Node) -> bool:
    """Whether a node is the mean of ``values`` over some of their axes."""
    core = seen_through(node)
    return core.operation == "mean" and seen_through(core.operands[0]) is seen_through(values)


def _is_normaliser(node: Node) -> bool:
    """Whether a node is a sum of exponentials."""
    core = seen_through(node)
    return core.operation == "sum" and seen_through(core.operands[0]).operation == "exp"


def _is_root(node: Node) -> bool:
    """Whether a node is a square root, such as a standard deviation, and not a constant."""
    core = seen_through(node)
    return core.operation in ("sqrt", "norm", "std") and core.kind is Kind.PLAIN
