"""Drawings as inline SVG: matplotlib draws, the page colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from graphlift.errors import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {
    "ink": "#0a0001",
    "muted": "#0a0002",
    "line": "#0a0003",
    "gain": "#0a0004",
    "loss": "#0a0005",
    "rest": "#0a0006",
}
"""CSS variable -> the stand-in that matplotlib draws with; the page's style sheet says what it looks like."""
INK, MUTED, LINE, GAIN, LOSS, REST = COLORS.values()

FONT_SIZE = 12

_STYLE = {
    "svg.fonttype": "none",  # text stays text: selectable, and in the page's own typeface
    "text.parse_math": False,
    "text.color": INK,
    "font.size": FONT_SIZE,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": FONT_SIZE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": LINE,
    "grid.linewidth": 1,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "ytick.major.size": 0,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
}

Draw = Callable[["Axes"], None]


def draw(width: int, height: int, label: str, paint: Draw) -> str:
    """A drawing of one pair of axes.

    Args:
        width, height: in pixels, at the size where its text is as large as the page's small print.
        label: what the drawing says, for those who cannot see it.
        paint: fills the axes.

    Returns:
        An ``<svg>`` element without namespaces, links or ids that could meet those of another drawing.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with _style(salt=f"{width} {height} {label}"):
        figure: Figure = require("matplotlib.figure", extra="report").Figure(
            figsize=(width / 72, height / 72), layout="constrained"
        )
        paint(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), label)


@contextmanager
def _style(salt: str) -> Iterator[None]:
    """Matplotlib's defaults and ours, whatever the user has set, and the user's again afterwards.

    Ids are made of the salt, so that they are the same in every run and differ from drawing to drawing.
    """
    matplotlib = require("matplotlib", extra="report")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": salt})
        yield


def _inline(document: str, label: str) -> str:
    """Matplotlib's document as an element of a page."""
    root = ElementTree.fromstring(document)
    for node in root.iter():
        node.tag = _local(node.tag)
        node.attrib = {_local(name): value for name, value in node.attrib.items()}
        node.tail = node.tail and node.tail.strip()
        if "style" in node.attrib:
            node.set("style", _restyled(node.get("style", "")))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style"):  # the one holds addresses, the other would style the page
                parent.remove(child)
    markup = ElementTree.tostring(root, encoding="unicode")
    named = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', markup))
    referenced = {first or second for first, second in named}
    for node in root.iter():
        if node.get("id") not in referenced:
            node.attrib.pop("id", None)
    root.attrib = {"viewBox": root.get("viewBox", ""), "role": "img", "aria-label": label}
    markup = ElementTree.tostring(root, encoding="unicode")
    for color, stand_in in COLORS.items():
        markup = markup.replace(stand_in, f"var(--{color})")
    return markup


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _restyled(style: str) -> str:
    """A style whose text takes the page's typeface."""
    style = re.sub(r"font:\s*(?:(\d{3}|bold)\s+)?([\d.]+)px[^;]*", _font, style)  # how matplotlib wrote it until 3.10
    return re.sub(r"font-family:[^;]*;?\s*", "", style)


def _font(match: re.Match[str]) -> str:
    weight, size = match.groups()
    return f"font-size: {size}px" + (f"; font-weight: {weight}" if weight else "")
