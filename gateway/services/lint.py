"""The lint over a period: which dossiers, as the national portal is told of them, cost their agency points, and by which rule.

For the command line, the reports and the desk. ``lint()`` gives a :class:`LintReport`:

``report.weeks``     one :class:`LintWeek` for each (agency, ISO week), in that order: ``agency`` (a party's id, or None),
                     ``week`` ("2026-W03", of NgayTiepNhan at home, or of the day on which the gateway first heard of a
                     dossier that is not received), ``dossiers`` looked at, ``weak`` among them, and ``by_rule``, the number
                     of dossiers for each rule's id.
``report.findings``  the first ``most`` of :class:`LintFinding` (dossier, rule, problem), one for each dossier and rule; never
                     a person's data: codes of dossiers, names of fields, dates, states.
``report.left_out``  how many findings more there are. ``report.unread``: dossiers whose letters were erased or cannot be
                     read any more, so that nothing can be said of them.

``LintReport.by_agency()`` and ``by_rule()`` add up; ``lint_sheets()`` makes two tables of it for a workbook. Rules are
``schemas.scoring.LINT``: each has ``id``, ``vi``, ``en``, ``source``.
Memory is bounded by the numbers of agencies and weeks; the record is read a page a snapshot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.lifecycle import LifeRules
from gateway.core.model import MaHoSo, PartyId
from gateway.core.parties import Parties
from gateway.core.problems import Lang, Problem, Stopped
from gateway.sheets import Sheet
from gateway.store import Store, View
from schemas.record import WORDS, HoSoRecord, record_of
from schemas.scoring import LINT, SOURCE_EN, SOURCE_VI, LintRule, flaws

PAGE = 200  # dossiers that are read in one snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One rule that one dossier breaks."""

    ma_ho_so: MaHoSo
    agency: PartyId | None
    week: str
    rule: LintRule
    problem: Problem  # the remark: its code, and the facts that its sentence needs
    times: int = 1  # how often in this dossier


@dataclass(frozen=True, slots=True, kw_only=True)
class LintWeek:
    """What was found at one agency in one week."""

    agency: PartyId | None
    week: str
    dossiers: int
    weak: int  # with at least one finding
    by_rule: Mapping[str, int]  # a rule's id -> dossiers that break it


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """The lint of a period."""

    since: datetime
    until: datetime
    weeks: tuple[LintWeek, ...]
    findings: tuple[LintFinding, ...] = ()
    left_out: int = 0
    unread: int = 0

    @property
    def dossiers(self) -> int:
        """How many dossiers were looked at."""
        return sum(one.dossiers for one in self.weeks)

    @property
    def weak(self) -> int:
        """How many of them break a rule."""
        return sum(one.weak for one in self.weeks)

    def by_agency(self) -> dict[PartyId | None, LintWeek]:
        """The weeks of each agency added up; ``week`` is empty."""
        found: dict[PartyId | None, LintWeek] = {}
        for one in self.weeks:
            so_far = found.get(one.agency)
            rules = Counter(so_far.by_rule if so_far else {}) + Counter(one.by_rule)
            found[one.agency] = LintWeek(
                agency=one.agency,
                week="",
                dossiers=one.dossiers + (so_far.dossiers if so_far else 0),
                weak=one.weak + (so_far.weak if so_far else 0),
                by_rule=dict(rules),
            )
        return found

    def by_rule(self) -> dict[str, int]:
        """How many dossiers break each rule, the most first."""
        found: Counter[str] = Counter()
        for one in self.weeks:
            found.update(one.by_rule)
        return dict(found.most_common())


@dataclass(slots=True)
class _Counts:
    dossiers: int = 0
    weak: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)


def lint(
    store: Store,
    parties: Parties,
    since: datetime,
    until: datetime,
    *,
    agency: PartyId | None = None,
    rules: Collection[str] = (),
    most: int = 0,
    seen: Callable[[int], object] = lambda _: None,
) -> LintReport:
    """What the lint finds in the dossiers that were received (or else first heard of) in a period.

    ``rules`` are the ids asked for; empty: all. ``seen`` is told after each page how many dossiers were looked at.
    """
    counts: dict[tuple[str, str], _Counts] = {}
    shown: list[LintFinding] = []
    found = unread = looked = 0
    for page in _pages(store, parties, since, until, agency):
        for one in page:
            if one.record is None or one.record.whole is None:
                unread += 1
                continue
            counted = counts.setdefault((one.agency or "", one.week), _Counts())
            findings = [finding for finding in _of(one) if not rules or finding.rule.id in rules]
            counted.dossiers += 1
            counted.weak += bool(findings)
            counted.by_rule.update(finding.rule.id for finding in findings)
            found += len(findings)
            shown += findings[: max(most - len(shown), 0)]
        looked += len(page)
        seen(looked)
    return LintReport(
        since=since,
        until=until,
        weeks=tuple(
            LintWeek(
                agency=PartyId(name) if name else None,
                week=week,
                dossiers=one.dossiers,
                weak=one.weak,
                by_rule=dict(one.by_rule),
            )
            for (name, week), one in sorted(counts.items())
        ),
        findings=tuple(shown),
        left_out=found - len(shown),
        unread=unread,
    )


