"""The verbs of the command line."""

from __future__ import annotations

from typing import Annotated

import typer

import graphlift
from graphlift.cli import add, build, demo, evaluate, feedback, fit, info, remove, rollback, search, update

app = typer.Typer(
    name="graphlift",
    help="Better results from the HNSW index you have: its graph learns from relevance pairs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"graphlift {graphlift.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


app.command("demo")(demo.demo)
app.command("build")(build.build)
app.command("fit")(fit.fit)
app.command("rollback")(rollback.rollback)
app.command("eval")(evaluate.evaluate)
app.command("search")(search.search)
app.command("add")(add.add)
app.command("remove")(remove.remove)
app.command("update")(update.update)
app.command("feedback")(feedback.feedback)
app.command("info")(info.info)
