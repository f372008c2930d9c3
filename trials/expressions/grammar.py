"""A grammar of well-typed terms: terms with given axes, positive terms, and conditions."""

from __future__ import annotations

from collections.abc import Callable

from trials.expressions.scope import MOST_INPUTS, Scope
from trials.expressions.terms import (
    ONE,
    PRODUCT,
    Axes,
    Term,
    binary,
    call,
    negative,
    number,
    subscripted,
    transposed,
    union,
)

MOST_LETTERS = 110
"""Longer texts get a name."""
SMOOTH = (
    *("np.tanh({})", "np.sin({})", "np.cos({})", "np.exp({})", "np.exp(-{})", "sigmoid({})", "softplus({})"),
    *("np.arctan({})", "np.square({})", "np.expm1({})", "erf({})"),
)
KINKED = (
    *("relu({})", "np.abs({})", "np.clip({}, -0.5, 0.75)", "np.clip({}, 0, 1)", "np.maximum({}, 0)"),
    *("np.minimum({}, 1)", "np.maximum(0, 1 - {})", "np.maximum(0.1, {})"),
)
OF_POSITIVE = (
    *("np.log({})", "np.log({})", "np.log({})", "np.sqrt({})", "np.sqrt({})", "np.log1p({})", "np.log2({})"),
    *("np.power({}, 1.5)", "np.power({}, 1/3)"),
)
POWERS = ("2", "2", "3", "4")
FREE_POWERS = ("0.5", "1.5", "(-1)", "(-0.5)", "(-2)", "(1/3)")
NUMBERS = ("2", "0.5", "3", "0.1", "1", "1.5", "4")
REDUCTIONS = {"sum": 6, "mean": 6, "max": 3, "min": 2, "var": 2, "std": 2, "logsumexp": 3, "norm": 3, "root": 1}
METHODS = ("sum", "mean", "max", "min", "var")
COMPARISONS = (">", ">=", "<", "<=")


