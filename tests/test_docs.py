"""The documentation builds, its programs run, and what it says of the command line is so.

Blocks that are marked ``python`` run, those of a page one after the other as one program in an empty folder. What is
not meant to run is marked ``text``.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from test_house import FLOORS, MODULES

import graphlift
from graphlift.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
COMMANDS = typer.main.get_command(app).commands

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"^(?:.*[\s/])?graphlift\s+(.*)$", re.MULTILINE)
LATEX_LEFT = (".. math::", ":math:", 'class="arithmatex"', "<mi>\\", "<mi>&</mi>")

README_START = """
import numpy as np
rng = np.random.default_rng(0)
vectors = rng.normal(size=(300, 16))
ids = [f"d{row}" for row in range(300)]
queries = vectors[:120] + rng.normal(size=(120, 16))
qrels = {query: [ids[query]] for query in range(120)}
query_vectors = queries[:3]
new_vectors, new_ids = rng.normal(size=(2, 16)), ["new", "newer"]
"""
"""The README's example stands for anybody's data; here are some."""


def name_of(page):
    return str(page.relative_to(ROOT))


def fences(page, *languages):
    return [body for language, body in FENCE.findall(page.read_text()) if language.strip() in languages]


def environment():
    source = str(Path(graphlift.__file__).parents[1])
    path = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "NO_MKDOCS_2_WARNING": "1"}


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "WARNING" not in ran.stderr
    return folder


def test_every_page_is_built(site):
    for page in DOCS.rglob("*.md"):
        inside = page.relative_to(DOCS).with_suffix("")
        assert (site / (inside.parent if inside.name == "index" else inside) / "index.html").is_file()


def test_formulas_are_mathml(site):
    pytest.importorskip("latex2mathml")
    for page in site.rglob("index.html"):
        left = [latex for latex in LATEX_LEFT if latex in page.read_text()]
        assert not left, f"{page.relative_to(site)} shows {left}"
    assert (site / "concepts" / "layer" / "index.html").read_text().count("<math") > 10


def test_pages_load_nothing_from_elsewhere(site):
    loads = re.compile(r'<(script|img|iframe)[^>]*\ssrc="(https?:)?//|<link[^>]*rel="(stylesheet|preconnect)"[^>]*//')
    for page in site.rglob("*.html"):
        assert not loads.search(page.read_text()), page.relative_to(site)


def test_the_whole_face_is_in_the_reference():
    text = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    shown = set(re.findall(r"^::: (?:\w+\.)*(\w+)$", text, re.MULTILINE))
    modules = {"__version__", "continual", "losses", "nn", "search"}
    assert set(graphlift.__all__) - modules <= shown


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if fences(page, "python")], ids=name_of)
def test_python_runs(page, tmp_path):
    start = README_START if page.name == "README.md" else ""
    program = "\n".join([start, *fences(page, "python")])
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def calls(page):
    """What follows the word graphlift in blocks that are commands."""
    return [call for body in fences(page, "console", "bash", "sh", "") for call in CALL.findall(body)]


@pytest.mark.parametrize("page", [page for page in PAGES if calls(page)], ids=name_of)
def test_commands_exist(page):
    for call in calls(page):
        verb, *arguments = shlex.split(call.split("&&")[0])
        if verb in ("--help", "--version"):
            continue
        assert verb in COMMANDS, f"`graphlift {call}`"
        COMMANDS[verb].make_context(verb, arguments)  # parses, and exits with a message if it cannot


def test_every_verb_and_option_is_documented():
    text = (DOCS / "guide" / "command-line.md").read_text()
    sections = dict(re.findall(r"^## graphlift (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(COMMANDS)
    for verb, command in COMMANDS.items():
        table = "\n".join(line for line in sections[verb].splitlines() if line.startswith("|"))
        documented = set(re.findall(r"`(-[-\w]+)`", table))
        options = {max(p.opts, key=len) for p in command.params if p.param_type_name == "option"} - {"--help"}
        assert documented == options, verb


def test_architecture_is_the_house():
    text = (DOCS / "concepts" / "architecture.md").read_text()
    drawn = [
        set(re.split(r"\s{2,}", line)[0].split(", "))
        for line in fences(DOCS / "concepts" / "architecture.md", "text")[0].splitlines()
    ]
    assert drawn == FLOORS[::-1]
    paths = {module.replace(".", "/") for module in MODULES}
    listed = {
        name for line in re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE) for name in re.findall(r"`(.*?)`", line)
    }
    listed = {name for name in listed if "/" in name or name in paths}
    assert not {name.rstrip("/") for name in listed} - paths - set().union(*FLOORS), "these are gone"
    assert not set().union(*FLOORS) - {name.split("/")[0] for name in listed}, "these are missing"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_machine_is_named(page):
    assert not re.search(r"(?<![\w.])/(?:home|tmp|work|root|Users)/", page.read_text())
