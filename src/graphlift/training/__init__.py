"""A fit: what is trained, in which stages, and whether the result may serve."""
