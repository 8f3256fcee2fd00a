"""Rankers that teach another: what several larger ones make of the candidates is mixed into the judgments."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphlift.nn.ranker import SubgraphRanker
from graphlift.search.subgraph import Subgraphs
from graphlift.training.ranking import candidate_scores

SHARE = 0.5
"""Of the teachers in what a ranker learns from; the judgments have the rest."""


def taught(teachers: Sequence[SubgraphRanker], subgraphs: Subgraphs, relevance: Tensor) -> Tensor:
    r"""What a ranker learns from where there are teachers: shares of candidates, which add to 1 where one is relevant.

    .. math::
        t_c = \frac{1}{2} \frac{r_c}{\sum_j r_j} + \frac{1}{2} \mathrm{softmax}_c\Big(\frac{1}{T} \sum_t s^t_c\Big)

    Judgments name one answer of several that would do, and a ranker of few queries learns their accidents by heart.
    The mean of several rankers knows what is nearly as good.

    Args:
        teachers: T trained rankers.
        subgraphs: of B queries.
        relevance: grades of their candidates, 0 where not relevant, (B, n).

    Returns:
        Targets (B, n); the grades themselves where no one teaches, and zeros where no candidate is relevant.

    Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015.
    """
    if not teachers or not len(subgraphs):
        return relevance
    mean = torch.stack([candidate_scores(teacher, subgraphs) for teacher in teachers]).mean(dim=0)
    learned = mean.masked_fill(~subgraphs.mask, torch.finfo(torch.float32).min).softmax(dim=1)
    total = relevance.sum(dim=1, keepdim=True)
    mixed = (1 - SHARE) * relevance / total.clamp(min=1e-12) + SHARE * learned
    return mixed * (total > 0)
