"""Imports go down only, in no circle, and the front door is light."""

import ast
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from textwrap import dedent

import pytest

import graphlift

ROOT = Path(graphlift.__file__).parent

FLOORS = [  # from the ground up; what stands on one floor may import from it and from all below
    {"errors", "atomic", "growing", "_version"},
    {"graph", "memory", "feedback", "metric", "data"},
    {"index"},
    {"losses", "sampling", "continual", "search"},
    {"nn"},
    {"model", "serving"},
    {"lifted", "explain"},
    {"training", "evaluation"},
    {"judgments", "lift", "online", "store"},
    {"__init__"},
    {"report", "cli"},
    {"__main__"},
]
FLOOR_OF = {module: number for number, floor in enumerate(FLOORS) for module in floor}

OPTIONAL = ["typer", "rich", "matplotlib", "jinja2", "wordllama", "pyarrow", "fontawesomefree", "numba"]
OPTIONAL += ["torch_geometric", "geoopt", "torchdiffeq"]  # of the extras family, hyperbolic and ode
UNUSED = ["ir_measures"]
"""What only measuring needs; a process that searches does not wait for it."""


def dotted(path):
    """``search/descent.py`` is ``search.descent`` and ``search/__init__.py`` is ``search``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {dotted(path): path for path in sorted(ROOT.rglob("*.py"))}


def owner(parts):
    """The module of ours that a dotted path below ``graphlift`` lies in."""
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in MODULES:
            return ".".join(parts[:length])
    return "__init__"


def imports(tree, package=()):
    """Our modules that a module imports, anywhere in it; ``package`` is where relative imports start."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = ["graphlift", *package[: len(package) - node.level + 1]] if node.level else []
            base = start + (node.module or "").split(".") if node.module else start
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        yield from (owner(parts[1:]) for parts in names if parts[0] == "graphlift")


def imports_of(module):
    package = MODULES[module].relative_to(ROOT).parent.parts
    return set(imports(ast.parse(MODULES[module].read_text()), package)) - {module}


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module):
    house = module.split(".")[0]
    assert house in FLOOR_OF, f"`{house}` is new: give it a floor in FLOORS"
    for other in imports_of(module):
        other = other.split(".")[0]
        assert other in FLOOR_OF, f"`{other}` is new: give it a floor in FLOORS"
        assert FLOOR_OF[other] <= FLOOR_OF[house], f"{module} imports {other}, which stands above it"


def test_there_is_no_circle():
    try:
        TopologicalSorter({module: imports_of(module) for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other: {' -> '.join(error.args[1])}")


def test_houses_do_not_import_each_other():
    """Not even by two different files: of two houses on one floor one comes first."""
    houses = {}
    for module in MODULES:
        house = module.split(".")[0]
        found = {other.split(".")[0] for other in imports_of(module)} - {house}
        houses.setdefault(house, set()).update(found)
    TopologicalSorter(houses).prepare()


def test_the_reader_of_imports_misses_none():
    source = """
        import graphlift.index.hnsw
        import graphlift, numpy
        from graphlift import graph
        from graphlift.search import descent as d, soft_top_k
        from graphlift.nn.conv import RuvectorConv
        from . import ruvector
        from .gru import GatedUpdate
        from ..errors import InputError
        from .. import memory

        def inside():
            from graphlift.losses import info_nce
    """
    found = set(imports(ast.parse(dedent(source)), package=("nn",)))
    assert found == {
        "index.hnsw",
        "__init__",
        "graph",
        "search.descent",
        "search.soft_top_k",
        "nn.conv",
        "nn.ruvector",
        "nn.gru",
        "errors",
        "memory",
        "losses",
    }


def test_faiss_ends_at_the_index():
    for module, path in MODULES.items():
        packages = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        }
        assert "faiss" not in packages or module.startswith("index."), f"{module} imports faiss"


def loaded_by(statement):
    script = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    path = os.pathsep.join([str(ROOT.parent), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def test_importing_loads_no_extra():
    left_out = ("cli", "report", "nn.kernels", "nn.cuda_kernels", "serving.kernels", "__")
    everything = [name for name in MODULES if not name.startswith(left_out)]
    statement = "\n".join(["import graphlift", *(f"import graphlift.{name}" for name in everything)])
    assert not loaded_by(statement) & {*OPTIONAL, *UNUSED}


def test_a_loaded_module_would_show():
    assert "jinja2" in loaded_by("import jinja2")
