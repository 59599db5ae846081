"""Floor 4: the only package that imports sqlalchemy."""
