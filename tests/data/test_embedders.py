"""Every embedder gives finite vectors of length 1 that depend on the text alone."""

import logging
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphlift.data import SentenceTransformerEmbedder, WordLlamaEmbedder, load_embedder
from graphlift.data.embedders import BATCH
from graphlift.errors import InputError, MissingExtraError


class FakeSentenceTransformer:
    """Stands in for the library, which needs a download: three channels, longer texts point elsewhere."""

    def __init__(self, model_name):
        if model_name != "some/model":
            raise OSError(f"{model_name} is not a valid model identifier")

    def encode(self, sentences, normalize_embeddings, show_progress_bar):
        assert normalize_embeddings
        assert not show_progress_bar
        raw = np.array([[1.0, len(text), len(text) ** 2] for text in sentences])
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.fixture
def fake_library(monkeypatch):
    library = ModuleType("sentence_transformers")
    library.SentenceTransformer = FakeSentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)


@pytest.fixture(params=["wordllama", "some/model"])
def embedder(request, fake_library):
    return load_embedder(request.param)


@pytest.fixture(scope="module")
def wordllama():
    return WordLlamaEmbedder()


def test_name_loads_the_same_embedder(embedder):
    again = load_embedder(embedder.name)
    assert type(again) is type(embedder)
    np.testing.assert_array_equal(again.embed(["a warm coat"]), embedder.embed(["a warm coat"]))


def test_rows_are_unit_float32_and_do_not_depend_on_their_batch(embedder):
    texts = ["a" * (number % 7) + " bee" for number in range(2 * BATCH + 3)]
    vectors = embedder.embed(texts)
    assert vectors.dtype == np.float32
    assert len(vectors) == len(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    for row in (0, BATCH, len(texts) - 1):
        np.testing.assert_allclose(embedder.embed([texts[row]])[0], vectors[row], atol=1e-6)


def test_progress_counts_up_to_all_texts(embedder):
    done = []
    embedder.embed(["bee"] * (BATCH + 5), progress=done.append)
    assert done == [BATCH, BATCH + 5]


def test_no_texts_is_an_error(embedder):
    with pytest.raises(InputError, match="`texts` must hold at least one"):
        embedder.embed([])


@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8")))
def test_wordllama_gives_every_text_a_direction(wordllama, text):
    (vector,) = wordllama.embed([text])
    assert np.linalg.norm(vector) == pytest.approx(1, rel=1e-5)


def test_wordllama_equals_the_embedding_of_its_library(wordllama):
    library = pytest.importorskip("wordllama")
    folder = Path(library.__file__).parent
    reference = library.WordLlama.load(cache_dir=folder, disable_download=True)
    texts = ["bee", "a bee and a much longer text about honey", "\u4e2d\u6587", " "]
    np.testing.assert_allclose(wordllama.embed(texts), reference.embed(texts, norm=True), atol=1e-6)


def test_wordllama_embeds_the_empty_text_as_a_blank(wordllama):
    empty, blank = wordllama.embed(["", " "])
    np.testing.assert_array_equal(empty, blank)


def test_wordllama_knows_that_a_dog_is_nearer_to_a_puppy_than_to_a_tax(wordllama):
    dog, puppy, tax = wordllama.embed(["dog", "puppy", "tax"])
    assert dog @ puppy > dog @ tax


def test_loading_leaves_logging_alone():
    script = (
        "import logging; from graphlift.data import load_embedder; load_embedder();"
        "root = logging.getLogger(); print(root.handlers, root.level)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["[]", str(logging.WARNING)]


def test_unknown_model_is_named(fake_library):
    with pytest.raises(InputError, match=r"`model_name` must be .* got 'no/model'"):
        SentenceTransformerEmbedder("no/model")


@pytest.mark.parametrize(("name", "module"), [("wordllama", "wordllama"), ("x", "sentence_transformers")])
def test_missing_library_is_named(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=module):
        load_embedder(name)
