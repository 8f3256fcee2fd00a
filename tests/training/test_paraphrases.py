"""Documents ask where they read like queries: when they may, which of them, and what learns from it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from world import QUICK

import graphlift as gl
from graphlift import FitConfig, HnswIndex, Memory
from graphlift.lifted import LiftedIndex
from graphlift.sampling import fold_of
from graphlift.training.config import LoopConfig, ParaphraseConfig
from graphlift.training.fit import fit
from graphlift.training.folds import cross_fitted
from graphlift.training.judges import judges_of
from graphlift.training.legacy import Legacy
from graphlift.training.paraphrases import JUDGES, MIN_TEXTS, SILENT, can_paraphrase, roles, stand_ins
from graphlift.training.stages import PARAPHRASED, Stages

GROUPS, CHANNELS, TELLING = 40, 64, 12
LONG = LoopConfig(epochs=100, max_steps=400, batch_size=64, lr=5e-3)
RANKER = LoopConfig(epochs=2, batch_size=32, lr=3e-3)
ALSO_ASK = QUICK.model_copy(
    update={"lift": LONG, "paraphrases": ParaphraseConfig(temperature=0.1, lift=LONG, ranker=RANKER)}
)


def texts_of_groups(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors that belong to groups by a few channels among louder ones, and the groups."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(GROUPS, CHANNELS, generator=torch.Generator().manual_seed(99))
    centers[:, TELLING:] = 0
    group = torch.arange(count) % GROUPS
    noise = 0.5 * torch.randn(count, CHANNELS, generator=generator)
    noise[:, :TELLING] *= 1.6
    return F.normalize(centers[group] + noise, dim=1), group


@pytest.fixture(scope="module")
def intents() -> tuple[HnswIndex, Memory, Memory]:
    """An index of texts, few queries of the same kind that are answered by their group, and many more to judge by."""
    documents, of_document = texts_of_groups(1200, seed=0)
    queries, of_query = texts_of_groups(1000, seed=1)
    rows = [dict.fromkeys((of_document == group).nonzero().flatten().tolist(), 1.0) for group in range(GROUPS)]
    everything = Memory.of(queries, [rows[group] for group in of_query.tolist()])
    return HnswIndex.build(documents.numpy()), everything.select(range(250)), everything.select(range(250, 1000))


def test_documents_may_ask_where_no_boundary_tells_them_from_queries(intents):
    index, queries, _ = intents
    assert can_paraphrase(queries, index.x)
    assert not can_paraphrase(queries, index.x + 0.5)


def test_nobody_asks_without_enough_texts_or_without_another_answer(intents):
    index, queries, _ = intents
    assert not can_paraphrase(queries.select(range(MIN_TEXTS - 1)), index.x)
    single = Memory.of(queries.queries, [{query: 1.0} for query in range(len(queries))])
    assert not can_paraphrase(single, index.x)


def test_who_asks_is_another_answer_that_may():
    generator = torch.Generator().manual_seed(0)
    memory = Memory.of(torch.randn(60, 4), [dict.fromkeys(range(q, q + 1 + q % 7), 1.0) for q in range(60)])
    queries = torch.arange(60).repeat(5)
    besides, may_ask = queries.clone(), torch.arange(70) % 3 > 0
    rows = stand_ins(memory, queries, generator, besides, may_ask)
    asking = rows >= 0
    assert bool(memory.holds(queries[asking], rows[asking]).all())
    assert not bool((rows == besides).any())
    assert bool(may_ask[rows[asking]].all())
    able = torch.tensor([any(may_ask[r] for r in memory.answers(q).tolist() if r != q) for q in range(60)])
    assert not bool(asking[~able[queries]].any())
    assert float(asking[able[queries]].float().mean()) > 0.9


def test_a_query_without_answers_is_asked_by_nobody():
    memory = Memory.of(torch.eye(3), [{5: 1.0}, {}, {}])
    assert stand_ins(memory, torch.arange(3), torch.Generator()).tolist() == [5, -1, -1]
    assert stand_ins(memory.select([1, 0]), torch.arange(2), torch.Generator()).tolist() == [-1, 5]


def test_documents_have_roles_by_their_vectors_alone(intents):
    index, queries, _ = intents
    role = roles(index.x, queries, folds=3)
    assert torch.equal(roles(index.x[100:200], queries, folds=3), role[100:200])
    shares = [float((role == number).float().mean()) for number in (JUDGES, 0, 1, 2)]
    assert sum(shares) == pytest.approx(1)
    assert 0.08 < shares[0] < 0.18
    assert min(shares[1:]) > 0.2
    asked = Memory.of(index.x[:7], [{9: 1.0}] * 7)  # who is a past query would find its own answers
    assert (roles(index.x, asked, folds=3) == SILENT).nonzero().flatten().tolist() == list(range(7))


def test_documents_that_judge_have_not_asked(intents):
    index, queries, new = intents
    dev = new.select(range(100))
    stages = Stages(index, ALSO_ASK, "cpu", None, None)
    stages.let_documents_ask(queries)
    model = stages.untrained(queries).eval()
    (drawn, _), (asked, answers) = judges_of(LiftedIndex(index, model, queries), dev, stages.role, seed=0)
    assert len(asked) == len(answers) < len(drawn)
    may_ask = stages.may_ask()
    assert may_ask is not None
    for place, query in enumerate(dev.numbers(answers.queries).tolist()):
        hidden = asked.rows[place][~asked.mask[place]]
        asking = hidden[dev.holds(torch.tensor(query), hidden) & ~answers.holds(torch.tensor(place), hidden)]
        assert len(asking.unique()) == 1  # who asks is the one answer that is not to be found
        assert not bool(may_ask[asking].any())


def test_a_document_that_asks_is_no_candidate_and_brings_its_querys_grades(intents):
    index, queries, _ = intents
    stages = Stages(index, ALSO_ASK, "cpu", None, None)
    models = [stages.untrained(queries).eval() for _ in range(2)]
    numbers = torch.arange(0, 250, 7)
    plain, owners = cross_fitted(index, models, queries, numbers)
    role = roles(index.x, queries, folds=2)
    both, owners_of_both = cross_fitted(index, models, queries, numbers, stand_in=2, role=role)
    assert len(both) > 2.5 * len(plain)
    fold = fold_of(queries.queries, 2)
    for query in numbers[:4].tolist():
        drawn = both[owners_of_both == query]
        assert torch.equal(drawn.node_attr[0], plain.node_attr[owners == query][0])  # the query itself comes first
        for place in range(1, len(drawn)):
            hidden = drawn.rows[place][~drawn.mask[place]]
            asking = [row for row in hidden.tolist() if bool(queries.holds(torch.tensor(query), torch.tensor(row)))]
            assert any(role[row] == fold[query] for row in asking)


def test_no_answer_of_its_own_query_counts_for_a_document_that_asks(intents):
    """The law of a query's own answers holds for whoever asks in its place: without them nothing would change."""
    index, queries, _ = intents
    model = Stages(index, ALSO_ASK, "cpu", None, None).untrained(queries).eval()
    own = torch.tensor([3])
    row = queries.answers(3)[:1]
    whole = LiftedIndex(index, model, queries).subgraphs(index.x[row], own=own, hidden=row)
    answers = queries.graded()
    answers[3] = {int(row): 1.0}
    poorer = LiftedIndex(index, model, Memory.of(queries.queries, answers))
    less = poorer.subgraphs(index.x[row], own=own, hidden=row)
    assert torch.equal(whole.rows[whole.mask], less.rows[less.mask])
    torch.testing.assert_close(whole.node_attr[whole.mask], less.node_attr[less.mask])
    model.asked = torch.cat([model.asked[:3], model.asked[4:]])  # nor does the query, for hubness
    unasked = LiftedIndex(index, model, queries).subgraphs(index.x[row], own=own, hidden=row)
    torch.testing.assert_close(whole.node_attr[whole.mask], unasked.node_attr[unasked.mask])


