"""The other side of the counter, for the demonstration and the sandbox: a fictional agency and a fictional portal."""
