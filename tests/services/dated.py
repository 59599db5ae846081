"""Letters of the samples' parties as tests/web/mail.py writes them, all dated NOW: here time is given, never taken."""

from datetime import UTC, datetime
from functools import partial

import mail
from mail import key, ma_ho_so

__all__ = ["NOW", "key", "ma_ho_so", "nop", "tien_do", "tiep_nhan"]

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)

nop = partial(mail.nop, now=NOW)
tiep_nhan = partial(mail.tiep_nhan, now=NOW)
tien_do = partial(mail.tien_do, now=NOW)
