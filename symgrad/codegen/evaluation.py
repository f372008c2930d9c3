"""What the code evaluates, as proved lines: stable forms from the derivation, and assignments from stable forms.

The lines are made from the same equations as the code (``stable_forms.evaluated``). Those about stable forms belong to
a program of their own: the forward equations, the adjoints and gradients with their closed forms, and the arrays of the
shifts. The number Z_max that a shift subtracts is an *input* of that program: a line that holds for any number holds
for the largest logit. Lines about assignments have the stable forms as their program.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace

from sympy import Add, Expr, S, Sum, cosh, exp, log
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical, numbered
from symgrad.codegen import array_program as ir
from symgrad.codegen.array_plan import Lowered, scalar_program
from symgrad.codegen.loop_nests import LoopPlan
from symgrad.codegen.numpy_lines import lines_program
from symgrad.codegen.numpy_module import Body
from symgrad.codegen.plan.schedule import Assignment, written_out
from symgrad.codegen.plan.shifts import Shift
from symgrad.codegen.plan.stable_forms import Evaluated, Rewriting, evaluated
from symgrad.codegen.plan.stable_functions import logaddexp, meant, numbers_chosen, sigmoid
from symgrad.engine.named_functions import written_out as in_formulas
from symgrad.engine.summation import ordered_sums
from symgrad.equations import abbreviation, node
from symgrad.index_letters import fresh_letter, lettered
from symgrad.notation import (
    Array,
    array_names,
    axis_name,
    free_indices,
    indices_of,
    name_of,
    parts_of,
    renamed,
    replaced,
)
from symgrad.program import Program
from symgrad.steps import Largest, Record, Step, Total, Value

CHOICE = "any number will do; this keeps exponents ≤ 0"
MULTIPLIED = "above and below times one exponential; the code takes the side with exponents ≤ 0"
COSH = "cosh is half the sum of two exponentials, one of which is taken out"
TAKEN_OUT = "one exponential taken out; the code takes the side with exponents ≤ 0"
REASON = "as the code computes it"


def evaluation(record: Record) -> Record:
    """The lines that derive the code's equations from the derivation's, numbered after those of ``record``. There are
    none if the code evaluates every equation as derived."""
    return _Writer(record, evaluated(record)).written()


class _Writer:
    """Writes the lines for the parts of ``plan`` in order, and records what later lines cite."""

    def __init__(self, record: Record, plan: Evaluated) -> None:
        self._source = record
        self._plan = plan
        self._steps: list[Step] = []
        self._origins = _origins(record)
        self._rewritten: dict[str, int] = {}  # by array, the line that says how it is evaluated
        self._shifts: dict[str, frozenset[str]] = {}  # by array, the names of the numbers its shifts subtract
        self._introduced: dict[str, int] = {}  # by relative exponential, the line that introduces it
        self._logs: dict[Expr, int] = {}
        self._kernels: set[Expr] = set()
        self._free: list[Array] = []
        self._defined: list[Assignment] = []

    def written(self) -> Record:
        """The record of all lines."""
        evaluated_names = {a.name for a in self._plan.assignments}
        for part in self._plan.parts:
            if isinstance(part, Shift):
                self._shift(part)
            elif part.rewritten.name in evaluated_names:
                self._rewriting(part)
        adjoints = dict(self._source.adjoint_arrays)
        scheduled = {a.name for a in self._plan.schedule.assignments}
        for name, gradient in self._plan.schedule.gradients.items():
            if name not in adjoints or adjoints[name].name not in scheduled:
                adjoints[name] = Array(gradient, self._source.program.arrays[name].axes)
        return Record(self._program(), self._source.wrt, tuple(self._steps), {}, {}, adjoints)

    def _program(self) -> Program:
        program, floor = self._source.program, self._plan.floor
        floors = (floor,) if any(a.rhs.has(floor[()]) for a in self._plan.assignments) else ()
        derived = [a for a in self._plan.schedule.assignments if a.name not in program.definitions]
        inputs = (*program.inputs, *self._free, *floors)
        equations = [*(node(a.entry, a.rhs) for a in derived), *(abbreviation(a.entry, a.rhs) for a in self._defined)]
        return replace(program, inputs=inputs, equations=(*program.equations, *equations), assumptions=())

    def _line(self, subject: Value | Largest, after: Expr, rule: str, reason: str, cites: Iterable[int] = ()) -> int:
        number, program = len(self._source.steps) + len(self._steps) + 1, self._source.program
        if isinstance(subject, Value):
            subject = Value(lettered(subject.expr, program.axis, program.entry_letters))
        shown = in_letters(subject.expr if isinstance(subject, Value) else subject.entry, after, program)
        self._steps.append(Step(number, subject, None, shown, rule, reason, tuple(sorted(set(cites)))))
        return number

    def _definition(self, equation: Assignment, reason: str) -> int:
        rhs = in_letters(equation.entry, meant(equation.rhs), self._source.program)
        self._defined.append(replace(equation, rhs=rhs))
        return self._line(Value(equation.entry), rhs, "definition", reason)

    def _shift(self, shift: Shift) -> None:
        shift = _in_conventional_letters(shift, self._source.program)
        largest, shifted, relative = shift.assignments()
        axes = tuple(self._source.program.axis[axis_name(i)] for i in shift.rows)
        self._free.append(Array(largest.name, axes))
        self._line(Largest(shift.largest, shift.columns), shift.exponent, "choice", CHOICE)
        cites = [self._definition(shifted, "definition"), self._definition(relative, "definition")]
        subject, product = Value(exp(shift.exponent)), exp(shift.largest) * shift.relative
        self._introduced[relative.name] = self._line(subject, product, "evaluation", "the exponential of a sum", cites)
        self._shifts[relative.name] = frozenset([largest.name])

    def _rewriting(self, part: Rewriting) -> None:
        original, rewritten = part.original, part.rewritten
        for old, new in part.logs:
            self._logarithm(old, new)
        self._two_sides(rewritten.rhs)
        before, after = meant(original.rhs), meant(rewritten.rhs)
        if part.scale == 1 and canonical(before) == canonical(after):
            return
        # The logarithms have lines of their own; compare the rest.
        logs = {old: meant(new) for old, new in part.logs}
        rest = replaced(before, dict.fromkeys(logs, S.Zero))
        outside = array_names(after).difference(*map(array_names, logs.values()))
        cites = self._rests_on(rest, outside) | {self._logs[old] for old in logs if old in self._logs}
        cites |= {line for name, line in self._origins.items() if name == original.name}
        numbers = sorted({number for name in array_names(rest) | outside for number in self._shifts.get(name, ())})
        factors = ", ".join(f"exp({name})" for name in numbers)
        if part.scale != 1:
            cites.add(self._definition(rewritten, f"definition: what the code keeps of {original.name}"))
            self._shifts[original.name] = self._shifts[rewritten.name] = array_names(part.scale)
            after = part.scale * rewritten.entry
            reason = f"{factors} taken out of the {'sum' if isinstance(rewritten.rhs, Sum) else 'product'}"
        elif canonical(replaced(before, logs)) == canonical(after) or (logs and not numbers):
            reason = "the logarithms in it rewritten"
        elif outside & set(numbers):
            reason = f"in relative exponentials; what is left of {factors} is written out"
        elif numbers:
            reason = f"{factors} > 0 cancel{'s' if len(numbers) == 1 else ''}"
        else:
            reason = "above and below times one exponential"
        self._rewritten[original.name] = self._line(Value(original.entry), after, "evaluation", reason, cites)

    def _logarithm(self, old: Expr, new: Expr) -> None:
        self._two_sides(new)
        after = meant(new)
        if old in self._logs or canonical(after) == canonical(old):
            return
        cites = self._rests_on(old.args[0], array_names(after))
        opened = array_names(old) - array_names(after) - self._rewritten.keys()
        cites |= {self._origins[name] for name in opened if name in self._origins}
        self._logs[old] = self._line(Value(old), after, "evaluation", _why_opened(old, after), cites)

    def _two_sides(self, expr: Expr) -> None:
        """State that the two forms between which a kernel chooses are equal."""
        for kernel in sorted(parts_of(expr, sigmoid, logaddexp), key=str):
            u = kernel.args[-1]
            letters = sorted(free_indices(kernel), key=lambda i: (axis_name(i), str(i)))  # which do not matter
            both = {numbered(k, letters) for k in (kernel, kernel.func(*kernel.args[:-1], -u))}
            if both & self._kernels:
                continue
            self._kernels |= both
            if isinstance(kernel, sigmoid):
                self._line(Value(meant(kernel)), exp(u) / (1 + exp(u)), "evaluation", MULTIPLIED)
            else:
                first, last = map(meant, kernel.args)
                self._line(Value(meant(kernel)), last + log(1 + exp(first - last)), "evaluation", TAKEN_OUT)

    def _rests_on(self, before: Expr, after: Set[str]) -> set[int]:
        """The lines that rewrite parts of ``before`` in terms of the arrays ``after``."""
        names = array_names(before)
        lines = {line for name, line in self._rewritten.items() if name in names}
        return lines | {line for name, line in self._introduced.items() if name in after - names}


def _origins(record: Record) -> dict[str, int]:
    """For each array the line that defines it; for an adjoint the last line about it."""
    origins: dict[str, int] = {}
    for step in record.steps:
        if isinstance(step.subject, Value) and step.rule in ("definition", "name"):
            origins[name_of(step.subject.expr)] = step.number
        elif isinstance(step.subject, Total):
            name = name_of(step.subject.wrt)
            origins[f"d{name}"] = step.number
            if name in record.adjoint_arrays:
                origins[record.adjoint_arrays[name].name] = step.number
    return origins


def _in_conventional_letters(shift: Shift, program: Program) -> Shift:
    letters: dict[Idx, Idx] = {}
    for index in dict.fromkeys((*indices_of(shift.shifted), *shift.rows, *shift.columns)):
        taken = {new.name for new in letters.values()} | program.entry_letters
        letters[index] = fresh_letter(program.axis[axis_name(index)], taken)
    parts = vars(shift).values()
    return Shift(*(tuple(letters[i] for i in p) if isinstance(p, tuple) else renamed(p, letters) for p in parts))


def _why_opened(old: Expr, after: Expr) -> str:
    """Why the logarithm ``old`` equals the sum ``after``."""
    if old.has(cosh):
        return COSH
    logs = [term for term in Add.make_args(after) if term.has(log)]
    if any(term.could_extract_minus_sign() for term in logs):
        return "the logarithm of a quotient"
    return "the logarithm of a product" if logs else "the logarithm of an exponential"


def in_letters(left: Expr, right: Expr, program: Program) -> Expr:
    """The right side of a line with conventional letters for its bound indices, none of them used on the left."""
    return lettered(right, program.axis, {i.name for i in free_indices(left)} | program.entry_letters)


def assignments(record: Record, first: int, target: str = "numpy") -> Record:
    """The lines for the assignments of the code that differ from its equations, numbered from ``first``."""
    if target in ("scalar", "lines"):
        return lines_of((scalar_program if target == "scalar" else lines_program)(record), first)
    return lines_of((LoopPlan(record) if target == "numba" else Body(record)).lowered, first)


def lines_of(lowered: Lowered, first: int) -> Record:
    """The lines for the assignments of an array program, numbered from ``first``."""
    source = lowered.record.program
    stable = {a.name: a for a in lowered.stable}
    entries = {a.name: a.entry for a in lowered.equations}
    largest = {a.name for a in lowered.equations if a.over}
    inside = {name: a for name, a in stable.items() if name in lowered.inlined - largest}
    positive = {a.name for a in source.inputs if a.positive} | {n for n, entry in entries.items() if entry.is_positive}
    parts: dict[str, Assignment] = {}  # arrays that only the code names
    lines: list[tuple[Expr, Expr]] = []
    for assign in lowered.program:
        formula = in_formulas(meant(ir.meaning(assign.node, positive)))
        means = written_out(replaced(formula, lowered.sizes), parts)
        if assign.name not in stable:
            entry = entries.get(assign.name, assign.entry)
            parts[assign.name] = Assignment(entry, means)
        elif assign.name not in largest:
            right = numbers_chosen(meant(written_out(stable[assign.name].rhs, inside)))
            if ordered_sums(numbers_chosen(means)) != ordered_sums(right):
                lines.append((entries[assign.name], means))
    free = [Array(str(means)) for number, means in lowered.sizes.items() if number == S.NegativeInfinity]
    free += [Array(n, tuple(source.axis[axis_name(i)] for i in indices_of(entries[n]))) for n in sorted(largest)]
    forms = tuple(node(a.entry, meant(a.rhs)) for a in lowered.stable if not a.over)
    forms += (source.definitions[source.output],) if source.output not in stable else ()  # code of layers lacks it
    program = replace(source, inputs=(*source.inputs, *free), equations=forms, assumptions=())
    shown = [(Value(entry), in_letters(entry, means, source)) for entry, means in lines]
    steps = (Step(n, value, None, means, "evaluation", REASON) for n, (value, means) in enumerate(shown, first))
    return Record(program, lowered.record.wrt, tuple(steps), {}, {})
