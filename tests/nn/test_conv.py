"""RuvectorConv against the paper's formula edge by edge, in all its forms, and in flat memory."""

import math

import pytest
import torch
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from graphlift.errors import InputError
from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn import RuvectorConv

IN, OUT, HEADS, NODES, SLOTS, SOURCES, ATTRS = 5, 6, 3, 7, 4, 11, 2


def drawn(**options):
    conv = RuvectorConv(IN, OUT, HEADS, **options).double().eval()
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.normal_(std=0.5)
    return conv


@pytest.fixture
def two_sided(make_table):
    """Sources, targets, neighbors, weights and attributes; the links of the second row weigh nothing."""
    weight = torch.rand(NODES, SLOTS, dtype=torch.float64)
    weight[1] = 0
    attr = torch.randn(NODES, SLOTS, ATTRS, dtype=torch.float64)
    sources, targets = (torch.randn(n, IN, dtype=torch.float64) for n in (SOURCES, NODES))
    return sources, targets, make_table(NODES, SLOTS, SOURCES), weight, attr


@torch.no_grad()
def naive(conv, sources, targets, table, edge_weight=None, edge_attr=None):
    """The paper's layer with a key and a value for every edge."""
    size, rows = OUT // HEADS, []
    for v, row in enumerate(table.ids.tolist()):
        state = conv.lin_msg(targets[v])
        slots = [slot for slot, u in enumerate(row) if u != EMPTY]
        if not slots:
            rows.append(conv.norm(state))
            continue
        messages = [conv.lin_msg(sources[row[slot]]) for slot in slots]
        query = conv.lin_query(state).view(HEADS, size)
        attended = []
        for head in range(HEADS):
            scores = []
            for slot, message in zip(slots, messages, strict=True):
                score = float(query[head] @ conv.lin_key(message).view(HEADS, size)[head]) / math.sqrt(size)
                if edge_attr is not None:
                    score += float(conv.lin_edge.weight[head] @ edge_attr[v, slot])
                scores.append(score)
            exps = [math.exp(score) for score in scores]
            values = [conv.lin_value(message).view(HEADS, size)[head] for message in messages]
            attended.append(sum(e / sum(exps) * value for e, value in zip(exps, values, strict=True)))
        weights = [1.0 if edge_weight is None else float(edge_weight[v, slot]) for slot in slots]
        if sum(weights) == 0:
            weights = [1.0] * len(slots)
        mean = sum(w / sum(weights) * message for w, message in zip(weights, messages, strict=True))
        aggregate = conv.lin_agg(conv.lin_out(torch.cat(attended)) + mean)
        rows.append(conv.norm(conv.gru(aggregate, state) * (1 - conv.dropout)))
    return torch.stack(rows)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("edges", ["none", "weights", "attributes", "both"])
def test_equals_the_paper_edge_by_edge(two_sided, dropout, edges):
    sources, targets, table, weight, attr = two_sided
    conv = drawn(dropout=dropout, edge_dim=ATTRS if edges in ("attributes", "both") else None)
    weight = weight if edges in ("weights", "both") else None
    attr = attr if conv.lin_edge is not None else None
    expected = naive(conv, sources, targets, table, weight, attr)
    assert_close(conv((sources, targets), table, weight, attr).detach(), expected)
    square = NeighborTable(torch.where(table.ids < NODES, table.ids, EMPTY))
    expected = naive(conv, targets, targets, square, weight, attr)
    assert_close(conv(targets, square, weight, attr).detach(), expected)


def dense(table, *parts):
    """Links as matrices: the mask (N, S), and per-slot values scattered to (N, S, ...)."""
    target, slot = table.mask.nonzero(as_tuple=True)
    source = table.ids[target, slot]
    mask = torch.zeros(len(table), table.num_sources, dtype=torch.bool)
    mask[target, source] = True
    spread = []
    for part in parts:
        matrix = torch.full((len(table), table.num_sources, *part.shape[2:]), 7.0, dtype=part.dtype)
        matrix[target, source] = part[target, slot]
        spread.append(matrix)
    return mask, *spread


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_forward_dense_equals_forward(two_sided, dropout):
    sources, targets, table, weight, attr = two_sided
    conv = drawn(dropout=dropout, edge_dim=ATTRS)
    mask, *edges = dense(table, weight, attr)
    out = conv.forward_dense((sources[None], targets[None]), mask[None], *(part[None] for part in edges))
    assert_close(out[0], conv((sources, targets), table, weight, attr))


