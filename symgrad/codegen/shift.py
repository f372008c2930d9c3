"""Sums of exponentials relative to the largest exponent, as an exact substitution.

With M_n = max_j a_nj, every exp(a_nk) is exp(M_n) E_nk.  Where an equation is homogeneous of degree 0 in the
exponentials of a row, the factor exp(M_n) cancels; where it is homogeneous of another degree, the array that
it defines is kept relative too; log exp(M_n) is M_n.  What remains of the factor is written out, so that the
value is right in any case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from sympy import Add, Expr, Indexed, Mul, Pow, S, Sum, exp, log
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen.schedule import Assignment, entries_in, entry_of
from symgrad.notation import axis_name, bound_indices, canonical, free_indices, renamed, sum_over


@dataclass(frozen=True)
class Shift:
    """The exponentials of ``exponent``, whose indices are ``rows`` and ``columns``, relative to the largest
    along ``columns``: ``exp(exponent) = factor * relative``, with ``relative = exp(shifted)`` and ``factor =
    exp(largest)``."""

    exponent: Expr
    rows: tuple[Idx, ...]
    columns: tuple[Idx, ...]
    largest: Expr
    shifted: Expr
    relative: Expr
    factor: Expr

    def assignments(self) -> list[Assignment]:
        """The equations that define the arrays of the shift."""
        return [
            Assignment(self.largest, self.exponent, over=self.columns, is_helper=True),
            Assignment(self.shifted, self.exponent - self.largest, is_helper=True),
            Assignment(self.relative, exp(self.shifted), is_helper=True),
        ]


@dataclass(frozen=True)
class _Scaled:
    """An array that is kept relative: what stands in a line for ``entry`` is ``scale * entry``."""

    entry: Expr
    scale: Expr


def shifts_of(assignments: Sequence[Assignment], taken: set[str]) -> list[Shift]:
    """One shift for every family of exponentials that is summed over an axis somewhere."""
    found: list[Shift] = []
    for assignment in assignments:
        for total in sorted(assignment.rhs.atoms(Sum), key=str):
            bound = set(bound_indices(total))
            for kernel in sorted(_factors_of_kind(total.function), key=str):
                columns = tuple(sorted(free_indices(kernel) & bound, key=str))
                if columns and not any(_match(kernel, shift) for shift in found):
                    found.append(_shift(kernel.args[0], columns, taken))
    return found


def _factors_of_kind(body: Expr) -> list[Expr]:
    """The exponentials among the factors of the terms of a summand."""
    return [f for term in Add.make_args(body) for f in Mul.make_args(term) if isinstance(f, exp) and free_indices(f)]


def _shift(exponent: Expr, columns: tuple[Idx, ...], taken: set[str]) -> Shift:
    rows = tuple(sorted(free_indices(exponent) - set(columns), key=str))
    if isinstance(exponent, Indexed):
        rows = tuple(i for i in exponent.indices if i in rows)
        stem, every = exponent.base.name, exponent.indices
    else:
        stem, every = "", rows + columns
    names = [f"{stem}_max", f"{stem}_shifted", "E"] if stem else ["largest", "shifted", "E"]
    largest, shifted, relative, factor = (_fresh(name, taken) for name in [*names, "exp_max"])
    return Shift(
        exponent,
        rows,
        columns,
        entry_of(largest, rows),
        entry_of(shifted, every),
        entry_of(relative, every, positive=True),
        entry_of(factor, rows, positive=True),
    )


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _match(kernel: Expr, shift: Shift) -> tuple[dict[Idx, Idx], Expr] | None:
    """The indices and the number c for which ``kernel`` is exp(c * exponent) at these indices."""
    letters = shift.rows + shift.columns
    candidates = [
        [i for i in sorted(free_indices(kernel), key=str) if axis_name(i) == axis_name(letter)] for letter in letters
    ]
    for chosen in product(*candidates):
        names = dict(zip(letters, chosen, strict=True))
        multiple = canonical(kernel.args[0]) / canonical(renamed(shift.exponent, names))
        if multiple.is_number:
            return names, multiple
    return None


def shifted(assignments: Sequence[Assignment], shifts: Sequence[Shift]) -> list[Assignment]:
    """The equations in relative exponentials, the equations of each shift before their first use."""
    made: list[Assignment] = []
    waiting = list(shifts)
    scaled: dict[str, _Scaled] = {}
    unscale = {s.factor.base if isinstance(s.factor, Indexed) else s.factor: s for s in shifts}
    for assignment in assignments:
        rhs = assignment.rhs
        for kernel in sorted(rhs.atoms(exp), key=str):
            for shift in shifts:
                if (found := _match(kernel, shift)) is None:
                    continue
                names, multiple = found
                rhs = rhs.xreplace({kernel: ((shift.factor * shift.relative) ** multiple).xreplace(names)})
                if shift in waiting:
                    made += shift.assignments()
                    waiting.remove(shift)
                break
        scale, rest = _pulled(_in_relative_arrays(rhs, scaled), set(unscale))
        is_relative = scale != 1 and not assignment.is_output and not _has_factor(rest, set(unscale))
        if is_relative and free_indices(scale) <= free_indices(assignment.entry):
            scaled[assignment.name] = _Scaled(assignment.entry, scale)
        else:
            rest = _written_out(scale * rest, unscale)
        made.append(replace(assignment, rhs=rest))
    return made


def _in_relative_arrays(expr: Expr, scaled: Mapping[str, _Scaled]) -> Expr:
    replacements = {}
    for entry in entries_in(expr):
        known = scaled.get(entry.base.name if isinstance(entry, Indexed) else entry.name)
        if known is None:
            continue
        indices = entry.indices if isinstance(entry, Indexed) else ()
        own = known.entry.indices if isinstance(known.entry, Indexed) else ()
        replacements[entry] = known.scale.xreplace(dict(zip(own, indices, strict=True))) * entry
    return expr.xreplace(replacements)


def _has_factor(expr: Basic, factors: set[Expr]) -> bool:
    return any(_is_factor(entry, factors) for entry in entries_in(expr))


def _is_factor(expr: Basic, factors: set[Expr]) -> bool:
    return (expr.base if isinstance(expr, Indexed) else expr) in factors


def _pulled(expr: Expr, factors: set[Expr]) -> tuple[Expr, Expr]:
    """``expr`` as a product of powers of ``factors`` and the rest; logarithms are opened on the way."""
    if not _has_factor(expr, factors):
        return S.One, expr
    if _is_factor(expr, factors):
        return expr, S.One
    if isinstance(expr, Mul):
        parts = [_pulled(arg, factors) for arg in expr.args]
        return Mul(*(p[0] for p in parts)), Mul(*(p[1] for p in parts))
    if isinstance(expr, Pow) and not _has_factor(expr.exp, factors):
        scale, rest = _pulled(expr.base, factors)
        return Mul(*(_raised(f, expr.exp) for f in Mul.make_args(scale))), rest**expr.exp
    if isinstance(expr, Sum):
        scale, rest = _pulled(expr.function, factors)
        bound = set(bound_indices(expr))
        inside = [f for f in Mul.make_args(scale) if free_indices(f) & bound]
        outside = [f for f in Mul.make_args(scale) if not free_indices(f) & bound]
        return Mul(*outside), sum_over(Mul(*inside, rest), bound_indices(expr))
    if isinstance(expr, Add):
        parts = [_pulled(arg, factors) for arg in expr.args]
        common = parts[0][0]
        if all(scale == common for scale, _ in parts):
            return common, Add(*(rest for _, rest in parts))
        return S.One, Add(*(scale * rest for scale, rest in parts))
    parts = [_pulled(arg, factors) for arg in expr.args]
    if isinstance(expr, log):
        ((scale, rest),) = parts
        return S.One, Add(log(rest), *(_log_of_power(f) for f in Mul.make_args(scale) if f != 1))
    return S.One, expr.func(*(scale * rest for scale, rest in parts))


def _raised(factor: Expr, exponent: Expr) -> Expr:
    base, own = factor.as_base_exp()
    return base ** (own * exponent)


def _log_of_power(factor: Expr) -> Expr:
    """log of a power of a scale factor, to be written out as the largest exponent."""
    base, exponent = factor.as_base_exp()
    return exponent * log(base)


def _written_out(expr: Expr, unscale: Mapping[Basic, Shift]) -> Expr:
    """``expr`` with what is left of the scale factors as exponentials of the largest exponents."""
    replacements: dict[Basic, Basic] = {}
    for entry in entries_in(expr):
        shift = unscale.get(entry.base if isinstance(entry, Indexed) else entry)
        if shift is not None:
            indices = entry.indices if isinstance(entry, Indexed) else ()
            largest = shift.largest.xreplace(dict(zip(shift.rows, indices, strict=True)))
            replacements[log(entry)] = largest
            replacements[entry] = exp(largest)
    return expr.xreplace(replacements)
