"""``graphlift fit``: learn from relevance pairs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from graphlift.cli.console import fitting, say
from graphlift.cli.options import Queries, QueryVectors, Store
from graphlift.cli.vectors import vectors_of
from graphlift.data import read_qrels, read_texts
from graphlift.lift import open
from graphlift.model import ModelConfig
from graphlift.training.config import FitConfig

CHECKPOINTS = "checkpoints"


def fit(
    store: Store,
    queries: Queries,
    qrels: Annotated[Path, typer.Option(help="Training judgments as TSV, BEIR or TREC form.", show_default=False)],
    vectors: QueryVectors = None,
    dev_qrels: Annotated[
        Path | None,
        typer.Option(
            help="Judgments to choose and to judge on; some of --qrels are held out where left out.",
            show_default=False,
        ),
    ] = None,
    query_encoder: Annotated[Literal["linear", "hierarchical"], typer.Option(help="How a query is lifted.")] = "linear",
    seed: Annotated[int, typer.Option(min=0, help="Fixes every random choice.")] = 0,
    device: Annotated[
        str | None,
        typer.Option(help="cpu or cuda; CUDA if there is one, where left out.", show_default=False),
    ] = None,
) -> None:
    """Train on relevance pairs, and publish the result if held-out queries gain.

    An interrupted fit goes on where it was when the same command is given again.
    """
    with open(store) as lift:
        texts = read_texts(queries)
        train = read_qrels(qrels)
        dev = None if dev_qrels is None else read_qrels(dev_qrels)
        x = vectors_of(texts.texts, vectors, lift.embedder)
        with fitting() as progress:
            report = lift.fit(
                x,
                train,
                query_ids=texts.ids,
                dev_qrels=dev,
                config=FitConfig(model=ModelConfig(query_encoder=query_encoder), seed=seed),
                device=device,
                checkpoints=store / CHECKPOINTS,
                progress=progress,
            )
        shutil.rmtree(store / CHECKPOINTS, ignore_errors=True)
    say(report.summary())
