"""Every layer in the ranker, on the retrieval sets.

nDCG@10 of the test queries in percent, one seed. Everything but the layer is the same: the lift, the cross-fitted
subgraphs it is trained on, one layer of 32 channels and 4 heads, at most 120 steps of 64 queries, the epoch that ranks
the dev queries best. This is the model that a fit judges, before the lift is trained once more on all queries.

`lift` is the order of the walk, without a ranker; `none` a ranker without a layer, which scores candidates one by one;
`ruvector, no attributes` the default layer without the links' attributes, which then hears all nodes alike but for what
they say. The last columns are the parameters of the ranker and subgraphs ranked a second, on one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from benchmarks.family.show import dots, markdown
from benchmarks.family.speed import seconds
from benchmarks.ranking.lifts import Lifts, judged
from benchmarks.ranking.task import load_task
from graphlift import FitConfig
from graphlift.nn.family import CONVS
from graphlift.nn.ranker import SubgraphRanker
from graphlift.search.subgraph import Subgraphs
from graphlift.training.judges import judged_ndcg
from graphlift.training.loop import train
from graphlift.training.ranking import RankingObjective

SETS = ("scifact", "fontawesome", "openbookqa", "nl2bash", "clinc150")
WIDTH, HEADS, STEPS, SEED = 32, 4, 120, 0
LIFT, NONE, DEAF = "lift", "none", "ruvector, no attributes"


def rankers() -> dict[str, dict[str, Any]]:
    """What is compared: how a ranker is built."""
    family = {name: {"conv": name} for name in CONVS}
    return {NONE: {"num_layers": 0}, DEAF: {}, **family}


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """Set by set: the lift once, then every ranker."""
    for name in SETS:
        found = results.setdefault(name, {})
        if not {LIFT, *rankers()} <= found.keys():
            yield from _measure(data / name, found)


def _measure(folder: Path, found: dict[str, Any]) -> Iterator[str]:
    lifts = Lifts(load_task(folder), FitConfig(seed=SEED))
    task, (learned, relevance), (judges, testing) = lifts.task, lifts.drawn, lifts.judging
    found[LIFT] = {"nDCG@10": round(100 * judged(lambda some: some.similarity, testing, task.test), 2)}
    yield f"{task.name} {LIFT}: {found[LIFT]}"
    for name, options in rankers().items():
        if name in found:
            continue
        torch.manual_seed(SEED)
        ranker = SubgraphRanker(**{"hidden_channels": WIDTH, "num_layers": 1, "heads": HEADS, **options})
        sees = _deaf if name == DEAF else _as_is
        objective = RankingObjective(ranker, sees(learned), relevance)
        train(
            ranker,
            objective,
            lifts.schedule.model_copy(update={"max_steps": STEPS}),
            seed=SEED,
            evaluate=partial(judged_ndcg, ranker, [(sees(drawn), dev) for drawn, dev in judges]),
        )
        ranker.eval()
        some = sees(testing)[torch.arange(min(64, len(testing)))]
        with torch.inference_mode():
            taken = seconds(partial(ranker, some), repeats=3)
        found[name] = {
            "nDCG@10": round(100 * judged(ranker, sees(testing), task.test), 2),
            "parameters": sum(parameter.numel() for parameter in ranker.parameters()),
            "subgraphs a second": round(len(some) / taken),
        }
        yield f"{task.name} {name}: {found[name]}"


def _as_is(subgraphs: Subgraphs) -> Subgraphs:
    return subgraphs


def _deaf(subgraphs: Subgraphs) -> Subgraphs:
    """The same subgraphs, whose links carry nothing."""
    return replace(subgraphs, edge_attr=torch.zeros_like(subgraphs.edge_attr))


def table(results: dict[str, Any]) -> str:
    """Quality on every set, and cost."""
    rows = []
    for name in (LIFT, *rankers()):
        values = [results.get(s, {}).get(name, {}) for s in results]
        cost = next((value for value in values if "parameters" in value), {})
        costs = [f"{cost[key]:,}" if cost else "-" for key in ("parameters", "subgraphs a second")]
        if any(values):
            rows.append([name, *(value.get("nDCG@10", "-") for value in values), *costs])
    return markdown(["layer", *results, "parameters", "subgraphs a second"], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Quality by set."""
    figure.set_figheight(3.6)
    shown = [name for name in (LIFT, *rankers()) if any(name in found for found in results.values())]
    row = figure.subplots(1, len(results), sharey=True, squeeze=False)[0]
    for axes, (name, found) in zip(row, results.items(), strict=True):
        dots(axes, {kind: [found[kind]["nDCG@10"]] if kind in found else [] for kind in shown}, f"{name}: nDCG@10, %")
