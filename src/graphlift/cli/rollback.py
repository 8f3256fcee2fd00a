"""``graphlift rollback``: the weights before the last published fit."""

from __future__ import annotations

from graphlift.cli.console import say
from graphlift.cli.options import Store
from graphlift.lift import open


def rollback(store: Store) -> None:
    """Let the weights serve again that served before the last published fit; no feedback is lost."""
    with open(store) as lift:
        lift.rollback()
        serving = "the frozen index serves" if lift.lifted is None else "the earlier weights serve"
    say(f"Rolled back: {serving}.")
