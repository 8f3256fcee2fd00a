"""Graph layers on the graph of an HNSW index: the paper's layer, the original beside it, and one of PyG's.

The original (`ruvector`) and PyG (`torch-geometric`) are optional; each adds a part.

    pip install "graphlift[demo]" ruvector==0.1.4 torch-geometric
    python layers.py
"""

import importlib

import numpy as np
import torch

import graphlift as gl
from graphlift.data import load_embedder, load_icons
from graphlift.nn import RuvectorConv

CHECKED = 20
"""Nodes on which the original layer, which takes one node at a time, is compared."""


def compare_with_ruvector(conv: RuvectorConv, x: torch.Tensor, neighbors: gl.NeighborTable, out: torch.Tensor) -> None:
    """Give the weights to the original Rust layer, run it node by node, and read the weights back."""
    original = importlib.import_module("ruvector").GnnLayer.from_json(conv.to_ruvector())
    largest = 0.0
    for node in range(CHECKED):
        listed = neighbors.ids[node][neighbors.mask[node]].long()
        row = original.forward(x[node].numpy(), x[listed].numpy(), np.ones(len(listed), dtype=np.float32))
        largest = max(largest, float((torch.tensor(row) - out[node]).abs().max()))
    print(f"ruvector: largest difference on {CHECKED} nodes {largest:.1e}")
    again = RuvectorConv.from_ruvector(original.to_json()).eval()
    print(f"weights there and back: same output {torch.allclose(again(x, neighbors), out, atol=1e-5)}")


def compare_with_pyg(x: torch.Tensor, graph: gl.HnswGraph) -> None:
    """Run a layer of PyG on the same links."""
    layer = importlib.import_module("torch_geometric.nn").TransformerConv(x.shape[1], 16, heads=4)
    print(f"TransformerConv of PyG on the same graph: {tuple(layer(x, graph.edge_index).shape)}")


@torch.no_grad()
def main() -> None:
    """Read the graph, run the layers."""
    icons = load_icons()
    index = gl.HnswIndex.build(load_embedder().embed(icons.corpus.texts), ids=icons.corpus.ids)
    graph = index.graph
    print(f"levels, top first: {[len(level.nodes) for level in reversed(graph.levels)]} nodes")
    print(f"bottom level: {graph.neighbors}, mean degree {graph.neighbors.degree.float().mean():.1f}")

    torch.manual_seed(0)
    conv = RuvectorConv(index.channels, 64, heads=4).eval()
    out = conv(index.x, graph.neighbors)
    print(f"RuvectorConv: {tuple(index.x.shape)} -> {tuple(out.shape)}")

    for package, compare, arguments in (
        ("ruvector", compare_with_ruvector, (conv, index.x, graph.neighbors, out)),
        ("torch_geometric", compare_with_pyg, (index.x, graph)),
    ):
        try:
            importlib.import_module(package)
        except ImportError:
            print(f"{package} is not installed, so this part is left out")
        else:
            compare(*arguments)


if __name__ == "__main__":
    main()
