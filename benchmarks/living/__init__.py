"""What changes cost, and whether memory and disk creep."""
