"""Squared gradients of linear layers, without the gradients themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import grad, vmap


class NotLinearError(Exception):
    """A module has weights whose gradients are no outer products."""


def squares_by_layer(module: nn.Module, loss: Callable[..., Tensor], *samples: Tensor) -> dict[str, Tensor]:
    r"""Sums of squares of the gradients of single samples, where linear layers hold all weights that train.

    A layer's gradient for one sample is an outer product, and so the square is one, too: with inputs
    :math:`\mathbf{a}_n` and gradients :math:`\mathbf{d}_n` of the outputs,

    .. math::
        \sum_n \big( \mathbf{d}_n \mathbf{a}_n^\top \big)^2 = (\mathbf{D}^2)^\top \mathbf{A}^2,

    one product in place of a matrix a sample.

    Args:
        module: in evaluation mode.
        loss: a function of a callable, which stands for the module, and of one entry of each of the ``samples``.
        samples: tensors (N, ...).

    Raises:
        NotLinearError: something else holds weights, or a layer does not meet one row a sample.

    Source: Goodfellow, Efficient per-example gradient computations, 2015.

    Example:
        >>> line = nn.Linear(2, 1)
        >>> squares_by_layer(line, lambda model, x: model(x).sum(), torch.tensor([[1.0, 2.0], [3.0, 0.0]]))
        {'weight': tensor([[10.,  4.]]), 'bias': tensor([2.])}
    """
    layers = _layers(module)

    def loss_of(probes: dict[str, Tensor], *sample: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        with _probed(layers, probes) as inputs:
            value = loss(module, *sample)
        if inputs.keys() != layers.keys():
            raise NotLinearError("`module` must call each of its linear layers.")
        return value, inputs

    count, like = len(samples[0]), next(module.parameters())
    probes = {name: like.new_zeros(count, layer.out_features) for name, layer in layers.items()}
    with torch.no_grad():
        gradients, inputs = vmap(grad(loss_of, has_aux=True))(probes, *samples)
        total = {}
        for name, layer in layers.items():
            squares = gradients[name].square()
            prefix = f"{name}." if name else ""
            if layer.weight.requires_grad:
                total[f"{prefix}weight"] = squares.T @ inputs[name].square()
            if layer.bias is not None and layer.bias.requires_grad:
                total[f"{prefix}bias"] = squares.sum(dim=0)
    return total


def _layers(module: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers by name, which hold each parameter that trains once."""
    layers = {name: layer for name, layer in module.named_modules() if type(layer) is nn.Linear}
    named = [item for layer in layers.values() for item in layer.named_parameters()]
    held = [weight for _, weight in named if weight.requires_grad]
    trained = {weight for weight in module.parameters() if weight.requires_grad}
    plain = all(name in ("weight", "bias") for name, _ in named)  # others are normalised or pruned on the way
    if not layers or not plain or len(held) != len(trained) or set(held) != trained:
        raise NotLinearError("`module` must hold all its weights in linear layers, each once.")
    return layers


@contextmanager
def _probed(layers: dict[str, nn.Linear], probes: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Within, a probe is added to each layer's output, and its input is kept."""
    inputs: dict[str, Tensor] = {}

    def keep(name: str, layer: nn.Linear, given: tuple[Any, ...], output: Tensor) -> Tensor:
        if name in inputs or len(given) != 1 or given[0].numel() != layer.in_features:
            raise NotLinearError("`module` must call each of its linear layers once, with one row a sample.")
        inputs[name] = given[0].flatten()
        return output + probes[name]

    with ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(layer.register_forward_hook(partial(keep, name)))
        yield inputs
