"""An extension of griffe: our docstrings in the dialect that the site is built from."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import griffe

INDENTED = r"((?:\1[ ]+\S.*\n?|[ ]*\n(?=\1[ ]+\S))+)"
"""Lines below a title that are indented further than it, which is group 1."""


class Dialect(griffe.Extension):
    """`Example:` is griffe's `Examples:`, `Shapes:` becomes a list, and formulas stand between dollars."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Translate one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = translated(obj.docstring.value)


def translated(text: str) -> str:
    """A docstring as griffe and Markdown want it."""
    text = re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)
    text = re.sub(rf"^( *)Shapes:\n{INDENTED}", _shapes, text, flags=re.MULTILINE)
    text = re.sub(rf"^( *)\.\. math::\n(?:[ ]*\n)?{INDENTED}", _formula, text, flags=re.MULTILINE)
    return re.sub(r":math:`([^`]+)`", r"$\1$", text)


def _shapes(match: re.Match[str]) -> str:
    return f"{match[1]}**Shapes**\n\n{dedent(match[2])}"


def _formula(match: re.Match[str]) -> str:
    return f"{match[1]}$$\n{dedent(match[2]).strip()}\n$$\n"
