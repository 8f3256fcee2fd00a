"""How many axes it takes to tell who is near whom."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.metric import Metric
from graphlift.model import LiftModel, ModelConfig
from graphlift.search.axes import axes_of_sketches, principal_axes, telling_axes
from graphlift.search.similarity import Similarity


def spread(decay, count=600, channels=200):
    """Vectors whose channels weigh less and less."""
    return torch.randn(count, channels) * decay ** torch.arange(channels)


@pytest.mark.parametrize("metric", list(Metric))
def test_few_axes_where_few_channels_matter(metric):
    x = spread(0.9)
    similarity = Similarity.of(metric, x)
    axes = telling_axes(similarity.finish(x), similarity)
    assert axes.shape == (200, 64)
    assert_close(axes.T @ axes, torch.eye(64), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("metric", list(Metric))
def test_more_where_they_matter_more_alike(metric):
    x = spread(0.99, count=4000)
    similarity = Similarity.of(metric, x)
    assert 64 < telling_axes(similarity.finish(x), similarity).shape[1] < 200


def test_all_where_all_matter():
    assert_close(telling_axes(torch.randn(4000, 80), Similarity(Metric.INNER_PRODUCT)), torch.eye(80))


@pytest.mark.parametrize(("count", "channels", "axes"), [(None, 200, 64), (None, 30, 30), (7, 200, 7), (300, 200, 200)])
def test_of_a_model(count, channels, axes):
    x, similarity, config = (
        spread(0.9, channels=channels),
        Similarity(Metric.COSINE),
        ModelConfig(sketch_channels=count),
    )
    model = LiftModel(channels, similarity, config, axes_of_sketches(x, similarity, count))
    assert model.axes.shape == (channels, axes)
    if axes < channels:
        assert_close(model.axes, principal_axes(x, axes))
    empty = LiftModel(channels, similarity, config)
    empty.load_state_dict(model.state_dict())
    assert_close(empty.axes, model.axes)
