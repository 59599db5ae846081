"""Files over REST: brought in one go or in parts (tus 1.0), fetched whole or by ranges; never whole in memory."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import re
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BufferedReader
from typing import Any, TypeVar

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from gateway.core.allowances import Spent
from gateway.core.problems import Problem, Stopped
from gateway.core.stored_files import FILE_SCHEME, StoredFile, UnfinishedFile, is_digest
from gateway.services.file_desk import FileDesk
from gateway.services.intake import recheck
from gateway.store import StoreError
from gateway.store.filefolder import BLOCK, FilePart
from gateway.web.answer_types import KetQuaGuiTepStructure
from gateway.web.exchange import Exchange
from gateway.web.refusals import ARCHIVE_AWAY_S, Refusal, refuse
from gateway.web.responses import WholeAnswer
from gateway.web.routes import Route, RouteAudience

log = logging.getLogger("lienthong.web")

TUS = "1.0.0"
OFFSET_TYPE = "application/offset+octet-stream"
_FORM = "multipart/form-data"
_MOST_WAITING = 50  # held messages that are judged again as soon as their file has come; `work` judges the rest
_SOON = {"FIL-014": 5, "FIL-017": 5, "SYS-205": ARCHIVE_AWAY_S}  # what may go well in so many seconds
_T = TypeVar("_T")


# -- bringing a file --------------------------------------------------------------------------------------------------


async def post_file(exchange: Exchange) -> WholeAnswer:
    """Takes a file: the body's bytes, or the one file of a form. With Upload-Length it only begins an upload in parts."""
    desk = desk_of(exchange)
    exchange.query()
    headers = exchange.request.headers
    digest = announced(exchange)
    if "Upload-Length" in headers:
        return await _begin_parts(exchange, desk, digest)
    if headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
        raise refuse("SYS-104", found=headers["Content-Encoding"][:40], close=True)
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() == _FORM:
        file = await taken(exchange, desk, _form_blocks(exchange), None, digest)
    else:
        file = await taken(exchange, desk, exchange.blocks(BLOCK), exchange.request.content_length, digest)
    where = {"Location": f"/v1/files/{file.digest}", "Vary": "Accept"}
    return exchange.answer(201, "KetQuaGuiTep", file_answer(file), where | digest_header(file.digest))


async def taken(
    exchange: Exchange, desk: FileDesk, blocks: AsyncGenerator[bytes, None], size: int | None, digest: str | None
) -> StoredFile:
    """The file that these blocks are, on record. Whatever goes wrong, nothing is left of it. Raises Refusal."""
    party = exchange.who.party
    exchange.door.check_allowance(party, size=size or 1)
    upload = await asked(exchange, desk.begin, party, size, digest, exchange.door.clock())
    try:
        with ExitStack() as stack:
            part = await _opened(exchange, desk, upload, stack)
            await _write(exchange, desk, part, blocks, desk.limits.most_bytes)
            return await _finished(exchange, desk, upload, part)
    except BaseException:
        await asyncio.shield(_in_thread(exchange.door.file_writers, desk.give_up, upload))
        raise


def file_answer(file: StoredFile) -> KetQuaGuiTepStructure:
    """What is told of a file, and how a message names it."""
    return KetQuaGuiTepStructure(
        BamSHA256=file.digest,
        SoByte=file.size,
        LoaiTep=file.media_type,
        DuongDan=FILE_SCHEME + file.digest,
        KetQuaQuet=str(file.scan),
        ThoiDiemNhan=file.arrived_at,
    )


async def _begin_parts(exchange: Exchange, desk: FileDesk, digest: str | None) -> WholeAnswer:
    """Begins an upload in parts: 201, and where its parts are to be sent."""
    _check_tus(exchange)
    if exchange.request.content_length or "Transfer-Encoding" in exchange.request.headers:
        raise refuse("SYS-109", header="Content-Length", expected="0", close=True)
    size, party = _number(exchange, "Upload-Length"), exchange.who.party
    exchange.door.check_allowance(party, size=size)
    upload = await asked(exchange, desk.begin, party, size, digest, exchange.door.clock())
    headers = {"Location": f"/v1/files/parts/{upload.id}", "Upload-Offset": "0", "Tus-Resumable": TUS}
    return WholeAnswer(201, headers=headers)


