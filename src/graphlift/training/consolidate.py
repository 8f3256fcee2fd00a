"""EWC of a whole model: which weights of lift and ranker the learned queries need."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.continual.ewc import EWC
from graphlift.continual.fisher import Weights, fisher_of_losses
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.sampling import AllPairs
from graphlift.training.loop import Objective
from graphlift.training.ranking import RankingObjective
from graphlift.training.stages import Stages

FISHER_SAMPLES = 256
"""Importances are means over so many pairs, and over so many queries of the ranker."""


def anchored(stages: Stages, model: LiftModel, memory: Memory, numbers: Tensor, earlier: EWC | None) -> EWC:
    """The penalty that holds a model's weights for some queries of a memory, and for what an earlier one held.

    The Fisher information of the lift comes from single pairs against random documents, that of the ranker from single
    queries. Both are scaled to a mean of 1, as their losses have different sizes.
    """
    config = stages.config
    generator = torch.Generator().manual_seed(config.seed)
    numbers = numbers[torch.randperm(len(numbers), generator=generator)[:FISHER_SAMPLES]]
    queries = memory.select(numbers)
    model.eval()
    contrast = stages.contrast(model, queries, AllPairs(queries, 1), config.more.lift)
    subgraphs = LiftedIndex(stages.index, model, memory).subgraphs(queries.queries, own=numbers)
    ranking = RankingObjective(
        model.ranker, subgraphs, memory.grade(numbers.unsqueeze(1), subgraphs.rows), measured=True
    )
    fisher = _scaled(_fisher(model, contrast, generator))
    ranker = _scaled(_fisher(model.ranker, ranking, generator))
    fisher |= {f"ranker.{name}": values for name, values in ranker.items()}
    if earlier is None:
        return EWC.at(model, fisher, config.more.ewc)
    if config.more.ewc_decay is None:
        return earlier.merged(EWC.at(model, fisher, config.more.ewc))
    return earlier.then(model, fisher, config.more.ewc_decay)


def _fisher(module: torch.nn.Module, objective: Objective, generator: torch.Generator) -> Weights:
    """Diagonal Fisher information of an objective, from its examples one by one."""
    objective.start_epoch(generator)
    examples = torch.arange(len(objective))[:FISHER_SAMPLES].split(1)
    return fisher_of_losses(module, (objective.loss(example, generator) for example in examples))


def _scaled(fisher: Weights) -> Weights:
    """The same with a mean of 1 over the weights that matter at all."""
    total = sum(float(values.sum()) for values in fisher.values())
    count = sum(values.numel() for values in fisher.values() if bool(values.any()))
    return {name: values * (count / total) for name, values in fisher.items()} if total else fisher
