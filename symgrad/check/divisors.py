"""Whether a line divides only by what is known not to be zero.

A divisor is known if it is positive for all values (exponentials, their sums, sizes, positive inputs), or if the
program's own equations divide by it, take its logarithm or a fractional power of it, so that it cannot vanish where the
program is defined and differentiable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sympy import Expr, Pow, Rational, log
from sympy.core.basic import Basic

from symgrad.check import algebra
from symgrad.check.atoms import Atom, NoNormalForm
from symgrad.check.meaning import abbreviations
from symgrad.check.normal import Normaliser
from symgrad.notation import array_names
from symgrad.program import Program
from symgrad.steps import Condition


class Divisors:
    """What may be divided by in one program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._known: set[str] = set()
        self._verdicts: dict[Basic, bool] = {}
        self._normalisers: dict[frozenset[str], Normaliser] = {}
        for definition in program.ordered:
            for base in _bases(definition.rhs, domain=True):
                for names in self._choices(base):
                    self._known |= {_skeleton(atom) for atom in self._atoms(base, names) or ()}

    def unknown(self, expr: Expr, conditions: Iterable[Condition]) -> Expr | None:
        """A divisor in an expression, or one stated as a condition, that might be zero; None where there is none."""
        for base in [*_bases(expr), *(c.nonzero for c in conditions)]:
            if base not in self._verdicts:
                self._verdicts[base] = self._is_known(base)
            if not self._verdicts[base]:
                return base
        return None

    def _is_known(self, base: Basic) -> bool:
        if base.is_positive:
            return True
        for names in self._choices(base):
            atoms = self._atoms(base, names)
            if atoms is not None and all(a.sign or _skeleton(a) in self._known for a in atoms):
                return True
        return False

    def _choices(self, base: Basic) -> list[frozenset[str]]:
        """The names to write out: abbreviations; then the nodes that are mentioned as well."""
        short = frozenset(abbreviations(self._program))
        return list(dict.fromkeys([short, short | (array_names(base) & self._program.definitions.keys())]))

    def _atoms(self, base: Basic, names: frozenset[str]) -> list[Atom] | None:
        """The atoms by which a division by ``base`` divides, or None where it has no normal form."""
        if names not in self._normalisers:
            self._normalisers[names] = Normaliser(self._program, names)
        try:
            inverse = algebra.power(self._normalisers[names](base), -1)
        except NoNormalForm:
            return None
        return [atom for monomial in inverse for atom, exponent in monomial if exponent < 0]


def _bases(expr: Basic, domain: bool = False) -> list[Basic]:
    """The divisors in an expression; with ``domain`` also the arguments of logarithms and fractional powers."""
    powers = [p for p in expr.atoms(Pow) if p.exp.could_extract_minus_sign() or (domain and not _is_whole(p.exp))]
    return [p.base for p in powers] + ([call.args[0] for call in expr.atoms(log)] if domain else [])


def _is_whole(exponent: Basic) -> bool:
    return isinstance(exponent, Rational) and exponent.q == 1


def _skeleton(atom: Atom) -> str:
    """The key of an atom without the letters of its indices."""
    return re.sub(r"[^\[\](),*;+^]*@", "@", atom.key)
