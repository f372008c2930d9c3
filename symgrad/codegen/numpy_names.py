"""What SymPy's functions are called in NumPy, and in Python for numbers made of sizes alone; names that are in use."""

from __future__ import annotations

import sympy

from symgrad.codegen.kernels import expm1, log1p, logaddexp, sigmoid
from symgrad.functions import MEANINGS, absolute, signum, step, where

# Calls, with {} for each argument.
ARRAY_FUNCTIONS: dict[type[sympy.Function], str] = {
    **{function: meaning.numpy for function, meaning in MEANINGS.items()},
    sympy.Abs: MEANINGS[absolute].numpy,  # SymPy takes squares out of roots whenever it meets them
    expm1: "np.expm1({})",
    log1p: "np.log1p({})",
    logaddexp: "np.logaddexp({}, {})",
    sigmoid: "_sigmoid({})",
}
NUMBER_FUNCTIONS: dict[type[sympy.Function], str] = {
    function: meaning.python for function, meaning in MEANINGS.items() if not meaning.python.startswith("_")
} | {
    step: "float(({0} > 0) + {1} * ({0} == 0))",
    signum: "float(({0} > 0) - ({0} < 0))",
    where: "({1} if {0} else {2})",
}

# What the lines around and of a generated function call: no array can have such a name there.
RESERVED = {"np", "math", "Gradients", "type", "float", "max", "min", "abs", "map", "range"}
