import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from world import copy_of

from graphlift.errors import InputError, MissingExtraError
from graphlift.index.hnsw import HnswIndex
from graphlift.lift import Lift
from graphlift.model import ModelConfig
from graphlift.report import Example, pick_examples, plots, write_report
from graphlift.store import Event
from graphlift.training.config import FitConfig, LoopConfig

HOSTILE = '<script>alert("x")</script> & $\\frac{1}{2}$ \udcff\u202e'
CONFIG = FitConfig(
    model=ModelConfig(num_walked=14, num_recalled=3, num_past=5, hidden_channels=8),
    lift=LoopConfig(epochs=8, batch_size=32, lr=2e-2, warmup_steps=2),
    ranker=LoopConfig(epochs=2, batch_size=32, lr=2e-3),
    random_negatives=32,
)


def make_lift(*, learnable):
    """Queries are documents turned around, which a linear map can undo; or noise, which nothing can."""
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(130, 12))
    queries = documents @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
    if not learnable:
        queries = rng.normal(size=queries.shape)
    texts = [f"document {row}" for row in range(len(documents))]
    lift = Lift(HnswIndex.build(documents, M=4), texts=texts)
    lift.fit(queries[:100], {query: [query] for query in range(100)}, config=CONFIG)
    return lift, queries


@pytest.fixture(scope="module")
def published():
    lift, queries = make_lift(learnable=True)
    assert lift.report.published
    return lift, queries


@pytest.fixture(scope="module")
def unpublished():
    lift, _ = make_lift(learnable=False)
    assert not lift.report.published
    return lift


def own_document(queries):
    """Every query asks for the document of its own number."""
    return {query: [query] for query in range(len(queries))}


@pytest.fixture(scope="module")
def comparison(published):
    lift, queries = published
    return lift.evaluate(queries, own_document(queries))


@pytest.fixture
def write(tmp_path):
    def write(**arguments):
        path = write_report(tmp_path / "new" / "report.html", **{"comparison": None, "title": "Test"} | arguments)
        return path.read_text(encoding="utf-8")

    return write


def full(published, comparison):
    lift, queries = published
    texts = ["the first", *(f"query {query}" for query in range(1, len(queries)))]
    examples = pick_examples(lift, comparison, queries, own_document(queries), query_texts=texts, n=3)
    return {"lift": lift, "comparison": comparison, "examples": examples, "attention": {"the first": queries[0]}}


@pytest.fixture(scope="module")
def page(tmp_path_factory, published, comparison):
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_report(path, title="Test", **full(published, comparison)).read_text(encoding="utf-8")


def drawings(page):
    return re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)


def test_all_sections_are_there(page):
    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections == ["queries", "examples", "attention", "training", "graph", "facts"]
    assert "nDCG@10 rises from" in page
    assert "a query answered by" in page


def fit_event(published, new, old=(), batches=()):
    said = {
        "published": published,
        "reason": "because",
        "dev_ndcg": dict(zip(("before", "after"), new, strict=True)),
        "past_ndcg": dict(zip(("before", "after"), old, strict=True)) if old else {},
        "past_batches": [{"queries": 9, "before": before, "after": after} for before, after in batches],
    }
    return Event(1.7e9, "fit", said)


def test_life_of_the_store(write, published):
    life = [
        fit_event(True, (0.1, 0.511)),
        fit_event(False, (0.2, 0.25), (0.52, 0.31), [(0.522, 0.313)]),
        fit_event(True, (0.2, 0.444), (0.53, 0.54), [(0.533, 0.544)]),
        Event(1.7e9, "rollback", {}),
    ]
    page = write(lift=published[0], life=life)
    section = re.search(r'<section id="life">.*?</section>', page, flags=re.DOTALL)[0]
    cells = re.findall(r"<td>(.*?)</td>", section)
    assert cells == ["0.511", "", "0.522", "0.200", "0.544", "0.444"]  # what was refused did not serve
    assert section.count("refused</small>") == 1
    assert [line.partition("  ")[2] for line in re.findall(r"<li><bdi>(.*?)</bdi>", section)] == [
        "rollback",
        "fit published: because",
        "fit not published: because",
        "fit published: because",
    ]
    assert 'id="life"' not in write(lift=published[0])


def test_page_needs_nothing_from_outside(page):
    assert not re.search(r"(?:https?:)?//|src=|@import|<script|<link|<img", page)
    assert set(re.findall(r'href="(.)', page)) <= {"#"}
    assert all(reference.startswith("#") for reference in re.findall(r"url\((.*?)\)", page))


def test_drawings_are_xml_with_ids_of_their_own(page):
    found = [ElementTree.fromstring(drawing) for drawing in drawings(page)]
    assert len(found) > 8
    assert all(drawing.get("aria-label") and drawing.get("viewBox") for drawing in found)
    ids = [node.get("id") for drawing in found for node in drawing.iter() if node.get("id")]
    assert len(ids) == len(set(ids))


