"""Forgetting when feedback comes one task after the other: `python -m benchmarks.continual --data DIR [STREAM ...]`.

Streams are `three sets` and `clinc150` of --data, and `images`, permuted MNIST (see `images.py`). Everything
was chosen on dev queries; test queries are only reported. Writes `results.json`, `results.md` and `results.svg` beside
this file, after every method, and skips what is there already.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import faiss
import torch

import graphlift
from benchmarks.continual import images, table
from benchmarks.continual.methods import JOINT, METHODS, first, joint, steps
from benchmarks.continual.streams import STREAMS, Stream
from graphlift.training.gate import Searcher, ndcg

HERE = Path(__file__).parent
BEAM = 128


def main() -> None:
    """Run what is asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("streams", nargs="*", choices=[*STREAMS, "images", []], help="all where left out")
    parser.add_argument("--data", type=Path, help="folder of sets in BEIR layout with vectors")
    parser.add_argument("--mnist", type=Path, help="folder of its four idx files")
    parser.add_argument("--avalanche", help="a Python that has avalanche-lib, to run its EWC in the same protocol")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--methods", nargs="*", default=[*METHODS, JOINT], choices=[*METHODS, JOINT])
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    arguments = parser.parse_args()
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"streams": {}, "images": {}}
    results["versions"] = {
        "graphlift": graphlift.__version__,
        "torch": torch.__version__,
        "faiss": faiss.__version__,
        "python": platform.python_version(),
    }

    def write() -> None:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        table.write(results, arguments.out)

    wanted = arguments.streams or [*STREAMS, "images"]
    for option, needed in (("data", set(wanted) & set(STREAMS)), ("mnist", set(wanted) & {"images"})):
        if needed and getattr(arguments, option) is None:
            parser.error(f"--{option} is needed for {', '.join(sorted(needed))}")
    for name in (name for name in STREAMS if name in wanted):
        for seed in arguments.seeds:
            run_stream(STREAMS[name](arguments.data, seed), seed, arguments.methods, results["streams"], write)
    if "images" in wanted:
        images.run(arguments.mnist, arguments.avalanche, arguments.seeds, results["images"], write)


def run_stream(stream: Stream, seed: int, methods: list[str], results: dict[str, Any], write: Any) -> None:
    """All methods on one stream, from one first fit."""
    entry = results.setdefault(stream.name, {"tasks": [task.name for task in stream.tasks], "frozen": None, "runs": {}})
    entry["frozen"] = entry["frozen"] or scores(stream, stream.index)
    missing = [method for method in methods if str(seed) not in entry["runs"].setdefault(method, {})]
    if not missing:
        return
    start = first(stream, seed) if set(missing) - {JOINT} else None
    begun = None if start is None else scores(stream, start.lifted)
    for method in missing:
        started = time.perf_counter()
        if method == JOINT:
            rows, said = [scores(stream, joint(stream, seed))], []
        else:
            rows, said = [begun], []
            for lifted, gate in steps(stream, start, METHODS[method], seed):
                rows.append(scores(stream, lifted))
                said.append(gate)
        seconds = round(time.perf_counter() - started, 1)
        entry["runs"][method][str(seed)] = {"matrix": rows, "gate": said, "seconds": seconds}
        shown = " ".join(f"{score:.4f}" for score in rows[-1]["test"])
        print(f"{stream.name:12}{method:20}seed {seed}  nDCG@10 {shown}  {seconds:6.1f} s", flush=True)
        write()


def scores(stream: Stream, searcher: Searcher) -> dict[str, list[float]]:
    """Mean nDCG@10 of every task's dev and test queries."""
    return {
        part: [round(float(ndcg(searcher, getattr(task, part), BEAM).mean()), 4) for task in stream.tasks]
        for part in ("dev", "test")
    }


if __name__ == "__main__":
    main()
