"""A folder of BEIR reads alike in both layouts, and says which file is missing or foreign."""

import pytest

from graphlift.data import read_collection, write_qrels
from graphlift.errors import DataFormatError

SPLITS = {
    "train": {"q1": {"d1": 1.0}},
    "dev": {"q2": {"d2": 1.0, "d3": 0.0}},
    "test": {"q3": {"d3": 2.0}},
}


def write_folder(folder, layout, splits):
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text("".join(f'{{"_id": "d{i}", "text": "doc"}}\n' for i in (1, 2, 3, 4)))
    (folder / "queries.jsonl").write_text("".join(f'{{"_id": "q{i}", "text": "ask"}}\n' for i in (1, 2, 3)))
    for name, qrels in splits.items():
        write_qrels(folder / layout.format(name), qrels)


@pytest.mark.parametrize("layout", ["qrels/{}.tsv", "qrels_{}.tsv"])
@pytest.mark.parametrize("names", [("train", "dev", "test"), ("train", "test")])
def test_both_layouts_with_and_without_dev(tmp_path, layout, names):
    write_folder(tmp_path, layout, {name: SPLITS[name] for name in names})
    collection = read_collection(tmp_path)
    assert collection.corpus.ids == ["d1", "d2", "d3", "d4"]
    assert collection.queries.texts == ["ask"] * 3
    assert {name: getattr(collection, name) for name in names} == {name: SPLITS[name] for name in names}
    assert (collection.dev is None) == ("dev" not in names)


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/train.tsv", "qrels/test.tsv"])
def test_missing_file_is_named(tmp_path, missing):
    write_folder(tmp_path, "qrels/{}.tsv", SPLITS)
    (tmp_path / missing).unlink()
    with pytest.raises(DataFormatError, match=missing):
        read_collection(tmp_path)


@pytest.mark.parametrize(
    ("foreign", "complaint"),
    [({"q9": {"d1": 1.0}}, "query id .*'q9'"), ({"q3": {"d1": 1.0, "d9": 0.0}}, "document id .*'d9'")],
)
def test_judgment_of_an_unknown_id_is_named(tmp_path, foreign, complaint):
    write_folder(tmp_path, "qrels/{}.tsv", SPLITS | {"test": foreign})
    with pytest.raises(DataFormatError, match=rf"test\.tsv: .*{complaint}"):
        read_collection(tmp_path)
