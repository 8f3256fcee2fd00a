"""Layers that are here to be tried: what each is good for stands in the page on the family."""
