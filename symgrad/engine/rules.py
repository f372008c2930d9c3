"""Rewrite rules that express a derivative in the program's named arrays, made by solving definitions.

A definition with one non-rational kernel is solved for the kernel: ``p_nk = exp(z_nk) / S_n`` gives ``exp(z_nk) ->
p_nk S_n``.  A definition without a kernel is solved for an entry: ``xhat = (x - mu) / S`` gives ``x -> mu + S xhat``.
A definition gives no rule unless it is linear in the kernel, with a coefficient that is known not to be zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import sympy as sp
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.budget import uncounted
from symgrad.canonical import MOST_SIGNED, canonical, is_known
from symgrad.engine.summation import multiplied_out, split_sums
from symgrad.equations import Definition
from symgrad.facts import masks
from symgrad.functions import selection
from symgrad.notation import IndicesCoincide, array_names, axis_name, free_indices, parts_of, renamed, replaced
from symgrad.program import Program
from symgrad.steps import Condition


@dataclass(frozen=True)
class Rule:
    """``pattern = replacement`` for all values of ``indices``, a consequence of the definition of ``source``.

    A rule with ``always`` (a kernel) is applied wherever it matches, other rules only where the line gets shorter.
    ``conditions`` are its divisors.  An identity has a second definition, ``derived_from``, and a rule ``after`` which
    it can match.  ``reason`` says why the rule holds, unless it is a solved definition.
    """

    source: str
    pattern: sp.Expr
    replacement: sp.Expr
    indices: tuple[Idx, ...]
    always: bool
    conditions: tuple[Condition, ...] = ()
    derived_from: str | None = None
    after: Rule | None = None
    reason: str = ""


def kernels(expr: Basic) -> list[sp.Expr]:
    """The maximal subexpressions that are not rational in entries: functions, roots and sums."""
    if isinstance(expr, (sp.Indexed, sp.KroneckerDelta, Idx)):
        return []
    if isinstance(expr, (sp.Function, sp.Sum)) or (isinstance(expr, sp.Pow) and not expr.exp.is_Integer):
        return [expr]
    return list(dict.fromkeys(kernel for arg in expr.args for kernel in kernels(arg)))


def nonzero_because(program: Program, expr: sp.Expr) -> str | None:
    """Why ``expr`` is not zero, in words, or None if that is not known."""
    if expr.is_number:
        return "a number" if expr.is_zero is False else None
    if is_known(expr, "nonzero"):
        return "positive" if is_known(expr, "positive") else "nonzero"
    for arrays in (array_names(expr), program.definitions.keys()):  # expand its own definition, then all of them
        names = arrays & program.definitions.keys()
        if program.extent_written_out(expr, names) > MOST_SIGNED:
            return None
        written = sp.together(program.written_out(expr, names))
        for sign in ("positive", "negative"):
            if is_known(written, sign):
                return f"{sign} by its definition"
    return None


def solved(
    program: Program, lhs: sp.Expr, rhs: sp.Expr, kernel: sp.Expr
) -> tuple[sp.Expr, tuple[Condition, ...]] | None:
    """``lhs = rhs`` solved for ``kernel``, with the divisors; None if that is not possible.

    It must be linear in the kernel, and the divisors must be numbers or arrays of ``lhs``, known not to be zero.
    """
    atom = sp.Symbol("kernel ")  # a name that no array can have
    numerator, denominator = sp.fraction(sp.together(replaced(rhs, {kernel: atom})))
    equation = multiplied_out(lhs * denominator - numerator)
    divisor = equation.coeff(atom)
    rest = equation - divisor * atom
    if divisor == 0 or multiplied_out(rest).has(atom):
        return None
    solution = sp.factor_terms(-multiplied_out(rest) / divisor)
    conditions = []
    for factor in sp.Mul.make_args(sp.fraction(solution)[1]):
        if not factor.is_number and not (factor.is_integer and factor.is_nonzero):  # the size of an axis is not 0
            if not array_names(factor) <= array_names(lhs):
                return None  # (r + y)/g for a function is not shorter, and inaccurate where g is tiny
            if not (reason := nonzero_because(program, factor)):
                return None
            conditions.append(Condition(factor, reason))
    return solution, tuple(conditions)


def rules_of(program: Program, definition: Definition) -> list[Rule]:
    """The rules from one definition; none for the output."""
    if definition.name == program.output:
        return []
    every_kernel = kernels(definition.rhs)
    targets = every_kernel or sorted(definition.rhs.atoms(sp.Indexed), key=lambda e: e.sort_key())
    if len(every_kernel) > 1:
        return []
    rules = []
    for target in targets:
        if free_indices(target) != set(definition.indices):
            continue
        mask = sp.Mul(*(f for f in sp.Mul.make_args(definition.rhs) if array_names(f) & masks(program)))
        if mask != 1 and isinstance(target, sp.exp):  # m exp(z) = p S, where m is 0 or 1
            atom = sp.Dummy()
            if solution := solved(program, definition.entry, replaced(definition.rhs / mask, {target: atom}), atom):
                rules.append(Rule(definition.name, mask * target, solution[0], definition.indices, True, solution[1]))
        elif solution := solved(program, definition.entry, definition.rhs, target):
            rules.append(
                Rule(definition.name, target, solution[0], definition.indices, bool(every_kernel), solution[1])
            )
    return rules


def identities(program: Program, definitions: Sequence[Definition], rules: Sequence[Rule]) -> list[Rule]:
    """Identities from two definitions: a kernel in a sum is eliminated, as in sum_k p_nk = 1 or sum_d xhat_nd = 0."""
    derived = []
    for definition in definitions:
        if not any(isinstance(kernel, sp.Sum) for kernel in kernels(definition.rhs)):
            continue
        for rule in rules:
            if rule.source == definition.name:
                continue
            rhs = definition.rhs
            for old, new in matches(rule, rhs):
                rhs = split_sums(replaced(rhs, {old: new}))
            totals = [] if rhs == definition.rhs else [k for k in kernels(rhs) if isinstance(k, sp.Sum)]
            if len(totals) != 1 or free_indices(totals[0]) != set(definition.indices):
                continue
            if solution := solved(program, definition.entry, rhs, totals[0]):
                name, indices, conditions = definition.name, definition.indices, rule.conditions + solution[1]
                derived.append(Rule(rule.source, totals[0], solution[0], indices, False, conditions, name, rule))
    return derived


def shares(definition: Definition) -> list[Rule]:
    """The rule that a selection sums to 1 along its index, if the definition is a selection."""
    if not isinstance(definition.rhs, selection):
        return []
    along = definition.rhs.args[1]
    rows = tuple(i for i in definition.indices if i != along)
    total = sp.Sum(definition.entry, along)
    return [Rule(definition.name, total, sp.Integer(1), rows, False, reason="the shares of the largest add up to 1")]


def matches(rule: Rule, expr: Basic) -> Iterable[tuple[sp.Expr, sp.Expr]]:
    """The subexpressions of ``expr`` that are powers of the rule's pattern, with their replacements."""
    names = array_names(rule.pattern)
    candidates = [e for e in parts_of(expr, rule.pattern.func) if names <= array_names(e)]
    for candidate in sorted(candidates, key=lambda e: e.sort_key()):
        free = sorted(free_indices(candidate), key=lambda i: i.name)
        for choice in product(*([i for i in free if axis_name(i) == axis_name(w)] for w in rule.indices)):
            try:
                pattern = _instance(rule.pattern, rule.indices, choice)
            except IndicesCoincide:
                continue
            if isinstance(pattern, sp.Mul) and any(isinstance(factor, sp.exp) for factor in pattern.args):
                if (rest := _without(candidate, pattern)) is not None:
                    yield candidate, rest * _instance(rule.replacement, rule.indices, choice)
                    break
                continue
            power = _power_of(canonical(candidate), pattern)
            if power is not None and not _is_of_itself(rule, candidate):
                yield candidate, _instance(rule.replacement, rule.indices, choice) ** power
                break