def test_forward_dense_of_several_graphs_is_one_by_one():
    conv, x, mask = drawn(), torch.randn(3, NODES, IN, dtype=torch.float64), torch.rand(3, NODES, NODES) < 0.4
    weight = torch.rand(3, NODES, NODES, dtype=torch.float64)
    together = conv.forward_dense(x, mask, weight)
    for g in range(3):
        one = slice(g, g + 1)
        assert_close(conv.forward_dense(x[one], mask[one], weight[one]), together[one])
        table = NeighborTable(torch.where(mask[g], torch.arange(NODES), EMPTY))
        assert_close(conv(x[g], table, weight[g]), together[g])


@pytest.mark.parametrize(("graphs", "targets", "sources"), [(0, 3, 5), (2, 0, 5), (2, 3, 0)])
def test_forward_dense_of_nothing(graphs, targets, sources):
    conv = drawn()
    x = tuple(torch.randn(graphs, n, IN, dtype=torch.float64) for n in (sources, targets))
    mask = torch.ones(graphs, targets, sources, dtype=torch.bool)
    assert conv.forward_dense(x, mask).shape == (graphs, targets, OUT)
    assert conv.attention_dense(x, mask).shape == (graphs, HEADS, targets, sources)
    if not sources:
        assert_close(conv.forward_dense(x, mask), conv.norm(conv.lin_msg(x[1])))


def test_attention_is_a_share_of_the_neighbors(two_sided):
    sources, targets, table, _, attr = two_sided
    conv = drawn(edge_dim=ATTRS)
    mask, attr = dense(table, attr)
    alpha = conv.attention_dense((sources[None], targets[None]), mask[None], attr[None])[0]
    assert_close(alpha.sum(dim=-1), torch.ones(HEADS, NODES, dtype=torch.float64))
    linked = mask.any(dim=1)
    assert not alpha[:, linked].masked_select(~mask[linked]).any()


def test_edge_attributes_steer_each_head(two_sided):
    """Only edge attributes differ between neighbors here, so attention is their softmax."""
    conv = drawn(edge_dim=ATTRS)
    x = torch.randn(1, 1, IN, dtype=torch.float64).expand(1, SLOTS, IN)
    attr = torch.randn(1, 1, SLOTS, ATTRS, dtype=torch.float64)
    alpha = conv.attention_dense((x, x[:, :1]), torch.ones(1, 1, SLOTS, dtype=torch.bool), attr)
    assert_close(alpha[0, :, 0], (attr[0, 0] @ conv.lin_edge.weight.T).softmax(dim=0).T)


def test_the_gradient_of_edges_reaches_them(two_sided):
    sources, targets, table, weight, attr = two_sided
    conv, weight, attr = drawn(edge_dim=ATTRS), weight.requires_grad_(), attr.requires_grad_()
    conv((sources, targets), table, weight, attr).square().sum().backward()
    several = table.mask & (table.degree > 1).unsqueeze(1)  # a lone neighbor has all the attention anyway
    assert conv.lin_edge.weight.grad.abs().min() > 0
    assert attr.grad[several].any(dim=1).all()
    assert not attr.grad[~table.mask].any()
    assert not weight.grad[~table.mask].any()


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7, 100])
def test_chunks_change_nothing(two_sided, chunk_size):
    sources, targets, table, weight, attr = two_sided
    conv = drawn(edge_dim=ATTRS, chunk_size=chunk_size)
    whole = conv((sources, targets), table, weight, attr)  # with a gradient: in one piece
    with torch.no_grad():
        assert_close(conv((sources, targets), table, weight, attr), whole.detach())


