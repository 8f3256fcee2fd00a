"""Between old weights and new ones: as far as the old allow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

SHARES = (1.0, 0.8, 0.6, 0.4, 0.2)
"""How far from the old weights to the new ones is tried."""


def step_back(
    module: nn.Module, old: nn.Module, new_score: Callable[[], float], old_score: Callable[[], float], allowed: float
) -> float:
    """Move weights back towards old ones until old queries do well enough; the best for new ones is taken of these.

    Weights that were trained on from old ones can be mixed with them: what lies between helps new queries a little
    less, and hurts old ones far less.

    Args:
        module: with the new weights; it ends with the mixed ones, and with what is not trained as it was.
        old: the same with the old weights.
        new_score, old_score: of the module as it is, large is good.
        allowed: the least that the old score may be.

    Returns:
        The share of the new weights; 1 where no share is allowed.

    Source: Wortsman et al., Robust fine-tuning of zero-shot models, 2022.

    Example:
        >>> import torch
        >>> new, old = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.ones_(new.weight), nn.init.zeros_(old.weight)
        >>> step_back(new, old, lambda: new.weight.item(), lambda: -new.weight.item(), allowed=-0.7)
        0.6
    """
    before = dict(old.named_parameters())
    learned = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    after = {name: weight.detach().clone() for name, weight in learned.items()}

    @torch.no_grad()
    def mix(share: float) -> None:
        for name, weight in learned.items():
            weight.copy_(before[name].to(weight).lerp(after[name], share))

    found: dict[float, float] = {}
    for share in SHARES:
        mix(share)
        if old_score() >= allowed:
            found[share] = new_score()
    share = max(found, key=lambda tried: found[tried], default=1.0)
    mix(share)
    return share