def test_drawings_take_colors_and_typeface_from_the_page(page):
    drawn = "".join(drawings(page))
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()
    assert {"--ink", "--gain", "--loss"} <= set(re.findall(r"var\((--\w+)\)", drawn))
    assert "DejaVu" not in drawn
    assert "font-family" not in drawn


def test_same_input_gives_same_bytes(write, page, published, comparison):
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert write(**full(published, comparison)) == page
        assert matplotlib.rcParams["font.size"] == 30


def test_hostile_texts_stay_texts(write, published):
    lift, queries = published
    hostile = copy_of(replace(lift._now, texts=[HOSTILE] * len(lift.index)))
    example = Example(HOSTILE, frozenset({HOSTILE}), [HOSTILE], [], 1.0, 0.5)
    page = write(
        lift=hostile,
        title=HOSTILE,
        examples=[example],
        attention={HOSTILE: queries[0]},
        past_texts=[HOSTILE] * len(lift.lifted.memory),
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10
    assert "\u202e" not in page


def test_without_comparison_the_fit_speaks(write, published):
    page = write(lift=published[0])
    assert "Held-out nDCG@10 rises from" in page
    assert 'id="queries"' not in page


def test_unpublished_fit_says_so_first(write, unpublished):
    page = write(lift=unpublished, attention={"noise": np.ones(12)})
    assert page.index("was not published") < page.index("<h1>")
    assert unpublished.report.reason in page
    assert "rises" not in page
    assert 'id="attention"' not in page


def test_before_any_fit(write, published):
    page = write(lift=Lift(published[0].index))
    assert "No fit yet" in page
    assert 'id="training"' not in page


def test_slices_without_queries_are_left_out(write, published):
    lift, queries = published
    asked = own_document(queries)
    only_warm = lift.evaluate(queries, {query: asked[query] for query in range(100)})
    only_cold = lift.evaluate(queries, {query: asked[query] for query in range(100, 130)})
    assert only_warm.cold is None
    assert "<b>Cold</b>" not in write(lift=lift, comparison=only_warm)
    assert "<b>Warm</b>" not in write(lift=lift, comparison=only_cold)


def test_unchanged_results_are_not_called_a_gain(write, published):
    lift, queries = published
    frozen = Lift(lift.index)
    page = write(lift=frozen, comparison=frozen.evaluate(queries, {0: [0]}))
    assert "stays at" in page
    assert "too few to tell" in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": " "}, "`title`"),
        ({"lift": "store"}, "`lift`"),
        ({"comparison": {}}, "`comparison`"),
        ({"examples": ["query"]}, "`examples`"),
        ({"attention": ["query"]}, "`attention`"),
        ({"attention": {"short": [1.0, 2.0]}}, "attention.*12 channels"),
        ({"past_texts": ["one"]}, "`past_texts`"),
    ],
)
def test_bad_input_is_refused_and_writes_nothing(tmp_path, published, change, message):
    path = tmp_path / "report.html"
    with pytest.raises(InputError, match=message):
        write_report(path, **{"lift": published[0], "comparison": None, "title": "Test"} | change)
    assert not path.exists()


def test_path_that_cannot_be_written(tmp_path, published):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "report.html"):
        with pytest.raises(InputError, match="`path`"):
            write_report(path, lift=published[0], comparison=None, title="Test")


@pytest.mark.parametrize("ndcg", [-0.1, 1.1, float("nan")])
def test_example_knows_what_an_ndcg_is(ndcg):
    with pytest.raises(InputError, match="`lifted_ndcg`"):
        Example("query", frozenset(), [], [], 0.0, ndcg)


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_missing_extra_is_named(monkeypatch, tmp_path, published, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"graphlift\[report\]"):
        write_report(tmp_path / "report.html", lift=published[0], comparison=None, title="Test")


def test_import_is_light():
    check = "import sys, graphlift.report; sys.exit(bool({'jinja2', 'matplotlib'} & ({*sys.modules} - before)))"
    assert subprocess.run([sys.executable, "-c", "import sys, torch; before = {*sys.modules};" + check]).returncode == 0


@pytest.mark.parametrize("differences", [[0.0], [0.3], [-0.2, 0.0, 1.0], np.linspace(-1, 1, 5000)])
def test_gains_of_any_number_of_queries(differences):
    drawing = plots.gains(np.array(differences))
    ElementTree.fromstring(drawing)
    assert len(drawing) < 100_000


@pytest.mark.parametrize("values", [[2.0], [0.0, 0.0], [0.1, 0.4, 0.3]])
def test_curve_of_any_number_of_epochs(values):
    ElementTree.fromstring(plots.curve(values, len(values) // 2, rises=True))