class Largest(TorchDispatchMode):
    """Remembers the largest number of elements that any operation returned."""

    def __init__(self):
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.size = max(self.size, out.untyped_storage().nbytes() // out.element_size())
        return out


@pytest.mark.parametrize("grad", [False, True], ids=["no_grad", "grad"])
def test_memory_stays_flat(grad):
    """Also with a gradient, and on the way back, no tensor holds a row of C numbers for every slot."""
    nodes, slots, channels, chunk = 2000, 16, 24, 50
    conv, x = RuvectorConv(channels, channels, heads=3, chunk_size=chunk), torch.randn(nodes, channels)
    table = NeighborTable(torch.randint(nodes, (nodes, slots)))
    with torch.set_grad_enabled(grad), Largest() as largest:
        out = conv(x, table)
        if grad:
            out.sum().backward()
    assert largest.size <= max((3 if grad else 1) * nodes * channels, chunk * slots * channels)


def test_dropout_in_training_keeps_the_mean(make_table):
    """As in the original, nothing is scaled up in training; evaluation scales down by the kept share."""
    conv = drawn(dropout=0.3)
    conv.norm = torch.nn.Identity()
    x, table = torch.randn(NODES, IN, dtype=torch.float64), make_table(NODES, SLOTS)
    evaluated = conv(x, table).detach()
    conv.train()
    [mask] = dense(table)
    with torch.no_grad():
        drawn_often = conv.forward_dense(x.expand(3000, -1, -1), mask.expand(3000, -1, -1))
    kept = drawn_often[:, table.degree > 0] != 0
    assert kept.float().mean() == pytest.approx(0.7, abs=0.01)
    assert_close(drawn_often.mean(dim=0), evaluated, atol=0.1, rtol=0.05)
    assert_close(drawn_often[:, 0], evaluated[0].expand(3000, -1))  # an isolated node is not dropped


def test_xavier_for_each_of_the_papers_matrices():
    conv = RuvectorConv(96, 64, heads=4, edge_dim=3)
    matrices = [conv.lin_msg.weight, conv.lin_query.weight, conv.lin_key.weight, conv.lin_value.weight]
    matrices += [conv.lin_out.weight, conv.lin_agg.weight, conv.gru.lin_state.weight]
    matrices += [*conv.gru.lin_input.weight.split(64), *conv.gru.lin_gates.weight.split(64)]
    assert len(matrices) == 12
    for matrix in matrices:
        expected = math.sqrt(2 / sum(matrix.shape))
        assert float(matrix.detach().std()) == pytest.approx(expected, rel=0.06)
        assert float(matrix.detach().mean()) == pytest.approx(0, abs=0.1 * expected)
        tails = (matrix.detach().abs() > 2 * expected).float().mean()
        assert float(tails) == pytest.approx(0.0455, abs=0.015)  # normal, not uniform
    first = [matrix.detach().flatten()[:4096] for matrix in matrices]
    assert all(not torch.equal(a, b) for i, a in enumerate(first) for b in first[:i])
    biases = [p for name, p in conv.named_parameters() if name.endswith("bias")]
    assert not any(bias.any() for bias in biases)
    assert conv.norm.weight.eq(1).all()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"heads": 4}, "heads"),
        ({"heads": 0}, "heads"),
        ({"heads": -3}, "heads"),
        ({"heads": 3, "dropout": 1.0}, "dropout"),
        ({"heads": 3, "dropout": -0.1}, "dropout"),
    ],
)
def test_bad_options(options, name):
    with pytest.raises(InputError, match=f"`{name}`"):
        RuvectorConv(IN, OUT, **options)


BAD_CALLS = {
    "x of another width": ("x", lambda x, w, a: (x[:, :3], w, a)),
    "too few nodes": ("x", lambda x, w, a: (x[:5], w, a)),
    "too many nodes": ("x", lambda x, w, a: (torch.cat([x, x]), w, a)),
    "sources of another width": ("x", lambda x, w, a: ((x[:, :3], x), w, a)),
    "too few sources": ("x", lambda x, w, a: ((x[:5], x), w, a)),
    "weights of another width": ("edge_weight", lambda x, w, a: (x, w[:, :3], a)),
    "weights transposed": ("edge_weight", lambda x, w, a: (x, w.T, a)),
    "negative weight": ("edge_weight", lambda x, w, a: (x, w - 2, a)),
    "infinite weight": ("edge_weight", lambda x, w, a: (x, w / 0, a)),
    "NaN weight": ("edge_weight", lambda x, w, a: (x, w * torch.nan, a)),
    "attributes of another width": ("edge_attr", lambda x, w, a: (x, w, a[..., :1])),
    "attributes of fewer slots": ("edge_attr", lambda x, w, a: (x, w, a[:, :3])),
    "no attributes": ("edge_attr", lambda x, w, a: (x, w, None)),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_bad_call_names_its_argument(make_table, case):
    name, change = BAD_CALLS[case]
    conv, table = RuvectorConv(IN, OUT, HEADS, edge_dim=ATTRS), make_table(NODES, SLOTS)
    x, weight, attr = change(torch.randn(NODES, IN), torch.rand(NODES, SLOTS), torch.randn(NODES, SLOTS, ATTRS))
    with pytest.raises(InputError, match=f"`{name}`"):
        conv(x, table, weight, attr)


def test_attributes_that_no_one_asked_for(make_table):
    with pytest.raises(InputError, match="`edge_attr` must match `edge_dim`"):
        drawn()(torch.randn(NODES, IN), make_table(NODES, SLOTS), None, torch.randn(NODES, SLOTS, ATTRS))
