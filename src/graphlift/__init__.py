"""graphlift turns the graph of an HNSW index into a graph neural network that learns from relevance pairs."""

from graphlift import continual as continual
from graphlift import losses as losses
from graphlift import nn as nn
from graphlift import search as search
from graphlift._version import __version__ as __version__
from graphlift.errors import DataFormatError as DataFormatError
from graphlift.errors import GraphliftError as GraphliftError
from graphlift.errors import InputError as InputError
from graphlift.errors import MissingExtraError as MissingExtraError
from graphlift.errors import StoreCorruptError as StoreCorruptError
from graphlift.errors import StoreError as StoreError
from graphlift.errors import StoreLockedError as StoreLockedError
from graphlift.errors import StoreVersionError as StoreVersionError
from graphlift.errors import UnknownIdError as UnknownIdError
from graphlift.graph import HnswGraph as HnswGraph
from graphlift.graph import NeighborTable as NeighborTable
from graphlift.index.hits import Hits as Hits
from graphlift.index.hnsw import HnswIndex as HnswIndex
from graphlift.lift import Lift as Lift
from graphlift.lift import load as load
from graphlift.lift import open as open
from graphlift.memory import Memory as Memory
from graphlift.model import ModelConfig as ModelConfig
from graphlift.training.config import FitConfig as FitConfig
from graphlift.training.report import FitReport as FitReport

__all__ = [
    "DataFormatError",
    "FitConfig",
    "FitReport",
    "GraphliftError",
    "Hits",
    "HnswGraph",
    "HnswIndex",
    "InputError",
    "Lift",
    "Memory",
    "MissingExtraError",
    "ModelConfig",
    "NeighborTable",
    "StoreCorruptError",
    "StoreError",
    "StoreLockedError",
    "StoreVersionError",
    "UnknownIdError",
    "__version__",
    "continual",
    "load",
    "losses",
    "nn",
    "open",
    "search",
]
