"""A lifted index in step with its frozen one: only new documents are lifted, only touched records are written anew.

A document's lift depends on its own vector, so the new rows are all there is to compute. A network of L layers over the
links would ask for the rows within L links of a new or changed one.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import torch

from graphlift.graph import EMPTY
from graphlift.growing import grown
from graphlift.index.hnsw import HnswIndex
from graphlift.index.storage import Rows
from graphlift.lifted import LiftedIndex


def with_added(lifted: LiftedIndex, index: HnswIndex) -> LiftedIndex:
    """The lifted index over its frozen index with rows added behind."""
    other = copy(lifted)
    other.index, count = index, index.num_rows - lifted.index.num_rows
    shared = lifted.walk_index is lifted.index
    other.walk_index = index if shared else lifted.walk_index.plus(other.lift_documents(-count), index.ids)
    links = lifted.space.links
    other.space = replace(
        lifted.space,
        frozen=index.x,
        lifted=other.walk_index.x,
        answered=lifted.space.answered.extended(count),
        links=grown(links, links.new_full((count, links.shape[1]), EMPTY)),
        hubness=lifted.space.hubness.extended((index.x, other.walk_index.x)),
        sketches=lifted.space.sketches.extended((index.x, other.walk_index.x)),
    )
    return other


def with_removed(lifted: LiftedIndex, index: HnswIndex, rows: Rows, successors: Rows | None = None) -> LiftedIndex:
    """The lifted index over its frozen index without some rows.

    Args:
        lifted: the lifted index.
        index: its frozen index without the rows.
        rows: that were removed, (n,).
        successors: the rows that take their place in the memory, (n,); nothing does where left out.
    """
    moved = torch.arange(index.num_rows)
    moved[torch.from_numpy(rows)] = EMPTY if successors is None else torch.from_numpy(successors)
    named = torch.from_numpy(rows if successors is None else np.concatenate([rows, successors]))
    other = copy(lifted)
    other.index = index
    other.walk_index = index if lifted.walk_index is lifted.index else lifted.walk_index.minus(rows, index.ids)
    other.memory, other.told = lifted.memory.moved(moved), lifted.told.moved(moved)
    if other.memory is not lifted.memory:
        other.space = lifted.space.remembering(other.memory, lifted.space.past_lifted, named)
    return other


def relinked(lifted: LiftedIndex, index: HnswIndex) -> LiftedIndex:
    """The lifted index over its frozen index after all rows were put into the graph."""
    walk = lifted.walk_index
    if walk is lifted.index:
        walk = index
    elif walk.graph is lifted.index.graph:  # the lifted documents use the frozen links
        walk = index.with_vectors(walk.x)
    else:
        walk = walk.relinked()
    return lifted.with_links(index, walk)


def compacted(lifted: LiftedIndex, index: HnswIndex) -> LiftedIndex:
    """The lifted index over its frozen index after that was compacted: removed rows are gone, the others are numbered
    anew."""
    kept = lifted.index.removed.kept
    moved = torch.full((lifted.index.num_rows,), EMPTY)
    moved[torch.from_numpy(kept)] = torch.arange(len(kept))
    walk = lifted.walk_index
    walk = index if walk is lifted.index else index.with_vectors(walk.vectors[kept])
    memory, told = lifted.memory.moved(moved), lifted.told.moved(moved)
    known = lifted.space.hubness.values[torch.from_numpy(kept)]
    return LiftedIndex(index, lifted.model, memory, walk, lifted.past, told, known)
