"""For any party that is called by HTTP: what is called, when, with what and how its answers are meant is all configuration.

A message becomes one or several calls, by its type. Each call's address, headers and body are written by templates
(:mod:`connectors.templates`); its answer is read by rules (:mod:`connectors.reading`), gives values to the calls after it,
and values that are remembered for the dossier. What one try has brought over is not brought over again by the next.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary
from xml.sax.saxutils import escape

from connectors import probing, receipts
from connectors.base import connector
from connectors.call_forms import AnswerRules, ClientIn, Grant, PartnerCall, PartnerLogin
from connectors.call_plan import STEPS, HttpSettings, carried
from connectors.call_writing import MadeCall, PartnerRequest, checked, write_request
from connectors.data import data_of
from connectors.dialect import Outward
from connectors.http import Http, Reply, ShownRequest, answer_meaning
from connectors.outcomes import (
    Answered,
    Fetched,
    NothingToTell,
    NotThere,
    Parcel,
    ParcelFile,
    ProbeStep,
    Receipt,
    Refused,
    Uncertain,
    Unreachable,
)
from connectors.qcvn120 import Load, believed_of
from connectors.reading import MISSING, Reads, answer_at, code_at, read_answer, unreadable
from connectors.table import AnswerMeaning, connector_secret
from connectors.templates import Kept, NotWritable, TemplateExpression
from gateway.core.os_words import system_reason
from gateway.core.parties import Party
from gateway.core.problems import Problem, Stopped
from gateway.core.stored_files import FILE_SCHEME
from schemas.record import RECORD_DATES, RECORD_LISTS

FILE_BYTES = 256 * 1024  # of a template
REMEMBERED_CHARS = 4000  # of one value

templated = connector("http", HttpSettings, remembers=True, projects=True)


@templated.embed
def embed(values: Mapping[str, Any], base: Path) -> Mapping[str, Any]:
    """The table with the templates that lie in files beside the profile."""
    texts = dict(values["texts"]) if isinstance(values.get("texts"), Mapping) else {}
    problems: list[Problem] = []
    for key, name in _bodies(values):
        if name in texts:
            continue
        try:
            texts[name] = _file(base, name)
        except (OSError, ValueError) as error:
            why = system_reason(error)
            problems.append(Problem("DLV-054", {"key": key, "why": f"{name}: {why}"}))
    if problems:
        raise Stopped(*problems)
    return {**values, "texts": texts} if texts else values


def _bodies(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    tables = [("login", values.get("login")), ("fetch", values.get("fetch"))]
    calls = values.get("calls")
    if isinstance(calls, Mapping):
        tables += [(f"calls.{name}", call) for name, call in calls.items()]
    for key, table in tables:
        if isinstance(table, Mapping) and isinstance(table.get("body"), str):
            yield f"{key}.body", table["body"]


def _file(base: Path, name: str) -> str:
    path = (base / name).resolve()
    if not path.is_relative_to(base.resolve()):
        raise ValueError("outside the profile's folder")
    with path.open("rb") as file:
        raw = file.read(FILE_BYTES + 1)
    if len(raw) > FILE_BYTES:
        raise ValueError(f"> {FILE_BYTES} bytes")
    return raw.decode("utf-8-sig")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProgress:
    """What earlier tries of a delivery brought over; it stands in the reference of each try, as JSON."""

    done: Mapping[str, int] = field(default_factory=dict)  # call -> rows that were answered; a whole call is 1
    refused: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # call -> rows not taken, counted from 1
    got: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read_answer(cls, parcel: Parcel) -> CallProgress:
        """As the last try left it that brought anything over."""
        for attempt in reversed(parcel.attempts):
            try:
                said = json.loads(attempt.reference or "")
            except ValueError:
                continue
            if isinstance(said, dict) and isinstance(said.get("done"), dict):
                refused = {str(k): tuple(v) for k, v in said.get("refused", {}).items()}
                return cls(done=said["done"], refused=refused, got=said.get("got", {}))
        return cls()

    def __str__(self) -> str:
        said = {"done": self.done, "refused": self.refused, "got": self.got}
        return json.dumps(
            {k: v for k, v in said.items() if v or k == "done"}, ensure_ascii=False, separators=(",", ":")
        )


@templated.send
async def send(parcel: Parcel, settings: HttpSettings, http: Http) -> Receipt | NothingToTell:
    """Make the calls of this message, in order; those that an earlier try brought over are left out.

    Nothing is to tell where the profile has no call for it, or none of them has anything to say.
    """
    if not settings.calls_of(parcel.delivery.loai):
        return NothingToTell()
    run = await _Run.of(parcel, settings, http)
    try:
        for name in run.names:
            await run.call(settings.plan.calls[name])
    except Answered as answered:
        if run.moved:
            answered.reference = str(run.progress)
            answered.remember = run.remember
        if isinstance(answered, Refused):
            answered.told = run.load.news(refused=run.load.digests)
        raise
    load = _with_remark(run)
    if not run.progress.done:
        return NothingToTell(notes=load.notes, told=load.news(settled=True))
    return Receipt(
        reference=run.reference,
        body=run.body,
        notes=load.notes,
        remember=run.remember,
        told=load.whole_news(),
    )


def _with_remark(run: _Run) -> Load:
    """What was told, with a remark on what is new of the dossier and has no place in these calls: once of each date and list."""
    load, told, dossier = run.load, run.parcel.told, run.load.dossier
    if run.parcel.record is None or dossier is None:
        return load
    calls, texts = run.settings.calls, run.settings.texts
    made = [one for name in run.progress.done for one in (name, calls[name].if_exists, calls[name].if_missing) if one]
    now = frozenset[str]().union(*(carried(calls[name], texts) for name in made))
    ever = frozenset[str]().union(*(carried(call, texts) for call in calls.values()))
    if STEPS not in now:
        load = replace(load, digests=())  # no call of this message says them: they are owed by the next one that does
    before, said = (told.facts, told.remarked) if told is not None else ({}, ())
    lost = [n for n in RECORD_DATES if dossier.get(n) and load.facts.get(n) != before.get(n) and n not in now]
    lost += [n for n in RECORD_LISTS if dossier.get(n) and n not in ever]
    lost = [name for name in lost if name not in said]
    if not lost:
        return replace(load, remarked=())
    remark = Problem("XSD-404", {"element": lost, "packet": ", ".join(run.names)})
    return replace(load, notes=(remark, *load.notes), remarked=tuple(lost))


@templated.played
def played(request: ShownRequest, settings: HttpSettings) -> Reply | None:
    """The answers that a profile's own rules call taken; what they would give is named <like this>."""
    answer: Any = {}
    if request.about == "login":
        assert settings.login is not None
        reads, within, root = settings.login.reads, None, None
        answer = _put(answer, settings.login.token.split("/"), "<token>")
    else:
        made = settings.plan.calls[request.about]
        rules = made.call.answer
        reads, within, root = rules.reads, rules.within, rules.code
        wanted = {name: path for of in (made.take, made.remember) for name, one in of.items() for path in one.needs}
        for name, path in wanted.items():
            answer = _put(answer, path, f"<{name}>")
        if rules.reference is not None:
            answer = _put(answer, rules.reference.split("/"), "<reference>")
        if rules.rows is not None and rules.row_code is not None:
            rows = [_put({}, rules.row_code.split("/"), rules.delivered[0]) for _ in range(request.rows)]
            answer = _put(answer, rules.rows.split("/"), rows)
        if root is not None and rules.delivered:
            answer = _put(answer, root.split("/") if root else [], rules.delivered[0])
    return _played(answer, reads, within)


