"""How the report writes numbers and texts."""

from __future__ import annotations

MAX_TEXT = 160
"""Characters of a document that are shown."""


def signed(value: float, digits: int = 3) -> str:
    """A change with its sign; a true minus, and no sign on zero.

    Example:
        >>> signed(0.0712), signed(-0.5, 1), signed(-0.0001)
        ('+0.071', '−0.5', '0.000')
    """
    rounded = f"{abs(value):.{digits}f}"
    if not float(rounded):
        return rounded
    return ("+" if value > 0 else "\N{MINUS SIGN}") + rounded


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and what it counts.

    Example:
        >>> counted(1, "query", "queries"), counted(2000, "link")
        ('1 query', '2,000 links')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def shortened(text: str, limit: int = MAX_TEXT) -> str:
    """A text on one line, without characters that show as nothing, cut where it is long.

    Example:
        >>> shortened("an  example\\n text", limit=10)
        'an exampl…'
    """
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
