"""What each part of the model pays for: `python -m benchmarks.ranking.ablation --data DIR [SET ...]`.

Every part is switched off alone, the model is trained again without it, and the test queries are ranked once. Writes
`ablation.json`, `ablation.md` and `ablation.svg` beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.ranking.lifts import Lifts, judged, trained
from benchmarks.ranking.task import Task, load_task
from graphlift import FitConfig, ModelConfig
from graphlift.nn.ranker import SubgraphRanker
from graphlift.search.attributes import EDGE_ATTRS, NODE_ATTRS
from graphlift.search.subgraph import Subgraphs
from graphlift.training.config import ParaphraseConfig
from graphlift.training.teachers import taught

HERE = Path(__file__).parent
matplotlib.rcParams["svg.hashsalt"] = "graphlift"  # the same numbers give the same bytes


def with_past_nodes(subgraphs: Subgraphs, count: int) -> Subgraphs:
    """Only so many of the past queries are nodes."""
    links = subgraphs.edge_attr[..., : subgraphs.rows.shape[1] + count]
    return replace(subgraphs, past_attr=subgraphs.past_attr[:, :count], edge_attr=links)


def without_past_nodes(subgraphs: Subgraphs) -> Subgraphs:
    """Past queries speak through the attributes of candidates only."""
    return replace(with_past_nodes(subgraphs, 0), past=subgraphs.past[:, :0])


def without_memory(subgraphs: Subgraphs) -> Subgraphs:
    """No past query, nothing that candidates have of them, and no candidate that they recalled."""
    cut = without_past_nodes(without_attributes("past", "vote", "warm", "famil", "hubness")(subgraphs))
    walked = torch.arange(cut.rows.shape[1]) < FitConfig().model.num_walked
    return replace(without_edges("shared answers")(cut), mask=cut.mask & walked)


def without_attributes(*words: str) -> Callable[[Subgraphs], Subgraphs]:
    """Candidates without the attributes in whose names one of these words is."""
    places = [place for place, name in enumerate(NODE_ATTRS) if any(word in name for word in words)]

    def cut(subgraphs: Subgraphs) -> Subgraphs:
        node_attr = subgraphs.node_attr.clone()
        node_attr[..., places] = 0
        return replace(subgraphs, node_attr=node_attr)

    return cut


def without_edges(*names: str) -> Callable[[Subgraphs], Subgraphs]:
    """Links without some of their attributes."""

    def cut(subgraphs: Subgraphs) -> Subgraphs:
        edge_attr = subgraphs.edge_attr.clone()
        edge_attr[:, [EDGE_ATTRS.index(name) for name in names]] = 0
        return replace(subgraphs, edge_attr=edge_attr)

    return cut


def born_deaf(ranker: SubgraphRanker) -> SubgraphRanker:
    """Heads that listen to all nodes alike at first."""
    for name, weight in ranker.named_parameters():
        if name.endswith("lin_edge.weight"):
            torch.nn.init.zeros_(weight)
    return ranker


def same(thing: Any) -> Any:
    """No change."""
    return thing


USUAL = ModelConfig()


@dataclass(frozen=True)
class Part:
    """What is different when a part is switched off."""

    lift: bool = True
    cross_fit: bool = True
    rank: bool = True
    random_negatives: int = FitConfig().random_negatives
    paraphrases: ParaphraseConfig | None = FitConfig().paraphrases
    num_layers: int = USUAL.num_layers
    model: ModelConfig = USUAL
    subgraphs: Callable[[Subgraphs], Subgraphs] = same
    ranker: Callable[[SubgraphRanker], SubgraphRanker] = same


PARTS = {
    "nothing": Part(),
    "message passing": Part(num_layers=0),
    "the ranker": Part(rank=False),
    "the lift": Part(lift=False),
    "memory": Part(subgraphs=without_memory),
    "votes of candidates alike": Part(subgraphs=without_attributes("alike")),
    "hubness": Part(subgraphs=without_attributes("hubness")),
    "messages and votes of alike": Part(num_layers=0, subgraphs=without_attributes("alike")),
    "past queries as nodes": Part(subgraphs=without_past_nodes),
    "attributes of links": Part(subgraphs=without_edges(*EDGE_ATTRS)),
    "index links": Part(subgraphs=without_edges("index link")),
    "heads born looking": Part(ranker=born_deaf),
    "cross-fitting": Part(cross_fit=False),
    "documents that ask": Part(paraphrases=None),
    "random negatives": Part(random_negatives=1),
    "messages among all": Part(model=ModelConfig.small()),
}
"""What is switched off -> what that changes."""


def measure(task: Task, seed: int, parts: list[str]) -> dict[str, float]:
    """nDCG@10 on test by what is switched off; parts that leave the lifts alone share them."""
    usual = Lifts(task, FitConfig(seed=seed))
    scores = {}
    for name in parts:
        part = PARTS[name]
        lifts = usual
        config = FitConfig(seed=seed, random_negatives=part.random_negatives, paraphrases=part.paraphrases)
        if (part.lift, part.cross_fit, config) != (True, True, usual.config):
            lifts = Lifts(task, config, part.lift, part.cross_fit)
        scores[name] = score(lifts, part)
        print(f"{task.name:14}seed {seed}  without {name:24}{scores[name]:.4f}", flush=True)
    return scores


def score(lifts: Lifts, part: Part) -> float:
    """nDCG@10 of the test queries without a part."""
    (judges, test), queries = lifts.judging, lifts.task.test
    if not part.rank:
        return judged(lambda subgraphs: subgraphs.similarity, test, queries)
    subgraphs, relevance = lifts.drawn

    def seen(drawn: Subgraphs) -> Subgraphs:
        return with_past_nodes(part.subgraphs(drawn), part.model.num_past_nodes)

    subgraphs, test, judges = seen(subgraphs), seen(test), [(seen(drawn), dev) for drawn, dev in judges]
    config, model = lifts.config, part.model

    def learned(number: int, num_shortlisted: int | None, targets: Tensor) -> SubgraphRanker:
        seed = config.seed + number
        torch.manual_seed(seed)
        shape = model.hidden_channels, part.num_layers, model.heads, model.dropout, model.conv, num_shortlisted
        ranker = part.ranker(SubgraphRanker(*shape))
        return trained(ranker, (subgraphs, relevance), targets, judges, lifts.schedule, seed)

    count = 0 if model.num_shortlisted is None else config.teachers
    teachers = [learned(1 + number, None, relevance) for number in range(count)]
    return judged(learned(0, model.num_shortlisted, taught(teachers, subgraphs, relevance)), test, queries)


def write(results: dict[str, dict[str, list[float]]], out: Path) -> None:
    """A table and a figure beside the JSON file."""
    sets = sorted(results)
    seeds = {name: min(map(len, filter(None, results[name].values()))) for name in sets}
    means = {
        name: {part: float(np.mean(values[: seeds[name]])) for part, values in results[name].items() if values}
        for name in sets
    }
    whole = [f"{means[name]['nothing']:.3f}" for name in sets]
    lines = [
        f"| without | {' | '.join(sets)} | mean |",
        "|---" * (len(sets) + 2) + "|",
        f"| nothing | {' | '.join(whole)} | {np.mean([means[name]['nothing'] for name in sets]):.3f} |",
    ]
    changes = {part: [_change(means[name], part) for name in sets] for part in PARTS if part != "nothing"}
    for part, change in changes.items():
        shown = ["-" if math.isnan(value) else f"{value:+.3f}" for value in change]
        lines.append(f"| {part} | {' | '.join(shown)} | {np.nanmean(change):+.3f} |")
    note = ", ".join(f"{name} {count}" for name, count in seeds.items())
    lines += ["", f"nDCG@10 of test queries, and its change without a part; means of seeds ({note}).", ""]
    out.with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")
    figure = Figure(figsize=(7.5, 0.4 * len(changes) + 1), layout="constrained")
    axes = figure.subplots()
    for row, change in enumerate(reversed(changes.values())):
        axes.barh(row, np.nanmean(change), color="#c9d6e3")
        axes.plot(change, [row] * len(change), "o", color="#0b62a4", markersize=4)
    axes.set_yticks(range(len(changes)), list(reversed(changes)))
    axes.axvline(0, color="#8a8f98", linewidth=1)
    axes.set_xlabel("change of nDCG@10 without the part; dots: sets, bars: their mean")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out.with_suffix(".svg"), metadata={"Date": None})


def _change(means: dict[str, float], part: str) -> float:
    """What a set loses without a part; NaN where that was not measured."""
    return means.get(part, math.nan) - means["nothing"]


def main() -> None:
    """Run what is asked for and not there yet, and write after every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help="folders below --data; all that have vectors where left out")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE / "ablation.json")
    arguments = parser.parse_args()
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for folder in sorted(path.parent for path in arguments.data.glob("*/corpus_emb.npy")):
        if arguments.sets and folder.name not in arguments.sets:
            continue
        task = load_task(folder)
        scores = results.setdefault(folder.name, {})
        for seed in range(arguments.seeds):
            missing = [part for part in PARTS if len(scores.setdefault(part, [])) <= seed]
            for part, value in measure(task, seed, missing).items():
                scores[part].append(value)
            arguments.out.write_text(json.dumps(results) + "\n", encoding="utf-8")
            write(results, arguments.out)


if __name__ == "__main__":
    main()
