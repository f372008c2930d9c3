"""What changes neither closed forms nor values: the order of terms and equations, the names of indices, whether an
intermediate has a name; that derivatives are linear; and the chain rule across a cut at an intermediate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import derived
from literal import forward, random_inputs
from sympy import Expr, Indexed, Sum
from sympy.tensor.indexed import Idx

import symgrad
from symgrad import Array, Derivation, Program, node
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.semantics import write_out
from symgrad.errors import SymgradError
from symgrad.index_letters import fresh_letter
from symgrad.notation import entries, renamed
from symgrad.steps import Record
from trials.fuzz import direct, generate
from trials.fuzz.syntax import Draft, Statement, Value

CATALOGUE = ("softmax_cross_entropy", "huber", "layer_norm", "logistic", "info_nce")
DRAFTS = 5


@cache
def drafts() -> tuple[tuple[Draft, Derivation], ...]:
    """Random drafts that can be written by hand, are derived, and have an intermediate."""
    found: list[tuple[Draft, Derivation]] = []
    number = 0
    while len(found) < DRAFTS:
        draft = replace(generate.from_seed(6, number), by_hand=True, letters=generate.LETTERS)
        number += 1
        known = {given.name for given in draft.inputs}
        draft = replace(draft, wrt=tuple(name for name in draft.wrt if name in known))
        if not draft.statements or any(given.word == "labels" for given in draft.inputs):
            continue
        program = direct.program(draft)
        if not any(e.rhs.has(Idx) for e in program.equations):
            continue
        try:
            inputs_of(derivation := symgrad.derive(program, wrt=draft.wrt))
        except (SymgradError, NoInputs):
            continue
        found.append((draft, derivation))
    return tuple(found)


def given() -> list[Any]:
    """Derivations of the catalogue, and random ones."""
    made = [pytest.param(lambda name=name: derived(name), id=name) for name in CATALOGUE]
    return [*made, *(pytest.param(lambda k=k: drafts()[k][1], id=f"random {k}") for k in range(DRAFTS))]


# --- closed forms, compared ---------------------------------------------------------------------------------------


def in_inputs(record: Record, name: str) -> Expr:
    """A closed form in the inputs alone: adjoints by their closed forms, names by their definitions."""
    form = record.gradients[name].index
    nodes = {array.name: node for node, array in record.adjoint_arrays.items()}
    while found := [(a, e) for a in nodes for e in entries(form, a)]:
        swaps = {}
        for array, entry in found:
            closed = record.adjoints[nodes[array]]
            own = closed.entry.indices if isinstance(closed.entry, Indexed) else ()
            here = entry.indices if isinstance(entry, Indexed) else ()
            swaps[entry] = renamed(closed.index, dict(zip(own, here, strict=True)), avoid=form.atoms(Idx))
        form = form.xreplace(swaps)
    return write_out(form, record.program, set(record.program.definitions))


def same_forms(one: Derivation, other: Derivation) -> None:
    """The same closed forms, up to normal form."""
    for name, gradient in one.record.gradients.items():
        left, right = in_inputs(one.record, name), in_inputs(other.record, name)
        theirs = other.record.gradients[name].entry
        if isinstance(theirs, Indexed):
            right = renamed(right, dict(zip(theirs.indices, gradient.entry.indices, strict=True)))
        assumed = tuple(dict.fromkeys(s.assumption for d in (one, other) for s in d.steps if s.assumption))
        assert Normaliser(one.program, frozenset(), {}, assumed).equal(left, right), name


def sizes_of(program: Program) -> dict[str, int]:
    return {axis.name: size for axis, size in zip(program.axes, (2, 3, 4, 2, 3, 2), strict=False)}


class NoInputs(Exception):
    """No random inputs were found at which a program and its gradients are finite."""


def inputs_of(derivation: Derivation) -> dict[str, np.ndarray]:
    """Random inputs at which the program and its gradients are finite, and not large."""
    for seed in range(20):
        inputs = random_inputs(derivation.program, sizes_of(derivation.program), seed)
        if all(np.all(np.abs(found) < 1e4) for found in results(derivation, inputs).values()):
            return inputs
    raise NoInputs


def results(derivation: Derivation, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    with np.errstate(all="ignore"):
        value, grads = derivation.to_numpy(check=False)(*(inputs[a.name] for a in derivation.program.inputs))
    return {"": np.asarray(value), **{name: np.asarray(g) for name, g in grads._asdict().items()}}


def same_values(one: Derivation, other: Derivation) -> None:
    """The same numbers at random inputs."""
    inputs = inputs_of(one)
    left, right = results(one, inputs), results(other, inputs)
    assert left.keys() == right.keys()
    for name, found in left.items():
        np.testing.assert_allclose(right[name], found, rtol=1e-7, atol=1e-9)


def same(one: Derivation, other: Derivation) -> None:
    same_forms(one, other)
    same_values(one, other)


# --- what changes nothing -----------------------------------------------------------------------------------------


def with_other_letters(program: Program) -> Program:
    """The program with every index under another letter, in each equation."""

    def turned(expr: Expr) -> Expr:
        return expr.xreplace({i: Idx(f"{i.label}q", i.upper + 1) for i in expr.atoms(Idx)})

    equations = tuple(replace(e, entry=turned(e.entry), rhs=turned(e.rhs)) for e in program.equations)
    return replace(program, equations=equations)


def in_other_order(program: Program) -> Program:
    return replace(program, equations=program.equations[::-1])


def written_out(program: Program, wrt: tuple[str, ...]) -> Program:
    """The program without the first of its intermediates, which is written into what uses it."""
    name = intermediate(program, wrt)
    kept = [replace(e, rhs=write_out(e.rhs, program, {name})) for e in program.equations if e.name != name]
    return replace(program, equations=tuple(kept))


def turned(program: Program, wrt: tuple[str, ...]) -> Program:
    """The program with every intermediate a node that was an abbreviation, and the other way round."""
    kept = {program.output, *wrt}
    equations = tuple(e if e.name in kept else replace(e, is_node=not e.is_node) for e in program.equations)
    return replace(program, equations=equations)


def intermediate(program: Program, wrt: tuple[str, ...]) -> str:
    return next(e.name for e in program.ordered if e.name != program.output and e.name not in wrt)


@pytest.mark.parametrize("made", sampled(given(), "logistic"))
def test_names_and_order_change_nothing(made: Callable[[], Derivation]) -> None:
    plain = made()
    program, wrt = plain.program, plain.record.wrt
    for other in (with_other_letters(program), in_other_order(program)):
        assert other != program
        same(plain, symgrad.derive(other, wrt=wrt))


@pytest.mark.parametrize("made", sampled(given(), "logistic"))
def test_a_name_for_an_intermediate_changes_nothing(made: Callable[[], Derivation]) -> None:
    plain = made()
    program, wrt = plain.program, plain.record.wrt
    same(plain, symgrad.derive(turned(program, wrt), wrt=wrt))
    same(plain, symgrad.derive(written_out(program, wrt), wrt=wrt))


@pytest.mark.parametrize("place", sampled(range(DRAFTS)))
def test_the_order_of_terms_and_a_new_name_change_nothing(place: int) -> None:
    draft, plain = drafts()[place]
    exchanged = replace(
        draft,
        statements=tuple(replace(s, value=commuted(s.value)) for s in draft.statements),
        result=commuted(draft.result),
    )
    same(plain, symgrad.derive(direct.program(exchanged), wrt=draft.wrt))
    first, *others = draft.statements
    part = next((arg for arg in first.value.args if arg.args), None)
    if part is not None:
        name = Value("name", (), part.axes, ("part",))
        outer = replace(
            first, value=replace(first.value, args=tuple(name if a is part else a for a in first.value.args))
        )
        named = replace(draft, statements=(Statement("part", part), outer, *others))
        same(plain, symgrad.derive(direct.program(named), wrt=draft.wrt))


def commuted(value: Value) -> Value:
    """A value with the operands of every sum and product the other way round."""
    args = tuple(map(commuted, value.args))
    return replace(value, args=args[::-1] if value.op in ("add", "multiply", "maximum", "hypot") else args)


# --- linear, and the chain rule -----------------------------------------------------------------------------------


@pytest.mark.parametrize("made", sampled(given(), "logistic"))
def test_a_derivative_is_linear(made: Callable[[], Derivation]) -> None:
    """d(a f + b g) = a df + b dg, for g the sum of cubes of what is differentiated by."""
    plain = made()
    program, wrt = plain.program, plain.record.wrt
    a, b, f, g, total = (Array(name) for name in ("a_1", "b_1", "f_1", "g_1", "total_1"))
    cubes: Expr = sum((_cubes(program.arrays[name]) for name in wrt), 0 * a.base)
    output = program.definitions[program.output]
    others = tuple(e for e in program.equations if e.name != program.output)
    both = replace(
        program,
        inputs=(*program.inputs, a, b),
        equations=(
            *others,
            node(f[()], output.rhs),
            node(g[()], cubes),
            node(total[()], a.base * f.base + b.base * g.base),
        ),
        output=total.name,
    )
    alone = replace(program, equations=(*others, node(g[()], cubes)), output=g.name)
    inputs = {**inputs_of(plain), "a_1": np.asarray(1.5), "b_1": np.asarray(-0.75)}
    whole = results(symgrad.derive(both, wrt=wrt), inputs)
    first, second = (results(d, inputs) for d in (plain, symgrad.derive(alone, wrt=wrt)))
    for name, found in whole.items():
        np.testing.assert_allclose(found, 1.5 * first[name] - 0.75 * second[name], rtol=1e-7, atol=1e-9)


def _cubes(array: Array) -> Expr:
    indices: list[Idx] = []
    for axis in array.axes:
        indices.append(fresh_letter(axis, {str(i.label) for i in indices}))
    entry = array[tuple(indices)]
    return Sum(entry**3, *indices) if indices else entry**3


@pytest.mark.parametrize("made", sampled(given(), "logistic"))
def test_the_chain_rule_across_a_cut(made: Callable[[], Derivation]) -> None:
    """dL/dx is what x gives with an intermediate M held fixed, and the adjoint of M times the derivative of M by x."""
    derivation = made()
    program, wrt = derivation.program, derivation.record.wrt
    inputs = inputs_of(derivation)
    plain = results(derivation, inputs)
    for name in [e.name for e in program.ordered if e.name != program.output and e.name not in wrt]:
        if name not in program.varying_ancestors[program.output]:
            continue
        found = across(program, wrt, name, inputs)
        for by in wrt:
            np.testing.assert_allclose(found[by], plain[by], rtol=1e-6, atol=1e-8)


def across(program: Program, wrt: tuple[str, ...], name: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The gradients of a program, in two parts: up to the array ``name``, and beyond."""
    definition, array = program.definitions[name], program.arrays[name]
    weights, output = Array("weights_1", array.axes), Array("output_1")
    weighted = weights[definition.indices] * definition.entry
    total = Sum(weighted, *definition.indices) if definition.indices else weighted
    below = [e for e in program.equations if e.name in program.ancestors[name] | {name}]
    inner = replace(
        program, inputs=(*program.inputs, weights), equations=(*below, node(output[()], total)), output=output.name
    )
    held = Array(name, array.axes)
    outer = replace(
        program, inputs=(*program.inputs, held), equations=tuple(e for e in program.equations if e.name != name)
    )
    at = {**inputs, name: values_of(program, name, inputs)}
    reached = [by for by in wrt if by in outer.varying_ancestors[program.output]]
    beyond = results(symgrad.derive(outer, wrt=(*reached, name)), at)
    through = [by for by in wrt if by in inner.varying_ancestors[inner.output]]
    found = {by: np.zeros(np.shape(inputs[by])) for by in wrt}
    for by in reached:
        found[by] = found[by] + beyond[by]
    if through:
        first = results(symgrad.derive(inner, wrt=through), {**inputs, "weights_1": beyond[name]})
        for by in through:
            found[by] = found[by] + first[by]
    return found


def values_of(program: Program, name: str, inputs: Mapping[str, Any]) -> np.ndarray:
    return np.real(forward(program, inputs, sizes_of(program))[name])
