"""References that share no code with symgrad: the user's function, run by NumPy on complex numbers (the complex step
differentiates it), and by jax.

A draft's source runs with the functions of this module in place of NumPy's.  They are analytic (``np.abs`` of a complex
number is its modulus).  For functions with kinks, the real part decides the branch; at a tie they take the derivative
that symgrad documents, and the ``Watch`` records it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import special

from trials.fuzz.syntax import Draft, source

STEP = 1e-100  # far less than any probability that is not 0
NEAR = 1e-7
"""If arguments of a kink differ by less than this, rounding decides the branch."""


MOST_EXPONENT = 30.0
"""The references evaluate the definitions directly; at larger exponents they lose terms added to an exponential, which
the generated code keeps."""


SQUARED = 1e-30
"""Real parts that differ by less count as equal: the square of an imaginary step is real."""


@dataclass
class Watch:
    """Records exact ties at kinks, kinks so close that rounding decides, and roots of negative numbers."""

    tied: bool = False
    near: bool = False
    negative: bool = False

    def gap(self, a: Any, b: Any) -> Any:
        """The difference of the real parts."""
        gap = np.real(a) - np.real(b)
        gap = np.where(np.abs(gap) < SQUARED, 0.0, gap)
        self.tied = self.tied or bool(np.any(gap == 0))
        self.near = self.near or bool(np.any((np.abs(gap) < NEAR) & (gap != 0)))
        return gap


def erf(x: Any) -> Any:
    """The error function to first order in the imaginary part, which is tiny."""
    value = special.erf(np.real(x))
    slope = 2 / np.sqrt(np.pi) * np.exp(-np.square(np.real(x)))
    return value + 1j * np.imag(x) * slope if np.iscomplexobj(x) else value


@dataclass
class Kinks:
    """Functions with kinks, of complex numbers."""

    watch: Watch = field(default_factory=Watch)

    def sqrt(self, x: Any) -> Any:
        """The root, with its special kink at 0."""
        self.watch.near = self.watch.near or bool(np.any(np.abs(x) < NEAR**2))
        return np.sqrt(x)

    def exp(self, x: Any) -> Any:
        """The exponential, where it neither overflows nor vanishes beside others."""
        self.watch.near = self.watch.near or bool(np.any(np.abs(np.real(x)) > MOST_EXPONENT))
        return np.exp(x)

    def log(self, x: Any) -> Any:
        """The logarithm; near 0, as of log p for p = 1 up to rounding, it tells of the rounding alone."""
        self.watch.near = self.watch.near or bool(np.any(np.abs(x) < NEAR))
        return np.log(x)

    def power(self, a: Any, b: Any) -> Any:
        """a to the power b, whose logarithm it is made of: of a negative number it has a value only by chance."""
        self.log(a)
        self.watch.near = self.watch.near or bool(np.any(np.real(a) < 0))
        return a**b

    def root(self, squares: Any) -> Any:
        """The root of a sum of squares; if they are all 0, up to a step, its derivative is 0."""
        size = np.abs(squares)
        self.watch.near = self.watch.near or bool(np.any((size > STEP**1.5) & (size < NEAR**2)))
        return np.where(size > STEP**1.5, np.sqrt(np.asarray(squares, dtype=complex)), 0)

    def reciprocal(self, x: Any) -> Any:
        """1/x, and 0 at 0."""
        is_zero = np.abs(x) <= STEP**0.75
        return np.where(is_zero, 0, 1 / np.where(is_zero, 1, x))

    def step(self, x: Any, at_zero: Any) -> Any:
        """0, ``at_zero`` or 1."""
        gap = self.watch.gap(x, 0)
        return np.where(gap > 0, 1.0, np.where(gap < 0, 0.0, np.real(at_zero)))

    def relu(self, x: Any) -> Any:
        """x where it is positive."""
        return np.where(self.watch.gap(x, 0) > 0, x, 0 * x)

    def absolute(self, x: Any) -> Any:
        """x or -x; at 0 the derivative is 0."""
        return x * np.sign(self.watch.gap(x, 0))

    Abs = absolute

    def signum(self, x: Any) -> Any:
        """-1, 0 or 1."""
        return np.sign(self.watch.gap(x, 0)) + 0.0

    def maximum(self, a: Any, b: Any) -> Any:
        """The larger one, half of each at a tie."""
        gap = self.watch.gap(a, b)
        return np.where(gap > 0, a, np.where(gap < 0, b, (a + b) / 2))

    def minimum(self, a: Any, b: Any) -> Any:
        """The smaller one, half of each at a tie."""
        return -self.maximum(-np.asarray(a), -np.asarray(b))

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        """x between bounds, which belong to it."""
        return np.where(self.watch.gap(high, x) < 0, high, np.where(self.watch.gap(x, low) < 0, low, x))

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """a or b."""
        return np.where(np.real(condition) != 0, a, b)

    def equal(self, a: Any, b: Any) -> Any:
        """1 where a = b."""
        return (self.watch.gap(a, b) == 0) + 0.0

    def selection(self, x: Any, axis: int) -> Any:
        """The largest entries along an axis share 1."""
        largest = np.max(np.real(x), axis=axis, keepdims=True)
        chosen = np.real(x) == largest
        self.watch.tied = self.watch.tied or bool(np.any(chosen.sum(axis=axis) > 1))
        gap = largest - np.real(x)
        self.watch.near = self.watch.near or bool(np.any((gap < NEAR) & (gap != 0)))
        return chosen / chosen.sum(axis=axis, keepdims=True)


PLAIN = [
    *("sum", "mean", "tanh", "sin", "cos", "sinh", "cosh", "arctan", "arcsinh"),
    *("einsum", "trace", "diag", "diagonal", "transpose", "outer", "arange"),
]
"""NumPy functions that are already analytic."""


def numpy_language(kinks: Kinks) -> dict[str, Any]:
    """The functions for a draft's source, on real and complex arrays."""

    def largest(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if axis is None:
            x, axis = np.reshape(x, -1), 0
        chosen = kinks.selection(x, axis)
        return np.sum(chosen * x, axis=axis, keepdims=keepdims)

    def variance(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        centred = x - np.mean(x, axis=axis, keepdims=True)
        return np.mean(centred * centred, axis=axis, keepdims=keepdims)

    def norm(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return kinks.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))

    def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return np.log(np.sum(kinks.exp(x), axis=axis, keepdims=keepdims))

    def log_softmax(x: Any, axis: int) -> Any:
        found = x - logsumexp(x, axis, keepdims=True)
        kinks.watch.near = kinks.watch.near or bool(np.any(np.abs(found) < NEAR**2))  # log 1 up to rounding
        return found

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + kinks.exp(-x))

    def gelu(x: Any) -> Any:
        return x * (1 + erf(x / np.sqrt(2))) / 2

    numpy = SimpleNamespace(
        **{name: getattr(np, name) for name in PLAIN},
        exp=kinks.exp,
        expm1=lambda x: kinks.exp(x) - 1,
        sqrt=kinks.sqrt,
        power=kinks.power,
        log=kinks.log,
        log1p=lambda x: kinks.log(1 + x),
        log2=lambda x: kinks.log(x) / np.log(2),
        abs=kinks.absolute,
        sign=kinks.signum,
        maximum=kinks.maximum,
        minimum=kinks.minimum,
        clip=kinks.clip,
        where=kinks.where,
        greater=lambda a, b: kinks.watch.gap(a, b) > 0,
        less_equal=lambda a, b: kinks.watch.gap(a, b) <= 0,
        max=largest,
        min=lambda x, axis=None, keepdims=False: -largest(-np.asarray(x), axis, keepdims),
        var=variance,
        std=lambda x, axis=None, keepdims=False: kinks.sqrt(variance(x, axis, keepdims)),
        hypot=lambda a, b: kinks.sqrt(a * a + b * b),
        logaddexp=lambda a, b: np.log(kinks.exp(a) + kinks.exp(b)),
    )
    return {
        "np": numpy,
        "norm": norm,
        "logsumexp": logsumexp,
        "log_softmax": log_softmax,
        "softmax": lambda x, axis: np.exp(log_softmax(x, axis)),
        "sigmoid": sigmoid,
        "softplus": lambda x: np.log(1 + kinks.exp(x)),
        "relu": kinks.relu,
        "erf": erf,
        "gelu": gelu,
        "one_hot": lambda y, classes: np.eye(classes)[y],
    }


