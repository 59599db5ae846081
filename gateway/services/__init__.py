"""Floor 5: the only files that compose the floors below; they never import each other."""
