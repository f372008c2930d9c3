"""``python -m benchmarks [NAME ...]``: the benchmarks named, or all of them."""

from __future__ import annotations

import argparse
from importlib import import_module

BENCHMARKS = {
    "derivations": "benchmarks.derivations",
    "functions": "benchmarks.functions",
    "catalogue": "benchmarks.catalogue",
}
"""Name -> module with a function ``main()`` that measures and prints."""


def main() -> None:
    """Run the benchmarks named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and print a table.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)} (default: all)")
    names = parser.parse_args().names
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"unknown benchmark {name!r}: expected one of {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        import_module(BENCHMARKS[name]).main()


if __name__ == "__main__":
    main()
