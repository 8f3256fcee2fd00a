"""The border to FAISS: build, search, and read the links. FAISS's own habits end here."""

from graphlift.index.hits import Hits as Hits
from graphlift.index.hnsw import HnswIndex as HnswIndex
from graphlift.index.ids import Ids as Ids
