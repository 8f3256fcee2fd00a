"""What a fit makes of a version, and the way back."""

from __future__ import annotations

from dataclasses import replace

from graphlift.errors import InputError
from graphlift.feedback import Feedback
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.store.former import Former
from graphlift.store.snapshot import Snapshot
from graphlift.training.fit import FitResult


def after_fit(snapshot: Snapshot, result: FitResult) -> Snapshot:
    """The version after a fit; what a published one replaced is kept to go back to."""
    if result.lifted is None:
        return replace(snapshot, report=result.report)
    before = snapshot.lifted or LiftedIndex.unlearned(snapshot.index)
    taught = before.told.relevant.queries[~before.told.relevant.known_to(result.lifted.told.relevant)]
    former = Former(before.model, taught, snapshot.legacy)
    return replace(snapshot, lifted=result.lifted, report=result.report, legacy=result.legacy, former=former)


def rolled_back(snapshot: Snapshot) -> Snapshot:
    """The version with the weights that served before the last published fit, and with all that was told.

    Raises:
        InputError: there are no such weights.
    """
    former, lifted = snapshot.former, snapshot.lifted
    if lifted is None or former is None:
        raise InputError("`rollback` needs an earlier version to go back to, got none.")
    numbers = lifted.memory.numbers(former.taught)
    again = lifted.memory.select(numbers[numbers >= 0]).answered()
    told = Feedback(again, Memory.empty(lifted.index.channels)).updated(lifted.told)
    lifted = lifted.with_model(former.model, told)
    serving = lifted if lifted.learned or len(told) else None
    return replace(snapshot, lifted=serving, legacy=former.legacy, former=None)