def lint_sheets(report: LintReport, parties: Parties, lang: Lang) -> list[Sheet]:
    """The report as tables in one language: the counts by agency, week and rule, then the dossiers."""
    english = lang is Lang.EN
    notes = [f"{'Source' if english else 'Nguồn'}: {SOURCE_EN if english else SOURCE_VI}."]
    if report.unread:
        told = (
            f"{report.unread} hồ sơ không còn đọc được thông điệp.",
            f"{report.unread} dossiers cannot be read any more.",
        )
        notes.append(told[english])
    cut = (f"Còn {report.left_out} dòng nữa.", f"{report.left_out} more lines.")
    names = {one.agency: party.name if (party := parties.get(one.agency)) else "" for one in report.weeks}
    counts = Sheet(
        name=("Soi 766", "Lint 766")[english],
        title=("Rà soát hồ sơ theo bộ chỉ số 766", "The lint by the index 766")[english],
        notes=notes,
        header=[head[english] for head in _COUNTS],
        rows=[
            [week.agency, names[week.agency], week.week, rule.id, (rule.vi, rule.en)[english], number, week.dossiers]
            for week in report.weeks
            for rule in LINT
            if (number := week.by_rule.get(rule.id, 0))
        ],
    )
    dossiers = Sheet(
        name=("Rà soát 766 - hồ sơ", "Lint 766 - dossiers")[english],
        title=("Hồ sơ bị lưu ý", "Dossiers told of")[english],
        header=[head[english] for head in _DOSSIERS],
        rows=[
            [one.agency, names[one.agency], one.ma_ho_so, one.week, one.rule.id, one.problem.message(lang)]
            for one in report.findings
        ],
        more=[cut[english]] if report.left_out else (),
    )
    return [counts, dossiers]


_COUNTS = (("Cơ quan", "Agency"), ("Tên", "Name"), ("Tuần", "Week"), ("Quy tắc", "Rule"), ("Nghĩa", "Meaning"),
           ("Hồ sơ bị lưu ý", "Dossiers told of"), ("Trong số", "Of"))  # fmt: skip
_DOSSIERS = (("Cơ quan", "Agency"), ("Tên", "Name"), ("Mã hồ sơ", "Dossier"), ("Tuần", "Week"), ("Quy tắc", "Rule"),
             ("Nội dung bị lưu ý", "What"))  # fmt: skip


def lint_of(store: Store, parties: Parties, ma_ho_so: MaHoSo) -> tuple[LintFinding, ...]:
    """What the lint finds in one dossier. Raises KeyError where there is none, Stopped where it cannot be composed."""
    with store.read() as view:
        dossier = view.dossier(ma_ho_so)
        if dossier is None or not dossier.changes:
            raise KeyError(ma_ho_so)
        record = record_of(view.letters_of(dossier.ma_ho_so, _rules_of(parties), of=WORDS))
    if record.whole is None:
        return ()
    week = week_of(dossier.ngay_tiep_nhan or dossier.opened_at)
    return tuple(_of(_Looked(dossier.ma_ho_so, dossier.agency, week, record)))


def week_of(moment: datetime | None) -> str:
    """The ISO week of a moment at home, "2026-W03"."""
    if moment is None:
        return "–"
    year, week, _ = moment.astimezone(GIO_VIET_NAM).isocalendar()
    return f"{year}-W{week:02d}"


@dataclass(frozen=True, slots=True)
class _Looked:
    ma_ho_so: MaHoSo
    agency: PartyId | None
    week: str
    record: HoSoRecord | None


def _pages(
    store: Store, parties: Parties, since: datetime, until: datetime, agency: PartyId | None
) -> Iterator[list[_Looked]]:
    """The dossiers of the period, a page a snapshot: a long reader must not keep the database from tidying up."""
    after = ""
    while True:
        with store.read() as view:
            codes = view.begun(since, until, agency=agency, after=after, limit=PAGE)
            page = [_looked(view, parties, code) for code in codes]
        if not codes:
            return
        yield page
        after = codes[-1]


def _looked(view: View, parties: Parties, code: MaHoSo) -> _Looked:
    letters = view.letters_of(code, _rules_of(parties), of=WORDS)
    dossier = letters.dossier
    try:
        record = record_of(letters)
    except Stopped:  # composed of what is there, no packet takes it: the drift says so
        record = None
    return _Looked(code, dossier.agency, week_of(dossier.ngay_tiep_nhan or dossier.opened_at), record)


def _of(one: _Looked) -> Iterator[LintFinding]:
    """One finding for each rule that is broken, however often."""
    whole = one.record.whole if one.record is not None else None
    broken: dict[str, list[tuple[LintRule, Problem]]] = {}
    for rule, problem in flaws(whole or {}):
        broken.setdefault(rule.id, []).append((rule, problem))
    for found in broken.values():
        rule, problem = found[0]
        yield LintFinding(
            ma_ho_so=one.ma_ho_so,
            agency=one.agency,
            week=one.week,
            rule=rule,
            problem=problem,
            times=len(found),
        )


def _rules_of(parties: Parties) -> Callable[[PartyId | None], LifeRules]:
    return lambda agency: LifeRules.of(parties.get(agency))
