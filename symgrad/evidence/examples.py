"""The losses of published examples that the catalogue does not have, in the one-line language:
``data/published_losses.json``.  Their sources are in ``data/published.json``.

``v`` weighs the terms of a sum: the gradient with respect to it is the array of the terms, as a page prints it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

from symgrad.array.expression import parse
from symgrad.array.loss import Loss


def _loss(entry: Mapping[str, str]) -> Loss:
    parsed = parse(entry["loss"], entry["shapes"], entry["wrt"])
    return Loss(parsed.function, parsed.shapes, parsed.wrt, entry["name"], entry["summary"])


EXAMPLES: dict[str, Loss] = {
    entry["name"]: _loss(entry)
    for entry in json.loads((files("symgrad") / "data" / "published_losses.json").read_text(encoding="utf-8"))
}
