"""Ranking quality of graphlift and of what people would use instead."""
