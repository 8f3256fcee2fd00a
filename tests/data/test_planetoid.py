"""Citation graphs, read as PyG reads them, without running what a pickle holds."""

import importlib
import pickle
import warnings
from collections import defaultdict

import numpy as np
import pytest
import torch

from graphlift.data.planetoid import read_planetoid
from graphlift.errors import DataFormatError

sparse = pytest.importorskip("scipy.sparse")
WORDS, CLASSES, TRAIN, KNOWN, NODES = 11, 3, 6, 520, 540
GAPS = [528, 533]  # test nodes without words and class, as CiteSeer has some


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A graph like CiteSeer: test nodes out of order, two of them missing, links to oneself and links listed twice."""
    rng = np.random.default_rng(0)
    place = rng.permutation([node for node in range(KNOWN, NODES) if node not in GAPS])
    words = sparse.random(KNOWN, WORDS, 0.3, "csr", dtype=np.float32, rng=rng, data_rvs=lambda n: np.ones(n))
    test_words = sparse.random(len(place), WORDS, 0.3, "csr", dtype=np.float32, rng=rng, data_rvs=lambda n: np.ones(n))
    classes = np.eye(CLASSES, dtype=np.int32)[rng.integers(CLASSES, size=KNOWN)]
    links = defaultdict(list)
    for one, other in rng.integers(NODES, size=(900, 2)).tolist():
        links[one].append(other)
        links[other].append(one)
    links[3] += [3, links[3][0]]
    files = {"x": words[:TRAIN], "allx": words, "tx": test_words, "y": classes[:TRAIN], "ally": classes}
    files |= {"ty": np.eye(CLASSES, dtype=np.int32)[rng.integers(CLASSES, size=len(place))], "graph": links}
    folder = tmp_path_factory.mktemp("planetoid")
    for name, content in files.items():
        (folder / f"ind.citeseer.{name}").write_bytes(pickle.dumps(content, protocol=2))
    (folder / "ind.citeseer.test.index").write_text("".join(f"{node}\n" for node in place))
    return folder


def test_the_same_as_pyg(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = importlib.import_module("torch_geometric.io").read_planetoid_data
        theirs = read(str(folder), "citeseer")
        ours = read_planetoid(folder, "citeseer")
    words = ours.x.to_dense()
    assert torch.equal((words > 0).float(), theirs.x)
    assert torch.equal(words.sum(dim=1).round(decimals=5), (theirs.x.sum(dim=1) > 0).float())
    assert torch.equal(ours.y, theirs.y)
    assert ours.num_classes == CLASSES
    for nodes, mask in ((ours.train, theirs.train_mask), (ours.dev, theirs.val_mask), (ours.test, theirs.test_mask)):
        assert nodes.tolist() == mask.nonzero().squeeze(1).tolist()
    found = {(a, b) for a, b in theirs.edge_index.T.tolist() if a != b}
    assert {(a, b) for a, b in ours.neighbors.edge_index.T.tolist()} == found
    assert int(ours.neighbors.mask.sum()) == len(found)


def copy(folder, to):
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())


class _Attack:
    def __reduce__(self):
        return print, ("this ran",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("graph", pickle.dumps(_Attack()), "print has no place in such a file"),
        ("allx", b"no pickle", "allx` cannot be read"),
        ("ally", pickle.dumps({}), "ally` must hold a ndarray, got dict"),
        ("y", pickle.dumps(np.zeros((TRAIN + 1, CLASSES))), "disagree about how many nodes"),
        ("test.index", b"seven", "does not hold the files"),
        ("tx", None, "does not hold the files"),
    ],
)
def test_a_bad_file_is_named(folder, tmp_path, capsys, name, content, message):
    copy(folder, tmp_path)
    path = tmp_path / f"ind.citeseer.{name}"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataFormatError, match=message):
        read_planetoid(tmp_path, "citeseer")
    assert not capsys.readouterr().out
