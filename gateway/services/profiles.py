"""Party profiles: files written by people, validated, compared with what is in force, applied with author and reason.

A file alone changes nothing. What is applied is kept in the database as a self-contained text (certificates inside), a
new version of the whole registry each time, so that every node and every later judgement sees the same parties.
"""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import base64
import hashlib
import json
import re
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from connectors.table import SECRET, Common, Secret
from gateway.core.allowed import PartyAllowance
from gateway.core.model import PartyId
from gateway.core.orders import ORDERS, PartyOrder, ordered
from gateway.core.os_words import system_reason
from gateway.core.parties import (
    SHA256,
    CertificateUse,
    CodeMeaning,
    Credentials,
    DeskOrders,
    LanePolicy,
    Parties,
    Party,
    PartyFiles,
    PortalForm,
    Receives,
    RetryPolicy,
    Role,
    SignatureDemand,
    SignaturePolicy,
    SigningCertificate,
    identifier_key,
)
from gateway.core.problems import Location, Problem, Stopped
from gateway.core.severity import Severity
from gateway.core.soap_faults import SoapFaultStatus
from gateway.core.unknown import unknown
from gateway.core.written import KeyPath, Written, decode_toml, dotted, hints_of, nearest, read_toml, setting

if TYPE_CHECKING:
    from connectors.registry import ConnectorRegistry
    from gateway.store import Store

