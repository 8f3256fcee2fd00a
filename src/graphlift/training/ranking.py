"""Second stage of a fit: the ranker of the query's own subgraph."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.losses import listwise_softmax
from graphlift.model import LiftModel
from graphlift.nn.ranker import SubgraphRanker
from graphlift.search.subgraph import Subgraphs

Ranker = SubgraphRanker | LiftModel
"""What scores subgraphs: one ranker, or all that a model has, in turns."""
SCORED = 256
"""Subgraphs that are scored at a time."""


@torch.inference_mode()
def candidate_scores(ranker: Ranker, subgraphs: Subgraphs) -> Tensor:
    """What a ranker makes of the candidates of subgraphs that are drawn already, (B, n), on the CPU."""
    device = next(ranker.parameters()).device
    chunks = torch.arange(len(subgraphs)).split(SCORED)
    return torch.cat([ranker(subgraphs[chunk].to(device)).cpu() for chunk in chunks])


class RankingObjective:
    """Relevant candidates against the other candidates of the same query.

    Args:
        ranker: what is trained.
        subgraphs: of the training queries.
        relevance: grades of the candidates, 0 where not relevant, (B, n).
        targets: shares of the candidates that are learned in place of the grades, (B, n).
        repeats: how often each query counts an epoch, (B,); once where left out.
        measured: whether the attributes' scales are known from an earlier training; else they are measured here.
    """

    def __init__(
        self,
        ranker: SubgraphRanker,
        subgraphs: Subgraphs,
        relevance: Tensor,
        *,
        targets: Tensor | None = None,
        repeats: Tensor | None = None,
        measured: bool = False,
    ) -> None:
        useful = (relevance > 0).any(dim=1) & ((relevance == 0) & subgraphs.mask).any(dim=1)
        self.ranker, self.device = ranker, ranker.scale.device
        self.subgraphs = subgraphs[useful]
        self.targets = (relevance if targets is None else targets)[useful]
        self.queries = torch.arange(len(self.targets))
        if repeats is not None:
            self.queries = self.queries.repeat_interleave(repeats[useful])
        if not measured:
            self.ranker.fit_norms(self.subgraphs)

    def __len__(self) -> int:
        return len(self.queries)

    def start_epoch(self, generator: torch.Generator) -> None:
        """Nothing to draw: the subgraphs stay."""

    def loss(self, examples: Tensor, generator: torch.Generator) -> Tensor:
        """Listwise loss of some queries."""
        queries = self.queries[examples]
        subgraphs = self.subgraphs[queries].to(self.device)
        return listwise_softmax(self.ranker(subgraphs), self.targets[queries].to(self.device), subgraphs.mask)
