"""Benchmarks: times of symgrad and its rivals, measured in the same run, so that their ratios are comparable.

``python -m benchmarks`` runs them all, ``python -m benchmarks derivations`` one.  They assert nothing: a table shows
the measurements, and the project's bound if there is one.
"""
