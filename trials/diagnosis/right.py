"""Right gradients: refactored, reordered, in other precisions and containers, all different."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from trials.diagnosis.corpus import Arrays, Candidate
from trials.diagnosis.right_families import CLASSIFIERS, Family, Gradient
from trials.diagnosis.right_models import MODELS
from trials.diagnosis.right_parts import PRECISION, RETURNED, Part, Parts

COUNT = 1000
FAMILIES = (*CLASSIFIERS, *MODELS)


@dataclass(frozen=True)
class Right:
    """A right gradient of a loss; ``recipe`` names the implementation of each step.

    A ``naive`` gradient is right at ordinary inputs, but overflows or divides 0 by 0 at logits above 700 (88 in
    float32).  A ``single`` gradient computes in float32.
    """

    loss: str
    recipe: Mapping[str, str]
    candidate: Candidate

    @property
    def id(self) -> str:
        """The loss and the recipe."""
        return f"{self.loss}: {', '.join(f'{step} {way}' for step, way in self.recipe.items())}"

    @property
    def naive(self) -> bool:
        """Whether a step is naive."""
        return any(way.startswith("naive") for way in self.recipe.values())

    @property
    def single(self) -> bool:
        """Whether it computes in float32."""
        return self.recipe["precision"] == "single"


def variants(count: int = COUNT, seed: int = 0) -> tuple[Right, ...]:
    """``count`` different right gradients, determined by the seed."""
    rng = np.random.default_rng(seed)
    chosen: list[Right] = []
    for place, family in enumerate(FAMILIES):
        last = place == len(FAMILIES) - 1
        wanted = count - len(chosen) if last else round(family.share * count)
        chosen += _of_family(family, wanted, rng)
    return tuple(chosen)


def _of_family(family: Family, count: int, rng: np.random.Generator) -> list[Right]:
    steps: dict[str, Parts] = {**family.steps, "precision": PRECISION, "returned": RETURNED}
    sizes = [len(ways) for ways in steps.values()]
    made = []
    for number in rng.choice(prod(sizes), size=count, replace=False):
        places = np.unravel_index(number, sizes)
        recipe = {step: list(ways)[place] for (step, ways), place in zip(steps.items(), places, strict=True)}
        parts = {step: steps[step][way] for step, way in recipe.items()}
        made.append(Right(family.loss, recipe, _candidate(family.build(parts), parts)))
    return made


def _candidate(gradient: Gradient, parts: Mapping[str, Part]) -> Candidate:
    def candidate(*inputs: Arrays) -> Arrays:
        found = parts["returned"](gradient(*parts["precision"](inputs)))
        return found if len(found) > 1 else found[0]

    return candidate
