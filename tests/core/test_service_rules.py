"""Messages held against the catalogue of services: time limits, levels, validity, and whose system keeps the state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from lives import CODE, START
from parties_known import caller, from_to, parties, party

from gateway.core.catalogues import Muc
from gateway.core.code_shapes import code_pattern, is_code_shape
from gateway.core.deadlines import GIO_VIET_NAM, WorkingCalendar
from gateway.core.effects import Effect, Files, Moves, Notes, Redates
from gateway.core.known_services import KnownServices, known_services, shapes_of
from gateway.core.ledger import Counter, Ledger, enter
from gateway.core.lifecycle import LifeRules, Span, Trace
from gateway.core.model import Channel, Envelope, Fate, Finding, MaHoSo
from gateway.core.parties import Parties
from gateway.core.problems import Location
from gateway.core.rights import TABLE
from gateway.core.service_rules import SERVICE_RULES, ServiceDesk, latest, of_message, owner_of
from gateway.core.service_terms import ServiceTerm, TermUnit, read_term
from gateway.core.severity import Severity, severity_of

ROOTS = {"HS01": "NopHoSo", "HS03": "TiepNhanHoSo", "HS05": "CapNhatTienDo", "HS06": "YeuCauBoSung", "HS16": "GiaHan"}
ROOTS |= {"HS08": "XacNhanBoSung", "HS12": "RutHoSo", "HS13": "TiepTucXuLy"}
TTHC = "1.001193"
CALENDAR = WorkingCalendar(holidays=frozenset({date(2026, 1, 7)}))


def at(day: int, hour: int = 8, minute: int = 0, second: int = 0) -> datetime:
    """A moment of January 2026 at home; the 5th is a Monday, the 7th a holiday of CALENDAR."""
    return datetime(2026, 1, day, hour, minute, second, tzinfo=GIO_VIET_NAM)


def service(ma: str = TTHC, since: date | None = None, until: date | None = None, **said: str) -> Muc:
    return Muc(ma=ma, ten=ma, hieu_luc_tu=since, hieu_luc_den=until, fields={"MaTTHC": ma, **said})


@dataclass
class Office:
    """A counter with its book, and what the catalogue says."""

    services: tuple[Muc, ...]
    severity: dict[str, Severity] = field(default_factory=dict)
    known: Parties = field(default_factory=parties)
    calendar: WorkingCalendar = CALENDAR
    ledger: Ledger = field(default_factory=Ledger)
    number: int = 0

    def say(
        self, sender: str, *to: str, loai: str = "HS05", effects: tuple[Effect, ...], hours: float
    ) -> tuple[Fate, list[str]]:
        """What becomes of a message, with the codes of its problems; it is made at the hour after START."""
        self.number += 1
        one = from_to(sender, *to, effects=effects, loai=loai, goc=ROOTS[loai], hours=hours, name=f"n{self.number}")
        one = replace(one, thoi_diem_tao=START + timedelta(hours=hours))
        desk = ServiceDesk(known=known_services(self.services, ()), calendar=self.calendar, severity=self.severity)
        cover = {"id": f"m{self.number}", "caller": caller(sender), "channel": Channel.REST, "received_at": START}
        found = of_message(one, self.known.get(sender), desk)
        finding = Finding(envelope=Envelope.of(f"{self.number}".encode(), **cover), thong_diep=one, problems=found)
        counter = Counter(
            parties=self.known,
            seal=lambda *_: b"",
            rights=lambda one: TABLE[one.loai, ROOTS[one.loai]],
            place=lambda _, problems: tuple(replace(p, at=Location(xpath="/x")) for p in problems),
            services=desk,
        )
        ack = enter(finding, self.ledger, counter, START)
        return ack.fate, [problem.code for problem in ack.problems]

    def open(self, channel: str = "1", *receivers: str) -> tuple[Fate, list[str]]:
        files = Files(trang_thai=1, ma_tthc=TTHC, kenh_thuc_hien=channel, ngay_nop=START)
        return self.say("cong", *(receivers or ("a",)), loai="HS01", effects=(files,), hours=0)

    def take_in(self, due: datetime, sender: str = "a") -> tuple[Fate, list[str]]:
        moves = Moves(to=2, ngay_tiep_nhan=at(5), ngay_hen_tra=due)
        return self.say(sender, "cong", loai="HS03", effects=(moves,), hours=1)

    @property
    def state(self) -> int | None:
        return self.ledger.dossiers[CODE].trang_thai


ACCEPTED = Fate.ACCEPTED
TEN = "10 ngày làm việc"  # from the 5th, over the holiday: until the 20th


@pytest.mark.parametrize(
    ("term", "last"),
    [
        (TEN, at(20, 23, 59, 59)),
        ("10 ngay", at(15, 23, 59, 59)),
        ("5 ngày", at(12, 23, 59, 59)),  # the 10th is a Saturday
        ("4 giờ làm việc", at(5, 13, 30) + timedelta(minutes=30)),
        ("24 giờ", at(6)),
    ],
)
def test_a_time_limit_is_counted_in_its_own_unit_over_the_days_off(term: str, last: datetime) -> None:
    found = read_term(term)
    assert found is not None
    assert found.last_moment(at(5), CALENDAR) == last


@pytest.mark.parametrize(
    ("words", "term"),
    [
        ("Không quá 05 (năm) ngày làm việc kể từ ngày nhận đủ hồ sơ", ServiceTerm(5, TermUnit.WORKING_DAYS)),
        ("30 ngày", ServiceTerm(30, TermUnit.DAYS)),
        ("8 gio-lam-viec", ServiceTerm(8, TermUnit.WORKING_HOURS)),
        ("15 ngày, trong đó 10 ngày làm việc ở Sở", None),
        ("Ngay trong ngày", None),
        ("Trong ngày; nhận sau 15 giờ thì trả ngày làm việc tiếp theo", None),
        ("0 ngày", None),
        ("Nghị định 118/2025/NĐ-CP", None),
    ],
)
def test_words_that_state_one_limit_are_read_and_others_hold_nothing_against_anybody(words, term) -> None:
    assert read_term(words) == term


def test_an_appointment_within_the_limit_is_right_to_its_last_second() -> None:
    office = Office((service(ThoiHanGiaiQuyet=TEN),))
    assert office.open() == (ACCEPTED, [])
    assert office.take_in(at(20, 23, 59, 59)) == (ACCEPTED, [])


def test_an_appointment_beyond_the_limit_is_remarked_on_and_kept_and_hs16_is_the_open_way() -> None:
    office = Office((service(ThoiHanGiaiQuyet=TEN),))
    office.open()
    assert office.take_in(at(21)) == (ACCEPTED, ["CAT-043"])
    assert office.ledger.dossiers[CODE].ngay_hen_tra == at(21)
    assert office.say("a", "cong", loai="HS16", effects=(Redates(ngay_hen_tra=at(30)),), hours=2) == (ACCEPTED, [])
    again = Moves(to=4, ngay_hen_tra=at(30))
    assert office.say("a", "cong", effects=(again,), hours=3) == (ACCEPTED, [])


@pytest.mark.parametrize(("due", "codes"), [(at(22, 23, 59), []), (at(23, 1), ["CAT-043"])])
def test_a_resumed_supplement_extends_the_limit_by_the_time_of_waiting(due: datetime, codes: list[str]) -> None:
    office = Office((service(ThoiHanGiaiQuyet=TEN),))
    office.open()
    office.take_in(at(20))
    office.say("a", "cong", loai="HS06", effects=(Moves(to=5),), hours=24)
    back = (Moves(to=None), Redates(ngay_hen_tra=due))
    assert office.say("a", "cong", loai="HS08", effects=back, hours=72) == (ACCEPTED, codes)


def test_by_decree_the_limit_is_counted_anew_from_the_supplement() -> None:
    agency = party("a", privileges=frozenset({"by-decree"}))
    office = Office((service(ThoiHanGiaiQuyet="2 ngày"),), known=parties(a=agency))
    office.open()
    office.take_in(at(7))
    office.say("a", "cong", loai="HS06", effects=(Moves(to=5),), hours=24)
    back = (Moves(to=None), Redates(ngay_hen_tra=at(14, 23)))  # complete on the 12th
    assert office.say("a", "cong", loai="HS08", effects=back, hours=24 * 7) == (ACCEPTED, [])


@pytest.mark.parametrize(
    ("severity", "told"),
    [
        ({}, (ACCEPTED, ["CAT-043"])),
        ({"dich-vu-thoi-han": Severity.OFF}, (ACCEPTED, [])),
        ({"dich-vu-thoi-han": Severity.REJECT}, (Fate.REJECTED, ["CAT-033"])),
        ({"dich-vu-thoi-han": Severity.REJECT, "HS03.dich-vu-thoi-han": Severity.WARN}, (ACCEPTED, ["CAT-043"])),
    ],
)
def test_a_rule_is_off_a_remark_or_a_refusal_as_the_settings_say(severity, told) -> None:
    office = Office((service(ThoiHanGiaiQuyet=TEN),), severity)
    office.open()
    assert office.take_in(at(21)) == told


def test_a_partys_profile_counts_before_the_nodes_settings() -> None:
    strict = party("a", rules={"dich-vu-thoi-han": Severity.REJECT})
    office = Office((service(ThoiHanGiaiQuyet=TEN),), {"dich-vu-thoi-han": Severity.OFF}, parties(a=strict))
    office.open()
    assert office.take_in(at(21)) == (Fate.REJECTED, ["CAT-033"])


@pytest.mark.parametrize(
    ("level", "channel", "codes"),
    [("2", "2", ["CAT-041"]), ("2", "1", []), ("3", "2", []), ("TOAN_TRINH", "2", []), ("1", "2", ["CAT-041"])],
)
def test_filing_online_where_the_level_does_not_allow_it_is_remarked_on(level, channel, codes) -> None:
    assert Office((service(MucDo=level),)).open(channel) == (ACCEPTED, codes)


@pytest.mark.parametrize(
    ("since", "until", "codes"),
    [
        (date(2026, 1, 6), None, ["CAT-042"]),
        (None, date(2026, 1, 4), ["CAT-042"]),
        (date(2026, 1, 5), date(2026, 1, 5), []),
    ],
)
def test_a_service_is_in_force_on_the_day_of_the_filing_or_it_is_remarked_on(since, until, codes) -> None:
    assert Office((service(since=since, until=until),)).open() == (ACCEPTED, codes)


@pytest.mark.parametrize(
    ("rule", "code", "said", "channel"),
    [
        ("dich-vu-muc-do", "CAT-031", {"MucDo": "2"}, "2"),
        ("dich-vu-hieu-luc", "CAT-032", {"until": date(2025, 1, 1)}, "1"),
    ],
)
def test_what_is_refused_before_the_counter_has_its_own_code(rule, code, said, channel) -> None:
    desk = ServiceDesk(known=known_services([service(**said)], ()), severity={rule: Severity.REJECT})
    filing = from_to("cong", "a", loai="HS01", effects=(Files(trang_thai=1, ma_tthc=TTHC, kenh_thuc_hien=channel),))
    assert [problem.code for problem in of_message(filing, None, desk)] == [code]


OWNED = (service(HeThongChuTri="H19.902"),)


def test_where_another_system_keeps_the_state_what_others_say_is_noted_and_moves_nothing() -> None:
    office = Office(OWNED)
    assert office.open("1", "a", "b") == (ACCEPTED, [])
    dossier = office.ledger.dossiers[CODE]
    assert (dossier.agency, dossier.others) == ("b", frozenset({"a"}))
    assert office.take_in(at(9)) == (ACCEPTED, ["CAT-044"])
    assert (office.state, office.ledger.dossiers[CODE].ngay_hen_tra) == (1, None)
    assert office.say("a", "cong", effects=(Moves(to=9),), hours=2) == (ACCEPTED, ["CAT-044"])
    assert office.take_in(at(9), "b") == (ACCEPTED, [])
    assert office.say("b", "cong", effects=(Moves(to=4),), hours=3) == (ACCEPTED, [])
    assert office.state == 4
    assert office.say("cong", "b", loai="HS12", effects=(Moves(to=7),), hours=4) == (ACCEPTED, [])
    assert office.state == 7


def test_others_moves_are_refused_or_let_through_where_a_setting_says_so() -> None:
    office = Office(OWNED, {"dich-vu-chu-tri": Severity.REJECT})
    office.open("1", "a", "b")
    assert office.take_in(at(9)) == (Fate.REJECTED, ["CAT-034"])
    office.severity = {"dich-vu-chu-tri": Severity.OFF}
    assert (office.take_in(at(9)), office.state) == ((ACCEPTED, []), 2)


def test_an_owner_that_does_not_handle_the_dossier_stops_nobody() -> None:
    office = Office(OWNED)
    office.open("1", "a")
    assert (office.take_in(at(9)), office.state) == ((ACCEPTED, []), 2)


def test_what_others_say_of_the_state_stays_in_the_history_as_a_note() -> None:
    office = Office(OWNED)
    office.open("1", "a", "b")
    said = (Moves(to=4), Moves(to=None), Redates(ngay_hen_tra=at(9)), Notes(what="x"))
    assert office.say("a", "cong", effects=said, hours=2) == (ACCEPTED, ["CAT-044"])
    assert office.ledger.entries[-1].change.effects == (
        Notes(what="trang-thai-ngoai-chu-tri", value="4"),
        Notes(what="trang-thai-ngoai-chu-tri", value=None),
        Notes(what="hen-tra-ngoai-chu-tri"),
        Notes(what="x"),
    )


def test_the_owner_of_a_state_is_a_party_to_the_dossier_or_nobody() -> None:
    known, office = known_services(OWNED, ()), Office(OWNED)
    office.open("1", "a", "b")
    with_b = office.ledger.dossiers[CODE]
    without = replace(with_b, agency=with_b.portal, others=frozenset())
    found = [owner_of(one, TTHC, parties(), known, START) for one in (with_b, without)]
    assert [one and one.id for one in found] == ["b", None]


def test_a_service_that_the_catalogue_does_not_know_is_asked_nothing() -> None:
    assert Office((service("1.009999", MucDo="2"),)).open("2") == (ACCEPTED, [])


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        (None, date(2026, 1, 4), ("–", "2026-01-04")),
        (date(2026, 1, 6), date(2026, 2, 1), ("2026-01-06", "–")),
        (date(2026, 1, 6), date(2026, 1, 5), ("2026-01-06", "–")),  # until the day of the filing: not over yet
    ],
)
def test_a_remark_says_since_when_until_when_and_what_instead(since, until, told) -> None:
    desk = ServiceDesk(known=known_services([service(since=since, until=until)], ()))
    filing = from_to("cong", "a", loai="HS01", effects=(Files(trang_thai=1, ma_tthc=TTHC, ngay_nop=at(5)),))
    (problem,) = of_message(filing, None, desk)
    facts = {"ma": TTHC, "day": "2026-01-05", "since": told[0], "until": told[1], "instead": "–"}
    assert (problem.code, dict(problem.facts)) == ("CAT-042", {**facts, "rule": "dich-vu-hieu-luc"})


def test_a_remark_on_an_appointment_says_it_and_the_last_moment_at_home() -> None:
    office = Office((service(ThoiHanGiaiQuyet=TEN),))
    office.open()
    office.take_in(at(21))
    (problem,) = office.ledger.entries[-1].ack.problems
    told = {"value": "2026-01-21T08:00:00+07:00", "last": "2026-01-20T23:59:59+07:00"}
    assert {name: problem.facts[name] for name in told} == told


TWO_DAYS = ServiceTerm(2, TermUnit.DAYS)  # from the 12th, a Monday: until the end of the 14th
END = at(14, 23, 59, 59)


@pytest.mark.parametrize(
    ("spans", "rules", "last"),
    [
        ([(5, at(13), at(15))], LifeRules(), END + timedelta(days=2)),
        ([(5, at(12), at(14))], LifeRules(), END + timedelta(days=2)),  # asked for in the instant of the receipt
        ([(5, at(9), at(10))], LifeRules(), END),  # before it
        ([(5, at(13), None)], LifeRules(), END),
        ([(8, at(13), at(15))], LifeRules(), END),
        ([(8, at(13), at(15))], LifeRules(trang_8_la_tam_dung=True), END + timedelta(days=2)),
        ([(4, at(13), at(15))], LifeRules(trang_8_la_tam_dung=True), END),
        ([(5, at(13), at(20))], LifeRules(by_decree=True), at(22, 23, 59, 59)),
        ([(8, at(13), at(20))], LifeRules(by_decree=True, trang_8_la_tam_dung=True), END + timedelta(days=7)),
        ([(5, at(13), at(14)), (5, at(15), at(17))], LifeRules(), END + timedelta(days=3)),
    ],
)
def test_what_extends_the_time_limit_of_a_service(spans, rules, last) -> None:
    stood = tuple(Span(trang_thai=state, since=since, until=until) for state, since, until in spans)
    assert latest(TWO_DAYS, Trace(ngay_tiep_nhan=at(12), spans=stood), rules, CALENDAR) == last
    assert latest(TWO_DAYS, Trace(spans=stood), rules, CALENDAR) is None


def test_a_rule_of_which_nobody_speaks_is_as_strict_as_it_is_made() -> None:
    other = {"other": Severity.OFF, "HS05.rule": Severity.OFF}
    assert [severity_of("rule", "HS01", one, other, {}) for one in Severity] == [*Severity]


def test_without_a_catalogue_nothing_is_asked() -> None:
    office = Office(())
    assert office.open("2") == (ACCEPTED, [])
    assert office.take_in(at(28)) == (ACCEPTED, [])


@pytest.mark.parametrize("term", ["10 ngay", "10 ngay-lam-viec", "10 gio-lam-viec"])
def test_moments_at_the_end_of_time_and_a_calendar_without_open_days_hold_nothing_up(term: str) -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    office = Office((service(since=date(2020, 1, 1), ThoiHanTinh=term),))
    files = Files(trang_thai=2, ma_tthc=TTHC, ngay_nop=last, ngay_tiep_nhan=last, ngay_hen_tra=last)
    assert office.say("a", "cong", loai="HS01", effects=(files,), hours=0) == (ACCEPTED, [])
    never = WorkingCalendar(weekdays=frozenset())
    office = Office((service(ThoiHanTinh=term),), calendar=never)
    office.open()
    assert office.take_in(at(9))[0] is ACCEPTED


def test_the_full_code_counts_before_the_stem_and_what_entries_contradict_is_not_known() -> None:
    known = known_services(
        [
            service("1.001193.01", ThoiHanGiaiQuyet="1 ngày", MucDo="2"),
            service("1.001193.02", ThoiHanGiaiQuyet="2 ngày", MucDo="2"),
        ],
        [service("1.001193", MucDo="4"), service("1.009999", until=date(2025, 1, 1))],
    )
    day = date(2026, 1, 5)
    one, stem, gone = known.of("1.001193.02", day), known.of("1.001193.000.00.00.H19", day), known.of("1.009999", day)
    assert (one is not None, stem is not None, gone is not None) == (True, True, True)
    assert str(one.term) == "2 ngay"
    assert (stem.term, stem.level) == (None, "2")
    owned = [service(f"1.001193.0{n}", HeThongChuTri=owner) for n, owner in enumerate(("H19.901", "H19.902"))]
    assert known_services(owned, ()).of("1.001193", day).owner is None
    assert known_services(owned[:1] * 2, ()).of("1.001193", day).owner == "H19.901"
    assert known_services([service("1.001193", MucDo="2")], ()).of("1.001193.000.00.00.H19", day).level == "2"
    assert not gone.in_force(day)
    assert (known.of("1.000000", day), known.of(None, day), KnownServices().of("1.001193", day)) == (None, None, None)


def test_of_two_entries_of_one_code_that_in_force_counts() -> None:
    old, new = service("1.001193", until=date(2025, 12, 31), MucDo="2"), service("1.001193", MucDo="4")
    known = known_services([old, replace(new, ma="X", hieu_luc_tu=date(2026, 1, 1))], ())
    assert [known.of(TTHC, date(year, 6, 1)).level for year in (2025, 2026)] == ["2", "4"]


@pytest.mark.parametrize(
    ("shape", "code", "fits"),
    [
        ("00000/0000/00000", "03706/2026/07906", True),
        ("00000/0000/00000", "03706/2026/0790", False),
        ("00000/0000/00000", "A3706/2026/07906", False),
        ("'BHXH'/0000/AAA", "BHXH/2026/A1B", True),
        ("'BHXH'/0000/AAA", "BHXX/2026/A1B", False),
    ],
)
def test_a_shape_says_which_codes_are_an_agencys_own(shape: str, code: str, fits: bool) -> None:
    assert (code_pattern(shape).fullmatch(code) is not None) is fits


@pytest.mark.parametrize("shape", ["", "00000", "0000-0000", "(a+)+/0", "0/0/0/0/0", "00/", "[0-9]/0"])
def test_what_is_no_shape_is_refused(shape: str) -> None:
    assert not is_code_shape(shape)
    with pytest.raises(ValueError, match="no shape"):
        code_pattern(shape)


def bearing(*shapes: str) -> Parties:
    names = ("H19.902", "H19.903")
    agencies = [Muc(ma=ma, ten=ma, fields={"MauMaHoSo": shape}) for ma, shape in zip(names, shapes, strict=False)]
    return Parties(parties(), shapes=shapes_of(agencies, date(2026, 1, 5)))


CENTRAL = MaHoSo("03706/2026/07906")


def test_a_code_of_a_centralised_system_belongs_to_who_bears_its_shape_and_to_nobody_where_two_do() -> None:
    bearer = bearing("00000/0000/00000").agency_of(CENTRAL)
    assert (bearer is not None, bearer.id if bearer else None) == (True, "b")
    assert bearing("00000/0000/00000", "AAAAA/0000/00000").agency_of(CENTRAL) is None
    assert bearing("0000/00").agency_of(CENTRAL) is None
    assert bearing("00000/0000/00000").agency_of("H19.901-260105-0001").id == "a"


@pytest.mark.parametrize(
    ("known", "sender", "told"),
    [
        (bearing("00000/0000/00000"), "b", (ACCEPTED, [])),
        (bearing("00000/0000/00000"), "a", (Fate.REJECTED, ["AUT-021"])),
        (parties(), "b", (Fate.REJECTED, ["AUT-025"])),
    ],
)
def test_only_its_bearer_opens_a_dossier_under_a_code_of_its_shape(known, sender, told) -> None:
    office = Office((), known=known)
    one = from_to(sender, "cong", loai="HS01", effects=(Files(trang_thai=2, ma_tthc=TTHC, ngay_tiep_nhan=START),))
    one = replace(one, goc="NopHoSo", content=replace(one.content, ma_ho_so=CENTRAL))
    cover = {"id": "m", "caller": caller(sender), "channel": Channel.REST, "received_at": START}
    counter = Counter(
        parties=known, seal=lambda *_: b"", rights=lambda one: TABLE[one.loai, ROOTS[one.loai]], place=lambda _, p: p
    )
    ack = enter(Finding(envelope=Envelope.of(b"x", **cover), thong_diep=one), office.ledger, counter, START)
    assert (ack.fate, [problem.code for problem in ack.problems]) == told


def test_each_rule_has_two_codes_and_none_refuses_by_itself() -> None:
    assert [(rule.code, rule.note) for rule in SERVICE_RULES] == [
        ("CAT-031", "CAT-041"),
        ("CAT-032", "CAT-042"),
        ("CAT-033", "CAT-043"),
        ("CAT-034", "CAT-044"),
    ]
    assert {rule.default for rule in SERVICE_RULES} == {Severity.WARN}
