"""Citation graphs in the form of Planetoid: Cora, CiteSeer, PubMed."""

from __future__ import annotations

import pickle
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.errors import DataFormatError
from graphlift.graph import NeighborTable

DEV_NODES = 500
"""The public split chooses on the nodes that follow the training nodes."""


@dataclass(frozen=True, eq=False)
class CitationGraph:
    """Papers, their words, who cites whom, and what they are about.

    Attributes:
        x: words of each paper, rows of sum 1, sparse CSR (N, C).
        neighbors: links in both directions, without self-links.
        y: class of each paper, (N,).
        train, dev, test: nodes of the public split.
    """

    x: Tensor
    neighbors: NeighborTable
    y: Tensor
    train: Tensor
    dev: Tensor
    test: Tensor

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return int(self.y.max()) + 1


def read_planetoid(folder: Path, name: str) -> CitationGraph:
    """Read the files ``ind.NAME.*`` of a folder, with the public split of Yang et al. (2016).

    The files are pickles; a reader that knows numpy arrays, SciPy's CSR matrices and dictionaries, and calls nothing
    else, opens them without running what they may hold.

    Args:
        folder: where the eight files lie.
        name: of the graph, as in the files: ``"cora"``, ``"citeseer"``.

    Raises:
        DataFormatError: a file is missing or is not what it should be.

    Source: Yang, Cohen and Salakhutdinov, "Revisiting semi-supervised learning with graph embeddings", 2016.
    """
    path = folder / f"ind.{name}"
    try:
        x, tx, allx = (_read(path, part, _Csr) for part in ("x", "tx", "allx"))
        y, ty, ally = (_read(path, part, np.ndarray) for part in ("y", "ty", "ally"))
        links = _read(path, "graph", dict)
        place = np.loadtxt(f"{path}.test.index", dtype=np.int64, ndmin=1)
    except (OSError, ValueError) as error:
        raise DataFormatError(f"`{folder}` does not hold the files ind.{name}.*: {error}") from error
    if len(x) != len(y) or len(allx) != len(ally) or not len(tx) == len(ty) == len(place):
        raise DataFormatError(f"the files ind.{name}.* in `{folder}` disagree about how many nodes there are.")
    count = max(int(place.max()) + 1, len(links))  # some test nodes of CiteSeer have neither words nor class
    words = np.zeros((count, allx.shape[1]), dtype=np.float32)
    classes = np.zeros((count, ally.shape[1]), dtype=ally.dtype)
    words[: len(allx)], words[place] = allx.dense(), tx.dense()
    classes[: len(ally)], classes[place] = ally, ty
    train = torch.arange(len(y))
    return CitationGraph(
        _sparse(words),
        _table(links, count),
        torch.from_numpy(classes.argmax(axis=1)),
        train,
        len(train) + torch.arange(DEV_NODES),
        torch.from_numpy(np.sort(place)),
    )


class _Csr:
    """What SciPy pickled, without SciPy."""

    shape: tuple[int, int]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.shape = state["_shape"]
        self.data, self.indices, self.indptr = (state[name] for name in ("data", "indices", "indptr"))

    def __len__(self) -> int:
        return self.shape[0]

    def dense(self) -> npt.NDArray[np.float32]:
        rows = np.repeat(np.arange(len(self)), np.diff(self.indptr))
        out = np.zeros(self.shape, dtype=np.float32)
        out[rows, self.indices] = self.data
        return out


class _Unpickler(pickle.Unpickler):
    """Knows the classes of these files and no other."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "csr_matrix" and module.startswith("scipy.sparse"):
            return _Csr
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        known: dict[tuple[str, str], Any] = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
        known |= {("collections", "defaultdict"): defaultdict}
        known |= {("_codecs", "encode"): _encode}
        known |= {(builtins, "list"): list for builtins in ("builtins", "__builtin__")}
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in such a file")
        return known[module, name]


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in the form that Python 2 reads."""
    return text.encode(encoding)


def _read(path: Path, part: str, kind: type) -> Any:
    with Path(f"{path}.{part}").open("rb") as file:
        try:
            found = _Unpickler(file, encoding="latin1").load()
        except Exception as error:  # a broken pickle may raise anything
            raise DataFormatError(f"`{path}.{part}` cannot be read: {error}") from error
    if not isinstance(found, kind):
        raise DataFormatError(f"`{path}.{part}` must hold a {kind.__name__.strip('_')}, got {type(found).__name__}.")
    return found


def _sparse(words: npt.NDArray[np.float32]) -> Tensor:
    """Rows of sum 1, those without words of sum 0."""
    shares = torch.from_numpy(words / np.maximum(words.sum(axis=1, keepdims=True), 1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")
        return shares.to_sparse_csr()


def _table(links: dict[int, list[int]], count: int) -> NeighborTable:
    """Links in both directions, each once."""
    one_way = np.array([(node, other) for node, others in links.items() for other in others if node != other])
    edges = np.unique(np.concatenate([one_way, one_way[:, ::-1]]), axis=0)
    return NeighborTable.from_edge_index(torch.from_numpy(edges.T.astype(np.int64)), count)
