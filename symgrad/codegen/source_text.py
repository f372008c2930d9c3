"""Python source as emitters write it: a type of its own, which knows how tightly it binds and what it needs.

The text is as ``ruff format`` would write it, so that generated modules need no formatter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from symgrad.legible import visible

INDENT, WIDTH = "    ", 110


class Strength(IntEnum):
    """How tightly the outermost operator of an expression binds."""

    SUM = 1
    PRODUCT = 2
    SIGN = 3
    POWER = 4
    CALL = 5
    NAME = 6


@dataclass(frozen=True)
class Source:
    """An expression, or a line, in Python; ``needs`` are the names of what it uses: arrays, sizes, functions.

    ``power`` is the length of the power that a product begins with, which has brackets behind a minus; ``is_turned``
    says that the whole is a transpose.
    """

    code: str
    strength: Strength = Strength.NAME
    needs: frozenset[str] = frozenset()
    power: int = 0
    is_turned: bool = False

    def __len__(self) -> int:
        return len(self.code)

    def within(self, strength: Strength) -> Source:
        """The expression, in brackets unless it binds at least as tightly as ``strength``."""
        if self.strength >= strength:
            return self
        return replace(self, code=f"({self.code})", strength=Strength.NAME, power=0, is_turned=False)

    @property
    def negated(self) -> Source:
        """Minus the expression, as a factor."""
        inside = self.within(Strength.PRODUCT)
        first, rest = inside.code[: inside.power], inside.code[inside.power :]
        code = f"-({first}){rest}" if first else f"-{rest}"
        return Source(code, Strength.PRODUCT, inside.needs)


def written(template: str, *parts: Source, strength: Strength = Strength.CALL, needs: Iterable[str] = ()) -> Source:
    """The template with a part for each {}."""
    every = frozenset(needs).union(*(part.needs for part in parts))
    return Source(template.format(*(part.code for part in parts)), strength, every)


def joined(separator: str, parts: Sequence[Source], strength: Strength) -> Source:
    """Parts with a separator between them."""
    every = frozenset[str]().union(*(part.needs for part in parts))
    return Source(separator.join(part.code for part in parts), strength, every)


def quotient(above: Sequence[Source], below: Sequence[Source]) -> Source:
    """The product of some factors over that of others."""
    over = _multiplied(above) if above else Source("1")
    if not below:
        return over
    under = below[0].within(Strength.SIGN) if len(below) == 1 else _multiplied(below).within(Strength.NAME)
    return replace(joined(" / ", [over.within(Strength.PRODUCT), under], Strength.PRODUCT), power=over.power)


def _multiplied(factors: Sequence[Source]) -> Source:
    if len(factors) == 1:
        return factors[0].within(Strength.PRODUCT)
    first, *rest = factors
    first = first.within(Strength.PRODUCT)
    made = joined(" * ", [first, *(f.within(Strength.SIGN) for f in rest)], Strength.PRODUCT)
    return replace(made, power=first.power)


def called(head: str, args: Sequence[Source | str], indent: str, tail: str = "", before: str = "") -> Source:
    """``before head(args)tail``, broken over lines as formatters do where it would be too long at ``indent``."""
    given = [arg if isinstance(arg, Source) else Source(arg) for arg in args]
    flat = ", ".join(arg.code for arg in given)
    if len(f"{indent}{before}{head}({flat}){tail}") <= WIDTH:
        code = f"{before}{head}({flat}){tail}"
    elif len(f"{indent}{INDENT}{flat}") <= WIDTH:
        code = f"{before}{head}(\n{INDENT}{flat}\n){tail}"
    else:
        code = f"{before}{head}(\n" + "".join(f"{INDENT}{arg.code},\n" for arg in given) + f"){tail}"
    return Source(code, Strength.CALL, frozenset[str]().union(*(arg.needs for arg in given)))


def joined_tests(head: str, tests: Sequence[str], operator: str, tail: str = "") -> list[Source]:
    """``head test operator test ... tail`` at one indent, on lines of their own in brackets where it is too long."""
    together = f" {operator} ".join(tests)
    flat = f"{head} ({together}){tail}" if head.endswith("not") else f"{head} {together}{tail}"
    if len(INDENT + flat) <= WIDTH:
        return [Source(flat)]
    first, *rest = tests
    inside = [first, *(f"{operator} {test}" for test in rest)]
    return [Source(f"{head} ("), *(Source(INDENT + test) for test in inside), Source(f"){tail}")]


def named_in(template: str) -> list[str]:
    """The function of the module, or the library, that a template calls."""
    head = template.partition("(")[0]
    return [head] if head.startswith("_") else ["math"] if head.startswith("math.") else []


def indented(lines: Iterable[Source]) -> list[Source]:
    """Lines one level deeper, one for each row of text."""
    return [replace(line, code=(INDENT + part).rstrip()) for line in lines for part in line.code.split("\n")]


def docstring(lines: Sequence[str], indent: str) -> str:
    """A docstring of these lines; quotes, backslashes and control characters in them do no harm."""
    clean = [visible(line).replace('"""', "'''").rstrip() for line in lines]
    opening = 'r"""' if any("\\" in line for line in clean) else '"""'
    first, *rest = clean
    return "\n".join([f"{indent}{opening}{first}", *(f"{indent}{line}".rstrip() for line in rest), f'{indent}"""'])