async def head_part(exchange: Exchange) -> WholeAnswer:
    """How much of an upload has come."""
    desk, name = desk_of(exchange), exchange.variables["id"]
    exchange.query()
    _check_tus(exchange)
    upload, size = await asked(exchange, desk.upload, name, exchange.who.party.id, exchange.door.clock())
    sizes = {"Upload-Offset": str(size), "Upload-Length": str(upload.size)}
    return WholeAnswer(200, headers={**sizes, "Tus-Resumable": TUS, "Cache-Control": "no-store"})


async def patch_part(exchange: Exchange) -> WholeAnswer:
    """Takes the next part of an upload; with the last one the file is on record, and Location says where."""
    desk, name, party = desk_of(exchange), exchange.variables["id"], exchange.who.party
    exchange.query()
    _check_tus(exchange)
    exchange.check_content((OFFSET_TYPE,))
    offset, length = _number(exchange, "Upload-Offset"), exchange.request.content_length or 0
    upload, _ = await asked(exchange, desk.upload, name, party.id, exchange.door.clock())
    exchange.door.check_allowance(party, messages=0, size=length)
    headers = {"Tus-Resumable": TUS}
    with ExitStack() as stack:
        part = await _opened(exchange, desk, upload, stack)
        if part.offset != offset:
            facts = {"value": offset, "found": part.offset}
            raise Refusal(Problem("FIL-004", facts), headers | {"Upload-Offset": str(part.offset)})
        if length > upload.size - offset:
            raise refuse("SYS-109", header="Content-Length", expected=f"≤ {upload.size - offset}", close=True)
        await _write(exchange, desk, part, exchange.blocks(BLOCK), upload.size)
        if part.offset == upload.size:
            file = await _finished(exchange, desk, upload, part)
            headers |= {"Location": f"/v1/files/{file.digest}"} | digest_header(file.digest)
        else:
            await asked(exchange, desk.hold, part)
        headers["Upload-Offset"] = str(part.offset)
    return WholeAnswer(204, headers=headers)


async def _opened(exchange: Exchange, desk: FileDesk, upload: UnfinishedFile, stack: ExitStack) -> FilePart:
    """An upload to write on, until the stack is closed."""
    part = desk.part(upload.id)
    opened = await asked(exchange, part.__enter__)
    stack.callback(exchange.door.file_writers.submit, part.__exit__, None, None, None)
    return opened


async def _write(
    exchange: Exchange, desk: FileDesk, part: FilePart, blocks: AsyncGenerator[bytes, None], most: int
) -> None:
    """Appends the blocks as they come, to at most so many bytes in all. Raises Refusal."""
    came = 0
    try:
        async for block in blocks:
            if part.offset + len(block) > most:
                raise refuse("FIL-002", limit_bytes=most, close=True)
            await exchange.door.file_pace.turn(len(block))
            await asked(exchange, desk.write, part, block)
            came += len(block)
    finally:
        await blocks.aclose()
        exchange.door.spending.spend(exchange.who.party, Spent.BYTES, came)


async def _finished(exchange: Exchange, desk: FileDesk, upload: UnfinishedFile, part: FilePart) -> StoredFile:
    """The whole upload as a file on record; messages that waited for it go on. A scanner may take its time. Raises Refusal."""
    door = exchange.door
    try:
        file = await _kept_waiting(exchange, desk.finish, upload, part, exchange.who.party, door.clock())
    except Stopped as stop:
        raise _refusal(stop) from stop
    await door.read(_go_on, exchange, file.digest)
    return file


def _go_on(exchange: Exchange, digest: str) -> None:
    """Judges again what was held for this file."""
    gate, desk = exchange.door.gate, desk_of(exchange)
    with desk.store.read() as view:
        held = view.held_for_file(digest, _MOST_WAITING)
    for message in held:
        try:
            recheck([message], gate, exchange.door.clock())
        except (StoreError, LookupError) as error:  # `work` comes to it again
            log.info("message %s, held for its file, was not judged again: %s", message, error)


