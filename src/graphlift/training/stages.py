"""The stages of a fit: the lift, the ranker and its teachers on cross-fitted candidates, and both once more."""

from __future__ import annotations

import hashlib
import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from graphlift.continual.fisher import Weights
from graphlift.index.hnsw import HnswIndex
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel, ranker_of
from graphlift.nn.ranker import SubgraphRanker
from graphlift.sampling import AllPairs, Pairs, fold_of, some
from graphlift.search.axes import axes_of_sketches
from graphlift.search.hubness import MAX_ASKED
from graphlift.search.similarity import Similarity
from graphlift.search.subgraph import Subgraphs
from graphlift.training.checkpoint import Checkpoint
from graphlift.training.config import FitConfig, LoopConfig, ParaphraseConfig
from graphlift.training.contrast import ContrastObjective
from graphlift.training.folds import cross_fitted
from graphlift.training.gate import ndcg_of_lift
from graphlift.training.judges import judged_ndcg, judges_of
from graphlift.training.loop import Objective, Penalty, train
from graphlift.training.navigable import Navigable, navigable
from graphlift.training.paraphrases import can_paraphrase, roles
from graphlift.training.progress import Progress, ProgressCallback
from graphlift.training.ranking import RankingObjective
from graphlift.training.report import Stage
from graphlift.training.teachers import taught

MAX_RANKED = 10_000
"""The ranker learns from at most so many queries: their subgraphs are held in memory."""
STEPS_PER_EPOCH = 6
"""Small training sets are passed over several times an epoch, so that there are at least so many steps."""
ALL = ", all queries"
"""In the names of stages that train once more."""
PARAPHRASED = ", documents ask too"
"""In the names of lifts that learn from documents in the place of queries."""
FEW_PAIRS = 1000
"""With fewer pairs a pass the lift trains in batches of half the size, which makes more steps of them."""


@dataclass(frozen=True)
class Attempt:
    """A model that is trained and not yet judged.

    Attributes:
        walked: ready to search, as it would be served, and how well it is walked.
        folds: weights of the lifts that each missed a fold of the queries.
        teachers: of its ranker.
    """

    walked: Navigable
    folds: list[Weights]
    teachers: list[SubgraphRanker]

    @property
    def lifted(self) -> LiftedIndex:
        """Index, model and memory."""
        return self.walked.lifted


