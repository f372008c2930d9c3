"""Lines that write a new array into the memory of one that is not needed any more."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable

from symgrad.codegen.schedule import Assignment
from symgrad.notation import array_names

UFUNCS: dict[type[ast.operator], str] = {
    ast.Add: "np.add",
    ast.Sub: "np.subtract",
    ast.Mult: "np.multiply",
    ast.Div: "np.divide",
}
VIEWS = {"diagonal", "transpose", "swapaxes", "broadcast_to", "reshape"}
"""The functions whose results share the memory of an argument."""


def last_uses(assignments: Iterable[Assignment], inlined: Collection[str]) -> dict[str, str]:
    """The assignment that reads each array last; what is written into its one user is read there.

    What is returned has no last use: neither an output nor an array that an output is another name for.
    """
    within: dict[str, set[str]] = {}
    found: dict[str, str] = {}
    returned: set[str] = set()
    for a in assignments:
        read = set[str]().union(*(within.get(name, {name}) for name in array_names(a.rhs)))
        if a.name in inlined:
            within[a.name] = read
        else:
            found |= dict.fromkeys(read, a.name)
        if a.is_output:
            returned |= {a.name} | (read if a.name in inlined else set())
    return {name: user for name, user in found.items() if name not in returned}


def is_made(code: str) -> bool:
    """Whether an expression makes an array that shares memory with no other."""
    top = ast.parse(code, mode="eval").body
    if isinstance(top, ast.Call):
        return not (isinstance(top.func, ast.Attribute) and top.func.attr in VIEWS)
    return isinstance(top, (ast.BinOp, ast.UnaryOp))


def owns_memory(code: str) -> bool:
    """Whether an expression makes memory of its own, of which it may be a view: not that of a name."""
    return _owns(ast.parse(code, mode="eval").body)


def _owns(node: ast.expr) -> bool:
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return _owns(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        operands = [arg for arg in node.args if not isinstance(arg, (ast.Constant, ast.Tuple))]
        if not isinstance(node.func.value, ast.Name) or node.func.value.id != "np":
            operands = [node.func.value]  # a method
        if node.func.attr in VIEWS or (node.func.attr == "einsum" and len(operands) == 1):  # of one array it is a view
            return _owns(operands[0])
    return isinstance(node, (ast.Call, ast.BinOp, ast.UnaryOp))


def operation(code: str) -> tuple[str, str, str, str] | None:
    """The name on the left of the one operation that ``code`` is, its operator, its ufunc and what is on the right."""
    top = ast.parse(code, mode="eval").body
    if not isinstance(top, ast.BinOp) or not isinstance(top.left, ast.Name) or type(top.op) not in UFUNCS:
        return None
    left, right = top.left.id, ast.get_source_segment(code, top.right) or ""
    return left, code[len(left) :].split()[0], UFUNCS[type(top.op)], right
