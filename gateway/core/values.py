"""Values of which many are made for each message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

__all__ = ["made_often"]

if TYPE_CHECKING:
    from dataclasses import dataclass as made_often
else:

    def made_often(*, frozen: Literal[True], **options: Any) -> Any:
        """As ``dataclass(frozen=True, …)``, but it is the type checker alone that holds nobody changes one.

        Each field of a frozen dataclass is set by a call of ``object.__setattr__``, which takes about twenty times as long as
        an assignment (decision 0149). Equality and hash are those of a frozen one.
        """
        return dataclass(unsafe_hash=frozen, **options)
