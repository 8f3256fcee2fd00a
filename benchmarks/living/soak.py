"""A long life of a store: mixed changes and searches, and what memory and disk do meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

import graphlift as gl

DOCUMENTS, CHANNELS = 3000, 64
QUERIES = 2000
"""Feedback comes from so many different queries: they come again, as they do in use."""
SAMPLES = 40
MIX = {"search": 0.1, "feedback": 0.2, "add": 0.3, "remove": 0.3, "update": 0.1}


def soak(operations: int, folder: Path, seed: int) -> dict[str, Any]:
    """Samples over the life of a store in ``folder``, and seconds by kind of operation."""
    rng = np.random.default_rng(seed)
    store = folder / "store"
    gl.Lift(gl.HnswIndex.build(rng.normal(size=(DOCUMENTS, CHANNELS)))).save(store)
    queries = rng.normal(size=(QUERIES, CHANNELS))
    names, count = list(range(DOCUMENTS)), DOCUMENTS
    times: dict[str, list[float]] = {kind: [] for kind in MIX}
    samples = []
    with gl.open(store) as lift:
        for number in range(operations):
            kind = str(rng.choice(list(MIX), p=list(MIX.values())))
            vector, query = rng.normal(size=(1, CHANNELS)), queries[rng.integers(QUERIES)]
            place = int(rng.integers(len(names)))
            started = time.process_time()
            if kind == "search":
                lift.search(query[None])
            elif kind == "feedback":
                lift.feedback(query, [names[place]], [names[place - 1]])
            elif kind == "add":
                lift.add(vector, [count])
                names.append(count)
                count += 1
            elif kind == "remove":
                lift.remove([names[place]])
                names[place] = names[-1]
                names.pop()
            else:
                lift.update([names[place]], vector)
            times[kind].append(time.process_time() - started)
            if (number + 1) % (operations // SAMPLES) == 0:
                samples.append(_sample(number + 1, lift, store))
                print(samples[-1], flush=True)
        found = set(lift.index.ids.array[lift.index.removed.kept].tolist())
    started = time.process_time()
    again = gl.load(store)
    opened = time.process_time() - started
    assert found == set(names) == set(again.index.ids.array[again.index.removed.kept].tolist())
    return {
        "operations": operations,
        "samples": samples,
        "open": opened,
        "milliseconds": {
            kind: {
                "median": 1000 * float(np.median(values)),
                "99 %": 1000 * float(np.quantile(values, 0.99)),
                "slowest": 1000 * max(values),
            }
            for kind, values in times.items()
        },
    }


def _sample(done: int, lift: gl.Lift, store: Path) -> dict[str, Any]:
    disk = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "operations": done,
        "MiB in memory": round(pages * 4096 / 2**20, 1),
        "MiB on disk": round(disk / 2**20, 2),
        "documents": len(lift.index),
        "rows": lift.index.num_rows,
        "past queries": 0 if lift.lifted is None else len(lift.lifted.memory),
    }
