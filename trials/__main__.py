"""``python -m trials NAME [OPTIONS]`` runs one trial; ``python -m trials NAME --help`` lists its options."""

from __future__ import annotations

import sys
from importlib import import_module

TRIALS = {
    "fuzz": "trials.fuzz",
    "expressions": "trials.expressions",
    "corrupted": "trials.corrupted",
    "mutation": "trials.mutation",
    "diagnosis": "trials.diagnosis",
    "determinism": "trials.determinism",
    "extremes": "trials.extremes",
}
"""Name -> module with a function ``main(arguments)`` that runs, prints, and writes its page."""


def main(arguments: list[str]) -> int:
    """Run the trial named by the first argument, with the other arguments."""
    if not arguments or arguments[0] not in TRIALS:
        print(f"usage: python -m trials NAME [OPTIONS], with NAME one of {', '.join(TRIALS)}", file=sys.stderr)
        return 2
    return int(import_module(TRIALS[arguments[0]]).main(arguments[1:]) or 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
