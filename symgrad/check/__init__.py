"""The proof of a derivation: each line is proved by the strongest mechanism that applies to it.

Imports none of the passes, so that it cannot share their mistakes.
"""

from symgrad.check.brute_force import EndToEnd, check_end_to_end
from symgrad.check.marks import Level, Mark, ProofReport
from symgrad.check.proof import prove

__all__ = ["EndToEnd", "Level", "Mark", "ProofReport", "check_end_to_end", "prove"]