def _put(tree: Any, path: Sequence[str | int], value: Any) -> Any:
    """The tree with a value at this path; tables and arrays are made on the way."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if str(first).isascii() and str(first).isdigit():
        listed = tree if isinstance(tree, list) else []
        listed += [{} for _ in range(int(first) + 1 - len(listed))]
        listed[int(first)] = _put(listed[int(first)], rest, value)
        return listed
    table = tree if isinstance(tree, dict) else {}
    return {**table, str(first): _put(table.get(str(first), {}), rest, value)}


def _played(answer: Any, reads: Reads, within: str | None) -> Reply:
    kind = "application/json"
    if reads is Reads.JSON:
        text = json.dumps(answer, ensure_ascii=False)
    elif reads is Reads.XML:
        text, kind = f"<a>{_elements(answer)}</a>", "text/xml; charset=utf-8"
    else:
        text, kind = str(answer if answer != {} else ""), "text/plain; charset=utf-8"
    if within is not None:
        text, kind = f"<a>{_elements(_put({}, within.split('/'), text))}</a>", "text/xml; charset=utf-8"
    return Reply(status=200, headers={"Content-Type": kind}, body=text.encode())


def _elements(value: Any, name: str | None = None) -> str:
    if isinstance(value, list):
        return "".join(_elements(each, name) for each in value)
    inner = (
        "".join(_elements(one, key) for key, one in value.items()) if isinstance(value, dict) else escape(str(value))
    )
    return f"<{name}>{inner}</{name}>" if name is not None else inner


@templated.query
async def query(parcel: Parcel, settings: HttpSettings, http: Http) -> Receipt | NotThere | None:
    """Look the dossier up, and compare; None where more than the last call is still owed, or there is no look-up."""
    look_up, agrees = settings.look_up, settings.plan.agrees
    if look_up is None or agrees is None:
        return None
    if not settings.calls_of(parcel.delivery.loai):
        return None
    run = await _Run.of(parcel, settings, http)
    done, refused = run.progress.done, run.progress.refused
    owed = [n for n in run.names if (n not in done or n in refused) and run.applies(settings.plan.calls[n])]
    if len(owed) > 1:
        return None
    try:
        return await run.looked_up(settings.plan.calls[look_up.call], agrees)
    except (Uncertain, Refused) as error:
        raise Unreachable(error.problem, answer=error.answer) from error


@templated.believes
async def believes(
    ma_ho_so: str, party: Party, settings: HttpSettings, http: Http, remembered: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Look the dossier up by its code, and read what the profile says the answer tells."""
    look_up, wanted = settings.look_up, settings.plan.believes
    if look_up is None or not wanted:
        return None
    parcel = replace(probing.nothing(party), remembered=remembered)
    run = _Run(parcel, settings, http, {"thong_diep": {"ma_ho_so": ma_ho_so}})
    try:
        return believed_of(await run.believed(settings.plan.calls[look_up.call], wanted), party)
    except (Uncertain, Refused) as error:
        raise Unreachable(error.problem, answer=error.answer) from error


