"""How fast graphlift is: every row is measured beside its rival, or its limit, in the same run."""
