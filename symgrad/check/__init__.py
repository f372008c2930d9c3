"""The proof of a derivation: each line is proved by the strongest mechanism that applies to it.

Imports none of the passes, so that it cannot share their mistakes.  ``proof`` tries the mechanisms in order; each mark
is decided in one module:

* *definition*: ``obligations.is_definition``
* *every shape*: ``every_shape`` (equal normal forms; ``normal_form`` computes them)
* *every shape, randomised*: ``grid`` (equal on a grid of shapes that decides all shapes)
* *exactly at shapes*: ``numeric.exact``
* *randomised at shapes*, *numerically*, *wrong*: ``at_shapes`` (values modulo primes, and with 50 digits)
* *undefined*, *unproved*: ``definedness``, and lines that nothing else decides
"""

from symgrad.check.brute_force import EndToEnd, check_end_to_end
from symgrad.check.marks import Level, Mark, ProofReport
from symgrad.check.proof import prove

__all__ = ["EndToEnd", "Level", "Mark", "ProofReport", "check_end_to_end", "prove"]
