"""Masked to neighbors it is PyG's layer; unmasked it hears everyone; the biases say what they should."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close
from torch_geometric.nn import TransformerConv

from graphlift.errors import InputError
from graphlift.nn.experimental.hops import hop_distance
from graphlift.nn.experimental.transformer import GraphTransformerConv


def drawn(conv):
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.normal_(std=0.5)
    return conv


@pytest.mark.parametrize("sources", [None, 9], ids=["plain", "pair"])
def test_local_attention_is_pygs(sources, make_table):
    conv, pyg = drawn(GraphTransformerConv(5, 6, heads=2, local=True)), TransformerConv(5, 3, heads=2)
    torch.nn.init.zeros_(conv.degree.weight)
    for name in ("query", "key", "value", "skip"):
        getattr(pyg, f"lin_{name}").load_state_dict(getattr(conv, f"lin_{name}").state_dict())
    table, x = make_table(7, 3, sources), torch.randn(7, 5)
    x = x if sources is None else (torch.randn(sources, 5), x)
    assert_close(conv(x, table), pyg(x, table.edge_index))


def test_equals_its_formula(make_table):
    conv, table = drawn(GraphTransformerConv(5, 6, heads=2, edge_dim=4, num_levels=3)), make_table(7, 3)
    x, attr, level = torch.randn(7, 5), torch.randn(7, 3, 4), torch.randint(0, 5, (7,))
    hops = hop_distance(table, 3)
    out = conv(x, table, None, attr, level)
    for node in range(7):
        query = (conv.lin_query(x[node]) + conv.degree.weight[table.degree[node]]).view(2, 3)
        scores = torch.stack([(query * conv.lin_key(x[j]).view(2, 3)).sum(1) / 3**0.5 for j in range(7)])  # (S, H)
        scores += conv.hops.weight[hops[node].clamp(max=4).long()] + conv.level.weight[level.clamp(max=2)]
        for slot, other in enumerate(table.ids[node].tolist()):
            if other >= 0:
                scores[other] += conv.lin_edge(attr[node, slot])
        values = conv.lin_value(x).view(7, 2, 3)
        mixed = torch.einsum("jh,jhc->hc", F.softmax(scores, dim=0), values).flatten()
        assert_close(out[node], mixed + conv.lin_skip(x[node]))


def test_everyone_is_heard(make_table):
    conv, x, table = GraphTransformerConv(5, 6, heads=2), torch.randn(7, 5, requires_grad=True), make_table(7, 3)
    for node in range(7):
        [gradient] = torch.autograd.grad(conv(x, table)[node].sum(), x)
        assert gradient.any(dim=1).all()


def test_chunks_change_nothing(make_table):
    conv, x, table = drawn(GraphTransformerConv(5, 6, heads=2, chunk_size=2)), torch.randn(7, 5), make_table(7, 3)
    with torch.no_grad():
        assert_close(conv(x, table), conv.train()(x, table))


def test_in_a_pair_neighbors_alone_are_heard(make_table):
    """Who else there is may belong to other graphs."""
    conv, table, x = drawn(GraphTransformerConv(5, 6, heads=2)), make_table(7, 3, 9), torch.randn(7, 5)
    local = GraphTransformerConv(5, 6, heads=2, local=True)
    local.load_state_dict({name: tensor for name, tensor in conv.state_dict().items() if not name.startswith("hops")})
    sources = torch.randn(9, 5)
    assert_close(conv((sources, x), table), local((sources, x), table))


def test_bad_arguments(make_table):
    with pytest.raises(InputError, match="`max_hops`"):
        GraphTransformerConv(5, 6, heads=2, max_hops=0)
    with pytest.raises(InputError, match="`level`"):
        GraphTransformerConv(5, 6, heads=2)(
            torch.randn(7, 5), make_table(7, 3), level=torch.zeros(7, dtype=torch.int64)
        )
    with pytest.raises(InputError, match="`level`"):
        GraphTransformerConv(5, 6, heads=2, num_levels=3)(torch.randn(7, 5), make_table(7, 3))
