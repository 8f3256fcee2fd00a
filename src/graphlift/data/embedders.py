"""Text to vector: what an embedder is, the two that graphlift knows, and the name of each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graphlift.errors import InputError, require

Progress: TypeAlias = Callable[[int], None]
"""Called after every batch with the number of texts that are done so far."""

BATCH = 1024
"""Texts between two calls of `Progress`."""


class Embedder(Protocol):
    """Turns texts into vectors of unit length; `load_embedder(name)` gives the same embedder again."""

    @property
    def name(self) -> str:
        """What `load_embedder` takes, and what a store records."""

    def embed(self, texts: list[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Embed every text.

        Shapes:
            - **output:** (N, C), each row of length 1

        Raises:
            InputError: `texts` is empty.
        """


class WordLlamaEmbedder:
    """Mean of static token vectors (WordLlama, 256 channels): small, fast, and offline, weights included.

    Every text has tokens, since the tokenizer falls back to bytes, except the empty one. Its mean would be
    zero, which has no direction and so no cosine; it is embedded as a single blank instead.

    Raises:
        MissingExtraError: wordllama is not installed.

    Related: `SentenceTransformerEmbedder`, slower and better.

    Example:
        >>> WordLlamaEmbedder().embed(["a warm coat", ""]).shape
        (2, 256)
    """

    name = "wordllama"

    def __init__(self) -> None:
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        wordllama = require("wordllama", extra="text")
        root.handlers[:], root.level = handlers, level  # importing wordllama configures everybody's logging
        folder = Path(str(wordllama.__file__)).parent  # the package carries weights and tokenizer itself
        self._model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
        self._model.tokenizer.no_padding()

    def embed(self, texts: list[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Embed every text; see `Embedder.embed`."""

        def embed_batch(batch: list[str]) -> NDArray[np.float32]:
            # The model's own `embed` pads a batch to its longest text: twice the time, memory without bound.
            tokens = self._model.tokenize([text or " " for text in batch])
            means = np.stack([self._model.embedding[text.ids].mean(axis=0) for text in tokens])  # (B, C)
            return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))

        return _embed_in_batches(embed_batch, texts, progress)


class SentenceTransformerEmbedder:
    """Any model of sentence-transformers, by the name or folder that `SentenceTransformer` takes.

    Raises:
        InputError: there is no such model.
        MissingExtraError: sentence-transformers is not installed.

    Related: `WordLlamaEmbedder`, which needs neither a download nor a GPU.
    """

    def __init__(self, model_name: str) -> None:
        self.name = model_name
        library = require("sentence_transformers", extra="sentence-transformers")
        try:
            self._model = library.SentenceTransformer(model_name)
        except (OSError, ValueError) as error:
            raise InputError(
                f"`model_name` must be a model of sentence-transformers, got {model_name!r}: {error}"
            ) from error

    def embed(self, texts: list[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Embed every text; see `Embedder.embed`."""

        def embed_batch(batch: list[str]) -> NDArray[np.float32]:
            vectors = self._model.encode(batch, normalize_embeddings=True, show_progress_bar=False)
            return np.asarray(vectors, dtype=np.float32)

        return _embed_in_batches(embed_batch, texts, progress)


def load_embedder(name: str = WordLlamaEmbedder.name) -> Embedder:
    """Give the embedder of that name: `"wordllama"`, or else a model of sentence-transformers.

    Example:
        >>> load_embedder("wordllama").name
        'wordllama'
    """
    return WordLlamaEmbedder() if name == WordLlamaEmbedder.name else SentenceTransformerEmbedder(name)


def _embed_in_batches(
    embed_batch: Callable[[list[str]], NDArray[np.float32]], texts: list[str], progress: Progress | None
) -> NDArray[np.float32]:
    if not texts:
        raise InputError("`texts` must hold at least one text, got none.")
    batches = []
    for start in range(0, len(texts), BATCH):
        batches.append(embed_batch(texts[start : start + BATCH]))
        if progress is not None:
            progress(min(start + BATCH, len(texts)))
    return np.concatenate(batches)  # (N, C)
