"""What a bonus for cold documents buys and costs: `python -m benchmarks.ranking.cold_trade --data DIR [SET ...]`.

One fit a set and seed, with defaults; then the test queries are searched once with every bonus. The bonus that the fit
chose on held-out queries is marked. Writes `cold_trade.json`, `cold_trade.md` and `cold_trade.svg` beside this file.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import faiss
import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

import graphlift
from benchmarks.ranking.measure import per_query
from benchmarks.ranking.task import load_task
from graphlift import FitConfig
from graphlift.training.cold import BONUSES
from graphlift.training.fit import fit

HERE = Path(__file__).parent
matplotlib.rcParams["svg.hashsalt"] = "graphlift"


def measure(folder: Path, seed: int) -> dict[str, Any]:
    """nDCG@10 on all, warm and cold test queries for every bonus, and the bonus that the fit chose."""
    task = load_task(folder)
    result = fit(task.index, task.train, FitConfig(seed=seed), dev=task.given_dev)
    if result.lifted is None:
        raise SystemExit(f"{folder.name}, seed {seed}: the gate let nothing pass")
    warm, queries, curve = task.warm.numpy(), task.test.queries.numpy(), []
    for bonus in BONUSES:
        rows = torch.from_numpy(result.lifted.search_rows(queries, 10, 128, bonus)[1])
        values = per_query(rows, task.test, ("nDCG@10",))["nDCG@10"]
        parts = {"all": values, "warm": values[warm], "cold": values[~warm]}
        curve.append({"bonus": bonus} | {name: round(float(part.mean()), 4) for name, part in parts.items()})
    return {"seed": seed, "chosen": result.report.cold_bonus, "curve": curve}


def main() -> None:
    """Measure, and write after every set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["openbookqa", "scifact"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE / "cold_trade.json")
    arguments = parser.parse_args()
    versions = {"graphlift": graphlift.__version__, "torch": torch.__version__, "faiss": faiss.__version__}
    results: dict[str, Any] = {"versions": versions | {"python": platform.python_version()}, "sets": {}}
    for name in arguments.sets:
        results["sets"][name] = [measure(arguments.data / name, seed) for seed in range(arguments.seeds)]
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        arguments.out.with_suffix(".md").write_text(_table(results), encoding="utf-8")
        _draw(results, arguments.out.with_suffix(".svg"))


def _means(runs: list[dict[str, Any]], part: str) -> np.ndarray:
    """Mean over seeds at every bonus."""
    return np.mean([[point[part] for point in run["curve"]] for run in runs], axis=0)


def _table(results: dict[str, Any]) -> str:
    lines = []
    for name, runs in results["sets"].items():
        chosen = ", ".join(f"{run['chosen']:g}" for run in runs)
        lines += [f"### {name}", "", f"Chosen on held-out queries, seed by seed: {chosen}.", ""]
        lines += ["| bonus | all | warm | cold |", "|---|---|---|---|"]
        means = zip(*(_means(runs, part) for part in ("all", "warm", "cold")), strict=True)
        lines += [
            f"| {bonus:g} | " + " | ".join(f"{value:.3f}" for value in values) + " |"
            for bonus, values in zip(BONUSES, means, strict=True)
        ]
        lines.append("")
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return "\n".join([*lines, f"nDCG@10 on test queries, mean of seeds. Versions: {versions}.", ""])


def _draw(results: dict[str, Any], path: Path) -> None:
    sets = results["sets"]
    figure = Figure(figsize=(3.75 * len(sets), 3), layout="constrained")
    for axes, (name, runs) in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets.items(), strict=True):
        for part, color in (("all", "#30343b"), ("warm", "#b8562a"), ("cold", "#0b62a4")):
            axes.plot(BONUSES, _means(runs, part), ".-", color=color, label=part)
        for run in runs:
            axes.axvline(run["chosen"], color="#d0d4da", zorder=0)
        axes.set_title(name)
        axes.set_xlabel("bonus of cold documents; gray: chosen by the fit")
        axes.set_ylabel("nDCG@10")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
