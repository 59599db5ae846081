"""Periodic reports: how often services are used and how dossiers fare, by service, agency, channel, month (R19–R21, R59, R66).

Everything is counted by the database, from the rows that dossiers' lives come to (gateway.core.milestones).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.core.deadlines import GIO_VIET_NAM, DeadlineRules, appointment_at
from gateway.core.effects import Moves
from gateway.core.lifecycle import FINISHED_STATES, LABELS, LifeRules, trace
from gateway.core.milestones import MilestoneKind, Punctuality, milestones
from gateway.core.model import Fate, PartyId
from gateway.core.parties import Parties
from gateway.core.problems import Lang, Stopped
from gateway.core.statistics import By, Period, Tally, total
from gateway.core.unknown import unknown
from gateway.sheets import Cell, Sheet
from gateway.store import Groups, RegisterRow, Store, View, bring_up_to_date

SCORES = range(1, 6)  # Diem of HS21
MOST = 100_000  # rows of a register

Words = tuple[str, str]  # Vietnamese, English

KEYS: Mapping[By, tuple[Words, ...]] = {  # the code's heading, and the name's where it has one
    By.SERVICE: (("Mã dịch vụ", "Service code"), ("Tên dịch vụ", "Service")),
    By.AGENCY: (("Mã cơ quan", "Agency code"), ("Cơ quan", "Agency")),
    By.CHANNEL: (("Mã kênh", "Channel code"), ("Kênh nộp", "Channel")),
    By.MONTH: (("Tháng nộp", "Month of filing"),),
}
COUNTS: Mapping[str, Words] = {
    "filed": ("Nộp", "Filed"),
    "online": ("Nộp trực tuyến", "Filed online"),
    "received": ("Tiếp nhận", "Received"),
    "refused": ("Không tiếp nhận", "Refused"),
    "finished": ("Xử lý xong", "Finished"),
    "early": ("Xong trước hạn", "Finished early"),
    "on_time": ("Xong đúng hạn", "Finished on time"),
    "late": ("Xong quá hạn", "Finished late"),
    "undated": ("Xong, chưa có hẹn", "Finished, no appointment"),
    "delivered": ("Đã trả kết quả", "Delivered"),
    "withdrawn": ("Rút", "Withdrawn"),
    "stopped": ("Dừng xử lý", "Stopped"),
    "open": ("Đang xử lý", "Open"),
    "overdue": ("Đang xử lý, quá hạn", "Open, overdue"),
    "waiting": ("Đang chờ người nộp", "Waiting for the applicant"),
    "open_undated": ("Đang xử lý, chưa có hẹn", "Open, no appointment"),
    "supplemented": ("Yêu cầu bổ sung", "Supplement asked for"),
    "supplemented_twice": ("Yêu cầu bổ sung lần hai", "Second supplement asked for"),
    "hand_over_late": ("Chuyển xử lý quá hạn (6 giờ)", "Handed over late (6 hours)"),
    "transfers_late": ("Trả lời hồ sơ chuyển quá hạn", "Transfers answered late"),
    "events": ("Sự kiện", "Events"),
    "asked": ("Lượt tra cứu", "Queries"),
    "recalled": ("Thu hồi", "Recalls"),
    "rated": ("Được đánh giá", "Rated"),
}
CHANNELS: Mapping[str, Words] = {
    "1": ("trực tiếp", "direct"),
    "2": ("trực tuyến", "online"),
    "3": ("bưu chính công ích", "postal"),
}
PUNCTUALITIES: Mapping[Punctuality, Words] = {
    Punctuality.EARLY: ("Trước hạn", "Early"),
    Punctuality.ON_TIME: ("Đúng hạn", "On time"),
    Punctuality.LATE: ("Quá hạn", "Late"),
    Punctuality.UNDATED: ("Chưa có hẹn", "No appointment"),
}
SENDERS: Mapping[str, Words] = {
    "rejected": ("Thông điệp bị từ chối", "Messages rejected"),
    "held": ("Thông điệp đang tạm giữ", "Messages held"),
    "drift": (
        "Hồ sơ có dữ liệu ở bên nhận chưa khớp (lúc lập)",
        "Dossiers that a receiver does not know rightly (now)",
    ),
}
_CODES: Words = ("Mã lỗi hay gặp", "Commonest codes")
_SHOWN_CODES = 5
_EXPLAINED: Sequence[Words] = (
    (
        (
            "Trước hạn: xong vào một ngày trước ngày hẹn. Đúng hạn: trong ngày hẹn, không sau giờ hẹn. Quá hạn: sau giờ hẹn. "
            "Chưa có hẹn: không có ngày hẹn; không tính là đúng hạn."
        ),
        (
            "Early: finished on a day before the appointment. On time: on its day, not after its hour. Late: after it. "
            "No appointment: nobody named one; it does not count as on time."
        ),
    ),
    (
        (
            "Thời gian chờ người nộp bổ sung giấy tờ (trạng thái 5) và thực hiện nghĩa vụ tài chính (trạng thái 6) không tính "
            "cho cơ quan."
        ),
        "Waiting for the applicant's papers (state 5) and money (state 6) is not the agency's time.",
    ),
    (
        (
            "“Đang xử lý” và các cột về hồ sơ còn mở: lúc hết kỳ. Các cột khác: trong kỳ. Thông tin đến sau về "
            "sự việc trong kỳ được tính khi lập lại."
        ),
        (
            "“Open” and the columns about open dossiers: at the end of the period. All else: in the period. Later news that "
            "speak of the period count when the report is made again."
        ),
    ),
)


def in_lang(words: Words, lang: Lang) -> str:
    """The words in one language."""
    return words[lang is Lang.EN]


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderFigures:
    """What went wrong with one party's messages, and what others do not know of its dossiers (R59)."""

    rejected: int = 0  # in the period
    held: int = 0
    codes: tuple[tuple[str, int], ...] = ()  # first problems, the commonest first
    drift: int = 0  # now


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodReport:
    """Counts of a period, by group, as of its end: reproducible from the record at any later time.

    News of the period that arrive after it are counted when the report is made again.
    """

    period: Period
    by: tuple[By, ...]
    groups: Groups
    before: Groups  # of the period of the same length before it
    senders: Mapping[PartyId, SenderFigures]
    names: Mapping[tuple[By, str], str] = field(default_factory=dict)

    def name(self, by: By, code: str, lang: Lang) -> str | None:
        """What a group's code is called; None where nobody has said."""
        if by is By.CHANNEL:
            return in_lang(CHANNELS[code], lang) if code in CHANNELS else None
        return self.names.get((by, code))

    def rows(self, lang: Lang) -> list[dict[str, Any]]:
        """One flat row for each group: its codes and names, its counts, those of the period before under ``ky_truoc``,
        satisfaction as ``diem_tb`` and how many gave each score as ``diem_<score>``, mean hours per state as ``gio_tb_<state>``.

        Grouped by agency alone, with what went wrong with the agency's messages, and its drift.
        """
        return [
            {
                **dict(zip((key.value for key in self.by), codes, strict=True)),
                **{
                    f"ten-{by.value}": self.name(by, code, lang)
                    for by, code in zip(self.by, codes, strict=True)
                    if len(KEYS[by]) > 1
                },
                **group.counts(),
                "ky_truoc": self.before.get(codes, Tally()).counts(),
                **_satisfaction(group),
                **{f"gio_tb_{state}": round(seconds / 3600, 2) for state, seconds in group.mean_seconds().items()},
                **self._of_sender(codes),
            }
            for codes, group in self.groups.items()
        ]

    def _of_sender(self, codes: tuple[str, ...]) -> dict[str, Any]:
        if self.by != (By.AGENCY,):
            return {}
        own = self.senders.get(PartyId(codes[0]), SenderFigures())
        return {"rejected": own.rejected, "held": own.held, "codes": _shown(own.codes), "drift": own.drift}

    def sheets(self, lang: Lang) -> list[Sheet]:
        """The report as tables for people, in one language: counts, against the period before, what went wrong by sender."""
        title = in_lang(("Báo cáo tình hình giải quyết hồ sơ", "Report on the handling of dossiers"), lang)
        span = f"{_day(self.period.since)} – {_day(self.period.until - timedelta(seconds=1))}"
        before = self.period.before()
        earlier = f"{_day(before.since)} – {_day(before.until - timedelta(seconds=1))}"
        notes = (in_lang((f"Kỳ: {span}", f"Period: {span}"), lang), *(in_lang(words, lang) for words in _EXPLAINED))
        named = [in_lang(words, lang) for by in self.by for words in KEYS[by]]
        return [
            Sheet(
                name=in_lang(("Tổng hợp", "Summary"), lang),
                title=title,
                notes=notes,
                header=[
                    *named,
                    *(in_lang(words, lang) for words in COUNTS.values()),
                    *_scores_named(lang),
                    *_states(lang),
                ],
                rows=[[*self._named(codes, lang), *_cells(group)] for codes, group in self.groups.items()],
                total=[*_sum(self.by, lang), *_cells(total(self.groups.values()))],
            ),
            Sheet(
                name=in_lang(("So kỳ trước", "Period before"), lang),
                title=title,
                notes=(
                    in_lang((f"Kỳ này: {span}; kỳ trước: {earlier}", f"This period: {span}; before: {earlier}"), lang),
                ),
                header=[*named, *(head for words in COUNTS.values() for head in _beside(in_lang(words, lang), lang))],
                rows=[[*self._named(codes, lang), *self._compared(codes)] for codes in self._all_groups()],
                total=[
                    *_sum(self.by, lang),
                    *_pairs(total(self.groups.values()), total(self.before.values())),
                ],
            ),
            self.sender_sheet(lang, notes[0]),
        ]

    def shown(self, lang: Lang) -> Sheet:
        """The summary for a screen: columns without a number are left out; beside a count, its change since the period before."""
        summary, compared, _ = self.sheets(lang)
        keys = _heads(self.by)
        counted = {tuple(row[:keys]): row[keys:] for row in compared.rows}
        assert summary.total is not None
        assert compared.total is not None
        lines = [
            *((row, counted[tuple(row[:keys])]) for row in summary.rows),
            (summary.total, compared.total[keys:]),
        ]
        seen = [
            place
            for place in range(len(summary.header))
            if place < keys or any(row[place] for row, _ in lines) or _changed(lines, place - keys)
        ]
        rows = [[_with_change(row, pairs, place, keys) for place in seen] for row, pairs in lines]
        note = in_lang(("Trong ngoặc: hơn kém kỳ trước.", "In brackets: the change since the period before."), lang)
        return Sheet(
            name=summary.name,
            title=summary.title,
            notes=(summary.notes[0], *([note] if any("(" in str(c) for row in rows for c in row[keys:]) else [])),
            header=[summary.header[place] for place in seen],
            rows=rows[:-1],
            total=rows[-1],
            keys=[_heads(self.by[:place]) for place in range(len(self.by))],
        )

    def flat(self, lang: Lang) -> Sheet:
        """The summary with the counts of the period before beside them: one table, for CSV."""
        summary, compared, _ = self.sheets(lang)
        keys, counts = _heads(self.by), len(COUNTS)
        before = [
            in_lang((f"{head} (kỳ trước)", f"{head} (before)"), lang) for head in summary.header[keys : keys + counts]
        ]
        empty: list[Cell] = [None] * (len(summary.header) - keys)
        own = {tuple(row[:keys]): list(row[keys:]) for row in summary.rows}
        rows = [[*row[:keys], *own.get(tuple(row[:keys]), empty), *row[keys + 1 :: 2]] for row in compared.rows]
        assert summary.total is not None
        assert compared.total is not None
        return Sheet(
            name=summary.name,
            title=summary.title,
            header=[*summary.header, *before],
            rows=rows,
            total=[*summary.total, *compared.total[keys + 1 :: 2]],
        )

    def _all_groups(self) -> list[tuple[str, ...]]:
        return sorted({*self.groups, *self.before})

    def _named(self, codes: tuple[str, ...], lang: Lang) -> list[Cell]:
        return [
            cell
            for by, code in zip(self.by, codes, strict=True)
            for cell in (code, self.name(by, code, lang) or "")[: len(KEYS[by])]
        ]

    def _compared(self, codes: tuple[str, ...]) -> list[Cell]:
        return _pairs(self.groups.get(codes, Tally()), self.before.get(codes, Tally()))

    def sender_sheet(self, lang: Lang, note: str = "") -> Sheet:
        """Rejected and held messages by sender, with the commonest first problems, and drift of each agency's dossiers."""
        code, name = KEYS[By.AGENCY]
        return Sheet(
            name=in_lang(("Bên gửi", "Senders"), lang),
            title=in_lang(
                ("Thông điệp bị từ chối và lệch trạng thái theo bên gửi", "Rejected messages and drift by sender"), lang
            ),
            notes=(note,) if note else (),
            header=[
                in_lang(code, lang),
                in_lang(name, lang),
                *(in_lang(w, lang) for w in SENDERS.values()),
                in_lang(_CODES, lang),
            ],
            rows=[
                [
                    party,
                    self.names.get((By.AGENCY, party), ""),
                    own.rejected,
                    own.held,
                    own.drift,
                    _shown(own.codes[:_SHOWN_CODES]),
                ]
                for party, own in self.senders.items()
            ],
            total=[
                *_sum((By.AGENCY,), lang),
                sum(own.rejected for own in self.senders.values()),
                sum(own.held for own in self.senders.values()),
                sum(own.drift for own in self.senders.values()),
                None,
            ],
        )


