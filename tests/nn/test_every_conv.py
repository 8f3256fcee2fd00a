"""The battery that every graph layer passes; a new layer inherits it by being listed in ALL_CONVS."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn import RuvectorConv
from graphlift.nn.experimental.adaptive_heads import AdaptiveHeadsConv
from graphlift.nn.experimental.equivariant import EquivariantConv
from graphlift.nn.experimental.experts import ExpertsConv
from graphlift.nn.experimental.halting import AdaptiveDepthConv
from graphlift.nn.experimental.hyperbolic import HyperbolicConv
from graphlift.nn.experimental.local_global import LocalGlobalConv
from graphlift.nn.experimental.ode import OdeConv
from graphlift.nn.experimental.transformer import GraphTransformerConv
from graphlift.nn.pyg import GCNConv, SAGEConv
from graphlift.nn.pyg_attention import GATConv, GATv2Conv, TransformerConv

IN, OUT, NODES, SLOTS, SOURCES = 5, 6, 7, 3, 11


@dataclass
class Case:
    """A layer of ``in_channels, out_channels`` and what it takes beside nodes and neighbors."""

    name: str
    build: Callable[[int, int], nn.Module]
    weighted: bool = False
    edge_dim: int | None = None
    reads_in_order: bool = False
    selects: bool = False  # a neighbor may go unheard
    asks_for_degrees: bool = False  # which the sources of a pair do not have
    without_tokens: frozenset[str] = frozenset()  # parameters that learn by what the battery does not pass
    flows: bool = False  # neighbors change meanwhile, so that it hears theirs, too; the sources of a pair do not
    hears_all: bool = False  # not neighbors alone

    def __str__(self):
        return self.name

    def conv(self):
        """The layer, its parameters drawn anew so that none is zero or one."""
        conv = self.build(IN, OUT).eval()
        with torch.no_grad():
            for parameter in conv.parameters():
                parameter.normal_(std=0.5)
        return conv

    def edges(self, targets=NODES, slots=SLOTS):
        """Weights and attributes of the links, or None where the layer takes none."""
        weight = torch.rand(targets, slots) + 0.1 if self.weighted else None
        attr = None if self.edge_dim is None else torch.randn(targets, slots, self.edge_dim)
        return weight, attr


ALL_CONVS = [
    Case("RuvectorConv", lambda i, o: RuvectorConv(i, o, heads=3)),
    Case("RuvectorConv of one head", lambda i, o: RuvectorConv(i, o, heads=1, dropout=0.5), weighted=True),
    Case("RuvectorConv with edges", lambda i, o: RuvectorConv(i, o, heads=2, edge_dim=4), True, edge_dim=4),
    Case("RuvectorConv in chunks", lambda i, o: RuvectorConv(i, o, heads=6, chunk_size=2), weighted=True),
    Case("GCNConv", GCNConv, weighted=True, asks_for_degrees=True),
    Case("GATConv", lambda i, o: GATConv(i, o, heads=3)),
    Case("GATConv with edges", lambda i, o: GATConv(i, o, heads=2, edge_dim=4), edge_dim=4),
    Case("GATv2Conv", lambda i, o: GATv2Conv(i, o, heads=3)),
    Case("GATv2Conv with edges", lambda i, o: GATv2Conv(i, o, heads=2, edge_dim=4), edge_dim=4),
    Case("TransformerConv", lambda i, o: TransformerConv(i, o, heads=3)),
    Case("TransformerConv with edges", lambda i, o: TransformerConv(i, o, heads=2, edge_dim=4), edge_dim=4),
    Case("SAGEConv of mean", SAGEConv),
    Case("SAGEConv of max", lambda i, o: SAGEConv(i, o, aggr="max"), selects=True),
    Case("SAGEConv of LSTM", lambda i, o: SAGEConv(i, o, aggr="lstm"), reads_in_order=True),
    Case("AdaptiveHeadsConv", lambda i, o: AdaptiveHeadsConv(i, o, 3, edge_dim=4), weighted=True, edge_dim=4),
    Case(
        "LocalGlobalConv",
        lambda i, o: LocalGlobalConv(i, o, heads=2, edge_dim=4),
        weighted=True,
        edge_dim=4,
        without_tokens=frozenset(f"lin_{n}.{p}" for n in ("listen", "tell", "ask", "out") for p in ("weight", "bias")),
    ),
    Case("HyperbolicConv", HyperbolicConv, weighted=True),
    Case("HyperbolicConv with edges", lambda i, o: HyperbolicConv(i, o, 0.5, edge_dim=4), edge_dim=4),
    Case("EquivariantConv", EquivariantConv, weighted=True),
    Case("EquivariantConv with edges", lambda i, o: EquivariantConv(i, o, 2, edge_dim=4), edge_dim=4),
    Case("ExpertsConv", lambda i, o: ExpertsConv(i, o, heads=2, num_experts=2), weighted=True),
    Case("ExpertsConv with edges", lambda i, o: ExpertsConv(i, o, 3, 4, num_experts=2, k=1), edge_dim=4),
    Case("AdaptiveDepthConv", lambda i, o: AdaptiveDepthConv(i, o, heads=2, max_steps=2), weighted=True, flows=True),
    Case(
        "AdaptiveDepthConv with edges", lambda i, o: AdaptiveDepthConv(i, o, 3, 4, max_steps=3), edge_dim=4, flows=True
    ),
    Case("OdeConv", lambda i, o: OdeConv(i, o, heads=2, method="rk4", step=1), weighted=True, flows=True),
    Case("OdeConv with edges", lambda i, o: OdeConv(i, o, 3, 4, method="euler"), edge_dim=4, flows=True),
    Case("GraphTransformerConv", lambda i, o: GraphTransformerConv(i, o, heads=3), hears_all=True),
    Case("GraphTransformerConv with edges", lambda i, o: GraphTransformerConv(i, o, 2, 4), edge_dim=4, hears_all=True),
    Case("GraphTransformerConv of neighbors", lambda i, o: GraphTransformerConv(i, o, heads=2, local=True)),
]
every_conv = pytest.mark.parametrize("case", ALL_CONVS, ids=str)


def convs(applies):
    """The layers that a law holds for."""
    return pytest.mark.parametrize("case", [case for case in ALL_CONVS if applies(case)], ids=str)


def picked(edges, index):
    """The same rows or slots of weights and attributes."""
    return tuple(None if part is None else part[index] for part in edges)


@every_conv
def test_shapes(case, make_table):
    edges, table = case.edges(), make_table(NODES, SLOTS)
    assert case.conv()(torch.randn(NODES, IN), table, *edges).shape == (NODES, OUT)
    two_sided = make_table(NODES, SLOTS, SOURCES)
    assert case.conv()((torch.randn(SOURCES, IN), torch.randn(NODES, IN)), two_sided, *edges).shape == (
        NODES,
        OUT,
    )


@every_conv
def test_node_permutation_equivariance(case, make_table):
    conv, x, table, edges = case.conv(), torch.randn(NODES, IN), make_table(NODES, SLOTS), case.edges()
    perm = torch.randperm(NODES)
    rank = torch.argsort(perm)  # old node id -> new node id
    ids = torch.where(table.mask, rank[table.ids], EMPTY)
    out = conv(x, table, *edges)
    assert_close(conv(x[perm], NeighborTable(ids[perm]), *picked(edges, perm)), out[perm])
    assert (out[perm] - out).abs().max() > 0.1


@every_conv
def test_neighbor_order_invariance(case, make_table):
    conv, x, table, edges = case.conv(), torch.randn(NODES, IN), make_table(NODES, SLOTS), case.edges()
    order = torch.argsort(torch.rand(NODES, SLOTS))
    index = (torch.arange(NODES).unsqueeze(1), order)
    shuffled = conv(x, NeighborTable(table.ids[index]), *picked(edges, index))
    if case.reads_in_order:
        assert (shuffled - conv(x, table, *edges)).abs().max() > 0.01
    else:
        assert_close(shuffled, conv(x, table, *edges))


@every_conv
def test_empty_slots_do_not_count(case, make_table):
    conv, x, table, edges = case.conv(), torch.randn(NODES, IN), make_table(NODES, SLOTS), case.edges()
    wide = NeighborTable(torch.cat([table.ids, torch.full((NODES, 2), EMPTY)], dim=1))
    for filler in (0.0, 9.0, torch.nan):
        more = tuple(
            None if part is None else torch.cat([part, torch.full_like(part[:, :2], filler)], dim=1) for part in edges
        )
        if torch.tensor(filler).isnan():
            more = (
                more[0],
                None if edges[1] is None else more[1].nan_to_num(),
            )  # a weight there may be anything
        assert_close(conv(x, wide, *more), conv(x, table, *edges))


@every_conv
@pytest.mark.parametrize("slots", [0, SLOTS])
def test_isolated_node_and_its_gradient_are_finite(case, slots):
    conv, x = case.conv(), torch.randn(NODES, IN, requires_grad=True)
    edges = [None if part is None else part.requires_grad_() for part in case.edges(slots=slots)]
    out = conv(x, NeighborTable(torch.full((NODES, slots), EMPTY)), *edges)
    out.square().sum().backward()
    assert out.isfinite().all()
    tensors = [x, *conv.parameters(), *(part for part in edges if part is not None)]
    assert all(t.grad is None or t.grad.isfinite().all() for t in tensors)
    assert x.grad.any()


@every_conv
def test_gradients_are_finite_where_nodes_are_zero(case, make_table):
    """As they are behind a ReLU that is shut."""
    conv = case.build(IN, OUT)  # as it is born: without biases, zero stays zero
    x = torch.randn(NODES, IN).index_fill(0, torch.tensor([0, 2, 3]), 0.0).requires_grad_()
    conv(x, make_table(NODES, SLOTS), *case.edges()).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in [x, *conv.parameters()])


@convs(lambda case: not case.hears_all)
def test_an_isolated_node_depends_on_itself_alone(case, make_table):
    conv, x, table, edges = case.conv(), torch.randn(NODES, IN), make_table(NODES, SLOTS), case.edges()
    assert not table.mask[0].any()
    moved = torch.cat([x[:1], torch.randn(NODES - 1, IN)])
    assert_close(conv(moved, table, *edges)[0], conv(x, table, *edges)[0])


@convs(lambda case: not (case.hears_all or case.flows))
def test_a_node_depends_on_its_neighbors_alone(case, make_table):
    conv, table, edges = case.conv(), make_table(NODES, SLOTS), case.edges()
    x = torch.randn(NODES, IN, requires_grad=True)
    for node in range(NODES):
        [gradient] = torch.autograd.grad(conv(x, table, *edges)[node].square().sum(), x)
        heard = {node, *table.ids[node][table.mask[node]].tolist()}
        found = set(gradient.any(dim=1).nonzero().flatten().tolist())
        assert found <= heard
        assert case.selects or found == heard


@every_conv
def test_a_batch_of_one_is_a_row_of_the_batch(case, make_table):
    conv, table, edges = case.conv(), make_table(NODES, SLOTS, SOURCES), case.edges()
    sources, targets = torch.randn(SOURCES, IN), torch.randn(NODES, IN)
    out = conv((sources, targets), table, *edges)
    for node in range(NODES):
        one = slice(node, node + 1)
        alone = conv((sources, targets[one]), NeighborTable(table.ids[one], SOURCES), *picked(edges, one))
        assert_close(alone, out[one])


@convs(lambda case: not (case.asks_for_degrees or case.flows or case.hears_all))
def test_a_pair_of_the_same_nodes_is_the_plain_call(case, make_table):
    conv, x, table, edges = case.conv(), torch.randn(NODES, IN), make_table(NODES, SLOTS), case.edges()
    assert_close(conv((x, x), table, *edges), conv(x, table, *edges))


@every_conv
def test_gradcheck(case, make_table):
    conv, table = case.conv().double(), make_table(5, SLOTS)
    x = torch.randn(5, IN, dtype=torch.float64, requires_grad=True)
    edges = [None if p is None else p.double().requires_grad_() for p in case.edges(5)]
    parameters = list(conv.parameters())

    def out(x, weight, attr, *parameters):
        return conv(x, table, weight, attr)

    assert torch.autograd.gradcheck(out, (x, *edges, *parameters), fast_mode=True)
    assert torch.autograd.gradcheck(lambda x: conv(x, table, *edges), (x,))


@every_conv
def test_eval_is_deterministic(case, make_table):
    conv, x, table, edges = case.conv(), torch.randn(NODES, IN), make_table(NODES, SLOTS), case.edges()
    assert torch.equal(conv(x, table, *edges), conv(x, table, *edges))


@every_conv
def test_no_grad_changes_nothing(case, make_table):
    conv, x, table, edges = case.conv(), torch.randn(NODES, IN), make_table(NODES, SLOTS), case.edges()
    with torch.no_grad():
        alone = conv(x, table, *edges)
    assert_close(alone, conv(x, table, *edges))


@every_conv
def test_no_node_no_row(case):
    edges = case.edges(targets=0)
    empty = NeighborTable(torch.empty(0, SLOTS, dtype=torch.int64))
    assert case.conv()(torch.empty(0, IN), empty, *edges).shape == (0, OUT)
    with torch.no_grad():
        assert case.conv()(torch.empty(0, IN), empty, *edges).shape == (0, OUT)


@every_conv
def test_every_parameter_learns(case, make_table):
    conv, x, table, edges = case.conv(), torch.randn(NODES, IN), make_table(NODES, SLOTS), case.edges()
    conv.train()(x, table, *edges).square().sum().backward()
    silent = {name for name, p in conv.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-6}
    silent = {name for name in silent if not name.endswith("lin_key.bias")}  # which cancels in the softmax
    assert silent <= case.without_tokens


@every_conv
def test_saved_weights_give_the_same_output(case, make_table):
    conv, x, table, edges = case.conv(), torch.randn(NODES, IN), make_table(NODES, SLOTS), case.edges()
    other = case.build(IN, OUT).eval()
    other.load_state_dict(conv.state_dict())
    assert torch.equal(other(x, table, *edges), conv(x, table, *edges))
