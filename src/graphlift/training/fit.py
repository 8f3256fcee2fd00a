"""A whole fit: hold out, train the lift, train the ranker on cross-fitted candidates, choose, and pass the gate."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from graphlift.errors import InputError
from graphlift.index.hnsw import HnswIndex
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.training.cold import choose_cold_bonus
from graphlift.training.config import FitConfig
from graphlift.training.familiar import choose_false_alarms, set_familiarity_bounds
from graphlift.training.gate import gain_is_sure, ndcg, ndcg_of_lift
from graphlift.training.hold_out import hold_out
from graphlift.training.legacy import Legacy
from graphlift.training.progress import ProgressCallback
from graphlift.training.report import FitReport
from graphlift.training.stages import Stages

MIN_QUERIES = 20
"""Fewer queries cannot be split into something to learn from and something to judge by."""


@dataclass(frozen=True)
class FitResult:
    """A fit's report, and the new version if the gate let it pass, with what it leaves to the next fit."""

    report: FitReport
    lifted: LiftedIndex | None
    legacy: Legacy | None


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
    started = time.perf_counter()
    device = device_of(device)
    queries = queries.merged()  # a query that was asked twice must not judge what it taught
    if len(queries) < MIN_QUERIES:
        raise InputError(f"`qrels` must judge at least {MIN_QUERIES} different queries, got {len(queries)}.")
    given = dev is not None
    learned, held = (queries, _new(dev, queries)) if dev is not None else _hold_out(queries, config, current)
    stages = Stages(index, config, device, checkpoints, progress)
    attempt = stages.train(learned, held)
    cold_bonus, cold_cost = choose_cold_bonus(attempt.lifted, held, config.cold_price)
    attempt.lifted.model.ranker.cold_bonus.fill_(cold_bonus)
    false_alarms = choose_false_alarms(attempt.lifted, held)
    beam = attempt.lifted.beam()  # the same for all, so that nothing wins by looking further
    before = ndcg(index if current is None else current, held, beam)
    choices = {
        "before": before,
        "lift": ndcg_of_lift(attempt.lifted, held),
        "lift and ranker": ndcg(attempt.lifted, held, beam),
    }
    after = choices["lift and ranker"]
    sure, interval = gain_is_sure(before, after, config.confidence)
    lifted, recall, relinked = None, None, False
    if sure:
        if not given:  # the choice is made; what was held out for it may now teach, and be remembered
            attempt = stages.train_again(queries, attempt)
        lifted, recall, relinked = attempt.walked
        set_familiarity_bounds(lifted, false_alarms)
        if current is not None:  # what was told is not forgotten
            lifted = lifted.remembering(current.told)
    report = FitReport(
        published=sure,
        reason=(
            f"held-out queries gain {after.mean() - before.mean():+.3f} nDCG@10 over what served before, "
            f"95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}."
        ),
        seed=config.seed,
        train_queries=len(learned),
        dev_queries=len(held),
        cold_dev_queries=held.cold_to(learned),
        dev_given=given,
        dev_ndcg={name: float(scores.mean()) for name, scores in choices.items()},
        interval=interval,
        cold_bonus=cold_bonus,
        cold_cost=cold_cost,
        paraphrased=stages.paraphrased,
        stages=stages.done,
        refitted=sure and not given,
        recall=recall,
        relinked=relinked,
        seconds=time.perf_counter() - started,
    )
    legacy = (
        None
        if lifted is None
        else Legacy(tuple(attempt.folds), arrived=(len(lifted.memory),), paraphrased=stages.paraphrased)
    )
    return FitResult(report, lifted, legacy)


def _new(dev: Memory, queries: Memory) -> Memory:
    """The dev queries that are no training queries too, by their vectors."""
    new = dev.select((~dev.known_to(queries)).nonzero().flatten())
    if not len(new):
        raise InputError("`dev_qrels` must judge queries that are no training queries, got none.")
    return new


def _hold_out(queries: Memory, config: FitConfig, current: LiftedIndex | None) -> tuple[Memory, Memory]:
    """Queries to learn from and queries to judge by; the latter are new to what serves now."""
    new = torch.ones(len(queries), dtype=torch.bool) if current is None else ~queries.known_to(current.memory)
    if int(new.sum()) < MIN_QUERIES:
        raise InputError(
            f"`dev_qrels` (--dev-qrels) is needed: only {int(new.sum())} queries of `qrels` are new to the model that "
            f"serves, and at least {MIN_QUERIES} are needed to judge by."
        )
    return hold_out(queries, config.dev_fraction, config.seed, new)


def device_of(name: str | None) -> str:
    """The device to train on, checked before anything is done."""
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        raise InputError(f"`device` must name a device of this machine, such as 'cpu', got {name!r}.") from error
    return name
