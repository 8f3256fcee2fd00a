"""``graphlift fit``: learn from relevance pairs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from graphlift.cli.console import fitting, say
from graphlift.cli.options import QueryVectors, Store
from graphlift.cli.vectors import vectors_of
from graphlift.data import Qrels, Texts, qrels_of_clicks, read_clicks, read_qrels, read_texts
from graphlift.errors import InputError
from graphlift.lift import open
from graphlift.model import ModelConfig
from graphlift.nn.family import CONVS, DEFAULT, member
from graphlift.training.config import FitConfig

CHECKPOINTS = "checkpoints"


def _known(conv: str) -> str:
    try:
        member(conv)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None
    return conv


def fit(
    store: Store,
    queries: Annotated[
        Path | None,
        typer.Option(help="queries.jsonl: one object a line with _id and text.", show_default=False),
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="Training judgments as TSV, BEIR or TREC form.", show_default=False)
    ] = None,
    clicks: Annotated[
        Path | None,
        typer.Option(
            help="Click log in place of --qrels: query, shown and clicked, one object a line.", show_default=False
        ),
    ] = None,
    eta: Annotated[
        float, typer.Option(min=0, help="How fast attention falls with the rank of a click: (1/rank)^eta.")
    ] = 1.0,
    vectors: QueryVectors = None,
    dev_qrels: Annotated[
        Path | None,
        typer.Option(
            help="Judgments to choose and to judge on; some of --qrels are held out where left out.",
            show_default=False,
        ),
    ] = None,
    go_on: Annotated[
        bool,
        typer.Option(
            "--continue", help="Go on from the weights that serve, with the feedback since and what is given here."
        ),
    ] = False,
    query_encoder: Annotated[Literal["linear", "hierarchical"], typer.Option(help="How a query is lifted.")] = "linear",
    small: Annotated[
        bool, typer.Option("--small", help="Messages among few: faster searches, for a little quality.")
    ] = False,
    conv: Annotated[str, typer.Option(callback=_known, help=f"Layer of the network: {', '.join(CONVS)}.")] = DEFAULT,
    seed: Annotated[int, typer.Option(min=0, help="Fixes every random choice.")] = 0,
    device: Annotated[
        str | None,
        typer.Option(help="cpu or cuda; CUDA if there is one, where left out.", show_default=False),
    ] = None,
) -> None:
    """Train on relevance pairs, and publish the result if held-out queries gain.

    An interrupted fit goes on where it was when the same command is given again. With --continue old queries must not
    lose, either.
    """
    shape = ModelConfig.small if small else ModelConfig
    config = FitConfig(model=shape(query_encoder=query_encoder, conv=conv), seed=seed)
    if go_on and config.model != ModelConfig():
        raise InputError(
            "`--query-encoder`, `--conv` and `--small` do not go with `--continue`: a model keeps its shape."
        )
    if go_on and dev_qrels is not None:
        raise InputError("`--dev-qrels` does not go with `--continue`: both old and new queries judge.")
    with open(store) as lift:
        texts, train = _given(queries, qrels, clicks, eta)
        x = None if texts is None else vectors_of(texts.texts, vectors, lift.embedder)
        ids = None if texts is None else texts.ids
        with fitting() as progress:
            if go_on:
                report = lift.fit_more(x, train, query_ids=ids, config=config, device=device, progress=progress)
            elif x is None or train is None:
                raise InputError("`--queries` and `--qrels` or `--clicks` are needed, unless `--continue` is given.")
            else:
                report = lift.fit(
                    x,
                    train,
                    query_ids=ids,
                    dev_qrels=None if dev_qrels is None else read_qrels(dev_qrels),
                    config=config,
                    device=device,
                    checkpoints=store / CHECKPOINTS,
                    progress=progress,
                )
        shutil.rmtree(store / CHECKPOINTS, ignore_errors=True)
    say(report.summary())


def _given(
    queries: Path | None, qrels: Path | None, clicks: Path | None, eta: float
) -> tuple[Texts | None, Qrels | None]:
    """Queries and judgments from the files that are named."""
    if qrels is not None and clicks is not None:
        raise InputError("`--qrels` and `--clicks` exclude each other.")
    if (queries is None) != (qrels is None and clicks is None):
        raise InputError("`--queries` and either `--qrels` or `--clicks` go together.")
    if queries is None:
        return None, None
    texts = read_texts(queries)
    if clicks is not None:
        return texts, qrels_of_clicks(read_clicks(clicks), eta=eta)
    return texts, None if qrels is None else read_qrels(qrels)
