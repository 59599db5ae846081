"""The rules that hold a message against the catalogue of services: table look-ups only, without the database.

Each has a name for settings, two codes (refusal and remark) and a default. What needs the message alone is asked when it is
judged (:func:`of_message`); what needs the dossier's history is asked at the counter (:func:`of_history`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from gateway.core.deadlines import GIO_VIET_NAM, WorkingCalendar
from gateway.core.effects import Effect, Files, Moves, Notes, Redates
from gateway.core.known_services import KnownServices
from gateway.core.lifecycle import DUNG_XU_LY, YEU_CAU_BO_SUNG, LifeRules, Reading, Trace
from gateway.core.model import Dossier, ThongDiep
from gateway.core.parties import Parties, Party, Role
from gateway.core.problems import Problem, Stopped
from gateway.core.service_terms import ServiceTerm
from gateway.core.severity import Severity, severity_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRule:
    """One rule about services. ``code`` refuses, ``note`` is the same sentence as a remark."""

    name: str
    code: str
    note: str
    types: tuple[str, ...]  # message types it looks at
    source: str
    default: Severity = Severity.WARN


TRUC_TUYEN = ServiceRule(
    name="dich-vu-muc-do",
    code="CAT-031",
    note="CAT-041",
    types=("HS01",),
    source="Quyết định 33/2015/QĐ-UBND Đồng Nai, Điều 2.4 (R4)",
)
HIEU_LUC = ServiceRule(
    name="dich-vu-hieu-luc",
    code="CAT-032",
    note="CAT-042",
    types=("HS01",),
    source="Quyết định 33/2015/QĐ-UBND Đồng Nai, Điều 8.6.c (R63)",
)
THOI_HAN = ServiceRule(
    name="dich-vu-thoi-han",
    code="CAT-033",
    note="CAT-043",
    types=("HS01", "HS03", "HS05", "HS08", "HS13"),
    source="Quyết định 33/2015/QĐ-UBND Đồng Nai, Điều 4.3.c (R35)",
)
CHU_TRI = ServiceRule(
    name="dich-vu-chu-tri",
    code="CAT-034",
    note="CAT-044",
    types=("HS03", "HS04", "HS05", "HS06", "HS08", "HS11", "HS12", "HS13"),
    source="liên thông: docs/operate.md",
)
SERVICE_RULES = (TRUC_TUYEN, HIEU_LUC, THOI_HAN, CHU_TRI)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDesk:
    """What the rules ask: the catalogue, the working calendar, and how strict the node's settings are."""

    known: KnownServices = field(default_factory=KnownServices)
    calendar: WorkingCalendar = field(default_factory=WorkingCalendar)
    severity: Mapping[str, Severity] = field(default_factory=dict)

    def strictness(self, rule: ServiceRule, loai: str, sender: Party | None) -> Severity:
        """How strict a rule is with a message of this type from this party."""
        own = sender.rules if sender is not None else {}
        return severity_of(rule.name, loai, rule.default, own, self.severity)


def _told(desk: ServiceDesk, rule: ServiceRule, loai: str, sender: Party | None, **facts: object) -> Iterator[Problem]:
    """The problem of a broken rule; nothing where it is off."""
    strictness = desk.strictness(rule, loai, sender)
    if strictness is not Severity.OFF:
        yield Problem(rule.code if strictness is Severity.REJECT else rule.note, {**facts, "rule": rule.name})


def of_message(thong_diep: ThongDiep, sender: Party | None, desk: ServiceDesk) -> tuple[Problem, ...]:
    """What the catalogue says against a filing, as problems without a place."""
    if not desk.known.by_stem:
        return ()
    found: list[Problem] = []
    for effect in thong_diep.effects:
        if not isinstance(effect, Files):
            continue
        filed = effect.ngay_nop or effect.ngay_tiep_nhan or thong_diep.thoi_diem_tao
        day = _day(filed)
        service = desk.known.of(effect.ma_tthc, day)
        if service is None:
            continue
        loai = thong_diep.loai
        if effect.kenh_thuc_hien == "2" and not service.takes_online:
            found += _told(desk, TRUC_TUYEN, loai, sender, ma=service.ma, level=service.level)
        if not service.in_force(day):
            until = service.until if service.until is not None and service.until < day else None
            facts = {"since": service.since, "until": until, "instead": service.replaced_by}
            said = {name: str(value) if value is not None else "–" for name, value in facts.items()}
            found += _told(desk, HIEU_LUC, loai, sender, ma=service.ma, day=day.isoformat(), **said)
    return tuple(found)


def owner_of(
    dossier: Dossier, ma_tthc: str | None, parties: Parties, known: KnownServices, at: datetime
) -> Party | None:
    """The party whose system keeps the state of this dossier by the catalogue; None where that is nobody who is a party to it."""
    service = known.of(ma_tthc, _day(at)) if known.by_stem else None
    if service is None or service.owner is None:
        return None
    party = parties.by_identifier(service.owner)
    return party if party is not None and party.id in dossier.parties else None