def test_a_fit_is_better_for_new_queries_where_documents_ask(intents):
    """The same number of steps, with and without them; without, few queries are learned by heart."""
    index, queries, new = intents
    told, untold = (fit(index, queries, config, dev=new).report for config in (ALSO_ASK, _never(ALSO_ASK)))
    assert told.paraphrased
    assert not untold.paraphrased
    assert "Documents read like queries" in told.summary()
    assert [stage.name for stage in told.stages][:2] == ["lift", "lift" + PARAPHRASED]
    for choice in ("lift", "lift and ranker"):
        assert told.dev_ndcg[choice] > untold.dev_ndcg[choice] + 0.03


def test_where_dev_queries_are_no_better_off_nothing_changes(intents):
    """Documents that teach far too fast spoil the lift."""
    index, queries, new = intents
    hasty = ParaphraseConfig(lift=LoopConfig(epochs=1, batch_size=64, lr=9.0))
    config = QUICK.model_copy(update={"paraphrases": hasty})
    stages, never = (Stages(index, c, "cpu", None, None) for c in (config, _never(config)))
    dev = new.select(range(100))
    chosen, plain = (s.chosen_lift(queries, dev).lifted.model for s in (stages, never))
    assert not stages.paraphrased
    assert all(torch.equal(chosen.state_dict()[name], weight) for name, weight in plain.state_dict().items())


def test_where_documents_ask_the_judged_ranker_stays(intents):
    index, queries, _ = intents
    stages = Stages(index, ALSO_ASK, "cpu", None, None)
    learned, held = queries.select(range(210)), queries.select(range(210, 250))
    judged = stages.train(learned, held)
    assert stages.paraphrased
    again = stages.train_again(queries, judged)
    ranker, before = again.lifted.model.ranker.state_dict(), judged.lifted.model.ranker.state_dict()
    assert all(torch.equal(ranker[name], weight) for name, weight in before.items())
    assert not torch.equal(again.lifted.model.query_map.lin.weight, judged.lifted.model.query_map.lin.weight)


def test_documents_that_asked_go_on_asking_after_a_fit_and_a_load(intents, tmp_path):
    index, queries, new = intents
    lift = gl.Lift(index)
    qrels = {query: dict.fromkeys(queries.answers(query).tolist(), 1.0) for query in range(len(queries))}
    assert lift.fit(queries.queries.numpy(), qrels, config=ALSO_ASK).paraphrased
    lift.save(tmp_path / "store")
    lift = gl.load(tmp_path / "store")
    told = new.select(range(60))
    lift.feedback(told.queries.numpy(), [told.answers(query).tolist() for query in range(len(told))])
    assert lift.fit_more(config=ALSO_ASK).paraphrased
    assert not lift.fit_more(config=_never(ALSO_ASK)).paraphrased


def test_what_a_fit_left_before_documents_could_ask_is_read():
    legacy = Legacy(({"w": torch.ones(1)},), arrived=(4,), paraphrased=True)
    assert Legacy.of_tensors(legacy.tensors(), None).paraphrased
    older = {name: tensor for name, tensor in legacy.tensors().items() if name != "paraphrased"}
    assert not Legacy.of_tensors(older, None).paraphrased


def _never(config: FitConfig) -> FitConfig:
    return config.model_copy(update={"paraphrases": None})
