"""``graphlift demo``: the whole path on real input, in a minute or two."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from graphlift.cli.console import counting, fitting, print_comparison, program, say
from graphlift.cli.examples import print_examples
from graphlift.cli.html import write_html
from graphlift.cli.vectors import vectors_of
from graphlift.data import load_icons
from graphlift.errors import InputError
from graphlift.index.hnsw import HnswIndex
from graphlift.lift import Lift
from graphlift.store.folder import check_target
from graphlift.training.config import FitConfig

EMBEDDER = "wordllama"


def demo(
    folder: Annotated[Path, typer.Argument(help="Where the store and the report go.")] = Path("graphlift-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Fixes the split of the terms and every random choice.")] = 0,
) -> None:
    """Index the Font Awesome icons, learn from search terms people wrote for them, and test on other terms.

    Three quarters of the terms are for training; what is shown was measured on the rest.
    """
    store, report, results = folder / "store", folder / "report.html", folder / "demo.json"
    if folder.exists() and not results.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"`{folder}` exists and is not a demo; name a new folder.")
    check_target(store)
    started = time.perf_counter()
    icons = load_icons(seed)
    say(f"{len(icons.corpus)} icons, {len(icons.train)} training terms, {len(icons.test)} other terms to test on.")
    x = vectors_of(icons.corpus.texts, None, EMBEDDER)
    queries = vectors_of(icons.queries.texts, None, EMBEDDER)
    with counting("build the index", len(x)) as progress:
        index = HnswIndex.build(x, icons.corpus.ids, progress=progress)
    lift = Lift(index, texts=icons.corpus.texts, embedder=EMBEDDER)
    with fitting() as tell:
        fit = lift.fit(queries, icons.train, query_ids=icons.queries.ids, config=FitConfig(seed=seed), progress=tell)
    comparison = lift.evaluate(queries, icons.test, query_ids=icons.queries.ids)
    folder.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({"seed": seed} | comparison.to_dict()) + "\n", encoding="utf-8")
    lift.save(store)
    examples = write_html(report, "Font Awesome icons", lift, comparison, icons.queries, queries, icons.test)
    say(f"{fit.summary()}\n")
    print_comparison(comparison)
    print_examples("Terms that gained most", [example for example in examples if example.gain > 0][:3])
    print_examples("Terms that lost most", [example for example in examples if example.gain < 0][:2])
    say(
        f"\n{time.perf_counter() - started:.0f} seconds. Now try:\n"
        f'    {program()} search {store} "coffee"\n'
        f"    {program()} info {store}\n"
        f"and open {report} in a browser."
    )
