"""A ranker is born with the walk's order, takes candidates as a set, and does not see masked ones."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from graphlift.memory import Memory
from graphlift.metric import Metric
from graphlift.nn.family import CONVS, DEFAULT
from graphlift.nn.ranker import Standardize, SubgraphRanker
from graphlift.search.attributes import NODE_ATTRS
from graphlift.search.subgraph import Space, build_subgraphs

BATCH, WALKED, PAST, RECALLED = 3, 7, 5, 6


@pytest.fixture(params=list(Metric))
def subgraphs(request, make_space):
    return draw(make_space(request.param))


def draw(space, num_past=PAST):
    frozen, lifted = (space.similarity.finish(torch.randn(BATCH, space.frozen.shape[1])) for _ in range(2))
    walk = torch.stack([torch.randperm(len(space.frozen))[:WALKED] for _ in range(BATCH)])
    past = torch.stack([torch.randperm(11)[:num_past] for _ in range(BATCH)])
    drawn = build_subgraphs(space, frozen, lifted, walk, past, RECALLED, num_past_nodes=PAST)
    mask = drawn.mask.clone()
    mask[0, -2:], mask[1, 2] = False, False  # masked at the end, where recall fell short, and in between
    return replace(drawn, mask=mask)


def awake(subgraphs, conv=DEFAULT, shortlisted=None):
    """A ranker whose learned part is no longer zero."""
    ranker = SubgraphRanker(12, num_layers=2, heads=3, conv=conv, num_shortlisted=shortlisted).eval()
    ranker.fit_norms(subgraphs)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return ranker


@pytest.mark.parametrize("conv", CONVS)
def test_fresh_ranker_keeps_the_order_of_the_walk(subgraphs, conv):
    ranker = SubgraphRanker(hidden_channels=12, num_layers=3, heads=2, conv=conv).eval()
    ranker.fit_norms(subgraphs)
    scores = ranker(subgraphs).masked_fill(~subgraphs.mask, -torch.inf)
    similarity = subgraphs.similarity.masked_fill(~subgraphs.mask, -torch.inf)
    assert torch.equal(scores.argsort(dim=1), similarity.argsort(dim=1))
    assert_close(ranker(subgraphs), ranker.scale * subgraphs.similarity)


def permuted(subgraphs, order):
    """The same subgraphs with their candidates in another order."""
    links = subgraphs.edge_attr[:, :, order]
    count = subgraphs.rows.shape[1]
    return replace(
        subgraphs,
        rows=subgraphs.rows[:, order],
        mask=subgraphs.mask[:, order],
        similarity=subgraphs.similarity[:, order],
        node_attr=subgraphs.node_attr[:, order],
        edge_attr=torch.cat([links[..., :count][..., order], links[..., count:]], dim=3),
    )


@pytest.mark.parametrize("conv", CONVS)
def test_candidate_order_equivariance(subgraphs, conv):
    ranker, order = awake(subgraphs, conv), torch.randperm(WALKED + RECALLED)
    assert_close(ranker(permuted(subgraphs, order)), ranker(subgraphs)[:, order], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("conv", CONVS)
def test_masked_candidates_do_not_influence_the_others(subgraphs, conv):
    ranker, real = awake(subgraphs, conv), subgraphs.mask
    off = 5e-3 if conv == "ode" else 1e-4  # its steps are as long as the whole batch allows, and so is their error
    count = real.shape[1]
    node_attr = torch.where(real.unsqueeze(2), subgraphs.node_attr, 99.0)
    both = torch.cat([real, real.new_ones(subgraphs.past.shape)], dim=1)
    edge_attr = torch.where((real.unsqueeze(2) & both.unsqueeze(1)).unsqueeze(1), subgraphs.edge_attr, 99.0)
    other = replace(subgraphs, node_attr=node_attr, edge_attr=edge_attr)
    assert_close(ranker(other)[real], ranker(subgraphs)[real], rtol=off, atol=off)
    kept = torch.arange(count)[real[0]]
    cut = permuted(subgraphs[:1], torch.arange(count))
    links = torch.cat([kept, torch.arange(count, count + PAST)])
    cut = replace(
        cut,
        rows=cut.rows[:, kept],
        mask=cut.mask[:, kept],
        similarity=cut.similarity[:, kept],
        node_attr=cut.node_attr[:, kept],
        edge_attr=cut.edge_attr[:, :, kept][..., links],
    )
    assert_close(ranker(cut)[0], ranker(subgraphs)[0, kept], rtol=off, atol=off)


def test_candidates_and_past_queries_are_heard(subgraphs):
    ranker = awake(subgraphs)
    node_attr, past_attr = (
        subgraphs.node_attr.clone().requires_grad_(),
        subgraphs.past_attr.clone().requires_grad_(),
    )
    heard = replace(subgraphs, node_attr=node_attr, past_attr=past_attr)
    ranker(heard)[:, 0].sum().backward()
    assert node_attr.grad[subgraphs.mask].any(dim=1).all()  # every real candidate moves the first one's score
    assert past_attr.grad.any(dim=2).all()


def test_every_parameter_learns(subgraphs):
    ranker = awake(subgraphs).train()
    ranker(subgraphs)[subgraphs.mask].square().sum().backward()
    for name, parameter in ranker.named_parameters():
        if not name.endswith("lin_key.bias"):  # it cancels in the softmax
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


def test_a_batch_of_one_is_a_row_of_the_batch(subgraphs):
    ranker = awake(subgraphs)
    out = ranker(subgraphs)
    for b in range(BATCH):
        assert_close(ranker(subgraphs[b : b + 1]), out[b : b + 1], rtol=1e-4, atol=1e-4)


def test_a_batch_of_none(subgraphs):
    assert awake(subgraphs)(subgraphs[:0]).shape == (0, WALKED + RECALLED)


def test_attention_is_a_share_of_real_candidates_and_past_queries(subgraphs):
    ranker, real = awake(subgraphs), subgraphs.mask
    attention = ranker.attention(subgraphs)
    assert attention.shape == (BATCH, WALKED + RECALLED, WALKED + RECALLED + PAST)
    assert_close(attention.sum(dim=2), torch.ones(BATCH, WALKED + RECALLED))
    heard = torch.cat([real, real.new_ones(BATCH, PAST)], dim=1).unsqueeze(1).expand_as(attention)
    assert not attention[~heard].any()
    assert (attention[heard] > 0).all()
    assert torch.equal(attention, ranker.attention(subgraphs))


def test_memory_of_nothing(make_space):
    space = make_space()
    empty = Space.of(space.similarity, space.frozen, space.lifted, Memory.empty(5), torch.empty(0, 5), space.links)
    drawn = draw(empty, num_past=0)
    ranker = awake(drawn)
    assert ranker(drawn)[drawn.mask].isfinite().all()
    assert ranker.attention(drawn).shape == (BATCH, WALKED + RECALLED, WALKED + RECALLED)


def test_standardize():
    norm, x = Standardize(5), torch.randn(3, 7, 5) * torch.tensor([1.0, 1e-2, 50, 1, 1]) + 4
    x[..., 4] = 2.5  # a channel that never changes
    assert torch.equal(norm(x), x)
    norm.fit(x)
    out = norm(x).flatten(0, 1)
    assert_close(out.mean(dim=0), torch.zeros(5), atol=1e-3, rtol=0)
    assert_close(out[:, :4].std(dim=0, correction=0), torch.ones(4), atol=0.02, rtol=0)
    assert out.isfinite().all()
    before = norm.state_dict()
    norm.fit(torch.empty(0, 5))
    assert all(torch.equal(norm.state_dict()[name], tensor) for name, tensor in before.items())


def test_norms_are_of_real_candidates(subgraphs):
    ranker = SubgraphRanker(hidden_channels=12, heads=3)
    ranker.fit_norms(subgraphs)
    assert_close(ranker.norm_node.mean, subgraphs.node_attr[subgraphs.mask].mean(dim=0))
    assert ranker.norm_node.mean.shape == (len(NODE_ATTRS),)


SHORT = 4


def test_a_fresh_ranker_with_a_shortlist_keeps_the_order_of_the_walk(subgraphs):
    ranker = SubgraphRanker(hidden_channels=12, heads=2, num_shortlisted=SHORT).eval()
    assert_close(ranker(subgraphs), ranker.scale * subgraphs.similarity)


def test_a_shortlist_does_not_depend_on_the_order_of_candidates(subgraphs):
    ranker, order = awake(subgraphs, shortlisted=SHORT), torch.randperm(WALKED + RECALLED)
    assert_close(ranker(permuted(subgraphs, order)), ranker(subgraphs)[:, order], rtol=1e-4, atol=1e-4)


def test_only_the_best_alone_exchange_messages(subgraphs):
    """What the links of others carry changes nothing, and their scores are those that they have alone."""
    ranker = awake(subgraphs, shortlisted=SHORT)
    _, alone = ranker._alone(subgraphs)
    best = alone.masked_fill(~subgraphs.mask, -torch.inf).topk(SHORT, dim=1).indices
    listed = torch.zeros_like(subgraphs.mask).scatter(1, best, True)
    scores = ranker(subgraphs)
    assert_close(scores[~listed & subgraphs.mask], alone[~listed & subgraphs.mask])
    assert not torch.isclose(scores[listed], alone[listed]).any()
    nodes = torch.cat([listed, listed.new_ones(subgraphs.past.shape)], dim=1)
    among = (listed.unsqueeze(2) & nodes.unsqueeze(1)).unsqueeze(1)
    other = replace(subgraphs, edge_attr=torch.where(among, subgraphs.edge_attr, 99.0))
    assert_close(ranker(other), scores)


def test_a_shortlist_of_all_hears_as_everyone_does(subgraphs):
    everyone, ranker = awake(subgraphs), awake(subgraphs, shortlisted=99)
    ranker.load_state_dict(everyone.state_dict(), strict=False)
    torch.nn.init.zeros_(ranker.lin_alone.weight)
    real = subgraphs.mask
    assert_close(ranker(subgraphs)[real], everyone(subgraphs)[real], rtol=1e-4, atol=1e-4)


def test_attention_of_a_shortlist(subgraphs):
    ranker = awake(subgraphs, shortlisted=SHORT)
    attention = ranker.attention(subgraphs)
    assert_close(attention.sum(dim=2), torch.ones(BATCH, WALKED + RECALLED))
    alone = attention.diagonal(dim1=1, dim2=2) == 1
    assert (alone.sum(dim=1) == WALKED + RECALLED - SHORT).all()


def test_every_parameter_of_a_shortlist_learns(subgraphs):
    ranker = awake(subgraphs, shortlisted=SHORT).train()
    ranker(subgraphs)[subgraphs.mask].square().sum().backward()
    for name, parameter in ranker.named_parameters():
        if not name.endswith("lin_key.bias"):  # it cancels in the softmax
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name
