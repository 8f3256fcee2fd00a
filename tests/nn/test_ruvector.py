"""Our layer is the original's: the same numbers, the same JSON (law 1)."""

import json

import numpy as np
import pytest
import ruvector
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphlift.errors import DataFormatError, InputError
from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn import RuvectorConv

WEIGHTS = {
    "none": None,
    "ones": lambda d: np.ones(d),
    "mixed": lambda d: np.resize([0.0, 1.5, 1e-9, 1.0, 3e4], d),
    "zero": lambda d: np.zeros(d),
    "tiny": lambda d: np.resize([1e-30, 0.0, 4e-30], d),
    "below normal": lambda d: np.resize([1e-42, 3e-41], d),
    "huge": lambda d: np.resize([1e37, 5e36], d),
}


def drawn(in_channels, out_channels, heads, dropout=0.0, seed=0):
    """A layer with other numbers in every matrix; the original's own fresh matrices are all alike."""
    torch.manual_seed(seed)
    conv = RuvectorConv(in_channels, out_channels, heads, dropout).eval()
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.normal_(std=parameter.shape[-1] ** -0.5)
    return conv


def original(conv, node, neighbors, weight=None):
    """What the Rust layer with our weights says about one node."""
    layer = ruvector.GnnLayer.from_json(conv.to_ruvector())
    given = [] if weight is None else [weight.numpy()]
    return torch.from_numpy(layer.forward(node.numpy(), neighbors.numpy(), *given))


def ours(conv, node, neighbors, weight=None):
    table = NeighborTable(torch.arange(len(neighbors)).unsqueeze(0), len(neighbors))
    return conv((neighbors, node.unsqueeze(0)), table, None if weight is None else weight.unsqueeze(0))[0].detach()


