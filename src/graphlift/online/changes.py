"""What can happen to a lift, as values: each turns one snapshot into the next, or raises and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from graphlift.errors import InputError
from graphlift.index.ids import Id
from graphlift.judgments import told
from graphlift.lifted import LiftedIndex
from graphlift.online import step
from graphlift.store.snapshot import Snapshot


class Change(Protocol):
    """Something that happens to a lift."""

    def applied(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot after the change.

        Raises:
            InputError: the change does not fit the snapshot.
        """
        ...


@dataclass(frozen=True, eq=False)
class Add:
    """Documents come.

    Attributes:
        ids: of the documents, none of which the index holds.
        vectors: as they were given, (n, C).
        texts: one a document where the lift has texts.
    """

    ids: list[Id]
    vectors: npt.ArrayLike
    texts: list[str] | None = None

    def applied(self, snapshot: Snapshot) -> Snapshot:
        """The documents are rows behind the others."""
        index = snapshot.index
        x = index.metric.prepare(self.vectors, "vectors", index.channels)
        _check_count("ids", self.ids, len(x), "vectors")
        if not len(x):
            return snapshot
        texts = _texts_after(snapshot, self.texts, len(x))
        index = index.plus(x, index.ids.plus(self.ids))
        lifted = None if snapshot.lifted is None else step.with_added(snapshot.lifted, index)
        return replace(snapshot, index=index, lifted=lifted, texts=texts)


@dataclass(frozen=True, eq=False)
class Remove:
    """Documents go, with what they answered.

    Attributes:
        ids: of the documents.
    """

    ids: list[Id]

    def applied(self, snapshot: Snapshot) -> Snapshot:
        """Their rows stay as way marks, and no search returns them."""
        rows = _rows(snapshot, self.ids)
        index = snapshot.index.minus(rows, snapshot.index.ids.minus(self.ids))
        lifted = None if snapshot.lifted is None else step.with_removed(snapshot.lifted, index, rows)
        return replace(snapshot, index=index, lifted=lifted)


@dataclass(frozen=True, eq=False)
class Update:
    """Documents get other vectors, and keep what they answered.

    Attributes:
        ids: of the documents.
        vectors: as they were given, (n, C).
        texts: one a document where they change, too.
    """

    ids: list[Id]
    vectors: npt.ArrayLike
    texts: list[str] | None = None

    def applied(self, snapshot: Snapshot) -> Snapshot:
        """New rows take the place of the old ones."""
        old = _rows(snapshot, self.ids)
        texts = self.texts
        if texts is None and snapshot.texts is not None:
            texts = [snapshot.texts[row] for row in old.tolist()]
        free = replace(snapshot, index=snapshot.index.minus(old, snapshot.index.ids.minus(self.ids)))
        after = Add(self.ids, self.vectors, texts).applied(free)
        if after is free:  # there was nothing to update
            return snapshot
        new = np.arange(free.index.num_rows, after.index.num_rows)
        lifted = None if after.lifted is None else step.with_removed(after.lifted, after.index, old, new)
        return replace(after, lifted=lifted)


@dataclass(frozen=True, eq=False)
class Tell:
    """Feedback comes.

    Attributes:
        queries: as they were given, (Q, C).
        relevant: ids of documents that answered, a list a query.
        irrelevant: ids of documents that did not.
    """

    queries: npt.ArrayLike
    relevant: list[list[Id]]
    irrelevant: list[list[Id]]

    def applied(self, snapshot: Snapshot) -> Snapshot:
        """The memory has it."""
        feedback = told(snapshot.index, self.queries, self.relevant, self.irrelevant)
        lifted = LiftedIndex.unlearned(snapshot.index) if snapshot.lifted is None else snapshot.lifted
        return replace(snapshot, lifted=lifted.remembering(feedback))


def _rows(snapshot: Snapshot, ids: list[Id]) -> npt.NDArray[np.int64]:
    """The rows of documents that are named once each."""
    rows = snapshot.index.ids.rows(ids)
    if len(np.unique(rows)) != len(rows):
        repeated = next(value for place, value in enumerate(ids) if value in ids[:place])
        raise InputError(f"`ids` must be unique, got {repeated!r} more than once.")
    return rows


def _check_count(argument: str, values: Sequence[object], count: int, of: str) -> None:
    if len(values) != count:
        raise InputError(f"`{argument}` must be as many as {of} ({count}), got {len(values)}.")


def _texts_after(snapshot: Snapshot, texts: list[str] | None, count: int) -> list[str] | None:
    """The texts of all rows after some were added."""
    if (texts is None) != (snapshot.texts is None):
        has = "has no texts" if snapshot.texts is None else "has texts"
        raise InputError(f"`texts` must be given if and only if the lift has them; this one {has}.")
    if texts is None or snapshot.texts is None:
        return None
    _check_count("texts", texts, count, "vectors")
    return snapshot.texts + texts
