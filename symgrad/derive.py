"""The driver: a page that names the passes in order and collects the lines.

Reverse mode over the named equations.  For each node, latest first: the partial derivative of every equation that
uses it (differentiated, deltas summed away, folded into named arrays), then its adjoint by the chain rule
(contracted, folded, assumptions used), then everything once more in matrix notation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sympy import Add, Expr, Function, Indexed, Integer, KroneckerDelta, Pow, Sum, Symbol, expand_log, log, together
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.errors import InputError, UnsupportedError
from symgrad.notation import Array, array_names, axis_name, bound_indices, canonical, entries, free_indices, fresh_letter
from symgrad.notation import lettered, renamed, replaced, sum_over
from symgrad.passes.assume import use
from symgrad.passes.differentiate import check_smooth, differentiate
from symgrad.passes.fold import cost, fold, fold_sums, spread
from symgrad.passes.matrix import to_matrix
from symgrad.program import Definition, Program
from symgrad.rules import Rule, identities, nonzero_because, rules_of
from symgrad.steps import Condition, Gradient, MatrixTotal, MatrixValue, Partial, Record, Step, Subject, Total, Value
from symgrad.sums import contract, has_delta, ordered_sums


def derive_record(program: Program, wrt: Sequence[str]) -> Record:
    """The derivation of the output's gradient with respect to the arrays named in ``wrt``.

    Raises ``InputError`` for an array that is unknown or that the output does not depend on, and
    ``UnsupportedError``, naming the expression, for one without a derivative.
    """
    program = program.with_nodes(wrt)
    _check(program, wrt)
    writer = _Writer(program, _adjoint_arrays(program, wrt))
    for definition in program.ordered:
        writer.line(Value(definition.entry), None, definition.rhs, "definition", "definition")
        writer.origins[definition.name] = len(writer.steps)
    for name in _wanted_nodes(program, wrt):
        _derive_adjoint(writer, name)
        if name in wrt:
            _write_closed_form(writer, name)
    _write_matrices(writer)
    return _with_short_names(writer.record(wrt))


# --- what is asked for --------------------------------------------------------------------------------------------


def _check(program: Program, wrt: Sequence[str]) -> None:
    reached = _ancestors(program, program.output)
    if not wrt:
        raise InputError(f"{program.name}: no array to differentiate with respect to was given")
    for name in wrt:
        if name not in program.arrays:
            raise InputError(f"{program.name}: unknown array {name!r}: expected one of {', '.join(program.arrays)}")
        if name not in reached:
            raise InputError(f"{program.name}: {program.output} does not depend on {name}")
    if len(set(wrt)) < len(wrt):
        raise InputError(f"{program.name}: an array is named twice in {', '.join(wrt)}")
    for definition in program.ordered:
        check_smooth(definition.rhs, definition.name)


def _ancestors(program: Program, name: str) -> set[str]:
    """The arrays from which ``name`` is computed."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        used = array_names(program.definitions[n].rhs) if (n := waiting.pop()) in program.definitions else set()
        waiting += used - found
        found |= used
    return found


def _wanted_nodes(program: Program, wrt: Sequence[str]) -> list[str]:
    """The arrays that need an adjoint: those of ``wrt`` and every node between them and the output, latest first."""
    between = _ancestors(program, program.output)
    nodes = [
        d.name for d in program.ordered if d.is_node and d.name in between and _ancestors(program, d.name) & set(wrt)
    ]
    inputs = [name for name in wrt if name not in program.definitions]
    nodes += [name for name in wrt if name in program.definitions and name not in nodes]
    return sorted(nodes, key=program.rank.__getitem__, reverse=True) + inputs


def _adjoint_arrays(program: Program, wrt: Sequence[str]) -> dict[str, Array]:
    return {
        name: Array(_unused(program, f"G_{name}"), program.arrays[name].axes) for name in _wanted_nodes(program, wrt)
    }


