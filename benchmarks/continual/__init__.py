"""What is forgotten when feedback comes one task after the other."""
