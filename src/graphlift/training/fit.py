"""A whole fit: hold out, train the lift, train the ranker on cross-fitted candidates, choose, and pass the gate."""

from __future__ import annotations

import hashlib
import re
import time
import zlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from graphlift.errors import InputError
from graphlift.index.hnsw import HnswIndex
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.nn.ranker import SubgraphRanker
from graphlift.search.similarity import Similarity
from graphlift.search.subgraph import Subgraphs
from graphlift.training.checkpoint import Checkpoint
from graphlift.training.config import FitConfig, LoopConfig
from graphlift.training.contrast import ContrastObjective
from graphlift.training.gate import Scores, gain_is_sure, ndcg, ndcg_of_rows
from graphlift.training.hold_out import hold_out
from graphlift.training.loop import Objective, train
from graphlift.training.progress import Progress, ProgressCallback
from graphlift.training.ranking import RankingObjective
from graphlift.training.report import FitReport, Stage

MIN_QUERIES = 20
"""Fewer queries cannot be split into something to learn from and something to judge by."""
MAX_RANKED = 20_000
"""The ranker learns from at most so many queries: their subgraphs are held in memory."""
MIN_RECALL = 0.95
"""Links are kept while the walk finds this share of what it found before the lift."""
SAMPLED = 200
"""Queries on which recall is sampled."""
STEPS_PER_EPOCH = 6
"""Small training sets are passed over several times an epoch, so that there are at least so many steps."""
FEW_PAIRS = 1000
"""With fewer pairs a pass the lift trains in batches of half the size, which makes more steps of them."""


@dataclass(frozen=True)
class FitResult:
    """A fit's report, and the new version if the gate let it pass."""

    report: FitReport
    lifted: LiftedIndex | None


def fit(
    index: HnswIndex,
    queries: Memory,
    config: FitConfig,
    *,
    dev: Memory | None = None,
    current: LiftedIndex | None = None,
    device: str | None = None,
    checkpoints: Path | None = None,
    progress: ProgressCallback | None = None,
) -> FitResult:
    """Learn from relevance pairs; see `graphlift.Lift.fit` for the user's side.

    Args:
        index: the frozen index.
        queries: training queries, each with at least one relevant document.
        config: everything that can be set.
        dev: queries to choose and to judge on; taken from the training queries where left out.
        current: what serves now and has to be beaten; the frozen index where left out. Its own training queries
            are not held out again: on them it would look better than it is.
        device: where to train; CUDA where there is one, else the CPU.
        checkpoints: folder from which an interrupted fit goes on.
        progress: called after every epoch.

    Raises:
        InputError: there are too few queries to learn from, or to judge by.
    """
    if len(queries) < MIN_QUERIES:
        raise InputError(f"`qrels` must judge at least {MIN_QUERIES} queries, got {len(queries)}.")
    started = time.perf_counter()
    given = dev is not None
    learned, held = (queries, dev) if dev is not None else _hold_out(queries, config, current)
    run = _Run(index, config, device or ("cuda" if torch.cuda.is_available() else "cpu"), checkpoints, progress)
    attempt = run.train(learned, held)
    before = ndcg(index if current is None else current, held)
    choices = {
        "before": before,
        "lift": attempt.walk_ndcg,
        "lift and ranker": ndcg(attempt.lifted, held),
    }
    after = choices["lift and ranker"]
    sure, interval = gain_is_sure(before, after, config.confidence)
    report = FitReport(
        published=sure,
        reason=(
            f"held-out queries gain {after.mean() - before.mean():+.3f} nDCG@10 over what served before, "
            f"95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}."
        ),
        seed=config.seed,
        train_queries=len(learned),
        dev_queries=len(held),
        cold_dev_queries=_cold(held, learned),
        dev_given=given,
        dev_ndcg={name: float(scores.mean()) for name, scores in choices.items()},
        interval=interval,
        stages=run.stages,
        seconds=0.0,
    )
    lifted = None
    if sure:
        lifted = attempt.lifted
        if not given:  # the choice is made; what was held out for it may now teach the lift, and be remembered
            lifted = run.lift_again(queries, attempt.lifted.model.ranker)
            report.refitted = True
            report.stages = run.stages
        lifted, report.recall, report.relinked = _navigable(lifted, held)
    report.seconds = time.perf_counter() - started
    return FitResult(report, lifted)


