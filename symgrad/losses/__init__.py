"""The catalogue: ready-made losses in the language of ``symgrad.array``, a few lines each.

``LOSSES`` maps a name to the loss; the published source of each is in its docstring.
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
    """The loss of the catalogue with this name.  Raises ``InputError``, with the nearest name, where there is none."""
    if name not in LOSSES:
        begun = [known for known in LOSSES if name and known.startswith(name)]
        close = begun or get_close_matches(name, LOSSES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known losses: {', '.join(LOSSES)}"
        raise InputError(f"unknown loss {name!r}: {hint}")
    return LOSSES[name]
