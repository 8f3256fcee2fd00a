"""What `graphlift demo` gains on held-out search terms, over several seeds of split and training.

Writes `results.json` beside this file and the README's figure, `docs/assets/demo.svg`.

    python benchmarks/demo/run.py [--seeds 3]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import faiss
import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

import graphlift as gl
from graphlift.data import load_embedder, load_icons

HERE = Path(__file__).parent
FIGURE = HERE.parents[1] / "docs" / "assets" / "demo.svg"
METRICS = {"nDCG@10": "nDCG@10", "R@10": "Recall@10", "RR@10": "MRR@10"}
matplotlib.rcParams["svg.hashsalt"] = "graphlift"  # the same numbers give the same bytes
GRAY, BLUE = "#8a8f98", "#0b62a4"


def measure(seed: int) -> dict:
    """One seed: split the terms, train, compare on the terms that were held out."""
    icons, embedder = load_icons(seed), load_embedder("wordllama")
    queries = embedder.embed(icons.queries.texts)
    lift = gl.Lift(gl.HnswIndex.build(embedder.embed(icons.corpus.texts), icons.corpus.ids))
    started = time.perf_counter()
    report = lift.fit(queries, icons.train, query_ids=icons.queries.ids, config=gl.FitConfig(seed=seed))
    seconds = time.perf_counter() - started
    comparison = lift.evaluate(queries, icons.test, query_ids=icons.queries.ids)
    return {
        "seed": seed,
        "published": report.published,
        "fit_seconds": round(seconds, 1),
        "interval": comparison.all.interval,
        "better": comparison.all.better,
        "worse": comparison.all.worse,
        "same": comparison.all.same,
        **comparison.to_dict(),
    }


def draw(runs: list[dict], path: Path) -> None:
    """Means of both indexes, a dot for each seed; the same numbers give the same bytes."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    for row, metric in enumerate(METRICS):
        for offset, side, color in ((0.19, "frozen", GRAY), (-0.19, "lifted", BLUE)):
            values = [run[side]["all"][metric] for run in runs]
            y = len(METRICS) - 1 - row + offset
            axes.barh(y, np.mean(values), height=0.34, color=color)
            axes.plot(values, [y] * len(values), "o", color="white", markersize=3, markeredgecolor="black", mew=0.5)
            axes.text(max(values) + 0.008, y, f"{np.mean(values):.3f}  {side}", va="center", fontsize=9, color=color)
    axes.set_yticks(range(len(METRICS)), reversed(METRICS.values()))
    axes.set_xlim(0, 0.7)
    axes.set_xlabel("held-out search terms for 1,885 icons; bars are means, dots are seeds", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, transparent=False)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0 (default 3)")
    runs = [measure(seed) for seed in range(parser.parse_args().seeds)]
    for run in runs:
        frozen, lifted = (run[side]["all"]["nDCG@10"] for side in ("frozen", "lifted"))
        print(f"seed {run['seed']}: nDCG@10 {frozen:.3f} -> {lifted:.3f}, fit {run['fit_seconds']} s")
    versions = {
        "graphlift": gl.__version__,
        "torch": torch.__version__,
        "faiss": faiss.__version__,
        "python": platform.python_version(),
    }
    results = {"versions": versions, "threads": torch.get_num_threads(), "runs": runs}
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    draw(runs, FIGURE)


if __name__ == "__main__":
    main()
