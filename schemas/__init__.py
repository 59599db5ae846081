"""Floor 3: what documents look like: schemas, readers, writers."""
