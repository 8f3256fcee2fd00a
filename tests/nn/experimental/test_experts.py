"""Experts share the work as the router says, and the balance loss spreads it."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.nn.experimental.experts import ExpertsConv, Routing, balance_loss


def test_one_expert_is_the_layer(make_table):
    conv, x, table = ExpertsConv(5, 6, heads=2, num_experts=1, k=1), torch.randn(7, 5), make_table(7, 3)
    assert_close(conv(x, table), conv.experts[0](x, table))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_equals_all_experts_weighed(k, make_table):
    conv, x, table, weight = ExpertsConv(5, 6, heads=2, k=k), torch.randn(7, 5), make_table(7, 3), torch.rand(7, 3)
    chance = conv.router(x).softmax(dim=1)
    gates = chance * (chance >= chance.topk(k, dim=1).values[:, -1:])
    gates = gates / gates.sum(dim=1, keepdim=True) if k > 1 else gates
    expected = sum(gates[:, [e]] * expert(x, table, weight) for e, expert in enumerate(conv.experts))
    assert_close(conv(x, table, weight), expected)


def test_an_expert_computes_its_own_nodes_alone(make_table):
    conv, x, table, computed = ExpertsConv(5, 6, heads=2, k=1), torch.randn(7, 5), make_table(7, 3), []
    for expert in conv.experts:
        expert.register_forward_hook(lambda *call: computed.append(len(call[2])))
    conv(x, table)
    assert computed == torch.bincount(conv.route(x).experts.flatten(), minlength=4).tolist()


def test_balance_is_one_when_even_and_the_number_of_experts_at_worst():
    worst = Routing(torch.zeros(8, 1, dtype=torch.int64), torch.ones(8, 1), F.one_hot(torch.zeros(8).long(), 4).float())
    even = Routing(torch.arange(8).view(8, 1) % 4, torch.ones(8, 1), torch.full((8, 4), 0.25))
    assert_close(balance_loss(worst), torch.tensor(4.0))
    assert_close(balance_loss(even), torch.tensor(1.0))


def test_minimising_it_spreads_the_nodes():
    conv, x = ExpertsConv(5, 6, heads=2, k=1), torch.randn(200, 5)
    with torch.no_grad():
        conv.router.bias[0] = 3.0
    before = torch.bincount(conv.route(x).experts.flatten(), minlength=4)
    optimizer = torch.optim.Adam(conv.router.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        balance_loss(conv.route(x)).backward()
        optimizer.step()
    after = torch.bincount(conv.route(x).experts.flatten(), minlength=4)
    assert before.max() > 150
    assert after.max() < 80


@pytest.mark.parametrize("k", [0, 5])
def test_k_must_be_within_the_experts(k):
    with pytest.raises(InputError, match="`k`"):
        ExpertsConv(5, 6, heads=2, k=k)
