"""Programs: a loss as its validated forward equations, and what these imply: orders of evaluation and dependences."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from sympy import Expr, Indexed, Symbol
from sympy.core.basic import Basic

from symgrad.canonical import spelled
from symgrad.declaration import Declaration
from symgrad.equations import Definition
from symgrad.index_letters import with_spares
from symgrad.matrix_functions import OF_MATRICES, inverse
from symgrad.notation import Array, Axis, array_names, axis_name, entries, name_of, unfolded, varying_names


@dataclass(frozen=True)
class Program(Declaration):
    """Forward equations from input arrays to one scalar, with assumptions about the inputs.

    ``axes`` are in the order of the shape table, ``equations`` in any order.  ``output`` names the scalar.
    ``defaults`` are the default values of scalar inputs in generated functions; the derivation is for any number.
    ``labels`` pairs inputs that are one-hot rows with the names of their integer labels in generated functions.
    ``facts`` are statements about the gradient, and ``about`` says in words what it means, as ``symgrad.loss`` takes
    them.  ``names`` pairs arrays with names to print, ``("W", "theta")``; ``vectors="bold"`` is for matrix notation.
    ``upstream`` pairs the outputs of a layer with their upstream gradients, inputs of the same axes, ``("O", "dO")``;
    then ``output`` is the sum of the products of their entries, which stands for any loss that has these gradients.

    Raises ``ProgramError`` where an array is undefined or defined twice, equations are circular, an index runs over
    the wrong axis, is unbound or is bound twice, the output is not a scalar, or a default is not a number.
    """

    @cached_property
    def axis(self) -> dict[str, Axis]:
        """The axes by name, with their ``distinct`` and ``spares`` letters."""
        return with_spares(self.axes, self.entry_letters)

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """Every array by name: the inputs, then the defined arrays in an order of evaluation."""
        arrays = {array.name: array for array in self.inputs}
        for definition in self.ordered:
            axes = tuple(self.axis[axis_name(i)] for i in definition.indices)
            arrays[definition.name] = Array(definition.name, axes)
        return arrays

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """The equations by the name of the array that they define, in an order of evaluation."""
        return {definition.name: definition for definition in self.ordered}

    @cached_property
    def ordered(self) -> tuple[Definition, ...]:
        """The equations in an order of evaluation that does not depend on names or on the declared order."""
        return tuple(sorted(self.equations, key=lambda e: self._structure[e.name]))

    @cached_property
    def rank(self) -> dict[str, int]:
        """The position of each array in ``arrays``: later arrays have a higher rank."""
        return {name: position for position, name in enumerate(self.arrays)}

    @cached_property
    def printed(self) -> dict[str, str]:
        """The names that pages print, by array, where they are not the array's own."""
        return dict(self.names)

    @cached_property
    def entry_letters(self) -> set[str]:
        """The letters that denote entries of arrays, which indices should avoid."""
        names = [*(array.name for array in self.inputs), *(equation.name for equation in self.equations)]
        return {shown.lower() for name in names if len(shown := self.printed.get(name, name)) == 1}

    @cached_property
    def _structure(self) -> dict[str, tuple[int, str]]:
        """The depth of each array's definition, and its rank at that depth, both independent of names.

        Ranks at a depth sort the definitions, spelled with the ranks of shallower arrays for names.
        """
        known = {array.name: (0, f"{position:06}") for position, array in enumerate(self.inputs)}
        waiting = {e.name: e for e in self.equations}
        depth = 0
        while waiting:
            depth += 1
            ready = [e for e in waiting.values() if array_names(e.rhs) <= known.keys()]
            ranks = {name: f"{d}.{rank}" for name, (d, rank) in known.items()} | {e.name: "itself" for e in ready}
            texts = {e.name: spelled(e.rhs, {i: f"#{p}" for p, i in enumerate(e.indices)}, ranks) for e in ready}
            positions = {text: f"{position:06}" for position, text in enumerate(sorted(set(texts.values())))}
            for name, text in texts.items():
                known[name] = (depth, positions[text])
                del waiting[name]
        return known

    @property
    def results(self) -> tuple[str, ...]:
        """The arrays that generated code returns beside the gradients: the outputs of a layer, or the output."""
        return tuple(name for name, _ in self.upstream) or (self.output,)

    def uses(self, name: str) -> frozenset[str]:
        """The arrays on which ``name`` depends directly or through abbreviations."""
        return self._uses.get(name, frozenset())

    @cached_property
    def _uses(self) -> dict[str, frozenset[str]]:
        return self._closure(array_names, nodes=False)

    def varies_with(self, name: str) -> frozenset[str]:
        """The arrays in ``uses(name)`` with respect to which ``name`` may have a nonzero derivative."""
        return self._varies_with.get(name, frozenset())

    @cached_property
    def _varies_with(self) -> dict[str, frozenset[str]]:
        return self._closure(varying_names, nodes=False)

    @cached_property
    def ancestors(self) -> dict[str, frozenset[str]]:
        """All arrays on which each array depends."""
        return self._closure(array_names)

    @cached_property
    def varying_ancestors(self) -> dict[str, frozenset[str]]:
        """All arrays with respect to which each array may have a nonzero derivative."""
        return self._closure(varying_names)

    @cached_property
    def inverted(self) -> frozenset[str]:
        """The names of the matrices of which the equations use the inverse or the determinant."""
        return frozenset(call.matrix for definition in self.ordered for call in definition.rhs.atoms(*OF_MATRICES))

    def with_room(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The sizes, with the other axes longer than the axes of inverted matrices: X^T X has an inverse if X has more
        rows than columns."""
        inside = {axis.name for name in self.inverted for axis in self.arrays[name].axes}
        most = max((sizes[name] for name in inside), default=0)
        return {name: size if name in inside else max(size, most + 1) for name, size in sizes.items()}

    def _closure(self, names: Callable[[Expr], frozenset[str]], nodes: bool = True) -> dict[str, frozenset[str]]:
        """For each array, ``names`` of its equation and recursively of theirs; through nodes only if ``nodes``."""
        closure: dict[str, frozenset[str]] = {array.name: frozenset() for array in self.inputs}
        for name, definition in self.definitions.items():
            used = names(definition.rhs)
            through = (n for n in used if nodes or n not in self.definitions or not self.definitions[n].is_node)
            closure[name] = used.union(*(closure[n] for n in through))
        return closure

    def written_out(self, expr: Expr, names: Collection[str]) -> Expr:
        """``expr`` with the arrays ``names`` expanded recursively; inverses stay, and matrices in ``OF_MATRICES``."""
        names = {n for n in names if n in self.definitions and not isinstance(self.definitions[n].rhs, inverse)}
        while remaining := [name for name in array_names(expr) & names if entries(expr, name)]:
            latest = max(remaining, key=self.rank.__getitem__)
            expr = unfolded(expr, self.definitions[latest].entry, self.definitions[latest].rhs)
        return expr

    def extent_written_out(self, expr: Basic, names: Collection[str]) -> int:
        """About the extent of ``written_out(expr, names)``, without writing it."""
        extents: dict[str, int] = {}

        def count(part: Basic) -> int:
            if isinstance(part, (Indexed, Symbol)):
                return extents.get(name_of(part), 1)
            return 1 + sum(map(count, part.args))

        for definition in self.ordered:
            if definition.name in names:
                extents[definition.name] = count(definition.rhs)
        return count(expr)

    def opened(self, expr: Expr, names: Collection[str]) -> frozenset[str]:
        """The arrays that ``written_out(expr, names)`` expands."""
        direct = array_names(expr) & set(names)
        return direct.union(*(self.opened(self.definitions[name].rhs, names) for name in direct))

    def with_nodes(self, names: Iterable[str]) -> Program:
        """The program with the abbreviations among ``names`` turned into nodes."""
        wanted = set(names)
        return replace(self, equations=tuple(replace(e, is_node=e.is_node or e.name in wanted) for e in self.equations))
