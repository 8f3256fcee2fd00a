"""The layers of the family, measured: `python -m benchmarks.family [PART ...] --data DIR [--out DIR]`.

Every part writes `PART.json`, `PART.md` and `PART.svg` into the folder, and keeps what it has after every piece: the
same command goes on where it was interrupted. To measure a part again, delete its JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import platform
from pathlib import Path
from types import ModuleType
from typing import Any

import faiss
import matplotlib
import torch
from matplotlib.figure import Figure

import graphlift
from benchmarks.family import parts
from graphlift.errors import require

HERE = Path(__file__).parent
PARTS = sorted(module.name for module in pkgutil.iter_modules(parts.__path__))
matplotlib.rcParams["svg.hashsalt"] = "graphlift"  # the same numbers give the same bytes


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all where left out")
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.parts or PARTS:
        run(name, arguments.data, arguments.out)


def run(name: str, data: Path, out: Path) -> None:
    """Measure one part, writing after every piece."""
    part = importlib.import_module(f"benchmarks.family.parts.{name}")
    kept = out / f"{name}.json"
    results: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))["results"] if kept.exists() else {}
    write(part, results, out / name)
    for line in part.measure(data, results):
        print(f"{name:14}{line}", flush=True)
        write(part, results, out / name)


def write(part: ModuleType, results: dict[str, Any], path: Path) -> None:
    """JSON, Markdown and figure of what is measured so far."""
    if not results:
        return
    about = {"versions": versions(), "threads": torch.get_num_threads(), "results": results}
    path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    title, _, rest = (part.__doc__ or "").strip().partition("\n")
    text = f"# {title.removesuffix('.')}\n\n{rest.strip()}\n\n{part.table(results)}\n"
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    part.draw(results, figure)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def versions() -> dict[str, str]:
    """What the numbers were measured with."""
    return {
        "graphlift": graphlift.__version__,
        "torch": torch.__version__,
        "torch_geometric": require("torch_geometric", extra="family").__version__,
        "faiss": faiss.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
