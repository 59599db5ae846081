"""For a party that speaks our REST: the original bytes are posted to its address, and it answers with a BienNhan."""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from enum import StrEnum

from connectors import probing, receipts
from connectors.base import connector
from connectors.http import Http, Reply, ShownRequest, segment
from connectors.outcomes import (
    Answered,
    Fetched,
    NotThere,
    Parcel,
    ParcelFile,
    ProbeStep,
    Receipt,
    Refused,
    Uncertain,
    Unreachable,
    file_not_taken,
)
from gateway.core.parties import Party
from gateway.core.problems import Problem
from gateway.core.written import setting

FETCH_TIMES = (
    8  # the longest message is what is read of one that is fetched: the gate has words for one that is too long
)


class ReceiptDemand(StrEnum):
    """Whether a BienNhan must be in the answer."""

    OPTIONAL = "optional"  # 2xx with a BienNhan, with JSON, or with nothing, means taken
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """Where the party listens."""

    url: str = setting(pattern=r"https?://\S+", vi="Địa chỉ nhận thông điệp (POST).", en="Where messages are posted.")
    query_url: str | None = setting(
        None,
        pattern=r"https?://\S+",
        vi="Địa chỉ tra cứu lại: trục gọi GET {query_url}/{MaThongDiep}; bỏ trống: không tra cứu mà gửi lại.",
        en="Where to ask: the gateway calls GET {query_url}/{MaThongDiep}; without it, it sends again instead.",
    )
    fetch_url: str | None = setting(
        None,
        pattern=r"https?://\S+",
        vi="Địa chỉ bên này cung cấp thông điệp gửi trục: GET trả thông điệp cũ nhất (200) hoặc hết (204); sau "
        "khi ghi nhận, trục POST xác nhận tiếp nhận vào {fetch_url}/{MaThongDiep}.",
        en="Where this party keeps its messages for us: GET gives the oldest (200) or none (204); once it is on record "
        "the gateway posts the receipt to {fetch_url}/{MaThongDiep}.",
    )
    files_url: str | None = setting(
        None,
        pattern=r"https?://\S+",
        vi="Địa chỉ nhận tệp mà thông điệp dẫn tới: trước thông điệp, trục POST từng tệp, kèm Repr-Digest, trừ khi "
        "HEAD {files_url}/{SHA-256} trả 200. Bỏ trống: bên nhận tự tải bằng GET /v1/files/{SHA-256}.",
        en="Where the files that a message names are posted before it, each with Repr-Digest, unless HEAD "
        "{files_url}/{SHA-256} answers 200. Without it the party fetches them by GET /v1/files/{SHA-256}.",
    )
    receipt: ReceiptDemand = setting(
        ReceiptDemand.OPTIONAL,
        vi="optional: mã 2xx là đủ; required: phải có BienNhan trong trả lời.",
        en="optional: a 2xx is enough; required: the answer must hold a BienNhan.",
    )


rest = connector("rest", RestSettings)


@rest.send
async def send(parcel: Parcel, settings: RestSettings, http: Http) -> Receipt:
    """Post the files that the party does not have yet, then the original bytes once."""
    if settings.files_url is not None:
        for file in parcel.files:
            await _hand_over(file, settings.files_url, http)
    reply = await http.post(
        settings.url,
        body=parcel.body,
        content_type="application/xml",
        headers=headers(parcel),
        key=parcel.id,
        judged=False,
    )
    try:
        http.judge(reply)
    except Refused as refused:
        codes = receipts.codes_in(reply)
        if codes:
            raise Refused(Problem("DLV-031", {"codes": list(codes)}), answer=reply.body) from refused
        raise
    return _receipt(reply, parcel, settings, http)


async def _hand_over(file: ParcelFile, files_url: str, http: Http) -> None:
    """One file, streamed. Raises Unreachable or Refused; a second try does not send what has arrived."""
    try:
        there = await http.exchange("HEAD", f"{files_url.rstrip('/')}/{file.digest}")
        if there.status != 200:
            sent = {"Repr-Digest": content_digest(file.digest), "Accept": "application/json, */*;q=0.5"}
            await http.post_file(files_url, file.path, size=file.size, content_type=file.media_type, headers=sent)
    except Answered as answer:
        raise file_not_taken(answer, file.digest) from answer


