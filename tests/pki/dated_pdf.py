"""A PDF's signature at a given time: pyHanko by itself takes the machine's clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyhanko.sign import signers


class PdfSigner(signers.PdfSigner):
    """pyHanko's signer, with the time of signing as it is told."""

    def __init__(self, *arguments: Any, at: datetime, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._at = at

    def init_signing_session(self, *arguments: Any, **more: Any) -> Any:
        """The session of pyHanko, at the given time."""
        session = super().init_signing_session(*arguments, **more)
        session.system_time = self._at
        return session