def _unused(program: Program, name: str) -> str:
    while name in program.arrays or name in program.axis:
        name += "_"
    return name


# --- the page -----------------------------------------------------------------------------------------------------


@dataclass
class _Writer:
    """Collects the lines of one derivation, in conventional letters, and what later lines refer to."""

    program: Program
    adjoint: dict[str, Array]
    steps: list[Step] = field(default_factory=list)
    closed: dict[str, Gradient] = field(default_factory=dict)
    results: dict[Subject, int] = field(default_factory=dict)
    origins: dict[str, int] = field(default_factory=dict)
    rule_lines: dict[Rule, int] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)

    def line(
        self,
        subject: Subject,
        before: Expr | None,
        after: Expr,
        rule: str,
        reason: str,
        **notes: object,
    ) -> Expr:
        """Write one line, unless it says the same as the one before; return its right side."""
        if before is not None and canonical(before) == canonical(after):
            return after
        shown = None
        if before is not None:
            last = self.steps[-1]
            shown = last.after if last.subject == subject else self.lettered(subject, before)
        self.steps.append(
            Step(len(self.steps) + 1, subject, shown, self.lettered(subject, after), rule, reason, **notes)  # type: ignore[arg-type]
        )
        self.results[subject] = len(self.steps)
        return after

    def amend(self, subject: Subject, after: Expr) -> Expr:
        """Put ``after`` in place of the right side just written: the same to a reader, signs and fractions apart."""
        if self.steps[-1].subject == subject:
            self.steps[-1] = replace(self.steps[-1], after=self.lettered(subject, after))
        return after

    def lettered(self, subject: Subject, expr: Expr) -> Expr:
        """``expr`` as a line about ``subject`` shows it."""
        if isinstance(subject, (MatrixValue, MatrixTotal)):
            return expr
        own = subject.expr if isinstance(subject, Value) else subject.wrt
        taken = {str(i.label) for i in free_indices(own)}
        if isinstance(subject, Partial):
            taken |= {str(i.label) for i in free_indices(subject.of)}
        return lettered(expr, self.program.axis, taken | self.program.entry_letters)

    def rules_of(self, definition: Definition) -> list[Rule]:
        """The rules that a definition gives, found once."""
        if definition.name not in self.rules:
            self.rules[definition.name] = rules_of(self.program, definition)
        return self.rules[definition.name]

    def cite(self, rules: Sequence[Rule]) -> tuple[int, ...]:
        """The lines that state ``rules``; a rule that no line states yet gets one."""
        for rule in rules:
            if rule not in self.rule_lines:
                self.rule_lines[rule] = self._state(rule)
        return tuple(sorted({self.rule_lines[rule] for rule in rules}))

    def _state(self, rule: Rule) -> int:
        """The number of the line that states ``rule``: its definition, or a new line where that had to be solved."""
        origin = self.origins[rule.source]
        if not rule.always or rule.pattern == self.program.definitions[rule.source].rhs:
            if rule.derived_from is None:
                return origin
        cites = {origin, self.origins[rule.derived_from or rule.source]}
        reason = "from both definitions" if rule.derived_from else f"the definition of {rule.source}, solved"
        self.line(
            Value(lettered(rule.pattern, self.program.axis, self.program.entry_letters)), None, rule.replacement, "solve", reason,
            cites=tuple(sorted(cites)), conditions=rule.conditions,
        )
        return len(self.steps)

    def record(self, wrt: Sequence[str]) -> Record:
        return Record(
            self.program,
            tuple(wrt),
            tuple(self.steps),
            {name: self.closed[name] for name in wrt},
            dict(self.closed),
            dict(self.adjoint),
        )

    def weights(self, axes: int = 0) -> dict[str, int]:
        """What an entry costs the reader of a line with ``axes`` free indices: an adjoint is long to write, and that of
        a statistic (fewer axes: a mean, a variance) only a name for a detour."""
        return {array.name: 6 if len(array.axes) >= axes else 14 for array in self.adjoint.values()}


