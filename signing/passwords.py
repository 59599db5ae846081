"""Passwords of persons, as Argon2id strings. What a password is worth to a thief is decided here and nowhere else."""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

# The first choice of OWASP's Password Storage Cheat Sheet (2025): 46 MiB, one pass, one lane. One lane, because a server
# that checks several passwords at once has no cores to spare for one of them.
MEMORY_KIB: Final = 47_104
PASSES: Final = 1
LANES: Final = 1
_SALT_BYTES: Final = 16
_LENGTH: Final = 32
_NOW: Final = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"
_GENERATED_BYTES: Final = 15  # 20 characters, 120 bits


def hash_password(password: str) -> str:
    """The string that is kept: kind, cost, salt and hash (PHC)."""
    kdf = Argon2id(
        salt=secrets.token_bytes(_SALT_BYTES), length=_LENGTH, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB
    )
    return kdf.derive_phc_encoded(_bytes(password))


def password_matches(password: str, kept: str | None) -> bool:
    """Whether it is this password. Where nothing is kept the same work is done, so that time does not tell who exists."""
    try:
        Argon2id.verify_phc_encoded(_bytes(password), _nobody() if kept is None else kept)
    except InvalidKey:
        return False
    return kept is not None


def is_stale(kept: str) -> bool:
    """Whether it was made at another cost than today's, and is to be made anew when its password is next heard."""
    return not kept.startswith(_NOW)


def new_password() -> str:
    """A password that nobody has thought of."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


_nobodys: list[str] = []


def _nobody() -> str:
    """The hash of a password that nobody has, made once at today's cost."""
    if not _nobodys:
        _nobodys.append(hash_password(secrets.token_urlsafe()))
    return _nobodys[0]
