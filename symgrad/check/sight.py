"""Whether a prime field sees all of a line, so that sides which differ there are different.

Of logarithms, roots, functions that are not taken apart and numbers such as pi a field knows too little: sides which
are equal may differ there.  Rational functions and exponentials obey every relation there that they obey anywhere.
"""

from __future__ import annotations

from sympy import E, Expr, Function, KroneckerDelta, NumberSymbol, exp
from sympy.core.basic import Basic

from symgrad.check.atoms import OWN
from symgrad.check.claims import Claim
from symgrad.check.meaning import adjoint_array, meaning
from symgrad.check.normal import IN_OTHERS
from symgrad.check.smoothness import has_root
from symgrad.notation import array_names
from symgrad.steps import Record, Total

SEEN = {exp, KroneckerDelta, *IN_OTHERS}


class Sight:
    """What a prime field sees of the lines of one record."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._adjoints = {adjoint_array(record, name).name: name for name in record.program.arrays}
        self._known: dict[str, bool] = {}

    def is_whole(self, claim: Claim) -> bool:
        """Whether nothing in a line, or in the values of what it mentions, is hidden from a prime field."""
        return self._sees(claim.meaning) and self._sees(claim.after)

    def _sees(self, expr: Expr) -> bool:
        return not _is_hidden(expr) and all(map(self._sees_array, array_names(expr)))

    def _sees_array(self, name: str) -> bool:
        if name not in self._known:
            program = self._record.program
            if name in program.definitions:
                self._known[name] = self._sees(program.definitions[name].rhs)
            elif name in self._adjoints:
                array = program.arrays[self._adjoints[name]]
                entry = array[tuple(axis.index(f"{OWN}v{place}") for place, axis in enumerate(array.axes))]
                self._known[name] = self._sees(meaning(self._record, Total(entry)))
            else:
                self._known[name] = True
        return self._known[name]


def _is_hidden(expr: Basic) -> bool:
    hidden = any(call.func not in SEEN for call in expr.atoms(Function))
    return hidden or has_root(expr) or any(number != E for number in expr.atoms(NumberSymbol))
