"""The links of an HNSW graph as a table, and what they carry."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphlift.errors import InputError
from graphlift.graph import EMPTY, HnswGraph, NeighborTable
from graphlift.search.similarity import Similarity

LINK_ATTRS = ("similarity", "reciprocal rank", "upper level", "mutual")
"""What each channel of a link's attributes means."""


def hnsw_links(graph: HnswGraph, x: Tensor, similarity: Similarity) -> tuple[NeighborTable, Tensor]:
    """Links of all levels side by side, with their attributes, for layers that are built with ``edge_dim=4``.

    Args:
        graph: of the index, N nodes.
        x: its vectors, (N, C).
        similarity: how vectors compare.

    Returns:
        The table (N, d): a node's links on level 0, then on level 1, and so on, so that a neighbor on two levels is
        listed twice; and attributes (N, d, number of `LINK_ATTRS`): the similarity of the two ends; 1 / (1 + place
        of the neighbor among the node's links when sorted by similarity); the level above the bottom, as a share of all
        levels; whether the neighbor links back on the same level. Those of empty slots are 0.

    Raises:
        InputError: there is not one vector for each node.

    Example:
        >>> from graphlift.index import HnswIndex
        >>> index = HnswIndex.build(torch.randn(300, 16).numpy(), M=4)
        >>> table, edge_attr = hnsw_links(index.graph, index.x, Similarity.of(index.metric, index.x))
        >>> table.ids.shape == edge_attr.shape[:2]
        True
    """
    if len(x) != graph.num_nodes:
        raise InputError(f"`x` must hold a vector for each of the {graph.num_nodes} nodes, got {len(x)}.")
    ids, levels, mutual = [], [], []
    for number, level in enumerate(graph.levels):
        nodes, links = torch.from_numpy(level.nodes).long(), torch.from_numpy(level.neighbors).long()
        on_level = torch.full((len(x), links.shape[1]), EMPTY).index_copy(0, nodes, links)
        ids.append(on_level)
        levels.append(torch.full(on_level.shape, number / len(graph.levels)))
        mutual.append(_mutual(on_level))
    table = NeighborTable(torch.cat(ids, dim=1))
    chunks = torch.arange(len(x)).split(4096)
    near = torch.cat([similarity.pairwise(x[c].unsqueeze(1), x[table.ids[c].clamp(min=0)]).squeeze(1) for c in chunks])
    place = near.masked_fill(~table.mask, -torch.inf).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    attr = torch.stack([near, 1 / (1 + place), torch.cat(levels, dim=1), torch.cat(mutual, dim=1)], dim=-1)
    return table, attr.masked_fill(~table.mask.unsqueeze(-1), 0)


def _mutual(ids: Tensor) -> Tensor:
    """Whether the neighbor links back, float (N, d)."""
    back = F.pad(ids, (0, 0, 0, 1), value=EMPTY)[ids]  # links of the neighbors; an empty slot asks the row of EMPTY
    return (back == torch.arange(len(ids)).view(-1, 1, 1)).any(dim=2).float()
