"""A node's output and cost are those of a loop over it alone; what halted costs nothing more."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.nn.experimental.halting import AdaptiveDepthConv


def build(bias, max_steps=4):
    conv = AdaptiveDepthConv(5, 6, heads=2, max_steps=max_steps)
    with torch.no_grad():
        conv.lin_halt.bias.fill_(bias)
    return conv


def test_eager_to_halt_is_one_step(make_table):
    conv, x, table = build(50.0), torch.randn(7, 5), make_table(7, 3)
    out, ponder = conv.halt(x, table)
    assert_close(out, conv.conv(conv.lin_in(x), table))
    assert_close(ponder, torch.full((7,), 2.0))  # one step, and all of its share


def test_never_halting_is_the_whole_depth(make_table):
    conv, x, table = build(-50.0), torch.randn(7, 5), make_table(7, 3)
    state = conv.lin_in(x)
    for _ in range(4):
        state = conv.conv(state, table)
    out, ponder = conv.halt(x, table)
    assert_close(out, state)
    assert_close(ponder, torch.full((7,), 5.0))


def test_equals_a_loop_over_nodes(make_table):
    """In a pair, where neighbors stay as they are, every node can be followed alone."""
    conv, table = build(-0.5), make_table(7, 3, 9)
    with torch.no_grad():
        conv.lin_halt.weight.mul_(5)
    sources, x = torch.randn(9, 5), torch.randn(7, 5)
    out, ponder = conv.halt((sources, x), table)
    steps = set()
    for node in range(7):
        state, left, total = conv.lin_in(x), 1.0, 0.0
        for step in range(1, 5):
            state = conv.conv((conv.lin_in(sources), state), table)
            chance = torch.sigmoid(conv.lin_halt(state[node]))
            share = left if chance >= left or step == 4 else chance
            total = total + share * state[node]
            if share is left:
                break
            left = left - share
        assert_close(out[node], total)
        assert_close(ponder[node], torch.as_tensor(step + left, dtype=torch.float32).squeeze())
        steps.add(step)
    assert len(steps) > 1


def test_what_halted_is_not_computed(make_table):
    conv, computed = build(0.0), []
    conv.conv.register_forward_hook(lambda *call: computed.append(len(call[2])))
    conv(torch.randn(7, 5), make_table(7, 3))
    assert computed[0] == 7
    assert computed == sorted(computed, reverse=True)
    assert computed[-1] < 7


def test_a_loss_on_ponder_makes_it_halt_sooner(make_table):
    conv, x, table = build(-1.0), torch.randn(7, 5), make_table(7, 3)
    before = conv.halt(x, table).ponder.detach().mean()
    optimizer = torch.optim.Adam(conv.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        conv.halt(x, table).ponder.mean().backward()
        optimizer.step()
    assert conv.halt(x, table).ponder.detach().mean() < before - 0.5


def test_there_must_be_a_step():
    with pytest.raises(InputError, match="`max_steps`"):
        AdaptiveDepthConv(5, 6, heads=2, max_steps=0)
