"""Which ranker is best on training queries that were kept from it:
`python -m benchmarks.ranking.kept_back --data DIR [SET ...]`.

A set's dev queries are too few to tell rankers apart. Here the training queries are cut into five parts, and every
ranker is trained on four and judged on the fifth, whose subgraphs come from lifts that have not seen it, either.
Prints what each ranker gains over the first, with the standard error over queries; nothing is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.ranking.ablation import USUAL, same, with_past_nodes, without_attributes
from benchmarks.ranking.lifts import Lifts, trained
from benchmarks.ranking.task import load_task
from graphlift import FitConfig, ModelConfig
from graphlift.model import ranker_of
from graphlift.nn.ranker import SubgraphRanker
from graphlift.sampling import some
from graphlift.search.subgraph import Subgraphs
from graphlift.training.folds import cross_fitted
from graphlift.training.judges import Judges, ranked_ndcg
from graphlift.training.stages import MAX_RANKED
from graphlift.training.teachers import taught

PARTS = 5


@dataclass(frozen=True)
class Contender:
    """A ranker: its shape, how many teachers it has, and what it sees of subgraphs."""

    shape: ModelConfig = USUAL
    teachers: int = 0
    seen: Callable[[Subgraphs], Subgraphs] = same


RANKERS = {
    "messages among all": Contender(),
    "without hubness": Contender(seen=without_attributes("hubness")),
    "small": Contender(ModelConfig.small()),
    "small, taught": Contender(ModelConfig.small(), FitConfig().teachers),
}


class Bench:
    """Rankers of one set, trained on some of its queries.

    Args:
        lifts: of the set.
    """

    def __init__(self, lifts: Lifts) -> None:
        self.lifts, self.config = lifts, lifts.config
        numbers = some(torch.arange(len(lifts.train)), MAX_RANKED, self.config.seed)
        self.subgraphs, owners = cross_fitted(lifts.task.index, lifts.folds, lifts.train, numbers)
        self.queries = lifts.train.select(owners)
        self.relevance = self.queries.grade(torch.arange(len(owners)).unsqueeze(1), self.subgraphs.rows)
        self.judges = lifts.judging[0]

    def judged(self, ranker: Contender, part: int) -> np.ndarray:
        """nDCG@10 of the queries of a part, by a ranker that the others trained."""
        shape = ranker.shape

        def seen(drawn: Subgraphs) -> Subgraphs:
            return with_past_nodes(ranker.seen(drawn), shape.num_past_nodes)

        subgraphs, judges = seen(self.subgraphs), [(seen(drawn), dev) for drawn, dev in self.judges]
        order = torch.randperm(len(self.queries), generator=torch.Generator().manual_seed(self.config.seed))
        kept = order.chunk(PARTS)[part]
        others = order[~torch.isin(order, kept)]
        given = subgraphs[others], self.relevance[others], judges
        large = shape.model_copy(update={"num_shortlisted": None})
        teachers = [self.trained(large, 1 + number, *given, given[1]) for number in range(ranker.teachers)]
        trained = self.trained(shape, 0, *given, taught(teachers, *given[:2]))
        return ranked_ndcg(trained, subgraphs[kept], self.queries.select(kept))

    def trained(
        self, shape: ModelConfig, number: int, subgraphs: Subgraphs, relevance: Tensor, judges: Judges, targets: Tensor
    ) -> SubgraphRanker:
        """A ranker at the epoch that is judged best."""
        seed = PARTS * self.config.seed + number
        torch.manual_seed(seed)
        return trained(ranker_of(shape), (subgraphs, relevance), targets, judges, self.lifts.schedule, seed)


def main() -> None:
    """All rankers on what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help="folders below --data; all that have vectors where left out")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--rankers", nargs="*", choices=RANKERS, default=list(RANKERS), help="the first one is the yardstick"
    )
    arguments = parser.parse_args()
    for folder in sorted(path.parent for path in arguments.data.glob("*/corpus_emb.npy")):
        if arguments.sets and folder.name not in arguments.sets:
            continue
        bench = Bench(Lifts(load_task(folder), FitConfig(seed=arguments.seed)))
        first = None
        for name in arguments.rankers:
            scores = np.concatenate([bench.judged(RANKERS[name], part) for part in range(PARTS)])
            first = scores if first is None else first
            gain = scores - first
            error = gain.std() / len(gain) ** 0.5
            print(f"{folder.name:14}{name:22}{scores.mean():.4f}  {gain.mean():+.4f}  +- {error:.4f}", flush=True)


if __name__ == "__main__":
    main()