class Stages:
    """Trains models of queries over one index, stage by stage, and keeps what happened in ``done``.

    Args:
        index: the frozen index.
        config: of the fit.
        device: where to train.
        checkpoints: folder from which an interrupted stage goes on; None for none.
        progress: called after every epoch.

    Attributes:
        role: what documents do where they ask in the place of queries (`graphlift.training.paraphrases.roles`), (N,);
            None where they do not ask.
        done: the stages so far.
    """

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
        self.role: Tensor | None = None
        self.done: list[Stage] = []

    def train(self, queries: Memory, dev: Memory) -> Attempt:
        """A model of these queries; whether documents ask, too, and the ranker's epoch are chosen on dev."""
        walked = self.chosen_lift(queries, dev)
        folds = self.fold_lifts(queries)
        lifted, lessons = walked.lifted, self.lessons(queries, folds)
        judges = judges_of(lifted, dev, self.role, self.config.seed)

        def learned(name: str, ranker: SubgraphRanker, teachers: Sequence[SubgraphRanker] = ()) -> SubgraphRanker:
            def evaluate() -> float:
                return judged_ndcg(ranker, judges)

            return self._ranker(name, ranker, lessons, teachers, (queries, dev), evaluate)

        count = 0 if self.config.model.num_shortlisted is None else self.config.teachers
        names = [f"teacher {number} of {count}" for number in range(1, count + 1)]
        teachers = [learned(name, self.fresh_teacher(name)) for name in names]
        ranker = learned("ranker", deepcopy(lifted.model.ranker), teachers)
        lifted.model.ranker.load_state_dict(ranker.state_dict())
        return Attempt(walked, [lift_weights(model) for model in folds], teachers)

    def train_again(self, queries: Memory, judged: Attempt) -> Attempt:
        """The like of a model that was judged, from more queries: the same schedule to its end, the same teachers.

        Where documents ask the judged ranker stays, as its like would learn by heart before the end.
        """
        if self.paraphrased:
            self.let_documents_ask(queries)
        walked, folds = self._walked(queries, queries.queries, ALL), self.fold_lifts(queries, ALL)
        lifted, ranker = walked.lifted, judged.lifted.model.ranker
        if not self.paraphrased:
            lessons, fresh = self.lessons(queries, folds), deepcopy(lifted.model.ranker)
            ranker = self._ranker("ranker" + ALL, fresh, lessons, judged.teachers, (queries,))
            ranker.cold_bonus.copy_(judged.lifted.model.ranker.cold_bonus)
        lifted.model.ranker.load_state_dict(ranker.state_dict())
        return Attempt(walked, [lift_weights(model) for model in folds], judged.teachers)

    def chosen_lift(self, queries: Memory, dev: Memory) -> Navigable:
        """A lift of queries, and of documents that ask in their place where dev queries are better off with it; then
        all lifts and rankers that are trained later learn from these, too."""
        plain = self._walked(queries, dev.queries)
        if self.config.paraphrases is None or not can_paraphrase(queries, self.index.x):
            return plain
        self.let_documents_ask(queries)
        other = self._walked(queries, dev.queries)
        before, after = (float(ndcg_of_lift(walked.lifted, dev).mean()) for walked in (plain, other))
        if after > before:
            return other
        self.role = None
        return plain

    def let_documents_ask(self, queries: Memory, folds: int | None = None) -> None:
        """From now on documents ask in the place of these queries, too; in so many folds, or as many as configured."""
        self.role = roles(self.index.x, queries, self.config.folds if folds is None else folds)

    @property
    def paraphrased(self) -> bool:
        """Whether documents ask in the place of queries, too."""
        return self.role is not None

    def _walked(self, queries: Memory, sample: Tensor, of: str = "") -> Navigable:
        """A lift of queries whose walk was checked on a sample."""
        return navigable(LiftedIndex(self.index, self.fresh_lift(queries, "lift" + of), queries), sample)

    def lessons(self, queries: Memory, folds: Sequence[LiftModel]) -> tuple[Subgraphs, Tensor]:
        """What a ranker learns from: the subgraphs that the lifts of the folds draw, with grades."""
        numbers = some(torch.arange(len(queries)), MAX_RANKED // (1 + self.standing_in), self.config.seed)
        return self.drawn(folds, queries, numbers)[:2]

    def drawn(self, folds: Sequence[LiftModel], queries: Memory, numbers: Tensor) -> tuple[Subgraphs, Tensor, Tensor]:
        """Some queries, by their numbers, and documents in their places if any ask, as lifts of folds draw them.

        Returns:
            Subgraphs, the grades of their candidates (n, m), and the numbers of the queries that asked or are stood in
            for, (n,).
        """
        subgraphs, owners = cross_fitted(self.index, folds, queries, numbers, self.standing_in, self.role)
        return subgraphs, queries.grade(owners.unsqueeze(1), subgraphs.rows) * subgraphs.mask, owners

    @property
    def standing_in(self) -> int:
        """How many documents ask in the place of a query where the ranker learns."""
        return self._paraphrases.per_query if self._paraphrases else 0

    def may_ask(self, besides: int | None = None) -> Tensor | None:
        """Which documents ask where a lift is trained that may miss a fold, (N,); None where none do anyway."""
        if self.role is None:
            return None
        teaches = self.role >= 0
        return teaches if besides is None else teaches & (self.role != besides)

    @property
    def course(self) -> FitConfig | ParaphraseConfig:
        """Who knows the schedules and the temperature."""
        return self._paraphrases or self.config

    @property
    def _paraphrases(self) -> ParaphraseConfig | None:
        """How documents ask, if they do."""
        return self.config.paraphrases if self.paraphrased else None

    def _ranker(
        self,
        name: str,
        ranker: SubgraphRanker,
        lessons: tuple[Subgraphs, Tensor],
        teachers: Sequence[SubgraphRanker],
        memories: tuple[Memory, ...],
        evaluate: Callable[[], float] | None = None,
    ) -> SubgraphRanker:
        """The ranker trained; without ``evaluate`` the last epoch counts."""
        ranker = ranker.to(self.device)
        objective = RankingObjective(ranker, *lessons, targets=taught(teachers, *lessons))
        self.run(name, ranker, objective, self.course.ranker, memories, evaluate)
        return ranker

    def fresh_teacher(self, name: str) -> SubgraphRanker:
        """A ranker of the model's shape that hears all candidates."""
        with self._seeded(name):
            return ranker_of(self.config.model.model_copy(update={"num_shortlisted": None}))

    def fold_lifts(self, queries: Memory, of: str = "") -> list[LiftModel]:
        """One lift a fold, trained on the queries of the other folds; documents are in folds, too, if they ask."""
        count = self.config.folds
        fold = fold_of(queries.queries, count)
        others = [queries.select((fold != inside).nonzero().flatten()) for inside in range(count)]
        return [
            self.fresh_lift(rest, f"lift, fold {inside + 1} of {count}{of}", queries, self.may_ask(inside))
            for inside, rest in enumerate(others)
        ]

    def fresh_lift(
        self, queries: Memory, name: str, memory: Memory | None = None, may_ask: Tensor | None = None
    ) -> LiftModel:
        """A fresh model whose lift is trained, on the CPU.

        Args:
            queries: teach it.
            name: of the stage.
            memory: what it goes with, if that is more.
            may_ask: which documents ask in the place of queries, if any do, (N,); all that teach where left out.
        """
        if self.paraphrased:
            name += PARAPHRASED
        with self._seeded(name):
            model = self.untrained(queries if memory is None else memory)
        pairs, schedule = AllPairs(queries, self.config.answers_per_query), self.course.lift
        may_ask = self.may_ask() if may_ask is None else may_ask
        return self.train_lift(name, model, queries, pairs, schedule, may_ask=may_ask)

    def untrained(self, memory: Memory) -> LiftModel:
        """A fresh model for these past queries; its first weights come from the global generator."""
        model = LiftModel(self.index.channels, self.similarity, self.config.model, self._axes)
        model.asked = memory.queries[some(torch.arange(len(memory)), MAX_ASKED, self.config.seed)]
        return model

    @cached_property
    def _axes(self) -> Tensor:
        """Of the sketches of all models alike."""
        return axes_of_sketches(self.index.x, self.similarity, self.config.model.sketch_channels)

    def train_lift(
        self,
        name: str,
        model: LiftModel,
        queries: Memory,
        pairs: Pairs,
        schedule: LoopConfig,
        penalties: Sequence[Penalty] = (),
        may_ask: Tensor | None = None,
    ) -> LiftModel:
        """Train the lift of a model in place, from the weights that it has, and return it on the CPU."""
        if len(pairs) < FEW_PAIRS:
            schedule = schedule.model_copy(update={"batch_size": max(2, schedule.batch_size // 2)})
        objective = self.contrast(model.to(self.device), queries, pairs, schedule, may_ask)
        self.run(name, model, objective, schedule, (queries,), penalties=penalties)
        return model.cpu()

    def contrast(
        self, model: LiftModel, queries: Memory, pairs: Pairs, schedule: LoopConfig, may_ask: Tensor | None = None
    ) -> ContrastObjective:
        """The objective of a lift."""
        return ContrastObjective(
            model,
            self.index,
            queries,
            temperature=self.course.temperature,
            pairs=pairs,
            min_pairs=STEPS_PER_EPOCH * schedule.batch_size,
            random_negatives=self.config.random_negatives,
            hard_negatives=self.config.hard_negatives,
            local_weight=self.config.local_weight,
            stand_in=self._paraphrases.share if self._paraphrases else 0.0,
            may_ask=may_ask,
            nested=self.config.nested,
        )

    def run(
        self,
        name: str,
        module: nn.Module,
        objective: Objective,
        schedule: LoopConfig,
        memories: tuple[Memory, ...],
        evaluate: Callable[[], float] | None = None,
        penalties: Sequence[Penalty] = (),
    ) -> None:
        """Train one module and note what happened; ``memories`` are what it depends on."""
        started = time.perf_counter()

        def tell(done: int, total: int, loss: float) -> None:
            if self.progress is not None:
                self.progress(Progress(name, done, total, loss))

        history = train(
            module,
            objective,
            schedule,
            seed=_stage_seed(self.config.seed, name),
            penalties=penalties,
            evaluate=evaluate,
            checkpoint=self._checkpoint(name, memories),
            progress=tell,
        )
        self.done.append(Stage(name=name, history=history, seconds=time.perf_counter() - started))

    @contextmanager
    def _seeded(self, name: str) -> Iterator[None]:
        """First weights draw from the global generator; it is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_stage_seed(self.config.seed, name))
            yield

    def _checkpoint(self, name: str, memories: tuple[Memory, ...]) -> Checkpoint | None:
        """The stage's file; its fingerprint covers configuration, queries, documents and links."""
        if self.checkpoints is None:
            return None
        index = self.index
        settings = (
            name,
            self.paraphrased,
            self.config.model_dump_json(),
            self.device,
            index.metric.value,
            index.graph.entry_point,
        )
        digest = hashlib.sha256(repr(settings).encode())
        for memory in memories:
            for tensor in (memory.queries, memory.offsets, memory.rows, memory.grades):
                digest.update(tensor.contiguous().numpy().data)
        for array in (index.vectors, *(level.neighbors for level in index.graph.levels)):
            digest.update(np.ascontiguousarray(array).data)
        return Checkpoint(self.checkpoints / f"{re.sub(r'[^a-z0-9]+', '-', name)}.safetensors", digest.hexdigest())


def lift_weights(model: LiftModel) -> Weights:
    """All weights of a model but those of its rankers; whose turn it is, and what was asked, go with them."""
    ranker = re.compile(r"(earlier\.\d+\.)?ranker\.|(query|document)_boundary$|asked$")
    return {name: weight for name, weight in model.state_dict().items() if not ranker.match(name)}


def _stage_seed(seed: int, name: str) -> int:
    return zlib.crc32(f"{seed} {name}".encode())
