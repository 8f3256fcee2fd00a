"""Diagonal Fisher information: how sure the data are of each weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from graphlift.continual.linear_layers import NotLinearError, squares_by_layer
from graphlift.errors import InputError

Weights = dict[str, Tensor]
"""One tensor a trainable parameter, by the parameter's name."""
CHECKED = 8
"""So many samples show whether the fast way is right."""


def trainable(module: nn.Module) -> Weights:
    """The parameters that training moves, by name, without their gradients."""
    return {name: weight.detach() for name, weight in module.named_parameters() if weight.requires_grad}


def fisher_of_losses(module: nn.Module, losses: Iterable[Tensor]) -> Weights:
    r"""Diagonal Fisher information from losses of single samples, one backward pass each.

    .. math::
        F_i = \frac{1}{N} \sum_{n=1}^{N} \Big( \frac{\partial \mathcal{L}_n}{\partial \theta_i} \Big)^2

    Every sample's gradient is squared before the mean. The square of a batch's mean gradient is something else: near
    an optimum gradients cancel in the mean, and the weights would look unimportant.

    Args:
        module: whose weights are meant.
        losses: one scalar a sample, best made one at a time when it is asked for. Losses with the given labels give
            the empirical Fisher information; with labels that the model itself drew, the true one.

    Returns:
        One tensor a trainable parameter, non-negative; zero where no loss depends on it.

    Raises:
        InputError: there is no loss, or one is no finite scalar.

    Source: Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, 2017; section 8.2 of the
    RuVector paper. On the choices: van de Ven, On the computation of the Fisher information in continual learning,
    2025.

    Related: `fisher_of_batch`, faster where one call of the module a sample is all there is.

    Example:
        >>> line = nn.Linear(1, 1, bias=False)
        >>> fisher = fisher_of_losses(line, (line(torch.tensor([x])).sum() for x in (1.0, -1.0)))
        >>> fisher["weight"].tolist()  # the mean gradient is zero
        [[1.0]]
    """
    weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    count = 0
    for loss in losses:
        if loss.ndim or not bool(loss.isfinite()):
            raise InputError(f"`losses` must be finite scalars, one a sample, got {loss}.")
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                total[name] += gradient.detach().square()
        count += 1
    if not count:
        raise InputError("`losses` must hold the loss of at least one sample, got none.")
    return {name: squares / count for name, squares in total.items()}


def fisher_of_batch(module: nn.Module, loss: Callable[..., Tensor], *samples: Tensor, chunk_size: int = 256) -> Weights:
    """Diagonal Fisher information of samples that are stacked, with all gradients of a chunk taken at once.

    The same number as `fisher_of_losses`; the module must be one that `torch.func.vmap` can run. Where linear layers
    hold all weights, the gradients need not be written down, which is faster by far
    (`graphlift.continual.linear_layers`).

    Args:
        module: whose weights are meant; it runs in evaluation mode and ends in the mode that it was in.
        loss: a function of a callable, which stands for the module, and of one entry of each of the ``samples``.
        samples: tensors (N, ...), such as inputs and labels.
        chunk_size: samples whose gradients are held in memory together.

    Returns:
        One tensor a trainable parameter, non-negative.

    Raises:
        InputError: the samples are none, or not as many in each tensor.

    Example:
        >>> x, y = torch.randn(9, 4), torch.randint(3, (9,))
        >>> def loss(model, x, y):
        ...     return nn.functional.cross_entropy(model(x), y)
        >>> fisher_of_batch(nn.Linear(4, 3), loss, x, y)["weight"].shape
        torch.Size([3, 4])
    """
    lengths = [len(tensor) for tensor in samples]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise InputError(f"`samples` must be tensors of one length above zero, got lengths {lengths}.")
    total = {name: torch.zeros_like(weight) for name, weight in trainable(module).items()}
    training = module.training
    module.eval()
    try:
        first = [tensor[: min(CHECKED, chunk_size)] for tensor in samples]
        squares_of = partial(_way(module, loss, first), module, loss)
        for chunk in zip(*(tensor.split(chunk_size) for tensor in samples), strict=True):
            for name, squares in squares_of(*chunk).items():
                total[name] += squares
    finally:
        module.train(training)
    return {name: squares / lengths[0] for name, squares in total.items()}


def _way(module: nn.Module, loss: Callable[..., Tensor], first: Sequence[Tensor]) -> Callable[..., Weights]:
    """The fast way, where it says the same of the first samples: a module may use its layers as no hook sees."""
    try:
        fast = squares_by_layer(module, loss, *first)
    except NotLinearError:
        return _squares
    slow = _squares(module, loss, *first)
    agree = all(torch.allclose(fast[name], slow[name], rtol=1e-3, atol=1e-6 * float(slow[name].max())) for name in slow)
    return squares_by_layer if agree else _squares


def _squares(module: nn.Module, loss: Callable[..., Tensor], *samples: Tensor) -> Weights:
    """Sums of squares of the gradients of single samples, which are held in memory together."""
    weights, buffers = trainable(module), dict(module.named_buffers())
    rest = {name: weight.detach() for name, weight in module.named_parameters() if name not in weights}

    def loss_of(weights: Weights, *sample: Tensor) -> Tensor:
        def call(*inputs: Any) -> Any:
            return functional_call(module, weights | rest | buffers, inputs)

        return loss(call, *sample)

    gradients = vmap(grad(loss_of), in_dims=(None, *(0 for _ in samples)))
    return {name: gradient.square().sum(dim=0) for name, gradient in gradients(weights, *samples).items()}
