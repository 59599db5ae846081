"""Figures that take too long for a page: `work` makes them, they are what `report` and `lint` tell, and what comes late is in them."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from desks import Listening, Visitor
from letters import dossier, extended, received

from gateway.cli.prepared import FINDINGS, lint_of_period, statistics_of
from gateway.console.public import TOLD
from gateway.console.room import Room
from gateway.core.catalogues import Muc
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.model import Caller, Channel, Envelope
from gateway.core.parties import Parties
from gateway.core.statistics import By
from gateway.services.certificate_ends import endangered
from gateway.services.intake import new_message_id, receive
from gateway.services.lint import lint, lint_sheets
from gateway.services.overview import a_day_ago, keep_hour
from gateway.services.prepared import FRESH, MOST_WAITING, UNSEEN
from gateway.services.publishing import publish
from gateway.services.reports import report
from gateway.services.retention import RetentionRule, erase, plan_erasure
from gateway.sheets import csv_text
from gateway.wiring import deadline_rules


@pytest.fixture(scope="module")
def filed(office):
    return office.file(3)


@contextmanager
def little_time(office):
    """The console of a node whose pages may not count anything while somebody waits; logged in."""
    listening = Listening(Room(office.loaded, office.store, office.clock, at_once=0))
    try:
        visitor = Visitor(listening.port, {})
        assert visitor.log_in("xem").status == 303
        yield visitor
    finally:
        listening.close()


def rows_of(office, period, by=By.AGENCY):
    """What `lienthong report` tells of it."""
    rules = deadline_rules(office.loaded.settings)
    return report(office.store, office.gate.parties, *period, (by,), None, rules)


def kept_of(office, period, by=By.AGENCY):
    rules = deadline_rules(office.loaded.settings)
    return statistics_of(office.store, office.gate.parties, period, by, None, rules, office.clock.now, at_once=0)


def month_of(office):
    begins = office.clock.now.astimezone(GIO_VIET_NAM) - timedelta(days=40)
    return begins.astimezone(UTC), office.clock.now + timedelta(days=1)


def test_a_page_is_told_when_its_figures_are_made_and_then_shows_what_report_counts(office, filed):
    with little_time(office) as visitor:
        first = visitor.get("/thong-ke")
        assert "Số liệu đang được tính" in first.text
        assert 'data-fresh="5"' in first.source
        assert visitor.get("/thong-ke/tep?dang=csv").codes == ["SYS-204"]
        assert visitor.get("/thong-ke/tep?dang=csv").status == 503
        assert office.prepare() == 1
        shown = visitor.get("/thong-ke")
        assert "Số liệu được tính lúc" in shown.text
        assert "Sở Tư pháp" in shown.text
        assert 'data-fresh="5"' not in shown.source
        assert visitor.get("/thong-ke/tep?dang=csv").status == 200


@pytest.mark.parametrize("by", list(By))
def test_what_is_kept_is_what_report_tells_to_the_last_number(office, filed, by):
    period = month_of(office)
    assert kept_of(office, period, by).report is None
    assert office.prepare() == 1
    kept = kept_of(office, period, by)
    told = rows_of(office, period, by)
    assert kept.report == told
    assert kept.report.rows("vi") == told.rows("vi")
    assert sum(group.filed for group in told.groups.values()) >= 3
    assert (kept.kept.wanted, kept.kept.news) == (False, 0)


def test_what_comes_late_about_a_past_period_is_told_of_and_is_in_it_when_it_is_made_anew(office, filed):
    until = office.clock.now + timedelta(seconds=1)
    period = (until - timedelta(days=30), until)
    late = received(filed[0].ma_ho_so, at=office.clock.now - timedelta(minutes=5))
    kept_of(office, period)
    office.prepare()
    before = kept_of(office, period).report
    office.clock.forward(hours=1)
    assert (
        office.receive(None, party="so-tu-phap", body=late.body).fate == "accepted"
    )  # of an hour ago, when the period was not over
    seen = kept_of(office, period)
    assert (seen.report, seen.kept.news > 0, seen.kept.wanted) == (before, True, True)
    assert office.prepare() == 1
    after = kept_of(office, period)
    assert (after.report, after.kept.news) == (rows_of(office, period), 0)
    counts = [sum(group.received for group in made.groups.values()) for made in (before, after.report)]
    assert counts[1] == counts[0] + 1


def test_a_young_answer_is_made_anew_when_a_person_asks_for_it(office, filed):
    days = f"?tu={office.clock.now - timedelta(days=3):%Y-%m-%d}&theo=kenh"
    with little_time(office) as visitor:
        visitor.get(f"/thong-ke{days}")
        office.prepare()
        office.file(1, first=88)
        young = visitor.get(f"/thong-ke{days}")
        assert "chưa có trong số liệu" in young.text
        assert "Số liệu đang được tính" not in young.text
        fields = young.forms("/thong-ke")[-1]  # the search comes first
        assert visitor.send("/thong-ke", fields).status == 303
        assert "Số liệu đang được tính" in visitor.get(f"/thong-ke{days}").text
        assert visitor.send("/thong-ke", [("theo", "kenh")]).codes == ["SYS-167"]  # not from a page of this session
        assert office.prepare() == 1
        assert "chưa có trong số liệu" not in visitor.get(f"/thong-ke{days}").text


def test_the_lint_of_a_page_is_made_beforehand_and_is_what_lint_finds(office, filed):
    since = office.clock.now.astimezone(GIO_VIET_NAM).replace(hour=0, minute=0, second=0, microsecond=0)
    period = (since - timedelta(days=5), since + timedelta(days=1))
    asked = (office.store, office.gate.parties, period, None, office.clock.now)
    at_once = lint_of_period(*asked, most=50)
    assert at_once.kept is None
    assert lint_of_period(*asked, most=50, at_once=0).report is None
    assert office.prepare() == 1
    kept = lint_of_period(*asked, most=50, at_once=0).report
    assert kept == at_once.report
    assert kept.dossiers >= 4
    assert kept.findings
    cut = lint_of_period(*asked, most=1, at_once=0).report
    assert (len(cut.findings), cut.left_out) == (1, len(kept.findings) - 1)
    with little_time(office) as visitor:
        assert "Số liệu đang được tính" in visitor.get("/lech/766").text
        assert visitor.get("/lech/766/tep?dang=csv").codes == ["SYS-204"]
        office.prepare()
        assert "Số liệu được tính lúc" in visitor.get("/lech/766").text
        assert visitor.get("/lech/766/tep?dang=csv").status == 200


def redated(office, operator):
    """A dossier that is overdue has been given more time."""
    filed_at = office.clock.now - timedelta(days=21)
    letter = dossier(771, at=filed_at)
    hen_tra = filed_at + timedelta(days=11)
    assert office.receive(None, body=letter.body).fate == "accepted"
    came = received(letter.ma_ho_so, at=filed_at + timedelta(days=1))
    assert office.receive(None, party="so-tu-phap", body=came.body).fate == "accepted"
    yield
    now = office.clock.now
    later = extended(letter.ma_ho_so, hen_tra, now + timedelta(days=20), at=now - timedelta(minutes=1))
    assert office.receive(None, party="so-tu-phap", body=later.body).fate == "accepted"
    yield {"overdue": -1}


def judged_again(office, operator):
    """A message was rejected while its receiver was locked; a person has it judged again."""
    at = office.clock.now
    parties = [
        replace(p, enabled=False, disabled_reason="x") if p.id == "so-tu-phap" else p for p in office.gate.parties
    ]
    shut = replace(office.gate, parties=Parties(parties, office.gate.parties.version))
    cover = {"id": new_message_id(at), "caller": Caller(party="cong-dvc", by="token"), "channel": Channel.REST}
    body = dossier(772, at=at - timedelta(minutes=5)).body
    (ack,) = receive([Envelope.of(body, **cover, received_at=at)], shut, at)
    assert ack.fate == "rejected"
    yield
    page = operator.get(f"/thong-diep/{ack.message}")
    assert operator.do(operator.plan(page, "gui-lai"), "gui-lai").status == 200
    yield {"filed": 1, "rejected": -1}


def erased(office, operator):
    """The content of a dossier is erased; that it was filed stays true, and its letters can be read no more."""
    letter = dossier(773, at=office.clock.now - timedelta(minutes=5))
    message = office.receive(None, body=letter.body).message
    with office.store.read() as view:
        (owed,) = view.deliveries(message=message)
    assert operator.do(operator.plan(operator.get(f"/luot-gui/{owed.id}"), "bo-qua"), "bo-qua").status == 200
    yield
    rule = RetentionRule(dossiers=(letter.ma_ho_so,))
    planned = plan_erasure(office.store, office.gate.parties, rule)
    assert erase(office.store, planned, rule, who="operator:test", reason="thử", now=office.clock.now) > 0
    yield {"unread": 1}


@pytest.fixture(scope="module")
def services(office, filed):
    """The catalogue by which the public page knows what it may show."""
    service = Muc(ma="DV1", ten="Cấp phiếu", fields={"MaTTHC": "2.000488.000.00.00.H19", "MucDo": "4"})
    publish(office.store, "DichVu", "1", [service], who="operator:test", now=office.clock.now)


@pytest.mark.parametrize("act", [redated, judged_again, erased])
def test_what_an_act_changes_of_the_past_is_on_every_page_as_report_and_lint_tell_it(office, services, operator, act):
    happens = act(office, operator)
    next(happens)
    days = {
        "tu": (office.clock.now.astimezone(GIO_VIET_NAM) - timedelta(days=40)).date(),
        "den": office.clock.now.astimezone(GIO_VIET_NAM).date() + timedelta(days=1),
    }
    asked = "&".join(f"{name}={day}" for name, day in days.items())
    begins, ends = (datetime(*day.timetuple()[:3], tzinfo=GIO_VIET_NAM) for day in days.values())
    period = (begins, ends + timedelta(days=1))
    with little_time(office) as visitor:
        paths = [f"/thong-ke/tep?dang=csv&{asked}", f"/lech/766/tep?dang=csv&{asked}", f"/cong-khai/json?{asked}"]

        def seen():
            """What the three pages have for anybody, and the counts of which an act speaks."""
            report_csv, lint_csv, public = (visitor.get(path) for path in paths)
            told = rows_of(office, period)
            assert report_csv.body == csv_text(told.flat("vi"), for_excel=True)
            shown = json.loads(public.body)
            (service,) = shown["dich_vu"]
            public_period = datetime.fromisoformat(shown["tu"]), datetime.fromisoformat(shown["den"])
            group = rows_of(office, public_period, By.SERVICE).groups[service["ma"],]
            assert {name: service[name] for name in TOLD} == {name: getattr(group, name) for name in TOLD}
            found = lint(office.store, office.gate.parties, *period, most=FINDINGS)
            assert lint_csv.body == csv_text(lint_sheets(found, office.gate.parties, "vi")[0], for_excel=True)
            mine = told.senders["cong-dvc"].rejected if "cong-dvc" in told.senders else 0
            return {"filed": group.filed, "overdue": group.overdue, "rejected": mine, "unread": found.unread}

        for path in paths:
            assert visitor.get(path).codes == ["SYS-204"] or visitor.get(path).status == 200
        office.clock.forward(seconds=FRESH.total_seconds() + 1)
        for path in paths:
            visitor.get(path)
        office.prepare()
        before = seen()
        change = next(happens)
        old = [visitor.get(path).body for path in paths]
        assert "chưa có trong số liệu" in visitor.get(f"/thong-ke?{asked}").text
        office.clock.forward(seconds=FRESH.total_seconds() + 1)
        for path in paths:
            visitor.get(path)  # it is old: looking has it made anew
        assert office.prepare() == len(paths)
        after = seen()
        assert {name: after[name] - before[name] for name in before} == {**dict.fromkeys(before, 0), **change}
        assert [visitor.get(path).body for path in paths] != old


def test_so_many_wait_and_no_more_and_what_nobody_looks_at_goes(office, filed):
    begins, ends = month_of(office)
    for number in range(MOST_WAITING):
        assert kept_of(office, (begins - timedelta(days=number), ends)).kept.refused is False
    over = kept_of(office, (begins - timedelta(days=99), ends))
    assert (over.kept.refused, over.kept.wanted) == (True, False)
    with little_time(office) as visitor:
        assert "Đang có nhiều kỳ khác chờ tính" in visitor.get("/cong-khai").text
        assert visitor.get("/cong-khai/json").codes == ["SYS-204"]
    assert office.prepare() == MOST_WAITING
    with office.store.begin() as tx:
        tx.drop_prepared(office.clock.now + UNSEEN)
    assert kept_of(office, (begins, ends)).report is None
    office.prepare()


def test_an_answer_that_nobody_finished_is_made_by_the_next_one(office, filed):
    begins, ends = month_of(office)
    kept_of(office, (begins - timedelta(days=500), ends))
    now = office.clock.now
    with office.store.begin() as tx:
        taken = tx.take_prepared(now, now + timedelta(minutes=5))  # by a process that is no more
    assert taken is not None
    assert office.prepare() == 0
    office.clock.forward(minutes=6)
    assert office.prepare() == 1


def test_a_number_of_the_morning_stands_beside_that_of_this_hour_yesterday(office, filed, viewer):
    assert "chưa có số của giờ này hôm qua" in viewer.get("").text
    office.clock.forward(hours=1)
    before = office.clock.now
    assert keep_hour(office.store, office.gate.parties, before)
    assert not keep_hour(office.store, office.gate.parties, before)
    with office.store.read() as view:
        was = a_day_ago(view, before + timedelta(days=1))
        assert a_day_ago(view, before + timedelta(days=3)) == {}
    assert was["owed"] >= 4
    office.clock.forward(days=1)
    more = len(office.file(2, first=901))
    again = office.visitor("xem").get("")
    assert f"{was['owed'] + more} lượt còn phải gửi {more:+d} so với giờ này hôm qua" in again.text
    assert "+0 so với giờ này hôm qua" in again.text


def test_a_certificate_that_ends_soon_stands_on_the_first_page_with_its_days(office):
    caption = "Chứng thư sắp hết hiệu lực, chưa có thay thế"
    trust, parties = office.gate.trust, office.gate.parties
    ends = endangered(trust, parties, office.clock.now, timedelta(days=36_500))
    first = next(end for end in ends if end.party is not None and end.at > office.clock.now + timedelta(days=60))
    office.clock.now = first.at - timedelta(days=50)
    assert (
        parties.get(first.party).name
        not in office.visitor("xem").get("").text.partition(caption)[2].partition("Chờ lâu nhất")[0]
    )
    office.clock.forward(days=30)
    shown = office.visitor("xem").get("").text.partition(caption)[2].partition("Chờ lâu nhất")[0]
    assert parties.get(first.party).name in shown
    assert "còn 20 ngày" in shown
