"""The console over HTTP: who calls, may they, is the form theirs; then the page, in a thread; headers on every answer."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from aiohttp import BodyPartReader, web

from gateway.console import entry
from gateway.console.attempts import LoginAttempts
from gateway.console.menu import MENU, PAGES, PUBLIC
from gateway.console.parts import Downloads, Link, Part, ToldProblems
from gateway.console.render import SCRIPT, STYLE, asset, page_html
from gateway.console.room import BASE, Answer, DeskCall, DeskPage, Elsewhere, Room, Sent, Shown, Upload
from gateway.core.addresses import host_and_port
from gateway.core.os_words import system_reason
from gateway.core.problems import Lang, Problem, Stopped
from gateway.services.operators import AtTheDesk, at_desk, begin_session, log_out
from gateway.store import NotAtHand, StoreError

log = logging.getLogger("lienthong.console")

COOKIE: Final = "ban-truc"
LANG_COOKIE: Final = "ban-truc-lang"
FORM_BYTES: Final = 256 * 1024  # of a form without a file
UPLOAD_BYTES: Final = 8 * 2**20  # of one file; more is for the command line
MOST_PARTS: Final = 20  # of a form with files
THREADS: Final = 8
_STATUSES: Final = {
    "SYS-042": 404,
    "SYS-169": 404,
    "SYS-044": 409,
    "SYS-168": 409,
    "SYS-173": 409,
    "SYS-171": 403,
    "SYS-167": 403,
    "SYS-174": 413,
    "SYS-204": 503,
}
_STATUSES_OF_ENTRY: Final = {"SYS-164": 401, "SYS-165": 429, "SYS-166": 401}
_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors {ancestors}"
)
_ASSETS: Final = {STYLE: "text/css; charset=utf-8", SCRIPT: "text/javascript; charset=utf-8"}


class Console:
    """The listener: ``await start()``, then ``port``, and ``await stop()``."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.port = 0
        self._attempts = LoginAttempts()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="page")
        self._proving = asyncio.Semaphore(2)  # passwords cost memory and time: so many at once
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int, tls: Any = None) -> None:
        """Listens. Raises Stopped (SYS-032) where that cannot be."""
        app = web.Application(client_max_size=FORM_BYTES, handler_args={"max_line_size": 8190, "max_field_size": 8190})
        app.on_response_prepare.append(self._dress)
        for page in [*PAGES, *(PUBLIC if self.room.settings.console.public else [])]:
            app.router.add_route(page.method, f"{BASE}{page.path}", self._serving(page))
        app.router.add_get(f"{BASE}/vao", self._entrance)
        app.router.add_post(f"{BASE}/vao", self._enter)
        app.router.add_post(f"{BASE}/ra", self._leave)
        app.router.add_get(f"{BASE}/tinh/{{name}}", self._asset)
        app.router.add_get("/", self._home)
        app.router.add_route("*", "/{rest:.*}", self._nothing)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        except OSError as error:
            await self._runner.cleanup()
            raise Stopped(
                Problem("SYS-032", {"address": host_and_port(host, port), "reason": system_reason(error)})
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Closes."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _dress(self, request: web.Request, response: web.StreamResponse) -> None:
        """What every answer carries."""
        embedded = response.headers.get("X-Embedded") is not None
        response.headers.popall("X-Embedded", None)
        response.headers["Content-Security-Policy"] = _CSP.format(ancestors="*" if embedded else "'none'")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        if not request.path.startswith(f"{BASE}/tinh/"):
            response.headers["Cache-Control"] = "no-store"
        response.headers.popall("Server", None)

    # Pages

    def _serving(self, page: DeskPage) -> Any:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._guarded(request, page)

        return serve

    async def _guarded(self, request: web.Request, page: DeskPage) -> web.StreamResponse:
        """The page, or what is wrong as a page with its code."""
        call = self._call(request)
        token, cookie = "", False
        try:
            if page.role is not None:
                person, token, cookie = await self._person(request, call)
                if person is None:
                    return await self._unknown(request, call)
                call = replace(call, person=person, token=token)
                call.need(page.role, page.act or page.path)
            if page.uploads:
                with tempfile.TemporaryDirectory(prefix="ban-truc-") as folder:
                    answer = await self._run(page.make, await self._with_files(request, call, Path(folder)))
            else:
                call = await self._with_form(request, call) if page.method == "POST" else call
                answer = await self._run(page.make, call)
        except Exception as error:  # noqa: BLE001 - whatever it is, a person gets a page with a code
            answer = _problem_page(call, error)
        response = await self._answered(call, answer)
        if cookie:
            self._remember(request, response, token)
        self._keep_lang(request, response)
        return response

    async def _run(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _answered(self, call: DeskCall, answer: Answer) -> web.Response:
        if isinstance(answer, Elsewhere):
            return web.Response(status=303, headers={"Location": answer.to})
        if isinstance(answer, Sent):
            disposition = f"attachment; filename*=UTF-8''{quote(answer.name)}"
            return web.Response(
                body=answer.body, headers={"Content-Type": answer.kind, "Content-Disposition": disposition}
            )
        node = self.room.settings.node.name
        body = await self._run(page_html, call, answer, MENU, node)
        response = web.Response(body=body, status=answer.status, headers={"Content-Type": "text/html; charset=utf-8"})
        if answer.embedded:
            response.headers["X-Embedded"] = "1"
        return response

    def _call(self, request: web.Request) -> DeskCall:
        asked = request.query.get("lang") or request.cookies.get(LANG_COOKIE, "")
        lang = Lang(asked) if asked in list(Lang) else self.room.settings.node.lang
        return DeskCall(
            room=self.room,
            lang=lang,
            now=self.room.clock(),
            path=request.path,
            query={name: value for name, value in request.query.items() if name != "lang"},
            place=dict(request.match_info),
        )

    async def _with_form(self, request: web.Request, call: DeskCall) -> DeskCall:
        """The call with its form. Raises Stopped: SYS-170 too long, SYS-167 not from a page of this session."""
        form = await self._form(request)
        self._prove_form(request, call, form)
        return replace(call, form={name: form.get(name, "") for name in form}, chosen=_several(form))

    async def _with_files(self, request: web.Request, call: DeskCall, folder: Path) -> DeskCall:
        """The call with its form and the files in it. Raises Stopped: SYS-167, SYS-170, SYS-174 (a file is too long)."""
        if request.content_type != "multipart/form-data":
            raise _no_form("multipart/form-data")
        fields: dict[str, str] = {}
        files: dict[str, Upload] = {}
        try:
            reader = await request.multipart()
            while (part := await reader.next()) is not None:
                if not isinstance(part, BodyPartReader) or not part.name or len(fields) + len(files) > MOST_PARTS:
                    raise _no_form("multipart/form-data")
                if part.filename is None:
                    fields[part.name] = (await _limited(part, FORM_BYTES)).decode()
                    continue
                self._prove_form(request, call, fields)  # before anything is kept; our pages send the token first
                if part.filename:
                    body = await _limited(part, UPLOAD_BYTES)
                    path = folder / str(len(files))
                    await self._run(path.write_bytes, body)
                    files[part.name] = Upload(name=part.filename[:100], path=path)
        except ValueError as error:
            raise _no_form("multipart/form-data") from error
        self._prove_form(request, call, fields)
        return replace(call, form=fields, files=files)

    def _prove_form(self, request: web.Request, call: DeskCall, fields: Mapping[str, str]) -> None:
        """Raises Stopped (SYS-167) where a form was not sent from a page of this session."""
        right = hmac.compare_digest(fields.get("the", "").encode(), call.form_token.encode())
        if not right or not _from_here(request):
            raise Stopped(Problem("SYS-167"))

    async def _form(self, request: web.Request) -> Any:
        try:
            form = await request.post()
        except web.HTTPRequestEntityTooLarge as error:
            raise Stopped(Problem("SYS-170", {"field": "–", "like": f"≤ {FORM_BYTES} byte"})) from error
        except ValueError as error:
            raise _no_form("application/x-www-form-urlencoded") from error
        if any(not isinstance(value, str) for value in form.values()):
            raise _no_form("application/x-www-form-urlencoded")
        return form

    # Who calls

    async def _person(self, request: web.Request, call: DeskCall) -> tuple[AtTheDesk | None, str, bool]:
        """The person with the token of the session, and whether it is a new one."""
        console = self.room.settings.console
        token = request.cookies.get(COOKIE, "")[:200]
        idle = timedelta(minutes=console.session_idle_min)
        person = await self._run(lambda: at_desk(call.store, token, call.now, idle=idle)) if token else None
        if console.identity_header is None:
            return (person if person is None or person.session.proven_by == "password" else None), token, False
        named = await self._run(entry.named_by_proxy, call, request.remote or "", request.headers, console)
        if named is None:
            return (person if person is not None and person.session.proven_by == "password" else None), token, False
        if person is not None and person.operator.name == named.name:
            return person, token, False
        lasts = timedelta(hours=console.session_h)
        token, person = await self._run(lambda: begin_session(call.store, named, "proxy", call.now, lasts=lasts))
        return person, token, True

    async def _unknown(self, request: web.Request, call: DeskCall) -> web.StreamResponse:
        """Nobody is logged in, or not any more."""
        back = entry.own_path(request.path_qs)
        if request.method == "GET" and not request.cookies.get(COOKIE):
            return web.Response(status=303, headers={"Location": f"{BASE}/vao?ve={quote(back)}"})
        back = back if request.method == "GET" else BASE
        shown = entry.login_page(call, back, (Problem("SYS-166"),), 401)
        return await self._form_page(request, call, shown)

    async def _entrance(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        return await self._form_page(request, call, entry.login_page(call, entry.own_path(call.query.get("ve", ""))))

    async def _form_page(self, request: web.Request, call: DeskCall, shown: Shown) -> web.StreamResponse:
        """A page with a form for somebody who has no session: its token is that of a cookie of its own."""
        before = request.cookies.get(f"{COOKIE}-vao", "")[:64] or secrets.token_urlsafe(32)
        response = await self._answered(replace(call, token=before), shown)
        self._set(request, response, f"{COOKIE}-vao", before)
        self._keep_lang(request, response)
        return response

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        console = self.room.settings.console
        back = BASE
        try:
            before = request.cookies.get(f"{COOKIE}-vao", "")[:64]
            call = await self._with_form(request, replace(call, token=before))
            back = entry.own_path(call.form.get("ve", ""))
            address = entry.address_of(request.remote or "", request.headers, console)
            async with self._proving:
                operator = await self._run(entry.prove_login, call, self._attempts, address)
            lasts = timedelta(hours=console.session_h)
            token, _ = await self._run(lambda: begin_session(call.store, operator, "password", call.now, lasts=lasts))
        except Stopped as stop:
            status = _STATUSES_OF_ENTRY.get(stop.problems[0].code, 400)
            shown = entry.login_page(call, back, stop.problems, status)
            return await self._form_page(request, replace(call, form={}), shown)
        except StoreError as error:
            return await self._answered(call, _problem_page(call, error))
        response = web.Response(status=303, headers={"Location": back})
        self._remember(request, response, token)
        return response

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        try:
            person, token, _ = await self._person(request, call)
            if person is not None:
                call = await self._with_form(request, replace(call, person=person, token=token))
                await self._run(log_out, call.store, person, call.now)
        except (Stopped, StoreError) as error:
            return await self._answered(call, _problem_page(call, error))
        response = web.Response(status=303, headers={"Location": f"{BASE}/vao"})
        response.del_cookie(COOKIE, path=BASE)
        return response

    # Small things

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in _ASSETS:
            return await self._nothing(request)
        headers = {"Content-Type": _ASSETS[name], "Cache-Control": "max-age=3600"}
        return web.Response(body=asset(name), headers=headers)

    async def _home(self, _: web.Request) -> web.StreamResponse:
        return web.Response(status=303, headers={"Location": BASE})

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        return await self._answered(call, _problem_page(call, Stopped(Problem("SYS-169"))))

    def _remember(self, request: web.Request, response: web.StreamResponse, token: str) -> None:
        self._set(request, response, COOKIE, token)

    def _set(self, request: web.Request, response: web.StreamResponse, name: str, value: str) -> None:
        response.set_cookie(name, value, path=BASE, httponly=True, samesite="Strict", secure=self._is_tls(request))

    def _is_tls(self, request: web.Request) -> bool:
        """Whether the person's browser speaks TLS: to us, or to the proxy before us as the settings say."""
        return request.secure or (self.room.settings.console.public_url or "").startswith("https:")

    def _keep_lang(self, request: web.Request, response: web.StreamResponse) -> None:
        asked = request.query.get("lang", "")
        if asked in list(Lang):
            self._set(request, response, LANG_COOKIE, asked)


def _several(form: Any) -> dict[str, tuple[str, ...]]:
    return {name: tuple(str(value) for value in form.getall(name)) for name in set(form)}


def _no_form(like: str) -> Stopped:
    return Stopped(Problem("SYS-170", {"field": "–", "like": like}))


async def _limited(part: BodyPartReader, most: int) -> bytes:
    """A part of a form, read whole. Raises Stopped (SYS-174) where it is too long."""
    body = bytearray()
    while chunk := await part.read_chunk(65_536):
        body += chunk
        if len(body) > most:
            raise Stopped(Problem("SYS-174", {"name": (part.filename or part.name or "–")[:100], "most": most}))
    return bytes(body)


def _from_here(request: web.Request) -> bool:
    """Whether the form was sent from one of our own pages, as far as the browser says."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        return False
    return request.headers.get("Sec-Fetch-Site", "same-origin") in {"same-origin", "none"}


def _problem_page(call: DeskCall, error: Exception) -> Shown:
    """What is wrong, with its code, what to do, and never how the program is made inside."""
    problems: Sequence[Problem]
    if isinstance(error, Stopped):
        problems, status = error.problems, _STATUSES.get(error.problems[0].code, 400)
    elif isinstance(error, NotAtHand):
        log.error("asked for in vain: %s", error)
        problems, status = (Problem(error.code, error.facts),), 503
    elif isinstance(error, StoreError):
        log.error("the database did not answer a page: %s", error)
        problems, status = (Problem("SYS-119"),), 503
    else:
        log.error("a page failed", exc_info=error)
        problems, status = (Problem("SYS-172", {"error": type(error).__name__}),), 500
    parts: list[Part] = [ToldProblems(problems=problems)]
    if call.person is None:  # who is not known sees no menu
        parts.append(Downloads(links=[Link(call.text("Tổng quan", "Overview"), BASE)]))
    return Shown(title=call.text("Chưa thực hiện được", "This was not done"), parts=parts, status=status)
