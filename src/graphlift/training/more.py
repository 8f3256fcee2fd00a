"""Learning on: from the weights that serve, on the feedback since, without losing what was learned before."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from graphlift.continual.ewc import EWC
from graphlift.continual.reservoir import Reservoir
from graphlift.errors import InputError
from graphlift.feedback import Feedback
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.sampling import ReplayedPairs
from graphlift.search.subgraph import Subgraphs
from graphlift.training.config import FitConfig
from graphlift.training.consolidate import anchored
from graphlift.training.fit import MIN_QUERIES, device_of, navigable
from graphlift.training.gate import Scores, gain_is_sure, ndcg
from graphlift.training.hold_out import hold_out
from graphlift.training.progress import ProgressCallback
from graphlift.training.ranking import RankingObjective
from graphlift.training.report import FitReport
from graphlift.training.stages import Stages, ranked_ndcg

MIN_HELD = 50
"""So many new queries judge, or half of them where they are few."""
GUARDS = 300
"""So many old queries judge."""


@dataclass(frozen=True)
class MoreResult:
    """The report, and the new version if the gate let it pass, with the penalty for the next time if there is one."""

    report: FitReport
    lifted: LiftedIndex | None
    ewc: EWC | None


@dataclass(frozen=True)
class _Parts:
    """Who teaches and who judges.

    Attributes:
        learned: old queries and the new ones that teach.
        new: their numbers in ``learned``.
        old: numbers of old queries that may be replayed.
        guards: numbers of old queries that judge and are not replayed.
        held: new queries that judge; they are not in ``learned``.
    """

    learned: Memory
    new: Tensor
    old: Tensor
    guards: Tensor
    held: Memory


def fit_more(
    current: LiftedIndex,
    config: FitConfig,
    *,
    ewc: EWC | None = None,
    device: str | None = None,
    progress: ProgressCallback | None = None,
) -> MoreResult:
    """Learn from what was told since the last fit; see `graphlift.Lift.fit_more` for the user's side.

    Lift and ranker start from the weights that serve. The batches hold a sample of old pairs, or the weights that old
    queries need are held by EWC, or both, as the configuration says.

    Args:
        current: what serves, with feedback that it has not learned from.
        config: everything that can be set; the model keeps its shape.
        ewc: the penalty that the last time left behind; made from old queries where left out and needed.
        device: where to train; CUDA where there is one, else the CPU.
        progress: called after every epoch.

    Raises:
        InputError: too little was told to learn from it and to judge by it.
    """
    started = time.perf_counter()
    stages = Stages(current.index, config, device_of(device), None, progress)
    parts = _parts(current, config)
    if config.more.ewc and ewc is None and len(parts.old):
        ewc = anchored(stages, current.model, parts.learned, parts.old, None)
    before = _serving(current, current.model, parts, current.told.relevant.known_to(parts.held))
    after = _train(stages, current, parts, ewc if config.more.ewc else None)
    beam = after.beam()
    scores = {"before": ndcg(before, parts.held, beam), "after": ndcg(after, parts.held, beam)}
    past = {"before": _known_ndcg(before, parts), "after": _known_ndcg(after, parts)}
    sure, interval = gain_is_sure(scores["before"], scores["after"], config.confidence)
    lost = float(past["before"].mean() - past["after"].mean()) if len(parts.guards) else 0.0
    published = sure and lost <= config.more.max_loss
    lifted, recall, relinked = None, None, False
    if published:
        told = _untaught(current, parts)
        lifted, recall, relinked = navigable(
            LiftedIndex(current.index, after.model, current.memory, after.walk_index, told=told), parts.held
        )
        if config.more.ewc:
            ewc = anchored(stages, after.model, parts.learned, parts.new, ewc)
    gain = float(scores["after"].mean() - scores["before"].mean())
    report = FitReport(
        published=published,
        reason=_reason(gain, interval, sure, lost, len(parts.guards), config.more.max_loss),
        seed=config.seed,
        train_queries=len(parts.new),
        dev_queries=len(parts.held),
        cold_dev_queries=parts.held.cold_to(parts.learned),
        dev_given=False,
        dev_ndcg={name: float(values.mean()) for name, values in scores.items()},
        interval=interval,
        stages=stages.done,
        recall=recall,
        relinked=relinked,
        past_queries=len(parts.guards),
        past_ndcg={name: float(values.mean()) for name, values in past.items()} if len(parts.guards) else {},
        seconds=time.perf_counter() - started,
    )
    return MoreResult(report, lifted, ewc if published else None)


def _parts(current: LiftedIndex, config: FitConfig) -> _Parts:
    """Split new queries into those that teach and those that judge, and old ones likewise."""
    memory, told = current.memory, current.told.relevant
    new = memory.known_to(told)
    count = int(new.sum())
    if count < MIN_QUERIES:
        raise InputError(
            f"`feedback` must tell answers of at least {MIN_QUERIES} queries since the last fit, got {count}."
        )
    share = max(config.dev_fraction, min(0.5, MIN_HELD / count))
    learned, held = hold_out(memory, share * count / len(memory), config.seed, new)
    new = learned.known_to(told)
    generator = torch.Generator().manual_seed(config.seed)
    old = (~new).nonzero().flatten()
    old = old[torch.randperm(len(old), generator=generator)]
    guards = min(GUARDS, len(old) // 4)
    return _Parts(learned, new.nonzero().flatten(), old[guards:].sort().values, old[:guards].sort().values, held)


def _serving(current: LiftedIndex, model: LiftModel, parts: _Parts, held: Tensor) -> LiftedIndex:
    """What serves now, had it not been told of the held-out queries."""
    relevant = current.told.relevant.select((~held).nonzero().flatten())
    told = Feedback(relevant, current.told.irrelevant)
    return LiftedIndex(current.index, model, parts.learned, current.walk_index, told=told)


def _untaught(current: LiftedIndex, parts: _Parts) -> Feedback:
    """What the new version was told and did not learn from: the held-out queries, and what was irrelevant."""
    held = current.told.relevant.known_to(parts.held)
    return Feedback(current.told.relevant.select(held.nonzero().flatten()), current.told.irrelevant)


def _train(stages: Stages, current: LiftedIndex, parts: _Parts, ewc: EWC | None) -> LiftedIndex:
    """The new version: a lift that went on, and a ranker that learned from candidates of lifts that went on."""
    more, learned = stages.config.more, parts.learned
    generator = torch.Generator().manual_seed(stages.config.seed)
    fold = torch.randperm(len(learned), generator=generator) % stages.config.folds

    def gone_on(name: str, inside: int) -> LiftModel:
        """The serving lift after more training on all queries that are not in a fold."""
        new, old = (numbers[fold[numbers] != inside] for numbers in (parts.new, parts.old))
        past = Reservoir(max(more.replay, 1), generator)
        if more.replay:
            past.add(learned.pairs(old))
        pairs = ReplayedPairs(learned, new, stages.config.answers_per_query, past)
        penalties = [] if ewc is None else [ewc]
        return stages.train_lift(name, deepcopy(current.model), learned, pairs, more.lift, penalties)

    ranked = [parts.new[torch.randperm(len(parts.new), generator=generator)[: more.max_ranked]]]
    if more.replay:
        ranked.append(parts.old[torch.randperm(len(parts.old), generator=generator)[: len(ranked[0])]])
    numbers = torch.cat(ranked)
    drawn, owners = [], []
    for inside in range(stages.config.folds):
        model = gone_on(f"lift, fold {inside + 1} of {stages.config.folds}", inside)
        own = numbers[fold[numbers] == inside]
        drawn.append(LiftedIndex(current.index, model, learned).subgraphs(learned.queries[own], own=own))
        owners.append(own)
    subgraphs = Subgraphs.cat(drawn)
    relevance = learned.grade(torch.cat(owners).unsqueeze(1), subgraphs.rows)
    model = gone_on("lift", stages.config.folds)
    lifted = LiftedIndex(
        current.index, model, learned, told=Feedback(Memory.empty(current.index.channels), current.told.irrelevant)
    )
    ranker = deepcopy(model.ranker).to(stages.device)
    judges = [(lifted.subgraphs(parts.held.queries), parts.held)]
    if len(parts.guards):
        judges.append((lifted.subgraphs(learned.queries[parts.guards], own=parts.guards), learned.select(parts.guards)))

    def evaluate() -> float:
        return sum(float(ranked_ndcg(ranker, drawn, queries).mean()) for drawn, queries in judges) / len(judges)

    objective = RankingObjective(ranker, subgraphs, relevance, measured=True)
    penalties = [] if ewc is None else [ewc.part("ranker")]
    stages.run("ranker", ranker, objective, more.ranker, (learned, parts.held), evaluate, penalties)
    model.ranker.load_state_dict(ranker.state_dict())
    return lifted


def _known_ndcg(lifted: LiftedIndex, parts: _Parts) -> Scores:
    """nDCG@10 of the old queries that judge, each without its own answers in the memory."""
    queries = parts.learned.select(parts.guards)
    if not len(queries):
        return ndcg(lifted, parts.held, lifted.beam())[:0]
    return ranked_ndcg(lifted.model.ranker, lifted.subgraphs(queries.queries, own=parts.guards), queries)


def _reason(gain: float, interval: tuple[float, float], sure: bool, lost: float, guards: int, max_loss: float) -> str:
    """One sentence on why the gate opened or not."""
    new = f"held-out new queries change by {gain:+.3f} nDCG@10, 95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}"
    old = f"{guards} old ones by {-lost:+.3f}" if guards else "there are no old ones"
    if sure and lost > max_loss:
        return f"{new}; {old}, and may lose at most {max_loss:.3f}."
    return f"{new}; {old}."
