"""The catalogue of losses and layers, written in the language of ``symgrad.array``; each docstring cites its source.

``LOSSES`` and ``LAYERS`` map names to losses and layers; ``CATALOGUE`` has both.
"""

from __future__ import annotations

from difflib import get_close_matches

from symgrad.array.layer import Layer
from symgrad.array.loss import Loss
from symgrad.errors import InputError
from symgrad.losses import classification, contrastive, generative, layers, models, policies, regression

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for module in (classification, regression, contrastive, generative, policies, models)
    for loss in vars(module).values()
    if isinstance(loss, Loss)
}
LAYERS: dict[str, Layer] = {layer.name: layer for layer in vars(layers).values() if isinstance(layer, Layer)}
CATALOGUE: dict[str, Loss] = {**LOSSES, **LAYERS}


def ready_made(name: str) -> Loss:
    """The loss or layer of the catalogue with this name.  Raises ``InputError``, with the nearest name, if there is
    none."""
    if name not in CATALOGUE:
        prefixed = [known for known in CATALOGUE if name and known.startswith(name)]
        close = prefixed or get_close_matches(name, CATALOGUE, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known losses: {', '.join(CATALOGUE)}"
        raise InputError(f"unknown loss {name!r}: {hint}")
    return CATALOGUE[name]
