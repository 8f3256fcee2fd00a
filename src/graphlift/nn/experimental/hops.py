"""How far nodes are from each other, counted in links."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from graphlift.graph import NeighborTable

FAR = 127
"""The number of hops to where no short way leads."""
_KNOWN: WeakKeyDictionary[NeighborTable, tuple[int, Tensor]] = WeakKeyDictionary()


def hop_distance(neighbors: NeighborTable, limit: int) -> Tensor:
    """How many links lead from each node to each other one, 0 to itself, `FAR` beyond the limit: int8 (N, N).

    Kept as long as the table lives.

    Example:
        >>> hop_distance(NeighborTable(torch.tensor([[1], [2], [-1]])), limit=2).tolist()
        [[0, 1, 2], [127, 0, 1], [127, 127, 0]]
    """
    known = _KNOWN.get(neighbors)
    if known is not None and known[0] == limit:
        return known[1]
    with torch.inference_mode(False), torch.no_grad():  # or what is kept could not be trained with later
        hops = _search(neighbors, limit)
    _KNOWN[neighbors] = limit, hops
    return hops


def _search(neighbors: NeighborTable, limit: int) -> Tensor:
    """From all nodes at once, a link further each time."""
    source, target = neighbors.edge_index
    hops = torch.full((len(neighbors), len(neighbors)), FAR, dtype=torch.int8, device=neighbors.device)
    hops[target, source] = 1
    reached = (hops == 1).float()
    ends, ones = torch.stack([target, source]), reached.new_ones(len(source))
    links = torch.sparse_coo_tensor(ends, ones, hops.shape, check_invariants=True)
    for distance in range(2, limit + 1):
        reached = (links @ reached).clamp(max=1)
        hops = torch.where((reached > 0) & (hops == FAR), distance, hops)
    return hops.fill_diagonal_(0)
