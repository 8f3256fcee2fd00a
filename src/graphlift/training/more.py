"""Learning on: from the weights that serve, on the feedback since, without losing what was learned before."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor, nn

from graphlift.continual.ewc import EWC
from graphlift.continual.reservoir import Reservoir
from graphlift.feedback import Feedback
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.nn.ranker import SubgraphRanker
from graphlift.sampling import ReplayedPairs, fold_of, some
from graphlift.search.familiarity import UNCHECKED
from graphlift.training.config import FitConfig
from graphlift.training.consolidate import anchored
from graphlift.training.familiar import choose_false_alarms, set_familiarity_bounds
from graphlift.training.fit import FitResult, device_of
from graphlift.training.folds import cross_fitted
from graphlift.training.gate import Scores, gain_is_sure, ndcg
from graphlift.training.judges import Judges, judged_ndcg, ranked_ndcg
from graphlift.training.legacy import Legacy, batch_of
from graphlift.training.navigable import navigable
from graphlift.training.parts import Parts, spread
from graphlift.training.progress import ProgressCallback
from graphlift.training.ranking import Ranker, RankingObjective
from graphlift.training.report import Batch, FitReport
from graphlift.training.stages import Stages, lift_weights
from graphlift.training.step_back import step_back
from graphlift.training.turns import share_turns


def fit_more(
    current: LiftedIndex,
    config: FitConfig,
    *,
    legacy: Legacy | None = None,
    device: str | None = None,
    progress: ProgressCallback | None = None,
) -> FitResult:
    """Learn from what was told since the last fit; see `graphlift.Lift.fit_more` for the user's side.

    Lift and ranker start from the weights that serve. The batches hold a sample of old pairs, or the weights that old
    queries need are held by EWC, or both, as the configuration says. The lifts of the folds go on as well, each without
    the queries of its fold, old and new. So no query that the ranker learns from, and no old query that judges, was
    seen by the lift that draws its candidates.

    Args:
        current: what serves, with feedback that it has not learned from.
        config: everything that can be set; the model keeps its shape.
        legacy: what the last fit left; without it old queries have seen all lifts, and look better than they are.
        device: where to train; CUDA where there is one, else the CPU.
        progress: called after every epoch.

    Raises:
        InputError: too little was told to learn from it and to judge by it.
    """
    started = time.perf_counter()
    stages = Stages(current.index, config, device_of(device), None, progress)
    legacy = legacy or Legacy((lift_weights(current.model),) * config.folds)
    parts = Parts.of(current, config, legacy.arrived)
    if legacy.paraphrased and config.paraphrases is not None:
        stages.let_documents_ask(parts.learned, len(legacy.folds))
    if config.more.ewc:
        legacy = replace(legacy, ewc=_penalty(stages, current, parts, legacy.ewc))
    step = _Step(stages, current, parts, legacy)
    after = step.train()
    past = step.past(after)
    if _lost(past) > config.more.max_loss:
        after = step.back(after)
        past = step.past(after)
    batch_among = partial(batch_of, current.memory, legacy.arrived)
    false_alarms = choose_false_alarms(after, parts.held, batch_among(after.memory.queries))
    beam = after.beam()
    scores = {"before": ndcg(step.as_served(), parts.held, beam), "after": ndcg(after, parts.held, beam)}
    sure, interval = gain_is_sure(scores["before"], scores["after"], config.confidence)
    lost = _lost(past)
    published = sure and lost <= config.more.max_loss
    batches = _batches(current.memory, legacy.arrived, step.guards_after, past["before"], past["after"])
    lifted, recall, relinked = None, None, False
    if published:
        lifted, recall, relinked = navigable(after.with_memory(current.memory, step.untaught()), parts.held.queries)
        set_familiarity_bounds(lifted, false_alarms, batch_among(lifted.memory.queries))
        ewc = anchored(stages, after.model, parts.learned, parts.new, legacy.ewc) if config.more.ewc else None
        arrived = (*legacy.arrived, len(current.memory))
        legacy = Legacy(tuple(map(lift_weights, step.folds)), ewc, arrived, legacy.paraphrased)
    gain = float((scores["after"] - scores["before"]).mean())
    report = FitReport(
        published=published,
        reason=_reason(gain, interval, sure, lost, len(parts.guards), config.more.max_loss),
        seed=config.seed,
        paraphrased=stages.paraphrased,
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
        past_ndcg={name: float(values.mean()) for name, values in past.items() if len(values)},
        past_batches=batches,
        seconds=time.perf_counter() - started,
    )
    return FitResult(report, lifted, legacy if published else None)


class _Step:
    """One step from the weights that serve to those that may serve next.

    Args:
        stages: train, and keep what happened.
        current: what serves.
        parts: who teaches and who judges.
        legacy: what the last fit left.
    """

    def __init__(self, stages: Stages, current: LiftedIndex, parts: Parts, legacy: Legacy) -> None:
        self.stages, self.current, self.parts = stages, current, parts
        self.ewc = None if legacy.ewc is None or not stages.config.more.ewc else legacy.ewc.to(stages.device)
        self.serving, self.arrived = legacy.models(current.model), legacy.arrived
        self.fold = fold_of(parts.learned.queries, len(self.serving))
        self.folds: list[LiftModel] = []

    def as_served(self) -> LiftedIndex:
        """What serves now, had it not been told of the held-out queries."""
        relevant, current = self.current.told.relevant, self.current
        known = ~relevant.known_to(self.parts.held)
        told = Feedback(relevant.select(known.nonzero().flatten()), current.told.irrelevant)
        return current.with_memory(self.parts.learned, told)

    def untaught(self) -> Feedback:
        """What was told and is not learned from even now: the held-out queries, and all that was irrelevant."""
        relevant = self.current.told.relevant
        held = relevant.known_to(self.parts.held)
        return Feedback(relevant.select(held.nonzero().flatten()), self.current.told.irrelevant)

    def train(self) -> LiftedIndex:
        """The next version; ``folds`` are its lifts that each missed a fold."""
        count = len(self.serving)
        everyone = torch.ones_like(self.fold, dtype=torch.bool)
        self.folds = [
            self._gone_on(
                f"lift, fold {inside + 1} of {count}", model, self.fold != inside, self.stages.may_ask(inside)
            )
            for inside, model in enumerate(self.serving)
        ]
        lifted = self._lifted(self._gone_on("lift", self.current.model, everyone, self.stages.may_ask()))
        lifted.model.familiarity_bounds.copy_(torch.tensor(UNCHECKED))  # they were those of what serves
        lifted.model.ranker.load_state_dict(self._ranker(lifted).state_dict())
        if self.stages.config.more.turns:
            self._share(lifted.model)
            return self._lifted(lifted.model)
        return lifted

    def _share(self, model: LiftModel) -> None:
        """Leave old queries of other kinds to what served them."""
        for fold in self.folds:
            fold.ranker.load_state_dict(model.ranker.state_dict())
        current, learned = self.current, self.parts.learned
        batch = batch_of(current.memory, self.arrived, learned.queries)
        before, after = [current.model, *self.serving], [model, *self.folds]
        share_turns(before, after, current.index.x, learned, batch, len(self.arrived))
        del self.guards_after

    def back(self, lifted: LiftedIndex) -> LiftedIndex:
        """The next version moved back towards the one that serves, as far as old queries want it to."""
        new = nn.ModuleList([lifted.model, *self.folds])
        old = nn.ModuleList([self.current.model, *self.serving])

        def of_new() -> float:
            return float(ndcg(self._lifted(lifted.model), self.parts.held, lifted.beam()).mean())

        def of_old() -> float:
            return float(self.guarded(lifted.model, self._guards(self.folds)).mean())

        step_back(new, old, of_new, of_old, self._allowed)
        del self.guards_after
        return self._lifted(lifted.model)

    def past(self, lifted: LiftedIndex) -> dict[str, Scores]:
        """nDCG@10 of every old query that judges, before this step and after it."""
        return {"before": self.past_before, "after": self.guarded(lifted.model, self.guards_after)}

    @cached_property
    def past_before(self) -> Scores:
        """nDCG@10 of every old query that judges, by what serves."""
        return self.guarded(self.current.model, self.guards_before)

    def _lifted(self, model: LiftModel) -> LiftedIndex:
        told = Feedback(Memory.empty(self.current.index.channels), self.current.told.irrelevant)
        return LiftedIndex(self.current.index, model, self.parts.learned, told=told)

    @property
    def _allowed(self) -> float:
        """The least that old queries may have."""
        return float(self.past_before.mean()) - self.stages.config.more.max_loss

    @cached_property
    def guards_before(self) -> Judges:
        """The old queries that judge, as the lifts before this step draw them."""
        return self._guards(self.serving)

    @cached_property
    def guards_after(self) -> Judges:
        """The same by the lifts after it, once these are trained."""
        return self._guards(self.folds)

    @staticmethod
    def guarded(ranker: Ranker, guards: Judges) -> Scores:
        """nDCG@10 of every old query that judges."""
        return np.concatenate([np.empty(0), *(ranked_ndcg(ranker, *judge) for judge in guards)])

    def _gone_on(self, name: str, model: LiftModel, taught: Tensor, may_ask: Tensor | None = None) -> LiftModel:
        """A lift after more training on the queries that may teach it: the new ones, and a sample of the old.

        All queries are its turn. ``may_ask`` as in `Stages.fresh_lift`.
        """
        parts, config = self.parts, self.stages.config
        past = []
        if config.more.replay:
            for old in parts.old:
                sample = Reservoir(
                    max(config.more.replay // len(parts.old), 1), torch.Generator().manual_seed(config.seed)
                )
                sample.add(parts.learned.pairs(old[taught[old]]))
                past.append(sample)
        pairs = ReplayedPairs(parts.learned, parts.new[taught[parts.new]], config.answers_per_query, past)
        penalties = [] if self.ewc is None else [self.ewc]
        model = deepcopy(model)
        model.forget_turns()
        return self.stages.train_lift(name, model, parts.learned, pairs, config.more.lift, penalties, may_ask)

    def _ranker(self, lifted: LiftedIndex) -> SubgraphRanker:
        """The ranker after more training, at the epoch that is best for new and old queries that judge.

        Unless those may keep rankers of their own, it then goes back towards its old weights as far as they want it to.
        """
        parts, config = self.parts, self.stages.config
        numbers = some(parts.new, max(1, config.more.max_ranked // (1 + self.stages.standing_in)), config.seed)
        if config.more.replay:
            rest = [old[~torch.isin(old, parts.guards)] for old in parts.old]
            numbers = torch.cat([numbers, spread(rest, len(numbers), config.seed)])
        subgraphs, relevance, owners = self.stages.drawn(self.folds, parts.learned, numbers)
        ranker = deepcopy(lifted.model.ranker).to(self.stages.device)
        judges = [(lifted.subgraphs(parts.held.queries), parts.held), *self.guards_after]

        old = ~torch.isin(owners, parts.new)  # they count as much as the new ones, though they may be few
        often = max(1, round(int((~old).sum()) / max(int(old.sum()), 1)))
        repeats = torch.where(old, often, 1)
        objective = RankingObjective(ranker, subgraphs, relevance, repeats=repeats, measured=True)
        penalties = [] if self.ewc is None else [self.ewc.part("ranker")]
        memories = (parts.learned, parts.held)
        self.stages.run(
            "ranker", ranker, objective, config.more.ranker, memories, partial(judged_ndcg, ranker, judges), penalties
        )
        if len(judges) > 1 and not config.more.turns:
            of_new, of_old = (partial(judged_ndcg, ranker, [judge]) for judge in judges)
            step_back(ranker, self.current.model.ranker, of_new, of_old, self._allowed)
        return ranker

    def _guards(self, folds: list[LiftModel]) -> Judges:
        """The old queries that judge, each as the lift that has not seen it draws it; empty where there are none."""
        learned, numbers = self.parts.learned, self.parts.guards
        if not len(numbers):
            return []
        subgraphs, owners = cross_fitted(self.current.index, folds, learned, numbers)
        return [(subgraphs, learned.select(owners))]


def _lost(past: dict[str, Scores]) -> float:
    """What old queries lose in the mean; 0 where none judges."""
    return float((past["before"] - past["after"]).mean()) if len(past["before"]) else 0.0


def _batches(memory: Memory, arrived: tuple[int, ...], guards: Judges, before: Scores, after: Scores) -> list[Batch]:
    """What a step did to old queries, apart by the fit before which they came."""
    if not guards:
        return []
    batch = torch.cat([batch_of(memory, arrived, queries.queries) for _, queries in guards]).numpy()
    apart = [batch == place for place in range(len(arrived) + 1)]
    return [
        Batch(queries=int(inside.sum()), before=float(before[inside].mean()), after=float(after[inside].mean()))
        for inside in apart
        if inside.any()
    ]


def _penalty(stages: Stages, current: LiftedIndex, parts: Parts, ewc: EWC | None) -> EWC | None:
    """The penalty of the last time at the strength of this one, or one that is made of the old queries."""
    if ewc is not None:
        return replace(ewc, strength=stages.config.more.ewc)
    return anchored(stages, current.model, parts.learned, torch.cat(parts.old), None) if parts.old else None


def _reason(gain: float, interval: tuple[float, float], sure: bool, lost: float, guards: int, max_loss: float) -> str:
    """One sentence on why the gate opened or not."""
    new = f"held-out new queries change by {gain:+.3f} nDCG@10, 95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}"
    old = f"{guards} old ones by {-lost:+.3f}" if guards else "there are no old ones"
    if sure and lost > max_loss:
        return f"{new}; {old}, and may lose at most {max_loss:.3f}."
    return f"{new}; {old}."
