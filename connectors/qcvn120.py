"""For a party of the national portal's kind (QCVN 120:2019): log in, then packets of JSON under a session.

A dossier goes as DongBoHoSoMC, created or updated as *we* know it to be: what the party took before is remembered with
each delivery, and looked up where the party lets us, so that no text of an error decides. Whatever moves a dossier goes
as rows of CapNhatTienDoHoSoMC, in chunks, and each row has an outcome of its own: what was taken is not sent again.
Which codes mean what is the profile's to say.
"""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from lxml import etree

from connectors import probing, receipts
from connectors.base import connector
from connectors.dialect import Outward
from connectors.http import Http, Reply, ShownRequest
from connectors.outcomes import Answered, NotThere, Parcel, ProbeStep, Receipt, Refused, Uncertain, Unreachable
from connectors.reading import Reads, answer_at, read_answer
from connectors.table import SECRET, Secret, connector_secret
from gateway import documents
from gateway.core.date_forms import WIRE
from gateway.core.effects import Moves
from gateway.core.model import Content
from gateway.core.parties import Party
from gateway.core.problems import Problem, Stopped
from gateway.core.written import setting
from schemas import names
from schemas import qcvn120 as packets
from schemas.catalog import Catalog, bundled
from schemas.fields import Fields

NGUOI_XU_LY = 50  # characters; QCVN 120, Table 3
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
    madonvi: str = setting(vi="Mã đơn vị của ta ở bên nhận.", en="Our unit's code at the party.")
    dong_bo: str = setting("DongBoHoSoMC", vi="Tên dịch vụ đồng bộ hồ sơ.", en="The service for dossiers.")
    tien_do: str = setting("CapNhatTienDoHoSoMC", vi="Tên dịch vụ cập nhật tiến độ.", en="The service for progress.")
    tra_cuu: str | None = setting(
        None,
        vi="Tên dịch vụ tra cứu (TraCuuHoSo); có thì trục hỏi trước khi tạo mới và khi chưa rõ kết quả.",
        en="The service for look-up (TraCuuHoSo); with it the gateway asks before creating and in doubt.",
    )
    look_first: bool = setting(
        True,
        vi="Khi chưa nhớ gì về hồ sơ: tra cứu trước khi tạo (cần tra_cuu).",
        en="Where nothing is remembered of a dossier: look it up before creating it (needs tra_cuu).",
    )
    chunk: int = setting(
        10, at_least=1, at_most=1000, vi="Số dòng tiến độ mỗi lần gửi.", en="Progress rows in one call."
    )
    codes: ResultCodes = setting(ResultCodes(), vi="Ý nghĩa các mã kết quả.", en="What result codes mean.")
    session_field: str = setting("session", vi="Trường mang phiên.", en="The field with the session.")
    code_field: str = setting("error_code", vi="Trường mang mã kết quả.", en="The field with the result code.")
    data_field: str = setting("data", vi="Trường mang dữ liệu.", en="The field with the data.")


