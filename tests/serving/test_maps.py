"""The lift of queries in compiled loops is that of the model."""

import numpy as np
import pytest
import torch

from graphlift.metric import Metric
from graphlift.model import LiftModel, ModelConfig
from graphlift.search.axes import principal_axes
from graphlift.search.similarity import Similarity

kernels = pytest.importorskip("graphlift.serving.kernels", exc_type=ImportError)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("count", [0, 1, 30])
def test_lifts_as_the_model_does(metric, count):
    documents = 3 * torch.randn(40, 7)
    model = LiftModel(7, Similarity.of(metric, documents), ModelConfig(), principal_axes(documents, 4)).eval()
    model.take_turns([model.served], model.query_boundary, model.document_boundary)
    for query_map in model.query_maps:
        for parameter in query_map.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    queries = torch.from_numpy(metric.prepare(torch.randn(max(count, 1), 7), "queries"))[:count]
    for turn in range(2):
        lifted, sketches = kernels.lift(queries.numpy(), kernels.Pinned(kernels.maps_of(model)), turn)
        with torch.inference_mode():
            expected = model.lift_queries(queries, documents, turn=turn)
            past = model.sketch_queries(queries, expected)
        np.testing.assert_allclose(lifted, expected.numpy(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(sketches, past.numpy(), rtol=1e-5, atol=1e-5)
    turn = torch.arange(count) % 2
    together = kernels.lift_in_turn(queries.numpy(), kernels.Pinned(kernels.maps_of(model)), turn.numpy())
    for number in range(2):
        own = (turn == number).numpy()
        alone = kernels.lift(queries.numpy(), kernels.Pinned(kernels.maps_of(model)), number)
        for ours, expected in zip(together, alone, strict=True):
            np.testing.assert_allclose(ours[own], expected[own], rtol=1e-5, atol=1e-5)
