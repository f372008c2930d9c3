"""The proof obligation of each line, in index notation, and the assumptions that the line may use.

A line may use an assumption only if it cites the assumption, or rests on a line that does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from sympy import Expr, Function, Indexed, Symbol
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.check.marks import Level, Mark
from symgrad.check.matrices import AxisMismatch, Entries
from symgrad.check.numeric.true_values import letters_of
from symgrad.check.semantics import (
    IndexSubject,
    abbreviations,
    arrays_and_adjoints,
    consumers,
    in_indices,
    meaning,
    write_out,
)
from symgrad.check.wellformed import Notation
from symgrad.equations import Assumption
from symgrad.errors import UnsupportedError
from symgrad.functions import MEANINGS, varying
from symgrad.matrix_functions import is_matrix
from symgrad.notation import array_names, free_indices, name_of, parts_of
from symgrad.piecewise import differentiated_calls
from symgrad.program import Program
from symgrad.steps import Largest, MatrixTotal, MatrixValue, Partial, Record, Step, Subject, Total, Value

Meanings = dict[IndexSubject, Expr]


@dataclass(frozen=True)
class Claim:
    """The claim ``meaning(subject) == after`` for all values of the indices ``letters``.

    ``after`` is in index notation; adjoints are entries of arrays.  ``allowed`` are the assumptions that the line may
    use.  Lines about one subject share its meaning in ``meanings``.
    """

    record: Record
    step: Step
    subject: IndexSubject
    letters: tuple[Idx, ...]
    after: Expr
    allowed: tuple[Assumption, ...]
    meanings: Meanings = field(compare=False)

    @property
    def meaning(self) -> Expr:
        """The meaning of the subject in index notation; adjoints are entries of arrays."""
        if self.subject not in self.meanings:
            self.meanings[self.subject] = meaning(self.record, self.subject)
        return self.meanings[self.subject]

    @property
    def wrt(self) -> str | None:
        """The array with respect to which the line differentiates, if any."""
        return None if isinstance(self.subject, Value) else name_of(self.subject.wrt)


def topic(subject: Subject) -> str | Subject:
    """What a line is about; for an adjoint the name of its array, the same in index and matrix notation."""
    read = in_indices(subject)
    return name_of(read.wrt) if isinstance(read, Total) else subject


Line = Claim | Mark
"""The claim of a line, or its mark if there is nothing to prove: the line is malformed, undecidable or a choice."""


def claims(record: Record) -> list[Line]:
    """The claims of all lines, in order."""
    reader, notation = Entries(arrays_and_adjoints(record), record.program.axis), Notation(record)
    used: dict[object, tuple[Assumption, ...]] = {}
    conventions: dict[object, set[str]] = {}
    meanings: Meanings = {}
    lines: list[Line] = []
    for position, step in enumerate(record.steps):
        if fault := notation.confusion or _misplaced(record, position) or notation.fault(step):
            lines.append(_wrong(step, fault))
            continue
        if isinstance(step.subject, Largest):
            lines.append(_choice(record, position, step.subject))
            continue
        about = topic(step.subject)
        sources = (about, *step.cites)
        inherited = [a for source in sources for a in used.get(source, ())]
        allowed = tuple(dict.fromkeys([*inherited, *([step.assumption] if step.assumption else [])]))
        cited = {c.words for c in step.conventions}.union(*(conventions.get(source, ()) for source in sources))
        used[step.number] = used[about] = allowed
        conventions[step.number] = conventions[about] = cited
        try:
            claim = _claim(record, step, step.subject, allowed, reader, meanings)
            if fault := notation.fault_of(claim.after) or foreign(record.program, cited):
                lines.append(_wrong(step, fault))
            elif missing := conventions_needed(record.program, claim.subject) - cited:
                why = f"the line does not say which derivative it takes: {min(missing)}"
                lines.append(Mark(step.number, Level.UNPROVED, why))
            else:
                lines.append(claim)
        except AxisMismatch as mismatch:
            lines.append(_wrong(step, str(mismatch)))
        except UnsupportedError as unknown:
            lines.append(Mark(step.number, Level.UNPROVED, str(unknown)))
    return lines


def _misplaced(record: Record, position: int) -> str | None:
    """What is wrong with the number, the citations or the assumption of a line, or None."""
    step, earlier = record.steps[position], {above.number for above in record.steps[:position]}
    if step.number in earlier:
        return f"another line has the number {step.number}"
    if later := {s.number for s in record.steps[position:]} & {*step.cites}:
        return f"line {step.number} cites line {min(later)}, which does not come before it"
    if step.assumption and step.assumption not in record.program.assumptions:
        return f"{step.assumption.key}, {step.assumption.words}, is not an assumption of the program"
    return None


def _choice(record: Record, position: int, subject: Largest) -> Mark:
    """The mark of a line that chooses a number for an entry.

    The output must not depend on the entry, and the number must not depend on entries chosen in this or a later line.
    """
    step, program, name = record.steps[position], record.program, name_of(subject.entry)
    if name in program.definitions or name not in program.arrays:
        return _wrong(step, f"{name} is not free")
    if name in program.ancestors[program.output]:
        return _wrong(step, f"{program.output} depends on {name}: no number may be put for it")
    later = [s.subject for s in record.steps[position + 1 :] if isinstance(s.subject, Largest)]
    chosen = array_names(subject.entry).union(*(array_names(s.entry) for s in later))
    if any(name in array_names(s.entry) for s in later):
        return _wrong(step, f"a later line puts a number for {name} as well")
    if circular := [
        a for a in array_names(step.after) if a in chosen or chosen & program.ancestors.get(a, frozenset())
    ]:
        return _wrong(step, f"{min(circular)} depends on {name}, for which the line puts a number")
    if loose := free_indices(step.after) - free_indices(subject.entry) - set(subject.over):
        return _wrong(step, f"the index {min(map(str, loose))} is free in the line but not in its subject")
    if bound := free_indices(subject.entry) & set(subject.over):
        return _wrong(step, f"the largest value along {min(map(str, bound))} is put for each {subject.entry}")
    return Mark(step.number, Level.DEFINITION, "a number of one's own choice: the lines hold for any")


def _wrong(step: Step, why: str) -> Mark:
    return Mark(step.number, Level.WRONG, why)


def _claim(
    record: Record, step: Step, subject: Subject, allowed: tuple[Assumption, ...], reader: Entries, meanings: Meanings
) -> Claim:
    read = in_indices(subject)
    letters, after = letters_of(read), step.after
    if isinstance(subject, (MatrixValue, MatrixTotal)):
        after = reader.entry(after, *letters)
    elif is_matrix(after):
        raise AxisMismatch(f"a matrix stands where an entry is expected: {after}")
    if loose := free_indices(after) - set(letters):
        raise AxisMismatch(f"the index {min(map(str, loose))} is free in the line but not in its subject")
    return Claim(record, step, read, letters, after, allowed, meanings)


def is_definition(claim: Claim) -> bool:
    """Whether a line states a forward equation as the program declares it."""
    subject, definitions = claim.step.subject, claim.record.program.definitions
    if not isinstance(subject, Value) or not isinstance(subject.expr, (Indexed, Symbol)):
        return False
    if (definition := definitions.get(name_of(subject.expr))) is None:
        return False
    indices = subject.expr.indices if definition.indices else ()
    return bool(len(indices) == len(set(indices)) and canonical(definition.at(indices)) == canonical(claim.after))


@lru_cache(maxsize=1024)
def conventions_needed(program: Program, subject: IndexSubject) -> frozenset[str]:
    """The conventions on which the meaning of a subject rests; cached for all lines about it."""
    if isinstance(subject, Partial):
        of, name = subject.of, name_of(subject.wrt)
        is_node = isinstance(of, (Indexed, Symbol)) and name_of(of) in program.definitions
        differentiated = [program.definitions[name_of(of)].rhs if is_node else of]
    elif isinstance(subject, Total):
        name = name_of(subject.wrt)
        differentiated = [definition.rhs for definition in consumers(program, name)]
    else:
        return frozenset()
    names = abbreviations(program) - {name}
    return frozenset().union(*(_kinks(write_out(expr, program, names), name) for expr in differentiated))


def foreign(program: Program, cited: Iterable[str]) -> str | None:
    """A message about a cited convention of a function that the program does not contain, or None."""
    unknown = sorted({*cited} - _conventions_of(program))
    return f"the program has no function of which it is said: {unknown[0]}" if unknown else None


@lru_cache(maxsize=64)
def _conventions_of(program: Program) -> frozenset[str]:
    calls = {call.func for definition in program.ordered for call in parts_of(definition.rhs, Function)}
    return frozenset(MEANINGS[function].convention for function in calls & MEANINGS.keys())


def _kinks(expr: Expr, name: str) -> set[str]:
    """The conventions of the calls in an expression that vary with an array in one of their arguments."""
    calls = [c for c in differentiated_calls(expr) if c.func in MEANINGS and MEANINGS[c.func].convention]
    return {MEANINGS[c.func].convention for c in calls if any(name in array_names(arg) for arg in varying(c))}