class Grammar(Scope):
    """Random terms.  ``depth`` bounds how many operations are nested."""

    def real(self, axes: Axes, depth: int) -> Term:
        """Any term with these axes."""
        for _ in range(8 if depth > 0 else 0):
            made = self.weighted(REAL)(self, axes, depth - 1)
            if made is not None:
                return self.bind(made) if len(made.text) > MOST_LETTERS else made
        return self._simple(axes)

    def positive(self, axes: Axes, depth: int) -> Term:
        """A term whose entries are positive at every input."""
        for _ in range(8 if depth > 0 else 0):
            made = self.weighted(POSITIVE)(self, axes, depth - 1)
            if made is not None:
                return self.bind(made, True) if len(made.text) > MOST_LETTERS else made
        known = self.leaf(axes, lambda term: term.text in self.positive_names)
        return known if known is not None and self.chance(60) else self._made_positive(axes, 0) or number("2")

    def condition(self, axes: Axes, depth: int) -> Term:
        """One or several comparisons; these arrays do not count as inputs of the value."""
        left = self.real(axes, depth)
        right = number(self.choice(("0", "0", "1", "0.5"))) if self.chance(60) else self.real(self.fitting(axes), 0)
        right = number("0") if left.text == right.text else right
        text = f"{left.text} {self.choice(COMPARISONS)} {right.text}"
        if not self.in_one_line and self.chance(15):
            text = f"({text}) {self.choice('&|')} ({self._simple(axes).text} {self.choice(COMPARISONS)} 0.25)"
        elif not self.in_one_line and self.chance(5):
            text = f"~({text})"
        return Term(text, axes)

    # --- leaves -------------------------------------------------------------------------------------------------

    def _simple(self, axes: Axes) -> Term:
        """A name, or a minimal term with these axes."""
        known = self.leaf(axes)
        if known is not None and (self.chance(80) or len(self.inputs) >= MOST_INPUTS):
            return known
        bare = tuple(axis for axis in axes if axis)
        if len(bare) == 3:
            left, right = ((*bare[:1], ONE, *bare[2:]), (ONE, *bare[1:]))
            made = binary(self.choice("--+*"), self._simple(left), self._simple(right))
        elif len(self.inputs) < MOST_INPUTS or len(bare) == 2:
            made = self.declare(bare)
        else:
            made = self._reduced(bare, 0) or self.declare(bare)
        return self.expanded(made, axes) if bare != axes else made

    # --- any value ----------------------------------------------------------------------------------------------

    def _smooth(self, axes: Axes, depth: int) -> Term:
        inner = self.real(axes, depth)
        if self.chance(25):
            return binary("**", inner, number(self.choice(POWERS)))
        if self.chance(15):
            return negative(inner)
        form = self.choice(SMOOTH)
        return call(form, Term(inner.tight(PRODUCT), axes, inner.uses) if "-{}" in form else inner, axes=axes)

    def _kinked(self, axes: Axes, depth: int) -> Term:
        form, inner = self.choice(KINKED), self.real(axes, depth)
        return call(form, Term(inner.tight(PRODUCT), axes, inner.uses) if "- {}" in form else inner, axes=axes)

    def _of_positive(self, axes: Axes, depth: int) -> Term:
        inner = self.positive(axes, depth)
        if self.chance(20):
            return binary("**", inner, number(self.choice(FREE_POWERS)))
        if self.chance(15):
            return binary("**", inner, self.real((), 0))
        if self.chance(15):
            return binary("/", number("1"), inner)
        return call(self.choice(OF_POSITIVE), inner, axes=axes)

    def _arithmetic(self, axes: Axes, depth: int) -> Term:
        operator = self.choice("++--**/")
        left = self.real(axes, depth)
        if operator == "/":
            return binary("/", left, self.positive(self.fitting(axes), depth))
        right = number(self.choice(NUMBERS)) if self.chance(20) else self.real(self.fitting(axes), depth)
        if left.text == right.text:
            return self._smooth(axes, depth)
        return binary(operator, *((right, left) if self.chance(40) else (left, right)))

    def _extreme(self, axes: Axes, depth: int) -> Term:
        """The larger or smaller of two terms, or the one chosen by a condition."""
        left, right = self.real(axes, depth), self.real(self.fitting(axes), depth)
        if left.text == right.text:
            return self._kinked(axes, depth)
        if self.chance(50):
            form = self.choice(("np.maximum({}, {})", "np.minimum({}, {})"))
            return call(form, *((left, right) if self.chance(50) else (right, left)), axes=axes)
        condition = self.condition(axes, 0)
        return call("np.where({}, {}, {})", condition, left, right, axes=axes)

    def _huber(self, axes: Axes, depth: int) -> Term:
        e = self.bind(self.real(axes, depth))
        bound = self.choice(("1", "0.5", "0.3"))
        absolute = f"np.abs({e.text})"
        inside, outside = f"0.5 * {e.tight()} ** 2", f"{bound} * ({absolute} - 0.5 * {bound})"
        return Term(f"np.where({absolute} <= {bound}, {inside}, {outside})", axes, e.uses)

    def _reduced(self, axes: Axes, depth: int) -> Term | None:
        """A reduction over one additional axis, or over all axes."""
        if not axes and self.chance(50):
            source = self.real(self._some_axes(), depth)
            return self._reduction(source, (), None, False)
        if ONE in axes:
            place = self.choice([p for p, axis in enumerate(axes) if axis == ONE])
        elif len(axes) < 3:
            place = self.chosen.randint(0, len(axes))
        else:
            return None
        is_kept = ONE in axes
        over = self.choice(self.axes)
        inner = (*axes[:place], over, *axes[place + is_kept :])
        if (len(inner) == 3 or len(set(inner)) < len(inner)) and not self.chance(25):
            return None
        return self._reduction(self.real(inner, depth), axes, place, is_kept)

    def _reduction(self, source: Term, axes: Axes, place: int | None, is_kept: bool) -> Term:
        op = self.weighted(REDUCTIONS)
        if op in ("max", "min") and place is None and len(source.axes) > 1:  # of several axes there is no rule
            source = self._reduction(source, source.axes[:1], 1, False) if len(source.axes) == 2 else source
            op = op if len(source.axes) == 1 else "sum"
        where = ""
        if place is not None:
            shown = place - len(source.axes) if self.chance(15) else place
            where = f"axis={shown}" + (", keepdims=True" if is_kept else "")
        after = f", {where}" if where else ""
        if op in METHODS and not self.in_one_line and self.chance(30):
            return Term(f"{source.tight()}.{op}({where})", axes, source.uses)
        if op == "norm":
            function = self.choice(("norm", "np.linalg.norm"))
            order = ", ord=1" if function != "norm" and place is not None and self.chance(15) else ""
            if len(source.axes) < 3 or place is not None:
                return call(f"{function}({{}}{order}{after})", source, axes=axes)
            op = "root"
        if op == "root":
            return Term(f"np.sqrt(np.sum({source.tight()} ** 2{after}))", axes, source.uses)
        ddof = ", ddof=1" if op in ("var", "std") and self.chance(15) else ""
        return call(f"{'' if op == 'logsumexp' else 'np.'}{op}({{}}{after}{ddof})", source, axes=axes)

    def _normalised(self, axes: Axes, depth: int) -> Term | None:
        """A softmax, or something centred, scaled, or shifted along an axis."""
        if ONE in axes or not axes:
            return None
        place = self.chosen.randint(0, len(axes) - 1)
        source = self.real(axes, depth)
        if self.chance(50):
            form = self.choice(("softmax", "log_softmax"))
            return call(f"{form}({{}}, axis={place - len(axes) if self.chance(20) else place})", source, axes=axes)
        x = self.bind(source)
        along = f"axis={place}, keepdims=True"
        own, bare = x.tight(), x.text
        form = self.choice(
            (
                f"{own} - np.mean({bare}, {along})",
                f"{own} - logsumexp({bare}, {along})",
                f"{own} - np.log(np.sum(np.exp({bare}), {along}))",
                f"{own} - np.max({bare}, {along})",
                f"{own} / norm({bare}, {along})",
                f"({own} - np.mean({bare}, {along})) / (np.std({bare}, {along}) + 0.1)",
                f"({own} - np.mean({bare}, {along})) / np.sqrt(np.var({bare}, {along}) + 0.01)",
                f"np.exp({bare}) / np.sum(np.exp({bare}), {along})",
                f"{own} / np.sum(np.abs({bare}), {along})",
                f"{own} - np.mean({bare}, axis=0)",
            )
        )
        return Term(form, axes, x.uses, PRODUCT - (" - " in form and not form.startswith("(")))

    def _product(self, axes: Axes, depth: int) -> Term | None:
        """Products of matrices and vectors."""
        if ONE in axes or len(axes) > 2:
            return None
        inner = self.choice(self.axes)
        left = self.real((*axes[:1], inner) if len(axes) == 2 or self.chance(50) else (inner,), depth)
        if len(axes) == 1 and len(left.axes) == 1:
            return binary("@", left, self.real((inner, *axes), depth), axes)
        if not axes:
            left = left if len(left.axes) == 1 else self.real((inner,), depth)
        if len(axes) == 2 and self.chance(25):
            middle = self.choice(self.axes)
            left = binary("@", left, self._simple((inner, middle)), (axes[0], middle))
            inner = middle
        right = self.real((inner, *axes[1:]) if len(axes) == 2 else (inner,), depth)
        return binary("@", left, right, axes)

    def _outer(self, axes: Axes, depth: int) -> Term | None:
        if len(axes) != 2 or ONE in axes:
            return None
        u, v = self.real(axes[:1], depth), self.real(axes[1:], depth)
        if self.chance(50):
            return call("np.outer({}, {})", u, v, axes=axes)
        operator = self.choice("*-+")
        return binary(operator, subscripted(u, ":, None", (axes[0], ONE)), subscripted(v, "None, :", (ONE, axes[1])))

    def _einsum(self, axes: Axes, depth: int) -> Term | None:
        """A sum over products with letters: bilinear forms, traces, batches of inner products."""
        patterns = ("ij,jk->ik", "ij,ij->i", "ij,j->i", "ij,ik->jk", "i,ij,j->", "ij,jk,kl->il", "ij,jk,ik->i")
        patterns += ("ij,ij->", "i,j->ij", "ii->", "ij,i->j", "ij,kj->ki", "i,ij->i", "ii->i", "ij->ji", "ij,j->")
        fits = [p for p in patterns if len(p.partition("->")[2]) == len(axes)]
        if not fits or ONE in axes:
            return None
        pattern = self.choice(fits)
        words, _, out = pattern.partition("->")
        over = dict(zip(out, axes, strict=True))
        parts = []
        for word in words.split(","):
            for letter in word:
                over.setdefault(letter, self.choice(self.axes))
            parts.append(self.real(tuple(over[letter] for letter in word), min(depth, 1)))
        text = f"np.einsum('{pattern}', {', '.join(part.text for part in parts)})"
        return Term(text, axes, union(*parts))

    def _square(self, axes: Axes, depth: int) -> Term | None:
        """Traces, diagonals, the identity matrix."""
        if ONE in axes or len(axes) > 2:
            return None
        if not axes:
            axis = self.choice(self.axes)
            return call("np.trace({})", self.real((axis, axis), depth), axes=())
        if len(axes) == 1:
            return call("np.diag({})", self.real(axes * 2, depth), axes=axes)
        if axes[0] != axes[1]:
            return None
        size = self.size(axes[0])
        if size is not None and self.chance(50):
            unit = Term(f"eye({size})", axes)
            unit = unit if self.chance(50) else binary("*", number("0.1"), unit)
            return binary(self.choice("+-"), self.real(axes, depth), unit)
        return call("np.diag({})", self.real(axes[:1], depth), axes=axes)

    def _labelled(self, axes: Axes, depth: int) -> Term | None:
        """Entries at labels, and sums against one-hot rows and distributions."""
        if len(axes) != 1 or ONE in axes:
            return None
        others = [axis for axis in self.axes if axis != axes[0]]
        rows = (axes[0], self.choice(others))
        if self.chance(35):
            logs = self._log_probabilities(rows, depth)
            return Term(f"np.sum({binary('*', self.targets(rows), logs).text}, axis=1)", axes, logs.uses)
        if self.chance(20):
            weights = self.real(rows[1:], 0)
            return subscripted(weights, self.labels(rows), axes)
        source = self.positive(rows, depth) if self.chance(50) else self._log_probabilities(rows, depth)
        y = self.labels(rows)
        if self.size(rows[1]) is None:
            return None
        if self.in_one_line or self.chance(15):
            picked = binary("*", Term(f"one_hot({y}, {self.size(rows[1])})", rows), source)
            return call("np.sum({}, axis=1)", picked, axes=axes)
        return subscripted(source, f"np.arange(len({y})), {y}", axes)

    def _log_probabilities(self, axes: Axes, depth: int) -> Term:
        z = self.real(axes, depth)
        return call(self.choice(("log_softmax({}, axis=1)", "np.log(softmax({}, axis=1))")), z, axes=axes)

    def _turned(self, axes: Axes, depth: int) -> Term | None:
        if len(axes) != 2 or ONE in axes:
            return None
        inner = self.real(axes[::-1], depth)
        return call("np.transpose({})", inner, axes=axes) if self.chance(20) else transposed(inner)

    def _sized(self, axes: Axes, depth: int) -> Term | None:
        """A term multiplied or divided by the size of an axis."""
        size = self.size(self.choice(self.axes))
        if size is None:
            return None
        shown = f"np.sqrt({size})" if self.chance(25) else size
        return binary(self.choice("*//"), self.real(axes, depth), Term(shown))

    # --- positive values ----------------------------------------------------------------------------------------

    def _made_positive(self, axes: Axes, depth: int) -> Term:
        """A positive function of any term."""
        x = self.real(axes, depth)
        if self.chance(60):
            forms = ("np.exp({})", "softplus({})", "sigmoid({})", "np.exp({}) + 1", "1 + np.exp({})", "1 + np.abs({})")
            form = self.choice((*forms, "np.maximum({}, 0.1)", "np.clip({}, 0.05, 0.95)", "np.cosh({})"))
            made = call(form, x, axes=axes)
        else:
            made = Term(f"{x.tight()} ** 2 + {self.choice(('1', '0.1', '1e-3'))}", axes, x.uses)
        return Term(made.text, axes, made.uses, 0 if " + " in made.text else made.level)

    def _probabilities(self, axes: Axes, depth: int) -> Term | None:
        if not axes or ONE in axes:
            return None
        place = self.chosen.randint(0, len(axes) - 1)
        made = call(f"softmax({{}}, axis={place})", self.real(axes, depth), axes=axes)
        return binary("-", number("1"), made) if self.chance(15) else made

    def _of_positives(self, axes: Axes, depth: int) -> Term:
        left, right = self.positive(axes, depth), self.positive(self.fitting(axes), depth)
        return binary(self.choice("+*/"), left, right)

    def _positive_reduction(self, axes: Axes, depth: int) -> Term | None:
        if ONE in axes or len(axes) > 1:
            return None
        inner = (*axes, self.choice(self.axes))
        if len(set(inner)) < len(inner):
            return None
        op = self.choice(("np.sum", "np.mean", "np.max", "np.min"))
        return call(f"{op}({{}}, axis={len(axes)})", self.positive(inner, depth), axes=axes)

    def _spread(self, axes: Axes, depth: int) -> Term | None:
        """A variance or a norm, plus a term."""
        if ONE in axes or len(axes) > 1:
            return None
        inner = self.real((self.choice(self.axes), *axes), depth)
        form = self.choice(("np.var({}, axis=0) + 0.1", "1 + norm({}, axis=0)", "np.sum(np.square({}), axis=0) + 0.5"))
        return Term(form.format(inner.text), axes, inner.uses, 0)

    # --- the parts of a loss ------------------------------------------------------------------------------------

    def _some_axes(self) -> Axes:
        """Axes to reduce: those of a matrix, of a vector, rarely of three dimensions."""
        return tuple(self.chosen.sample(self.axes, min(len(self.axes), self.weighted({2: 10, 1: 5, 3: 1}))))


Production = Callable[[Grammar, Axes, int], Term | None]
REAL: dict[Production, int] = {
    Grammar._smooth: 9,
    Grammar._kinked: 4,
    Grammar._of_positive: 6,
    Grammar._arithmetic: 12,
    Grammar._extreme: 4,
    Grammar._huber: 1,
    Grammar._reduced: 8,
    Grammar._normalised: 8,
    Grammar._product: 9,
    Grammar._outer: 2,
    Grammar._einsum: 3,
    Grammar._square: 2,
    Grammar._labelled: 4,
    Grammar._turned: 2,
    Grammar._sized: 1,
}
"""Productions for any axes, with weights."""
POSITIVE: dict[Production, int] = {
    Grammar._made_positive: 6,
    Grammar._probabilities: 4,
    Grammar._of_positives: 3,
    Grammar._positive_reduction: 3,
    Grammar._spread: 2,
}
"""Productions for positive terms, with weights."""