async def _form_blocks(exchange: Exchange) -> AsyncGenerator[bytes, None]:
    """The one file of a form, in blocks. Raises Refusal where it is no form with one file."""
    found = False
    try:
        with exchange.reading():
            await exchange.go_ahead()
            reader = MultipartReader(exchange.request.headers, exchange.request.content)
            while (part := await reader.next()) is not None:
                if not isinstance(part, BodyPartReader) or (found and part.filename):
                    raise refuse(
                        "SYS-109", header="Content-Type", expected="multipart/form-data, 1 × filename", close=True
                    )
                if not part.filename:  # a field beside it
                    await part.release()
                    continue
                found = True
                while chunk := await part.read_chunk(BLOCK):
                    exchange.watch.moves()
                    yield bytes(chunk)
    except ValueError as error:
        raise refuse("SYS-109", header="Content-Type", expected="multipart/form-data (RFC 7578)", close=True) from error
    if not found:
        raise refuse("SYS-109", header="Content-Type", expected="multipart/form-data, 1 × filename", close=True)


# -- fetching a file --------------------------------------------------------------------------------------------------


async def get_file(exchange: Exchange) -> web.StreamResponse:
    """A file, or a range of it, for who brought it and for the parties of a dossier with a message that names it."""
    desk, digest = desk_of(exchange), exchange.variables["digest"]
    exchange.query()
    if not is_digest(digest):
        raise refuse("FIL-005")
    file = await asked(exchange, desk.find, digest, exchange.who.party.id)
    headers = exchange.request.headers
    etag = f'"{digest}"'
    known = [tag.strip().removeprefix("W/") for tag in ",".join(headers.getall("If-None-Match", [])).split(",")]
    if etag in known or "*" in known:
        return WholeAnswer(304, headers={"ETag": etag})
    span = _span(exchange, file.size) if headers.get("If-Range", etag) == etag else None
    start, end = span or (0, file.size)
    said = {
        "Content-Type": file.media_type,
        "Content-Disposition": f"attachment; filename={digest[:16]}",
        "Content-Security-Policy": "sandbox",
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, no-cache",
    } | digest_header(digest)
    if span is not None:
        said["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    stream = await asked(exchange, desk.open, file)
    if (end - start < file.size or file.size <= BLOCK) and exchange.request.method != "HEAD":
        await _proven(exchange, desk, file, stream)
    return FileAnswer(exchange, file, stream, start, end, 206 if span else 200, CIMultiDict(said))


async def _proven(exchange: Exchange, desk: FileDesk, file: StoredFile, stream: BufferedReader) -> None:
    """Of a part nobody can see whether it is of this digest: the file is read first, or was. Raises Refusal."""
    door = exchange.door
    try:
        await _kept_waiting(exchange, desk.prove, file, stream, door.clock())
    except BaseException as error:
        door.file_writers.submit(stream.close)
        if isinstance(error, Stopped):
            raise _refusal(error) from error
        raise


async def _kept_waiting(exchange: Exchange, function: Callable[..., _T], *arguments: Any) -> _T:
    """What a function gives that may take longer than an exchange stands still. Raises what it raises."""
    door = exchange.door
    doing = asyncio.ensure_future(_in_thread(door.file_keepers, function, *arguments))
    while not doing.done():
        await asyncio.wait({doing}, timeout=door.settings.door.exchange_s / 4)
        exchange.watch.moves()
    return doing.result()


class FileAnswer(web.StreamResponse):
    """A piece of a file on disk as an answer: read in blocks by a thread, each sent before the next is read.

    A whole file is hashed on its way, and its last block leaves only when all of it is proven: else the connection ends with
    less than was announced, and the receiver has no file.
    """

    def __init__(
        self,
        exchange: Exchange,
        file: StoredFile,
        stream: BufferedReader,
        start: int,
        end: int,
        status: int,
        headers: CIMultiDict[str],
    ) -> None:
        super().__init__(status=status, headers=headers)
        self.content_length = end - start
        self._exchange, self._stream, self._from, self._left = exchange, stream, start, end - start
        self._file = file
        self._hash = hashlib.sha256() if end - start == file.size else None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Sends the head and all of it."""
        threads, stream = self._exchange.door.file_writers, self._stream
        try:
            writer = await super().prepare(request)
            if request.method == "HEAD":
                return writer
            await _in_thread(threads, stream.seek, self._from)
            while self._left > 0:
                block = await _in_thread(threads, self._next)
                await self._exchange.door.file_pace.turn(len(block))
                await self.write(block)
                self._exchange.watch.moves()
            return writer
        finally:
            threads.submit(stream.close)

    def _next(self) -> bytes:
        """The next block. Raises ConnectionError where it is not what it was: the connection ends, less came than announced."""
        block = self._stream.read(min(BLOCK, self._left))
        self._left -= len(block)
        if self._hash is not None:
            self._hash.update(block)
        if not block:
            raise ConnectionError("a file is shorter than it was")
        if self._left == 0 and self._hash is not None:
            desk, digest = desk_of(self._exchange), self._file.digest
            whole = self._hash.hexdigest() == digest
            desk.folder.found(self._stream, digest, whole=whole)
            if not whole:
                desk.changed(self._file, self._exchange.door.clock())
                raise ConnectionError("a file is not what it was")
        return block


def _span(exchange: Exchange, size: int) -> tuple[int, int] | None:
    """The one range that is asked for (RFC 9110, 14.2); None: all of it. Raises Refusal (416)."""
    found = re.fullmatch(r"bytes=(\d{0,19})-(\d{0,19})", exchange.request.headers.get("Range", "").replace(" ", ""))
    if found is None or found.group(0) == "bytes=-":
        return None  # none, several, or what nobody can read: the whole is a right answer to each
    first, last = found.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= size or end <= start:
        raise refuse("FIL-012", headers={"Content-Range": f"bytes */{size}"}, size=size)
    return start, end


# -- what these have in common ----------------------------------------------------------------------------------------


def desk_of(exchange: Exchange) -> FileDesk:
    """Who takes files in here. Raises Refusal (404) where nobody does."""
    if exchange.door.files is None:
        raise refuse("SYS-112")
    return exchange.door.files


async def asked(exchange: Exchange, function: Callable[..., _T], *arguments: Any) -> _T:
    """What a blocking function of the desk gives. Raises Refusal for what it stops at."""
    try:
        return await _in_thread(exchange.door.file_writers, function, *arguments)
    except Stopped as stop:
        raise _refusal(stop) from stop


async def _in_thread(threads: ThreadPoolExecutor, function: Callable[..., _T], *arguments: Any) -> _T:
    return await asyncio.get_running_loop().run_in_executor(threads, function, *arguments)


def _refusal(stop: Stopped) -> Refusal:
    problem = stop.problems[0]
    return Refusal(problem, {"Retry-After": str(_SOON[problem.code])} if problem.code in _SOON else {})


def announced(exchange: Exchange) -> str | None:
    """The SHA-256 that the sender says the whole file has (Repr-Digest, RFC 9530). Raises Refusal (400) for another form."""
    said = exchange.request.headers.get("Repr-Digest")
    if said is None:
        return None
    found = re.search(r"(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/=]{44}):", said)
    try:
        return base64.b64decode(found.group(1), validate=True).hex() if found else _no_digest()
    except binascii.Error:
        return _no_digest()


def _no_digest() -> str:
    raise refuse("SYS-109", header="Repr-Digest", expected="sha-256=:…:")


def digest_header(digest: str) -> dict[str, str]:
    """The digest as a header of an answer (RFC 9530)."""
    return {"Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:"}


def _check_tus(exchange: Exchange) -> None:
    version = exchange.request.headers.get("Tus-Resumable", TUS)
    if version != TUS:
        raise refuse("FIL-018", headers={"Tus-Version": TUS}, value=version[:20])


def _number(exchange: Exchange, name: str) -> int:
    value = exchange.request.headers.get(name, "")
    if not re.fullmatch("[0-9]{1,16}", value):
        raise refuse("SYS-109", header=name, expected="0…")
    return int(value)


ROUTES = (
    Route(method="POST", address="/v1/files", who=RouteAudience.PARTY, handler=post_file),
    Route(method="HEAD", address="/v1/files/parts/{id}", who=RouteAudience.PARTY, handler=head_part),
    Route(method="PATCH", address="/v1/files/parts/{id}", who=RouteAudience.PARTY, handler=patch_part),
    Route(method="GET", address="/v1/files/{digest}", who=RouteAudience.PARTY, handler=get_file),
)
