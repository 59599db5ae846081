"""The conformance kit: named cases that play the gateway's side against an integrator's endpoint.

Each case sends what the gateway may send in earnest, good and bad, by the same connector that delivers in earnest, and
says whether the answer lets the gateway keep its promise. Nothing here changes a gateway's records.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from connectors.base import Configured, Connector
from connectors.http import HttpLine
from connectors.outcomes import Answered, NothingToTell, Parcel, Receipt, Refused, Uncertain
from connectors.receipts import in_xml
from connectors.rest import headers as rest_headers
from connectors.table import connector_secret
from gateway.core.limits import CEILING
from gateway.core.model import Address, Delivery, DeliveryId, MaThongDiep, MessageId
from gateway.core.parties import Party, Role
from gateway.core.problems import Lang, Stopped
from gateway.documents import Claims, header_claims, parse_bytes
from schemas.catalog import Catalog
from schemas.fresh import Size, fresh
from schemas.write import Tep
from signing.sign import SigningKey, sign

SLOW_S = 5.0  # how long the body of a slow request takes
BURST = 10
HUGE_BYTES = 2 * 2**20
QUICK_S = 30.0
ANSWER_SHOWN = 2000  # of an answer, bytes


class Mark(StrEnum):
    """What a case came to."""

    PASSED = "passed"
    WARNED = "warned"  # it works; somebody will be sorry some day
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class TrialExchange:
    """One thing that was sent, and what came back."""

    at: datetime
    what: str  # what was sent, or asked for
    sent_bytes: int
    sent_sha256: str
    came: str  # taken, refused, unreachable, uncertain; or a status of HTTP
    seen: str  # in the other side's own codes
    answer: str = ""  # the beginning of what was answered, as text
    answer_bytes: int = 0
    took_ms: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One case, and what was seen."""

    case: str
    mark: Mark
    vi: str
    en: str
    took_ms: int = 0
    seen: str = ""  # what the other side did, in its own codes
    exchanges: tuple[TrialExchange, ...] = ()


