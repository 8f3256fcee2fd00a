"""Search as mathematics: soft selection, the descent through the levels, a query's own subgraph."""

from graphlift.search.soft_top_k import SoftTopK as SoftTopK
from graphlift.search.soft_top_k import dftopk_top_k as dftopk_top_k
from graphlift.search.soft_top_k import differentiable_search as differentiable_search
from graphlift.search.soft_top_k import lapsum_top_k as lapsum_top_k
from graphlift.search.soft_top_k import soft_top_k as soft_top_k