@templated.fetch
async def fetch(party: Party, settings: HttpSettings, http: Http) -> AsyncGenerator[Fetched, bytes | None]:
    """Take what there is, one after the other; each is confirmed over there once it is on record here."""
    if settings.fetch is None:
        return
    wanted, plan = settings.fetch, settings.plan
    run = _Run(probing.nothing(party), settings, http, {})
    try:
        _, value, reply = await run.exchange(plan.calls[wanted.call], [])
        items = answer_at(value, wanted.items)
        if not isinstance(items, list):
            raise unreadable(wanted.items, reply)
        for item in items:
            data = {**run.data, "row": item}
            yield Fetched.of(_fetched(data, settings, run.out), form=wanted.form)
            if wanted.confirm is not None:
                run.data = data
                await run.exchange(plan.calls[wanted.confirm], [item])
    except (Uncertain, Refused) as error:
        raise Unreachable(error.problem, answer=error.answer) from error


def _fetched(data: Mapping[str, Any], settings: HttpSettings, out: Outward) -> bytes:
    """The message that one item is. Raises Unreachable where it is none."""
    wanted, plan = settings.fetch, settings.plan
    assert wanted is not None
    assert plan.message is not None
    try:
        if plan.fetched is not None:
            text = plan.fetched.render(data, out, most=settings.request_bytes)
            return checked(text, plan.fetched.writes, empty=False)
        said = plan.message.value(data, out)
        if not isinstance(said, str):
            raise NotWritable("fetch.message", "∅" if said is None else type(said).__name__)
        return base64.b64decode(said, validate=True) if wanted.base64 else said.encode()
    except (NotWritable, binascii.Error) as error:
        raise Unreachable(Problem("DLV-041", {"why": f"fetch: {receipts.shown(str(error))}"})) from error


