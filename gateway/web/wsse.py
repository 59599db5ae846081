"""WS-Security in a SOAP header: UsernameToken over TLS, and the Timestamp beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lxml import etree

from gateway.web.refusals import refuse

_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSU = f"{_OASIS}wssecurity-utility-1.0.xsd"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
_TEXT = f"{_OASIS}username-token-profile-1.0#PasswordText"

SECURITY = f"{{{WSSE}}}Security"
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class UserName:
    """A name and a password in the clear."""

    user: str
    password: str


def user_of(security: etree._Element) -> UserName | None:
    """The UsernameToken of a Security header, if there is one. Raises Refusal (SYS-139)."""
    tokens = security.findall(f"{{{WSSE}}}UsernameToken")
    if not tokens:
        return None
    if len(tokens) > 1:
        raise refuse("SYS-139", reason="UsernameToken × 2")
    names = tokens[0].findall(f"{{{WSSE}}}Username")
    passwords = tokens[0].findall(f"{{{WSSE}}}Password")
    if len(names) != 1 or len(passwords) != 1:
        raise refuse("SYS-139", reason="Username, Password")
    if passwords[0].get("Type", _TEXT) != _TEXT:
        raise refuse("SYS-139", reason="PasswordDigest")  # it would need the password itself on our side
    return UserName((names[0].text or "").strip(), passwords[0].text or "")


def check_time(security: etree._Element, now: datetime) -> None:
    """Refuses a Timestamp that is over, or lies ahead by more than five minutes (SYS-141)."""
    stamps = security.findall(f"{{{WSU}}}Timestamp")
    if len(stamps) > 1:
        raise refuse("SYS-139", reason="Timestamp × 2")
    for stamp in stamps:
        created, expires = stamp.findtext(f"{{{WSU}}}Created"), stamp.findtext(f"{{{WSU}}}Expires")
        if created is not None and _moment(created) > now + _SKEW:
            raise refuse("SYS-141")
        if expires is not None and _moment(expires) < now - _SKEW:
            raise refuse("SYS-141")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise refuse("SYS-139", reason="Timestamp") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
