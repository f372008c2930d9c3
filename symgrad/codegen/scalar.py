"""Records at given sizes as plain Python: every entry a local float, every sum written out.

For problems of a handful of entries this is several times faster than any call of an array library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import sympy
from sympy import Add, Expr, Indexed, Integer, KroneckerDelta, Mul, Pow, Rational, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen.body import INDENT, WIDTH, assumptions_used, free, python_name, python_names
from symgrad.codegen.kernels import expm1, log1p, logaddexp, sigmoid, weighted
from symgrad.codegen.labels import gaps
from symgrad.codegen.schedule import Assignment
from symgrad.codegen.stable import evaluated
from symgrad.codegen.values import negated
from symgrad.equations import Assumption
from symgrad.errors import UnsupportedError
from symgrad.functions import MEANINGS, absolute, selection
from symgrad.notation import array_names, axis_name, bound_indices, free_indices, replaced
from symgrad.steps import Record
from symgrad.sums import contract, has_delta

# Calls, with {} for each argument.
FUNCTIONS: dict[type[sympy.Function], str] = {
    **{function: meaning.python for function, meaning in MEANINGS.items()},
    sympy.Abs: MEANINGS[absolute].python,
    sympy.exp: "_exp({})",
    sympy.log: "_log({})",
    expm1: "_expm1({})",
    log1p: "_log1p({})",
    logaddexp: "_logaddexp({}, {})",
    sigmoid: "_sigmoid({})",
}
Place = Mapping[Idx, int]


class Unrolled:
    """The lines, without indentation, that evaluate ``record`` at ``sizes``.

    ``names`` gives the Python name of every array, ``results`` the array that holds each gradient.
    """

    def __init__(self, record: Record, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.lines: list[str] = []
        plan = evaluated(record)
        self._known: dict[tuple[Basic, tuple[int, ...]], str] = {}
        self.names = python_names(record.program.arrays)
        self._taken = set(self.names.values())
        self._entries: dict[tuple[str, tuple[int, ...]], str] = {}
        self._parts = 0
        for assumption in assumptions_used(record):
            self._check(assumption)
        for assignment in plan.assignments:
            self._assign(assignment)
        self.output = self.entry(record.program.output, ())
        self.results = {name: plan.schedule.gradients[name] for name in record.wrt}

    def entry(self, name: str, place: tuple[int, ...]) -> str:
        """The local name of an entry: z_12, or z_1_12 where an axis may have ten entries or more."""
        if (name, place) not in self._entries:
            self._entries[name, place] = self._named(name, place)
        return self._entries[name, place]

    def _named(self, name: str, place: tuple[int, ...]) -> str:
        own = self.names.get(name) or python_name(name)
        if not place:
            return own if name in self.names else self.fresh(own)
        between = "_" if max(self.sizes.values()) > 9 else ""
        return self.fresh(f"{own}_{between.join(str(i + 1) for i in place)}")

    def fresh(self, name: str) -> str:
        """``name``, or one like it that is none of the others."""
        return free(name, self._taken)

    def _places(self, indices: Sequence[Idx]) -> Iterable[tuple[int, ...]]:
        return product(*(range(self.sizes[axis_name(i)]) for i in indices))

    def _assign(self, assignment: Assignment) -> None:
        """A line for each entry; an entry that equals another is another name for it."""
        rhs = assignment.rhs
        for axis in sorted({axis_name(i) for part in rhs.atoms(Sum) for i in bound_indices(part)}):
            rhs = contract(rhs, axis, opened=False) if has_delta(rhs, axis) else rhs
        assignment = replace(assignment, rhs=rhs)
        for place in self._places(assignment.indices):
            at = dict(zip(assignment.indices, place, strict=True))
            if assignment.over:
                values = [
                    self._code(assignment.rhs, {**at, **dict(zip(assignment.over, more, strict=True))})
                    for more in self._places(assignment.over)
                ]
                self._write_largest(self.entry(assignment.name, place), values)
                continue
            elif assignment.is_helper and isinstance(assignment.rhs, sympy.exp):
                terms = [f"math.exp({self._code(assignment.rhs.args[0], at)})"]  # of at most 0: it cannot overflow
            else:
                terms = self._terms(assignment.rhs, at)
            name = self.entry(assignment.name, place)
            if len(terms) == 1 and terms[0].isidentifier():
                self._entries[assignment.name, place] = terms[0]
            else:
                self._write(name, terms)

    def _write_largest(self, name: str, values: Sequence[str]) -> None:
        """``name = max(values)``, on as many lines as it takes."""
        given = list(values)
        while len(given) > 1:
            count = next(c for c in range(len(given), 1, -1) if c == 2 or _largest_fits(name, given[:c]))
            self.lines.append(f"{name} = max({', '.join(given[:count])})")
            given = [name, *given[count:]] if given[count:] else []
        if given:
            self.lines.append(f"{name} = {given[0]}")

    def _write(self, name: str, terms: Sequence[str]) -> None:
        """``name = terms``, a sum, on as many lines as it takes."""
        line = f"{name} = {terms[0]}"
        for term in terms[1:]:
            longer = _plus(line, term)
            if len(INDENT + longer) > WIDTH:
                self.lines.append(line)
                longer = f"{name} += {term}"
            line = longer
        self.lines.append(line)

    def _check(self, assumption: Assumption) -> None:
        names: list[str] = []
        for gap in gaps(assumption):
            indices = tuple(free_indices(gap))
            for place in self._places(indices):
                name = self.fresh(f"gap_{len(names) + 1}")
                self._write(name, self._terms(gap, dict(zip(indices, place, strict=True))))
                names.append(name)
        arrays = ", ".join(sorted(array_names(assumption.lhs)))
        words = f"{arrays}: expected that {assumption.words}"
        for name in names:
            self.lines += [f"if abs({name}) > 1e-5:", f'{INDENT}_hold({name}, "{words}")']

    def _terms(self, expr: Expr, at: Place) -> list[str]:
        """The terms of which an expression is the sum."""
        if isinstance(expr, Add):
            terms = sorted(expr.args, key=lambda t: (t.could_extract_minus_sign(), t.sort_key()))
            return [text for term in terms for text in self._terms(term, at)]
        if isinstance(expr, Sum):
            indices = bound_indices(expr)
            found = []
            for place in self._places(indices):
                found += self._terms(expr.function, {**at, **dict(zip(indices, place, strict=True))})
            return [text for text in found if text != "0"] or ["0.0"]
        return [self._code(expr, at)]

    def _part(self, expr: Expr, at: Place) -> str:
        """A name for a part that several entries may share."""
        free = sorted(free_indices(expr), key=str)
        key = expr, tuple(at[i] for i in free)
        if key not in self._known:
            self._parts += 1
            name = self.fresh(f"part_{self._parts}")
            terms = [self._call(expr, at)] if isinstance(expr, sympy.Function) else self._terms(expr, at)
            self._write(name, terms)
            self._known[key] = name
        return self._known[key]

    def _code(self, expr: Basic, at: Place) -> str:
        """The code of one term; sums and brackets in it have names."""
        if expr.is_number:
            return repr(float(expr)) if not expr.is_Integer else str(expr)
        if isinstance(expr, Indexed):
            return self.entry(expr.base.name, tuple(at[i] for i in expr.indices))
        if isinstance(expr, Symbol):
            return str(self.sizes[expr.name]) if expr.name in self.sizes else self.entry(expr.name, ())
        if isinstance(expr, KroneckerDelta):
            row, column = expr.args[:2]
            return str(int(at[row] == at[column]))
        if isinstance(expr, weighted):
            return self._weighted(expr, at)
        if isinstance(expr, Mul):
            return self._product(expr, at)
        if isinstance(expr, Pow):
            return self._power(expr, at)
        return self._part(expr, at)

    def _weighted(self, expr: Expr, at: Place) -> str:
        weight, log = (self._operand(arg, at) for arg in expr.args)
        if not weight.isidentifier():
            weight = self._part(expr.args[0], at)
        return f"({weight} * {log} if {weight} else 0.0)"

    def _operand(self, expr: Expr, at: Place) -> str:
        """An expression as one factor."""
        code = self._code(expr, at)
        if isinstance(expr, (Add, Sum)) or code.replace(".", "").isalnum() or code.isidentifier():
            return code
        return f"({code})" if not code.startswith("(") else code

    def _product(self, expr: Mul, at: Place) -> str:
        coefficient, factors = expr.as_coeff_mul()
        sizes = [f for f in factors if _is_size(f)]
        known = {s: Integer(self.sizes[s.name]) for f in sizes for s in f.free_symbols}
        number = replaced(Mul(coefficient, *sizes), known)
        above = [f for f in factors if f not in sizes and not _is_quotient(f)]
        below = [1 / f for f in factors if f not in sizes and _is_quotient(f)]
        negative = number < 0
        number = abs(number)
        if KroneckerDelta in map(type, above):
            deltas = [f for f in above if isinstance(f, KroneckerDelta)]
            if any(self._code(f, at) == "0" for f in deltas):
                return "0"
            above = [f for f in above if f not in deltas]
        over = [self._operand(f, at) for f in above]
        under = [self._operand(f, at) for f in below]
        if number != 1:
            exact = 1 / number
            if exact.is_Integer:
                under.append(str(exact))
            else:
                over.insert(0, self._code(sympy.sympify(number), at))
        code = " * ".join(over) or "1"
        if under:
            code += f" / {under[0]}" if len(under) == 1 else f" / ({' * '.join(under)})"
        return negated(code) if negative else code

    def _power(self, expr: Pow, at: Place) -> str:
        if _is_quotient(expr):
            return f"1 / {self._operand(1 / expr, at)}"
        base = self._operand(expr.base, at)
        if expr.exp == Rational(1, 2):
            return f"math.sqrt({base})"
        if expr.exp == 2:
            return f"{base} * {base}"
        power = self._operand(expr.exp, at)
        simple = base.isidentifier() and (power.isidentifier() or power.isalnum())
        return f"{base}**{power}" if simple else f"{base} ** {power}"

    def _call(self, expr: Expr, at: Place) -> str:
        if expr.func not in FUNCTIONS:
            raise UnsupportedError(f"no Python function of a number is known for {expr.func.__name__} in {expr}")
        if isinstance(expr, selection):
            row, index = expr.args
            values = [self._argument(row, {**at, index: place}) for (place,) in self._places([index])]
            return FUNCTIONS[selection].format(at[index], ", ".join(values))
        return FUNCTIONS[expr.func].format(*(self._argument(arg, at) for arg in expr.args))

    def _argument(self, expr: Basic, at: Place) -> str:
        return " ".join(_joined(self._terms(expr, at)))


def _is_size(factor: Expr) -> bool:
    symbols = factor.free_symbols
    return not factor.has(Indexed, KroneckerDelta) and bool(symbols) and all(s.is_integer for s in symbols)


def _is_quotient(expr: Basic) -> bool:
    return isinstance(expr, Pow) and bool(expr.exp.could_extract_minus_sign())


def _plus(line: str, term: str) -> str:
    return f"{line} - {term[1:]}" if term.startswith("-") else f"{line} + {term}"


def _joined(terms: Sequence[str]) -> list[str]:
    line = terms[0]
    for term in terms[1:]:
        line = _plus(line, term)
    return [line]


def _largest_fits(name: str, values: Sequence[str]) -> bool:
    return len(f"{INDENT}{name} = max({', '.join(values)})") <= WIDTH
