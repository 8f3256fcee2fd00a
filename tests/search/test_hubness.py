"""How near documents are to what was asked, against a scan of all of it."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.metric import Metric
from graphlift.search.hubness import Hubness
from graphlift.search.similarity import Similarity

METRICS = list(Metric)


def make(metric, documents=40, asked=25, channels=6):
    similarity = Similarity(metric, 1.0 if metric is Metric.COSINE else 2.5)
    x, q = (tuple(similarity.finish(torch.randn(count, channels)) for _ in range(2)) for count in (documents, asked))
    return Hubness.of(similarity, x, q)


def scanned(hubness, space, row, without=None):
    """The mean of the ten largest similarities of a document, but for one query."""
    kept = [q for q in range(len(hubness.asked[space])) if q != without]
    near = hubness.similarity.pairwise(hubness.documents[space][row, None], hubness.asked[space][kept])
    return near.flatten().sort(descending=True).values[:10].mean()


@pytest.mark.parametrize("metric", METRICS)
def test_equals_a_scan(metric):
    hubness, rows = make(metric), torch.tensor([[3, 39, 3], [0, 1, 2]])
    for space, mean in enumerate(hubness.around(rows)):
        assert_close(mean, torch.tensor([[scanned(hubness, space, row) for row in line] for line in rows.tolist()]))


@pytest.mark.parametrize("metric", METRICS)
def test_a_query_that_was_asked_does_not_count_for_itself(metric):
    hubness = make(metric)
    rows = torch.arange(40).expand(25, -1)  # every query with every document, among the nearest ten of it or not
    queries, to_query = (
        hubness.asked[0],
        [hubness.similarity.pairwise(q, x) for x, q in zip(hubness.documents, hubness.asked, strict=True)],
    )
    for space, mean in enumerate(hubness.around(rows, queries, to_query)):
        expected = [[scanned(hubness, space, row, without=query) for row in range(40)] for query in range(25)]
        assert_close(mean, torch.tensor(expected))


def test_a_query_that_was_not_asked_changes_nothing():
    hubness, rows = make(Metric.COSINE), torch.arange(40).expand(2, -1)
    nearest = torch.ones(2, 40)
    assert_close(hubness.around(rows, torch.randn(2, 6), (nearest, nearest)), hubness.around(rows))


def test_too_few_say_nothing():
    hubness, rows = make(Metric.COSINE, asked=10), torch.arange(40).unsqueeze(0)
    one = torch.ones(1, 40)
    for means in (hubness.around(rows), hubness.around(rows, hubness.asked[0][:1], (one, one))):
        assert not any(mean.any() for mean in means)


def test_what_is_known_is_not_measured_again_and_new_documents_are():
    whole = make(Metric.COSINE)
    first = Hubness.of(whole.similarity, tuple(x[:30] for x in whole.documents), whole.asked)
    first.all()
    first.values[7] = 5.0
    longer = first.extended(whole.documents)
    assert longer.values[30:].isnan().all()
    assert (longer.all()[7] == 5.0).all()
    assert_close(longer.values[30:], whole.all()[30:])
    assert len(first.values) == 30
