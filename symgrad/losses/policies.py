"""Losses of policies: of preferences between answers, and of actions with advantages."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.array import sigmoid
from symgrad.array.loss import loss


@loss(
    shapes="u: N, v: N, a: N, b: N, beta: scalar positive",
    wrt="u v",
    axes={"N": "pairs of answers"},
    facts=["du + dv == 0"],
    about=(
        "Each pair of answers is a logistic regression on the difference of their rewards, β times the log-ratios to "
        "the reference. Pairs that the policy ranks wrong count most, and pairs that it ranks right hardly at all."
    ),
)
def dpo(u: Any, v: Any, a: Any, b: Any, beta: Any = 0.5) -> Any:
    """Direct preference optimisation of pairs of answers.

    Rafailov et al., Direct preference optimization, NeurIPS (2023), equation 7; u and v are the log-probabilities of
    the preferred and of the other answer, a and b those under the reference.
    """
    z = beta * ((u - a) - (v - b))
    return -np.mean(np.log(sigmoid(z)))


@loss(
    shapes="u: N, v: N, a: N, eps: scalar positive",
    wrt="u",
    axes={"N": "actions"},
    about=(
        "At the old policy it is the policy gradient, the advantage of each action. An action gets no gradient once "
        "its probability ratio r has left the range from 1 - ε to 1 + ε in the direction that its advantage favours."
    ),
)
def ppo(u: Any, v: Any, a: Any, eps: Any = 0.2) -> Any:
    """Proximal policy optimisation: the clipped objective.

    Schulman et al., Proximal policy optimization algorithms (2017), equation 7, negated; u and v are the
    log-probabilities of the actions under the new and the old policy, a their advantages, and q is the bound of the
    clip that counts.
    """
    r = np.exp(u - v)
    q = np.where(a > 0, 1 + eps, 1 - eps)
    return -np.mean(np.minimum(r * a, q * a))
