"""Trials: long-running searches for faults.  Each writes its results to a page in ``docs/trials``."""
