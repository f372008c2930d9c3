"""Sigmoids, logarithms and exponentials in forms that neither overflow nor lose small numbers.

The logarithm of a product becomes a sum, log(1 + exp(u)) ``logaddexp``, 1/(1 + exp(-u)) ``sigmoid``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Set
from functools import reduce
from typing import NamedTuple

from sympy import Abs, Add, Expr, Function, Indexed, Mul, Pow, S, Sum, cosh, exp, log, tanh
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx
from sympy.utilities.iterables import sift

from symgrad.codegen.plan.schedule import Assignment, array_of, names_outside
from symgrad.functions import MEANINGS, Meaning, absolute, equal, step, where
from symgrad.notation import array_names, bound_indices, indices_of, sum_over
from symgrad.piecewise import is_indicator


class Kernel(NamedTuple):
    """The meaning of a function, and templates of its calls for arrays and for numbers, with {} for each argument."""

    meaning: Callable[..., Expr]
    numpy: str
    python: str


# Functions that SymPy leaves as they are.
NAMES = ("logaddexp", "sigmoid", "log1p", "expm1", "nonzero", "weighted")
logaddexp, sigmoid, log1p, expm1, nonzero, weighted = (
    type(Function)(name, (Function,), {"__module__": __name__}) for name in NAMES
)
KERNELS: dict[type[Function], Kernel] = {
    logaddexp: Kernel(lambda a, b: log(exp(a) + exp(b)), "np.logaddexp({}, {})", "_logaddexp({}, {})"),
    sigmoid: Kernel(lambda u: 1 / (1 + exp(-u)), "_sigmoid({})", "_sigmoid({})"),
    log1p: Kernel(lambda u: log(1 + u), "np.log1p({})", "_log1p({})"),
    expm1: Kernel(lambda u: exp(u) - 1, "np.expm1({})", "_expm1({})"),
    # Of a positive number: 1 where it was rounded to 0.
    nonzero: Kernel(lambda u: u, "_nonzero({})", "_nonzero({})"),
    # Of a weight and a logarithm: 0 where the weight is 0, even if the logarithm is infinite.
    weighted: Kernel(Mul, "_weighted({}, {})", "_weighted({}, {})"),
}
KNOWN: dict[type[Function], Meaning | Kernel] = {**MEANINGS, Abs: MEANINGS[absolute], **KERNELS}
"""All functions of the targets, to emit or to refuse by name; SymPy writes the root of a square as ``Abs``."""


def rebuilt(expr: Basic, change: Callable[[Basic], Expr]) -> Expr:
    """Rebuild ``expr`` from changed parts; entries and indices have none."""
    if isinstance(expr, (Indexed, Idx)) or not expr.args:
        return expr
    if isinstance(expr, Sum):
        return sum_over(change(expr.function), bound_indices(expr))
    return expr.func(*(change(arg) for arg in expr.args))


def distributed(factor: Expr, part: Expr) -> Expr:
    """``factor * part``, with the factor inside: in each term of a bracket, in the body of a sum, or in a weight."""
    if isinstance(part, Add):
        return Add(*(factor * term for term in part.args))
    return part.func(factor * part.args[0], *part.args[1:])


def meant(expr: Basic) -> Expr:
    """Replace the kernels in ``expr`` by their meanings."""
    expanded = rebuilt(expr, meant)
    return KERNELS[expanded.func].meaning(*expanded.args) if expanded.func in KERNELS else expanded


def numbers_chosen(expr: Basic) -> Expr:
    """Write choices between two numbers as arithmetic with the condition, which has the dtype of the inputs."""
    chosen = rebuilt(expr, numbers_chosen)
    if not isinstance(chosen, where) or any(array_names(choice) for choice in chosen.args[1:]):
        return chosen
    condition, yes, no = chosen.args
    is_relation = is_indicator(condition) and not names_outside((equal, step), condition)  # entries may be any number
    return no + (yes - no) * (condition if is_relation else 1 - equal(condition, 0))


def zeros_kept(expr: Basic, nonnegative: Collection[str]) -> Expr:
    """Replace products of arrays and a logarithm, or a sum with one, by ``weighted``: 0 where the weight is 0, even if
    the logarithm is infinite. Sums of such products are split. The inputs ``nonnegative`` are declared nonnegative."""
    if isinstance(expr, Mul):
        terms_of = {f: [term.as_coeff_Mul()[1] for term in Add.make_args(f)] for f in expr.args}
        logs = [f for f, terms in terms_of.items() if any(isinstance(t, log) and array_names(t) for t in terms)]
        weights = [f for f in expr.args if f not in logs and array_names(f)]
        is_one = bool(logs) and isinstance(logs[0], log)
        are_weights = bool(weights) if is_one else any(map(array_of, weights))
        if len(logs) == 1 and are_weights and not any(f.has(Sum) for f in weights):
            rest = [f for f in expr.args if f not in logs and f not in weights]
            known = {f for f in expr.args if array_of(f) in nonnegative}
            large = [f for f in weights if is_one and _is_outweighed(f, logs[0].args[0], known)]
            logarithm = weighted(logs[0], Mul(*large)) if large else logs[0]
            weight = Mul(*(f for f in weights if f not in large))
            return Mul(*rest, logarithm if weight == 1 else weighted(weight, logarithm))
    result = rebuilt(expr, lambda part: zeros_kept(part, nonnegative))
    if isinstance(result, Sum) and isinstance(result.function, Add) and result.has(weighted):
        return Add(*(sum_over(term, bound_indices(result)) for term in result.function.args))
    return result


def _is_outweighed(factor: Expr, argument: Expr, beside: Set[Expr]) -> bool:
    """Whether a factor is a power of 1 - u that is infinite at u = 1, where log(u) vanishes faster. The same holds
    beside another factor that is 0 there, such as g in g (1 - u)^(g - 1)."""
    if not (isinstance(factor, Pow) and factor.base == 1 - argument) or factor.exp.is_nonnegative:
        return False
    return bool((factor.exp + 1).is_positive) or factor.exp + 1 in beside


def without_overflow(expr: Basic) -> Expr:
    """Write quotients of exponentials as sigmoids, or as one exponential where the divisor is another sum."""
    result = rebuilt(_over_exponentials(expr), without_overflow)
    if isinstance(result, Pow):
        if result.exp.could_extract_minus_sign() and (u := _softplus_argument(result.base)) is not None:
            return sigmoid(-u) ** (-result.exp)
        if not result.exp.is_Integer and isinstance(rest := 1 - result.base, sigmoid):
            return sigmoid(-rest.args[0]) ** result.exp  # 1 - sigmoid has no digits left where the sigmoid is 1
    if not isinstance(result, Mul):
        return result
    result = _brackets_opened(_differences_taken_in(_sigmoid_products(result)))
    kernels, others = sift(Mul.make_args(result), lambda f: isinstance(f, exp), binary=True)
    exponents = [kernel.args[0] for kernel in kernels]
    if any(exponent.has(exp) for exponent in exponents):  # in exp(u) exp(-exp(u)), one overflows as the other vanishes
        return Mul(exp(Add(*exponents)), *others)
    return result


def _brackets_opened(expr: Expr) -> Expr:
    """Expand a product of sigmoids and a bracket with exponentials if each term then has its own sigmoid."""
    has_both = expr.has(exp) and expr.has(sigmoid)
    for bracket in (f for f in Mul.make_args(expr) if has_both and isinstance(f, Add) and f.has(exp, sigmoid)):
        opened = Add(*(_sigmoid_products(expr / bracket * term) for term in bracket.args))
        if not opened.has(exp):
            return opened
    return expr


def _differences_taken_in(expr: Expr) -> Expr:
    """Write (exp(u) - 1) * sigmoid(-u), where one factor overflows, as tanh(u/2)."""
    for bracket in (factor for factor in Mul.make_args(expr) if isinstance(factor, Add)):
        for sign in (1, -1):
            kernel = sign * bracket + 1
            small = sigmoid(-kernel.args[0]) if isinstance(kernel, exp) else None
            power = expr.as_powers_dict().get(small, S.Zero)
            if power.is_Integer and power.is_positive:
                return sign * expr / bracket / small * tanh(kernel.args[0] / 2)
    return expr


def _over_exponentials(expr: Basic) -> Expr:
    """Write exp(v)/(exp(a) + exp(b)) as sigmoid(a - b) if v is a, else as exp(v - logaddexp(a, b)); exponentials and
    their divisors are first brought into the same bracket or sum."""
    outside = [f for f in Mul.make_args(expr) if isinstance(f, exp)]
    for part in (f for f in Mul.make_args(expr) if outside and isinstance(f, (Add, Sum, weighted))):
        if any(p.exp.is_negative and exponents_of(p.base) for p in part.atoms(Pow)):
            rest = Mul(*(f for f in expr.args if f not in outside and f != part))
            inside, beside = (rest, S.One) if isinstance(part, Add) else (S.One, rest)
            return beside * distributed(inside * Mul(*outside), part)
    below, exponent, rest = dict[Expr, Expr](), S.Zero, S.One
    for factor in Mul.make_args(expr):
        base, power = factor.as_base_exp()
        if isinstance(factor, exp):
            exponent += factor.args[0]
        elif power.is_Integer and exponents_of(base):
            below[base] = below.get(base, S.Zero) - power
        else:
            rest *= factor
    if not any(power.is_positive for power in below.values()):
        return expr
    bracket = next((f for f in Mul.make_args(rest) if isinstance(f, Add) and f.has(exp)), None)
    if bracket is not None:  # each of its terms is small relative to the divisor
        return distributed(expr / bracket, bracket)
    (base, power), *others = below.items()
    if not others and len(two := exponents_of(base)) == 2:
        for times in range(int(power) + 1):
            if (exponent - times * two[0] - (power - times) * two[1]).expand() == 0:
                u = two[0] - two[1]
                return rest * sigmoid(u) ** times * sigmoid(-u) ** (power - times)
    return rest * exp(exponent - Add(*(power * reduce(logaddexp, exponents_of(base)) for base, power in below.items())))


def exponents_of(expr: Expr) -> list[Expr]:
    """The exponents in a sum of several exponentials, their multiples by positive arrays, and positive numbers. Other
    expressions, and 1 + exp(u), have none."""
    if not isinstance(expr, Add) or _softplus_argument(expr) is not None:
        return []
    exponents: list[Expr] = []
    for term in sorted(expr.args, key=lambda term: term.sort_key()):
        number, rest = term.as_coeff_Mul()
        kernels = [f for f in Mul.make_args(rest) if isinstance(f, exp)]
        others = [f.as_base_exp() for f in Mul.make_args(rest) if f not in kernels and f != 1]
        are_positive = number.is_positive and all(array_of(base) and base.is_positive for base, _ in others)
        if not are_positive or (others and not kernels):
            return []
        logs = (power * log(base) for base, power in [number.as_base_exp(), *others])
        exponents.append(Add(*logs, *(kernel.args[0] for kernel in kernels)))
    return exponents


def _softplus_argument(expr: Expr) -> Expr | None:
    """u if ``expr`` is 1 + exp(u)."""
    rest = expr - 1
    return rest.args[0] if isinstance(expr, Add) and isinstance(rest, exp) else None


def _sigmoid_products(expr: Mul) -> Expr:
    """Write exp(u) * sigmoid(-u) as sigmoid(u), for as many such pairs as there are."""
    for factor in expr.args:
        base, power = factor.as_base_exp()
        if not isinstance(base, sigmoid):
            continue
        u = -base.args[0]
        for kernel in expr.args:
            times = kernel.args[0] / u if isinstance(kernel, exp) else S.Zero
            if times.is_Integer and times > 0 and not (power - times).is_negative:
                rest = Mul(*(f for f in expr.args if f not in (factor, kernel)))
                return rest * sigmoid(u) ** times * sigmoid(-u) ** (power - times)
    return expr


def small_kept(expr: Basic) -> Expr:
    """Write log(1 + u) as log1p(u) and c exp(u) - c as c expm1(u), which are accurate for small u."""
    result = rebuilt(expr, small_kept)
    if isinstance(result, log) and isinstance(result.args[0], Add) and S.One in result.args[0].args:
        return log1p(result.args[0] - 1)
    if isinstance(result, Add):
        for term in result.args:
            for kernel in Mul.make_args(term):
                if isinstance(kernel, exp) and -term / kernel in result.args:
                    rest = (arg for arg in result.args if arg not in (term, -term / kernel))
                    return Add(term / kernel * expm1(kernel.args[0]), *rest)
    return result


def logs_opened(expr: Basic, known: Mapping[str, Assignment]) -> Expr:
    """Write each logarithm of a product of positive factors, exponentials among them, as a sum."""
    if isinstance(expr, log):
        return _opened(expr.args[0], known)
    return rebuilt(expr, lambda part: logs_opened(part, known))


def _opened(argument: Expr, known: Mapping[str, Assignment]) -> Expr:
    """log(argument), without exponentials under the logarithm if it has any."""
    terms: list[Expr] = []
    is_shorter = False
    for factor in Mul.make_args(_resolved(argument, known)):
        base, power = factor.as_base_exp() if not isinstance(factor, exp) else (factor, S.One)
        if isinstance(base, exp):
            terms.append(power * base.args[0])
        elif isinstance(base, cosh):
            terms.append(power * (base.args[0] + logaddexp(0, -2 * base.args[0]) - log(2)))
        elif isinstance(base, sigmoid):
            terms.append(-power * logaddexp(0, -base.args[0]))
        elif (u := _softplus_argument(base)) is not None:
            terms.append(power * logaddexp(0, u))
        elif exponents := exponents_of(base):
            terms.append(power * reduce(logaddexp, exponents))
        elif is_positive(base, known):
            terms.append(power * log(base))
            continue
        else:
            return log(argument)
        is_shorter = True
    return Add(*terms) if is_shorter else log(argument)


def _resolved(expr: Expr, known: Mapping[str, Assignment]) -> Expr:
    """Substitute the arrays that are products of exponentials; 1 - sigmoid(u) becomes sigmoid(-u)."""
    if (name := array_of(expr)) in known:
        definition = known[name]
        rhs = _resolved(definition.at(indices_of(expr)), known)
        return rhs if not definition.over and any(map(_is_exponential, Mul.make_args(rhs))) else expr
    if isinstance(expr, (Mul, Pow)):
        return expr.func(*(_resolved(arg, known) for arg in expr.args))
    if isinstance(expr, Add):
        rest = 1 - Add(*(_resolved(arg, known) for arg in expr.args))
        return sigmoid(-rest.args[0]) if isinstance(rest, sigmoid) else expr
    return expr


def _is_exponential(factor: Expr) -> bool:
    """Whether a factor is an exponential, or a power of a sigmoid or of 1 + exp(u)."""
    base, _ = factor.as_base_exp()
    return isinstance(factor, exp) or isinstance(base, sigmoid) or _softplus_argument(base) is not None


def is_positive(expr: Expr, known: Mapping[str, Assignment]) -> bool:
    """Whether an expression is positive by its structure."""
    if isinstance(expr, (exp, sigmoid)) or expr.is_positive:
        return True
    if name := array_of(expr):
        return name in known and not known[name].over and is_positive(known[name].rhs, known)
    if isinstance(expr, Sum):
        return is_positive(expr.function, known)
    if isinstance(expr, (Add, Mul)):
        return all(is_positive(arg, known) for arg in expr.args)
    return isinstance(expr, Pow) and is_positive(expr.base, known)
