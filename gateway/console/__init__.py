"""Floor 8: the console `/ban-truc`, pages for persons, made on the server (docs/decisions/0120).

One file for each page; a page gathers parts (parts.py) from the same services as the command line, and one template writes them.
"""
