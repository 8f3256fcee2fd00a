"""Whether documents are texts of the same kind as queries, and how far queries are from those that were learned:
`python -m benchmarks.ranking.kinds --data DIR [SET ...]`.

Prints, for each set and one split: on what share of training queries and of their documents a boundary between the two
is wrong; whether documents may ask (`graphlift.training.paraphrases`); and the mean similarity of dev queries, of test
queries and of warm documents to the nearest training query. Nothing is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from benchmarks.ranking.task import load_task
from graphlift.sampling import some
from graphlift.training.paraphrases import SAMPLED, can_paraphrase, mistaken


def nearest(texts: Tensor, queries: Tensor) -> float:
    """Mean similarity of texts (n, C) to the query (Q, C) that is nearest to each."""
    return sum(float((chunk @ queries.T).amax(dim=1).sum()) for chunk in texts.split(1024)) / len(texts)


def main() -> None:
    """A line for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help="folders below --data; all that have vectors where left out")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{'set':14}{'mistaken':>10}{'may ask':>10}{'nearest: dev':>14}{'test':>8}{'documents':>11}")
    for folder in sorted(path.parent for path in arguments.data.glob("*/corpus_emb.npy")):
        if arguments.sets and folder.name not in arguments.sets:
            continue
        task = load_task(folder)
        train, dev = task.split(arguments.seed)
        warm = task.index.x[some(train.warm_rows, SAMPLED, arguments.seed)]
        may = "yes" if can_paraphrase(train, task.index.x) else "no"
        near = [nearest(texts, train.queries) for texts in (dev.queries, task.test.queries, warm)]
        share = mistaken(train.queries, warm)
        print(f"{folder.name:14}{share:>10.2f}{may:>10}{near[0]:>14.3f}{near[1]:>8.3f}{near[2]:>11.3f}", flush=True)


if __name__ == "__main__":
    main()
