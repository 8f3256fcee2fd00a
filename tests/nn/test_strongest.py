"""Every layer of the family on dense graphs."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.nn.family import CONVS, member
from graphlift.nn.strongest import LINKS, StrongestLinks

GRAPHS, SOURCES, TARGETS, WIDTH, EDGE = 3, 29, 5, 8, 4
every_name = pytest.mark.parametrize(
    "name", [name for name in CONVS if name != "ode"]
)  # its steps depend on all graphs


@pytest.fixture
def graphs():
    """Sources and targets, who may listen to whom, and attributes; one source of each graph is heard by nobody."""
    mask = torch.rand(GRAPHS, TARGETS, SOURCES) < 0.8
    mask[..., 7] = False
    x = torch.randn(GRAPHS, SOURCES, WIDTH), torch.randn(GRAPHS, TARGETS, WIDTH)
    return x, mask, torch.randn(GRAPHS, TARGETS, SOURCES, EDGE)


def layer_of(name):
    return StrongestLinks(member(name), WIDTH, 2, EDGE, temperature=1.0).eval()


@every_name
def test_each_graph_alone(name, graphs):
    x, mask, attr = graphs
    layer = layer_of(name)
    out = layer.forward_dense(x, mask, attr)
    assert out.shape == (GRAPHS, TARGETS, WIDTH)
    for g in range(GRAPHS):
        one = slice(g, g + 1)
        assert_close(layer.forward_dense((x[0][one], x[1][one]), mask[one], attr[one]), out[one])


@every_name
def test_only_the_strongest_are_heard(name, graphs):
    (sources, targets), mask, attr = graphs
    layer = layer_of(name)
    sources.requires_grad_()
    out = layer.forward_dense((sources, targets), mask, attr)
    strength = attr.sum(dim=3).masked_fill(~mask, -torch.inf)
    for target in range(TARGETS):
        [gradient] = torch.autograd.grad(out[1, target].square().sum(), sources, retain_graph=True)
        heard = set(gradient[1].any(dim=1).nonzero().flatten().tolist())
        assert not gradient[[0, 2]].any()
        strongest = set(strength[1, target].topk(LINKS).indices.tolist())
        assert heard <= strongest
        assert heard == strongest or name in ("sage-max", "sage-lstm")


@every_name
def test_few_sources_and_a_mask_for_all(name, graphs):
    (sources, targets), _, attr = graphs
    layer, few = layer_of(name), 3
    mask = torch.tensor([True, False, True]).expand(GRAPHS, 1, few)
    out = layer.forward_dense((sources[:, :few], targets), mask, attr[:, :, :few])
    attr[:, :, 1], sources[:, 1] = 9.0, 9.0
    assert_close(layer.forward_dense((sources[:, :few], targets), mask, attr[:, :, :few]), out)


def test_where_all_links_fit_it_is_the_dense_layer(graphs):
    (sources, targets), mask, attr = graphs
    x, mask, attr = (sources[:, :LINKS], targets), mask[..., :LINKS], attr[:, :, :LINKS]
    layer = layer_of("ruvector")
    weight = attr.sum(dim=3).masked_fill(~mask, -torch.inf).softmax(dim=2)
    assert_close(layer.forward_dense(x, mask, attr), layer.conv.forward_dense(x, mask, weight, attr))


@pytest.mark.parametrize("name", [name for name, kind in CONVS.items() if kind.attributed or kind.weighted])
def test_attributes_reach_the_output(name, graphs):
    x, mask, attr = graphs
    layer_of(name).forward_dense(x, mask, attr.requires_grad_()).square().sum().backward()
    assert attr.grad.any()
