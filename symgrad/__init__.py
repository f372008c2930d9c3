"""symgrad derives the gradient of a loss line by line, in index and matrix notation, and proves each line."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from symgrad.api import Derivation, derive
from symgrad.array.layer import Layer, layer
from symgrad.array.loss import Loss, loss
from symgrad.equations import Assumption, abbreviation, in_domain, node, one_hot, rows_sum_to_one, symmetric
from symgrad.errors import InputError, ProgramError, RefutedError, SymgradError, UndefinedWarning, UnsupportedError
from symgrad.evidence.input_search import find_witness
from symgrad.evidence.published import read_published
from symgrad.gradcheck import check_grad
from symgrad.losses import LAYERS, LOSSES
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.render import stylesheet
from symgrad.results import ClosedForm, Evaluation, Proof
from symgrad.version import VERSION

if TYPE_CHECKING:
    from symgrad.diagnosis import Diagnosis, diagnose

__version__ = VERSION

__all__ = [
    "LAYERS",
    "LOSSES",
    "Array",
    "Assumption",
    "Axis",
    "ClosedForm",
    "Derivation",
    "Diagnosis",
    "Evaluation",
    "InputError",
    "Layer",
    "Loss",
    "Program",
    "ProgramError",
    "Proof",
    "RefutedError",
    "SymgradError",
    "UndefinedWarning",
    "UnsupportedError",
    "abbreviation",
    "check_grad",
    "derive",
    "diagnose",
    "find_witness",
    "in_domain",
    "layer",
    "loss",
    "node",
    "one_hot",
    "read_published",
    "rows_sum_to_one",
    "stylesheet",
    "symmetric",
]


def __getattr__(name: str) -> Any:
    """Import the diagnosis on first use: it needs the code generators, which a derivation does not."""
    if name in ("Diagnosis", "diagnose"):
        return getattr(import_module("symgrad.diagnosis"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
