"""Trials: what tries to catch symgrad out, run at length, and how far it got.  Each writes a page of ``docs/trials``."""
