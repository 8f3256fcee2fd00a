"""Starting cold. Every import is a fresh process, and processes of the two kinds take turns; graphlift is compiled to
byte code before, as pip does when it installs. Every load is a fresh process that has imported graphlift; the store's
files are in the system's cache. A first query is the first one after the load, and warm queries follow it."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import graphlift
from benchmarks.speed.rows import Bar, Row, Spread
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import interleaved, ratio
from benchmarks.speed.world import random_index, random_lift
from graphlift.store.snapshot import Snapshot, write_snapshot

TITLE = "Cold start"
IMPORTS = ("torch", "graphlift")
CHANNELS = 384
OPEN = """
import json, sys, time
import graphlift
from graphlift.store.folder import read_version
from pathlib import Path
def timed(call):
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started
lift, load = timed(lambda: graphlift.load(sys.argv[1]))
query = lift.index.vectors[:1] + 0.01
first = timed(lambda: lift.search(query))[1]
warm = [timed(lambda: lift.search(query))[1] for _ in range(20)]
checked = timed(lambda: read_version(Path(sys.argv[1])))[1]
print(json.dumps({"load": load, "checks": checked, "first": first, "warm": sorted(warm)[10]}))
"""


def measure(settings: Settings) -> list[Row]:
    """Import against torch alone, then load and first query of a store that is lifted, and of one that is not."""
    rounds = 2 if settings.quick else 9
    compileall.compile_dir(Path(graphlift.__file__).parent, quiet=1)
    seconds = interleaved({name: lambda name=name: _fresh(f"import {name}") for name in IMPORTS}, rounds, 1)
    rows = [
        Row(
            "a fresh process",
            "import graphlift, time, ours to theirs",
            ratio(seconds["graphlift"], seconds["torch"]),
            "import torch",
            bar=Bar(high=1.2),
            figures={f"import {name} s": Spread.of(values).median for name, values in seconds.items()},
        )
    ]
    index = random_index(2000 if settings.quick else 100_000, CHANNELS)
    for kind, snapshot in (("lifted", Snapshot(index, random_lift(index))), ("frozen", Snapshot(index))):
        rows += _opened(f"{kind} store, {len(index):,} x {CHANNELS}", snapshot, rounds)
    return rows


def _opened(case: str, snapshot: Snapshot, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        write_snapshot(Path(folder) / "store", snapshot)
        times = [json.loads(_fresh(OPEN, str(Path(folder) / "store"))) for _ in range(rounds + 1)][1:]
    load, checks, first, warm = (Spread.of([t[name] for t in times]) for name in ("load", "checks", "first", "warm"))
    figures = {"warm query s": warm.median}
    return [
        Row(case, "load, all hashes checked", load, unit="s", bar=Bar(high=0.5)),
        Row(case, "of that, checking hashes", checks, unit="s"),
        Row(case, "first query", first, unit="s", figures=figures),
    ]


def _fresh(program: str, *arguments: str) -> str:
    """What a new interpreter prints when it runs a program."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
