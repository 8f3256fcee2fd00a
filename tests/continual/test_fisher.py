"""Fisher information: both ways agree with the formula, and with a naive loop."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from graphlift import InputError
from graphlift.continual import fisher_of_batch, fisher_of_losses
from graphlift.continual.linear_layers import NotLinearError, squares_by_layer


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Dropout(0.5), nn.Linear(7, 3))


def cross_entropy(model, x, y):
    return F.cross_entropy(model(x), y)


def naive(net, x, y):
    """Word by word: the gradient of every sample, squared, and the mean of that."""
    squares = {name: torch.zeros_like(weight) for name, weight in net.named_parameters()}
    for one, label in zip(x, y, strict=True):
        net.zero_grad()
        F.cross_entropy(net(one.unsqueeze(0)), label.unsqueeze(0)).backward()
        for name, weight in net.named_parameters():
            squares[name] += weight.grad**2
    return {name: total / len(x) for name, total in squares.items()}


class Tied(nn.Module):
    """Its layer is called, and its weights are used once more behind its back."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(5, 5)

    def forward(self, x):
        return F.linear(torch.tanh(self.lin(x)), self.lin.weight)


class Twice(nn.Module):
    """Its layer is called twice."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(5, 5)

    def forward(self, x):
        return self.lin(torch.tanh(self.lin(x)))


class Pooled(nn.Module):
    """Its layer meets several rows a sample."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(1, 4)

    def forward(self, x):
        return self.lin(x.unsqueeze(-1)).relu().mean(dim=0)


class Named(nn.Module):
    """Its layer is called with a named argument."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(5, 4)

    def forward(self, x):
        return self.lin(input=x)


class Scaled(nn.Module):
    """It has weights of its own."""

    def __init__(self):
        super().__init__()
        self.lin, self.scale = nn.Linear(5, 4), nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.scale * self.lin(x)


class Unused(nn.Module):
    """One of its layers is not called."""

    def __init__(self):
        super().__init__()
        self.lin, self.other = nn.Linear(5, 4, bias=False), nn.Linear(5, 4)

    def forward(self, x):
        return self.lin(x)


class OneRow(nn.Module):
    """Its layer meets a batch of one."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(5, 4)

    def forward(self, x):
        return self.lin(x.unsqueeze(0)).squeeze(0)


def normed():
    return nn.utils.parametrizations.weight_norm(nn.Linear(5, 4))


def pruned():
    layer = nn.Linear(5, 4)
    prune.l1_unstructured(layer, "weight", amount=0.5)
    return layer


@pytest.mark.parametrize("module", [Tied, Twice, Pooled, Named, Scaled, Unused, OneRow, normed, pruned])
def test_any_use_of_linear_layers(module):
    net, x, y = module(), torch.randn(9, 5), torch.randint(4, (9,))
    found = fisher_of_batch(net, cross_entropy, x, y, chunk_size=4)
    expected = fisher_of_losses(net, (cross_entropy(net, a, b) for a, b in zip(x, y, strict=True)))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values)


def test_which_modules_need_no_gradient_a_sample():
    samples = torch.randn(9, 5), torch.randint(4, (9,))
    assert squares_by_layer(OneRow(), cross_entropy, *samples).keys() == {"lin.weight", "lin.bias"}
    for module in (Twice, Pooled, Named, Scaled, Unused):
        with pytest.raises(NotLinearError):
            squares_by_layer(module(), cross_entropy, *samples)


@pytest.mark.parametrize("chunk_size", [4, 11, 64])
def test_both_ways_equal_the_naive_loop(net, chunk_size):
    x, y = torch.randn(11, 5), torch.randint(3, (11,))
    found = fisher_of_batch(net, cross_entropy, x, y, chunk_size=chunk_size)
    assert net.training
    net.eval()
    expected = naive(net, x, y)
    one_by_one = fisher_of_losses(net, (cross_entropy(net, a, b) for a, b in zip(x, y, strict=True)))
    for name, weight in net.named_parameters():
        torch.testing.assert_close(found[name], expected[name])
        torch.testing.assert_close(one_by_one[name], expected[name])
        assert not found[name].requires_grad
        assert found[name].shape == weight.shape


def test_logistic_regression_has_a_known_fisher_information():
    """For log-odds w x the true Fisher information is E[p (1 - p) x^2], with labels drawn from the model."""
    line = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        line.weight.fill_(0.7)
    x = torch.randn(40_000, 1)
    p = torch.sigmoid(0.7 * x)
    y = torch.bernoulli(p)
    found = fisher_of_batch(line, lambda model, a, b: F.binary_cross_entropy_with_logits(model(a), b), x, y)
    assert found["weight"].item() == pytest.approx((p * (1 - p) * x**2).mean().item(), rel=0.02)


def test_gradients_that_cancel_in_a_batch_still_count():
    line = nn.Linear(1, 1, bias=False)
    x = torch.tensor([[2.0], [-2.0]])
    assert fisher_of_batch(line, lambda model, a: model(a).sum(), x)["weight"].item() == pytest.approx(4.0)


def test_weights_that_are_frozen_or_unused(net):
    net[0].weight.requires_grad_(False)
    bias = net[0].bias
    found = fisher_of_losses(net, [bias.square().sum()])
    assert "0.weight" not in found
    torch.testing.assert_close(found["0.bias"], 4 * bias.detach() ** 2)
    assert not found["3.weight"].any()
    batch = fisher_of_batch(net, cross_entropy, torch.randn(4, 5), torch.tensor([0, 1, 2, 0]))
    assert batch.keys() == found.keys()


def test_bad_input_is_named(net):
    with pytest.raises(InputError, match="`losses` must hold"):
        fisher_of_losses(net, [])
    with pytest.raises(InputError, match="`losses` must be finite scalars"):
        fisher_of_losses(net, [net(torch.randn(2, 5)).sum(dim=1)])
    with pytest.raises(InputError, match="`losses` must be finite scalars"):
        fisher_of_losses(net, [net(torch.full((2, 5), torch.nan)).sum()])
    with pytest.raises(InputError, match="`samples` must be tensors of one length"):
        fisher_of_batch(net, cross_entropy, torch.randn(3, 5), torch.tensor([0, 1]))