@given(
    in_channels=st.integers(1, 9),
    head_channels=st.integers(1, 5),
    heads=st.integers(1, 5),
    degree=st.integers(0, 7),
    dropout=st.sampled_from([0.0, 0.5]),
    weights=st.sampled_from(sorted(WEIGHTS)),
    seed=st.integers(0, 999),
)
def test_parity(in_channels, head_channels, heads, degree, dropout, weights, seed):
    conv = drawn(in_channels, heads * head_channels, heads, dropout, seed)
    node, neighbors = torch.randn(in_channels), torch.randn(degree, in_channels)
    weight = None if WEIGHTS[weights] is None else torch.tensor(WEIGHTS[weights](degree), dtype=torch.float32)
    expected = original(conv, node, neighbors, weight)
    torch.testing.assert_close(ours(conv, node, neighbors, weight), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("degree", [0, 1, 5])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_parity_at_every_corner(weights, degree, dropout):
    conv = drawn(7, 12, 3, dropout)
    node, neighbors = torch.randn(7), torch.randn(degree, 7)
    weight = None if WEIGHTS[weights] is None else torch.tensor(WEIGHTS[weights](degree), dtype=torch.float32)
    expected = original(conv, node, neighbors, weight)
    torch.testing.assert_close(ours(conv, node, neighbors, weight), expected, atol=1e-5, rtol=1e-5)


def test_parity_of_a_whole_graph(make_table):
    conv, x, table = drawn(5, 8, 4), torch.randn(11, 5), make_table(11, 3)
    weight = torch.rand(11, 3)
    expected = [original(conv, x[v], x[row[row != EMPTY]], weight[v][row != EMPTY]) for v, row in enumerate(table.ids)]
    torch.testing.assert_close(conv(x, table, weight).detach(), torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_the_readme_call(make_table):
    x, ids, edge_weight = torch.randn(23, 64), make_table(23, 7).ids, torch.rand(23, 7)
    layer = ruvector.GnnLayer(64, 32, 4)
    conv = RuvectorConv.from_ruvector(layer.to_json()).eval()
    y = conv(x, NeighborTable(ids), edge_weight)
    for v, row in enumerate(ids):
        near = row != EMPTY
        expected = layer.forward(x[v].numpy(), x[row[near]].numpy(), edge_weight[v][near].numpy())
        torch.testing.assert_close(y[v].detach(), torch.from_numpy(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.1, 0.5])
def test_their_json_through_ours_is_bit_exact(dropout):
    theirs = ruvector.GnnLayer(5, 12, 3, dropout).to_json()
    conv = RuvectorConv.from_ruvector(theirs)
    assert json.loads(conv.to_ruvector()) == json.loads(theirs)
    assert (conv.in_channels, conv.out_channels, conv.heads) == (5, 12, 3)
    assert conv.dropout == pytest.approx(dropout)


def test_our_weights_through_their_layer_are_bit_exact():
    conv = drawn(7, 6, 2, dropout=0.25)
    with torch.no_grad():
        conv.lin_agg.weight[0, :3] = torch.tensor([1e-44, -0.0, 3.4e38])
    again = RuvectorConv.from_ruvector(ruvector.GnnLayer.from_json(conv.to_ruvector()).to_json())
    assert (again.dropout, again.norm.eps) == (0.25, pytest.approx(conv.norm.eps))
    assert again.state_dict().keys() == conv.state_dict().keys()
    for name, tensor in conv.state_dict().items():
        assert torch.equal(again.state_dict()[name].view(torch.int32), tensor.view(torch.int32)), name


def test_their_matrices_find_their_places():
    """Each original matrix is one piece of ours; a swap of any two would show."""
    document = json.loads(ruvector.GnnLayer(4, 4, 2).to_json())
    places = [("w_msg",), ("w_agg",)]
    places += [("attention", name) for name in ("q_linear", "k_linear", "v_linear", "out_linear")]
    places += [("w_update", name) for name in ("w_z", "u_z", "w_r", "u_r", "w_h", "u_h")]
    for number, place in enumerate(places):
        part = document["layer"]
        for key in place:
            part = part[key]
        part["weights"]["data"] = [100 * number + i for i in range(16)]
    conv = RuvectorConv.from_ruvector(json.dumps(document))
    gru = conv.gru
    pieces = [conv.lin_msg.weight, conv.lin_agg.weight]
    pieces += [linear.weight for linear in (conv.lin_query, conv.lin_key, conv.lin_value, conv.lin_out)]
    (w_z, w_r, w_h), (u_z, u_r) = gru.lin_input.weight.split(4), gru.lin_gates.weight.split(4)
    pieces += [w_z, u_z, w_r, u_r, w_h, gru.lin_state.weight]
    for number, piece in enumerate(pieces):
        assert piece.flatten().tolist() == [100 * number + i for i in range(16)]


def changed(**values):
    return json.dumps(json.loads(ruvector.GnnLayer(5, 6, 2).to_json()) | values)


def rewritten(path, value):
    """The JSON of a layer with one place rewritten, or removed where value is None."""
    document = json.loads(ruvector.GnnLayer(5, 6, 2).to_json())
    *way, last = path.split(".")
    part = document
    for key in way:
        part = part[key]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return json.dumps(document)


FOREIGN = {
    "nothing": "",
    "no JSON": "PK\x03\x04",
    "no object": "[1, 2]",
    "null": "null",
    "empty object": "{}",
    "other object": '{"layer": {"weights": [1]}}',
    "truncated": ruvector.GnnLayer(5, 6, 2).to_json()[:-40],
    "half": ruvector.GnnLayer(5, 6, 2).to_json()[:900],
    "heads that do not divide": changed(heads=4),
    "no heads": changed(heads=0),
    "negative heads": changed(heads=-2),
    "heads as text": changed(heads="two"),
    "half a head": changed(heads=1.5),
    "other input_dim": changed(input_dim=7),
    "other hidden_dim": changed(hidden_dim=12),
    "absurd hidden_dim": changed(hidden_dim=2**40, input_dim=2**40),
    "dropout above 1": changed(dropout=1.5),
    "dropout as null": changed(dropout=[]),
    "missing matrix": rewritten("layer.attention.q_linear", None),
    "missing bias": rewritten("layer.w_update.u_h.bias", None),
    "missing norm": rewritten("layer.norm", None),
    "transposed matrix": rewritten("layer.w_msg.weights.dim", [5, 6]),
    "too few numbers": rewritten("layer.w_agg.weights.data", [0.0]),
    "words for numbers": rewritten("layer.w_agg.bias.data", ["a"] * 6),
    "flat matrix": rewritten("layer.attention.out_linear.weights.dim", [36]),
    "long norm": rewritten("layer.norm.gamma", {"v": 1, "dim": [7], "data": [1.0] * 7}),
    "eps as text": rewritten("layer.norm.eps", "small"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_or_truncated_json(case):
    with pytest.raises(DataFormatError, match=r"ruvector\.GnnLayer"):
        RuvectorConv.from_ruvector(FOREIGN[case])


def test_the_original_knows_no_edge_attributes():
    with pytest.raises(InputError, match="`edge_dim`"):
        RuvectorConv(5, 6, 2, edge_dim=3).to_ruvector()
