"""Collects the lines of a derivation, numbered and in conventional letters, and what later lines cite."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sympy import Expr, Function
from sympy.tensor.indexed import Idx

from symgrad.budget import spend
from symgrad.canonical import canonical, extent
from symgrad.engine.fold import collected, unsigned
from symgrad.engine.rules import Rule, identities, rules_of, shares
from symgrad.equations import Assumption, Definition
from symgrad.functions import MEANINGS, real
from symgrad.index_letters import fresh_letter, lettered
from symgrad.notation import Array, array_names, axis_name, free_indices, renamed
from symgrad.program import Program
from symgrad.steps import (
    Condition,
    Convention,
    Gradient,
    MatrixTotal,
    MatrixValue,
    Partial,
    Record,
    Step,
    Subject,
    Value,
)


@dataclass
class Writer:
    """The lines written so far.

    ``adjoint`` has the arrays that denote adjoints, ``closed`` the closed forms known so far.  The line numbers that
    later lines cite are in ``results`` (the last line about a subject), ``origins`` (definitions) and ``rule_lines``.
    """

    program: Program
    adjoint: dict[str, Array]
    steps: list[Step] = field(default_factory=list)
    closed: dict[str, Gradient] = field(default_factory=dict)
    results: dict[Subject, int] = field(default_factory=dict)
    origins: dict[str, int] = field(default_factory=dict)
    rule_lines: dict[Rule, int] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    conventions: dict[type[Function], Convention] = field(default_factory=dict)

    def line(
        self,
        subject: Subject,
        before: Expr | None,
        after: Expr,
        rule: str,
        reason: str,
        cites: Iterable[int] = (),
        assumption: Assumption | None = None,
        conditions: Sequence[Condition] = (),
        kinks: Sequence[type[Function]] = (),
        picked: tuple[str, ...] = (),
    ) -> Expr:
        """Write a line, unless it equals the line before; return its right side.

        ``kinks`` are the functions whose convention the line uses.
        """
        parts = extent(after)
        spend(parts + parts**2 // 1000)  # printing takes quadratic time
        after = real(after)  # SymPy simplifies roots of squares to Abs
        after = after if rule == "definition" else collected(after)
        before = None if before is None else collected(real(before))
        if before is not None and canonical(before) == canonical(after):
            return after
        if before is not None and unsigned(canonical(before)) == unsigned(canonical(after)):
            return before  # continue from the line above as it is stated
        shown = None if before is None else self.shown(subject)
        divisors = tuple(replace(c, nonzero=self.lettered(subject, self._opened(c.nonzero))) for c in conditions)
        conventions = tuple(self._convention(kink) for kink in dict.fromkeys(kinks))
        number, shown_after = len(self.steps) + 1, self.lettered(subject, after, shown)
        cited = tuple(sorted(set(cites)))
        step = Step(number, subject, shown, shown_after, rule, reason, cited, assumption, divisors, conventions, picked)
        self.steps.append(step)
        self.results[subject] = number
        return after

    def _opened(self, divisor: Expr) -> Expr:
        """A divisor from inside sums, with conventional letters for their indices, which are free in it."""
        letters: dict[Idx, Idx] = {}
        for index in sorted(free_indices(divisor), key=str):
            if index.name.startswith("_"):
                taken = self.program.entry_letters | {i.name for i in letters.values()}
                letters[index] = fresh_letter(self.program.axis[axis_name(index)], taken, bound=True)
        return renamed(divisor, letters)

    def _convention(self, kink: type[Function]) -> Convention:
        """The convention about a function; conventions are numbered in the order in which lines cite them."""
        if kink not in self.conventions:
            letter = "K" if any(re.fullmatch("S_?[0-9]+", name) for name in self.program.arrays) else "S"
            key = f"{letter}{len(self.conventions) + 1}"
            self.conventions[kink] = Convention(key, MEANINGS[kink].convention)
        return self.conventions[kink]

    def assumed(self, cites: Iterable[int]) -> set[Assumption]:
        """The assumptions that lines use, directly or through the lines that they cite."""
        found, waiting, done = set[Assumption](), [*cites], set[int]()
        while waiting:
            step = self.steps[(number := waiting.pop()) - 1]
            if number not in done:
                done.add(number)
                found |= {step.assumption} if step.assumption else set()
                waiting += [*step.cites, *(s.number for s in self.steps[: number - 1] if s.subject == step.subject)]
        return found

    def amend(self, subject: Subject, after: Expr) -> Expr:
        """Replace the right side just written by ``after``, which differs in signs and fractions only."""
        last = self.steps[-1]
        self.steps[-1] = replace(last, after=self.lettered(subject, after, last.after))
        return after

    def shown(self, subject: Subject) -> Expr:
        """The right side of the last line about ``subject``, in the letters of that line."""
        return self.steps[self.results[subject] - 1].after

    def lettered(self, subject: Subject, expr: Expr, above: Expr | None = None) -> Expr:
        """``expr`` in the letters of a line about ``subject`` that continues the line ``above``."""
        if isinstance(subject, (MatrixValue, MatrixTotal)):
            return expr
        left = subject.expr if isinstance(subject, Value) else subject.wrt
        taken = {i.name for i in free_indices(left)}
        if isinstance(subject, Partial):
            taken |= {i.name for i in free_indices(subject.of)}
        return lettered(expr, self.program.axis, taken | self.program.entry_letters, above)

    def rules_of(self, definition: Definition) -> list[Rule]:
        """The rules from a definition, cached."""
        if definition.name not in self.rules:
            self.rules[definition.name] = rules_of(self.program, definition)
        return self.rules[definition.name]

    def rules_near(self, names: Sequence[str]) -> list[Rule]:
        """The rules from ``names``, from abbreviations related to them, and from arrays without an adjoint."""
        program = self.program
        near = {used for name in names for used in program.uses(name) | {name} if used in program.definitions}
        near = {n for n in near if n in names or n not in self.adjoint}
        near |= {d.name for d in program.ordered if not d.is_node and _defined_arrays(program, d) <= set(names) | near}
        definitions = [d for d in program.ordered if d.name in near]
        plain = [rule for d in definitions for rule in self.rules_of(d)]
        return plain + identities(program, definitions, plain) + [r for d in program.ordered for r in shares(d)]

    def cite(self, rules: Sequence[Rule]) -> list[int]:
        """The lines that state ``rules``, written now where needed."""
        for rule in rules:
            if rule not in self.rule_lines:
                self.rule_lines[rule] = self._state(rule)
        return [self.rule_lines[rule] for rule in rules]

    def _state(self, rule: Rule) -> int:
        """The number of the line that states ``rule``: its definition, or a new line if the rule is solved."""
        origin = self.origins[rule.source]
        as_defined = not rule.always or rule.pattern == self.program.definitions[rule.source].rhs
        if as_defined and rule.derived_from is None and not rule.reason:
            return origin
        solved = "from both definitions" if rule.derived_from else f"solve the definition of {rule.source}"
        reason = rule.reason or solved
        subject = Value(lettered(rule.pattern, self.program.axis, self.program.entry_letters))
        cites = (origin, self.origins[rule.derived_from or rule.source])
        self.line(subject, None, rule.replacement, "solve", reason, cites, conditions=rule.conditions)
        return len(self.steps)

    def record(self, wrt: Sequence[str]) -> Record:
        asked = {name: self.closed[name] for name in wrt}
        return Record(self.program, tuple(wrt), tuple(self.steps), asked, dict(self.closed), dict(self.adjoint))

    def weights(self, axes: int = 0) -> dict[str, int]:
        """What entries of adjoints cost the reader of a line with ``axes`` free indices.

        The adjoint of a statistic, such as a mean, has fewer axes and costs more: its closed form is usually shorter.
        """
        return {array.name: 6 if len(array.axes) >= axes else 14 for array in self.adjoint.values()}


def _defined_arrays(program: Program, definition: Definition) -> set[str]:
    return {used for used in array_names(definition.rhs) if used in program.definitions}
