"""Floor 4: how the outside is spoken to."""