AGENCY = r"[0-9A-Z]{3}\.[0-9A-Z]{2}\.[0-9A-Z]{2}\.[A-Y][0-9]{2}|[A-Y][0-9]{2}(\.[0-9A-Z]{1,6}){0,5}"
ID = r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?"
PRIVILEGES = ("recall-result", "step-back", "by-decree", "publish-catalogue")
LOAI = re.compile(r"HS[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFile(CertificateUse):
    """A certificate to register for signing, as a profile names it."""

    file: Path = setting(vi="Tệp PEM, DER hoặc PKCS#12.", en="PEM, DER or PKCS#12 file.")
    password_file: Path | None = setting(
        None, vi="Tệp chứa mật khẩu của tệp PKCS#12.", en="A file with the password of the PKCS#12 file."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyProfile:
    """One file parties/<id>.toml, as it is written."""

    id: str = setting(
        pattern=ID,
        vi="Tên ngắn của bên, trùng tên tệp.",
        en="The party's short name, the same as the file's.",
    )
    name: str = setting(vi="Tên đầy đủ.", en="The full name.")
    role: Role = setting(vi="portal, one-stop hoặc oversight.", en="portal, one-stop or oversight.")
    identifiers: tuple[str, ...] = setting(
        pattern=AGENCY,
        vi="Mã định danh; mã đầu là mã trục ghi, các mã sau là bí danh.",
        en="Agency identifiers; the first is what we write, the others are aliases.",
    )
    receives: Receives = setting(
        Receives.PULL,
        vi="push: trục gửi tới; pull: bên tự lấy hộp thư.",
        en="push: we deliver; pull: the party reads its inbox.",
    )
    enabled: bool = setting(True, vi="false: khóa bên này.", en="false: the party is locked.")
    disabled_reason: str | None = setting(None, vi="Lý do khóa.", en="Why it is locked.")
    credentials: Credentials = setting(Credentials(), vi="Cách chứng minh danh tính.", en="How it proves itself.")
    certificates: tuple[CertificateFile, ...] = setting(
        (), vi="Chứng thư ký đã đăng ký.", en="Certificates registered for signing."
    )
    signature: SignaturePolicy = setting(SignaturePolicy(), vi="Yêu cầu về chữ ký.", en="What signatures must be.")
    connector: Mapping[str, Any] = setting(
        {}, vi="Bộ kết nối: name và các thiết lập của bộ kết nối.", en="The connector: its name and settings."
    )
    maps: Mapping[str, Mapping[str, Any]] = setting(
        {}, vi="Bảng mã: trường -> mã của bên đó -> mã của trục.", en="Code tables: field -> theirs -> ours."
    )
    formats: Mapping[str, str] = setting({}, vi="Dạng ngày giờ của từng trường.", en="Date form of single fields.")
    limits: Mapping[str, int] = setting(
        {}, vi="Độ dài tối đa của từng trường, ký tự.", en="The longest text of single fields, characters."
    )
    meaning: CodeMeaning = setting(CodeMeaning(), vi="Nghĩa của mã.", en="What codes mean.")
    retry: RetryPolicy = setting(RetryPolicy(), vi="Thời hạn gửi lại.", en="Patience with retries.")
    lane: LanePolicy = setting(LanePolicy(), vi="Thứ tự theo hồ sơ.", en="Order per dossier.")
    versions: Mapping[str, tuple[str, ...]] = setting(
        {}, vi='Phiên bản mà bên này đọc được: HS05 = ["1.0"].', en='Versions it can read: HS05 = ["1.0"].'
    )
    rules: Mapping[str, Severity] = setting(
        {},
        vi="Mức của từng quy tắc, riêng cho thông điệp của bên này: “tên-quy-tắc” hoặc “HS01.tên-quy-tắc” = reject, warn, off.",
        en="Severity of single rules for this party's messages: “rule-name” or “HS01.rule-name” = reject, warn, off.",
    )
    typed_submissions: bool = setting(
        False, vi="Được nộp gói dữ liệu không ký (DongBoHoSoMC…).", en="Whether it may send unsigned typed submissions."
    )
    portal_form: PortalForm = setting(
        PortalForm(),
        vi="Giao diện theo khuôn dạng Cổng Dịch vụ công quốc gia.",
        en="The door in the national portal's own form.",
    )
    plain_references: bool = setting(
        False,
        vi="Thông điệp của bên này được dẫn tệp ngoài qua http (mặc định chỉ https).",
        en="Whether its messages may name files outside by http (by default https only).",
    )
    soap_faults: SoapFaultStatus | None = setting(
        None,
        vi="Mã trạng thái HTTP của Fault trả cho bên này, như door.soap_faults; bỏ trống: theo thiết lập đó.",
        en="HTTP status of the faults this party is answered, like door.soap_faults; empty: as that says.",
    )
    files: PartyFiles = setting(
        PartyFiles(),
        vi="Tệp bên này gửi lên trục (POST /v1/files).",
        en="Files that this party brings (POST /v1/files).",
    )
    rate_per_s: float | None = setting(None, at_least=0.01, vi="Số yêu cầu mỗi giây.", en="Requests a second.")
    allowance: PartyAllowance = setting(
        PartyAllowance(),
        vi="Hạn mức gửi; bỏ trống: như bảng allowance của máy.",
        en="How much it may send; empty: as the node's table allowance says.",
    )
    may_send_to: tuple[str, ...] | None = setting(
        None, vi="Chỉ được gửi tới các bên này.", en="The only parties it may send to."
    )
    privileges: frozenset[str] = setting(frozenset(), among=PRIVILEGES, vi="Quyền đặc biệt.", en="Special privileges.")
    contact: str | None = setting(
        None, vi="Đầu mối liên hệ (đơn vị, không phải người).", en="Contact: a unit, not a person."
    )


def read_file(
    file: Path,
    trees: Collection[str] | None = None,
    connectors: ConnectorRegistry | None = None,
    notes: list[Problem] | None = None,
) -> Party:
    """The party of one file. Raises Stopped with every mistake, each with line and column.

    ``notes`` is told what a certificate's file holds beside the certificate that was taken (SYS-084).

    ``trees`` are the names of the trust trees that there are, ``connectors`` those installed; what is None is not
    looked at (loading connectors costs most of a second, and a judgement without delivery needs none).
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = system_reason(error)
        raise Stopped(Problem("SYS-045", {"path": str(file), "reason": reason})) from error
    written = _by_type(read_toml(text, str(file)))
    base = file.resolve().parent
    connector = written.data.get("connector")
    settings, wrong = _connector(connector if isinstance(connector, Mapping) else {}, written, base, connectors)
    try:
        profile = decode_toml(PartyProfile, written, base=base)
    except Stopped as stop:
        raise Stopped(*stop.problems, *wrong) from stop
    problems = [*_rules(profile, written, file, trees)]
    certificates: list[SigningCertificate] = []
    for number, form in enumerate(profile.certificates):
        try:
            certificates.append(_certificate(form, written, ("certificates", number), notes))
        except Stopped as stop:
            problems += stop.problems
    if len({c.fingerprint for c in certificates}) < len(certificates):
        problems.append(
            written.problem(
                "SYS-025", ("certificates",), what="certificate", value="…", first=file.name, second=file.name
            )
        )
    problems += wrong
    if problems:
        raise Stopped(*problems)
    return _party(profile, tuple(certificates), settings)


def read_folder(
    folder: Path,
    trees: Collection[str] | None = None,
    connectors: ConnectorRegistry | None = None,
    notes: list[Problem] | None = None,
) -> list[Party]:
    """The parties of every file ``*.toml`` of the folder, by name. Raises Stopped with every mistake of all files."""
    if not folder.is_dir():
        raise Stopped(Problem("SYS-033", {"folder": str(folder)}))
    try:  # glob() would take a folder that may not be read for an empty one
        files = sorted(file for file in folder.iterdir() if file.suffix == ".toml")
    except OSError as error:
        raise Stopped(Problem("SYS-045", {"path": str(folder), "reason": system_reason(error)})) from error
    parties: list[Party] = []
    places: dict[PartyId, str] = {}
    problems: list[Problem] = []
    for file in files:
        try:
            party = read_file(file, trees, connectors, notes)
        except Stopped as stop:
            problems += stop.problems
        else:
            parties.append(party)
            places[party.id] = str(file)
    problems += _twice(parties, places)
    problems += _strangers(parties, places, {file.stem for file in files})
    if problems:
        raise Stopped(*problems)
    return parties


def _by_type(written: Written) -> Written:
    """``signature = { HS17 = "accepted" }`` read as ``signature.by_type``."""
    signature = written.data.get("signature")
    if not isinstance(signature, Mapping):
        return written
    own = {name: value for name, value in signature.items() if LOAI.fullmatch(name)}
    rest = {name: value for name, value in signature.items() if name not in own}
    if own:
        rest["by_type"] = own
    places: dict[KeyPath, Location] = {
        **written.places,
        **{("signature", "by_type", name): written.place(("signature", name)) for name in own},
    }
    return Written(written.file, {**written.data, "signature": rest}, places)


def _rules(profile: PartyProfile, written: Written, file: Path, trees: Collection[str] | None) -> Iterable[Problem]:
    problem = written.problem
    if profile.id != file.stem:
        yield problem("SYS-014", ("id",), value=profile.id, allowed=[file.stem], nearest=file.stem)
    if profile.role is Role.GATEWAY:
        allowed = [role for role in Role if role is not Role.GATEWAY]
        yield problem("SYS-014", ("role",), value=profile.role, allowed=allowed, nearest=Role.ONE_STOP)
    for where, missing in _MISSING:
        if missing(profile):
            yield problem("SYS-016", where)
    for user, digest in profile.credentials.basic.items():
        if not re.fullmatch(SHA256, digest):
            yield problem("SYS-017", ("credentials", "basic", user), value="…", pattern=SHA256)
    for where in _portal_form_lacks(profile):
        yield problem("SYS-016", where)
    yield from _certificate_rules(profile, written, trees)
    yield from _type_rules(profile, written, trees)
    from schemas.dialect_fields import dialect_mistakes  # noqa: PLC0415 - loads the schema library
    from schemas.rules import settable_rules, strange_rules  # noqa: PLC0415 - as above

    for name in strange_rules(profile.rules) if profile.rules else ():
        known = settable_rules()
        meant = nearest(name.rpartition(".")[2], known) or "–"
        yield problem("SYS-012", ("rules", name), nearest=meant, known=known)

    for code, where, found in dialect_mistakes(profile.formats, profile.maps, profile.limits):
        yield problem(code, where, **found)


# What a profile must say, and when it has not.
_MISSING: Final[tuple[tuple[KeyPath, Callable[[PartyProfile], bool]], ...]] = (
    (("identifiers",), lambda p: not p.identifiers),
    (("connector", "name"), lambda p: p.receives is Receives.PUSH and not p.connector.get("name")),
    (("disabled_reason",), lambda p: not p.enabled and not (p.disabled_reason or "").strip()),
)


def _portal_form_lacks(profile: PartyProfile) -> Iterable[KeyPath]:
    """What a profile must say too whose party may use the door in the national portal's form: nobody signs there."""
    if not profile.portal_form.allowed:
        return
    if not profile.credentials.basic:
        yield "credentials", "basic"
    if not profile.typed_submissions:
        yield ("typed_submissions",)
    for loai in ("HS01", "HS05"):
        if profile.signature.demand(loai) is SignatureDemand.REQUIRED:
            yield "signature", loai


def _unknown_tree(
    tree: str | None, trees: Collection[str] | None, where: KeyPath, written: Written
) -> Iterable[Problem]:
    """Nothing where the node's trees are not known."""
    if trees is not None and tree is not None and tree not in trees:
        near = nearest(tree, trees) or "–"
        yield written.problem("SYS-014", where, value=tree, allowed=sorted(trees), nearest=near)


def _certificate_rules(profile: PartyProfile, written: Written, trees: Collection[str] | None) -> Iterable[Problem]:
    for number, form in enumerate(profile.certificates):
        yield from _unknown_tree(form.tree, trees, ("certificates", number, "tree"), written)
        if form.valid_from is not None and form.valid_to is not None and form.valid_from >= form.valid_to:
            key = dotted(("certificates", number, "valid_to"))
            rule = {"rule_vi": "phải sau valid_from", "rule_en": "must be later than valid_from"}
            yield written.problem("SYS-018", ("certificates", number, "valid_from"), other=key, **rule)


def _type_rules(profile: PartyProfile, written: Written, trees: Collection[str] | None) -> Iterable[Problem]:
    signature = profile.signature
    by_type: Mapping[str, Mapping[str, object]] = {
        "versions": profile.versions,
        "signature.by_type": signature.by_type,
        "signature.algorithms_by_type": signature.algorithms_by_type,
        "signature.trees_by_type": signature.trees_by_type,
    }
    for name, table in by_type.items():
        for loai in table:
            if not LOAI.fullmatch(loai):
                yield written.problem("SYS-017", (*name.split("."), loai), value=loai, pattern=LOAI.pattern)
    for loai, named in signature.trees_by_type.items():
        for tree in named:
            yield from _unknown_tree(tree, trees, ("signature", "trees_by_type", loai), written)


def _certificate(
    form: CertificateFile, written: Written, key: KeyPath, notes: list[Problem] | None
) -> SigningCertificate:
    # Whoever only looks into the database loads no keys.
    from signing.keyfiles import certificates_in, own_certificate  # noqa: PLC0415

    path = {"path": str(form.file)}
    reading = form.file
    try:
        raw = reading.read_bytes()
        password = None
        if form.password_file is not None:
            reading = form.password_file
            password = reading.read_text("utf-8-sig").partition("\n")[0].rstrip("\r").encode()
    except (OSError, UnicodeDecodeError) as error:
        facts = {"path": str(reading), "reason": system_reason(error)}
        raise Stopped(written.problem("SYS-020", (*key, "file"), **facts)) from error
    try:
        own = own_certificate(raw, password)
        beside = [one.subject for one in certificates_in(raw, password) if one.fingerprint != own.fingerprint]
    except ValueError as error:
        raise Stopped(written.problem("SYS-021", (*key, "file"), **path, reason=str(error))) from error
    if beside and notes is not None:
        about = {**path, "count": len(beside) + 1, "subject": own.subject, "beside": beside}
        notes.append(written.problem("SYS-084", (*key, "file"), **about))
    registered = {f.name: getattr(form, f.name) for f in fields(CertificateUse)}
    return SigningCertificate(der=own.der, fingerprint=own.fingerprint, **registered)


def _connector(
    table: Mapping[str, Any], written: Written, base: Path, connectors: ConnectorRegistry | None
) -> tuple[dict[str, Any], list[Problem]]:
    """The connector's own settings with absolute paths, and what is wrong with them."""
    if not table:
        return {}, []
    name = table.get("name")
    values = {key: value for key, value in table.items() if key != "name"}
    if not isinstance(name, str):
        return {}, [written.problem("SYS-016", ("connector", "name"))]
    if connectors is None:
        return values, []
    try:
        connector = connectors.named(name)
        values = _absolute(dict(connector.embedded(values, base)), connector.settings, base)
        connector.configure(values, where=written.file, base=base)
    except Stopped as stop:
        placed = []
        for problem in stop.problems:
            key = str(problem.facts.get("key", ""))
            place = written.place(("connector", *key.split("."))) if key else written.place(("connector", "name"))
            placed.append(Problem(problem.code, {"file": written.file, **problem.facts}, place))
        return {}, placed
    return values, []


def _absolute(values: Mapping[str, Any], settings: type[Any], base: Path) -> dict[str, Any]:
    """Paths and secret files are taken from the profile's folder."""
    hints = {**hints_of(settings), **hints_of(Common)}
    secrets = {f.name for kind in (settings, Common) for f in fields(kind) if f.metadata.get("pattern") == SECRET}
    done = dict(values)
    for key, value in values.items():
        if isinstance(value, Mapping) and Secret in typing.get_args(hints.get(key)):
            done[key] = {name: _secret_file(where, base) for name, where in value.items()}
        if not isinstance(value, str):
            continue
        if Path in (hints.get(key), *typing.get_args(hints.get(key))):
            done[key] = str((base / Path(value).expanduser()).resolve())
        elif key in secrets:
            done[key] = _secret_file(value, base)
    return done


def _secret_file(where: Any, base: Path) -> Any:
    """Where a secret lies, with an absolute path where it is a file."""
    kind, _, name = where.partition(":") if isinstance(where, str) else ("", "", "")
    return f"file:{(base / Path(name).expanduser()).resolve()}" if kind == "file" else where


def _party(
    profile: PartyProfile, certificates: tuple[SigningCertificate, ...], connector_settings: Mapping[str, Any]
) -> Party:
    return Party(
        id=PartyId(profile.id),
        name=profile.name,
        role=profile.role,
        identifiers=profile.identifiers,
        receives=profile.receives,
        enabled=profile.enabled,
        disabled_reason=profile.disabled_reason,
        credentials=profile.credentials,
        certificates=certificates,
        signature=profile.signature,
        connector=str(profile.connector["name"]) if profile.connector else None,
        connector_settings=connector_settings,
        retry=profile.retry,
        lane=profile.lane,
        meaning=profile.meaning,
        maps={name: {theirs: str(ours) for theirs, ours in table.items()} for name, table in profile.maps.items()},
        formats=profile.formats,
        limits=profile.limits,
        versions=profile.versions,
        rules=profile.rules,
        typed_submissions=profile.typed_submissions,
        portal_form=profile.portal_form,
        plain_references=profile.plain_references,
        soap_faults=profile.soap_faults,
        files=profile.files,
        rate_per_s=profile.rate_per_s,
        allowance=profile.allowance,
        may_send_to=profile.may_send_to,
        privileges=profile.privileges,
        contact=profile.contact,
    )


def _twice(parties: Iterable[Party], places: Mapping[PartyId, str]) -> Iterable[Problem]:
    """What may belong to one party only."""
    owners: dict[tuple[str, str], PartyId] = {}
    for party in parties:
        claims = [
            *(("identifier", identifier_key(i)) for i in party.identifiers),
            *(("token", t) for t in party.credentials.token_sha256),
            *(("client certificate", c) for c in party.credentials.client_certificate_sha256),
            *(("user name", u) for u in party.credentials.basic),
            *(("signing certificate", c.fingerprint) for c in party.certificates),
        ]
        for what, value in claims:
            owner = owners.setdefault((what, value), party.id)
            if owner != party.id:
                shown = value if what in {"identifier", "user name"} else value[:12] + "…"
                facts = {"what": what, "value": shown, "first": places[owner], "second": places[party.id]}
                yield Problem("SYS-025", {"file": places[party.id], **facts}, Location(1, 1))


def _strangers(parties: Iterable[Party], places: Mapping[PartyId, str], known: Collection[str]) -> Iterable[Problem]:
    for party in parties:
        for other in party.may_send_to or ():
            if other not in known:
                facts = {"file": places[party.id], "key": "may_send_to", "value": other, "allowed": sorted(known)}
                yield Problem("SYS-014", {**facts, "nearest": nearest(other, known) or "–"}, Location(1, 1))


def to_text(party: Party) -> str:
    """The whole profile as one self-contained text, the same for equal profiles: what the registry keeps."""
    return json.dumps(_row(party), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def to_apply(
    current: Mapping[PartyId, str | None], wanted: Mapping[PartyId, Party | None]
) -> dict[PartyId | str, str | None]:
    """The texts of these parties, None for one that goes; what the desk ordered about them stays as it is in force."""
    texts: dict[PartyId | str, str | None] = {}
    for name, party in wanted.items():
        desk = json.loads(current.get(name) or "{}").get("desk")
        kept = party if party is None or desk is None else replace(party, desk=_rich(DeskOrders, desk))
        texts[name] = None if kept is None else to_text(kept)
    return texts


def order_party(store: Store, name: PartyId, order: PartyOrder, *, who: str, reason: str, now: datetime) -> Party:
    """The party as it stands after the desk's order, a new version of the registry. Raises Stopped (SYS-042, SYS-173)."""
    made: list[Party] = []

    from gateway.core.ledger import LogLine  # noqa: PLC0415 - who only reads profiles loads no counter

    def change(current: Mapping[PartyId, str | None]) -> Mapping[PartyId | str, str | None]:
        text = current.get(name)
        if text is None:
            raise Stopped(unknown("party", name))
        made.append(ordered(from_text(text), order, reason, now))
        return {name: to_text(made[0])}

    with store.begin() as tx:
        version = tx.change_parties(change, who=who, reason=reason, now=now)
        facts = {"party": name, "version": version, "reason": reason}
        tx.note(LogLine(what=ORDERS[order].done, who=who, facts=facts), now)
    return made[0]


def from_text(text: str) -> Party:
    """The reverse of :func:`to_text`; fields that a later version no longer knows are left out."""
    row = json.loads(text)
    for name, (table, key) in _FLAT.items():
        if name in row:
            row[table] = {key: row.pop(name)}
    return typing.cast("Party", _rich(Party, row))  # what _rich makes of this hint


# name in the registry -> table and key of a profile: what is kept has no tables for these, so that it stays as it was
_FLAT = {"lane_after_failure": ("lane", "after_failure"), "trang_8_la_tam_dung": ("meaning", "Trang8LaTamDung")}


def _row(party: Party) -> dict[str, Any]:
    row: dict[str, Any] = _plain(party)
    if not party.plain_references:  # said only where it is: what was kept before there was this word stays as it was
        del row["plain_references"]
    if party.portal_form == PortalForm():
        del row["portal_form"]
    if party.files == PartyFiles():
        del row["files"]
    for name, (table, key) in _FLAT.items():
        inner = row.pop(table)
        if key in inner:
            row[name] = inner[key]
    if not party.rules:  # as above
        del row["rules"]
    if not row["desk"]:  # as above
        del row["desk"]
    if not row["allowance"]:  # a profile from before there were any says the same
        del row["allowance"]
    return row


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(inner) for f in fields(value) if (inner := getattr(value, f.name)) is not None}
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _rich(hint: Any, value: Any) -> Any:
    """A value of JSON as what a type hint asks for."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if args and type(None) in args:
        return None if value is None else _rich(next(a for a in args if a is not type(None)), value)
    if origin in _MANY:
        return _MANY[origin](_rich(args[0], item) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _rich(args[1], inner) for name, inner in value.items()}
    if is_dataclass(hint) and isinstance(hint, type):
        hints = hints_of(hint)
        known = {f.name for f in fields(hint)}
        return hint(**{name: _rich(hints[name], inner) for name, inner in value.items() if name in known})
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return _PLAIN[hint](value) if hint in _PLAIN else value


_MANY: Final[Mapping[Any, Callable[[Iterable[Any]], Any]]] = {frozenset: frozenset, tuple: tuple}
_PLAIN: Final[Mapping[Any, Callable[[str], Any]]] = {bytes: base64.b64decode, datetime: datetime.fromisoformat}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileDifference:
    """What applying would do to one party."""

    party: PartyId
    kind: str  # "added", "changed", "removed"
    fields: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)  # name -> (in force, in the file)


def profile_differences(
    in_force: Parties, wanted: Iterable[Party], *, remove_missing: bool = False
) -> list[ProfileDifference]:
    """What is different, by party. Credentials are shown as the first characters of their hashes."""
    found: list[ProfileDifference] = []
    seen: set[PartyId] = set()
    for party in wanted:
        seen.add(party.id)
        old = in_force.get(party.id)
        party = replace(party, desk=old.desk) if old is not None else party  # noqa: PLW2901 - the files do not say it
        before: dict[str, str] = {} if old is None else _shown(old)
        after = _shown(party)
        changed = {
            name: (before.get(name), after.get(name))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        }
        if old is None or to_text(old) != to_text(party):
            found.append(ProfileDifference(party=party.id, kind="added" if old is None else "changed", fields=changed))
    gone = [party.id for party in in_force if party.id not in seen and party.role is not Role.GATEWAY]
    return [*found, *(ProfileDifference(party=party, kind="removed") for party in gone if remove_missing)]


def fields_changed_between(before: str | None, after: str | None) -> dict[str, tuple[str | None, str | None]]:
    """What two kept texts of one party's profile say differently, by field; None: that side says nothing of it, or is no party.

    Credentials are shown as the first characters of their hashes.
    """
    old, new = ({} if text is None else _shown(from_text(text)) for text in (before, after))
    return {name: (old.get(name), new.get(name)) for name in sorted({*old, *new}) if old.get(name) != new.get(name)}


def _shown(party: Party, prefix: str = "") -> dict[str, str]:
    rows: dict[str, str] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(f"{name}.{key}" if name else str(key), inner)
        elif name == "certificates":
            for row in value:
                der = base64.b64decode(row["der"])
                about = [
                    row.get("tree", "–"),
                    ",".join(row["purposes"]),
                    row.get("valid_from", ""),
                    row.get("valid_to", ""),
                ]
                rows[f"certificates.{hashlib.sha256(der).hexdigest()[:16]}"] = " ".join(a for a in about if a)
        elif name.startswith("credentials."):
            items = value if isinstance(value, list) else [value]
            rows[name] = ", ".join(str(item)[:12] + "…" for item in items)
        elif isinstance(value, list):
            rows[name] = ", ".join(str(item) for item in value)
        else:
            rows[name] = str(value)

    walk(prefix, _row(party))
    return {name: value for name, value in rows.items() if value}
