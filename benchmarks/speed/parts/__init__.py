"""What is measured: each part is a module with a `TITLE`, a docstring that says how, and `measure(settings)`.

`measure` gives the rows of the part's table, none where the machine lacks what it needs. A part may have `draw(rows)`,
which gives a figure of its own in place of the dots that others get.
"""

from types import ModuleType

from benchmarks.speed.parts import cold, cuda, fit, growth, layer, search, step

PARTS: dict[str, ModuleType] = {
    "layer": layer,
    "step": step,
    "search": search,
    "fit": fit,
    "growth": growth,
    "cold": cold,
    "cuda": cuda,
}
"""Name -> part, in the order of the page."""
