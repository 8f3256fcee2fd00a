"""When links are reused, made, and made anew.

New rows are scanned, which costs a distance a row and query, until there are more than `TAIL` and a share of
`TAIL_SHARE` of the graph. Then they are linked as a build would; that costs a build of as many rows, and a copy of the
others.

Removed rows stay as way marks until there are more than `REMOVED` and a share of `REMOVED_SHARE` of all rows. Then the
index is built anew without them.

Lifted documents take over the frozen links each time. Where the walk then finds less than
`graphlift.training.navigable.MIN_RECALL` of what the frozen walk finds, sampled, they are linked anew by themselves.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np

from graphlift.index.hnsw import HnswIndex
from graphlift.lifted import LiftedIndex
from graphlift.online import step
from graphlift.store.snapshot import Snapshot
from graphlift.training.navigable import navigable

TAIL, TAIL_SHARE = 256, 1 / 64
"""Rows behind the graph are linked beyond the larger of this number and this share of the graph."""
REMOVED, REMOVED_SHARE = 64, 1 / 4
"""The index is built anew beyond the larger of this number and this share of removed rows."""
SAMPLED = 100
"""Documents that stand for queries when the walk is checked; comparing them with all takes as long as a linking."""
PAST_TAIL = 1024
"""Past queries behind their graph are linked beyond this number."""


def kept_up(snapshot: Snapshot) -> Snapshot:
    """The same content with links as the policy wants them; the snapshot itself where nothing is due."""
    index = snapshot.index
    if len(index) and index.removed.count > max(REMOVED, REMOVED_SHARE * index.num_rows):
        return compacted(snapshot)
    if index.num_rows - index.num_linked > max(TAIL, TAIL_SHARE * index.num_linked):
        return linked(snapshot)
    lifted = snapshot.lifted
    if lifted is not None and _behind(lifted.past) > PAST_TAIL:
        return replace(snapshot, lifted=_past_linked(lifted))
    return snapshot


def linked(snapshot: Snapshot) -> Snapshot:
    """The same content with every row in the graph; the snapshot itself where all are."""
    lifted = snapshot.lifted
    if lifted is not None and _behind(lifted.past):
        lifted = _past_linked(lifted)
    if not _behind(snapshot.index):
        return snapshot if lifted is snapshot.lifted else replace(snapshot, lifted=lifted)
    index = snapshot.index.relinked()
    return replace(snapshot, index=index, lifted=None if lifted is None else _walkable(step.relinked(lifted, index)))


def compacted(snapshot: Snapshot) -> Snapshot:
    """The same content in an index that is built anew where a row was removed, and with every row in the graph."""
    if not snapshot.index.removed.count or not len(snapshot.index):
        return linked(snapshot)
    kept, texts, lifted = snapshot.index.removed.kept, snapshot.texts, snapshot.lifted
    index = snapshot.index.compacted()
    return linked(
        replace(
            snapshot,
            index=index,
            lifted=None if lifted is None else _walkable(step.compacted(lifted, index)),
            texts=None if texts is None else [texts[row] for row in kept.tolist()],
        )
    )


def _behind(index: object) -> int:
    return index.num_rows - index.num_linked if isinstance(index, HnswIndex) else 0


def _past_linked(lifted: LiftedIndex) -> LiftedIndex:
    other = copy(lifted)
    if isinstance(lifted.past, HnswIndex):
        other.past = lifted.past.relinked()
    return other


def _walkable(lifted: LiftedIndex) -> LiftedIndex:
    """The lifted index with links that lead its walk; documents stand for queries, an even sample of them."""
    if lifted.walk_index is lifted.index:
        return lifted
    kept = lifted.index.removed.kept
    sample = kept[np.linspace(0, len(kept) - 1, min(SAMPLED, len(kept))).astype(np.int64)]
    return navigable(lifted, lifted.index.x[sample]).lifted
