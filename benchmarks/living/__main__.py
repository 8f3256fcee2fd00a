"""What changes cost, whether memory and disk creep, and what feedback alone gains.

`python -m benchmarks.living [cost] [soak] [told --data DIR]`

Writes `results.json`, `results.md` and `results.svg` beside this file.
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import tempfile
from pathlib import Path

import faiss
import torch

import graphlift
from benchmarks.living import table
from benchmarks.living.cost import cost
from benchmarks.living.soak import soak
from benchmarks.living.told import told

HERE = Path(__file__).parent


def main() -> None:
    """Run what is asked for, and write after every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="cost and soak where left out")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--channels", type=int, default=384)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--data", type=Path, help="folders in BEIR layout with vectors, for told")
    parser.add_argument("--folder", type=Path, help="where the store lies; a temporary folder where left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # so that processor time is what a call takes, however busy the machine is
    faiss.omp_set_num_threads(1)
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    results["seed"] = arguments.seed
    results["versions"] = {
        "graphlift": graphlift.__version__,
        "torch": torch.__version__,
        "faiss": faiss.__version__,
        "SQLite": sqlite3.sqlite_version,
        "python": platform.python_version(),
    }
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for part in arguments.parts or ["cost", "soak"]:
            if part == "cost":
                results[part] = cost(arguments.documents, arguments.channels, arguments.seed)
            elif part == "told":
                results[part] = told(arguments.data, arguments.seed)
            else:
                results[part] = soak(arguments.operations, Path(folder), arguments.seed)
            arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            table.write(results, arguments.out)


if __name__ == "__main__":
    main()
