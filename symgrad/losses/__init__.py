"""The catalogue of losses, written in the language of ``symgrad.array``; each docstring cites its source.

``LOSSES`` maps names to losses.
"""

from __future__ import annotations

from difflib import get_close_matches

from symgrad.array.loss import Loss
from symgrad.errors import InputError
from symgrad.losses import classification, contrastive, models, regression

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for module in (classification, regression, contrastive, models)
    for loss in vars(module).values()
    if isinstance(loss, Loss)
}


def ready_made(name: str) -> Loss:
    """The loss of the catalogue with this name.  Raises ``InputError``, with the nearest name, if there is none."""
    if name not in LOSSES:
        prefixed = [known for known in LOSSES if name and known.startswith(name)]
        close = prefixed or get_close_matches(name, LOSSES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known losses: {', '.join(LOSSES)}"
        raise InputError(f"unknown loss {name!r}: {hint}")
    return LOSSES[name]
