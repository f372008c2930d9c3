"""A user's layer: a function that returns arrays, whose derivative is a vector-Jacobian product.

A loss L of the layer's output O enters only through the upstream gradient dO, the derivative of L with respect to O:
the derivatives of L with respect to the layer's inputs equal those of the sum of dO O, with dO held constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import ascii_letters
from types import MappingProxyType
from typing import Any

import numpy as np

from symgrad.array.graph import Entries, Indices, Kind, Node, Trace, leaf, make, shape_text
from symgrad.array.intermediates import free_name
from symgrad.array.loss import Loss, declaration
from symgrad.array.numpy_table import FUNCTIONS
from symgrad.array.products import contraction
from symgrad.errors import ProgramError
from symgrad.notation import Array


class Layer(Loss):
    """A layer as a function of arrays with declared axes.

    Called with arrays, it runs the function.  In its ``program()``, each output O has an upstream gradient, the further
    input dO, and the scalar is the sum of the products of their entries.
    """

    def _output(self, value: Any, trace: Trace, taken: set[str]) -> tuple[Node, dict[str, Array]]:
        values = value if isinstance(value, (tuple, list)) else (value,)
        if not values:
            raise ProgramError(f"{self.name} returns nothing: it must return an array")
        nodes = [_as_result(self._returned(each, "arrays")) for each in values]
        terms: list[Node] = []
        upstream: dict[str, Array] = {}
        used = {*taken, *(name for node, (_, name) in trace.names.items() if node not in nodes)}
        for node in dict.fromkeys(nodes):
            if None in node.axes:
                has = f"{self.name} returns an array {shape_text(node.axes)}"
                raise ProgramError(f"{has}: without keepdims=True it has no axis of size 1")
            name = free_name(trace.names.get(node, (0, "O"))[1], used)
            gradient = Array(free_name(f"d{name}", used), node.real_axes)
            used |= {name, gradient.name}
            trace.names[node] = (0, name)
            upstream[name] = gradient
            labels = tuple(ascii_letters[: len(node.axes)])
            terms.append(contraction("vdot", [leaf(gradient), node], [labels, labels], ()))
        total, *rest = terms
        for term in rest:
            total = FUNCTIONS[np.add](total, term)
        return total, upstream


def _as_result(node: Node) -> Node:
    """A node that is an equation of its own: inputs and rearranged arrays get one."""
    if node.kind not in (Kind.INPUT, Kind.VIEW, Kind.CONSTANT):
        return node

    def build(entries: Entries, indices: Indices) -> Any:
        return entries(node, indices)

    return make("result", [node], node.axes, build, Kind.ALWAYS)


def layer(
    shapes: str,
    wrt: str | Sequence[str] = (),
    *,
    name: str | None = None,
    summary: str | None = None,
    facts: Sequence[str] = (),
    about: str = "",
    axes: Mapping[str, str] = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
    vectors: str = "",
) -> Callable[[Callable[..., Any]], Layer]:
    """Declare a function that returns an array, or a tuple of arrays, as a layer:
    ``@symgrad.layer(shapes="X: N D, W: D H, b: H", wrt="X W b")``.

    ``symgrad.derive`` gives its vector-Jacobian product: the gradients of any loss with respect to the arrays ``wrt``,
    from the gradient of this loss with respect to the output.  That upstream gradient of an output O is called dO; an
    output without a variable of its own is called O.  The options are those of ``symgrad.loss``.

    Raises ``InputError``, with the function's line, for a mistake in ``shapes``, ``wrt``, ``axes`` or ``names``.
    """
    return declaration(Layer, shapes, wrt, name, summary, facts, about, axes, names, vectors)
