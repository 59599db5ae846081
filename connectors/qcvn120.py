"""For a party of the national portal's kind (QCVN 120:2019): log in, then packets of JSON under a session.

After each event the dossier goes as DongBoHoSoMC, as it stands in our record and where that differs from what the party
took; created or updated as *we* know it to be: what it was told is on record, and it is looked up where the party lets us,
so that no text of an error decides. Each step of its life goes as a row of CapNhatTienDoHoSoMC, in chunks, and each row has
an outcome of its own: what was taken is not sent again. Which codes mean what is the profile's to say.
"""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from lxml import etree

from connectors import probing, receipts
from connectors.base import connector
from connectors.dialect import Outward
from connectors.http import Http, Reply, ShownRequest
from connectors.outcomes import (
    Answered,
    NothingToTell,
    NotThere,
    Parcel,
    ProbeStep,
    Receipt,
    Refused,
    Uncertain,
    Unreachable,
)
from connectors.reading import Reads, answer_at, read_answer
from connectors.table import SECRET, Secret, connector_secret
from gateway import documents
from gateway.core.date_forms import WIRE, date_form
from gateway.core.effects import Moves
from gateway.core.limits import CEILING
from gateway.core.model import Content, MaHoSo
from gateway.core.parties import Party
from gateway.core.problems import Problem, Stopped
from gateway.core.told import COMPARED, Told, ToldNews, compared, packet_digest
from gateway.core.written import setting
from schemas import names
from schemas import qcvn120 as packets
from schemas.catalog import Catalog, bundled
from schemas.fields import Fields
from schemas.qcvn120 import Dialect
from schemas.record import NGUOI_XU_LY, HoSoRecord, record_of

