"""The small face of the package."""

import graphlift as gl


def test_all_is_what_is_offered():
    public = {name for name in vars(gl) if not name.startswith("_")}
    modules = {"atomic", "cli", "data", "errors", "evaluation", "explain", "feedback", "graph", "growing"}
    modules |= {"index", "judgments", "lift", "lifted", "memory", "metric", "model", "online", "report", "sampling"}
    modules |= {"serving", "store", "training"}
    assert public - modules == set(gl.__all__) - {"__version__"}
    assert sorted(gl.__all__) == gl.__all__


def test_the_calls_of_the_readme_exist():
    assert all(
        hasattr(gl.Lift, name)
        for name in ("fit", "fit_more", "rollback", "search", "evaluate", "feedback", "add", "remove", "update", "save")
    )
    assert gl.nn.RuvectorConv
    assert gl.load
    assert gl.open
