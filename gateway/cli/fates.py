"""What a message's fate is called, in both languages."""

from __future__ import annotations

from gateway.core.model import Fate

FATE_WORDS = {  # fate -> Vietnamese, English
    Fate.ACCEPTED: ("CHẤP NHẬN", "ACCEPTED"),
    Fate.REJECTED: ("TỪ CHỐI", "REJECTED"),
    Fate.HELD: ("CHƯA XÁC ĐỊNH", "UNDETERMINED"),
}