def _heads(by: Sequence[By]) -> int:
    return sum(len(KEYS[key]) for key in by)


def _shown(codes: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{code} × {count}" for code, count in codes)


_Lines = Sequence[tuple[Sequence[Cell], Sequence[Cell]]]  # a row, and its counts beside those of the period before


def _changed(lines: _Lines, count: int) -> bool:
    return count < len(COUNTS) and any(pairs[2 * count + 1] for _, pairs in lines)


def _with_change(row: Sequence[Cell], pairs: Sequence[Cell], place: int, keys: int) -> Cell:
    cell, count = row[place], place - keys
    if not 0 <= count < len(COUNTS):
        return cell
    now, before = int(str(pairs[2 * count])), int(str(pairs[2 * count + 1]))
    return f"{now} ({now - before:+d})" if before else now


def _sum(by: Sequence[By], lang: Lang) -> list[Cell]:
    return [in_lang(("Tổng", "Total"), lang), *([""] * (_heads(by) - 1))]


def _cells(group: Tally) -> list[Cell]:
    counts = group.counts()
    mean, hours = group.mean_score(), group.mean_seconds()
    return [
        *(counts[name] for name in COUNTS),
        None if mean is None else round(mean, 2),
        *(group.scores.get(score, 0) for score in SCORES),
        *(round(hours[state] / 3600, 2) if state in hours else None for state in LABELS),
    ]


def _scores_named(lang: Lang) -> list[str]:
    return [
        in_lang(("Điểm trung bình", "Mean score"), lang),
        *(in_lang((f"Chấm {score} điểm", f"Scored {score}"), lang) for score in SCORES),
    ]


def _states(lang: Lang) -> list[str]:
    return [
        in_lang((f"Giờ trung bình: {vi}", f"Mean hours: {en}"), lang)
        for vi, en in LABELS.values()
    ]  # fmt: skip


def _beside(head: str, lang: Lang) -> tuple[str, str]:
    return head, in_lang((f"{head} (kỳ trước)", f"{head} (before)"), lang)


def _pairs(now: Tally, before: Tally) -> list[Cell]:
    mine, theirs = now.counts(), before.counts()
    return [count for name in COUNTS for count in (mine[name], theirs[name])]


def _satisfaction(group: Tally) -> dict[str, float | int]:
    mean = group.mean_score()
    if mean is None:
        return {}
    return {"diem_tb": round(mean, 2), **{f"diem_{score}": group.scores.get(score, 0) for score in SCORES}}


def _day(at: datetime) -> str:
    return f"{at.astimezone(GIO_VIET_NAM):%d/%m/%Y}"


def report(
    store: Store,
    parties: Parties,
    since: datetime,
    until: datetime,
    by: Sequence[By],
    agency: PartyId | None,
    rules: DeadlineRules,
    *,
    anew: bool = False,
) -> PeriodReport:
    """The counts of a period, grouped; of one agency's dossiers when it is named. ``anew`` reads every dossier again first."""
    period = Period(since=since, until=until)
    bring_up_to_date(store, lambda party: LifeRules.of(parties.get(party)), anew=anew)
    with store.read() as view:
        return PeriodReport(
            period=period,
            by=tuple(by),
            groups=view.tallies(period, by, rules, agency),
            before=view.tallies(period.before(), by, rules, agency),
            senders=_senders(view, period, agency),
            names=code_names(view, parties, by),
        )


def _senders(view: View, period: Period, agency: PartyId | None) -> dict[PartyId, SenderFigures]:
    counts: dict[PartyId, Counter[Fate]] = {}
    codes: dict[PartyId, Counter[str]] = {}
    for one in view.unaccepted(period, agency):
        counts.setdefault(one.party, Counter())[one.state] += one.count
        if one.code is not None:
            codes.setdefault(one.party, Counter())[one.code] += one.count
    drift = {party: number for party, number in view.unknown_there().items() if agency in (None, party)}
    return {
        party: SenderFigures(
            rejected=counts.get(party, Counter())[Fate.REJECTED],
            held=counts.get(party, Counter())[Fate.HELD],
            codes=tuple(codes.get(party, Counter()).most_common()),
            drift=drift.get(party, 0),
        )
        for party in sorted({*counts, *drift})
    }


def code_names(view: View, parties: Parties, by: Sequence[By]) -> dict[tuple[By, str], str]:
    """What codes are called: procedures (where grouped by) by the newest catalogues on record, parties by the registry."""
    names = {(By.AGENCY, str(party.id)): party.name for party in parties}
    if By.SERVICE not in by:
        return names
    for danh_muc in ("DichVu", "ThuTuc"):  # the procedure's own name is the one that counts
        for version in view.catalogue_versions(danh_muc)[-1:]:
            for row in view.catalogue(danh_muc, version):
                code = row.muc["fields"].get("MaTTHC", row.ma) if danh_muc == "DichVu" else row.ma
                names[By.SERVICE, code[:8]] = row.muc["Ten"]
    return names


# Forms. Their texts were not found: what is known of them is a list of names from a secondary source (docs/en/law.md).

_UNSEEN: Words = (
    "Chưa có văn bản của mẫu: bố cục do trục đặt, không trích từ mẫu. Trục chỉ ghi thông tin trục có.",
    "The form's text was not at hand: the layout is the gateway's own and quotes nothing. It states only what the gateway knows.",
)
_WITHOUT: Words = (
    "Không thể hiện vì trục không lưu ngoài thông điệp: tên, địa chỉ, điện thoại của người nộp, số bộ hồ sơ, chữ ký nhận.",
    "Not here, as the gateway keeps it in no table: the applicant's name, address and telephone, number of copies, signatures.",
)
_REGISTER: Sequence[Words] = (
    ("STT", "No."),
    ("Mã hồ sơ", "Dossier"),
    ("Mã thủ tục", "Procedure"),
    ("Tên thủ tục", "Name of the procedure"),
    ("Mã cơ quan", "Agency code"),
    ("Cơ quan giải quyết", "Agency"),
    ("Kênh nộp", "Channel"),
    ("Ngày tiếp nhận", "Received"),
    ("Ngày hẹn trả", "Appointment"),
    ("Ngày xử lý xong", "Finished"),
    ("Kết quả giải quyết", "Punctuality"),
    ("Ngày trả kết quả", "Delivered"),
    ("Trạng thái hiện nay", "Present state"),
)
_CONTROL: Sequence[Words] = (
    ("STT", "No."),
    ("Thời điểm", "Time"),
    ("Cơ quan, đơn vị", "Agency, office"),
    ("Việc", "Step"),
    ("Trạng thái sau đó", "State after it"),
    ("Ngày hẹn trả lúc đó", "Appointment then"),
    ("Kết quả giải quyết", "Punctuality"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Form 07: the dossiers received in a period."""

    period: Period
    rows: Sequence[RegisterRow]
    names: Mapping[tuple[By, str], str]
    cut: bool  # there are more

    def sheet(self, lang: Lang) -> Sheet:
        """As a table in one language."""
        span = f"{_day(self.period.since)} – {_day(self.period.until - timedelta(seconds=1))}"
        more = in_lang((f"Chỉ {len(self.rows)} hồ sơ đầu.", f"The first {len(self.rows)} dossiers only."), lang)
        return Sheet(
            name=in_lang(("Mẫu 07", "Form 07"), lang),
            title=in_lang(("Sổ theo dõi hồ sơ (mẫu 07)", "Register of dossiers (form 07)"), lang),
            notes=(in_lang((f"Kỳ: {span}", f"Period: {span}"), lang), in_lang(_UNSEEN, lang), in_lang(_WITHOUT, lang)),
            header=[in_lang(words, lang) for words in _REGISTER],
            rows=[
                [
                    number,
                    row.ma_ho_so,
                    row.ma_tthc,
                    self.names.get((By.SERVICE, (row.ma_tthc or "")[:8]), ""),
                    row.agency,
                    self.names.get((By.AGENCY, row.agency or ""), ""),
                    in_lang(CHANNELS[row.channel], lang) if row.channel in CHANNELS else row.channel,
                    row.ngay_tiep_nhan,
                    row.ngay_hen_tra,
                    row.ngay_ket_thuc,
                    in_lang(PUNCTUALITIES[row.punctuality], lang) if row.punctuality is not None else "",
                    row.delivered_at,
                    _state(row.trang_thai, lang),
                ]
                for number, row in enumerate(self.rows, 1)
            ],
            more=(more,) if self.cut else (),
            keys=(0, 1),
        )


def register(
    store: Store, parties: Parties, since: datetime, until: datetime, agency: PartyId | None, limit: int = MOST
) -> Register:
    """The register of a period (form 07); of one agency when it is named."""
    period = Period(since=since, until=until)
    bring_up_to_date(store, lambda party: LifeRules.of(parties.get(party)))
    with store.read() as view:
        found = view.register(period, agency, limit + 1)
        return Register(
            period=period, rows=found[:limit], names=code_names(view, parties, (By.SERVICE,)), cut=len(found) > limit
        )


def control_sheet(store: Store, parties: Parties, ma_ho_so: str, lang: Lang) -> Sheet:
    """Form 06: who had a dossier when, and what came of it. Raises Stopped (SYS-042)."""
    with store.read() as view:
        dossier = view.dossier(ma_ho_so)
        names = code_names(view, parties, (By.SERVICE,))
    if dossier is None or not dossier.changes:
        raise Stopped(unknown("dossier", ma_ho_so))
    read = trace(dossier.changes, LifeRules.of(parties.get(dossier.agency)))
    ended = next(
        (one for one in milestones(dossier, read) if one.kind is MilestoneKind.FINISHED and one.until is None), None
    )
    rows: list[list[Cell]] = []
    for number, step in enumerate(read.steps, 1):
        office = step.effect.phong_ban if isinstance(step.effect, Moves) else None
        ends = ended is not None and step.after in FINISHED_STATES and step.before not in FINISHED_STATES
        party = names.get((By.AGENCY, step.change.sender), step.change.sender)
        rows.append(
            [
                number,
                step.at,
                ", ".join(part for part in (party, office) if part),
                f"{step.change.loai} {step.change.goc}",
                _state(step.after, lang),
                appointment_at(read, step.at),
                in_lang(PUNCTUALITIES[Punctuality(ended.value)], lang)
                if ends and ended is not None and ended.value
                else "",
            ]
        )
    service = names.get((By.SERVICE, (dossier.ma_tthc or "")[:8]), "")
    return Sheet(
        name=in_lang(("Mẫu 06", "Form 06"), lang),
        title=in_lang(
            (
                f"Phiếu kiểm soát quá trình giải quyết hồ sơ (mẫu 06): {ma_ho_so}",
                f"Control sheet of a dossier (form 06): {ma_ho_so}",
            ),
            lang,
        ),
        notes=(
            in_lang((f"Thủ tục: {dossier.ma_tthc} {service}", f"Procedure: {dossier.ma_tthc} {service}"), lang),
            in_lang(_UNSEEN, lang),
            in_lang(_WITHOUT, lang),
        ),
        header=[in_lang(words, lang) for words in _CONTROL],
        rows=rows,
        keys=(0, 1),
    )


def _state(state: int | None, lang: Lang) -> str:
    return f"{state} {in_lang(LABELS[state], lang)}" if state in LABELS else ""
