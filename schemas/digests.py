"""The schemas that are packaged here, each by the SHA-256 of its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from gateway.core.chain import digest_of


@cache
def schema_digests() -> Mapping[str, str]:
    """SHA-256 of every schema in the package, by its path under schemas/xsd."""
    return dict(_digests(resources.files("schemas").joinpath("xsd"), ""))


@cache
def schemas_digest() -> str:
    """All of them in one SHA-256: what the log says that a message was judged by."""
    return digest_of(schema_digests())


def digest_of_files(files: Iterable[Path]) -> str:
    """Other files in one SHA-256, by name and content; "" where there are none."""
    found = {file.name: sha256(file.read_bytes()).hexdigest() for file in files}
    return digest_of(found) if found else ""


def _digests(folder: Traversable, above: str) -> Iterable[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _digests(entry, f"{path}/")
        elif entry.name.endswith(".xsd"):
            yield path, sha256(entry.read_bytes()).hexdigest()
