r"""The Poincaré ball as functions: maps to and from the tangent space at the origin, addition, distance, midpoint.

The ball of curvature -c holds the points with :math:`\sqrt{c}\,\lVert\mathbf{x}\rVert < 1`. Every function takes c as a
tensor without dimensions, may be differentiated by it, and becomes its Euclidean counterpart as c falls to 0.

Source: Ganea et al., "Hyperbolic Neural Networks", 2018; the midpoint is Ungar's. Names are geoopt's.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLAT = 1e-12
"""Curvatures below this are taken as this; what is computed is then Euclidean to the last digit of float32."""
BORDER = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Points are kept so far inside the border, as a share of the radius."""
SMALL = 1e-15
"""Lengths below this are taken as this where one divides by them."""


def project(x: Tensor, c: Tensor) -> Tensor:
    """Points (..., C) that rounding put on the border or beyond, pulled inside."""
    length = x.norm(dim=-1, keepdim=True).clamp(min=SMALL)
    radius = (1 - BORDER.get(x.dtype, 4e-3)) / _root(c)
    return torch.where(length > radius, x / length * radius, x)


def expmap0(v: Tensor, c: Tensor) -> Tensor:
    """The point (..., C) where one arrives who leaves the origin along the tangent vector v."""
    length = v.norm(dim=-1, keepdim=True).clamp(min=SMALL) * _root(c)
    return project(v * (length.tanh() / length), c)


def logmap0(x: Tensor, c: Tensor) -> Tensor:
    """The tangent vector (..., C) at the origin that leads to x; the inverse of `expmap0`.

    Example:
        >>> v, c = torch.tensor([0.3, -2.0]), torch.tensor(1.0)
        >>> torch.allclose(logmap0(expmap0(v, c), c), v)
        True
    """
    x = project(x, c)
    length = x.norm(dim=-1, keepdim=True).clamp(min=SMALL) * _root(c)
    return x * (length.atanh() / length)


def mobius_add(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    r"""y moved by the translation that takes the origin to x, (..., C).

    .. math::
        \mathbf{x} \oplus \mathbf{y} = \frac{(1 - c \lVert \mathbf{x} \rVert^2)(\mathbf{x} + \mathbf{y})
        + c \lVert \mathbf{x} + \mathbf{y} \rVert^2 \mathbf{x}}
        {(1 - c \lVert \mathbf{x} \rVert^2)(1 - c \lVert \mathbf{y} \rVert^2)
        + c \lVert \mathbf{x} + \mathbf{y} \rVert^2}

    The usual form, rearranged so that nothing cancels where x and y are far out on opposite sides.
    """
    room, total = _room(x, c), x + y
    square = c * total.square().sum(dim=-1, keepdim=True)
    return project((room * total + square * x) / (room * _room(y, c) + square), c)


def dist(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    r"""Distance of points x and y, (..., C) to (...).

    .. math::
        d(\mathbf{x}, \mathbf{y}) = \frac{2}{\sqrt{c}} \operatorname{arsinh} \sqrt{
        \frac{c \lVert \mathbf{x} - \mathbf{y} \rVert^2}
        {(1 - c \lVert \mathbf{x} \rVert^2)(1 - c \lVert \mathbf{y} \rVert^2)}}

    The form with arsinh keeps its digits where arcosh and artanh lose them: for near points and at the border.
    As c falls to 0 it becomes twice the Euclidean distance, as the ball's metric is four times Euclid's at the origin.

    Example:
        >>> dist(torch.zeros(2), torch.tensor([0.5, 0.0]), torch.tensor(1.0))
        tensor(1.0986)
    """
    room = _room(x, c).squeeze(-1) * _room(y, c).squeeze(-1)
    return 2 / _root(c) * (_root(c) * (x - y).norm(dim=-1) / room.sqrt()).asinh()


def midpoint(x: Tensor, weight: Tensor, c: Tensor) -> Tensor:
    r"""Weighted gyromidpoint of d points, (..., d, C) with weight (..., d), to (..., C).

    .. math::
        \tfrac{1}{2} \otimes \frac{\sum_j w_j \lambda_j \mathbf{x}_j}{\sum_j w_j (\lambda_j - 1)}, \qquad
        \lambda_j = \frac{2}{1 - c \lVert \mathbf{x}_j \rVert^2}

    Weights are non-negative and not all zero. As c falls to 0 it becomes the weighted mean.
    """
    factor = 2 / _room(x, c) * weight.unsqueeze(-1)
    twice = factor.mul(x).sum(dim=-2) / (factor - weight.unsqueeze(-1)).sum(dim=-2).clamp(min=SMALL)
    # Half of a point p in the ball's multiplication is p / (1 + sqrt(1 - c |p|^2)).
    return project(twice / (1 + (1 - c * twice.square().sum(dim=-1, keepdim=True)).clamp(min=0).sqrt()), c)


def as_inner_product(x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    r"""Coordinates of points (N, C) for an inner-product index: as documents and as queries, both (N, C + 1).

    On the hyperboloid (the Lorentz model) :math:`\cosh(\sqrt{c}\,d) = x_0 y_0 - \mathbf{x}^{\top}\mathbf{y}`, so the
    document of the largest inner product with the query :math:`(-x_0, \mathbf{x})` is the nearest one, and an index of
    `Metric.INNER_PRODUCT` searches by hyperbolic distance.

    An HNSW index needs links between documents, and their inner products with each other say nothing about nearness.
    Take the links of an L2 index of the same points, and let the walk go by inner product::

        links = HnswIndex.build(x, ids, metric="l2")
        index = HnswIndex.from_graph(documents, links.graph, links.ids, Metric.INNER_PRODUCT, M=..., ...)

    Far out, :math:`x_0` is large and float32 loses the digits that tell near points apart: there, take more results
    than are needed and sort them by `dist`.

    Example:
        >>> points = torch.tensor([[0.0, 0.1], [0.0, 0.7], [0.8, 0.0]])
        >>> documents, queries = as_inner_product(points, torch.tensor(1.0))
        >>> (queries @ documents.T).argsort(dim=1, descending=True)[1].tolist()  # from (0, 0.7)
        [1, 0, 2]
    """
    room = _room(x, c)
    time, space = (2 - room) / room, 2 * _root(c) * x / room
    return torch.cat([time, space], dim=-1), torch.cat([-time, space], dim=-1)


def _root(c: Tensor) -> Tensor:
    return c.clamp(min=FLAT).sqrt()


def _room(x: Tensor, c: Tensor) -> Tensor:
    """What is left to the border, 1 - c |x|^2, (..., 1); as a product, which keeps its digits near the border."""
    length = _root(c) * x.norm(dim=-1, keepdim=True)
    return ((1 - length) * (1 + length)).clamp(min=SMALL)
