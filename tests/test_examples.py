"""Every program in examples/ runs to its end, on its own, and prints what it found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import graphlift

ROOT = Path(__file__).parents[1]
SAYS = {
    "quickstart.py": ["held-out queries gain", "other terms, frozen and lifted", "the same results: True"],
    "layers.py": ["RuvectorConv: (1885, 256) -> (1885, 64)", "same output True", "TransformerConv of PyG"],
    "living_index.py": ["after feedback", "among the first 20 now: False", "nothing was lost"],
    "own_vectors.py": ["nDCG@10", "q500 asks for"],
}
SLOW = {"quickstart.py", "own_vectors.py"}


def environment():
    source = str(Path(graphlift.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in SAYS]
)
def test_runs(name, tmp_path):
    command = [sys.executable, str(ROOT / "examples" / name)]
    ran = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for words in SAYS[name]:
        assert words in ran.stdout
    assert not list(tmp_path.iterdir()), "an example leaves nothing behind"


def test_none_is_left_out():
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_is_short(name):
    assert len((ROOT / "examples" / name).read_text().splitlines()) < 80
