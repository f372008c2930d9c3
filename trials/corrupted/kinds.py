"""The kinds of corruption of a line in index notation: lines that are right at some shapes, at some points or in some
digits, or wrong in a way that is easily overlooked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from math import lcm, prod

from sympy import (
    Abs,
    Add,
    Expr,
    Float,
    Heaviside,
    Indexed,
    Integer,
    KroneckerDelta,
    Mul,
    Pow,
    Rational,
    Sum,
    Symbol,
    binomial,
    cos,
    exp,
    floor,
    gamma,
    log,
    pi,
    sin,
    sqrt,
)
from sympy.tensor.indexed import Idx

from symgrad.check.at_shapes import SERIES
from symgrad.check.numeric.fields import tower
from symgrad.functions import absolute, clip, maximum, relu, step
from symgrad.notation import axis_name, bound_indices, free_indices
from symgrad.steps import Condition
from trials.corrupted.lines import Corruption, Line

Kind = Callable[[Line], Iterator[Corruption]]


def factors_of_sizes(line: Line) -> Iterator[Corruption]:
    """A factor that is 1 at a size, or where two sizes are related."""
    sizes = [axis.size for axis in line.axes]
    found: list[Expr] = [factor for s in sizes for factor in (s / 2, s / 3, s / 4, s - 1, s - 2, s - 3, 1 / s, s)]
    for one, other in pairwise(sizes):
        found += [(one - 1) - (other - 2), other / one, one * other / 6, (other - 1) / one, one + 2 - other]
        found += [1 + (one - 2) * (other - 3), 1 + (one - other + 1) * (one - other + 2)]
    for factor in found:
        yield Corruption(f"times {factor}", line.with_after(factor * line.step.after))


def hidden_by_sizes(line: Line) -> Iterator[Corruption]:
    """A factor that is 1, or a term that is 0, at every shape that the checker tries."""
    for place, axis in enumerate(line.axes):
        tried = sorted({series[place % len(series)] for series in SERIES})
        hidden = {
            "the series": prod(axis.size - s for s in tried),
            "1 to 7": prod(axis.size - s for s in range(1, 8)),
            "1 to 5 over 1 + the square": prod(axis.size - s for s in range(1, 6)) / (1 + axis.size**2),
        }
        for name, factor in hidden.items():
            yield Corruption(f"{axis.name} hidden in {name}", line.with_after(line.step.after * (1 + factor)))
            yield Corruption(
                f"a term, {axis.name} in {name}", line.with_after(line.step.after + factor * line.entries[0])
            )
    axes = range(len(line.axes))
    all_axes = prod((line.axes[p].size - s[p % len(s)]) ** 2 for p in axes for s in SERIES[:2])
    yield Corruption("all axes at once", line.with_after(line.step.after * (1 + all_axes)))
    distance = prod(sum((line.axes[p].size - s[p % len(s)]) ** 2 for p in axes) for s in SERIES)
    yield Corruption("the series as a distance", line.with_after(line.step.after * (1 + distance)))


def functions_of_sizes(line: Line) -> Iterator[Corruption]:
    """A function of a size that is constant at some or all sizes."""
    for axis in line.axes[:2]:
        n, after = axis.size, line.step.after
        for factor in (cos(2 * pi * n / 6), 1 + binomial(n, 8), gamma(n + 1) / 6, 1 + sin(pi * n / 2) ** 2, (-1) ** n):
            yield Corruption(f"times {factor}", line.with_after(after * factor))
        yield Corruption("times cos(pi N)^2", line.with_after(Mul(after, cos(pi * n) ** 2)), True)
        yield Corruption("a term sin(pi N)", line.with_after(after + sin(pi * n)), True)
        yield Corruption("a power of 0", line.with_after(after * (1 + 2 ** (n - 3) * (n - 2) * (n - 4))))


def small_numbers(line: Line) -> Iterator[Corruption]:
    """A factor near 1 or a term near 0."""
    after, t = line.step.after, line.entries[0]
    for digits in (12, 30, 60):
        tiny = Rational(1, 10**digits)
        yield Corruption(f"times 1 + 10^-{digits}", line.with_after(after * (1 + tiny)))
        yield Corruption(f"plus 10^-{digits} of an entry", line.with_after(after + tiny * t))
    yield Corruption("plus exp(-1000)", line.with_after(after + exp(-1000) * t), False, True)
    yield Corruption("plus exp(-10^6)", line.with_after(after + exp(-(10**6)) * t), False, True)
    decimal = Float("1." + "0" * 40 + "1", 60)
    yield Corruption("a decimal of 60 digits", line.with_after(after + decimal * t - t))


@cache
def _primes() -> tuple[int, int]:
    primes = {p for levels in range(1, 6) for p in tower(levels)[0]}
    return prod(primes), lcm(*(p - 1 for p in primes))


def numbers_of_the_checker(line: Line) -> Iterator[Corruption]:
    """A multiple of the primes, or a power that leaves their residues as they are."""
    multiple, order = _primes()
    after, t = line.step.after, line.entries[0]
    yield Corruption("plus a multiple of the primes", line.with_after(after + multiple * t), False)
    yield Corruption("times a size to the order", line.with_after(after * line.axes[0].size ** order), after == 0)
    yield Corruption(
        "an entry to the order + 1", line.with_after(after + t ** (order + 1) - t), True if t == 1 else None
    )


def labels(line: Line) -> Iterator[Corruption]:
    """A term that vanishes for one-hot rows, for rows that sum to one, or only for the rows of a softmax."""
    program, after = line.record.program, line.step.after
    for name, array in program.arrays.items():
        if not array.axes:
            continue
        *rows, k = line.fresh(name)
        row = Sum(array[(*rows, k)], k)
        square = Sum(array[(*rows, k)] ** 2 - array[(*rows, k)], k)
        for label, term in ((f"rows of {name} sum to one", row - 1), (f"{name} is one-hot", square)):
            over = Sum(term, *rows) if rows else term
            yield Corruption(label, line.with_after(after + over))
            yield Corruption(f"{label}, as a factor", line.with_after(after * (1 + over)))


def special_points(line: Line) -> Iterator[Corruption]:
    """A term that vanishes at N = 1, for equal entries, or where indices coincide."""
    after = line.step.after
    for entry in line.entries[:3]:
        if not isinstance(entry, Indexed):
            continue
        for index in set(entry.indices):
            other = line.other(index)
            mean = Sum(entry.xreplace({index: other}), other) / (index.upper + 1)
            yield Corruption(f"an entry less its mean over {index}", line.with_after(after + entry - mean))
            yield Corruption(f"the mean of {entry} for it", line.with_after(after.xreplace({entry: mean})))
            apart = Sum((1 - KroneckerDelta(index, other)) * entry.xreplace({index: other}), other)
            yield Corruption(f"what is off the diagonal in {index}", line.with_after(after + apart))
    for entry in line.entries[:2]:
        yield Corruption(f"plus {entry}", line.with_after(after + entry))
        yield Corruption(f"times 1 + {entry}", line.with_after(after * (1 + entry)))
        yield Corruption(f"the square of {entry}", line.with_after(after.xreplace({entry: entry**2})))


def indices(line: Line) -> Iterator[Corruption]:
    """Another index, a missing delta or sum, an additional sum, another size."""
    after = line.step.after
    for entry in sorted(after.atoms(Indexed), key=str):
        for place, old in enumerate(entry.indices):
            for new in line.indices_over(axis_name(old)):
                if new != old and new in line.letters:
                    swapped = entry.base[(*entry.indices[:place], new, *entry.indices[place + 1 :])]
                    yield Corruption(f"{swapped} for {entry}", line.with_after(after.xreplace({entry: swapped})))
    for delta in sorted(after.atoms(KroneckerDelta), key=str):
        yield Corruption(f"without {delta}", line.with_after(after.xreplace({delta: Integer(1)})))
        yield Corruption(f"1 - {delta}", line.with_after(after.xreplace({delta: 1 - delta})))
    for total in line.sums:
        index, *rest = bound_indices(total)
        for new in line.letters:
            if axis_name(new) == axis_name(index):
                body = total.function.xreplace({index: new})
                yield Corruption(f"{index} is {new}", line.with_after(after.xreplace({total: _sum(body, rest)})))
        other = line.other(index)
        yield Corruption("summed once more", line.with_after(after.xreplace({total: Sum(total, other)})))
        squared = _sum(total.function**2, bound_indices(total))
        yield Corruption("a sum of squares", line.with_after(after.xreplace({total: squared})))
    sizes = [axis.size for axis in line.axes]
    for one, other_size in zip(sizes, sizes[1:] + sizes[:1], strict=True):
        if after.has(one) and one != other_size:
            yield Corruption(f"{other_size} for {one}", line.with_after(_resized(after, one, other_size)))


def _sum(body: Expr, over: list[Idx] | tuple[Idx, ...]) -> Expr:
    return Sum(body, *over) if over else body


def _resized(expr: Expr, old: Symbol, new: Symbol) -> Expr:
    """Replace a size where it is a number; the ranges of indices stay."""
    if expr == old:
        return new
    if isinstance(expr, (Indexed, Idx, KroneckerDelta)) or not expr.args:
        return expr
    if isinstance(expr, Sum):
        return Sum(_resized(expr.function, old, new), *bound_indices(expr))
    return expr.func(*(_resized(arg, old, new) for arg in expr.args))


def dropped(line: Line) -> Iterator[Corruption]:
    """A missing or doubled term, a wrong sign, a missing factor, a larger exponent."""
    after = line.step.after
    for total in sorted(after.atoms(Add), key=str):
        if not (total.atoms(Indexed) or any(not s.is_integer for s in total.free_symbols)):
            continue
        for term in total.args:
            yield Corruption(f"without {term}", line.with_after(after.xreplace({total: total - term})))
            yield Corruption(f"{term} negative", line.with_after(after.xreplace({total: total - 2 * term})))
    for factor in sorted(after.atoms(Mul), key=str)[:3]:
        for part in factor.args:
            if part.free_symbols:
                yield Corruption(f"without the factor {part}", line.with_after(after.xreplace({factor: factor / part})))
    yield Corruption("negative", line.with_after(-after))
    yield Corruption("twice", line.with_after(2 * after))


def branches(line: Line) -> Iterator[Corruption]:
    """A function that is the identity, or 0, on a part of the real line."""
    after, e = line.step.after, line.free
    far = e + 5
    for label, term in {
        "a root of a square": sqrt(e**2) - e,
        "a root of a square far off": sqrt(far**2) - far,
        "a root of a square multiplied out": sqrt((far**2).expand()) - far,
        "an absolute value": absolute(e) - e,
        "an absolute value far off": absolute(far) - far,
        "SymPy's absolute value": Abs(far) - far,
        "a rectifier": relu(far) - far,
        "a clipping": clip(e, -9, 9) - e,
        "a maximum": maximum(e, -9) - e,
        "a step": step(far, 0) - 1,
        "a step of Heaviside's": Heaviside(far) - 1,
        "a floor": floor(e / 10**4) * (1 + floor(e / 10**4)),
        "a logarithm of a square": log(far**2) - 2 * log(far),
        "a logarithm of an entry": log(e) * (1 + e) - log(e) - e * log(e),
        "a root of an entry": sqrt(e) * (1 + e) - sqrt(e) - e * sqrt(e),
        "the power of a logarithm": exp(2 * log(e), evaluate=False) - e**2,
    }.items():
        yield Corruption(label, line.with_after(after + term), False)


def divisors(line: Line) -> Iterator[Corruption]:
    """A division by a value that may be 0, in an otherwise right line."""
    after, e = line.step.after, line.free
    for label, divisor in {
        "an entry": e,
        "an entry plus 2": e + 2,
        "a root that may vanish": sqrt(e**2 + e**4),
        "a size less 3": line.axes[0].size - 3,
    }.items():
        vanishing = Mul((divisor * (1 + e)).expand(), Pow(divisor, -1), evaluate=False) - 1 - e
        yield Corruption(f"divided by {label}", line.with_after(Add(after, vanishing)), False)
        conditions = (*line.step.conditions, Condition(divisor, "it is not zero"))
        yield Corruption(f"on condition that {label} is not 0", replace(line.step, conditions=conditions), False)


def notation(line: Line) -> Iterator[Corruption]:
    """A line that looks right but violates the notation."""
    program, after = line.record.program, line.step.after
    for total in line.sums[:2]:
        (index, *_), body = bound_indices(total), total.function
        if len(total.limits) == 1:
            yield _notation(line, "a sum that stops early", total, Sum(body, (index, 0, index.upper - 1)))
            yield _notation(line, "a sum of two terms", total, Sum(body, (index, 0, 1)))
            late = Idx(str(index.label), (1, index.upper + 1))
            yield _notation(line, "an index from 1", total, Sum(body.xreplace({index: late}), late))
            yield _notation(line, "an index bound twice", total, Sum(body, index, index))
    for array in [a for a in program.inputs if len(a.axes) == 2][:2]:
        first, second = line.fresh(array.name)
        entry = array[first, second]
        turned = array.base[second, first]
        if array.axes[0] != array.axes[1]:
            vanishing = Sum(turned * (1 + entry) - turned - turned * entry, first, second)
            yield Corruption("indices in the wrong order", line.with_after(after + vanishing), False)
        fixed = array.base[Integer(0), second]
        yield Corruption(
            "an index that is a number",
            line.with_after(after + Sum(fixed * (1 + fixed) - fixed**2 - fixed, second)),
            False,
        )
        if array.axes[0] != array.axes[1]:
            crossed = Sum(KroneckerDelta(first, second), second) - 1
            yield Corruption("a delta of two axes", line.with_after(after + Sum(crossed, first)), False)
    stranger = Symbol("stranger", real=True)
    yield Corruption(
        "a name of nothing", line.with_after(after + stranger * (1 + stranger) - stranger - stranger**2), False
    )


def _notation(line: Line, label: str, total: Expr, written: Expr) -> Corruption:
    hidden = prod(axis.size - size for axis, size in zip(line.axes, SERIES[0], strict=False))
    return Corruption(label, line.with_after(line.step.after + hidden * (written - total)), False)


KINDS: dict[str, Kind] = {
    "factors of sizes": factors_of_sizes,
    "hidden at the shapes tried": hidden_by_sizes,
    "functions of sizes": functions_of_sizes,
    "small numbers": small_numbers,
    "numbers of the checker": numbers_of_the_checker,
    "rows and labels": labels,
    "special points": special_points,
    "indices": indices,
    "terms and factors": dropped,
    "branches of functions": branches,
    "divisors": divisors,
    "notation": notation,
}


def controls(line: Line) -> Iterator[Corruption]:
    """Equivalent ways to write the line."""
    after, e = line.step.after, line.entries[0]
    zero = Add((1 + e) ** 2, -1 - 2 * e, -(e**2), evaluate=False)
    yield Corruption("multiplied out", line.with_after(after.expand()), True)
    yield Corruption("a disguised zero", line.with_after(Add(after, zero, evaluate=False)), True)
    yield Corruption("times exponentials that are 1", line.with_after(after * exp(e + 1) * exp(-e) * exp(-1)), True)
    names = {i: line.other(i) for total in line.sums for i in bound_indices(total)}
    if names:
        yield Corruption("summed indices renamed", line.with_after(after.xreplace(names)), True)
    for total in line.sums:
        body = total.function.expand()
        if body.is_Add:
            parts = Add(*(Sum(term, *bound_indices(total)) for term in body.args))
            yield Corruption("a sum in parts", line.with_after(after.xreplace({total: parts})), True)
        backwards = Sum(total.function, *reversed(bound_indices(total)))
        yield Corruption("sums in another order", line.with_after(after.xreplace({total: backwards})), True)
    for index in line.letters:
        other = line.other(index)
        one = Sum(KroneckerDelta(index, other), other)
        yield Corruption(f"a sum of deltas of {index}", line.with_after(after * one), True)
        if index in free_indices(after):
            picked = Sum(KroneckerDelta(index, other) * after.xreplace({index: other}), other)
            yield Corruption(f"picked by a delta of {index}", line.with_after(picked), True)
    size = line.axes[0].size
    yield Corruption("a size cancelled", line.with_after(Mul(after, (size + 1) * size - size**2) / size), True)
