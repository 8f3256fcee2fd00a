"""From where on a query counts as unlike those that a lift was trained on."""

from __future__ import annotations

import torch

from graphlift.lifted import LiftedIndex
from graphlift.search.familiarity import UNCHECKED

QUANTILES = (0.8, 0.5, 0.2, 0.05)
"""So many of the training queries are looked at twice, those that have no other one near; tried in this order."""
FALSE_ALARMS = 0.01
"""Of the training queries, each judged by the others, so many may be taken for strangers."""
SAMPLED = 1000


@torch.inference_mode()
def set_familiarity_bounds(lifted: LiftedIndex) -> None:
    """Set the bounds beyond which a query is strange, so that almost no training query is.

    Where documents that answered are rare among all, even what was trained on looks strange; then every query counts
    as familiar.
    """
    memory, bounds = lifted.memory, lifted.model.familiarity_bounds
    own = torch.arange(len(memory))
    if len(own) > SAMPLED:
        own = torch.randperm(len(own), generator=torch.Generator().manual_seed(0))[:SAMPLED].sort().values
    queries = memory.queries[own]
    near = lifted.nearest_past(queries, lifted.lift_queries(queries), own)[0].amax(dim=1)
    rows = lifted.walk_frozen(queries)
    of_others = lifted.space.answered.times(rows) - memory.holds(own.unsqueeze(1), rows).float()
    num_warm = (of_others > 0).sum(dim=1)
    bounds.copy_(torch.tensor(UNCHECKED))
    for quantile in QUANTILES:
        nearest = float(near.quantile(quantile))
        allowed = int(FALSE_ALARMS * len(own))
        few = num_warm[near < nearest].sort().values
        if len(few) > allowed and few[allowed] > 0:  # all but the allowed ones have more
            bounds.copy_(torch.tensor([nearest, float(few[allowed] - 1)]))
            return