# --- the adjoint of one node --------------------------------------------------------------------------------------


def _derive_adjoint(writer: _Writer, name: str) -> None:
    program = writer.program
    users = [d for d in program.ordered if d.is_node and name in program.uses(d.name)]
    users = [d for d in users if d.name in writer.adjoint or d.name == program.output]
    entry = _entry_for(program, name, users)
    rules = _rules_near(writer, [name, *(d.name for d in users)])
    terms: list[Expr] = []
    cites: list[int] = []
    for user in users:
        term, lines = _contribution(writer, user, name, entry, rules)
        terms.append(term)
        cites += lines
    subject = Total(entry)
    through = len(users) > 1 or users[0].name != program.output
    reason = "chain rule" if through else f"differentiate {program.output}"
    if not through:
        cites = [writer.origins[program.output], *cites]
    raw = writer.line(subject, None, Add(*terms), "chain" if through else "differentiate", reason, cites=tuple(cites))
    value = _simplify(writer, subject, raw, rules)
    value = _with_adjoints_written_out(writer, subject, value, rules)
    value = _with_assumptions(writer, subject, value, rules)
    writer.closed[name] = Gradient(program.arrays[name], entry, lettered(value, program.axis, program.entry_letters), None)


def _entry_for(program: Program, name: str, users: Sequence[Definition]) -> Expr:
    """The entry of ``name`` to differentiate by: its letters differ from those of the equations that use it."""
    taken = {str(i.label) for user in users for i in user.indices} | program.entry_letters
    for user in users:
        if users == [user] and user.name == program.output:
            taken |= {str(i.label) for i in user.rhs.atoms(Idx)}
        for unit in _units(program, user, name):
            taken |= {str(i.label) for i in free_indices(unit)}
    chosen: list[Idx] = []
    for axis in program.arrays[name].axes:
        chosen.append(fresh_letter(axis, taken | {str(i.label) for i in chosen}))
    return program.arrays[name][tuple(chosen)]


def _rules_near(writer: _Writer, names: Sequence[str]) -> list[Rule]:
    """The rules of the definitions of ``names`` and of the abbreviations that they use."""
    program = writer.program
    near = {used for name in names for used in program.uses(name) | {name} if used in program.definitions}
    near = {n for n in near if n in names or not program.definitions[n].is_node}
    near |= {d.name for d in program.ordered if not d.is_node and _stands_on(program, d) <= set(names) | near}
    definitions = [d for d in program.ordered if d.name in near]
    plain = [rule for d in definitions for rule in writer.rules_of(d)]
    return plain + identities(program, definitions, plain)


def _stands_on(program: Program, definition: Definition) -> set[str]:
    return {used for used in array_names(definition.rhs) if used in program.definitions}


def _short_names(program: Program, definition: Definition, name: str) -> set[str]:
    """The abbreviations through which ``definition`` depends on ``name``."""
    return {
        used
        for used in program.uses(definition.name)
        if used in program.definitions and not program.definitions[used].is_node and name in program.uses(used)
    }


def _units(program: Program, user: Definition, name: str) -> list[Expr]:
    """The functions of abbreviations in the output's equation: they are differentiated on a line of their own."""
    short = _short_names(program, user, name)
    return sorted(
        (call for call in user.rhs.atoms(Function) if array_names(call) & short and isinstance(call, log)),
        key=lambda call: call.sort_key(),
    )