def _without(product: sp.Mul, pattern: sp.Mul) -> sp.Expr | None:
    """A product without a masked exponential, if it is a factor: m**2 exp(2 z) without m exp(z) is m exp(z)."""
    exponential = next(factor for factor in pattern.args if isinstance(factor, sp.exp))
    for factor in product.args:
        if isinstance(factor, sp.exp) and (ratio := factor.args[0] / exponential.args[0]).is_Integer and ratio > 0:
            rest = product / pattern
            if all(rest.as_powers_dict().get(mask, 0) >= 0 for mask in pattern.args if mask != exponential):
                return rest
    return None


def _is_of_itself(rule: Rule, candidate: sp.Expr) -> bool:
    """Whether an integer power, such as s**2, would be replaced by powers of a root of s, itself solved in s."""
    is_whole = isinstance(rule.pattern, sp.Pow) and candidate.exp.is_Integer
    return bool(is_whole and array_names(rule.replacement) & array_names(rule.pattern))


@lru_cache(maxsize=16384)
@uncounted()
def _instance(expr: sp.Expr, indices: tuple[Idx, ...], choice: tuple[Idx, ...]) -> sp.Expr:
    """``expr`` at the chosen indices."""
    return canonical(renamed(expr, dict(zip(indices, choice, strict=True))))


def _power_of(candidate: Basic, pattern: sp.Expr) -> sp.Expr | None:
    """The integer r with ``candidate == pattern ** r``, or None; both have the same class."""
    if candidate == pattern:
        return sp.Integer(1)
    if isinstance(pattern, sp.exp):
        ratio = candidate.args[0] / pattern.args[0]
    elif isinstance(pattern, sp.Pow) and candidate.base == pattern.base:
        ratio = candidate.exp / pattern.exp
    else:
        return None
    return ratio if ratio.is_Integer else None
