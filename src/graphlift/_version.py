"""The version of graphlift."""

__version__ = "0.1.0"