def _contribution(
    writer: _Writer, user: Definition, name: str, entry: Expr, rules: Sequence[Rule]
) -> tuple[Expr, list[int]]:
    """What one equation adds to the adjoint of ``name``, and the lines that say so."""
    program = writer.program
    short = _short_names(program, user, name)
    units = _units(program, user, name)
    slopes: dict[Expr, Expr] = {}
    cites: list[int] = []
    for unit in units:
        written = _rewritten(writer, unit, short, rules)
        slopes[unit] = _partial(writer, Partial(unit, entry), written, rules)
        cites.append(writer.results[Partial(unit, entry)])
    if user.name == program.output and not units:
        return fold_sums(_derivative(program, user.rhs, short, entry, {}), rules), cites
    if user.name == program.output:
        return _derivative(program, user.rhs, short, entry, slopes), cites
    slope = _partial(writer, Partial(user.entry, entry), _derivative(program, user.rhs, short, entry, slopes), rules, True)
    cites.append(writer.results[Partial(user.entry, entry)])
    if slope == 0:
        return slope, cites
    adjoint = writer.adjoint[user.name]
    return _over(user.indices, adjoint[user.indices] * slope), cites


def _over(indices: Sequence[Idx], body: Expr) -> Expr:
    return sum_over(body, indices)


def _rewritten(writer: _Writer, unit: Expr, short: set[str], rules: Sequence[Rule]) -> Expr:
    """A function of an abbreviation, written out; the logarithm of a quotient becomes a difference."""
    program = writer.program
    written = program.written_out(unit, short)
    opened = expand_log(written.replace(lambda e: isinstance(e, log), lambda e: log(together(e.args[0]))))
    named = fold_sums(opened, rules)
    cites = tuple(sorted(writer.origins[n] for n in array_names(unit) & short))
    writer.line(Value(unit), None, named, "logarithm", "the logarithm of its definition", cites=cites)
    return opened


def _derivative(
    program: Program, rhs: Expr, short: set[str], entry: Expr, slopes: dict[Expr, Expr]
) -> Expr:
    """The derivative of ``rhs``, the abbreviations written out; the ``slopes`` of functions in it are known."""
    rates = {unit: Symbol(f"rate{place}", real=True) for place, unit in enumerate(slopes)}
    t = Symbol("t", real=True)
    moved = replaced(rhs, {unit: unit + t * rates[unit] for unit in slopes})
    known = replaced(moved.diff(t), {t: Integer(0)}) if slopes else Integer(0)
    known = replaced(known, {rates[unit]: slope for unit, slope in slopes.items()})
    still = {unit: Symbol(f"still{place}", real=True) for place, unit in enumerate(slopes)}
    rest = program.written_out(replaced(rhs, still), short)
    rest = replaced(differentiate(rest, entry), {symbol: unit for unit, symbol in still.items()})
    return known + rest


def _partial(writer: _Writer, subject: Partial, value: Expr, rules: Sequence[Rule], differentiated: bool = False) -> Expr:
    """The lines of one partial derivative; returns the last right side."""
    raw = value if differentiated else differentiate(value, subject.wrt)
    origin = writer.results.get(Value(subject.of))
    if program_name := _defined(writer.program, subject.of):
        origin = writer.origins[program_name]
    raw = writer.line(
        subject, None, fold_sums(raw, rules), "differentiate", "differentiate", cites=(origin,) if origin else ()
    )
    return _simplify(writer, subject, raw, rules)


def _defined(program: Program, entry: Expr) -> str | None:
    """The name of the array whose definition is about ``entry``, if it is one."""
    return next((d.name for d in program.ordered if d.entry == entry), None)


def _simplify(writer: _Writer, subject: Subject, value: Expr, rules: Sequence[Rule]) -> Expr:
    """Deltas summed away axis by axis, then the line in named arrays."""
    for axis in writer.program.axes:
        if has_delta(value, axis.name):
            before = value
            value = contract(value, axis.name)
            reason = _delta_reason(writer.lettered(subject, before), axis.name)
            writer.line(subject, before, value, "contract", reason)
    before = value
    value, used = fold(value, rules, writer.weights())
    cites = writer.cite(used)
    conditions = _cancelled(writer.program, before, value)
    if not used and spread(before) == spread(value):
        return writer.amend(subject, value)
    names = ", ".join(dict.fromkeys(rule.source for rule in used))
    reason = f"in terms of {names}" if used else "collect common factors"
    return writer.line(subject, before, value, "fold" if used else "collect", reason, cites=cites, conditions=conditions)


