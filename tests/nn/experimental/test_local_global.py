"""Neighbors and tokens: near and far in one layer."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.experimental.local_global import LocalGlobalConv

NODES, SLOTS, IN, OUT, HEADS = 11, 3, 5, 6, 2
TOKENS = torch.tensor([4, 9])


@pytest.fixture
def conv():
    return LocalGlobalConv(IN, OUT, HEADS).eval()


def reached(conv, x, table, node, tokens):
    """Nodes that a node's output depends on."""
    x = x.clone().requires_grad_()
    conv(x, table, tokens=tokens)[node].square().sum().backward()
    return set(x.grad.any(dim=1).nonzero().flatten().tolist())


def test_receptive_field(conv, make_table):
    x, table = torch.randn(NODES, IN), make_table(NODES, SLOTS)
    for node in range(NODES):
        assert reached(conv, x, table, node, None) == {node, *table.ids[node][table.mask[node]].tolist()}
        assert reached(conv, x, table, node, TOKENS) == set(range(NODES))


def test_tokens_as_read(conv, make_table):
    """Node by node, as the formula says."""
    x, table = torch.randn(NODES, IN), make_table(NODES, SLOTS)
    query, key, value = conv.lin_listen(x).chunk(3, dim=1)
    ask = conv.lin_ask(x)

    def attend(query, keys, values):
        heads = []
        for head in range(HEADS):
            part = slice(head * OUT // HEADS, (head + 1) * OUT // HEADS)
            scores = keys[:, part] @ query[part] / (OUT // HEADS) ** 0.5
            heads.append(scores.softmax(dim=0) @ values[:, part])
        return torch.cat(heads)

    summary = torch.stack([attend(query[token], key, value) for token in TOKENS])
    keys, values = conv.lin_tell(summary).chunk(2, dim=1)
    told = torch.stack([attend(ask[node], keys, values) for node in range(NODES)])
    assert_close(conv(x, table, tokens=TOKENS), conv.norm(conv.local(x, table) + conv.lin_out(told)))


def test_order_and_names_of_nodes_do_not_matter(conv, make_table):
    x, table = torch.randn(NODES, IN), make_table(NODES, SLOTS)
    out = conv(x, table, tokens=TOKENS)
    assert_close(conv(x, table, tokens=TOKENS.flip(0)), out)
    perm = torch.randperm(NODES)
    rank = torch.argsort(perm)
    renamed = NeighborTable(torch.where(table.mask, rank[table.ids], -1)[perm])
    assert_close(conv(x[perm], renamed, tokens=rank[TOKENS]), out[perm])


def test_a_pair_is_the_same(conv, make_table):
    x, table = torch.randn(NODES, IN), make_table(NODES, SLOTS)
    assert_close(conv((x, x), table, tokens=TOKENS), conv(x, table, tokens=TOKENS))
    one = NeighborTable(table.ids[3:4], NODES)
    assert_close(conv((x, x[3:4]), one, tokens=TOKENS)[0], conv(x, table, tokens=TOKENS)[3])


def test_tokens_learn(conv, make_table):
    x, table = torch.randn(NODES, IN), make_table(NODES, SLOTS)
    (conv(x, table, tokens=TOKENS) * torch.randn(NODES, OUT)).sum().backward()
    for linear in (conv.lin_listen, conv.lin_tell, conv.lin_ask, conv.lin_out):
        assert linear.weight.grad.abs().max() > 1e-6


def test_no_token_is_local(conv, make_table):
    x, table = torch.randn(NODES, IN), make_table(NODES, SLOTS)
    assert torch.equal(conv(x, table, tokens=TOKENS[:0]), conv(x, table))


@pytest.mark.parametrize("tokens", [[-1], [0, NODES]])
def test_a_token_must_be_a_source(conv, make_table, tokens):
    with pytest.raises(InputError, match=r"`tokens` must name sources in \[0, 11\)"):
        conv(torch.randn(NODES, IN), make_table(NODES, SLOTS), tokens=torch.tensor(tokens))
