"""The ways out of a notice: e-mail, a signed webhook, a command of the operator's. Each is bounded in time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import signal
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import aiosmtplib

from connectors.http import HttpLine
from connectors.outcomes import Answered
from connectors.proxying import EgressProxy
from connectors.table import Common
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from signing.keyfiles import believe_in_tls

ANSWER_BYTES = 4096  # of a webhook: nothing in it is read
SAID = 200  # characters of what a mail server says
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")  # of a command: what is secret in ours is not its business


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPlace:
    """A mail server, who writes and to whom."""

    channel: str
    host: str
    port: int
    tls: str  # "starttls", "tls", "none"
    sender: str
    to: tuple[str, ...]
    user: str | None = None
    ca: Path | None = None
    timeout_s: float = 30.0


async def send_mail(place: MailPlace, subject: str, text: str, now: datetime, password: str | None) -> Problem | None:
    """Sends one letter; gives a remark where some of those it is to were refused.

    STARTTLS is demanded where it is set: a server that does not offer it gets neither the letter nor the password. Raises Stopped
    (SYS-190 the server said no, or nothing intelligible; SYS-192 not reached; SYS-193 not in time).
    """
    letter = EmailMessage()
    letter["From"] = _address(place.sender)
    letter["To"] = [_address(one) for one in place.to]
    letter["Subject"] = " ".join(subject.split())
    letter["Date"] = format_datetime(now)
    mark = hashlib.sha256(f"{place.channel}\n{subject}\n{now.isoformat()}".encode()).hexdigest()[:32]
    letter["Message-ID"] = f"<{mark}@{place.sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text)
    about = {"channel": place.channel, "host": f"{place.host}:{place.port}"}
    try:
        async with asyncio.timeout(place.timeout_s):
            refused, _ = await aiosmtplib.send(
                letter,
                sender=place.sender,
                recipients=list(place.to),
                hostname=place.host,
                port=place.port,
                username=place.user,
                password=password if place.user is not None else None,
                use_tls=place.tls == "tls",
                start_tls=place.tls == "starttls",
                tls_context=None if place.tls == "none" else _tls(place.ca),
                timeout=place.timeout_s,
            )
    except (TimeoutError, aiosmtplib.SMTPTimeoutError) as error:
        raise Stopped(Problem("SYS-193", {"channel": place.channel, "seconds": f"{place.timeout_s:g}"})) from error
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise Stopped(Problem("SYS-190", {**about, "reason": _said(error.recipients[0])})) from error
    except aiosmtplib.SMTPResponseException as error:
        raise Stopped(Problem("SYS-190", {**about, "reason": f"{error.code} {_one_line(error.message)}"})) from error
    except (aiosmtplib.SMTPConnectError, OSError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else _one_line(str(error))
        raise Stopped(Problem("SYS-192", {**about, "reason": reason})) from error
    except (aiosmtplib.SMTPException, ValueError) as error:
        raise Stopped(Problem("SYS-190", {**about, "reason": _one_line(str(error))})) from error
    if not refused:
        return None
    facts = {"channel": place.channel, "refused": len(refused), "of": len(place.to)}
    return Problem("SYS-194", {**facts, "reason": f"{next(iter(refused.values())).code}"})


def _said(error: aiosmtplib.SMTPRecipientRefused) -> str:
    return f"{error.code} {_one_line(error.message)}"


def _address(text: str) -> Address:
    return Address(addr_spec=text)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:SAID]


def _tls(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context() if ca is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        believe_in_tls(context, ca)
    return context


def hook_signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What stands in Lienthong-Signature: HMAC-SHA256 over the timestamp, a full stop and the body, in hexadecimal."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


async def post_hook(
    channel: str,
    url: str,
    body: bytes,
    now: datetime,
    secret: bytes,
    *,
    timeout_s: float,
    private: bool,
    ca: Path | None,
    proxy: EgressProxy | None = None,
) -> None:
    """Posts JSON with a signature. Redirects are not followed; addresses are those that a delivery may go to.

    Raises Stopped with what went wrong: what a delivery would have come to.
    """
    common = Common(
        timeout_s=timeout_s, connect_timeout_s=timeout_s, ca=ca, private_addresses=private, answer_bytes=ANSWER_BYTES
    )
    timestamp = str(int(now.timestamp()))
    headers = {"Lienthong-Timestamp": timestamp, "Lienthong-Signature": hook_signature(secret, timestamp, body)}
    try:
        async with HttpLine(private_addresses=private, proxy=proxy) as line:
            key = hashlib.sha256(body).hexdigest()[:32]
            await line.http(common).post(url, body=body, content_type="application/json", headers=headers, key=key)
    except Answered as answer:
        problem = answer.problem or Problem("DLV-020", {"seconds": f"{timeout_s:g}", "stage": "answer"})
        raise Stopped(Problem("SYS-195", {"channel": channel, "code": problem.code})) from answer


async def run_program(channel: str, command: Sequence[str], body: bytes, *, timeout_s: float) -> None:
    """Runs the operator's command, without a shell, with the JSON on its standard input; what it prints goes nowhere.

    Raises Stopped: SYS-191 it ended with another code than 0, or cannot be started; SYS-193 not in time, it and what it
    started are killed.
    """
    environment = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )
    except OSError as error:
        raise Stopped(Problem("SYS-191", {"channel": channel, "reason": system_reason(error)})) from error
    try:
        async with asyncio.timeout(timeout_s):
            await process.communicate(body)
    except TimeoutError as error:
        raise Stopped(Problem("SYS-193", {"channel": channel, "seconds": f"{timeout_s:g}"})) from error
    finally:
        with suppress(ProcessLookupError):  # itself, and whatever it left behind
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        raise Stopped(Problem("SYS-191", {"channel": channel, "reason": f"exit {process.returncode}"}))