qcvn120 = connector("qcvn120", Qcvn120Settings, remembers=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What the party is known to have. It stands in the reference of each try: ``ho-so=1 tien-do=3 trang-thai=4``."""

    ho_so: bool = False  # it has the dossier
    tien_do: int = 0  # progress rows that it took, over all deliveries
    trang_thai: str | None = None  # the last state that we gave it, in its own code
    done: int = 0  # of this delivery: rows that were answered
    refused: frozenset[int] = frozenset()  # of those, the ones that were not taken; counted from 1

    @classmethod
    def read(cls, reference: str | None) -> Remote:
        """From a reference; what is not in it is not known."""
        found = dict(re.findall(r"(ho-so|tien-do|trang-thai|dong|tu-choi)=(\S+)", reference or ""))
        return cls(
            ho_so=found.get("ho-so") == "1",
            tien_do=_whole(found.get("tien-do")),
            trang_thai=found.get("trang-thai"),
            done=_whole(found.get("dong")),
            refused=frozenset(_whole(n) for n in found.get("tu-choi", "").split(",") if n),
        )

    def __str__(self) -> str:
        parts = [f"ho-so={int(self.ho_so)}", f"tien-do={self.tien_do}"]
        parts += [f"trang-thai={self.trang_thai}"] if self.trang_thai else []
        parts += [f"dong={self.done}"] if self.done else []
        parts += ["tu-choi=" + ",".join(map(str, sorted(self.refused)))] if self.refused else []
        return " ".join(parts)


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A message as the party reads it."""

    dossier: Mapping[str, Any] | None = None  # one DongBoHoSoMC
    rows: tuple[Mapping[str, Any], ...] = ()  # or rows of CapNhatTienDoHoSoMC
    notes: tuple[Problem, ...] = ()  # what was cut

    @property
    def trang_thai(self) -> str:
        """The state that it leaves the dossier in; of several dossiers, the last one."""
        return str(self.dossier["TrangThaiHoSo"] if self.dossier is not None else self.rows[-1]["TrangThai"])

    def by_dossier(self) -> Mapping[str, Load]:
        """What it says of each dossier."""
        if self.dossier is not None:
            return {str(self.dossier["MaHoSo"]): self}
        codes = dict.fromkeys(str(row["MaHoSo"]) for row in self.rows)
        return {code: Load(rows=tuple(row for row in self.rows if row["MaHoSo"] == code)) for code in codes}


@qcvn120.send
async def send(parcel: Parcel, settings: Qcvn120Settings, http: Http) -> Receipt:
    """Bring the dossier, or its news, over; what an earlier try brought is left out."""
    load = await asyncio.to_thread(load_of, parcel)
    remote = Remote.read(parcel.before.reference if parcel.before else None)
    portal = Portal(parcel, settings, http)
    if load.dossier is not None:
        return await _dossier(load, load.dossier, remote, portal)
    tried = [Remote.read(a.reference) for a in parcel.attempts if a.reference]
    return await _progress(load, tried[-1] if tried else remote, portal)


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
    remote = Remote.read(parcel.before.reference if parcel.before else None)
    portal = Portal(parcel, settings, http)
    for ma_ho_so, part in load.by_dossier().items():
        found = await portal.look_up(ma_ho_so)
        if found is None or not _agrees(found, part):
            return NotThere()
    taken = replace(remote, ho_so=True, tien_do=remote.tien_do + len(load.rows), trang_thai=load.trang_thai)
    return Receipt(reference=str(taken))


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


async def _dossier(load: Load, dossier: Mapping[str, Any], remote: Remote, portal: Portal) -> Receipt:
    """Create or update."""
    codes, there = portal.settings.codes, remote.ho_so
    if not there and portal.settings.look_first and portal.settings.tra_cuu is not None:
        there = await portal.look_up(str(dossier["MaHoSo"])) is not None
    for again in (False, True):
        updating = {"isUpdating": "True" if there else "False"}
        code, reply = await portal.call(portal.settings.dong_bo, [dossier], updating)
        if not again and code in (codes.missing if there else codes.exists):
            there = not there  # we were wrong about them; the code says so, and only once
            continue
        portal.settle(code, reply)
        taken = replace(remote, ho_so=True, trang_thai=load.trang_thai, done=0, refused=frozenset())
        return Receipt(reference=str(taken), body=reply.body, notes=load.notes)
    raise AssertionError  # the second time round either settles or raises


async def _progress(load: Load, remote: Remote, portal: Portal) -> Receipt:
    """Row by row, in chunks, and never a row twice that was taken."""
    todo = [n for n in range(1, len(load.rows) + 1) if n > remote.done or n in remote.refused]
    codes: dict[int, str] = {}  # of the rows that were not taken
    first, body = remote.done == 0 and not remote.refused, b""
    refused = set(remote.refused)
    for start in range(0, len(todo), portal.settings.chunk):
        numbers = todo[start : start + portal.settings.chunk]
        try:
            answers, body = await _chunk([load.rows[n - 1] for n in numbers], portal)
        except Answered as answer:
            raise _so_far(answer, remote, first=first) from answer
        first = False
        for number, code in zip(numbers, answers, strict=True):
            if code in portal.settings.codes.delivered:
                refused.discard(number)
            else:
                refused.add(number)
                codes[number] = code
        taken = sum(code in portal.settings.codes.delivered for code in answers)
        remote = replace(
            remote,
            done=max(remote.done, *numbers),
            refused=frozenset(refused),
            tien_do=remote.tien_do + taken,
            ho_so=remote.ho_so or taken > 0,
        )
    if refused:
        said = [receipts.shown(c) for c in dict.fromkeys(codes.values())]
        if set(codes.values()) <= set(portal.settings.codes.passing):
            raise Uncertain(Problem("DLV-010", {"code": said}), answer=body, reference=str(remote))
        facts = {"count": len(refused), "rows": sorted(refused), "codes": said}
        raise Refused(Problem("DLV-036", facts), answer=body, reference=str(remote))
    done = replace(remote, trang_thai=load.trang_thai, done=0, refused=frozenset())
    return Receipt(reference=str(done), body=body or None, notes=load.notes)


async def _chunk(rows: Sequence[Mapping[str, Any]], portal: Portal) -> tuple[list[str], bytes]:
    """Each row's code. Where the answer names none for the rows, its own code is everybody's."""
    settings = portal.settings
    code, reply = await portal.call(settings.tien_do, rows, {})
    said = answer_at(portal.read(reply), settings.data_field)
    if isinstance(said, list) and len(said) == len(rows) and all(_code(row, settings) for row in said):
        return [str(_code(row, settings)) for row in said], reply.body
    portal.settle(code, reply)  # no word on each row: all of them taken, or none
    return [code] * len(rows), reply.body


def _so_far(answer: Answered, remote: Remote, *, first: bool) -> Answered:
    """An outcome of one chunk, with what is known of the chunks before. Half a message is not "certainly not taken"."""
    kind = type(answer) if first or not isinstance(answer, Unreachable) else Uncertain
    reference = None if first else str(remote)
    return kind(answer.problem, answer=answer.answer, retry_after_s=answer.retry_after_s, reference=reference)


def _agrees(found: Mapping[str, Any], load: Load) -> bool:
    """Whether what they have shows that they took this. Rows are compared where they list them, else the state."""
    listed = next((v for k, v in found.items() if k in {"DanhSachTienDo", "TienDo"} and isinstance(v, list)), None)
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
    """The message in the party's words. Raises Refused (DLV-034) when it has none for it."""
    try:
        root = documents.parse_bytes(parcel.body)
        return _load(root, Outward(parcel.party))
    except Stopped as stop:
        problem = stop.problems[0]
        at = problem.at.xpath if problem.at is not None and problem.at.xpath else parcel.delivery.loai
        raise Refused(Problem("DLV-034", {"field": at, "why": problem.code})) from stop
    except ValueError as error:  # a date form that no check has seen, or a moment that has no place in one
        raise Refused(Problem("DLV-034", {"field": "formats", "why": receipts.shown(str(error))})) from error


def _load(root: etree._Element, out: Outward) -> Load:
    than_phan = root.find(names.THAN_PHAN)
    payload = than_phan[0] if than_phan is not None and len(than_phan) else root
    goc = names.local(payload.tag)
    notes: list[Problem] = []
    if goc in {"NopHoSo", "CapNhatTienDo"}:
        packet = packets.packet_of(root)
        notes += _lost(packet.notes)
        row = out.row(packet.fields, MOMENTS, notes)
        if goc == "NopHoSo":
            return Load(dossier=row, notes=tuple(notes))
        return Load(rows=(row,), notes=tuple(notes))
    kind = _catalog().kind_of(root)
    problems: list[Problem] = []
    content = _catalog().reader(kind).read(Fields(payload, problems, names.HO_SO))
    if goc == "TraLoiTraCuu":
        rows = _rows_of_answer(Fields(payload, problems, names.HO_SO), _sender(root), out, notes)
    else:
        rows = _rows_of_moves(payload, content, _sender(root), out, notes)
    if problems:
        raise Stopped(*problems)
    if not rows:
        raise Refused(Problem("DLV-034", {"field": goc, "why": "QCVN 120"}))
    if goc != "TraLoiTraCuu" and (left := _left_out(payload, rows, out)):
        notes.insert(0, Problem("XSD-404", {"element": left, "packet": "CapNhatTienDoHoSoMC"}))
    return Load(rows=tuple(rows), notes=tuple(notes))


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
        if isinstance(move, Moves)
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