def _hold_out(queries: Memory, config: FitConfig, current: LiftedIndex | None) -> tuple[Memory, Memory]:
    """Queries to learn from and queries to judge by; the latter are new to what serves now."""
    known = set() if current is None else set(map(bytes, current.memory.queries.numpy()))
    new = torch.tensor([bytes(query) not in known for query in queries.queries.numpy()])
    if int(new.sum()) < MIN_QUERIES:
        raise InputError(
            f"`dev_qrels` is needed: only {int(new.sum())} of the queries in `qrels` are new to the model that serves, "
            f"and at least {MIN_QUERIES} are needed to judge by."
        )
    return hold_out(queries, config.dev_fraction, config.seed, new)


@dataclass(frozen=True)
class _Attempt:
    lifted: LiftedIndex
    walk_ndcg: Scores


class _Run:
    """The stages of one fit."""

    def __init__(
        self,
        index: HnswIndex,
        config: FitConfig,
        device: str,
        checkpoints: Path | None,
        progress: ProgressCallback | None,
    ) -> None:
        self.index, self.config, self.device = index, config, device
        self.checkpoints, self.progress = checkpoints, progress
        self.similarity = Similarity.of(index.metric, index.x)
        self.stages: list[Stage] = []

    def train(self, queries: Memory, dev: Memory) -> _Attempt:
        """A model of these queries; the ranker's epoch is chosen on dev."""
        model = self._lift(queries, "lift")
        lifted = LiftedIndex(self.index, model, queries)
        subgraphs, relevance = self._cross_fitted(queries)
        ranker = deepcopy(model.ranker).to(self.device)
        evaluate = partial(_ranked_ndcg, ranker, lifted.subgraphs(dev.queries), dev)
        objective = RankingObjective(ranker, subgraphs, relevance)
        self._stage("ranker", ranker, objective, self.config.ranker, queries, evaluate)
        model.ranker.load_state_dict(ranker.state_dict())
        return _Attempt(lifted, ndcg(lifted.lifted, dev, lifted.lift_queries(dev.queries)))

    def lift_again(self, queries: Memory, ranker: SubgraphRanker) -> LiftedIndex:
        """A lift and a memory of more queries under a ranker that is trained already."""
        model = self._lift(queries, "lift, all queries")
        model.ranker.load_state_dict(ranker.state_dict())
        return LiftedIndex(self.index, model, queries)

    def _cross_fitted(self, queries: Memory) -> tuple[Subgraphs, Tensor]:
        """Subgraphs of training queries under lifts that have not seen them, and the grades of their candidates.

        Candidates from a lift that was trained on the query look better than those of any new query will.
        """
        folds = self.config.folds
        order = torch.randperm(len(queries), generator=torch.Generator().manual_seed(self.config.seed))
        fold_of = torch.empty_like(order)
        fold_of[order] = torch.arange(len(order)) % folds
        parts, owners = [], []
        for fold in range(folds):
            outside, inside = (fold_of != fold).nonzero().flatten(), (fold_of == fold).nonzero().flatten()
            model = self._lift(queries.select(outside), f"lift, fold {fold + 1} of {folds}")
            inside = inside[: MAX_RANKED // folds]
            parts.append(LiftedIndex(self.index, model, queries).subgraphs(queries.queries[inside], own=inside))
            owners.append(inside)
        subgraphs = Subgraphs.cat(parts)
        return subgraphs, queries.grade(torch.cat(owners).unsqueeze(1), subgraphs.rows)

    def _lift(self, queries: Memory, name: str) -> LiftModel:
        """A model whose lift is trained, on the CPU."""
        config = self.config
        torch.manual_seed(_stage_seed(config.seed, name))
        model = LiftModel(self.index.channels, self.similarity, config.model).to(self.device)
        schedule = config.lift
        if int(queries.counts.clamp(max=config.answers_per_query).sum()) < FEW_PAIRS:
            schedule = schedule.model_copy(update={"batch_size": max(2, schedule.batch_size // 2)})
        objective = ContrastObjective(
            model,
            self.index,
            queries,
            temperature=config.temperature,
            answers_per_query=config.answers_per_query,
            min_pairs=STEPS_PER_EPOCH * schedule.batch_size,
            random_negatives=config.random_negatives,
            hard_negatives=config.hard_negatives,
            local_weight=config.local_weight,
        )
        self._stage(name, model, objective, schedule, queries)
        return model.cpu()

    def _stage(
        self,
        name: str,
        module: nn.Module,
        objective: Objective,
        schedule: LoopConfig,
        queries: Memory,
        evaluate: Callable[[], float] | None = None,
    ) -> None:
        """Train one module and note what happened."""
        started = time.perf_counter()

        def tell(done: int, total: int, loss: float) -> None:
            if self.progress is not None:
                self.progress(Progress(name, done, total, loss))

        history = train(
            module,
            objective,
            schedule,
            seed=_stage_seed(self.config.seed, name),
            evaluate=evaluate,
            checkpoint=self._checkpoint(name, queries),
            progress=tell,
        )
        self.stages.append(Stage(name=name, history=history, seconds=time.perf_counter() - started))

    def _checkpoint(self, name: str, queries: Memory) -> Checkpoint | None:
        """The stage's file; its fingerprint covers configuration, queries and documents."""
        if self.checkpoints is None:
            return None
        digest = hashlib.sha256(f"{name}\n{self.config.model_dump_json()}\n{self.device}".encode())
        for tensor in (queries.queries, queries.offsets, queries.rows, queries.grades, self.index.x):
            digest.update(tensor.contiguous().numpy().data)
        return Checkpoint(self.checkpoints / f"{re.sub(r'[^a-z0-9]+', '-', name)}.safetensors", digest.hexdigest())


@torch.inference_mode()
def _ranked_ndcg(ranker: SubgraphRanker, subgraphs: Subgraphs, queries: Memory) -> float:
    """Mean nDCG@10 of what a ranker makes of subgraphs that are drawn already."""
    device = ranker.scale.device
    scores = torch.cat([ranker(subgraphs[chunk].to(device)).cpu() for chunk in torch.arange(len(subgraphs)).split(256)])
    shown = min(10, int(subgraphs.mask.sum(dim=1).min()))  # as many as every query has
    best = scores.masked_fill(~subgraphs.mask, -torch.inf).topk(shown).indices
    return float(ndcg_of_rows(subgraphs.rows.gather(1, best).numpy(), queries).mean())


def _navigable(lifted: LiftedIndex, queries: Memory) -> tuple[LiftedIndex, float, bool]:
    """The lifted index, with new links where the old ones lose too much; its recall; whether it was relinked."""
    sample = queries.queries[:SAMPLED]
    before = lifted.index.sampled_recall(sample.numpy())
    recall = lifted.lifted.sampled_recall(lifted.lift_queries(sample).numpy())
    if recall >= MIN_RECALL * before:
        return lifted, recall, False
    index = lifted.index
    relinked = HnswIndex.build(
        lifted.lifted.vectors,
        index.ids.array,
        metric=index.metric,
        M=index.M,
        ef_construction=index.ef_construction,
        ef_search=index.ef_search,
    )
    lifted = LiftedIndex(index, lifted.model, lifted.memory, relinked, lifted.past)
    return lifted, relinked.sampled_recall(lifted.lift_queries(sample).numpy()), True


def _cold(queries: Memory, learned: Memory) -> int:
    """How many queries have no relevant document that answered a learned one."""
    warm = torch.isin(queries.rows, learned.warm_rows)
    return len(queries) - len(queries.query_of_answer[warm].unique())


def _stage_seed(seed: int, name: str) -> int:
    return zlib.crc32(f"{seed} {name}".encode())
