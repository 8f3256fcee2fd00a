"""Every loss against a loop that follows its formula."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from graphlift.graph import EMPTY, NeighborTable
from graphlift.losses import contrast, info_nce, listwise_softmax, local_contrastive


def cosine(a, b):
    return float(a @ b / (a.norm() * b.norm()))


def naive_info_nce(queries, positives, negatives, mask, temperature):
    losses = []
    for b, (query, positive) in enumerate(zip(queries, positives, strict=True)):
        near = math.exp(cosine(query, positive) / temperature)
        others = negatives[b] if negatives.ndim == 3 else negatives
        far = [math.exp(cosine(query, other) / temperature) for n, other in enumerate(others) if mask[b, n]]
        losses.append(-math.log(near / (near + sum(far))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("shared", [True, False], ids=["shared negatives", "own negatives"])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_info_nce_equals_the_loop(shared, temperature):
    queries, positives = torch.randn(2, 3, 5, dtype=torch.float64)
    negatives = torch.randn(*([7, 5] if shared else [3, 7, 5]), dtype=torch.float64)
    mask = torch.rand(3, 7) < 0.6
    expected = naive_info_nce(queries, positives, negatives, mask, temperature)
    assert float(info_nce(queries, positives, negatives, mask, temperature)) == pytest.approx(expected)
    every = torch.ones_like(mask)
    expected = naive_info_nce(queries, positives, negatives, every, temperature)
    assert float(info_nce(queries, positives, negatives, None, temperature)) == pytest.approx(expected)


def test_info_nce_in_batch_is_torch_cross_entropy():
    queries, positives = torch.randn(2, 7, 5)
    scores = F.normalize(queries, dim=1) @ F.normalize(positives, dim=1).T / 0.1
    others = ~torch.eye(7, dtype=torch.bool)
    assert_close(
        info_nce(queries, positives, positives, others, temperature=0.1),
        F.cross_entropy(scores, torch.arange(7)),
    )


def test_info_nce_does_not_see_false_negatives():
    queries, positives = torch.randn(2, 3, 5)
    negatives, mask = torch.randn(3, 7, 5, requires_grad=True), torch.rand(3, 7) < 0.5
    info_nce(queries, positives, negatives, mask).backward()
    assert not negatives.grad[~mask].any()
    assert negatives.grad[mask].abs().sum(dim=1).gt(0).all()


def test_info_nce_without_a_true_negative_is_zero():
    queries, positives = torch.randn(2, 3, 5)
    mask = torch.zeros(3, 7, dtype=torch.bool)
    assert float(info_nce(queries, positives, torch.randn(7, 5), mask)) == pytest.approx(0, abs=1e-6)


def test_info_nce_gradient():
    inputs = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in [(3, 5), (3, 5), (7, 5)])
    mask = torch.rand(3, 7) < 0.6
    assert torch.autograd.gradcheck(lambda q, p, n: info_nce(q, p, n, mask, 0.3), tuple(inputs))


def naive_local_contrastive(x, neighbors, negatives, temperature):
    losses = []
    for v, row in enumerate(neighbors.ids.tolist()):
        near = [math.exp(cosine(x[v], x[u]) / temperature) for u in row if u != EMPTY]
        far = [math.exp(cosine(x[v], x[u]) / temperature) for u in negatives[v].tolist()]
        if near:
            mean = sum(near) / len(near)
            losses.append(-math.log(mean / (mean + sum(far))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_local_contrastive_equals_the_loop(make_table, temperature):
    x, table, negatives = (
        torch.randn(11, 3, dtype=torch.float64),
        make_table(7, 5, 11),
        torch.randint(11, (7, 4)),
    )
    expected = naive_local_contrastive(x, table, negatives, temperature)
    assert float(local_contrastive(x, table, negatives, temperature)) == pytest.approx(expected)


def test_local_contrastive_ignores_isolated_nodes():
    x = torch.randn(5, 3, requires_grad=True)
    negatives = torch.tensor([[3], [4]])
    both = local_contrastive(x, NeighborTable(torch.tensor([[2, EMPTY], [EMPTY, EMPTY]]), 5), negatives)
    one = local_contrastive(x, NeighborTable(torch.tensor([[2, EMPTY]]), 5), negatives[:1])
    assert_close(both, one)
    both.backward()
    assert x.grad.isfinite().all()
    assert not x.grad[[1, 4]].any()


@pytest.mark.parametrize("slots", [0, 2])
def test_local_contrastive_of_isolated_nodes_alone_is_zero(slots):
    x = torch.randn(3, 5, requires_grad=True)
    loss = local_contrastive(x, NeighborTable(torch.full((3, slots), EMPTY)), torch.zeros(3, 1, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not x.grad.any()


def test_local_contrastive_gradient(make_table):
    x, table, negatives = (
        torch.randn(7, 3, dtype=torch.float64),
        make_table(5, 3, 7),
        torch.randint(7, (5, 2)),
    )
    assert torch.autograd.gradcheck(lambda x: local_contrastive(x, table, negatives, 0.5), (x.requires_grad_(),))


def naive_listwise(scores, relevance, mask):
    losses = []
    for b in range(len(scores)):
        real = [n for n in range(scores.shape[1]) if mask[b, n]]
        total = sum(float(relevance[b, n]) for n in real)
        partition = sum(math.exp(scores[b, n]) for n in real)
        if total:
            shares = ((float(relevance[b, n]) / total, math.exp(scores[b, n]) / partition) for n in real)
            losses.append(-sum(wanted * math.log(given) for wanted, given in shares))
    return sum(losses) / len(losses)


def test_listwise_softmax_equals_the_loop():
    scores, mask = torch.randn(5, 7, dtype=torch.float64), torch.rand(5, 7) < 0.7
    relevance = torch.randint(0, 3, (5, 7)).double()
    relevance[2] = 0
    expected = naive_listwise(scores, relevance, mask)
    assert float(listwise_softmax(scores, relevance, mask)) == pytest.approx(expected)


def test_listwise_softmax_ignores_queries_without_relevant():
    scores = torch.randn(3, 5, requires_grad=True)
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[2, 4] = False
    relevance = torch.zeros(3, 5)
    relevance[0, 1], relevance[2, 4] = 2, 1  # the only relevant one of query 2 is masked
    loss = listwise_softmax(scores, relevance, mask)
    loss.backward()
    assert_close(loss, listwise_softmax(scores[:1], relevance[:1], mask[:1]))
    assert scores.grad[0].any()
    assert not scores.grad[1:].any()


def test_listwise_softmax_of_nothing_relevant_is_zero():
    scores = torch.randn(3, 5, requires_grad=True)
    loss = listwise_softmax(scores, torch.zeros(3, 5), torch.ones(3, 5, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not scores.grad.any()


def test_listwise_softmax_does_not_see_masked_scores():
    scores, relevance = torch.randn(3, 7, requires_grad=True), torch.ones(3, 7)
    mask = torch.rand(3, 7) < 0.6
    loss = listwise_softmax(scores, relevance, mask)
    loss.backward()
    assert not scores.grad[~mask].any()
    assert_close(loss.detach(), listwise_softmax(torch.where(mask, scores, 99.0), relevance, mask).detach())


def test_listwise_softmax_is_smallest_at_the_shares():
    relevance = torch.tensor([[3.0, 1.0, 0.0]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    best = listwise_softmax((relevance / 4).clamp(min=1e-9).log(), relevance, mask)
    assert all(best < listwise_softmax(torch.randn(1, 3), relevance, mask) for _ in range(20))


def test_contrast_counts_each_row_by_its_weight():
    scores, positive, weight = torch.randn(4, 7), torch.tensor([2, 0, 6, 3]), torch.tensor([1.0, 2.0, 1.0, 3.0])
    repeated = torch.tensor([0, 1, 1, 2, 3, 3, 3])  # a row of weight 3 is three rows
    expected = contrast(scores[repeated], positive[repeated])
    assert_close(contrast(scores, positive, weight=weight), expected)
    assert_close(contrast(scores, positive, weight=torch.full((4,), 5.0)), contrast(scores, positive))
