"""All outputs of a derivation, as text; each process of the campaign runs ``main``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import symgrad
from symgrad import Derivation
from symgrad.array.expression import parse
from symgrad.errors import SymgradError
from trials.corrupted.programs import PROGRAMS
from trials.determinism.symmetric import TEXTS

THREADS = 4
Outputs = dict[str, dict[str, str]]
"""For each derivation, each kind of output as text."""


def derivations() -> Mapping[str, Callable[[], Derivation]]:
    """Functions that make the derivations of the catalogue, tests and trials, by name."""
    sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "support"))
    import programs
    import unseen

    made: dict[str, Callable[[], Derivation]] = {}
    for name in symgrad.LOSSES:
        made[name] = lambda name=name: symgrad.derive(name)
    for origin, written in (("tests", programs.ZOO), ("corrupted", PROGRAMS)):
        for name, (build, wrt) in written.items():
            made[f"{origin}: {name}"] = lambda build=build, wrt=wrt: symgrad.derive(build(), wrt=wrt)
    for name, loss in unseen.LOSSES.items():
        made[f"unseen: {name}"] = lambda loss=loss: symgrad.derive(loss)
    for name, text in TEXTS.items():
        made[f"symmetric: {name}"] = lambda text=text: symgrad.derive(parse(*text))
    return made


def outputs(make: Callable[[], Derivation]) -> dict[str, str]:
    """Each kind of output of one derivation, or the error if it cannot be derived."""
    try:
        derivation = make()
        sizes = {axis.name: 2 for axis in derivation.program.axes}
        return {
            "text": derivation.to_text(code=True),
            "LaTeX": derivation.to_latex(),
            "Markdown": derivation.to_markdown(),
            "HTML": derivation.to_html(),
            "source": derivation.to_source(),
            "unrolled": derivation.to_source(target="scalar", sizes=sizes, check=False),
            **({"loops": derivation.to_source(target="numba", check=False)} if find_spec("numba") else {}),
        }
    except SymgradError as error:
        return {"error": f"{type(error).__name__}: {error}"}


def every(names: Sequence[str], in_threads: bool) -> Outputs:
    """The outputs of the named derivations, made in sequence or in threads."""
    made = derivations()
    if not in_threads:
        return {name: outputs(made[name]) for name in names}
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(names, pool.map(lambda name: outputs(made[name]), names), strict=True))


def main() -> None:
    """Make the derivations that standard input names, and write their outputs."""
    json.dump(every(**json.load(sys.stdin)), sys.stdout)
