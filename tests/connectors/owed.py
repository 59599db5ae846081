"""Messages recorded by the real counter, so that the outbox owes them to parties."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from license import EVERYTHING

from gateway.core.effects import Effect, Files, Notes
from gateway.core.ledger import Counter, enter
from gateway.core.model import Address, Basis, Caller, Channel, Delivery, Envelope, Finding, PartyId, ThongDiep
from gateway.core.parties import Parties, Party, Receives, RetryPolicy, Role
from gateway.core.problems import Problem
from gateway.store import Store

START = datetime(2026, 1, 15, 1, 0, 0, tzinfo=UTC)

PORTAL = Party(id=PartyId("cong-dvc"), name="Cổng", role=Role.PORTAL, identifiers=("H19.909",), receives=Receives.PULL)


class Clock:
    """Time that the test moves."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> datetime:
        """Move on."""
        self.now += timedelta(**by)
        return self.now


@dataclass(frozen=True)
class Payload:
    """A payload of whatever type."""

    ma_ho_so: str | None
    occurred_at: datetime | None
    effects: tuple[Effect, ...]


def agency(number: int = 1, *, longest_s: int = 3600, give_up_after_h: float = 168.0, **fields: Any) -> Party:
    """An agency that is pushed to; what else is given goes into its profile."""
    name = fields.pop("connector", "rest")
    settings = fields.pop("settings", {})
    return Party(
        **{
            "id": PartyId(f"so-{number}"),
            "name": f"Sở số {number} (thử nghiệm)",
            "role": Role.ONE_STOP,
            "identifiers": (f"H19.9{number:02}",),
            "receives": Receives.PUSH,
            "connector": name,
            "connector_settings": settings,
            "retry": RetryPolicy(longest_s=longest_s, give_up_after_h=give_up_after_h),
            **fields,
        }
    )


class Owing:
    """Records messages to agencies."""

    def __init__(self, store: Store, clock: Clock, *parties: Party) -> None:
        self.store, self.clock = store, clock
        self.parties = Parties([PORTAL, *parties])
        self._number = 0

    def _finding(self, to: Party, ma_ho_so: str | None, effects: tuple[Effect, ...], body: bytes | None) -> Finding:
        ma = str(uuid.uuid4())
        envelope = Envelope.of(
            body
            if body is not None
            else f"<ThongDiep xmlns='urn:x'><MaThongDiep>{ma}</MaThongDiep></ThongDiep>".encode(),
            id=uuid.uuid4().hex,
            caller=Caller(party=PORTAL.id, by="token"),
            channel=Channel.REST,
            received_at=self.clock(),
        )
        thong_diep = ThongDiep(
            ma_thong_diep=ma,
            loai="HS01" if ma_ho_so else "HS21",
            goc="NopHoSo",
            phien_ban="1.0",
            noi_gui=Address(ma_dinh_danh="H19.909"),
            noi_nhan=(Address(ma_dinh_danh=to.identifiers[0]),),
            thoi_diem_tao=self.clock(),
            content=Payload(ma_ho_so, self.clock(), effects),
            basis=Basis.SIGNATURE,
            ma_ho_so=ma_ho_so,
        )
        return Finding(
            envelope=envelope, thong_diep=thong_diep, ma_thong_diep=ma, loai=thong_diep.loai, ma_ho_so=ma_ho_so
        )

    def lane(
        self,
        to: Party,
        count: int = 1,
        *,
        ma_ho_so: str | None = None,
        body: bytes | None = None,
        remarks: tuple[Problem, ...] = (),
    ) -> list[str]:
        """So many messages about one dossier. Gives their MaThongDiep, in order."""
        self._number += 1
        ma_ho_so = ma_ho_so or f"{to.identifiers[0]}-260115-{self._number:05}"
        file = Files(trang_thai=1, ma_tthc="1.000001")
        found = [self._finding(to, ma_ho_so, (file,), body) for _ in range(count)]
        return self._take([finding._replace(problems=remarks) for finding in found])

    def lanes(self, to: Party, lanes: int, each: int = 1) -> list[list[str]]:
        """So many dossiers with so many messages each."""
        return [self.lane(to, each) for _ in range(lanes)]

    def loose(self, to: Party, count: int = 1) -> list[str]:
        """Messages about no dossier: a lane of its own for each."""
        return self._take([self._finding(to, None, (Notes(what="danh-gia"),), None) for _ in range(count)])

    def _take(self, findings: Sequence[Finding]) -> list[str]:
        counter = Counter(
            parties=self.parties,
            seal=lambda finding, fate, problems: b"receipt",
            rights=lambda _: EVERYTHING,
            place=lambda _, problems: problems,
        )
        with self.store.begin() as tx:
            ledger = tx.open(findings)
            answers = [enter(finding, ledger, counter, self.clock()) for finding in findings]
            tx.write(ledger)
        assert all(answer.fate == "accepted" for answer in answers), [answer.problems for answer in answers]
        return [str(finding.ma_thong_diep) for finding in findings]

    def deliveries(self, **which: Any) -> list[Delivery]:
        """What is owed, or was."""
        with self.store.read() as view:
            return view.deliveries(**which)

    def delivery(self, ma_thong_diep: str) -> Delivery:
        """The delivery of this message."""
        (found,) = (d for d in self.deliveries() if d.ma_thong_diep == ma_thong_diep)
        return found

    def states(self) -> list[str]:
        """Every delivery's state, in the order of recording."""
        return [delivery.state.value for delivery in self.deliveries()]


def flat(rows: Iterable[Iterable[str]]) -> list[str]:
    """All of them in one list."""
    return [item for row in rows for item in row]