@rest.played
def played(request: ShownRequest, settings: RestSettings) -> Reply | None:
    """A message is one request here: nothing comes after it."""
    del request, settings
    return None


@rest.query
async def query(parcel: Parcel, settings: RestSettings, http: Http) -> Receipt | NotThere | None:
    """Ask whether they have it. What answers is a BienNhan, the original bytes, or 404."""
    if settings.query_url is None:
        return None
    url = f"{settings.query_url.rstrip('/')}/{segment(parcel.ma_thong_diep)}"
    reply = await http.get(url, headers={"Accept": "application/xml, application/json;q=0.8"})
    if reply.status == 404:
        return NotThere()
    if reply.status != 200:
        why = f"HTTP {reply.status}"
        raise Unreachable(Problem("DLV-041", {"why": why}), answer=reply.body, retry_after_s=reply.retry_after_s)
    if hashlib.sha256(reply.body).hexdigest() == parcel.delivery.digest:
        return Receipt()
    try:
        bien_nhan = receipts.of(reply)
        if bien_nhan is None:
            raise Uncertain(Problem("DLV-023", {"what": receipts.shown(reply.media_type)}), answer=reply.body)
        return receipts.settle(bien_nhan, parcel, reply.body)
    except Uncertain as error:
        raise Unreachable(error.problem, answer=reply.body) from error


@rest.fetch
async def fetch(party: Party, settings: RestSettings, http: Http) -> AsyncGenerator[Fetched, bytes | None]:
    """Take the oldest message, acknowledge it when it is on record, and go on until there is none."""
    del party
    if settings.fetch_url is None:
        return
    before = None
    while True:
        most = FETCH_TIMES * http.limits.body_bytes
        reply = await http.get(settings.fetch_url, headers={"Accept": "application/xml"}, answer_bytes=most)
        if reply.status == 204:
            return
        ma = reply.headers.get("MaThongDiep", "").strip()
        if reply.status != 200 or not ma or ma == before:
            why = f"HTTP {reply.status}" if reply.status != 200 else f"MaThongDiep {receipts.shown(ma)}"
            raise Unreachable(Problem("DLV-041", {"why": why}), answer=reply.body, retry_after_s=reply.retry_after_s)
        receipt = yield Fetched.of(reply.body, reply.media_type)
        await http.post(f"{settings.fetch_url.rstrip('/')}/{segment(ma)}", body=receipt or b"")
        before = ma


@rest.probe
async def probe(party: Party, settings: RestSettings, http: Http) -> AsyncIterator[ProbeStep]:
    """Look at the addresses; ask about a message that never was. Fetching acknowledges nothing, so it is only a look."""
    yield await probing.address(settings.url, http)
    if settings.query_url is not None:
        asked = await probing.question(settings.query_url, rest, party, settings, http)
        if asked is not None:
            yield asked
    if settings.fetch_url is not None:
        yield await probing.address(settings.fetch_url, http, headers={"Accept": "application/xml"})


def headers(parcel: Parcel) -> dict[str, str]:
    """What is said of a message beside its bytes; remarks only where there are any."""
    delivery = parcel.delivery
    remarks = {"Lienthong-Remarks": ", ".join(parcel.remarks)} if parcel.remarks else {}
    return remarks | {
        "Accept": "application/xml, application/json;q=0.8",
        "Lienthong-Message-Id": delivery.message,
        "MaThongDiep": delivery.ma_thong_diep,
        "LoaiThongDiep": delivery.loai,
        "Content-Digest": content_digest(delivery.digest),
    }


def content_digest(sha256: str) -> str:
    """The digest as header Content-Digest wants it (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def _receipt(reply: Reply, parcel: Parcel, settings: RestSettings, http: Http) -> Receipt:
    """What a 2xx says."""
    bien_nhan = receipts.of(reply)
    if bien_nhan is not None:
        receipt = receipts.settle(bien_nhan, parcel, reply.body)
        return replace(receipt, demanded=settings.receipt is ReceiptDemand.REQUIRED)
    silent = not reply.body.strip()
    if not (silent or reply.is_json) or settings.receipt is ReceiptDemand.REQUIRED:
        what = "BienNhan" if silent or reply.is_json else receipts.shown(reply.media_type)
        raise Uncertain(Problem("DLV-023", {"what": what}), answer=reply.body)
    return Receipt(body=reply.body or None, pending=http.common.receipt_later_h is not None)
