"""One table of names."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.errors import InputError, MissingExtraError
from graphlift.nn.family import CONVS, member
from graphlift.nn.pyg import GCNConv


@pytest.mark.parametrize("name", CONVS)
def test_every_name_is_a_layer(name, make_table):
    """Of the sizes that were asked for, and told of weights and attributes as the table says."""
    found, table = member(name), make_table(7, 3)
    x, weight = torch.randn(7, 5), torch.rand(7, 3)
    conv = found.build(5, 6, heads=2).eval()
    out = conv(x, table, weight)
    assert out.shape == (7, 6)
    assert torch.equal(out, conv(x, table)) != found.weighted
    attr = torch.randn(7, 3, 4)
    with pytest.raises(InputError, match="`edge_attr` must match `edge_dim`"):
        conv(x, table, weight, attr)
    if found.attributed:
        conv = found.build(5, 6, heads=2, edge_dim=4).eval()
        assert (conv(x, table, weight, attr) - conv(x, table, weight, -attr)).abs().max() > 1e-4
    else:
        with pytest.raises(InputError, match=f"`edge_dim` must be None for {found.path}"):
            found.build(5, 6, edge_dim=4)


@pytest.mark.parametrize("name", [name for name, found in CONVS.items() if found.heads])
def test_heads_arrive(name):
    with pytest.raises(InputError, match="`out_channels` must be divisible by `heads`, got out_channels=6 and heads=5"):
        member(name).build(5, 6, heads=5)


def test_same_seed_same_layer(make_table):
    x, table = torch.randn(7, 5), make_table(7, 3)
    for found in CONVS.values():
        outs = []
        for _ in range(2):
            torch.manual_seed(3)
            outs.append(found.build(5, 6, heads=2).eval()(x, table))
        assert_close(*outs)


def test_an_unknown_name_lists_all():
    with pytest.raises(InputError, match=r"`conv` must be one of ruvector, gcn, .*, got 'gnc'"):
        member("gnc")


def test_a_missing_package_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("graphlift.errors.importlib.import_module", missing)
    with pytest.raises(MissingExtraError, match=r"graphlift\[family\]"):
        GCNConv(2, 2)