@templated.probe
async def probe(party: Party, settings: HttpSettings, http: Http) -> AsyncIterator[ProbeStep]:
    """Log in anew where there is a log-in, else look at the address."""
    if settings.login is None:
        yield await probing.address(settings.url, http)
        return
    run = _Run(probing.nothing(party), settings, http, {})
    try:
        await run.renew(None)
    except Unreachable as error:
        yield ProbeStep(place=settings.login.url, problems=(error.problem,))
        return
    yield ProbeStep(place=settings.login.url, found="token")


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    until: float  # on the loop's clock: renewed then
    got: Mapping[str, Any]  # what the call after the log-in gave


class _Tokens:
    """Tokens of one worker, one for each account, with the time at which each is to be renewed."""

    def __init__(self) -> None:
        self.there: dict[str, _Token] = {}
        self.locks: dict[str, asyncio.Lock] = {}


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Tokens] = WeakKeyDictionary()


class _Run:
    """One try of one message."""

    def __init__(self, parcel: Parcel, settings: HttpSettings, http: Http, data: Mapping[str, Any]) -> None:
        self.parcel = parcel
        self.settings = settings
        self.http = http
        self.out = Outward(parcel.party)
        self.progress = CallProgress.read_answer(parcel)
        self.moved = False  # whether this try brought anything over
        self.remember: dict[str, Any] = {}
        self.reference: str | None = None
        self.body: bytes | None = None
        self.load = Load()
        self.data = {
            **data,
            "values": settings.values,
            "got": Kept(self.progress.got),
            "remembered": Kept(parcel.remembered),
        }
        self._tokens = _of_loop.setdefault(asyncio.get_running_loop(), _Tokens())

    @classmethod
    async def of(cls, parcel: Parcel, settings: HttpSettings, http: Http) -> _Run:
        """With the message's data. Raises Refused where it cannot be told."""
        data, load = await asyncio.to_thread(data_of, parcel)
        made = cls(parcel, settings, http, data)
        made.load = load
        return made

    @property
    def names(self) -> tuple[str, ...]:
        """The calls of this message, in order; those whose condition does not hold are left out when they are reached."""
        return self.settings.calls_of(self.parcel.delivery.loai)

    def applies(self, made: MadeCall) -> bool:
        """Whether a call has anything to say of this message."""
        if made.when is not None and not self._value(made.when.there):
            return False
        return made.each is None or bool(self._value(made.each.items))

    async def call(self, made: MadeCall) -> None:
        """Make one call, in chunks where it has rows."""
        if made.each is None and self.progress.done.get(made.name, 0):
            return
        if made.when is not None and not self._value(made.when.there):
            return
        if made.each is not None:
            await self._call_rows(made, self._value(made.each.items))
            return
        await self._taken(made, [])
        self._moves(made.name, 1, frozenset())

    async def _call_rows(self, made: MadeCall, rows: list[Any]) -> None:
        """In chunks, and never a row twice that was taken. Raises Refused or Uncertain with the rows that were not."""
        name = made.name
        done, refused = self.progress.done.get(name, 0), set(self.progress.refused.get(name, ()))
        todo = [n for n in range(1, len(rows) + 1) if n > done or n in refused]
        said: dict[int, str] = {}
        for start in range(0, len(todo), made.call.chunk):
            numbers = todo[start : start + made.call.chunk]
            for number, code in zip(numbers, await self._taken(made, [rows[n - 1] for n in numbers]), strict=True):
                if code is None:
                    refused.discard(number)
                else:
                    refused.add(number)
                    said[number] = code
            done = max(done, *numbers)
            self._moves(name, done, frozenset(refused))
        if refused:
            codes = [receipts.shown(code) for code in dict.fromkeys(said.values())]
            if set(said.values()) <= set(made.call.answer.passing):
                raise Uncertain(Problem("DLV-010", {"code": codes}), answer=self.body)
            facts = {"count": len(refused), "rows": sorted(refused), "codes": codes}
            raise Refused(Problem("DLV-036", facts), answer=self.body)

    def _moves(self, name: str, done: int, refused: frozenset[int]) -> None:
        self.moved = True
        progress = self.progress
        left = {k: v for k, v in progress.refused.items() if k != name}
        if refused:
            left[name] = tuple(sorted(refused))
        self.progress = replace(progress, done={**progress.done, name: done}, refused=left)

    async def _taken(self, made: MadeCall, rows: list[Any]) -> list[str | None]:
        """One exchange that the party took. Gives, for each row, None or the code by which it was not taken."""
        used, value, reply = await self.exchange(made, rows)
        rules = used.call.answer
        codes = _codes_of_rows(rules, value, len(rows), reply)
        self._keep(used, value, reply)
        if rules.reference is not None:
            self.reference = code_at(value, rules.reference)
            if self.reference is None:
                raise unreadable(rules.reference, reply)
        self.body = reply.body or None
        return codes

    def _keep(self, used: MadeCall, value: Any, reply: Reply) -> None:
        """What the answer gives for the calls after it, and for the messages after this one."""
        data = {**self.data, "answer": value}
        got, kept = self._read(used.take, data, reply), self._read(used.remember, data, reply)
        for name, one in got.items():
            before = self.progress.got.get(name, [])
            got[name] = [*before, one] if used.each is not None else one
        if got:
            self.progress = replace(self.progress, got={**self.progress.got, **got})
            self.data["got"] = Kept(self.progress.got)
        if kept:
            self.remember |= kept
            self.data["remembered"] = Kept({**self.data["remembered"], **kept})

    def _read(self, wanted: Mapping[str, TemplateExpression], data: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        """What an answer gives. Raises Uncertain where a value is not in it."""
        found: dict[str, Any] = {}
        for name, one in wanted.items():
            _needed(one, data["answer"], reply)
            try:
                found[name] = one.value(data, self.out)
            except NotWritable as error:
                raise unreadable(name, reply) from error
            if len(json.dumps(found[name], ensure_ascii=False)) > REMEMBERED_CHARS:
                raise unreadable(f"{name} > {REMEMBERED_CHARS}", reply)
        return found

    async def looked_up(self, made: MadeCall, agrees: TemplateExpression) -> Receipt | NotThere:
        """What the party says that it has."""
        try:
            _, value, reply = await self.exchange(made, [], asking=True)
        except _Absent:
            return NotThere()
        _needed(agrees, value, reply)
        try:
            there = agrees.there({**self.data, "answer": value}, self.out)
        except NotWritable as error:
            raise unreadable("look_up.agrees", reply) from error
        if not there:
            return NotThere()
        reference = str(self.progress) if self.progress.done else None
        return Receipt(reference=reference, body=reply.body, told=self.load.whole_news())

    async def believed(self, made: MadeCall, wanted: Mapping[str, TemplateExpression]) -> Mapping[str, Any] | None:
        """What the party has of a dossier; None where it has none of it. Raises Uncertain where the answer does not tell."""
        try:
            _, value, reply = await self.exchange(made, [], asking=True)
        except _Absent:
            return None
        return self._read(wanted, {**self.data, "answer": value}, reply)

    async def exchange(self, made: MadeCall, rows: list[Any], *, asking: bool = False) -> tuple[MadeCall, Any, Reply]:
        """One call that was taken: which it was in the end, its answer as data and as it came. Whatever else is raised."""
        switched = renewed = False
        while True:
            token = await self._token()
            reply = await self._sent(made, self._request(made, rows, token), rows)
            renewable = token is not None and not renewed
            if reply.status == 401 and renewable:
                renewed = True
                await self.renew(token)
                continue
            rules = made.call.answer
            value, code = self._understood(rules, reply)
            if code in rules.expired:
                if not renewable:
                    raise Unreachable(Problem("DLV-010", {"code": receipts.shown(code)}), answer=reply.body)
                renewed = True
                await self.renew(token)
                continue
            if asking and code in rules.missing:
                raise _Absent
            other = _instead(made.call, code)
            if other is not None and not switched:
                switched = True  # we were wrong about what they have; the code says so, and only once
                made = replace(self.settings.plan.calls[other], each=made.each)
                continue
            if switched and code in {*rules.exists, *rules.missing}:
                raise Refused(Problem("DLV-047", {"code": receipts.shown(code or "–")}), answer=reply.body)
            _settled(code, rules, reply)
            return made, value, reply

    def _understood(self, rules: AnswerRules, reply: Reply) -> tuple[Any, str | None]:
        """The answer as data, and its code. Raises what its status or form says."""
        said = answer_meaning(reply.status, self.http.common.answers)
        known = {*rules.exists, *rules.missing, *rules.passing, *rules.expired, *rules.refused}
        if said is AnswerMeaning.REFUSED and rules.code is not None and not reply.cut:
            try:
                code = code_at(self._value_of(rules, reply), rules.code)
            except Uncertain:
                code = None
            if code is not None and code in known:
                return None, code
        self.http.judge(reply)
        value = self._value_of(rules, reply)
        if rules.code is None:
            return value, None
        code = code_at(value, rules.code)
        if code is None:
            raise unreadable(rules.code or "–", reply)
        return value, code

    def _value_of(self, rules: AnswerRules, reply: Reply) -> Any:
        if rules.within is None:
            return read_answer(reply, rules.reads)
        inner = answer_at(read_answer(reply, Reads.XML), rules.within)
        if not isinstance(inner, str) or not inner:
            raise unreadable(rules.within, reply)
        plain = replace(reply, body=inner.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})
        return read_answer(plain, rules.reads)

    def _request(self, made: MadeCall, rows: list[Any], token: _Token | None) -> PartnerRequest:
        """Raises Refused where this message cannot be written, Unreachable where a secret is not there."""
        data = {**self.data, "secret": self._secrets(), "token": token.text if token is not None else ""}
        if token is not None and token.got:
            data["got"] = Kept({**token.got, **data["got"]})
        if rows:
            data |= {"rows": rows, "row": rows[0]}
        try:
            return write_request(made, data, self.settings, self.out, file=self._file_of(made, rows))
        except NotWritable as error:
            facts = {"field": f"{made.name}: {error.where}", "why": receipts.shown(error.why)}
            raise Refused(Problem("DLV-034", facts)) from error

    def _file_of(self, made: MadeCall, rows: list[Any]) -> ParcelFile | None:
        """The file beside messages that the row of an upload names. Raises Refused (DLV-074) where it is not on this machine."""
        if made.call.upload is None or not rows or not isinstance(rows[0], Mapping):
            return None
        address = str(rows[0].get("duong_dan") or "")
        if not address.startswith(FILE_SCHEME):
            return None
        digest = address.removeprefix(FILE_SCHEME)
        found = next((file for file in self.parcel.files if file.digest == digest), None)
        if found is None and not self.http.shows:
            raise Refused(Problem("DLV-074", {"digest": digest}))
        return found

    async def _sent(self, made: MadeCall, request: PartnerRequest, rows: list[Any]) -> Reply:
        keys = {"Idempotency-Key": f"{self.parcel.id}.{made.name}"} if request.method != "GET" else {}
        if keys and rows:
            keys["Idempotency-Key"] += "." + hashlib.sha256(request.body).hexdigest()[:16]
        headers = {**keys, **request.headers}
        if request.file is not None:
            if keys:
                headers["Idempotency-Key"] = f"{self.parcel.id}.{made.name}.{request.file.digest[:16]}"
            return await self.http.post_file(
                request.url,
                request.file.path,
                size=request.file.size,
                content_type=headers.pop("Content-Type"),
                headers=headers,
                method=request.method,
                before=request.body,
                after=request.after,
                judged=False,
            )
        return await self.http.exchange(
            request.method, request.url, body=request.body, headers=headers, about=made.name, rows=len(rows)
        )

    def _value(self, of: Any) -> Any:
        try:
            return of(self.data, self.out)
        except NotWritable as error:
            raise Refused(Problem("DLV-034", {"field": error.where, "why": receipts.shown(error.why)})) from error

    def _secrets(self) -> dict[str, str]:
        try:
            return {name: connector_secret(where) for name, where in self.settings.secrets.items()}
        except Stopped as stop:
            raise Unreachable(stop.problems[0]) from stop

    # Tokens

    @property
    def _account(self) -> str:
        return hashlib.sha256(
            repr((self.settings.login, self.settings.secrets, self.settings.values)).encode()
        ).hexdigest()

    async def _token(self) -> _Token | None:
        """The token in force, got or renewed where there is none or it ends soon. Raises Unreachable."""
        if self.settings.login is None:
            return None
        async with self._tokens.locks.setdefault(self._account, asyncio.Lock()):
            there = self._tokens.there.get(self._account)
            if there is None or there.until <= asyncio.get_running_loop().time():
                there = self._tokens.there[self._account] = await self._log_in(self.settings.login)
            return there

    async def renew(self, old: _Token | None) -> None:
        """Get a new token, unless somebody else has meanwhile replaced the old one. Raises Unreachable."""
        assert self.settings.login is not None
        async with self._tokens.locks.setdefault(self._account, asyncio.Lock()):
            there = self._tokens.there.get(self._account)
            if there is None or old is None or there is old:
                self._tokens.there.pop(self._account, None)
                self._tokens.there[self._account] = await self._log_in(self.settings.login)

    async def _log_in(self, login: PartnerLogin) -> _Token:
        """A token and when to renew it. The answer itself is not kept: it holds a secret."""
        began = asyncio.get_running_loop().time()
        try:
            reply = self.http.judge(await self._sent_login(login))
            value = read_answer(reply, login.reads)
        except (Uncertain, Refused, Unreachable) as error:
            if isinstance(error, Unreachable) and error.problem.code not in {"DLV-005", "DLV-007"}:
                raise Unreachable(error.problem, retry_after_s=error.retry_after_s) from error
            raise Unreachable(Problem("DLV-009", {"why": error.problem.code})) from error
        token = code_at(value, login.token)
        if token is None or not (token.isascii() and token.isprintable()):
            raise Unreachable(Problem("DLV-009", {"why": receipts.shown(login.token)}))
        lasts = answer_at(value, login.lasts) if login.lasts else MISSING
        text = str(lasts) if isinstance(lasts, (int, float, str)) and not isinstance(lasts, bool) else ""
        life = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text, re.ASCII) else login.lasts_s
        until = began + max(life - login.early_s, life / 2 if life <= login.early_s else 0.0)
        made = _Token(token, until, {})
        return made if login.then is None else replace(made, got=await self._session(login.then, made))

    async def _session(self, name: str, token: _Token) -> dict[str, Any]:
        """What the call after the log-in gives. Its answer is not kept either."""
        made = self.settings.plan.calls[name]
        try:
            reply = await self._sent(made, self._request(made, [], token), [])
            value, code = self._understood(made.call.answer, reply)
            _settled(code, made.call.answer, reply)
            return self._read(made.take, {**self.data, "answer": value}, reply)
        except (Uncertain, Refused, Unreachable) as error:
            if isinstance(error, Unreachable) and error.problem.code not in {"DLV-005", "DLV-007", "DLV-010"}:
                raise Unreachable(error.problem, retry_after_s=error.retry_after_s) from error
            why = str(error.problem.facts.get("code", error.problem.facts.get("what", error.problem.code)))
            raise Unreachable(Problem("DLV-009", {"why": receipts.shown(why)})) from error

    async def _sent_login(self, login: PartnerLogin) -> Reply:
        made = self.settings.plan.login
        assert made is not None
        secrets = self._secrets()
        data = {"values": self.settings.values, "secret": secrets}
        try:
            request = write_request(made, data, self.settings, self.out)
        except NotWritable as error:
            raise Unreachable(Problem("DLV-009", {"why": receipts.shown(error.where)})) from error
        headers, body = dict(request.headers), request.body
        if login.grant is not Grant.SESSION:
            form = {"grant_type": login.grant.value}
            if login.grant is Grant.PASSWORD and login.username is not None and login.password is not None:
                form |= {"username": login.username, "password": secrets[login.password]}
            if login.client_id is not None:
                shown = secrets[login.client_secret] if login.client_secret is not None else ""
                if login.client_in is ClientIn.BASIC:
                    pair = f"{quote(login.client_id, safe='')}:{quote(shown, safe='')}"  # RFC 6749, 2.3.1
                    headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
                else:
                    form |= {"client_id": login.client_id, **({"client_secret": shown} if shown else {})}
            if login.scope is not None:
                form["scope"] = login.scope
            form |= {name: one.render(data, self.out) for name, one in made.form.items()}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form, quote_via=quote).encode("ascii")
        return await self.http.exchange("POST", login.url, body=body, headers=headers, about="login")


