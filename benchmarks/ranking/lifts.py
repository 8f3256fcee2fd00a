"""What rankers are trained and judged on: the lifts of a set, and the subgraphs that they draw."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from benchmarks.ranking.task import Task
from graphlift import FitConfig, Memory
from graphlift.lifted import LiftedIndex
from graphlift.model import LiftModel
from graphlift.nn.ranker import SubgraphRanker
from graphlift.search.subgraph import Subgraphs
from graphlift.training.config import LoopConfig
from graphlift.training.gate import ndcg_of_scores
from graphlift.training.judges import Judges, judged_ndcg, judges_of
from graphlift.training.loop import train
from graphlift.training.navigable import navigable
from graphlift.training.ranking import RankingObjective
from graphlift.training.stages import Stages


class Lifts:
    """The lifts of one set and seed, trained when they are first asked for.

    Args:
        task: the set.
        config: of the fit, with its seed.
        learned: whether lifts are trained at all; else they change nothing.
        cross_fit: whether training queries are drawn by lifts that have not seen them.
    """

    def __init__(self, task: Task, config: FitConfig, learned: bool = True, cross_fit: bool = True) -> None:
        self.task, self.config, self.learned, self.cross_fit = task, config, learned, cross_fit
        self.train, self.dev = task.split(config.seed)
        self.stages = Stages(task.index, config, "cpu", None, None)

    @cached_property
    def full(self) -> LiftModel:
        """The lift of all training queries."""
        if self.learned:
            return self.stages.chosen_lift(self.train, self.dev).lifted.model
        return self.stages.untrained(self.train).eval()

    @cached_property
    def folds(self) -> list[LiftModel]:
        """One lift a fold, which has not seen that fold's queries."""
        full = self.full  # which says whether documents ask, too
        if self.learned and self.cross_fit:
            return self.stages.fold_lifts(self.train)
        return [full] * self.config.folds

    @cached_property
    def drawn(self) -> tuple[Subgraphs, Tensor]:
        """Subgraphs that rankers learn from, and the grades of their candidates."""
        return self.stages.lessons(self.train, self.folds)

    @property
    def schedule(self) -> LoopConfig:
        """Of the rankers, once it is known whether documents ask, too."""
        return self.stages.course.ranker

    @cached_property
    def judging(self) -> tuple[Judges, Subgraphs]:
        """Who chooses an epoch, and the subgraphs of test queries."""
        lifted = navigable(LiftedIndex(self.task.index, self.full, self.train), self.dev.queries).lifted
        judges = judges_of(lifted, self.dev, self.stages.role, self.config.seed)
        return judges, lifted.subgraphs(self.task.test.queries)


def trained(
    ranker: SubgraphRanker,
    drawn: tuple[Subgraphs, Tensor],
    targets: Tensor,
    judges: Judges,
    schedule: LoopConfig,
    seed: int,
) -> SubgraphRanker:
    """A ranker after training on subgraphs and the grades of their candidates, at the epoch that is judged best."""
    objective = RankingObjective(ranker, *drawn, targets=targets)
    train(ranker, objective, schedule, seed=seed, evaluate=lambda: judged_ndcg(ranker, judges))
    return ranker


@torch.inference_mode()
def judged(ranker: Callable[[Subgraphs], Tensor], subgraphs: Subgraphs, queries: Memory) -> float:
    """Mean nDCG@10 of the order that a ranker gives to candidates."""
    parts = [subgraphs[chunk] for chunk in torch.arange(len(subgraphs)).split(256)]
    return float(ndcg_of_scores(torch.cat([ranker(part) for part in parts]), subgraphs, queries).mean())
