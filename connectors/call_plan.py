"""Everything that a profile says of its calls, looked through before there is a message: every mistake by key, line and name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors import probing
from connectors.call_forms import EVERY, Grant, HttpTable, PartnerCall, PartnerLogin
from connectors.call_writing import CallPlan, MadeCall, checked, write_request, writes_of
from connectors.data import THONG_DIEP, all_loai, shape_of
from connectors.dialect import Outward
from connectors.reading import Reads
from connectors.templates import (
    Flawed,
    Foreign,
    Kept,
    Leaf,
    NotWritable,
    RequestTemplate,
    Shape,
    TemplateExpression,
    Writes,
    expression,
    item_of,
    literal,
    template,
)
from gateway.core.problems import Problem, Stopped
from gateway.core.told import COMPARED
from gateway.core.written import nearest
from schemas.record import RECORD_DATES, RECORD_LISTS


@dataclass(frozen=True, kw_only=True)
class HttpSettings(HttpTable):
    """Where the party listens, its words, and which calls each message becomes; looked through."""

    def __post_init__(self) -> None:
        """Raises Stopped for every template, expression and name that cannot be used."""
        object.__setattr__(self, "_plan", _plan_of(self))

    def calls_of(self, loai: str) -> tuple[str, ...]:
        """The calls that a message of this type becomes, in order; none where the party has no word for it."""
        return tuple(self.send.get(loai, self.send.get(EVERY, ())))

    @property
    def plan(self) -> CallPlan:
        """Its templates and expressions, looked through."""
        made: CallPlan = self.__dict__["_plan"]
        return made


_plans: dict[str, CallPlan] = {}

# What must not be in one call: the key that is told, what is wanted there, and when it is wrong.
_CALL_RULES: Final[tuple[tuple[str, str, Callable[[PartnerCall], bool]], ...]] = (
    (
        "body",
        "body | form | upload",
        lambda c: sum([c.body is not None, bool(c.form), bool(c.upload and not c.form)]) > 1,
    ),
    ("upload.field", "upload | form", lambda c: bool(c.upload and not c.upload.field and c.form)),
    ("method", "GET + body", lambda c: c.method == "GET" and bool(c.body is not None or c.form or c.upload)),
    ("answer.rows", "rows + row_code", lambda c: (c.answer.rows is None) != (c.answer.row_code is None)),
    ("answer.delivered", "code + delivered", lambda c: c.answer.code is not None and not c.answer.delivered),
    (
        "answer.reads",
        "nothing + code, take, remember",
        lambda c: c.answer.reads is Reads.NOTHING and bool(c.answer.code is not None or c.take or c.remember),
    ),
    ("take", "a-z 0-9 _", lambda c: not all(name.isidentifier() for name in (*c.take, *c.remember))),
)
_NEEDED_BY_GRANT: Final = {
    Grant.CLIENT_CREDENTIALS: ("client_id", "client_secret"),
    Grant.PASSWORD: ("username", "password"),
    Grant.SESSION: (),
}


def _plan_of(settings: HttpSettings) -> CallPlan:
    """The plan of these settings; the same settings are looked through once."""
    key = repr(settings)
    if key not in _plans:
        made = _Maker(settings).plan()
        if len(_plans) >= 500:
            _plans.clear()
        _plans[key] = made
    return _plans[key]


STEPS = "tien_do"  # also the late ones, tien_do_muon
_ALL_OF_IT = re.compile(r"\b(?:ho_so|noi_dung)\b(?!\s*[.\[])|\bthong_diep\s*\.\s*(?:xml|base64)\b")


def carried(call: PartnerCall, texts: Mapping[str, str]) -> frozenset[str]:
    """Which dates and lists of a dossier a call writes, all where it writes the dossier or the message as a whole; and
    :data:`STEPS`.
    """
    sources = [texts.get(call.body or "", ""), call.path, *call.query.values(), *call.form.values()]
    text = "\n".join([*sources, *call.headers.values()])
    names = (*RECORD_DATES, *RECORD_LISTS)
    everything = _ALL_OF_IT.search(text) is not None
    found = {name for name in names if everything or re.search(rf"\b{name}\b", text)}
    return frozenset(found | ({STEPS} if STEPS in f"{call.each} {text}" else set()))


class _Maker:
    """Looks a profile's calls through and notes every mistake."""

    def __init__(self, settings: HttpSettings) -> None:
        self.settings = settings
        self.problems: list[Problem] = []
        self.used = {name: self._loai_of(name) for name in settings.calls}
        take: dict[str, Shape] = {}
        for call in settings.calls.values():
            take |= {name: [Leaf.ANY] if call.each is not None else Leaf.ANY for name in call.take}
        self.common: dict[str, Shape] = {
            "values": dict.fromkeys(settings.values, Leaf.TEXT),
            "secret": dict.fromkeys(settings.secrets, Leaf.TEXT),
            "got": take,
            "remembered": {name: Leaf.ANY for call in settings.calls.values() for name in call.remember},
        }
        if settings.login is not None:
            self.common["token"] = Leaf.TEXT

    def plan(self) -> CallPlan:
        settings = self.settings
        self._names()
        calls = {name: self._call(name, call) for name, call in settings.calls.items()}
        login = self._login(settings.login) if settings.login is not None else None
        agrees = None
        if settings.look_up is not None:
            scope = {**self._scope(self._sent()), "answer": Leaf.ANY}
            agrees = self._expression("look_up.agrees", settings.look_up.agrees, scope)
        believes = self._believes()
        fetched = message = None
        if settings.fetch is not None:
            scope = {**self.common, "row": Leaf.ANY}
            if settings.fetch.body is not None:
                fetched = self._body("fetch.body", settings.fetch.body, scope)
            message = self._expression("fetch.message", settings.fetch.message, scope)
        if not self.problems:
            self._tried({name: made for name, made in calls.items() if made is not None}, login, fetched)
        if self.problems:
            raise Stopped(*self.problems)
        return CallPlan(
            calls={name: made for name, made in calls.items() if made is not None},
            login=login,
            agrees=agrees,
            believes=believes,
            fetched=fetched,
            message=message,
        )

    def _believes(self) -> dict[str, TemplateExpression]:
        """What a look-up by code tells of a dossier; notes fields that nobody compares."""
        wanted = self.settings.look_up.believes if self.settings.look_up is not None else {}
        for name in wanted:
            if name not in COMPARED:
                self._strange("look_up.believes", name, COMPARED)
        return self._every("look_up.believes", wanted, {**self.common, "thong_diep": THONG_DIEP, "answer": Leaf.ANY})

    def _sent(self) -> tuple[str, ...]:
        """The message types that become calls."""
        send = self.settings.send
        return tuple(loai for loai in all_loai() if send.get(loai, send.get(EVERY)))

    def _loai_of(self, name: str) -> tuple[str, ...]:
        """The message types whose sending may come to a call."""
        settings, found = self.settings, {name}
        while True:
            more = {
                one
                for one, call in settings.calls.items()
                if {call.if_exists, call.if_missing} & found and one not in found
            }
            if not more:
                break
            found |= more
        if settings.look_up is not None and settings.look_up.call == name:
            return self._sent()
        send = settings.send
        return tuple(loai for loai in all_loai() if found & set(send.get(loai, send.get(EVERY, ()))))

    def _scope(self, types: Sequence[str]) -> dict[str, Shape]:
        """What there is in every message of these types; a field of any of them may be asked for."""
        scope: dict[str, Shape] = dict(self.common)
        shapes = [shape_of(loai) for loai in types]
        for shape in shapes:
            for name, inner in shape.items():
                if name == "noi_dung" and isinstance(inner, Mapping):
                    before = scope.get("noi_dung", {})
                    assert isinstance(before, Mapping)
                    scope["noi_dung"] = {**before, **inner}
                elif all(name in other for other in shapes):
                    scope[name] = inner
        return scope

    # Names

    def _names(self) -> None:
        settings = self.settings
        for loai, names in settings.send.items():
            if loai != EVERY and loai not in all_loai():
                self._strange(f"send.{loai}", loai, all_loai())
            for name in names:
                self._called(f"send.{loai}", name)
        for name, call in settings.calls.items():
            self._call_rules(name, call)
        self._headers("headers", settings.headers)
        self._value_rules()
        if settings.look_up is not None:
            self._called("look_up.call", settings.look_up.call)
        if settings.fetch is not None:
            self._called("fetch.call", settings.fetch.call)
            if settings.fetch.confirm is not None:
                self._called("fetch.confirm", settings.fetch.confirm)
        if settings.login is not None:
            self._login_rules(settings.login)

    def _value_rules(self) -> None:
        """Templates can name secrets and values, and secrets say where they lie."""
        settings = self.settings
        for key, names in (("secrets", settings.secrets), ("values", settings.values)):
            for name in names:
                if not name.isidentifier():
                    self._wrong(f"{key}.{name}", "a-z 0-9 _")
        for name, where in settings.secrets.items():
            if not re.fullmatch(r"(file|env):.+", where):
                self._wrong(f"secrets.{name}", "file:… | env:…")

    def _call_rules(self, name: str, call: PartnerCall) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name):
            self._wrong(f"calls.{name}", "A-Z a-z 0-9 _ -")
        for key in ("if_exists", "if_missing"):
            if (other := getattr(call, key)) is not None:
                self._called(f"calls.{name}.{key}", other)
        for key, wanted, when in _CALL_RULES:
            if when(call):
                self._wrong(f"calls.{name}.{key}", wanted)
        self._headers(f"calls.{name}.headers", call.headers)

    def _login_rules(self, login: PartnerLogin) -> None:
        self._headers("login.headers", login.headers)
        if login.then is not None:
            self._called("login.then", login.then)
        for key in ("client_secret", "password"):
            if (name := getattr(login, key)) is not None and name not in self.settings.secrets:
                self._strange(f"login.{key}", name, self.settings.secrets)
        for key in _NEEDED_BY_GRANT[login.grant]:
            if getattr(login, key) is None:
                self._wrong(f"login.{key}", "∅")
        if login.grant is not Grant.SESSION and login.body is not None:
            self._wrong("login.body", "session")

    def _headers(self, key: str, headers: Mapping[str, str]) -> None:
        for name in headers:
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", name) or name.lower() in _NOT_OURS:
                self._wrong(f"{key}.{name}", "header")

    def _called(self, key: str, name: str) -> None:
        if name not in self.settings.calls:
            self._strange(key, name, self.settings.calls)

    def _strange(self, key: str, name: str, known: Any) -> None:
        by_lower = {one.lower(): one for one in known}
        meant = by_lower.get(nearest(name, list(by_lower)) or "", "–")
        facts = {"key": key, "value": name, "allowed": sorted(known), "nearest": meant}
        self.problems.append(Problem("SYS-014", facts))

    def _wrong(self, key: str, why: str) -> None:
        self.problems.append(Problem("DLV-054", {"key": key, "why": why}))

    # Templates

    def _call(self, name: str, call: PartnerCall) -> MadeCall | None:
        key, count = f"calls.{name}", len(self.problems)
        scope = self._scope_of_call(name)
        each = self._maybe(f"{key}.each", call.each, scope)
        if each is not None:
            over = each.shape
            if isinstance(over, Mapping) or (isinstance(over, Leaf) and over is not Leaf.ANY):
                self._flaw(f"{key}.each", None, 1, "list", call.each or "", None)
            scope = {**scope, "rows": [item_of(over)], "row": item_of(over)}
        answered = {**scope, "answer": Leaf.ANY}
        parts = {part: getattr(call.upload, part) for part in ("content", "name", "type")} if call.upload else {}
        found = {
            "upload": self._every(f"{key}.upload", parts, scope),
            "path": self._template(f"{key}.path", call.path, Writes.ADDRESS, scope),
            "body": self._body(f"{key}.body", call.body, scope) if call.body is not None else None,
            "query": self._all(f"{key}.query", call.query, Writes.TEXT, scope),
            "headers": self._all(f"{key}.headers", {**self.settings.headers, **call.headers}, Writes.HEADER, scope),
            "form": self._all(f"{key}.form", call.form, Writes.TEXT, scope),
            "when": self._maybe(f"{key}.when", call.when, scope),
            "take": self._every(f"{key}.take", call.take, answered),
            "remember": self._every(f"{key}.remember", call.remember, answered),
        }
        if len(self.problems) > count:
            return None
        return MadeCall(name=name, call=call, each=each, **found)  # type: ignore[arg-type]  # by name, above

    def _scope_of_call(self, name: str) -> dict[str, Shape]:
        """What there is for a call: in the messages that come to it, in none after a log-in, and in a row when fetching."""
        login, fetch = self.settings.login, self.settings.fetch
        alone = login is not None and login.then == name
        scope = dict(self.common) if alone else self._scope(self.used[name])
        return {**scope, "row": Leaf.ANY} if fetch is not None and name in {fetch.call, fetch.confirm} else scope

    def _login(self, login: PartnerLogin) -> MadeCall | None:
        scope = {key: self.common[key] for key in ("values", "secret")}
        count = len(self.problems)
        body = self._body("login.body", login.body, scope) if login.body is not None else None
        form = self._all("login.form", login.form, Writes.TEXT, scope)
        headers = self._all("login.headers", login.headers, Writes.HEADER, scope)
        if len(self.problems) > count:
            return None
        return MadeCall(
            name="login",
            call=PartnerCall(),
            path=template("", Writes.ADDRESS, {}),
            query={},
            headers=headers,
            body=body,
            form=form,
            upload={},
            when=None,
            each=None,
            take={},
            remember={},
        )

    def _body(self, key: str, name: str, scope: Mapping[str, Shape]) -> RequestTemplate | None:
        if name not in self.settings.texts:
            self._strange(key, name, self.settings.texts)
            return None
        return self._template(key, self.settings.texts[name], writes_of(name), scope, name)

    def _all(
        self, key: str, sources: Mapping[str, str], writes: Writes, scope: Mapping[str, Shape]
    ) -> dict[str, RequestTemplate]:
        made = {name: self._template(f"{key}.{name}", source, writes, scope) for name, source in sources.items()}
        return {name: one for name, one in made.items() if one is not None}

    def _every(self, key: str, sources: Mapping[str, str], scope: Mapping[str, Shape]) -> dict[str, TemplateExpression]:
        made = {name: self._expression(f"{key}.{name}", source, scope) for name, source in sources.items()}
        return {name: one for name, one in made.items() if one is not None}

    def _template(
        self, key: str, source: str, writes: Writes, scope: Mapping[str, Shape], file: str | None = None
    ) -> RequestTemplate | None:
        try:
            return template(source, writes, scope)
        except Flawed as flawed:
            for one in flawed.troubles:
                self._flaw(key, file, one.line, one.kind, one.found, one.meant)
            return None

    def _maybe(self, key: str, source: str | None, scope: Mapping[str, Shape]) -> TemplateExpression | None:
        return self._expression(key, source, scope) if source is not None else None

    def _expression(self, key: str, source: str, scope: Mapping[str, Shape]) -> TemplateExpression | None:
        try:
            return expression(source, scope)
        except Flawed as flawed:
            for one in flawed.troubles:
                self._flaw(key, None, one.line, one.kind, one.found, one.meant)
            return None

    def _flaw(self, key: str, file: str | None, line: int, kind: str, found: str, meant: str | None) -> None:
        facts = {
            "key": key,
            "template": file or key,
            "line": line,
            "why": kind,
            "found": found,
            "nearest": meant or "–",
        }
        self.problems.append(Problem("DLV-070", facts))

    # Trying

    def _tried(self, calls: Mapping[str, MadeCall], login: MadeCall | None, fetched: RequestTemplate | None) -> None:
        """Every call is written of every message type that comes to it: of all that there may be, and of the least."""
        out = Outward(_NOBODY)
        then = self.settings.login.then if self.settings.login is not None else None
        for name, made in calls.items():
            self._tried_call(made, (None,) if name == then else self.used[name] or (None,), out)
        data = {"values": self.settings.values, "secret": literal(self.common["secret"], full=True)}
        try:
            if login is not None:
                write_request(login, data, self.settings, out)
            if fetched is not None and self.settings.fetch is not None:
                name = self.settings.fetch.body or ""
                rendered = fetched.render({**self._sample(None, None, out, full=True), "row": Foreign("0")}, out)
                checked(rendered, writes_of(name), empty=True)
        except NotWritable as error:
            self.problems.append(Problem("DLV-071", {"key": "login | fetch", "loai": "–", "why": str(error)[:200]}))

    def _tried_call(self, made: MadeCall, types: Sequence[str | None], out: Outward) -> None:
        """Notes the first message type of which a call cannot be written."""
        for loai in types:
            for full in (True, False):
                data = self._sample(loai, made, out, full=full)
                try:
                    write_request(made, data, self.settings, out)
                except NotWritable as error:
                    facts = {"key": f"calls.{made.name}.body", "loai": loai or "–", "why": str(error)[:200]}
                    self.problems.append(Problem("DLV-071", facts))
                    return

    def _sample(self, loai: str | None, made: MadeCall | None, out: Outward, *, full: bool) -> dict[str, Any]:
        data: dict[str, Any] = dict(literal(shape_of(loai), full=full)) if loai is not None else {}
        if loai is not None and not full:
            data["thong_diep"] = literal(shape_of(loai)["thong_diep"], full=True)
        data["values"] = self.settings.values
        for name in ("secret", "got", "remembered"):
            data[name] = Kept(literal(self.common[name], full=True))
        data["token"] = literal(Leaf.NUMBER, full=True)
        if made is not None and made.each is not None:
            rows = made.each.items(dict(literal(shape_of(loai), full=True)) | data if loai else data, out) or [
                Foreign("0")
            ]
            data["rows"], data["row"] = rows[: made.call.chunk], rows[0]
        else:
            data["row"] = Foreign("0")
        return data


_NOT_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "idempotency-key", "content-type"})
_NOBODY = probing.nobody()
