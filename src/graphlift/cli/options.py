"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Store: TypeAlias = Annotated[Path, typer.Argument(help="Folder of the store.", show_default=False)]
Queries: TypeAlias = Annotated[
    Path, typer.Option(help="queries.jsonl: one object a line with _id and text.", show_default=False)
]
QueryVectors: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--vectors",
        help=".npy or .parquet, one row a query in the order of --queries; embedded from text where left out.",
        show_default=False,
    ),
]
EfSearch: TypeAlias = Annotated[
    int | None, typer.Option("--ef-search", min=1, help="Beam of the walk; the index's own where left out.")
]
ColdBonus: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--cold-bonus",
        help="Added to the score of documents that answered no past query; what the fit chose where left out.",
        show_default=False,
    ),
]
Report: TypeAlias = Annotated[
    Path | None, typer.Option(help="Also write an HTML report to this file.", show_default=False)
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
