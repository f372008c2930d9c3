"""Trials: what tries to catch symgrad out, run at length.  Each writes a page of ``docs/trials``: how far it got."""
