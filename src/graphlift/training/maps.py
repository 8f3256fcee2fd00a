"""First stage of a fit: the lift of queries and documents, by contrast."""
