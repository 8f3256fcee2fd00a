"""Reading collections, vectors and judgments, and turning text into vectors."""

from graphlift.data.beir import Texts, read_texts
from graphlift.data.clicks import Impression, qrels_of_clicks, read_clicks
from graphlift.data.collection import Collection, read_collection
from graphlift.data.embedders import (
    Embedder,
    SentenceTransformerEmbedder,
    WordLlamaEmbedder,
    load_embedder,
)
from graphlift.data.fontawesome import load_icons
from graphlift.data.qrels import Qrels, read_qrels, write_qrels
from graphlift.data.vectors import read_vectors

__all__ = [
    "Collection",
    "Embedder",
    "Impression",
    "Qrels",
    "SentenceTransformerEmbedder",
    "Texts",
    "WordLlamaEmbedder",
    "load_embedder",
    "load_icons",
    "qrels_of_clicks",
    "read_clicks",
    "read_collection",
    "read_qrels",
    "read_texts",
    "read_vectors",
    "write_qrels",
]