def moves_by_owner(
    thong_diep: ThongDiep, dossier: Dossier, sender: Party, parties: Parties, desk: ServiceDesk
) -> tuple[tuple[Effect, ...], tuple[Problem, ...]]:
    """What a message does where another system keeps the procedure's state: an agency's moves become notes.

    Raises Stopped (CAT-034) where the rule refuses. What a portal passes on of the applicant (a withdrawal) moves as ever. Only
    where the owner handles the dossier: one that was never told of it cannot move it, and the dossier would stand still for ever.
    """
    effects = thong_diep.effects
    if sender.role is not Role.ONE_STOP or not any(isinstance(effect, Moves) for effect in effects):
        return effects, ()
    owner = owner_of(dossier, dossier.ma_tthc, parties, desk.known, thong_diep.thoi_diem_tao)
    if owner is None or owner.id == sender.id or owner.id != dossier.agency:
        return effects, ()
    facts = {"owner": owner.id, "caller": sender.id, "ma_tthc": dossier.ma_tthc, "ma_ho_so": dossier.ma_ho_so}
    found = tuple(_told(desk, CHU_TRI, thong_diep.loai, sender, **facts))
    if not found:
        return effects, ()
    if found[0].code == CHU_TRI.code:
        raise Stopped(*found)
    return tuple(_noted(effect) for effect in effects), found


def _noted(effect: Effect) -> Effect:
    if isinstance(effect, Moves):
        return Notes(what="trang-thai-ngoai-chu-tri", value=str(effect.to) if effect.to is not None else None)
    if isinstance(effect, Redates):
        return Notes(what="hen-tra-ngoai-chu-tri")
    return effect


def of_history(
    thong_diep: ThongDiep,
    number: int,
    read: Trace,
    sender: Party,
    rules: LifeRules,
    desk: ServiceDesk,
) -> tuple[Problem, ...]:
    """What the catalogue says against the appointment that the event of this number has made (CAT-033, CAT-043).

    HS16 is the open way to more time: what it grants is the limit from then on.
    """
    if thong_diep.loai == "HS16" or not desk.known.by_stem or read.ngay_hen_tra is None:
        return ()
    said = _appointed(number, read)
    received = read.ngay_tiep_nhan
    if said is None or received is None or said != read.ngay_hen_tra:
        return ()
    service = desk.known.of(read.ma_tthc, _day(received))
    if service is None or service.term is None:
        return ()
    try:
        last = latest(service.term, read, rules, desk.calendar)
    except (
        OverflowError,
        ValueError,
    ):  # beyond the calendar's end, or a calendar without an open day: nothing can be said
        return ()
    if last is None or said <= last:
        return ()
    facts = {"ma": service.ma, "term": str(service.term), "value": _shown(said), "last": _shown(last)}
    return tuple(_told(desk, THOI_HAN, thong_diep.loai, sender, **facts))


def _appointed(number: int, read: Trace) -> datetime | None:
    """The appointment that this event states, where it counts."""
    counts = (Reading.APPLIED, Reading.SAME, Reading.NOTED)
    stated = [
        step.effect.ngay_hen_tra
        for step in read.steps
        if step.change.number == number
        and step.reading in counts
        and isinstance(step.effect, Files | Moves | Redates)
        and step.effect.ngay_hen_tra is not None
    ]
    return stated[-1] if stated else None


def latest(term: ServiceTerm, read: Trace, rules: LifeRules, calendar: WorkingCalendar) -> datetime | None:
    """The last moment at which the result is due by the service's time limit, with everything that has extended it since.

    Waiting for a supplement (and state 8, where that is a pause) is added, or by decree the limit is counted anew; an
    appointment granted by HS16 is kept. None where the dossier was not received.
    """
    if read.ngay_tiep_nhan is None:
        return None
    due = term.last_moment(read.ngay_tiep_nhan, calendar)
    happened: list[tuple[datetime, Callable[[datetime], datetime]]] = []
    for span in read.spans:
        pauses = span.trang_thai == YEU_CAU_BO_SUNG or (span.trang_thai == DUNG_XU_LY and rules.trang_8_la_tam_dung)
        if pauses and span.until is not None and span.since >= read.ngay_tiep_nhan:
            if rules.by_decree and span.trang_thai == YEU_CAU_BO_SUNG:
                happened.append((span.until, _anew(term, span.until, calendar)))
            else:
                happened.append((span.until, _later(span.until - span.since)))
    happened += [
        (step.at, _granted(step.effect.ngay_hen_tra))
        for step in read.steps
        if step.change.loai == "HS16" and isinstance(step.effect, Redates) and step.reading is Reading.NOTED
    ]
    for _, extended in sorted(happened, key=lambda one: one[0]):
        due = extended(due)
    return due


def _anew(term: ServiceTerm, since: datetime, calendar: WorkingCalendar) -> Callable[[datetime], datetime]:
    return lambda due: max(due, term.last_moment(since, calendar))


def _later(waited: timedelta) -> Callable[[datetime], datetime]:
    return lambda due: due + waited


def _granted(appointment: datetime) -> Callable[[datetime], datetime]:
    return lambda due: max(due, appointment)


def _day(moment: datetime) -> date:
    """The day at home; the last one there is where that is beyond it."""
    try:
        return moment.astimezone(GIO_VIET_NAM).date()
    except OverflowError:
        return date.max


def _shown(moment: datetime) -> str:
    return moment.astimezone(GIO_VIET_NAM).strftime("%Y-%m-%dT%H:%M:%S+07:00")


def with_owner_as_handler(dossier: Dossier, owner: Party | None) -> Dossier:
    """A dossier that is being opened, with the owner of its procedure's state as its handling agency, where it is there."""
    if owner is None or owner.id not in dossier.parties or owner.id in (dossier.agency, dossier.portal):
        return dossier
    others = (dossier.others | ({dossier.agency} if dossier.agency is not None else set())) - {owner.id}
    return replace(dossier, agency=owner.id, others=frozenset(others))
