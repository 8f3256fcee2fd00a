"""Queries and documents go to the maps and ranker whose turn it is, and weights of any number of turns are loaded."""

import torch
from torch.testing import assert_close

from graphlift.metric import Metric
from graphlift.model import LiftModel, ModelConfig, Served, ranker_of
from graphlift.nn.residual import ResidualLinear
from graphlift.search.similarity import Similarity
from graphlift.search.subgraph import build_subgraphs


def model_in_turns():
    config = ModelConfig(hidden_channels=8, heads=2)
    model = LiftModel(5, Similarity(Metric.COSINE), config).eval()
    earlier = [Served(ResidualLinear(5), ResidualLinear(5), ranker_of(config)) for _ in range(2)]
    boundaries = torch.randn(2, 3, 6)
    boundaries[..., -1] = 0
    model.take_turns(earlier, *boundaries)
    for linear in (*model.query_maps, *model.document_maps):
        torch.nn.init.normal_(linear.lin.weight)
    for ranker in model.rankers:
        torch.nn.init.normal_(ranker.lin_state.weight)
    return model


def test_each_document_goes_to_its_map():
    model, documents = model_in_turns(), torch.randn(200, 5)
    turn = model.turn_of_documents(documents)
    assert len(turn.unique()) == 3
    votes = documents @ model.document_boundary[:, :5].T + model.document_boundary[:, 5]
    for document, number, lifted, vote in zip(documents, turn, model.lift_documents(documents), votes, strict=True):
        assert vote[number] == vote.max()
        assert_close(lifted, model.similarity.finish(model.document_maps[number](document)))


def test_without_a_boundary_all_are_the_newest_s():
    model, documents = model_in_turns(), torch.randn(20, 5)
    model.take_turns(list(model.earlier), torch.zeros(0, 6), torch.zeros(0, 6))
    assert model.turn_of_documents(documents).tolist() == model.turn_of_queries(documents).tolist() == [2] * 20
    assert_close(model.lift_documents(documents), model.similarity.finish(model.document_map(documents)))


def test_each_subgraph_goes_to_its_ranker(make_space):
    space, model = make_space(), model_in_turns()
    past = torch.stack([torch.randperm(len(space.memory))[:3] for _ in range(30)])
    queries = space.similarity.finish(torch.randn(30, 5))
    walk = torch.stack([torch.randperm(len(space.frozen))[:6] for _ in range(30)])
    turn = model.turn_of_queries(queries)
    subgraphs = build_subgraphs(space, queries, queries, walk, past, 2, 3, turn=turn)
    assert len(turn.unique()) == 3
    for place, scores in enumerate(model(subgraphs)):
        one = subgraphs[place : place + 1]
        assert_close(scores, model.rankers[int(turn[place])](one)[0])
        assert model.ranker_of_one(one) is model.rankers[int(turn[place])]


def test_weights_of_all_rankers_are_loaded():
    model = model_in_turns()
    for other in (LiftModel(5, model.similarity, model.config), model_in_turns()):
        other.load_state_dict(model.state_dict())
        assert other.state_dict().keys() == model.state_dict().keys()
        assert all(
            torch.equal(a, b) for a, b in zip(other.state_dict().values(), model.state_dict().values(), strict=True)
        )
    fresh = LiftModel(5, model.similarity, model.config)
    other.load_state_dict(fresh.state_dict())
    assert len(other.rankers) == 1
    assert not len(other.query_boundary)


def test_what_is_kept_learns_nothing_more():
    assert not any(weight.requires_grad for weight in model_in_turns().earlier.parameters())
