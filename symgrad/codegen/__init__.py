"""Records as Python: source of standalone modules that need numpy alone, and callables made from it."""

from symgrad.codegen.evaluation import assignments, evaluation
from symgrad.codegen.numpy_lines import numpy_lines
from symgrad.codegen.targets import compile_source, function_source, to_numpy, to_source

__all__ = ["assignments", "compile_source", "evaluation", "function_source", "numpy_lines", "to_numpy", "to_source"]
