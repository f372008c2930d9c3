"""Which conventions a line must cite: those of the functions that it differentiates and that are not smooth."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sympy import Expr, Function, Indexed, Symbol

from symgrad.check.meaning import IndexSubject, abbreviations, consumers, write_out
from symgrad.functions import MEANINGS, varying
from symgrad.notation import array_names, name_of
from symgrad.program import Program
from symgrad.steps import Partial, Total


@lru_cache(maxsize=1024)
def conventions_needed(program: Program, subject: IndexSubject) -> frozenset[str]:
    """The conventions on which the meaning of a subject rests: found once for all lines about it."""
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
    """What is wrong with conventions that are cited, or None: each must be that of a function of the program."""
    unknown = sorted({*cited} - _known(program))
    return f"the program has no function of which it is said: {unknown[0]}" if unknown else None


@lru_cache(maxsize=64)
def _known(program: Program) -> frozenset[str]:
    calls = {call.func for definition in program.ordered for call in definition.rhs.atoms(Function)}
    return frozenset(MEANINGS[function].convention for function in calls & MEANINGS.keys())


def _kinks(expr: Expr, name: str) -> set[str]:
    """The conventions of the calls in an expression that vary with an array, by an argument in which it stands."""
    calls = [call for call in expr.atoms(Function) if call.func in MEANINGS and MEANINGS[call.func].convention]
    return {MEANINGS[c.func].convention for c in calls if any(name in array_names(arg) for arg in varying(c))}
