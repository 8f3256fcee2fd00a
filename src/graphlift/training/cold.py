"""How much documents without a record are favoured: as much as held-out queries can afford."""

from __future__ import annotations

import torch

from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.training.gate import ndcg_of_scores

BONUSES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""What is tried, in the unit of scores: in a softmax, a bonus of 1 multiplies the odds of a document by e."""


@torch.inference_mode()
def choose_cold_bonus(lifted: LiftedIndex, queries: Memory, price: float) -> tuple[float, float]:
    """The largest bonus up to which held-out queries pay no more than a price, and what they pay for it.

    A ranker learns that what was an answer before is likelier to be one again, and can bury what nobody has asked for
    yet. Held-out queries mostly ask for what was asked before, so for them a bonus for cold documents only costs.

    Args:
        lifted: with a trained ranker.
        queries: that it was not trained on, (Q, C).
        price: how much mean nDCG@10 may fall; at 0 there is no bonus, as few held-out queries are cold, and what is
            free for them says little.

    Returns:
        Bonus and fall of the mean nDCG@10, which is negative where the bonus helps.
    """
    if price == 0:
        return 0.0, 0.0
    subgraphs = lifted.subgraphs(queries.queries)
    scores = torch.cat([lifted.scores(subgraphs[part], 0.0) for part in torch.arange(len(queries)).split(256)])
    chosen, paid, start = 0.0, 0.0, None
    for bonus in BONUSES:
        mean = float(ndcg_of_scores(scores + bonus * subgraphs.cold, subgraphs, queries).mean())
        start = mean if start is None else start
        if start - mean > price:
            break
        chosen, paid = bonus, start - mean
    return chosen, paid
