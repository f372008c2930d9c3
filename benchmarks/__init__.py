"""Benchmarks: how long symgrad and its rivals take, measured in one run so that ratios can be trusted.

``python -m benchmarks`` runs them all, ``python -m benchmarks derivations`` one.  They assert nothing: a table shows
what was measured and, where the project has set itself a bound, that bound.
"""
