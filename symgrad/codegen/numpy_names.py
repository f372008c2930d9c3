"""What SymPy's functions are called in NumPy, and in Python for numbers made of sizes alone; names that are in use."""

from __future__ import annotations

import sympy

from symgrad.codegen.kernels import logaddexp, sigmoid

ARRAY_FUNCTIONS: dict[type[sympy.Function], str] = {
    sympy.Abs: "np.abs",
    sympy.Max: "np.maximum",
    sympy.Min: "np.minimum",
    sympy.acos: "np.arccos",
    sympy.asin: "np.arcsin",
    sympy.asinh: "np.arcsinh",
    sympy.atan: "np.arctan",
    sympy.cos: "np.cos",
    sympy.cosh: "np.cosh",
    sympy.exp: "np.exp",
    sympy.log: "np.log",
    logaddexp: "np.logaddexp",
    sigmoid: "_sigmoid",
    sympy.sign: "np.sign",
    sympy.sin: "np.sin",
    sympy.sinh: "np.sinh",
    sympy.tan: "np.tan",
    sympy.tanh: "np.tanh",
}
NUMBER_FUNCTIONS = {sympy.exp: "math.exp", sympy.log: "math.log", sympy.tanh: "math.tanh", sympy.Abs: "abs"}

# Names that mean something else in a generated module.
RESERVED = {
    "np",
    "os",
    "math",
    "dtype",
    "gap",
    "rows",
    "block",
    "start",
    "Gradients",
    "NamedTuple",
    "ThreadPoolExecutor",
}