def _delta_reason(before: Expr, axis: str) -> str:
    """Which deltas of ``before``, a line in its letters, are summed away over ``axis``, and what they pick."""
    bound = {i for total in before.atoms(Sum) for i in bound_indices(total) if axis_name(i) == axis}
    picked: dict[str, str] = {}
    for delta in sorted(before.atoms(KroneckerDelta), key=lambda delta: delta.sort_key()):
        pair = delta.args[:2]
        for gone, kept in (pair, pair[::-1]):
            if gone in bound and str(gone) not in picked and kept not in bound:
                picked[str(gone)] = str(kept)
    if len(picked) == 1:
        ((gone, kept),) = picked.items()
        return f"the delta in {gone} picks {gone} = {kept}"
    equalities = " and ".join(f"{gone} = {kept}" for gone, kept in picked.items())
    return f"the deltas in {' and '.join(picked)} pick {equalities}"


def _cancelled(program: Program, before: Expr, after: Expr) -> tuple[Condition, ...]:
    """The divisors of ``before`` that ``after`` no longer has, with the reason why none is zero."""
    conditions = []
    kept = {name for divisor in _divisors(after) for name in array_names(divisor)}
    for divisor in _divisors(before) - _divisors(after):
        if array_names(divisor) <= kept:
            continue
        reason = nonzero_because(program, divisor) or "it divides in the forward equations"
        conditions.append(Condition(divisor, reason))
    return tuple(sorted(conditions, key=lambda c: str(c.nonzero)))


def _divisors(expr: Basic) -> set[Expr]:
    return {p.base for p in expr.atoms(Pow) if p.exp.could_extract_minus_sign() and not p.base.is_integer}


def _with_adjoints_written_out(writer: _Writer, subject: Total, value: Expr, rules: Sequence[Rule]) -> Expr:
    """``value`` with adjoints replaced by their closed forms where that makes the line cheaper to read.

    They are tried one by one, then those of statistics (a mean, a variance) together.
    """
    program, weights = writer.program, writer.weights(_axes_of(subject.wrt))
    nodes = {a.name: node for node, a in writer.adjoint.items()}
    present = sorted(array_names(value) & set(nodes), key=lambda name: program.rank[nodes[name]])
    statistics = [name for name in present if len(writer.adjoint[nodes[name]].axes) < _axes_of(subject.wrt)]
    groups = [*([name] for name in present), statistics] if len(statistics) > 1 else [[name] for name in present]
    for group in groups:
        written = value
        for name in group:
            written = _write_out(written, writer.adjoint[nodes[name]], writer.closed[nodes[name]])
        written = ordered_sums(written)
        near = _rules_near(writer, [nodes[name] for name in group])
        shorter, used = fold(written, [*rules, *(r for r in near if r not in rules)], weights)
        if cost(shorter, weights) < cost(value, weights):
            cites = tuple(writer.results[Total(writer.closed[nodes[name]].entry)] for name in group)
            named = " and ".join(nodes[name] for name in group)
            cites += writer.cite(used)
            conditions = tuple(
                condition
                for name in group
                for condition in _cancelled(program, writer.closed[nodes[name]].index, shorter)
            )
            reason = f"the adjoint of {named} written out"
            value = writer.line(subject, value, shorter, "substitute", reason, cites=cites, conditions=conditions)
    return value


def _axes_of(entry: Expr) -> int:
    return len(entry.indices) if isinstance(entry, Indexed) else 0


def _write_out(expr: Expr, adjoint: Array, closed: Gradient) -> Expr:
    """``expr`` with the entries of one adjoint array replaced by its closed form."""
    own = closed.entry.indices if isinstance(closed.entry, Indexed) else ()
    found = {}
    for entry in entries(expr, adjoint.name):
        at = entry.indices if isinstance(entry, Indexed) else ()
        found[entry] = renamed(closed.index, dict(zip(own, at, strict=True)))
    return replaced(expr, found)


