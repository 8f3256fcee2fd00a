"""Search in compiled loops, one query at a time: what torch does in a hundred small steps is one call here."""