class _Absent(Exception):  # control flow inside this file: a look-up's answer
    pass


def _instead(call: PartnerCall, code: str | None) -> str | None:
    """The call to make instead of one after which the party says that it has what we thought new, or has it not."""
    if code in call.answer.exists:
        return call.if_exists
    return call.if_missing if code in call.answer.missing else None


def _codes_of_rows(rules: AnswerRules, value: Any, count: int, reply: Reply) -> list[str | None]:
    """For each row None, where it was taken, or its code. Raises Uncertain where the answer does not tell of each."""
    if not count or rules.rows is None or rules.row_code is None:
        return [None] * count
    listed = answer_at(value, rules.rows)
    if isinstance(listed, Mapping):
        listed = [listed]
    if not isinstance(listed, list) or len(listed) != count:
        raise unreadable(rules.rows, reply)
    said = [code_at(row, rules.row_code) for row in listed]
    if None in said:
        raise unreadable(f"{rules.rows}/{rules.row_code}", reply)
    return [None if code in rules.delivered else code for code in said]


def _needed(wanted: TemplateExpression, value: Any, reply: Reply) -> None:
    """Raises Uncertain where the answer lacks what an expression reads."""
    for path in wanted.needs:
        if answer_at(value, path) is MISSING:
            raise unreadable("/".join(map(str, path)), reply)


def _settled(code: str | None, rules: AnswerRules, reply: Reply) -> None:
    """Return where the code says "taken"; otherwise raise what it says."""
    if code is None or code in rules.delivered:
        return
    shown = receipts.shown(code)
    if code in rules.passing:
        raise Unreachable(Problem("DLV-010", {"code": shown}), answer=reply.body)
    if rules.refused and code not in {*rules.refused, *rules.exists, *rules.missing}:
        raise unreadable(f"{rules.code or '–'} {shown}", reply)
    raise Refused(Problem("DLV-033", {"code": shown}), answer=reply.body)