def jax_language() -> dict[str, Any]:
    """The same functions in jax."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from jax import nn
    from jax import numpy as jnp

    def norm(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return jnp.sqrt(jnp.sum(x * x, axis=axis, keepdims=keepdims))

    return {
        "np": jnp,
        "norm": norm,
        "logsumexp": nn.logsumexp,
        "log_softmax": nn.log_softmax,
        "softmax": nn.softmax,
        "sigmoid": lambda x: nn.sigmoid(1.0 * x),  # jax takes no whole number there
        "softplus": nn.softplus,
        "relu": nn.relu,
        "erf": jax.scipy.special.erf,
        "gelu": lambda x: nn.gelu(x, approximate=False),
        "one_hot": nn.one_hot,
    }


def function(draft: Draft, language: Mapping[str, Any]) -> Callable[..., Any]:
    """The draft as a function of arrays, with the functions of ``numpy_language`` or ``jax_language``."""
    names = dict(language)
    exec(compile(source(draft), "<draft>", "exec"), names)
    made: Callable[..., Any] = names["random_loss"]
    return made


@dataclass(frozen=True)
class Point:
    """Inputs, with the loss and its complex-step gradients."""

    sizes: Mapping[str, int]
    inputs: Mapping[str, Any]
    value: float
    gradients: Mapping[str, np.ndarray]
    tied: bool


def inputs_at(draft: Draft, sizes: Mapping[str, int], rng: np.random.Generator, scale: float) -> dict[str, Any]:
    """Random inputs that satisfy their declarations."""
    found: dict[str, Any] = {}
    for given in draft.inputs:
        shape = tuple(sizes[axis] for axis in given.axes)
        drawn: Any = scale * rng.standard_normal(shape)
        if given.word == "labels":
            drawn = rng.integers(shape[-1], size=shape[:-1])
        elif given.word == "one-hot":
            drawn = np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
        elif given.word == "distribution":
            drawn = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
        elif given.word == "symmetric":
            drawn = drawn + drawn.T
        elif given.word == "positive":
            drawn = np.abs(drawn) + 0.2
        found[given.name] = drawn if given.axes else float(drawn)
    return found


MOST = 1e5
"""Larger losses or gradient entries are not tested: the tolerance would be meaningless."""
SCALES = (1.0, 1.0, 0.6, 1.0, 0.4, 1.5, 0.3, 1.0)


def point(draft: Draft, sizes: Mapping[str, int], rng: np.random.Generator) -> Point | None:
    """A point at which the loss is finite, of moderate size and not near a kink; None if none is found."""
    kinks = Kinks()
    run = function(draft, numpy_language(kinks))
    for scale in SCALES:
        inputs = inputs_at(draft, sizes, rng, scale)
        kinks.watch = Watch()
        with np.errstate(all="ignore"):
            try:
                value = run(**inputs)
            except ZeroDivisionError:  # of numbers that are not arrays
                continue
            if np.iscomplexobj(value) or not np.isfinite(value) or kinks.watch.near or abs(value) > MOST:
                continue
            tied = kinks.watch.tied
            gradients = {name: complex_step(run, inputs, name) for name in draft.wrt if name in inputs}
        if all(np.all(np.isfinite(g)) and np.max(np.abs(g), initial=0) < MOST for g in gradients.values()):
            return Point(sizes, inputs, float(value), gradients, tied)
    return None


def complex_step(run: Callable[..., Any], inputs: Mapping[str, Any], name: str) -> np.ndarray:
    """The gradient with respect to one input."""
    start = np.asarray(inputs[name], dtype=complex)
    found = np.empty(start.shape)
    for place in np.ndindex(*start.shape):
        moved = start.copy()
        moved[place] += 1j * STEP
        found[place] = np.imag(run(**{**inputs, name: moved if start.shape else complex(moved)})) / STEP
    return found


def jax_gradients(draft: Draft, at: Point) -> dict[str, np.ndarray]:
    """The gradients by jax in float64, compiled as a whole, which is four times faster than single operations."""
    import jax

    run = function(draft, jax_language())
    names = list(at.gradients)

    def of(values: tuple[Any, ...]) -> Any:
        return run(**{**at.inputs, **dict(zip(names, values, strict=True))})

    found = jax.jit(jax.grad(of))(tuple(jax.numpy.asarray(at.inputs[name], dtype=float) for name in names))
    return {name: np.asarray(g) for name, g in zip(names, found, strict=True)}
