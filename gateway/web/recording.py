"""Whether what is written is kept, and what stands in the way: a full disk, a lost standby answer questions gladly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.store import Store, StoreError

PROOF_S: Final = 10.0  # good news that is older is proven anew, when somebody asks
PATIENCE_S: Final = 3.0  # a commit that takes longer is told of as waiting
WAITS: Final = "commit-waits"
STANDBY: Final = "standby"

InThread = Callable[[Callable[[], str]], Awaitable[str]]


class Recording:
    """What one process knows of its commits. Asked, it writes something small where nothing was written of late."""

    def __init__(self, in_thread: InThread) -> None:
        """``in_thread`` runs what may wait, beside the loop."""
        self._in_thread = in_thread
        self._proof: asyncio.Future[str] | None = None
        self._began = 0.0
        self.good_at: float | None = None  # monotonic: the last commit that is known to have come through

    async def why_not(self, store: Store, *, recorded_at: float | None = None, trouble: bool = False) -> str:
        """A word for what stands in the way; empty when commits come through.

        ``recorded_at``: when one came through elsewhere in this process; ``trouble``: one has failed since.
        """
        now = time.monotonic()
        self.good_at = max((at for at in (self.good_at, recorded_at) if at is not None), default=None)
        if self._proof is None and not trouble and self.good_at is not None and now - self.good_at < PROOF_S:
            return ""
        proof = self._proof
        if proof is None:
            self._began = now
            proof = self._proof = asyncio.ensure_future(self._in_thread(lambda: _proven(store)))
        done, _ = await asyncio.wait({proof}, timeout=max(0.0, self._began + PATIENCE_S - now))
        if not done:
            return await self.waiting(store)
        if self._proof is proof:  # others may have waited for the same one, and one of them may have begun the next
            self._proof = None
        why = proof.result()
        if not why:
            self.good_at = time.monotonic()
        return why if not why or why == "file-replaced" or await self.waiting(store) == WAITS else STANDBY

    async def waiting(self, store: Store) -> str:
        """What a commit that does not end waits for."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._in_thread(lambda: STANDBY if store.waits_for_standby() else WAITS)
        except (StoreError, TimeoutError):
            return WAITS


def _proven(store: Store) -> str:
    try:
        store.prove()
    except StoreError as error:
        return error.why or type(error).__name__.lower()
    return ""
