"""A hook of MkDocs: formulas become MathML while the site is built, so that pages need no script and no network.

LaTeX comes from three places: `$...$` and `$$...$$` in pages, which arithmatex marks, and the `.. math::` blocks and
`:math:` roles of docstrings.
"""

from __future__ import annotations

import re
from functools import partial
from html import unescape
from typing import Any

try:
    from latex2mathml.converter import convert
except ImportError:  # the site still builds, and shows LaTeX
    convert = None

CODE = r"(?:<div[^>]*>)?<pre[^>]*>(?:<span></span>)?<code[^>]*>(.*?)</code></pre>(?:</div>)?"
INLINE = [r'<span class="arithmatex">\\\((.*?)\\\)</span>', r":math:<code[^>]*>(.*?)</code>"]
BLOCK = [r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', rf"<p>\.\. math::</p>\s*{CODE}"]


def on_page_content(html: str, **_: Any) -> str:
    """Replace every formula of a page."""
    if convert is None:
        return html
    for patterns, display in ((INLINE, "inline"), (BLOCK, "block")):
        for pattern in patterns:
            html = re.sub(pattern, partial(_mathml, display=display), html, flags=re.DOTALL)
    return html


def _mathml(match: re.Match[str], display: str) -> str:
    latex = unescape(re.sub(r"<[^>]+>", "", match[1])).strip()
    if r"\\" in latex:
        latex = rf"\begin{{align*}} {latex} \end{{align*}}"
    mathml: str = convert(latex, display=display)
    return mathml if display == "inline" else f'<div class="formula">{mathml}</div>'
