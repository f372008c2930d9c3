"""The public interface: ``derive`` and the ``Derivation`` that it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from symgrad.array.loss import Loss, Traced
from symgrad.documents import Documents
from symgrad.engine.derive import derive_record
from symgrad.equations import Assumption
from symgrad.errors import InputError, SymgradError, UnsupportedError, nested
from symgrad.losses import CATALOGUE, ready_made
from symgrad.program import Program
from symgrad.results import ClosedForm, Jacobian, closed_form_words, tangent_program
from symgrad.steps import Step

if TYPE_CHECKING:
    from symgrad.explicit import Explicit

# Methods import what only they need (LaTeX, MathML, generated code, explicit matrices): importing everything here would
# take a third longer to print a derivation.


def derive(
    loss: str | Program | Loss,
    wrt: Sequence[str] | None = None,
    *,
    assume: Sequence[Assumption] | None = None,
    **parameters: object,
) -> Derivation:
    """Derive the gradient of ``loss`` with respect to the arrays in ``wrt``, line by line.

    ``loss`` is a catalogue name (see ``symgrad.LOSSES``), a function decorated with ``symgrad.loss``, or a
    ``Program``.  ``parameters`` are passed to the function: ``reduction="sum"``; ``gamma=2`` fixes a scalar input.
    ``wrt`` defaults to the loss's own, or ("W", "b") for a program.  ``assume`` replaces the program's assumptions;
    ``assume=()`` gives the general result.

    Raises ``InputError`` for an unknown loss, parameter or array, ``ProgramError`` for ill-formed equations, and
    ``UnsupportedError`` for an expression without a derivative.  Errors in your own loss point at its line.
    """
    source = ready_made(loss) if isinstance(loss, str) else loss
    if not isinstance(source, (Loss, Program)):
        instead = ": declare it with @symgrad.loss(shapes=...)" if callable(source) else ""
        raise InputError(f"expected a catalogue name, a @symgrad.loss function, or a Program, got {source!r}{instead}")
    if wrt is not None and not isinstance(wrt, Iterable):
        raise InputError(f"wrt must name arrays, such as 'W' or ['W', 'b'], got {type(wrt).__name__}")
    traced = None
    if isinstance(source, Loss):
        traced = _traced(source, parameters)
        program = traced.program
    else:
        program = source
        if parameters:
            raise InputError(f"{program.name}: a Program takes no parameters, got {', '.join(parameters)}")
    if assume is not None and not all(isinstance(a, Assumption) for a in assume):
        raise InputError(
            f"{program.name}: assume must be a list of assumptions such as rows_sum_to_one(Y), or () for none"
        )
    if assume is not None:
        program = replace(program, assumptions=tuple(assume), facts=())  # facts may need the others
    if wrt is None:
        wrt = source.wrt if isinstance(source, Loss) else ("W", "b")
    try:
        return Derivation(derive_record(program, (wrt,) if isinstance(wrt, str) else tuple(wrt)))
    except UnsupportedError as error:
        raise traced.pointing(error, error.equation) if traced and error.equation else error from None


def _loops() -> ModuleType:
    """Import the module that writes loops, which needs numba."""
    try:
        from symgrad.codegen import loop_module
    except ImportError as error:
        needed = "python -m pip install 'symgrad[numba]'"
        raise UnsupportedError(f"the target numba needs numba and scipy ({error}): {needed}") from None
    return loop_module


def _traced(loss: Loss, parameters: Mapping[str, object]) -> Traced:
    """Trace a loss; errors in the catalogue omit the source line, since it is not the user's."""
    try:
        return loss.trace(parameters)
    except SymgradError as error:
        if loss is not CATALOGUE.get(loss.name):
            raise
        words = str(error).splitlines()[0]
        raise type(error)(words if words.startswith(loss.name) else f"{loss.name}: {words}") from None


