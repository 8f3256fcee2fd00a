"""``graphlift remove``: documents go."""

from __future__ import annotations

from typing import Annotated

import typer

from graphlift.cli.console import say
from graphlift.cli.documents import IdFile, ids_of, read_ids
from graphlift.cli.options import Store
from graphlift.errors import InputError
from graphlift.lift import open


def remove(
    store: Store,
    documents: Annotated[list[str] | None, typer.Argument(help="Ids of the documents.", show_default=False)] = None,
    ids: IdFile = None,
) -> None:
    """Remove documents from a store. Either all of them go, or none if an id is not there."""
    with open(store) as lift:
        names = ids_of(lift, documents or []) + ([] if ids is None else read_ids(lift, ids))
        if not names:
            raise InputError("ids or `--ids` are needed: there is nothing to remove.")
        lift.remove(names)
        say(f"{store}: {len(names)} removed, {len(lift.index)} documents")
