"""What comes over the counter in these tests: real findings, entered by the real rules."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from license import EVERYTHING
from sqlalchemy import Column, MetaData, Table, insert, inspect, select, text

from gateway.core.effects import Acknowledges, Files, KetQua, Moves, Notes, Recalls
from gateway.core.ledger import Counter, enter
from gateway.core.model import (
    Address,
    Basis,
    Caller,
    Channel,
    Envelope,
    Finding,
    ThongDiep,
)
from gateway.core.parties import AfterFailure, LanePolicy, Parties, Party, Receives, Role
from gateway.core.problems import Location, Problem
from gateway.store import Store, open_engine, tables, upgrade
from gateway.store.schema import config_of

START = datetime(2026, 1, 15, 1, 2, 3, 456789, tzinfo=UTC)
PORTAL, AGENCY, COMMUNE = "cong-dvc", "so-tu-phap", "ubnd-xa"
CODES = {PORTAL: "H19.909", AGENCY: "H19.901", COMMUNE: "H19.902.01"}


@dataclass(frozen=True)
class Payload:
    """A payload of whatever type."""

    ma_ho_so: str | None
    occurred_at: datetime | None
    effects: tuple


class Clock:
    """Time that the test moves."""

    def __init__(self):
        self.now = START

    def forward(self, **by):
        """Moves on and gives the time."""
        self.now += timedelta(**by)
        return self.now


class Desk:
    """Makes findings and takes trays of them through the store."""

    def __init__(self, store, clock):
        self.store, self.clock = store, clock
        self.lane_after_failure = "hold"
        self.seals = 0
        self.agencies = {
            PORTAL: (CODES[PORTAL], Receives.PULL),
            AGENCY: (CODES[AGENCY], Receives.PUSH),
            COMMUNE: (CODES[COMMUNE], Receives.PULL),
        }

    def party(self, name, code, *, receives=Receives.PUSH):
        """Registers one more agency."""
        self.agencies[name] = code, receives
        return name

    @property
    def counter(self):
        """Who stands behind it: a portal that pulls, an agency that is pushed to, a commune that pulls."""
        return Counter(
            parties=Parties(
                Party(
                    id=party,
                    name=party,
                    role=Role.PORTAL if party == PORTAL else Role.ONE_STOP,
                    identifiers=(code,),
                    receives=receives,
                    lane=LanePolicy(after_failure=AfterFailure(self.lane_after_failure)),
                )
                for party, (code, receives) in self.agencies.items()
            ),
            seal=self._seal,
            rights=lambda _: EVERYTHING,
            place=lambda _, problems: problems,
        )

    def _seal(self, finding, fate, problems):
        self.seals += 1
        return f"receipt {finding.envelope.id} {fate} {[p.code for p in problems]}".encode()

    def new_id(self):
        """Ids of messages sort by their arrival."""
        return f"{self.clock.now:%Y%m%d%H%M%S}-{uuid.uuid4().hex[:10]}"

    def finding(
        self,
        sender=PORTAL,
        to=(AGENCY,),
        *,
        ma_ho_so=None,
        effects=(),
        ma=None,
        body=None,
        problems=(),
        thu_tu=None,
        loai="HS01",
        **more,
    ):
        """A finding about a message that passed every station before the counter."""
        self.clock.forward(seconds=1)
        ma = ma or str(uuid.uuid4())
        body = body if body is not None else f"<x>{ma} {sender}</x>".encode()
        envelope = Envelope.of(
            body,
            id=more.pop("id", None) or self.new_id(),
            caller=Caller(party=sender, by="token"),
            channel=Channel.REST,
            received_at=self.clock.now,
        )
        thong_diep = ThongDiep(
            ma_thong_diep=ma,
            loai=loai,
            goc="NopHoSo",
            phien_ban="1.0",
            noi_gui=Address(ma_dinh_danh=self.agencies[sender][0]),
            noi_nhan=tuple(Address(ma_dinh_danh=self.agencies[party][0]) for party in to),
            thoi_diem_tao=self.clock.now,
            content=Payload(ma_ho_so, self.clock.now, tuple(effects)),
            basis=Basis.SIGNATURE,
            ma_ho_so=ma_ho_so,
            thu_tu=thu_tu,
        )
        return Finding(
            envelope=envelope,
            thong_diep=thong_diep,
            problems=problems,
            ma_thong_diep=ma,
            loai=loai,
            ma_ho_so=ma_ho_so,
            **more,
        )

    def filing(self, ma_ho_so, sender=PORTAL, to=(AGENCY,), **more):
        """HS01: opens a dossier."""
        return self.finding(sender, to, ma_ho_so=ma_ho_so, effects=[Files(trang_thai=1, ma_tthc="1.000001")], **more)

    def progress(self, ma_ho_so, state, sender=AGENCY, to=(PORTAL,), **more):
        """HS05: moves it."""
        return self.finding(
            sender, to, ma_ho_so=ma_ho_so, effects=[Moves(to=state, goc=f"S{state}")], loai="HS05", **more
        )

    def note(self, ma_ho_so=None, sender=PORTAL, to=(AGENCY,), **more):
        """A message without a move; without a dossier it is about none."""
        return self.finding(sender, to, ma_ho_so=ma_ho_so, effects=[Notes(what="danh-gia")], loai="HS21", **more)

    def acknowledgement(self, goc, sender=AGENCY, to=(PORTAL,), ket_qua=KetQua.CHAP_NHAN, **more):
        """HS02: settles the delivery it answers."""
        return self.finding(
            sender, to, effects=[Acknowledges(ma_thong_diep_goc=goc, ket_qua=ket_qua)], loai="HS02", **more
        )

    def recall(self, goc, sender=PORTAL, to=(AGENCY,), **more):
        """HS20: cancels what is queued."""
        return self.finding(sender, to, effects=[Recalls(ma_thong_diep_goc=goc)], loai="HS20", **more)

    def bad(self, sender=PORTAL, *, body=b"<bad/>", code="DUP-010", xpath="/a[1]/b[3]", ma=None):
        """A finding that a station stopped."""
        self.clock.forward(seconds=1)
        envelope = Envelope.of(
            body,
            id=self.new_id(),
            caller=Caller(party=sender, by="token"),
            channel=Channel.SOAP,
            received_at=self.clock.now,
        )
        problem = Problem(code, {"field": "x"}, Location(line=1, column=2, xpath=xpath))
        return Finding(envelope=envelope, problems=(problem,), ma_thong_diep=ma, loai="HS01")

    def doubt(self, ma_ho_so=None, **more):
        """A finding that is undetermined."""
        return self.filing(ma_ho_so or new_code(), problems=(Problem("SIG-062", {}),), **more)

    def take(self, *findings, recheck=False, who="gateway"):
        """One tray: open, enter, write, commit. Gives the answers."""
        with self.store.begin() as tx:
            ledger = tx.open(findings, recheck=recheck)
            answers = [enter(finding, ledger, self.counter, self.clock.now) for finding in findings]
            tx.write(ledger, who=who)
        return answers

    def one(self, finding, **more):
        """A tray of one."""
        (answer,) = self.take(finding, **more)
        return answer


_counted = iter(range(1, 10**9))


def new_code(agency=CODES[AGENCY]):
    """A dossier code nobody has used."""
    return f"{agency}-260115-{next(_counted):05d}"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk(store, clock):
    return Desk(store, clock)


@pytest.fixture
def opened():
    """Opens engines that are closed after the test, whatever happens in it."""
    engines = []

    def opened(url, **more):
        engines.append(open_engine(url, **more))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.dispose()


@pytest.fixture(scope="session")
def desk_at():
    """Makes a desk at a store, with a clock of its own."""
    return lambda store: Desk(store, Clock())


@pytest.fixture
def new_desk(store, desk_at):
    """Makes further desks at the same store: for threads."""
    return lambda: desk_at(store)


@pytest.fixture
def code():
    """A dossier code nobody has used."""
    return new_code()


@pytest.fixture
def as_before(opened, empty_database_url):
    """The same rows in a database of an earlier revision, brought on by the migrations from there."""

    def made(store, revision):
        engine = opened(empty_database_url)
        scripts = config_of()
        with engine.begin() as connection:
            scripts.attributes["connection"] = connection
            command.upgrade(scripts, revision)
            for table in tables.metadata.sorted_tables:
                if not inspect(connection).has_table(table.name):
                    continue  # it came later
                names = Table(table.name, MetaData(), autoload_with=connection).columns.keys()
                keys = inspect(connection).get_pk_constraint(table.name)["constrained_columns"]
                with store.engine.connect() as source:
                    found = source.execute(select(*(table.c[name] for name in names))).all()
                rows = {tuple(row._mapping[key] for key in keys): row._asdict() for row in found}
                if rows:
                    plain = Table(table.name, MetaData(), *(Column(name, table.c[name].type) for name in names))
                    connection.execute(insert(plain), [*rows.values()])
            if (
                engine.dialect.name == "postgresql"
            ):  # what numbers rows by itself goes on behind those that came numbered
                connection.execute(text("SELECT setval('delivery_seq_seq', 100)"))
        upgrade(engine)
        return Store(engine)

    return made