class Derivation(Documents):
    """A derivation: its lines, closed forms and proof, and the documents and code made from them."""

    @property
    def gradients(self) -> dict[str, ClosedForm]:
        """The closed forms, by the name of the array."""
        return {
            name: ClosedForm(g.array, g.entry, g.index, g.matrix, self.record)
            for name, g in self.record.gradients.items()
        }

    @property
    def assumptions(self) -> dict[Assumption, tuple[Step, ...]]:
        """Each assumption of the program, with the lines that use it."""
        return {a: tuple(s for s in self.steps if s.assumption == a) for a in self.program.assumptions}

    @nested("a line of the derivation")
    def explicit(self, *, y: Sequence[int] | None = None, **sizes: int) -> Explicit:
        """The derivation at one size, ``explicit(N=2, D=4, C=3)``, as SymPy matrices.

        ``y`` are zero-based labels.  Raises ``InputError`` for a size that is missing, unknown or less than one.
        """
        from symgrad.explicit import explicit

        return explicit(self.record, sizes, y, self._refuse)

    @nested("a line of the derivation")
    def to_numpy(self, *, check: bool = True) -> Callable[..., Any]:
        """Return a NumPy function ``f`` for arrays of any size: ``loss, grads = f(X, W, b, Y)``.

        ``f`` takes the inputs of the program in order; ``grads.W`` has the shape of ``W``.  N integers may replace
        N rows of labels.  ``f`` computes in the float type of its inputs (float32 for float16), and raises
        ``ValueError`` for an input with a wrong shape, or that violates an assumption.

        For a layer, it returns the two functions ``O, saved = f.forward(X, W)`` and ``grads = f.backward(saved, dO)``;
        several outputs are a tuple, and each has an upstream gradient.  Called with all of these arrays, ``f`` returns
        the sum of the products of outputs and upstream gradients, and ``grads``.

        This proves every line first (``to_source`` also proves the assignments); ``check=False`` skips the proof.
        Raises ``RefutedError`` for a wrong line; warns with ``UndefinedWarning`` of a line undefined somewhere.
        """
        from symgrad.codegen import compile_source

        if check:
            self._refuse()
        return compile_source(self._source, self.function_name)

    @nested("a line of the derivation")
    def to_source(
        self, name: str = "", *, target: str = "numpy", sizes: Mapping[str, int] | None = None, check: bool = True
    ) -> str:
        """Return the source of a module with the function of ``to_numpy``, or those of a layer; it needs only NumPy.

        ``target="scalar"`` with ``sizes={"N": 2, "D": 4, "C": 3}`` gives plain Python, unrolled for these sizes.
        ``target="numba"`` gives the function of ``to_numba``, which needs numba and scipy.  ``check`` is as in
        ``to_numpy``; the docstring of the module names unproved lines.  Raises ``InputError`` for an unknown target
        or sizes that do not fit it.
        """
        from symgrad.codegen import to_source

        if target == "numba" and sizes:
            raise InputError("sizes (--shape) work only with the target scalar")
        if name and self.program.upstream:
            raise InputError("the functions of a layer are called forward and backward: leave name out")
        self._refuse_layer(target)
        remarks = self._refuse(target) if check else ()
        words = (*self.closed_form_words(), *(["", *remarks] if remarks else []))
        if target == "numba":
            source: str = _loops().loop_source(self.record, name or self.function_name, words)
            return source
        return to_source(self.record, name or self.function_name, words, target=target, sizes=sizes)

    @nested("a line of the derivation")
    def to_numba(self, *, check: bool = True) -> Callable[..., Any]:
        """Return the function of ``to_numpy`` as loops compiled by numba, for float32 and float64.

        It allocates no array as large as the data, and uses threads for large inputs; the same number of threads
        gives identical bits.  The first call for each input type compiles for seconds; the result is cached on disk.
        If large matrix products dominate (attention, a thousand classes), ``to_numpy`` is as fast or faster.
        ``check`` and errors are as in ``to_numpy``; raises ``UnsupportedError`` without numba.
        """
        self._refuse_layer("numba")
        if check:
            self._refuse()
        function: Callable[..., Any] = _loops().to_numba(self.record)
        return function

    def _refuse_layer(self, target: str) -> None:
        if self.program.upstream and target in ("scalar", "numba"):
            raise InputError(f"{self.program.name} is a layer: the target {target} writes losses; use numpy")

    @nested("a line of the derivation")
    def jvp(self) -> Derivation:
        """The derivation of a layer's Jacobian-vector product: how its outputs change with the arrays of ``wrt``.

        The gradients that the layer passes back are linear in its upstream gradients.  So the derivative of the sum of
        their products with tangents, Ẋ for X, with respect to the upstream gradient dO is the product of the Jacobian
        of O with the tangents: ``derive(layer).jvp().gradients["dO"]``.  Raises ``InputError`` for a loss.
        """
        program, _ = tangent_program(self.record, self.record.wrt)
        return Derivation(derive_record(program, [gradient for _, gradient in self.program.upstream]))

    @nested("a line of the derivation")
    def jacobian(self, wrt: str, output: str = "") -> Jacobian:
        """The Jacobian of a layer's output with respect to an array of ``wrt``, with free indices, and its mark.

        ``output`` is needed if there are several.  Raises ``InputError`` for a loss, or an unknown output or array.
        """
        program, gradients = tangent_program(self.record, [wrt])
        upstream = dict(self.program.upstream)
        output = output or (next(iter(upstream)) if len(upstream) == 1 else "")
        if output not in upstream:
            raise InputError(f"{self.program.name} has no output {output!r}: expected one of {', '.join(upstream)}")
        return Jacobian.find(derive_record(program, [upstream[output]]), gradients[wrt], (output, wrt), self.prove())

    def closed_form_words(self) -> tuple[str, ...]:
        """The closed forms as text, one line each."""
        return tuple(closed_form_words(self.record, name) for name in self.record.gradients)

    def __repr__(self) -> str:
        return f"<derivation of {self.program.name}: {len(self.steps)} lines; {'; '.join(self.closed_form_words())}>"
