"""The command line, a face over `graphlift.Lift`."""

from __future__ import annotations

import signal
import sys

from graphlift.errors import GraphliftError, require


def main() -> None:
    """Entry point of the command ``graphlift``: exit status 0, 1 for an error of graphlift, 2 for wrong usage."""
    if hasattr(signal, "SIGPIPE"):  # end quietly when the reader of our output has gone, as `head` does
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        require("typer", extra="cli")
        require("rich", extra="cli")
        from graphlift.cli.app import app

        app()
    except GraphliftError as error:
        print(f"graphlift: error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("graphlift: interrupted.", file=sys.stderr)
        raise SystemExit(130) from None
