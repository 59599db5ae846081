"""Floor 7: the HTTP door."""
