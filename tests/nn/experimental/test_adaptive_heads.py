"""Gates on heads: what is closed is gone, and what is open pays."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.nn.experimental.adaptive_heads import AdaptiveHeadsConv, HeadGates

NODES, SLOTS, IN, OUT, HEADS, EDGE = 9, 4, 5, 12, 4, 3


def closed(conv, *heads):
    with torch.no_grad():
        conv.gates.log_alpha[list(heads)] = -5.0
    return conv


@pytest.mark.parametrize("edge_dim", [None, EDGE])
@pytest.mark.parametrize("heads", [(), (1,), (0, 3), (0, 1, 2, 3)])
def test_the_pruned_layer_computes_the_same(make_table, edge_dim, heads):
    conv = closed(AdaptiveHeadsConv(IN, OUT, HEADS, edge_dim), *heads).eval()
    x, table, weight = torch.randn(NODES, IN), make_table(NODES, SLOTS), torch.rand(NODES, SLOTS)
    attr = None if edge_dim is None else torch.randn(NODES, SLOTS, EDGE)
    pruned = conv.pruned()
    assert pruned.heads == conv.open_heads == max(HEADS - len(heads), 1)
    assert_close(pruned(x, table, weight, attr), conv(x, table, weight, attr))
    assert sum(p.numel() for p in pruned.parameters()) < sum(p.numel() for p in conv.parameters())
    dense = torch.ones(1, NODES, NODES, dtype=torch.bool)
    if edge_dim is None:
        assert_close(pruned.forward_dense(x[None], dense), conv.conv.forward_dense(x[None], dense))


def test_a_closed_head_is_not_heard(make_table):
    conv = closed(AdaptiveHeadsConv(IN, OUT, HEADS), 2).eval()
    x, table = torch.randn(NODES, IN), make_table(NODES, SLOTS)
    before = conv(x, table)
    with torch.no_grad():
        conv.conv.lin_value.weight[6:9] += 1  # of head 2
        assert torch.equal(conv(x, table), before)
        conv.conv.lin_value.weight[3:6] += 1
        assert (conv(x, table) - before).abs().max() > 0.01


def test_gates_are_drawn_in_training_alone():
    gates, weight = HeadGates(HEADS, price=0.1), torch.ones(1, HEADS)
    gates.log_alpha.data.zero_()
    drawn = torch.cat([gates(weight) for _ in range(2000)])
    assert_close((drawn > 0).float().mean().item(), torch.tensor(1.5986).sigmoid().item(), atol=0.02, rtol=0)
    assert (drawn == 0).any()
    assert (drawn == 1).any()
    assert torch.equal(gates.eval()(weight), gates(weight))


def test_the_price_is_the_gradient_of_the_expected_number_of_open_gates():
    gates = HeadGates(HEADS, price=0.3)
    gates.log_alpha.data = torch.randn(HEADS)
    (gates(torch.zeros(OUT, HEADS)).sum()).backward()  # nothing to hear: the price alone is left
    log_alpha = gates.log_alpha.detach().requires_grad_()
    (0.3 * (log_alpha + 2 / 3 * torch.tensor(11.0).log()).sigmoid().sum()).backward()
    assert_close(gates.log_alpha.grad, log_alpha.grad)


@pytest.mark.parametrize(("price", "left"), [(0.0, HEADS), (3.0, 1)])
def test_a_head_stays_only_if_it_pays(make_table, price, left):
    """The target is what a layer of four heads says: free heads stay, dear ones go."""
    conv, table = AdaptiveHeadsConv(IN, OUT, HEADS, price=price), make_table(NODES, SLOTS)
    x = torch.randn(NODES, IN)
    target = AdaptiveHeadsConv(IN, OUT, HEADS)(x, table).detach()
    optimizer = torch.optim.Adam(conv.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        F.mse_loss(conv(x, table), target).backward()
        optimizer.step()
    assert conv.open_heads == left


def test_bad_price():
    with pytest.raises(InputError, match="`price` must not be negative, got -1"):
        AdaptiveHeadsConv(IN, OUT, HEADS, price=-1)