class TrialReading(StrEnum):
    """What the gateway would have made of an answer."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """One delivery, as the gateway would settle it."""

    came: TrialReading
    answer: bytes | None
    seen: str
    took_s: float


@dataclass
class TrialBench:
    """Who is tried, by whom, and how they are reached."""

    party: Party
    connector: Connector[Any]
    configured: Configured[Any]
    sender: Address
    key: SigningKey
    stranger: SigningKey  # a key that the other side does not know
    catalog: Catalog
    line: HttpLine
    ma_ho_so: str | None = None  # a dossier they know; needed where they are a portal
    took: list[float] = field(default_factory=list)
    exchanges: list[TrialExchange] = field(default_factory=list)  # of the case that is run
    number: int = 0

    @property
    def you(self) -> Address:
        """The integrator."""
        return Address(ma_dinh_danh=self.party.identifiers[0], ten_co_quan=self.party.name)

    @property
    def is_portal(self) -> bool:
        """Whether they receive what a portal receives."""
        return self.party.role is Role.PORTAL

    @property
    def url(self) -> str | None:
        """Their address, where they speak our REST; some cases need the bare wire."""
        return getattr(self.configured.settings, "url", None) if self.connector.name == "rest" else None

    def code(self) -> str:
        """A dossier: the one they know, or a new one of theirs."""
        if self.ma_ho_so is not None:
            return self.ma_ho_so
        self.number += 1
        local = datetime.now(UTC) + timedelta(hours=7)
        seconds = local.hour * 3600 + local.minute * 60 + local.second
        return f"{self.you.ma_dinh_danh}-{local:%y%m%d}-{seconds * 10 + self.number % 10:06d}"

    def unsigned(self, *, at: datetime | None = None, loai: str | None = None, **more: Any) -> bytes:
        """A fresh message of the kind that they receive."""
        moment = at or datetime.now(UTC)
        kind = loai or ("HS05" if self.is_portal else "HS01")
        values: dict[str, Any] = {"TrangThaiHoSo": "1"} if kind == "HS01" else {}
        values |= {"TrangThai": "4", "ThoiDiemXuLy": moment} if kind == "HS05" else {}
        values |= more.pop("values", {})
        return fresh(
            kind,
            ma_ho_so=more.pop("ma_ho_so", None) or self.code(),
            seed=uuid.uuid4().int % 2**31,
            at=moment,
            size=more.pop("size", Size.SMALL),
            noi_gui=self.sender,
            noi_nhan=(self.you,),
            values=values,
            catalog=self.catalog,
        )

    def message(self, **more: Any) -> bytes:
        """The same, signed."""
        at = more.get("at") or datetime.now(UTC)
        return sign(self.unsigned(**more), self.key, at=at)

    def parcel(self, body: bytes) -> Parcel:
        """The message as a delivery of the gateway."""
        digest = hashlib.sha256(body).hexdigest()
        claims = Claims()
        with suppress(Stopped):
            claims = header_claims(parse_bytes(body, CEILING))
        delivery = Delivery(
            id=DeliveryId(f"kiem-{digest[:16]}.{self.party.id}"),
            message=MessageId(f"kiem-{digest[:16]}"),
            ma_thong_diep=MaThongDiep(claims.ma_thong_diep or str(uuid.UUID(digest[:32]))),
            loai=claims.loai or "HS01",
            party=self.party.id,
            lane=claims.ma_ho_so or "–",
            digest=digest,
        )
        return Parcel(delivery=delivery, body=body, party=self.party)

    async def deliver(self, body: bytes) -> TrialOutcome:
        """Deliver once, as the gateway would."""
        parcel = self.parcel(body)
        at, began = datetime.now(UTC), time.monotonic()
        try:
            receipt = await self.connector.deliver(
                parcel, self.configured.settings, self.line.http(self.configured.common)
            )
            if isinstance(receipt, NothingToTell):
                came, answer, seen = TrialReading.TAKEN, None, "–"
            else:
                came, answer, seen = TrialReading.TAKEN, receipt.body, _said(receipt)
        except Answered as answered:
            came = (
                TrialReading.REFUSED
                if isinstance(answered, Refused)
                else TrialReading.UNCERTAIN
                if isinstance(answered, Uncertain)
                else TrialReading.UNREACHABLE
            )
            answer = answered.answer
            seen = " ".join([answered.problem.code, " / ".join(answered.problem.message(lang) for lang in Lang)])
        took = time.monotonic() - began
        self.took.append(took)
        self._note(parcel, at, took, str(came), seen, answer or b"")
        return TrialOutcome(came, answer, seen, took)

    def _note(self, parcel: Parcel, at: datetime, took_s: float, came: str, seen: str, answer: bytes) -> None:
        about = parcel.delivery
        exchange = TrialExchange(
            at=at,
            what=f"{about.loai} {about.ma_thong_diep} {about.lane}",
            sent_bytes=len(parcel.body),
            sent_sha256=about.digest,
            came=came,
            seen=seen,
            answer=answer[:ANSWER_SHOWN].decode("utf-8", "replace"),
            answer_bytes=len(answer),
            took_ms=round(took_s * 1000),
        )
        self.exchanges.append(exchange)

    async def raw(
        self, body: bytes, *, trickle_s: float = 0.0, hang_up: bool = False, bare: bool = False
    ) -> int | None:
        """POST on the bare wire: slowly, or hanging up before the answer, or without credentials. The status; None if none."""
        if self.url is None:
            return None
        parcel = self.parcel(body)
        at, began = datetime.now(UTC), time.monotonic()
        way = f"nội dung gửi trong {trickle_s:g} s / body within {trickle_s:g} s"
        way = "ngắt kết nối trước khi có trả lời / hung up before the answer" if hang_up else way
        way = "không có mã truy cập / no credentials" if bare else way
        status, answer = None, b""
        try:
            status, answer = await self._posted(parcel, trickle_s, hang_up=hang_up, bare=bare)
        finally:
            came = f"HTTP {status}" if status is not None else "no answer read" if hang_up else "no answer"
            self._note(parcel, at, time.monotonic() - began, came, way, answer)
        return status

    async def _posted(self, parcel: Parcel, trickle_s: float, *, hang_up: bool, bare: bool) -> tuple[int | None, bytes]:
        where = urlsplit(self.url or "")
        secure = where.scheme == "https"
        port = where.port or (443 if secure else 80)
        context = ssl.create_default_context(cafile=self.configured.common.ca) if secure else None
        reader, writer = await asyncio.open_connection(where.hostname, port, ssl=context)
        try:
            path = (where.path or "/") + (f"?{where.query}" if where.query else "")
            headers = {
                "Host": where.netloc,
                "Content-Type": "application/xml",
                "Connection": "close",
                **rest_headers(parcel),
                "Idempotency-Key": parcel.id,
                "Content-Length": str(len(parcel.body)),
            }
            if self.configured.common.authorization is not None and not bare:
                headers["Authorization"] = connector_secret(self.configured.common.authorization)
            head = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            writer.write("\r\n".join(head).encode())
            pieces = 10 if trickle_s else 1
            size = -(-len(parcel.body) // pieces)
            for start in range(0, len(parcel.body), size):
                writer.write(parcel.body[start : start + size])
                await writer.drain()
                await asyncio.sleep(trickle_s / pieces)
            if hang_up:
                await asyncio.sleep(0.3)
                return None, b""
            line = await asyncio.wait_for(reader.readline(), QUICK_S)
            found = re.match(rb"HTTP/1\.[01] (\d{3})", line)
            if found is None:
                return None, line
            rest = await asyncio.wait_for(reader.read(ANSWER_SHOWN), QUICK_S)
            return int(found[1]), rest.partition(b"\r\n\r\n")[2]
        finally:
            writer.close()
            with suppress(OSError, ssl.SSLError):
                await writer.wait_closed()


def _said(receipt: Receipt) -> str:
    """What a receipt says, in one line."""
    body = receipt.body or b""
    if body.lstrip()[:1] == b"<":
        with suppress(Stopped):
            if (found := in_xml(parse_bytes(body, CEILING))) is not None:
                return " ".join(filter(None, ("BienNhan", found.ket_qua, found.so_tiep_nhan)))
    return receipt.reference or (f"2xx, {len(body)} byte" if body else "2xx")


Verdict = tuple[Mark, str, str, str]  # mark, Vietnamese, English, what was seen
Run = Callable[[TrialBench], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Case:
    """One named case."""

    name: str
    vi: str  # what must happen
    en: str
    run: Run


CASES: list[Case] = []


def case(name: str, vi: str, en: str) -> Callable[[Run], Run]:
    """Decorator: a case of the kit, in the order in which they are run."""

    def enter(run: Run) -> Run:
        CASES.append(Case(name, vi, en, run))
        return run

    return enter


async def run_all(
    bench: TrialBench, names: Sequence[str] = (), told: Callable[[Result], None] | None = None
) -> list[Result]:
    """Every case, or those named, one after the other. A case that breaks is a case that failed."""
    results: list[Result] = []
    for one in CASES:
        if names and one.name not in names:
            continue
        began = time.monotonic()
        bench.exchanges.clear()
        try:
            mark, vi, en, seen = await one.run(bench)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            mark, vi, en, seen = Mark.FAILED, "kết nối bị ngắt", "the connection broke", type(error).__name__
        result = Result(one.name, mark, vi, en, round((time.monotonic() - began) * 1000), seen, (*bench.exchanges,))
        results.append(result)
        if told is not None:
            told(result)
    return results


def _taken(outcome: TrialOutcome, vi: str = "đã nhận", en: str = "taken") -> Verdict:
    if outcome.came is TrialReading.TAKEN:
        return Mark.PASSED, vi, en, outcome.seen
    return Mark.FAILED, "kết quả đúng là nhận", "should have been taken", f"{outcome.came}: {outcome.seen}"


def _refused(outcome: TrialOutcome) -> Verdict:
    if outcome.came is TrialReading.REFUSED:
        return Mark.PASSED, "đã từ chối", "refused", outcome.seen
    vi = "kết quả đúng là từ chối (4xx, hoặc BienNhan TU_CHOI)"
    return (
        Mark.FAILED,
        vi,
        "should have been refused for good (4xx, or BienNhan TU_CHOI)",
        f"{outcome.came}: {outcome.seen}",
    )


@case("good", "thông điệp đúng: nhận", "a good message is taken")
async def _good(bench: TrialBench) -> Verdict:
    return _taken(await bench.deliver(bench.message()))


@case(
    "receipt",
    "trả lời là BienNhan nêu đúng MaThongDiep và băm",
    "the answer is a BienNhan that names the right id and digest",
)
async def _receipt(bench: TrialBench) -> Verdict:
    body = bench.message()
    outcome = await bench.deliver(body)
    if outcome.came is not TrialReading.TAKEN:
        return _taken(outcome)
    found = None
    if outcome.answer and outcome.answer.lstrip()[:1] == b"<":
        with suppress(Stopped):
            found = in_xml(parse_bytes(outcome.answer, CEILING))
    if found is None:
        vi = "nhận nhưng không có xác nhận tiếp nhận: sau này không chứng minh được"
        return Mark.WARNED, vi, "taken without a receipt: nothing can be proved later", outcome.seen
    if found.bam_noi_dung is None:
        return Mark.WARNED, "BienNhan thiếu BamNoiDung", "the receipt lacks BamNoiDung", outcome.seen
    return Mark.PASSED, "BienNhan đầy đủ", "the receipt is complete", outcome.seen


@case("repeat", "gửi lại đúng byte: trả lời như lần đầu", "the same bytes again: answered as the first time")
async def _repeat(bench: TrialBench) -> Verdict:
    body = bench.message()
    first, again = await bench.deliver(body), await bench.deliver(body)
    if first.came is not TrialReading.TAKEN:
        return _taken(first)
    if again.came is not TrialReading.TAKEN:
        return _taken(again)
    if first.answer != again.answer:
        return (
            Mark.WARNED,
            "nhận, nhưng xác nhận tiếp nhận khác lần đầu",
            "taken, but the receipt is another one",
            again.seen,
        )
    return Mark.PASSED, "cùng một trả lời", "the same answer", again.seen


@case("conflict", "cùng mã, nội dung khác: từ chối", "the same id with other content is refused")
async def _conflict(bench: TrialBench) -> Verdict:
    code = bench.code()
    unsigned = bench.unsigned(ma_ho_so=code)
    other = bench.unsigned(ma_ho_so=code)
    ids = [re.search(rb"<lt:MaThongDiep>([^<]+)<", body) for body in (unsigned, other)]
    if ids[0] is None or ids[1] is None:
        return Mark.SKIPPED, "–", "–", ""
    other = other.replace(ids[1][1], ids[0][1])
    now = datetime.now(UTC)
    first = await bench.deliver(sign(unsigned, bench.key, at=now))
    if first.came is not TrialReading.TAKEN:
        return _taken(first)
    return _refused(await bench.deliver(sign(other, bench.key, at=now)))


@case(
    "lost-answer",
    "mất trả lời, gửi lại: nhận một lần",
    "the answer is lost on its way, the message comes again: taken once",
)
async def _lost_answer(bench: TrialBench) -> Verdict:
    if bench.url is None:
        return Mark.SKIPPED, "chỉ với REST", "REST only", ""
    body = bench.message()
    await bench.raw(body, hang_up=True)
    await asyncio.sleep(0.5)
    return _taken(await bench.deliver(body), "nhận sau khi mất trả lời", "taken after the answer was lost")


@case("late", "thông điệp lập từ ba ngày trước: vẫn nhận", "a message made three days ago is taken all the same")
async def _late(bench: TrialBench) -> Verdict:
    return _taken(await bench.deliver(bench.message(at=datetime.now(UTC) - timedelta(days=3))))


@case("wrong-signature", "nội dung bị sửa sau khi ký: từ chối", "content changed after signing is refused")
async def _wrong_signature(bench: TrialBench) -> Verdict:
    body = bench.message()
    year = re.search(rb"<lt:ThoiDiemTao>(\d{4})", body)
    if year is None:
        return Mark.SKIPPED, "–", "–", ""
    changed = body.replace(year[0], year[0][:-4] + str(int(year[1]) - 1).encode(), 1)
    return _refused(await bench.deliver(changed))


@case("stranger", "ký bằng khóa lạ: từ chối", "signed with a key that nobody registered: refused")
async def _stranger(bench: TrialBench) -> Verdict:
    return _refused(await bench.deliver(sign(bench.unsigned(), bench.stranger, at=datetime.now(UTC))))


@case("unsigned", "không ký: từ chối", "unsigned: refused")
async def _unsigned(bench: TrialBench) -> Verdict:
    return _refused(await bench.deliver(bench.unsigned()))


@case("not-xml", "không phải XML: từ chối, không phải lỗi 5xx", "not XML: refused, not a 5xx")
async def _not_xml(bench: TrialBench) -> Verdict:
    return _refused(await bench.deliver(b"\x00\x01 this is no XML"))


@case("doctype", "có DOCTYPE: từ chối", "with a DOCTYPE: refused")
async def _doctype(bench: TrialBench) -> Verdict:
    body = bench.message()
    start = body.index(b"?>") + 2
    return _refused(await bench.deliver(body[:start] + b'<!DOCTYPE a [<!ENTITY b "c">]>' + body[start:]))


@case("wrong-schema", "thiếu trường bắt buộc: từ chối", "a mandatory field is missing: refused")
async def _wrong_schema(bench: TrialBench) -> Verdict:
    unsigned = re.sub(rb"<hs:(TrangThai(?:HoSo)?)>[^<]*</hs:\1>", b"", bench.unsigned(), count=1)
    return _refused(await bench.deliver(sign(unsigned, bench.key, at=datetime.now(UTC))))


@case("huge", "thông điệp 2 MB: nhận", "a message of 2 MB is taken")
async def _huge(bench: TrialBench) -> Verdict:
    outcome = await bench.deliver(_with_file(bench))
    if outcome.came is TrialReading.REFUSED:
        return (
            Mark.WARNED,
            "từ chối 2 MB: khai giới hạn với trục",
            "2 MB are refused: tell the gateway your limit",
            outcome.seen,
        )
    return _taken(outcome)


def _with_file(bench: TrialBench) -> bytes:
    from schemas import write
    from schemas.names import local
    from schemas.write import Header

    loai = "HS11" if bench.is_portal else "HS01"
    holder = "DanhSachGiayToKetQua" if bench.is_portal else "DanhSachTepDinhKemKhac"
    values = {holder: True, "MaDinhKem": "tep-1"}  # naming the list asks for it; its row points to the file
    root = parse_bytes(bench.unsigned(loai=loai, values=values), CEILING)
    body_element = root.find("{*}ThanPhan")
    if body_element is None:
        raise ValueError("a message of ours has a payload")
    payload = body_element[0]
    claims = header_claims(root)
    now = datetime.now(UTC).replace(microsecond=0)
    file = Tep(ma="tep-1", ten="tep.pdf", loai="application/pdf", noi_dung=b"%PDF-1.7\n" + bytes(HUGE_BYTES))
    header = Header(
        ma_thong_diep=str(uuid.uuid4()),
        loai=claims.loai or "HS01",
        noi_gui=bench.sender,
        noi_nhan=(bench.you,),
        thoi_diem_tao=now,
        ma_ho_so=claims.ma_ho_so,
    )
    body = write.thong_diep(header, local(payload.tag), payload, (file,))
    return sign(body, bench.key, at=now)


@case("slow", "nội dung gửi chậm 5 giây: nhận", "a body that takes 5 seconds to come is taken")
async def _slow(bench: TrialBench) -> Verdict:
    if bench.url is None:
        return Mark.SKIPPED, "chỉ với REST", "REST only", ""
    status = await bench.raw(bench.message(), trickle_s=SLOW_S)
    if status is not None and 200 <= status < 300:
        return Mark.PASSED, "đã nhận", "taken", f"HTTP {status}"
    return Mark.FAILED, "không chờ hết nội dung", "did not wait for the body", f"HTTP {status}"


@case("burst", "mười thông điệp cùng lúc: nhận tất cả", "ten messages at once are all taken")
async def _burst(bench: TrialBench) -> Verdict:
    bodies = [bench.message() for _ in range(BURST)]
    outcomes = await asyncio.gather(*(bench.deliver(body) for body in bodies))
    lost = [outcome for outcome in outcomes if outcome.came is not TrialReading.TAKEN]
    if not lost:
        return Mark.PASSED, "nhận cả mười", "all ten taken", ""
    if all(outcome.came is TrialReading.UNREACHABLE for outcome in lost):
        vi = f"{len(lost)} thông điệp bị đề nghị gửi sau; trục sẽ gửi chậm hơn"
        return Mark.WARNED, vi, f"{len(lost)} were put off; the gateway will go slower", lost[0].seen
    return _taken(lost[0])


@case("credentials", "không có mã truy cập: từ chối 401 hoặc 403", "without credentials: 401 or 403")
async def _credentials(bench: TrialBench) -> Verdict:
    if bench.url is None:
        return Mark.SKIPPED, "chỉ với REST", "REST only", ""
    if bench.configured.common.authorization is None:
        vi = "không khai mã truy cập (connector.authorization): địa chỉ có yêu cầu xác thực không?"
        return Mark.WARNED, vi, "no credentials are declared: may anybody call?", ""
    status = await bench.raw(bench.message(), bare=True)
    if status in {401, 403}:
        return Mark.PASSED, "đã từ chối", "refused", f"HTTP {status}"
    return Mark.FAILED, "nhận mà không cần mã truy cập", "taken without credentials", f"HTTP {status}"


@case("quick", "mọi trả lời dưới 30 giây", "every answer within 30 seconds")
async def _quick(bench: TrialBench) -> Verdict:
    longest = max(bench.took, default=0.0)
    seen = f"{longest:.1f} s"
    if longest < QUICK_S:
        return Mark.PASSED, "đủ nhanh", "quick enough", seen
    return Mark.FAILED, "quá chậm", "too slow", seen