def _with_assumptions(writer: _Writer, subject: Total, value: Expr, rules: Sequence[Rule]) -> Expr:
    for assumption in writer.program.assumptions:
        used = use(writer.program, value, assumption)
        value = writer.line(
            subject, value, fold(used, rules, writer.weights())[0] if used != value else value,
            "assume", assumption.words, assumption=assumption,
        )
    return value


# --- closed forms and matrices ------------------------------------------------------------------------------------


def _write_closed_form(writer: _Writer, name: str) -> None:
    """A last line for an array asked for, with the adjoints that close over the program's arrays written out."""
    nodes = {a.name: node for node, a in writer.adjoint.items()}
    gradient = writer.closed[name]
    value, cites = gradient.index, []
    for used in sorted(array_names(value) & set(nodes)):
        closed = writer.closed[nodes[used]]
        if not array_names(closed.index) & set(nodes):
            value = _write_out(value, writer.adjoint[nodes[used]], closed)
            cites.append(writer.results[Total(closed.entry)])
    if cites:
        value = fold(ordered_sums(value), [], writer.weights())[0]
        writer.line(Total(gradient.entry), gradient.index, value, "close", "closed form", cites=tuple(sorted(cites)))
        writer.closed[name] = replace(gradient, index=lettered(value, writer.program.axis, writer.program.entry_letters))


def _write_matrices(writer: _Writer) -> None:
    program = writer.program
    arrays = dict(program.arrays) | {a.name: a for a in writer.adjoint.values()}
    for definition in program.ordered:
        matrix = to_matrix(definition.rhs, definition.indices, arrays)
        if matrix is not None:
            cites = (writer.origins[definition.name],)
            writer.line(MatrixValue(program.arrays[definition.name]), None, matrix, "matrix", "in matrix notation", cites=cites)
    totals = {}
    for step in writer.steps:
        if isinstance(step.subject, Total):
            totals.setdefault(step.subject, []).append(step)
    for name, gradient in list(writer.closed.items()):
        subject = MatrixTotal(program.arrays[name])
        steps = totals[Total(gradient.entry)]
        named = steps[-2:] if steps[-1].rule == "close" else steps[-1:]
        before = None
        for step in named:
            indices = gradient.entry.indices if isinstance(gradient.entry, Indexed) else ()
            matrix = to_matrix(step.after, indices, arrays)
            if matrix is not None:
                before = writer.line(subject, before, matrix, "matrix", "in matrix notation", cites=(step.number,))
        writer.closed[name] = replace(gradient, matrix=before)


def _with_short_names(record: Record) -> Record:
    """``record`` in which the only adjoint that matrix lines mention is called G."""
    names = {a.name for a in record.adjoint_arrays.values()}
    mentioned: set[str] = set()
    for step in record.steps:
        if isinstance(step.subject, MatrixTotal):
            mentioned |= {s.name for s in step.after.free_symbols if getattr(s, "name", None) in names}
    if len(mentioned) != 1 or "G" in record.program.arrays or "G" in record.program.axis:
        return record
    (node,) = (n for n, a in record.adjoint_arrays.items() if a.name in mentioned)
    old = record.adjoint_arrays[node]
    new = Array("G", old.axes)
    swap: dict[Basic, Basic] = {old.base: new.base, old.matrix: new.matrix}

    def named(expr: Expr | None) -> Expr | None:
        return None if expr is None else expr.xreplace(swap)

    def gradient(g: Gradient) -> Gradient:
        return replace(g, index=named(g.index), matrix=named(g.matrix))

    return replace(
        record,
        steps=tuple(replace(s, before=named(s.before), after=named(s.after)) for s in record.steps),
        gradients={n: gradient(g) for n, g in record.gradients.items()},
        adjoints={n: gradient(g) for n, g in record.adjoints.items()},
        adjoint_arrays=dict(record.adjoint_arrays) | {node: new},
    )