MOMENTS = frozenset(
    {
        "NgayTiepNhan",
        "NgayHenTra",
        "NgayTra",
        "NgayKetThucXuLy",
        "NgayTuChoi",
        "NgayNopHoSo",
        "NgayBoSung",
        "NgayTiepNhanBoSung",
        "NgayHenTraTruoc",
        "NgayHenTraMoi",
        "ThoiDiemXuLy",
        "NgayBatDau",
        "NgayKetThucTheoQuyDinh",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCodes:
    """What the party's result codes mean. A code in no list is a refusal."""

    delivered: tuple[str, ...] = setting(("0", "00"), vi="Đã nhận.", en="Taken.")
    exists: tuple[str, ...] = setting((), vi="Hồ sơ đã có ở bên nhận.", en="The dossier is there already.")
    missing: tuple[str, ...] = setting((), vi="Hồ sơ chưa có ở bên nhận.", en="The dossier is not there.")
    passing: tuple[str, ...] = setting((), vi="Lỗi tạm thời, chưa nhận.", en="A passing fault, not taken.")
    expired: tuple[str, ...] = setting((), vi="Phiên hết hạn: đăng nhập lại.", en="The session is over: log in again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Qcvn120Settings:
    """Where the party listens, as whom we log in, and its words."""

    url: str = setting(pattern=r"https?://\S+", vi="Địa chỉ dịch vụ.", en="The service's address.")
    login_url: str | None = setting(
        None, pattern=r"https?://\S+", vi="Địa chỉ đăng nhập; bỏ trống: như url.", en="Where to log in; empty: at url."
    )
    username: str = setting(vi="Tên đăng nhập.", en="User name.")
    password: Secret = setting(pattern=SECRET, vi="Nơi để mật khẩu.", en="Where the password lies.")
    madonvi: str = setting(vi="Mã đơn vị của trục ở bên nhận.", en="Our unit's code at the party.")
    dong_bo: str = setting("DongBoHoSoMC", vi="Tên dịch vụ đồng bộ hồ sơ.", en="The service for dossiers.")
    tien_do: str = setting("CapNhatTienDoHoSoMC", vi="Tên dịch vụ cập nhật tiến độ.", en="The service for progress.")
    tra_cuu: str | None = setting(
        None,
        vi="Tên dịch vụ tra cứu (TraCuuHoSo); khi khai, trục tra cứu trước khi tạo mới và khi chưa rõ kết quả.",
        en="The service for look-up (TraCuuHoSo); with it the gateway asks before creating and in doubt.",
    )
    look_first: bool = setting(
        True,
        vi="Khi chưa có thông tin về hồ sơ: tra cứu trước khi tạo (cần tra_cuu).",
        en="Where nothing is remembered of a dossier: look it up before creating it (needs tra_cuu).",
    )
    chunk: int = setting(
        10, at_least=1, at_most=1000, vi="Số dòng tiến độ mỗi lần gửi.", en="Progress rows in one call."
    )
    codes: ResultCodes = setting(ResultCodes(), vi="Ý nghĩa các mã kết quả.", en="What result codes mean.")
    session_field: str = setting("session", vi="Trường mang phiên.", en="The field with the session.")
    code_field: str = setting("error_code", vi="Trường mang mã kết quả.", en="The field with the result code.")
    data_field: str = setting("data", vi="Trường mang dữ liệu.", en="The field with the data.")


qcvn120 = connector("qcvn120", Qcvn120Settings, projects=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a party that reads the national packets is told now, in its own form."""

    dossier: Mapping[str, Any] | None = None  # DongBoHoSoMC, as the dossier stands
    changed: bool = True  # whether that differs from what the party took last
    rows: tuple[Mapping[str, Any], ...] = ()  # of CapNhatTienDoHoSoMC: those that it did not take yet
    late: int = 0  # so many of them, the first ones, are older than the state that the dossier is in
    notes: tuple[Problem, ...] = ()  # what was cut, and what no packet carries
    known: bool = False  # whether it is known to have the dossier
    digest: str | None = None  # of the dossier, in our own values
    digests: tuple[str, ...] = ()  # of each of the rows
    facts: Mapping[str, Any] = field(default_factory=dict)
    change: int = 0
    remarked: tuple[str, ...] = ()

    @property
    def sends_dossier(self) -> bool:
        """Whether the dossier goes. After late rows it goes again, so that the state is the newest one's."""
        return self.dossier is not None and (self.changed or self.late > 0)

    @property
    def nothing(self) -> bool:
        """Whether the party knows all of it, or its packets have no word for it."""
        return not self.rows and not self.sends_dossier

    @property
    def trang_thai(self) -> str:
        """The state that it leaves the dossier in; of several dossiers, the last one."""
        last = self.rows[-1]["TrangThai"] if self.rows[self.late :] or self.dossier is None else None
        return str(last if last is not None or self.dossier is None else self.dossier["TrangThaiHoSo"])

    def news(self, **more: Any) -> ToldNews:
        """What is put on record of a try with it."""
        return ToldNews(change=self.change, facts=self.facts, remarked=self.remarked, **more)

    def whole_news(self) -> ToldNews:
        """That the party has all of it."""
        digest = self.digest if self.sends_dossier else None
        return self.news(sent=digest, taken=digest, rows=self.digests, settled=True)

    def by_dossier(self) -> Mapping[str, Load]:
        """What it says of each dossier."""
        if self.dossier is not None:
            return {str(self.dossier["MaHoSo"]): self}
        codes = dict.fromkeys(str(row["MaHoSo"]) for row in self.rows)
        return {code: Load(rows=tuple(row for row in self.rows if row["MaHoSo"] == code)) for code in codes}


@qcvn120.send
async def send(parcel: Parcel, settings: Qcvn120Settings, http: Http) -> Receipt | NothingToTell:
    """Bring the dossier as it stands, and its new steps, over; what the party has is left out."""
    load = await asyncio.to_thread(load_of, parcel)
    if load.nothing:
        return NothingToTell(notes=load.notes, told=load.news(settled=True))
    return await _Telling(load, Portal(parcel, settings, http)).told()


@qcvn120.played
def played(request: ShownRequest, settings: Qcvn120Settings) -> Reply | None:
    """A session, a dossier that is not there yet, and rows that are all taken."""
    said = json.loads(request.body)
    if "password" in said:
        answer: dict[str, Any] = {settings.session_field: "<session>"}
    elif said.get("service") == settings.tra_cuu:
        code = next(iter(settings.codes.missing), None)
        answer = {settings.code_field: code or next(iter(settings.codes.delivered)), settings.data_field: []}
    else:
        answer = {settings.code_field: next(iter(settings.codes.delivered))}
    return Reply(status=200, headers={"Content-Type": "application/json"}, body=json.dumps(answer).encode())


@qcvn120.query
async def query(parcel: Parcel, settings: Qcvn120Settings, http: Http) -> Receipt | NotThere | None:
    """Look the dossier up, and compare."""
    if settings.tra_cuu is None:
        return None
    load = await asyncio.to_thread(load_of, parcel)
    if load.nothing:
        return None
    portal = Portal(parcel, settings, http)
    believed: Mapping[str, Any] = {}
    for ma_ho_so, part in load.by_dossier().items():
        found = await portal.look_up(ma_ho_so)
        believed = believed_of(found, parcel.party)
        if found is None or not _agrees(found, part):
            return NotThere(told=ToldNews(believed=believed))
    return Receipt(notes=load.notes, told=replace(load.whole_news(), believed=believed))


@qcvn120.believes
async def believes(
    ma_ho_so: str, party: Party, settings: Qcvn120Settings, http: Http, _remembered: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Look the dossier up."""
    if settings.tra_cuu is None:
        return None
    return believed_of(await Portal(probing.nothing(party), settings, http).look_up(ma_ho_so), party)


def believed_of(found: Mapping[str, Any] | None, party: Party) -> dict[str, Any]:
    """What a party says of a dossier, in our own values: the fields that are compared, empty where it has none of it.

    A moment that cannot be read stays as it is written there: it is certainly not what we told.
    """
    if found is None:
        return {}
    inward = Dialect.of(party)
    said = {**found, "TrangThaiHoSo": found.get("TrangThaiHoSo", found.get("TrangThai"))}
    believed: dict[str, Any] = {}
    for name in COMPARED:
        if name not in said or isinstance(said[name], (Mapping, list)):
            continue
        text = "" if said[name] is None else str(said[name]).strip()
        if name == "TrangThaiHoSo":
            believed[name] = inward.maps.get(name, {}).get(text, text)
            continue
        try:
            believed[name] = packets.wire_of(date_form(inward.formats.get(name, WIRE)).read(text)) if text else None
        except ValueError:
            believed[name] = text
    return believed


@qcvn120.probe
async def probe(party: Party, settings: Qcvn120Settings, http: Http) -> AsyncIterator[ProbeStep]:
    """Log in anew; where the party lets us look up, look up a dossier that there is not."""
    parcel = probing.nothing(party)
    portal = Portal(parcel, settings, http)
    place = settings.login_url or settings.url
    try:
        await portal.renew()
    except Unreachable as error:
        yield ProbeStep(place=place, problems=(error.problem,))
        return
    yield ProbeStep(place=place, found="session")
    if settings.tra_cuu is None:
        return
    try:
        found = await portal.look_up(parcel.delivery.lane)
    except Unreachable as error:
        yield ProbeStep(place=settings.tra_cuu, problems=(error.problem,))
        return
    odd = (Problem("DLV-043", {"said": settings.tra_cuu}),) if found is not None else ()
    yield ProbeStep(place=settings.tra_cuu, found="NotThere" if found is None else "found", problems=odd)


class _Telling:
    """One try at telling a party all that it does not know: what it took on the way is kept, whatever comes then."""

    def __init__(self, load: Load, portal: Portal) -> None:
        self._load, self._portal = load, portal
        self._sent = self._taken = False  # the dossier
        self._rows: list[str] = []  # digests of rows that were taken
        self._codes: dict[int, str] = {}  # of rows that were not; counted from 1
        self._body = b""

    async def told(self) -> Receipt:
        """Rows that come late, then the dossier, so that its state is the true one, then what is new."""
        load, count = self._load, len(self._load.rows)
        try:
            await self._steps(range(1, load.late + 1))
            if load.sends_dossier and load.dossier is not None:
                await self._dossier(load.dossier)
            await self._steps(range(load.late + 1, count + 1))
        except Answered as answer:
            raise self._so_far(answer) from answer
        if self._codes:
            said = [receipts.shown(c) for c in dict.fromkeys(self._codes.values())]
            if set(self._codes.values()) <= set(self._portal.settings.codes.passing):
                raise Uncertain(Problem("DLV-010", {"code": said}), answer=self._body, told=self._news())
            facts = {"count": len(self._codes), "rows": sorted(self._codes), "codes": said}
            refused = tuple(load.digests[n - 1] for n in sorted(self._codes))
            news = replace(self._news(), refused=refused)
            raise Refused(Problem("DLV-036", facts), answer=self._body, told=news)
        news = replace(self._news(), settled=True)
        return Receipt(reference=str(load.trang_thai), body=self._body or None, notes=load.notes, told=news)

    async def _dossier(self, dossier: Mapping[str, Any]) -> None:
        """Create or update."""
        portal, there = self._portal, self._load.known
        codes = portal.settings.codes
        if not there and portal.settings.look_first and portal.settings.tra_cuu is not None:
            there = await portal.look_up(str(dossier["MaHoSo"])) is not None
        self._sent = True
        for again in (False, True):
            updating = {"isUpdating": "True" if there else "False"}
            code, reply = await portal.call(portal.settings.dong_bo, [dossier], updating)
            if not again and code in (codes.missing if there else codes.exists):
                there = not there  # we were wrong about them; the code says so, and only once
                continue
            if again and code in (codes.missing if there else codes.exists):
                raise Refused(Problem("DLV-047", {"code": receipts.shown(code)}), answer=reply.body)
            portal.settle(code, reply)
            self._taken, self._body = True, reply.body
            return

    async def _steps(self, numbers: Sequence[int]) -> None:
        """Row by row, in chunks."""
        load, portal = self._load, self._portal
        for start in range(0, len(numbers), portal.settings.chunk):
            chunk = numbers[start : start + portal.settings.chunk]
            answers, self._body = await _chunk([load.rows[n - 1] for n in chunk], portal)
            for number, code in zip(chunk, answers, strict=True):
                if code in portal.settings.codes.delivered:
                    self._rows.append(load.digests[number - 1])
                else:
                    self._codes[number] = code

    def _news(self) -> ToldNews:
        load = self._load
        sent, taken = (load.digest if there else None for there in (self._sent, self._taken))
        return load.news(sent=sent, taken=taken, rows=tuple(self._rows))

    def _so_far(self, answer: Answered) -> Answered:
        """What one call came to, with what was taken before it. Half a message is not "certainly not taken"."""
        some = self._taken or bool(self._rows)
        kind = Uncertain if some and isinstance(answer, Unreachable) else type(answer)
        news = self._news()
        if self._sent and not self._taken:
            if isinstance(answer, Refused) and self._load.digest is not None:
                news = replace(news, sent=None, refused=(self._load.digest,))
            elif not isinstance(answer, Uncertain):
                news = replace(news, sent=None)
        return kind(answer.problem, answer=answer.answer, retry_after_s=answer.retry_after_s, told=news)


async def _chunk(rows: Sequence[Mapping[str, Any]], portal: Portal) -> tuple[list[str], bytes]:
    """Each row's code. Where the answer names none for the rows, its own code is everybody's."""
    settings = portal.settings
    code, reply = await portal.call(settings.tien_do, rows, {})
    said = answer_at(portal.read(reply), settings.data_field)
    if isinstance(said, list) and len(said) == len(rows) and all(_code(row, settings) for row in said):
        return [str(_code(row, settings)) for row in said], reply.body
    portal.settle(code, reply)  # no word on each row: all of them taken, or none
    return [code] * len(rows), reply.body


def _agrees(found: Mapping[str, Any], load: Load) -> bool:
    """Whether what they have shows that they took this: its rows where they list them, its state, its dates."""
    listed = next((v for k, v in found.items() if k in {"DanhSachTienDo", "TienDo"} and isinstance(v, list)), None)
    if load.sends_dossier and load.dossier is not None:
        told = {name: load.dossier.get(name) for name in COMPARED if name != "TrangThaiHoSo" and name in found}
        if any((found[name] or None) != value for name, value in told.items()):
            return False
    if load.rows and listed is not None:
        there = {(str(r.get("ThoiDiemXuLy")), str(r.get("TrangThai"))) for r in listed if isinstance(r, Mapping)}
        return all((row["ThoiDiemXuLy"], str(row["TrangThai"])) in there for row in load.rows)
    said = found.get("TrangThaiHoSo", found.get("TrangThai"))
    return said is not None and str(said) == load.trang_thai


# The far side


class _Sessions:
    """Sessions of one worker, one for each account; kept until the party says that one is over."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], str] = {}
        self.locks: dict[tuple[str, str], asyncio.Lock] = {}


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Sessions] = WeakKeyDictionary()


class Portal:
    """The party's services for one try."""

    def __init__(self, parcel: Parcel, settings: Qcvn120Settings, http: Http) -> None:
        self.settings = settings
        self._parcel = parcel
        self._http = http
        self._calls = 0
        self._sessions = _of_loop.setdefault(asyncio.get_running_loop(), _Sessions())

    async def call(self, service: str, data: object, more: Mapping[str, str]) -> tuple[str, Reply]:
        """One call under a session; a session that is over is replaced once. Gives the code, whatever it is."""
        for again in (False, True):
            session = await self._session()
            self._calls += 1
            fields = {"session": session, "madonvi": self.settings.madonvi, "service": service, **more, "data": data}
            key = f"{self._parcel.id}.{self._calls}"
            reply = await self._http.post(self.settings.url, json=fields, key=key)
            code = self._code_of(reply)
            if code in self.settings.codes.expired and not again:
                self._sessions.open.pop(self._account, None)
                continue
            return code, reply
        raise AssertionError  # the second time round returns

    async def look_up(self, ma_ho_so: str) -> Mapping[str, Any] | None:
        """The dossier as they have it; None when they do not. Raises Unreachable when they cannot say."""
        try:
            code, reply = await self._asked(ma_ho_so)
        except (Uncertain, Refused) as error:
            raise Unreachable(error.problem, answer=error.answer) from error
        if code in self.settings.codes.missing:
            return None
        if code not in self.settings.codes.delivered:
            raise Unreachable(Problem("DLV-041", {"why": receipts.shown(code)}), answer=reply.body)
        found = answer_at(self.read(reply), self.settings.data_field)
        if found == []:
            return None
        rows = found if isinstance(found, list) else [found]
        if not all(isinstance(row, Mapping) and row for row in rows):
            # Taken, they say, and what they have is not where it was agreed to be: that is no "not there".
            problem = Problem("DLV-023", {"what": receipts.shown(self.settings.data_field)})
            raise Unreachable(problem, answer=reply.body)
        mine = (row for row in rows if str(row.get("MaHoSo", ma_ho_so)) == ma_ho_so)
        own: Mapping[str, Any] | None = next(mine, None)
        if own is None:  # they tell of another dossier: nothing follows for this one
            raise Unreachable(Problem("DLV-023", {"what": "MaHoSo"}), answer=reply.body)
        return own

    async def _asked(self, ma_ho_so: str) -> tuple[str, Reply]:
        """The code and the answer to a look-up; after one more log-in, where the session has ended."""
        for again in (False, True):
            fields = {
                "session": await self._session(),
                "madonvi": self.settings.madonvi,
                "service": self.settings.tra_cuu or "",
                "mahoso": ma_ho_so,
            }
            reply = await self._http.post(self.settings.url, json=fields)
            code = self._code_of(reply)
            if again or code not in self.settings.codes.expired:
                return code, reply
            self._sessions.open.pop(self._account, None)
        raise AssertionError  # the second time round returns

    def settle(self, code: str, reply: Reply) -> None:
        """Return when the code says "taken"; otherwise raise what it says."""
        codes = self.settings.codes
        if code in codes.delivered:
            return
        if code in codes.passing or code in codes.expired:
            raise Unreachable(Problem("DLV-010", {"code": receipts.shown(code)}), answer=reply.body)
        raise Refused(Problem("DLV-033", {"code": receipts.shown(code)}), answer=reply.body)

    @property
    def _account(self) -> tuple[str, str]:
        return (self.settings.login_url or self.settings.url, self.settings.username)

    async def _session(self) -> str:
        """The session, after logging in where there is none. Raises Unreachable: of the message nothing has left."""
        async with self._sessions.locks.setdefault(self._account, asyncio.Lock()):
            if self._account not in self._sessions.open:
                self._sessions.open[self._account] = await self._log_in()
            return self._sessions.open[self._account]

    async def renew(self) -> None:
        """Log in anew, whatever session there is. Raises Unreachable where there is none to be had."""
        self._sessions.open[self._account] = await self._log_in()

    async def _log_in(self) -> str:
        try:
            fields = {"username": self.settings.username, "password": connector_secret(self.settings.password)}
            reply = await self._http.post(self._account[0], json=fields)
            said = self.read(reply)
        except Stopped as stop:
            raise Unreachable(stop.problems[0]) from stop
        except (Uncertain, Refused) as error:
            raise Unreachable(Problem("DLV-009", {"why": error.problem.code})) from error
        session = said.get(self.settings.session_field) if isinstance(said, Mapping) else None
        if not isinstance(session, str) or not session:
            code = _code(said, self.settings) or self.settings.session_field
            # The answer itself is not kept: it may hold a secret.
            raise Unreachable(Problem("DLV-009", {"why": receipts.shown(code)}))
        return session

    def read(self, reply: Reply) -> Any:
        """The answer as data. Raises Uncertain where it is none."""
        return read_answer(reply, Reads.JSON)

    def _code_of(self, reply: Reply) -> str:
        code = _code(self.read(reply), self.settings)
        if code is None:
            what = receipts.shown(self.settings.code_field)
            raise Uncertain(Problem("DLV-023", {"what": what}), answer=reply.body)
        return code


def _code(row: object, settings: Qcvn120Settings) -> str | None:
    value = row.get(settings.code_field) if isinstance(row, Mapping) else None
    return str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else None


# Our side


def load_of(parcel: Parcel) -> Load:
    """What the party is told by this delivery. Raises Refused (DLV-034) where it cannot be put into its form.

    Of an event of a dossier: the dossier as it stands after it. A message by itself (one that is tried out, or that is no
    event of a dossier) is told as far as it goes; many have no word here, and come to nothing.
    """
    out = Outward(parcel.party)
    try:
        if parcel.record is not None:
            return packets_told(record_of(parcel.record), parcel, out)
        return _still_owed(_load(documents.parse_bytes(parcel.body, CEILING), out), parcel)
    except Stopped as stop:
        problem = stop.problems[0]
        at = problem.at.xpath if problem.at is not None and problem.at.xpath else parcel.delivery.loai
        raise Refused(Problem("DLV-034", {"field": at, "why": problem.code})) from stop
    except ValueError as error:  # a date form that no check has seen, or a moment that has no place in one
        raise Refused(Problem("DLV-034", {"field": "formats", "why": receipts.shown(str(error))})) from error


def _still_owed(load: Load, parcel: Parcel) -> Load:
    """Of a message by itself, what earlier tries did not bring over."""
    told = parcel.told
    if told is None:
        return load
    owed = [n for n, digest in enumerate(load.digests) if told.owes(digest, parcel.id)]
    return replace(
        load,
        changed=load.digest is not None and told.owes(load.digest, parcel.id),
        rows=tuple(load.rows[n] for n in owed),
        digests=tuple(load.digests[n] for n in owed),
        known=bool(told.taken or told.rows),
    )


def packets_told(record: HoSoRecord, parcel: Parcel, out: Outward) -> Load:
    """The dialect: our record of a dossier as the packets that the party is owed by this delivery."""
    told, delivery = parcel.told or Told(party=parcel.party.id, ma_ho_so=MaHoSo(parcel.delivery.lane)), parcel.delivery
    notes = [Problem("XSD-406", {"element": name, "found": found, "most": most}) for name, found, most in record.cut]
    digests = [packet_digest(row) for row in record.rows]
    newest = max((n for n, digest in enumerate(digests) if digest in told.rows), default=-1)
    owed = [n for n, digest in enumerate(digests) if told.owes(digest, delivery.id)]
    lost = tuple(name for name in record.lost if name not in told.remarked)
    if lost:
        notes.insert(0, Problem("XSD-404", {"element": list(lost), "packet": "DongBoHoSoMC"}))
    digest = packet_digest(record.whole) if record.whole is not None else None
    ends = record.whole is None or not digests or record.rows[-1]["TrangThai"] == record.whole["TrangThaiHoSo"]
    return Load(
        dossier=out.row(record.whole, MOMENTS, notes) if record.whole is not None else None,
        changed=digest is not None and told.owes(digest, delivery.id),
        rows=tuple(out.row(record.rows[n], MOMENTS, notes) for n in owed),
        late=sum(n < newest for n in owed) if ends else len(owed),
        notes=tuple(notes),
        known=bool(told.taken or told.rows) or parcel.party.id in record.known_to,
        digest=digest,
        digests=tuple(digests[n] for n in owed),
        facts=compared(record.whole) if record.whole is not None else {},
        change=parcel.record.number if parcel.record is not None else 0,
        remarked=lost,
    )


def _load(root: etree._Element, out: Outward) -> Load:
    than_phan = root.find(names.THAN_PHAN)
    payload = than_phan[0] if than_phan is not None and len(than_phan) else root
    goc = names.local(payload.tag)
    notes: list[Problem] = []
    if goc in {"NopHoSo", "CapNhatTienDo"}:
        packet = packets.packet_of(root)
        notes += _lost(packet.notes)
        row = out.row(packet.fields, MOMENTS, notes)
        digest = packet_digest(packet.fields)
        if goc == "NopHoSo":
            return Load(dossier=row, notes=tuple(notes), digest=digest, facts=compared(packet.fields))
        return Load(rows=(row,), notes=tuple(notes), digests=(digest,))
    kind = _catalog().kind_of(root)
    problems: list[Problem] = []
    content = _catalog().reader(kind).read(Fields(payload, problems, names.HO_SO))
    if goc == "TraLoiTraCuu":
        rows = _rows_of_answer(Fields(payload, problems, names.HO_SO), _sender(root), out, notes)
    else:
        rows = _rows_of_moves(payload, content, _sender(root), out, notes)
    if problems:
        raise Stopped(*problems)
    if rows and goc != "TraLoiTraCuu" and (left := _left_out(payload, rows, out)):
        notes.insert(0, Problem("XSD-404", {"element": left, "packet": "CapNhatTienDoHoSoMC"}))
    return Load(rows=tuple(rows), notes=tuple(notes), digests=tuple(packet_digest(row) for row in rows))


def _rows_of_answer(answer: Fields, sender: str, out: Outward, notes: list[Problem]) -> list[dict[str, Any]]:
    """Progress as an answer to a query lists it, of every dossier."""
    return [
        _row(
            out,
            notes,
            ma_ho_so=str(dossier.ma_ho_so()),
            actor=sender,
            when=step.instant("ThoiDiemXuLy"),
            trang_thai=step.state("TrangThai"),
            phong_ban=step.text_or_none("PhongBanXuLy"),
            why=step.text_or_none("NoiDungXuLy"),
        )
        for dossier in answer.rows("DanhSachHoSoTraCuu", "HoSoTraCuu")
        for step in dossier.rows("DanhSachTienDo", "TienDo")
    ]


def _rows_of_moves(
    payload: etree._Element, content: Content, sender: str, out: Outward, notes: list[Problem]
) -> list[dict[str, Any]]:
    """Progress as the moves of one event tell it."""
    why = next((payload.findtext(names.hs(n)) for n in _WHY if payload.find(names.hs(n)) is not None), None)
    return [
        _row(
            out,
            notes,
            ma_ho_so=str(content.ma_ho_so),
            actor=move.nguoi_xu_ly or sender,
            when=move.at or content.occurred_at,
            trang_thai=move.to,
            phong_ban=move.phong_ban,
            why=why,
        )
        for move in content.effects
        if isinstance(move, Moves) and move.to is not None  # back to where it was: only the record knows where
    ]


def _left_out(payload: etree._Element, rows: Sequence[Mapping[str, Any]], out: Outward) -> list[str]:
    """The elements of a message of which no row of progress says anything."""
    carried = {str(value) for row in rows for value in row.values()}
    left: list[str] = []
    for child in payload:
        text = (child.text or "").strip()
        moment = packets.moment_of(text) if text else None
        shown = text if moment is None else out.moment("ThoiDiemXuLy", moment, WIRE)
        if len(child) or (text and shown not in carried):
            left.append(names.local(child.tag))
    return list(dict.fromkeys(left))


def _lost(notes: Iterable[Problem]) -> list[Problem]:
    """What the packet cannot carry, told once with all its elements: one try of a delivery records one remark."""
    found = list(notes)
    lost = [note for note in found if note.code == "XSD-404"]
    others = [note for note in found if note.code != "XSD-404"]
    if not lost:
        return others
    elements = list(dict.fromkeys(str(note.facts["element"]) for note in lost))
    return [Problem("XSD-404", {**lost[0].facts, "element": elements}, lost[0].at), *others]


def _row(
    out: Outward,
    notes: list[Problem],
    *,
    ma_ho_so: str,
    actor: str,
    when: datetime | None,
    trang_thai: int | None,
    phong_ban: str | None,
    why: str | None,
) -> dict[str, Any]:
    """A step of a dossier as a row of progress. Nothing is made up: what is not known is refused."""
    if trang_thai is None or when is None:
        raise Refused(Problem("DLV-034", {"field": "TrangThai" if trang_thai is None else "ThoiDiemXuLy", "why": "–"}))
    if len(actor) > NGUOI_XU_LY:
        notes.append(Problem("XSD-406", {"element": "NguoiXuLy", "found": len(actor), "most": NGUOI_XU_LY}))
    fields = {
        "MaHoSo": ma_ho_so,
        "NguoiXuLy": actor[:NGUOI_XU_LY],
        "ThoiDiemXuLy": out.moment("ThoiDiemXuLy", when, WIRE),
        "PhongBanXuLy": phong_ban,
        "NoiDungXuLy": why,
        "TrangThai": str(trang_thai),
    }
    return out.row({k: v for k, v in fields.items() if v}, frozenset(), notes)


def _sender(root: etree._Element) -> str:
    """Who acts, where no person is named: the agency that says so."""
    noi_gui = root.find(names.pb("NoiGui"))
    found = [noi_gui.findtext(names.pb(n)) for n in ("TenCoQuan", "MaDinhDanh")] if noi_gui is not None else []
    return next((text.strip() for text in found if text and text.strip()), "")


_WHY = ("LyDo", "NoiDungBoSung", "NoiDungXuLy", "NoiDungThanhToan")


@cache
def _catalog() -> Catalog:
    return bundled()
