"""Python source as a type of its own, which knows its operator precedence and the names it needs. The text is formatted
as ``ruff format`` would do it, so generated modules need no formatter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from sympy import Function

from symgrad.errors import UnsupportedError, visible

INDENT, WIDTH = "    ", 110


class Strength(IntEnum):
    """The precedence of the outermost operator of an expression."""

    SUM = 1
    PRODUCT = 2
    SIGN = 3
    POWER = 4
    CALL = 5
    NAME = 6


@dataclass(frozen=True)
class Source:
    """An expression or a line of Python; ``needs`` are the names of the arrays, sizes and functions it uses, ``power``
    is the length of the power that it begins with, if any."""

    code: str
    strength: Strength = Strength.NAME
    needs: frozenset[str] = frozenset()
    power: int = 0

    def within(self, strength: Strength) -> Source:
        """The expression, in brackets unless it binds at least as tightly as ``strength``."""
        return self if self.strength >= strength else Source(f"({self.code})", needs=self.needs)

    @property
    def negated(self) -> Source:
        """Minus the expression, as a factor; a power gets brackets, as the formatter writes it."""
        inside = self.within(Strength.PRODUCT)
        power, rest = inside.code[: inside.power], inside.code[inside.power :]
        return Source(f"-({power}){rest}" if power else f"-{rest}", Strength.PRODUCT, inside.needs)


def used(name: str) -> Source:
    """A name as source that needs it."""
    return Source(name, needs=frozenset([name]))


def needs_of(parts: Iterable[Source]) -> frozenset[str]:
    return frozenset[str]().union(*(part.needs for part in parts))


def written(template: str, *parts: Source, strength: Strength = Strength.CALL, needs: Iterable[str] = ()) -> Source:
    """Fill a template with a part for each {}."""
    return Source(template.format(*(part.code for part in parts)), strength, needs_of(parts).union(needs))


def joined(separator: str, parts: Sequence[Source], strength: Strength = Strength.SUM) -> Source:
    """Join parts with a separator."""
    code = separator.join(part.code for part in parts)
    power = {Strength.PRODUCT: parts[0].power, Strength.POWER: len(code)}.get(strength, 0)
    return Source(code, strength, needs_of(parts), power)


def added_up(terms: Sequence[tuple[bool, Source]]) -> Source:
    """The sum of terms, each with whether it is subtracted."""
    (negative, first), *rest = terms
    parts = [first.negated if negative else first]
    for negative, part in rest:
        parts += [Source("-" if negative else "+"), part.within(Strength.PRODUCT)]
    return joined(" ", parts, Strength.SUM if rest else parts[0].strength)


def raised(base: Source, exponent: Source) -> Source:
    """A power; without spaces if both operands are names or numbers."""
    operator = "**" if base.strength == exponent.strength == Strength.NAME else " ** "
    return joined(operator, [part.within(Strength.CALL) for part in (base, exponent)], Strength.POWER)


def quotient(above: Sequence[Source], below: Sequence[Source]) -> Source:
    """The product of some factors divided by the product of others."""
    over = _multiplied(above) if above else Source("1")
    if not below:
        return over
    under = below[0].within(Strength.SIGN) if len(below) == 1 else _multiplied(below).within(Strength.NAME)
    return joined(" / ", [over.within(Strength.PRODUCT), under], Strength.PRODUCT)


def _multiplied(factors: Sequence[Source]) -> Source:
    first, *rest = factors
    parts = [first.within(Strength.PRODUCT), *(f.within(Strength.SIGN) for f in rest)]
    return joined(" * ", parts, Strength.PRODUCT) if rest else parts[0]


def called(head: str, args: Sequence[Source | str], depth: int, tail: str = "", before: str = "") -> Source:
    """``before head(args)tail``, split over lines if it is too long at this ``depth`` of indentation."""
    indent = INDENT * depth
    sources = [arg if isinstance(arg, Source) else Source(arg) for arg in args]
    flat = ", ".join(arg.code for arg in sources)
    is_flat = "\n" not in flat
    if is_flat and len(f"{indent}{before}{head}({flat}){tail}") <= WIDTH:
        code = f"{before}{head}({flat}){tail}"
    elif is_flat and len(f"{indent}{INDENT}{flat}") <= WIDTH:
        code = f"{before}{head}(\n{INDENT}{flat}\n){tail}"
    else:
        lines = (arg.code.replace("\n", f"\n{INDENT}") for arg in sources)
        code = f"{before}{head}(\n" + "".join(f"{INDENT}{line},\n" for line in lines) + f"){tail}"
    return Source(code, Strength.CALL, needs_of(sources))


def unpacked(names: Sequence[str], head: str, args: Sequence[str], depth: int) -> Source:
    """``names = head(args)``, split over lines if it is too long at this ``depth``."""
    before = f"{tuple_of(names, bare=True)} = "
    if len(f"{INDENT * depth}{before}{head}({'' if args else ')'}") <= WIDTH:
        return called(head, args, depth, before=before)
    lines = "".join(f"{INDENT}{name},\n" for name in names)
    return Source(f"(\n{lines}{called(head, args, depth, before=') = ').code}")


def tuple_of(parts: Iterable[object], *, bare: bool = False) -> str:
    """Parts as a tuple, without brackets if it is ``bare`` and has several."""
    shown = [*map(str, parts)]
    return f"({shown[0]},)" if len(shown) == 1 else ", ".join(shown) if bare else f"({', '.join(shown)})"


def joined_tests(head: str, tests: Sequence[str], operator: str, tail: str = "") -> list[Source]:
    """``head test operator test ... tail``, in brackets on separate lines if it is too long."""
    together = f" {operator} ".join(tests)
    flat = f"{head} ({together}){tail}" if head.endswith("not") else f"{head} {together}{tail}"
    if len(INDENT + flat) <= WIDTH:
        return [Source(flat)]
    inside = [Source(f"{INDENT}{operator} {test}" if number else INDENT + test) for number, test in enumerate(tests)]
    return [Source(f"{head} ("), *inside, Source(f"){tail}")]


def applied(functions: Mapping[type[Function], str], function: type[Function], args: Iterable[Source]) -> Source:
    """The call of a function, by the template that a table has for it; ``UnsupportedError`` if it has none."""
    template = functions.get(function)
    if not template:
        raise UnsupportedError(f"no Python function of a number is known for {function.__name__}")
    return written(template, *args, needs=re.findall(r"\b_\w+|\bmath\b|\bscipy\b", template))


def indented(lines: Iterable[Source]) -> list[Source]:
    """Lines one level deeper, one for each row of text."""
    return [replace(line, code=(INDENT + part).rstrip()) for line in lines for part in line.code.split("\n")]


def function(head: Source, doc: Sequence[str], lines: Sequence[Source]) -> Source:
    """A function from its head, the lines of its docstring and of its body."""
    inside = indented(lines)
    code = "\n".join([head.code, docstring(doc, INDENT), *(line.code for line in inside)])
    return Source(code, needs=needs_of(inside))


def docstring(lines: Sequence[str], indent: str) -> str:
    """A docstring of these lines, safe for quotes, backslashes and control characters."""
    clean = [visible(line).replace('"""', "'''").rstrip() for line in lines]
    opening = 'r"""' if any("\\" in line for line in clean) else '"""'
    text = "\n".join(f"{indent}{line}".rstrip() for line in [f"{opening}{clean[0]}", *clean[1:]])
    return f'{text}"""' if len(clean) == 1 else f'{text}\n{indent}"""'
