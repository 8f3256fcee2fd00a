"""A hook of MkDocs: formulas become MathML while the site is built, so that pages need no script and no network."""

from __future__ import annotations

import re
from functools import partial
from html import unescape
from typing import Any

try:
    from latex2mathml.converter import convert
except ImportError:  # the site still builds, and shows LaTeX
    convert = None

ARITHMATEX = {  # how it marks `$...$` and `$$...$$`
    "inline": r'<span class="arithmatex">\\\((.*?)\\\)</span>',
    "block": r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>',
}


def on_page_content(html: str, **_: Any) -> str:
    """Replace every formula of a page."""
    if convert is not None:
        for display, pattern in ARITHMATEX.items():
            html = re.sub(pattern, partial(_mathml, display=display), html, flags=re.DOTALL)
    return html


def _mathml(match: re.Match[str], display: str) -> str:
    latex = unescape(match[1]).strip()
    if r"\\" in latex:
        latex = rf"\begin{{align*}} {latex} \end{{align*}}"
    mathml: str = convert(latex, display=display)
    return mathml if display == "inline" else f'<div class="formula">{mathml}</div>'
