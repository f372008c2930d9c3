"""Records as Python: source of standalone modules that need numpy alone, and callables made from it."""

from symgrad.codegen.source import compile_source, to_numpy, to_source

__all__ = ["compile_source", "to_numpy", "to_source"]
