"""What the command line tells to type works where it is typed."""

import pytest

from graphlift.cli.console import program


@pytest.mark.parametrize(
    ("called", "found", "name"),
    [
        (".venv/bin/graphlift", None, ".venv/bin/graphlift"),
        (".venv/bin/graphlift", "/usr/bin/graphlift", "graphlift"),
        ("src/graphlift/__main__.py", None, "graphlift"),
    ],
)
def test_the_program_is_named_so_that_it_is_found(monkeypatch, called, found, name):
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.setattr("shutil.which", lambda _: found)
    assert program() == name
