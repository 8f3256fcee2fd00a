"""From where on a query counts as unlike those that a lift was trained on."""

from __future__ import annotations

from typing import NamedTuple

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
"""So many training queries of a batch are looked at."""


@torch.inference_mode()
def choose_false_alarms(lifted: LiftedIndex, queries: Memory, batch: Tensor | None = None) -> float:
    """The largest of `FALSE_ALARMS` that held-out queries can afford; 0 where none is, and then nobody is strange.

    The more false alarms are allowed, the more queries of another kind are noticed. ``batch`` as in
    `set_familiarity_bounds`.
    """
    bounds, beam = lifted.model.familiarity_bounds, lifted.beam()
    bounds.copy_(torch.tensor(UNCHECKED))
    loss = torch.from_numpy(ndcg(lifted, queries, beam) - ndcg(lifted.index, queries, beam))
    known = _by_others(lifted, batch)
    for share in FALSE_ALARMS:
        bounds.copy_(_bounds(known, share))
        if float((loss * lifted.is_strange(queries.queries)).mean()) <= PRICE:
            return share
    bounds.copy_(torch.tensor(UNCHECKED))
    return 0.0


@torch.inference_mode()
def set_familiarity_bounds(lifted: LiftedIndex, false_alarms: float, batch: Tensor | None = None) -> None:
    """Set the bounds beyond which a query is strange, so that hardly more than a share of the training queries is.

    Where documents that answered are rare among all, even what was trained on looks strange; then every query counts
    as familiar.

    Args:
        lifted: whose model gets the bounds.
        false_alarms: the share; of a batch at least one query.
        batch: before which fit each query of the memory came, (Q,); all before the first where left out. The share
            holds in every batch: in all of them together, a small corpus with few answers would bear the false alarms
            of large ones with many. So a batch whose queries find no warm documents at all rules bounds out.
    """
    bounds = _bounds(_by_others(lifted, batch), false_alarms) if false_alarms else torch.tensor(UNCHECKED)
    lifted.model.familiarity_bounds.copy_(bounds)


class _ByOthers(NamedTuple):
    """What training queries look like to a lift that was trained on the others.

    Attributes:
        near: similarity to the nearest other one, (n,).
        num_warm: how many documents that others were answered by they find without the lift, (n,).
        batch: before which fit they came, (n,).
    """

    near: Tensor
    num_warm: Tensor
    batch: Tensor


def _bounds(known: _ByOthers, false_alarms: float) -> Tensor:
    """The bounds for a share of false alarms, (2,)."""
    for quantile in QUANTILES:
        nearest = float(known.near.quantile(quantile))
        least = min(
            _least(known.num_warm[batch], known.near[batch] < nearest, false_alarms)
            for batch in (known.batch == number for number in known.batch.unique())
        )
        if 0 < least < torch.inf:
            return torch.tensor([nearest, least - 1])
    return torch.tensor(UNCHECKED)


def _least(num_warm: Tensor, alone: Tensor, share: float) -> float:
    """What the queries of a batch that are looked at have at least, but for a share of the batch."""
    few, allowed = num_warm[alone].sort().values, max(1, int(share * len(num_warm)))
    return float(few[allowed]) if len(few) > allowed else torch.inf


def _by_others(lifted: LiftedIndex, batch: Tensor | None) -> _ByOthers:
    """Training queries, a sample of every batch."""
    memory = lifted.memory
    batch = torch.zeros(len(memory), dtype=torch.int64) if batch is None else batch
    own = torch.cat([some((batch == number).nonzero().flatten(), SAMPLED, seed=0) for number in batch.unique()])
    queries = memory.queries[own]
    near = lifted.nearest_past(queries, lifted.lift_queries(queries), own)[0].amax(dim=1)
    rows = torch.from_numpy(lifted.walk_frozen(queries.numpy()))
    of_others = lifted.space.answered.times(rows) - memory.holds(own.unsqueeze(1), rows).float()
    return _ByOthers(near, (of_others > 0).sum(dim=1), batch[own])
