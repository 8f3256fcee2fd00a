"""Subgraphs equal a slow implementation that follows the meaning of each attribute."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from graphlift.memory import Memory
from graphlift.metric import Metric
from graphlift.search.attributes import EDGE_ATTRS, NODE_ATTRS, PAST_ATTRS
from graphlift.search.subgraph import Space, Subgraphs, build_subgraphs

METRICS = list(Metric)
BATCH, WALKED, PAST, NODES, RECALLED = 3, 7, 5, 3, 4


def similarity_of(space, a, b):
    metric, scale = space.similarity.metric, space.similarity.scale
    return float(-(a - b).square().sum() if metric is Metric.L2 else a @ b) / scale


def sketched(space, a, b):
    """The similarity of sketches of two vectors."""
    axes = space.sketches.axes
    return similarity_of(space, axes.T @ a, axes.T @ b)


def softmax(values):
    exps = [math.exp((value - max(values)) / 0.05) for value in values]
    return [e / sum(exps) for e in exps]


def standardised(values):
    mean = sum(values) / len(values)
    return [(v - mean) / (math.sqrt(sum((w - mean) ** 2 for w in values) / len(values)) + 1e-4) for v in values]


def naive(space, frozen, lifted, walk, past, num_recalled, own):
    """The candidates of one query; attributes of nodes, past queries and links as dicts of plain floats."""
    answers = [set(space.memory.answers(q).tolist()) for q in range(len(space.memory))]
    near = {
        "lifted": [similarity_of(space, lifted, space.past_lifted[p]) for p in past],
        "frozen": [similarity_of(space, frozen, space.memory.queries[p]) for p in past],
    }
    weight = {kind: softmax(values) if past else [] for kind, values in near.items()}

    votes = {}
    for place, p in enumerate(past):
        for row in answers[p] - set(walk):
            vote = np.float32(weight["lifted"][place] + weight["frozen"][place])
            votes[row] = votes.get(row, np.float32(0)) + vote
    rows = walk + sorted(votes, key=lambda row: (-votes[row], row))[:num_recalled]

    to = {
        "lifted": [similarity_of(space, lifted, space.lifted[row]) for row in rows],
        "frozen": [similarity_of(space, frozen, space.frozen[row]) for row in rows],
    }
    familiarity = max(near["lifted"], default=0.0)
    asked = [{q for q in range(len(answers)) if row in answers[q] and q != own} for row in rows]
    questions = {"lifted": space.past_lifted, "frozen": space.memory.queries}
    hub = {kind: [hubness_of(space, getattr(space, kind)[row], questions[kind]) for row in rows] for kind in to}
    alike = {kind: [votes_for(softmax(to[kind]), a, asked) for a in asked] for kind in to}
    nodes = []
    for place, row in enumerate(rows):
        by = [i for i, p in enumerate(past) if row in answers[p]]
        everyone = [q for q in range(len(answers)) if row in answers[q] and q != own]
        mean = sum((space.past_lifted[q] for q in everyone), torch.zeros_like(lifted)) / max(len(everyone), 1)
        best = {kind: max((near[kind][i] for i in by), default=0.0) for kind in near}
        vote = {kind: sum(weight[kind][i] for i in by) for kind in near}
        nodes.append(
            {
                "lifted similarity": to["lifted"][place],
                "frozen similarity": to["frozen"][place],
                "lifted similarity below the first": to["lifted"][place] - max(to["lifted"]),
                "lifted similarity, standardised": standardised(to["lifted"])[place],
                "frozen similarity, standardised": standardised(to["frozen"])[place],
                "reciprocal lifted rank": 1 / (1 + sum(other > to["lifted"][place] for other in to["lifted"])),
                "reciprocal frozen rank": 1 / (1 + sum(other > to["frozen"][place] for other in to["frozen"])),
                "nearest past query it answered, lifted": best["lifted"],
                "nearest past query it answered, frozen": best["frozen"],
                "votes of past queries, lifted": vote["lifted"],
                "votes of past queries, frozen": vote["frozen"],
                "log of votes": math.log(max(vote["lifted"], 1e-4)),
                "past queries near that it answered": math.log1p(len(by)),
                "past queries that it answered": math.log1p(len(everyone)),
                "warm": float(bool(everyone)),
                "similarity to the mean past query it answered": (
                    similarity_of(space, space.similarity.finish(mean), lifted) if everyone else 0.0
                ),
                "familiarity of the query": familiarity,
                "nearest past query it answered, below familiarity": best["lifted"] - familiarity if by else 0.0,
                "strongest vote of the query": None,
                "votes of candidates alike, lifted": alike["lifted"][place],
                "votes of candidates alike, frozen": alike["frozen"][place],
                "log of votes of candidates alike": math.log(max(alike["lifted"][place], 1e-4)),
                "hubness, lifted": hub["lifted"][place],
                "hubness, frozen": hub["frozen"][place],
                "lifted similarity beyond hubness": to["lifted"][place] - hub["lifted"][place],
                "frozen similarity beyond hubness": to["frozen"][place] - hub["frozen"][place],
            }
        )
    for node in nodes:
        node["strongest vote of the query"] = max(other["votes of past queries, lifted"] for other in nodes)
    pasts = [
        {
            "lifted similarity": near["lifted"][i],
            "frozen similarity": near["frozen"][i],
            "weight, lifted": weight["lifted"][i],
            "weight, frozen": weight["frozen"][i],
            "reciprocal rank": 1 / (1 + i),
            "answers": math.log1p(len(answers[p])),
            "answers among the candidates": math.log1p(len(answers[p] & set(rows))),
        }
        for i, p in enumerate(past[:NODES])
    ]
    links = [[link(space, answers, past, row, other) for other in rows] for row in rows]
    for row, listed in zip(rows, links, strict=True):
        listed += [link_to_past(space, answers, row, p) for p in past[:NODES]]
    return rows, nodes, pasts, links


def hubness_of(space, document, asked):
    """The mean similarity of a document to the ten nearest of all queries; 0 where there are no more."""
    near = sorted((similarity_of(space, query, document) for query in asked), reverse=True)
    return sum(near[:10]) / 10 if len(asked) > 10 else 0.0


def votes_for(weights, mine, asked):
    """What all candidates say of one that answered these past queries."""
    return sum(weight * share(mine, theirs) for weight, theirs in zip(weights, asked, strict=True))


def share(a, b):
    """The cosine of two sets; a set of nothing is like itself alone."""
    return len(a & b) / math.sqrt(len(a) * len(b)) if a and b else float(a is b)


def link(space, answers, past, row, other):
    mine, theirs = ({p for p in past if node in answers[p]} for node in (row, other))
    return {
        "lifted similarity": sketched(space, space.lifted[row], space.lifted[other]),
        "frozen similarity": sketched(space, space.frozen[row], space.frozen[other]),
        "shared answers": len(mine & theirs) / math.sqrt(max(len(mine), 1) * max(len(theirs), 1)),
        "index link": float(other in space.links[row].tolist() or row in space.links[other].tolist()),
    }


def link_to_past(space, answers, row, p):
    return {
        "lifted similarity": sketched(space, space.lifted[row], space.past_lifted[p]),
        "frozen similarity": sketched(space, space.frozen[row], space.memory.queries[p]),
        "shared answers": float(row in answers[p]),
        "index link": 0.0,
    }


def with_memory(space, memory):
    """The space with other answers to the same past queries."""
    return space.remembering(memory, space.past_lifted, torch.arange(len(space.frozen)))


def draw(space, own=False):
    """Arguments of `build_subgraphs`: some queries, their walks, and past queries that are not their own."""
    frozen, lifted = (space.similarity.finish(torch.randn(BATCH, space.frozen.shape[1])) for _ in range(2))
    walk = torch.stack([torch.randperm(len(space.frozen))[:WALKED] for _ in range(BATCH)])
    order = torch.stack([torch.randperm(len(space.memory)) for _ in range(BATCH)])
    numbers, past = order[:, 0], order[:, 1 : PAST + 1]
    return frozen, lifted, walk, past, RECALLED, NODES, numbers if own else None


@pytest.mark.parametrize("own", [False, True], ids=["strangers", "own queries"])
@pytest.mark.parametrize("metric", METRICS)
def test_equal_to_the_slow_implementation(make_space, metric, own):
    recalled, warm_through_own = 0, 0
    for _ in range(5):
        space = make_space(metric)
        frozen, lifted, walk, past, count, nodes, numbers = draw(space, own)
        found = build_subgraphs(space, frozen, lifted, walk, past, count, nodes, numbers)
        assert found.rows.shape == (BATCH, WALKED + RECALLED)
        for b in range(BATCH):
            rows, described, pasts, links = naive(
                space,
                frozen[b],
                lifted[b],
                walk[b].tolist(),
                past[b].tolist(),
                count,
                None if numbers is None else int(numbers[b]),
            )
            n = len(rows)
            assert found.rows[b, :n].tolist() == rows
            assert found.mask[b].tolist() == [True] * n + [False] * (WALKED + RECALLED - n)
            recalled += n - WALKED
            if numbers is not None:
                warm_through_own += sum(row in space.memory.answers(int(numbers[b])).tolist() for row in rows)
            node_attr = torch.tensor([list(node.values()) for node in described])
            past_attr = torch.tensor([list(p.values()) for p in pasts])
            edge_attr = torch.tensor([[list(e.values()) for e in listed] for listed in links])
            assert_close(found.node_attr[b, :n], node_attr, rtol=1e-4, atol=1e-4)
            assert_close(found.past_attr[b], past_attr, rtol=1e-4, atol=1e-4)
            real = torch.cat([found.mask[b], torch.ones(NODES, dtype=torch.bool)])
            assert_close(found.edge_attr[b].movedim(0, -1)[:n][:, real].float(), edge_attr, rtol=3e-3, atol=3e-3)
            assert_close(found.similarity[b, :n], node_attr[:, 0], rtol=1e-4, atol=1e-4)
            assert tuple(described[0]) == NODE_ATTRS
            assert (tuple(pasts[0]), tuple(links[0][0])) == (PAST_ATTRS, EDGE_ATTRS)
    assert recalled > BATCH  # the case is not empty
    assert warm_through_own or not own


def reachable(subgraphs):
    """What a network may see: attributes of real candidates and the links from real nodes to them."""
    seen = [subgraphs.rows[subgraphs.mask], subgraphs.node_attr[subgraphs.mask], subgraphs.past_attr]
    real = torch.cat([subgraphs.mask, subgraphs.mask.new_ones(subgraphs.past_attr.shape[:2])], dim=1)
    return [*seen, subgraphs.edge_attr.movedim(1, -1)[subgraphs.mask.unsqueeze(2) & real.unsqueeze(1)].float()]


@pytest.mark.parametrize("metric", METRICS)
def test_a_query_does_not_count_in_the_hubness_of_its_candidates(make_space, metric):
    space = make_space(metric)
    _, _, walk, past, count, nodes, numbers = draw(space, own=True)
    frozen, lifted = space.memory.queries[numbers], space.past_lifted[numbers]
    found = build_subgraphs(space, frozen, lifted, walk, past, count, nodes, numbers)
    for kind, asked in (("lifted", space.past_lifted), ("frozen", space.memory.queries)):
        hubness = found.node_attr[..., NODE_ATTRS.index(f"hubness, {kind}")]
        for b, own in enumerate(numbers.tolist()):
            others = [query for number, query in enumerate(asked) if number != own]  # ten are left
            for place, row in enumerate(walk[b].tolist()):
                near = [similarity_of(space, query, getattr(space, kind)[row]) for query in others]
                assert float(hubness[b, place]) == pytest.approx(sum(near) / 10, abs=1e-4)


@pytest.mark.parametrize("metric", METRICS)
def test_own_answers_never_count(make_space, metric):
    space = make_space(metric)
    frozen, lifted, walk, past, count, nodes, numbers = draw(space, own=True)
    for b, query in enumerate(numbers.tolist()):
        answers = [dict.fromkeys(space.memory.answers(q).tolist(), 1.0) for q in range(len(space.memory))]
        seen = []
        for own_answers in ([], walk[b, :3].tolist(), walk[b, 2:].tolist(), list(range(len(space.frozen)))):
            answers[query] = dict.fromkeys(own_answers, 1.0)
            memory = Memory.of(space.memory.queries, answers)
            changed = with_memory(space, memory)
            one = slice(b, b + 1)
            seen.append(
                reachable(
                    build_subgraphs(changed, frozen[one], lifted[one], walk[one], past[one], count, nodes, numbers[one])
                )
            )
        for other in seen[1:]:
            for mine, theirs in zip(other, seen[0], strict=True):
                assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_without_leave_one_out_own_answers_do_count(make_space):
    space = make_space()
    frozen, lifted, walk, past, count, nodes, numbers = draw(space, own=True)
    answered = torch.stack([space.memory.holds(n, row) for n, row in zip(numbers, walk, strict=True)])
    strangers, own = (build_subgraphs(space, frozen, lifted, walk, past, count, nodes, o) for o in (None, numbers))
    channel = NODE_ATTRS.index("past queries that it answered")
    difference = strangers.node_attr[..., channel].expm1() - own.node_attr[..., channel].expm1()
    assert_close(difference[:, :WALKED], answered.float(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("num_recalled", [0, 1, 20])
def test_no_candidate_twice(make_space, num_recalled):
    space = make_space()
    frozen, lifted, walk, past, *_ = draw(space)
    found = build_subgraphs(space, frozen, lifted, walk, past, num_recalled, NODES)
    assert torch.equal(found.rows[:, :WALKED], walk)
    for b in range(BATCH):
        rows = found.rows[b, found.mask[b]].tolist()
        voted = {row for p in past[b] for row in space.memory.answers(int(p)).tolist()}
        assert len(set(rows)) == len(rows) == min(WALKED + num_recalled, len({*walk[b].tolist(), *voted}))
        assert set(rows[WALKED:]) <= voted


def test_padding_changes_nothing(make_space):
    """Masked places look like document 0, which is a real and much answered candidate here."""
    space = make_space()
    frozen, lifted, walk, past, *_ = draw(space)
    memory = Memory.of(space.memory.queries, [{0: 1.0, 3 + q: 1.0} for q in range(len(space.memory))])
    space = with_memory(space, memory)
    few, many = (build_subgraphs(space, frozen, lifted, walk, past, count, NODES) for count in (PAST + 1, 90))
    assert not few.mask.all()
    for mine, theirs in zip(reachable(many), reachable(few), strict=True):
        assert_close(mine, theirs)


@pytest.mark.parametrize("metric", METRICS)
def test_memory_of_nothing(make_space, metric):
    space = make_space(metric)
    empty = Space.of(space.similarity, space.frozen, space.lifted, Memory.empty(5), torch.empty(0, 5), space.links)
    frozen, lifted, walk, _, count, nodes, _ = draw(space)
    found = build_subgraphs(empty, frozen, lifted, walk, torch.empty(BATCH, 0, dtype=torch.int64), count, nodes)
    assert not found.mask[:, WALKED:].any()
    assert found.node_attr.isfinite().all()
    assert found.past_attr.shape == (BATCH, 0, len(PAST_ATTRS))
    assert found.edge_attr.shape == (BATCH, len(EDGE_ATTRS), WALKED + RECALLED, WALKED + RECALLED)
    for name in ("warm", "votes of past queries, lifted", "familiarity of the query"):
        assert not found.node_attr[..., NODE_ATTRS.index(name)].any()
    assert_close(
        found.node_attr[:, :WALKED, NODE_ATTRS.index("lifted similarity")],
        space.similarity.pairwise(lifted.unsqueeze(1), space.lifted[walk]).squeeze(1),
    )


def test_memory_without_answers(make_space):
    space = make_space()
    memory = Memory.of(space.memory.queries, [{}] * len(space.memory))
    silent = with_memory(space, memory)
    found = build_subgraphs(silent, *draw(space))
    assert not found.mask[:, WALKED:].any()
    assert found.node_attr.isfinite().all()
    assert not found.edge_attr[:, EDGE_ATTRS.index("shared answers")].any()


def test_attributes_are_finite_under_masked_candidates_too(make_space):
    found = build_subgraphs(space := make_space(), *draw(space)[:4], 30, NODES)
    assert not found.mask.all()
    assert all(part.isfinite().all() for part in (found.node_attr, found.past_attr, found.edge_attr))


def test_a_batch_is_its_queries_one_by_one(make_space):
    space = make_space()
    frozen, lifted, walk, past, count, nodes, numbers = draw(space, own=True)
    together = build_subgraphs(space, frozen, lifted, walk, past, count, nodes, numbers)
    singles = []
    for b in range(BATCH):
        one = slice(b, b + 1)
        singles.append(
            build_subgraphs(space, frozen[one], lifted[one], walk[one], past[one], count, nodes, numbers[one])
        )
    joined = Subgraphs.cat(singles)
    assert len(joined) == BATCH
    for mine, theirs in zip(reachable(joined), reachable(together), strict=True):
        assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    picked = together[torch.tensor([2, 0])].to("cpu")
    assert torch.equal(picked.rows, together.rows[[2, 0]])
    assert torch.equal(picked.edge_attr, together.edge_attr[[2, 0]])
