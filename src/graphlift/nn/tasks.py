"""What may stand on top of an encoder: classes of nodes, and links between them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphlift.errors import InputError
from graphlift.graph import NeighborTable


class NodeClassifier(nn.Module):
    r"""Classes of nodes: :math:`\mathrm{softmax}(\mathbf{W} \mathbf{h}_i + \mathbf{b})`.

    Train it with ``torch.nn.functional.cross_entropy`` of what `forward` gives for the labelled nodes.

    Args:
        encoder: anything called as a layer is, such as a `GraphEncoder` or a layer.
        head: from the encoder's states to one number a class; where left out, the encoder's own output is that.

    Shapes:
        - **input:** x (N, C_in), neighbors of N rows, edge_weight and edge_attr as the encoder takes them
        - **output:** (N, number of classes)

    Example:
        >>> from graphlift.nn import RuvectorConv
        >>> classifier = NodeClassifier(RuvectorConv(16, 8), nn.Linear(8, 3))
        >>> classes = classifier.classify(torch.randn(2, 16), NeighborTable(torch.tensor([[1], [0]])))
        >>> classes.shape, bool(classes.sum(dim=1).allclose(torch.ones(2)))
        (torch.Size([2, 3]), True)
    """

    def __init__(self, encoder: nn.Module, head: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Identity() if head is None else head

    def forward(
        self,
        x: Tensor,
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Logits of the classes of each node."""
        return self.head(self.encoder(x, neighbors, edge_weight, edge_attr))

    def classify(
        self,
        x: Tensor,
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Probabilities of the classes of each node, as the trained model sees them: no dropout, no gradient."""
        return _settled(self, x, neighbors, edge_weight, edge_attr).softmax(dim=1)


class LinkPredictor(nn.Module):
    r"""Links between nodes: :math:`\sigma(\mathbf{h}_i^{\top} \mathbf{h}_j)`, the decoder of a graph auto-encoder.

    Train it with ``torch.nn.functional.binary_cross_entropy_with_logits`` on links that are there and pairs that are
    not, while ``neighbors`` holds neither the links to be tested nor those to be chosen on.

    Args:
        encoder: anything called as a layer is.

    Shapes:
        - **input:** x (N, C_in), neighbors of N rows, links int64 (2, P): pairs of nodes
        - **output:** (P,)

    Source: Kipf and Welling, "Variational graph auto-encoders", 2016.

    Example:
        >>> from graphlift.nn import RuvectorConv
        >>> predictor = LinkPredictor(RuvectorConv(16, 8))
        >>> neighbors = NeighborTable(torch.tensor([[1], [0], [-1]]))
        >>> predictor.predict_links(torch.randn(3, 16), neighbors, torch.tensor([[0, 0], [1, 2]])).shape
        torch.Size([2])
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor, neighbors: NeighborTable, links: Tensor) -> Tensor:
        """Logits of the links.

        Raises:
            InputError: links are not pairs of nodes.
        """
        if links.ndim != 2 or len(links) != 2 or links.is_floating_point():
            raise InputError(f"`links` must be integers (2, P), got {links.dtype} of shape {tuple(links.shape)}.")
        if links.numel() and not 0 <= int(links.min()) <= int(links.max()) < len(neighbors):
            raise InputError(
                f"`links` must name nodes in [0, {len(neighbors)}), got {int(links.min())} to {int(links.max())}."
            )
        states = self.encoder(x, neighbors)
        return (states[links[0]] * states[links[1]]).sum(dim=1)

    def predict_links(self, x: Tensor, neighbors: NeighborTable, links: Tensor) -> Tensor:
        """Probability of each link, as the trained model sees it: no dropout, no gradient."""
        return _settled(self, x, neighbors, links).sigmoid()


def _settled(model: nn.Module, *arguments: object) -> Tensor:
    """What a model gives when it does not train; afterwards it is as it was."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model(*arguments)
    finally:
        model.train(training)
