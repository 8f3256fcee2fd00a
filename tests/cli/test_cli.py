"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from world import make_world

import graphlift as gl


def graphlift(*arguments, expect=0):
    """Run the command in a process of its own; its stdout, or stderr where it should fail."""
    done = subprocess.run(
        [sys.executable, "-m", "graphlift", *map(str, arguments)], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == expect, done.stderr + done.stdout
    return done.stdout if expect == 0 else done.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A world as files in BEIR layout."""
    folder, world = tmp_path_factory.mktemp("files"), make_world()

    def write_texts(name, ids):
        lines = [json.dumps({"_id": i, "text": f"text of {i}"}) for i in ids]
        (folder / name).write_text("\n".join(lines) + "\n")

    write_texts("corpus.jsonl", world.document_ids)
    write_texts("queries.jsonl", world.query_ids)
    np.save(folder / "corpus_emb.npy", world.documents.astype(np.float16))
    np.save(folder / "queries_emb.npy", world.queries)
    for split, qrels in (("train", world.train), ("test", world.test)):
        rows = [f"{q}\t{d}\t{int(g)}" for q, documents in qrels.items() for d, g in documents.items()]
        (folder / f"qrels_{split}.tsv").write_text("query_id\tdoc_id\tscore\n" + "\n".join(rows) + "\n")
    (folder / "qrels_few.tsv").write_text("query_id\tdoc_id\tscore\nq1\td1\t1\nq1\td2\t2\nq2\td3\t1\nq2\td4\t0\n")
    (folder / "qrels_stranger.tsv").write_text("query_id\tdoc_id\tscore\nstranger\td1\t1\n")
    trec = [line.split("\t") for line in (folder / "qrels_test.tsv").read_text().splitlines()[1:]]
    (folder / "qrels_test.trec").write_text("".join(f"{q} 0 {d} {g}\n" for q, d, g in trec))
    return folder


def judged(files, qrels):
    queries, vectors = files / "queries.jsonl", files / "queries_emb.npy"
    return ["--queries", queries, "--vectors", vectors, "--qrels", files / qrels]


@pytest.fixture(scope="module")
def store(files):
    return built(files, files / "store")


def built(files, path):
    """A store that has learned nothing yet."""
    graphlift("build", path, "--corpus", files / "corpus.jsonl", "--vectors", files / "corpus_emb.npy")
    return path


@pytest.fixture(scope="module")
def fitted(files, store):
    before = json.loads(graphlift("eval", store, *judged(files, "qrels_test.tsv"), "--json"))
    printed = graphlift("fit", store, *judged(files, "qrels_train.tsv"), "--seed", 1)
    assert "Published" in printed
    return store, before


@pytest.mark.slow
def test_build_fit_eval(files, fitted):
    store, before = fitted
    assert before["frozen"] == before["lifted"]
    assert before["frozen"]["warm"] is None
    after = json.loads(graphlift("eval", store, *judged(files, "qrels_test.tsv"), "--json"))
    assert after["frozen"]["all"] == before["frozen"]["all"]
    assert after["lifted"]["all"]["nDCG@10"] > after["frozen"]["all"]["nDCG@10"]
    for side in ("frozen", "lifted"):
        assert set(after[side]) == {"all", "warm", "cold"}
        assert set(after[side]["all"]) == {"nDCG@10", "R@10", "RR@10", "queries"}
    assert after["lifted"]["warm"]["queries"] + after["lifted"]["cold"]["queries"] == 45
    assert not (store / "checkpoints").exists()


@pytest.mark.slow
def test_eval_reads_trec_and_writes_a_report(files, fitted, tmp_path):
    store, _ = fitted
    report = tmp_path / "report.html"
    table = graphlift("eval", store, *judged(files, "qrels_test.trec"), "--report", report)
    assert all(word in table for word in ("nDCG@10", "Recall@10", "MRR@10", "warm", "cold"))
    assert "<svg" in report.read_text()


@pytest.mark.slow
def test_info(fitted, tmp_path):
    store, _ = fitted
    facts = json.loads(graphlift("info", store, "--json"))
    assert (facts["documents"], facts["lifted"], facts["fit"]["seed"]) == (240, True, 1)
    assert "Published" in graphlift("info", store)
    graphlift("info", store, "--report", tmp_path / "life.html")
    assert "The graph" in (tmp_path / "life.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_search_by_text(files, tmp_path):
    store = tmp_path / "store"
    graphlift("build", store, "--corpus", files / "corpus.jsonl")
    found = json.loads(graphlift("search", store, "text of d7", "-k", 3, "--json"))
    assert found["hits"][0]["id"] == "d7"
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    assert "d7" in graphlift("search", store, "text of d7", "-k", 3)


def test_vectors_alone_make_a_store(files, tmp_path):
    graphlift("build", tmp_path / "store", "--vectors", files / "corpus_emb.npy", "--metric", "l2", "--m", 5)
    facts = json.loads(graphlift("info", tmp_path / "store", "--json"))
    assert (facts["metric"], facts["M"], facts["embedder"]) == ("l2", 5, None)


def documents(folder, name, ids, vectors):
    """Options that name documents."""
    lines = [json.dumps({"_id": i, "text": f"new text of {i}"}) for i in ids]
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    np.save(folder / f"{name}.npy", vectors)
    return ["--corpus", folder / f"{name}.jsonl", "--vectors", folder / f"{name}.npy"]


@pytest.mark.slow
def test_a_living_store(files, tmp_path):
    """Documents come, change and go, and feedback comes, each in a process of its own."""
    store, x = tmp_path / "store", np.load(files / "corpus_emb.npy").astype(np.float32)
    graphlift("build", store, "--corpus", files / "corpus.jsonl", "--vectors", files / "corpus_emb.npy")
    assert "3 added, 243 documents" in graphlift("add", store, *documents(tmp_path, "new", ["a", "b", "c"], -x[:3]))
    assert "2 updated" in graphlift("update", store, *documents(tmp_path, "other", ["b", "d5"], -x[3:5]))
    (tmp_path / "ids.txt").write_text("d7\n\nd8\n")
    assert "3 removed, 240 documents" in graphlift("remove", store, "a", "--ids", tmp_path / "ids.txt")
    told = graphlift("feedback", store, *judged(files, "qrels_few.tsv"))
    assert "2 queries, 3 relevant, 1 irrelevant" in told
    np.save(tmp_path / "one.npy", x[9:10])
    said = graphlift(
        "feedback", store, "anything", "--vectors", tmp_path / "one.npy", "--relevant", "d1", "--irrelevant", "d9"
    )
    assert "1 query, 1 relevant, 1 irrelevant" in said
    lift = gl.load(store)
    assert lift.search(-x[4:5], k=1).ids.tolist() == [["d5"]]
    found = lift.search(x[9:10], k=20).ids[0].tolist()
    assert found[0] == "d1"
    assert "d9" not in found
    assert lift.texts[int(lift.index.ids.rows(["b"])[0])] == "new text of b"
    facts = json.loads(graphlift("info", store, "--json"))
    assert (facts["documents"], facts["removed rows"], facts["past queries"]) == (240, 5, 3)


WRONG = [
    "nothing to index",
    "store is there",
    "wrong vectors",
    "no such file",
    "not a store",
    "no embedder",
    "unknown document",
    "add what is there",
    "remove what is not there",
    "nothing to add",
    "half a feedback",
    "unknown query",
]


def wrong(files, store):
    """Calls that must fail, and what they must say."""
    corpus, vectors, queries = (files / n for n in ("corpus.jsonl", "corpus_emb.npy", "queries_emb.npy"))
    return {
        "nothing to index": (["build", files / "new"], "--corpus"),
        "store is there": (["build", store, "--corpus", corpus, "--vectors", vectors], "--overwrite"),
        "wrong vectors": (["build", files / "new", "--corpus", corpus, "--vectors", queries], "queries_emb.npy"),
        "no such file": (["build", files / "new", "--corpus", files / "nothing.jsonl"], "nothing.jsonl"),
        "not a store": (["info", files], "not a graphlift store"),
        "no embedder": (["search", store, "coffee"], "--embedder"),
        "unknown document": (
            ["eval", store, *judged(files, "qrels_unknown.tsv")],
            "nothing-like-it",
        ),
        "add what is there": (["add", store, "--corpus", corpus, "--vectors", vectors], "must be new, got 'd0'"),
        "remove what is not there": (["remove", store, "d1", "nobody"], "'nobody'"),
        "nothing to add": (["add", store, "--vectors", vectors], "--ids"),
        "half a feedback": (["feedback", store, "--queries", files / "queries.jsonl"], "--qrels"),
        "unknown query": (
            ["feedback", store, "--queries", files / "queries.jsonl", "--qrels", files / "qrels_stranger.tsv"],
            "'stranger'",
        ),
    }


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_one_sentence(files, store, name):
    (files / "qrels_unknown.tsv").write_text("q0\tnothing-like-it\t1\n")
    arguments, words = wrong(files, store)[name]
    message = graphlift(*arguments, expect=1)
    assert message.startswith("graphlift: error: ")
    assert words in message
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) == 1


def test_texts_are_shown_as_they_are(tmp_path):
    """Neither markup nor escape codes of a user's texts reach the terminal's eyes."""
    texts = ["tea [/b] end", "[red]citation needed[/red]", ":smile: \x1b[31mred", "two\nlines"]
    lines = [json.dumps({"_id": f"d{i}", "text": text}) for i, text in enumerate(texts)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    store = tmp_path / "st [/b] x"
    assert "[/b]" in graphlift("build", store, "--corpus", tmp_path / "corpus.jsonl")
    shown = graphlift("search", store, "tea", "-k", 4)
    assert sorted(line.split("\t")[3] for line in shown.splitlines()) == sorted(
        ["tea [/b] end", "[red]citation needed[/red]", ":smile: [31mred", "two lines"]
    )


def test_a_reader_that_leaves_is_no_error(store):
    command = f"{sys.executable} -m graphlift info '{store}' --json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode in (0, 141)  # 141: ended by SIGPIPE, as `yes | head` does
    assert "Traceback" not in done.stderr


def test_wrong_usage_and_help():
    assert "--corpus" in graphlift("build", "-h")
    assert re.search(r"demo.*build.*fit.*eval.*search.*info", graphlift("-h"), re.DOTALL)
    assert "No such" in graphlift("frobnicate", expect=2)
    assert "one of ruvector" in graphlift("fit", "s", "--queries", "q", "--qrels", "r", "--conv", "gnc", expect=2)
    assert graphlift("--version").startswith("graphlift ")


@pytest.mark.slow
def test_learning_on_and_back(files, fitted, tmp_path):
    path = tmp_path / "store"
    shutil.copytree(fitted[0], path)
    printed = graphlift("fit", path, "--continue", *judged(files, "qrels_test.tsv"))
    assert "queries learned before" in printed
    assert "the earlier weights serve" in graphlift("rollback", path) or "Not published" in printed
    message = graphlift("fit", path, "--continue", "--dev-qrels", files / "qrels_test.tsv", expect=1)
    assert "`--dev-qrels` does not go with `--continue`" in message
    message = graphlift("fit", path, "--continue", "--small", expect=1)
    assert "`--small` do not go with `--continue`" in message


@pytest.mark.slow
def test_clicks_in_place_of_judgments(files, tmp_path):
    path, log = built(files, tmp_path / "store"), tmp_path / "log.jsonl"
    rows = [line.split("\t") for line in (files / "qrels_train.tsv").read_text().splitlines()[1:]]
    log.write_text("\n".join(json.dumps({"query": q, "shown": ["d0x", d], "clicked": [d]}) for q, d, _ in rows))
    given = judged(files, "qrels_train.tsv")[:-2]
    assert "nDCG@10 of held-out queries" in graphlift("fit", path, *given, "--clicks", log, "--eta", 0.5, "--small")
    assert "go together" in graphlift("fit", path, *given, expect=1)
    assert "exclude each other" in graphlift("fit", path, *judged(files, "qrels_train.tsv"), "--clicks", log, expect=1)
