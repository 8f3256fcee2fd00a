"""Ranking quality on sets in BEIR layout with vectors: `python -m benchmarks.ranking --data DIR [SET ...]`.

The test split is touched once a run and method. Writes `results.json`, `results.md` and `results.svg` beside this file.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import faiss
import torch

import graphlift
from benchmarks.ranking import table
from benchmarks.ranking.measure import median_seconds, per_query
from benchmarks.ranking.methods import METHODS
from benchmarks.ranking.methods.served import Walked
from benchmarks.ranking.task import load_task

HERE = Path(__file__).parent


def main() -> None:
    """Run what is asked for, and write after every set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help="folders below --data; all that have vectors where left out")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    arguments = parser.parse_args()
    found = sorted(path.parent for path in arguments.data.glob("*/corpus_emb.npy"))
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"sets": {}}
    results["versions"] = {
        "graphlift": graphlift.__version__,
        "torch": torch.__version__,
        "faiss": faiss.__version__,
        "python": platform.python_version(),
    }
    for folder in found:
        if arguments.sets and folder.name not in arguments.sets:
            continue
        task = load_task(folder)
        runs = results["sets"].setdefault(folder.name, {"warm": task.warm.tolist(), "methods": {}})
        for name in arguments.methods:
            runs["methods"][name] = []
            for seed in range(arguments.seeds):
                started = time.perf_counter()
                served = METHODS[name](task, seed)
                seconds = time.perf_counter() - started
                rows = served.rank(task.test.queries)
                values = {metric: v.round(4).tolist() for metric, v in per_query(rows, task.test).items()}
                median_seconds(served.search, task.test.queries[:20])  # warms up, builds what is built once
                p50 = median_seconds(served.search, task.test.queries)
                p50 /= median_seconds(Walked(task.index).search, task.test.queries)
                runs["methods"][name].append(
                    {"seed": seed, "seconds": round(seconds, 1), "p50": round(p50, 2), **values}
                )
                mean = sum(values["nDCG@10"]) / len(task.test)
                print(f"{folder.name:14}{name:26}seed {seed}  nDCG@10 {mean:.4f}  {seconds:6.1f} s", flush=True)
        arguments.out.write_text(json.dumps(results) + "\n", encoding="utf-8")
        table.write(results, arguments.out)


if __name__ == "__main__":
    main()
