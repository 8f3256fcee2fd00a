"""Every layer of the family, measured where it is supposed to help."""
