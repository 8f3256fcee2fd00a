"""How fast graphlift is: `python -m benchmarks.speed [PART ...] [--out DIR]`.

Writes `results.json`, `results.md` and a figure a part into DIR. Parts that are not asked for keep what they measured
before, so they can be measured one at a time.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.speed import machine, page
from benchmarks.speed.parts import PARTS
from benchmarks.speed.settings import Settings


def main() -> None:
    """Measure what is asked for, and write after every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}, or all (the default)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the results")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts (default 1 2)")
    parser.add_argument("--data", type=Path, help="folder of sets in BEIR layout with vectors")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - {*PARTS, "all"}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)} and all")
    asked = list(PARTS) if not arguments.parts or "all" in arguments.parts else arguments.parts
    settings = Settings(tuple(arguments.threads), arguments.quick, arguments.data)
    arguments.out.mkdir(parents=True, exist_ok=True)
    out = arguments.out / "results.json"
    results = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"parts": {}}
    facts = machine.describe()
    print(machine.sentence(facts), flush=True)
    for name in asked:
        rows = PARTS[name].measure(settings)
        if not rows:
            print(f"{name:8}cannot be measured on this machine")
            continue
        for row in rows:
            print(f"{name:8}{row.case:34}{row.measure:44}{row.against:28}{page.value_of(row):32}{page.verdict(row)}")
        results["parts"][name] = {
            "machine": facts,
            "threads": list(settings.threads),
            "quick": settings.quick,
            "rows": [asdict(row) for row in rows],
        }
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        page.write(results, PARTS, arguments.out)


if __name__ == "__main__":
    main()
