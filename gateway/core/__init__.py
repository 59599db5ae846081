"""Floor 1: the ideas of the gateway. Standard library only; no clock, no socket, no disk but its own problem files."""
