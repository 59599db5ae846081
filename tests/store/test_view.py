"""What services and people ask, on every database."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from gateway.core.effects import Files
from gateway.core.ledger import enter
from gateway.core.model import DeliveryState, Fate
from gateway.core.problems import Location, Problem
from gateway.store import Store

PORTAL, AGENCY, COMMUNE = "cong-dvc", "so-tu-phap", "ubnd-xa"


@pytest.fixture
def ask(store):
    """Asks one question of a fresh view."""

    def ask(question, *args, **more):
        with store.read() as view:
            answer = getattr(view, question)(*args, **more)
            return list(answer) if question == "dossiers" else answer

    return ask


def ids(messages):
    return [message.id for message in messages]


@pytest.fixture
def mail(desk, code):
    """Four messages: accepted, accepted from the agency, rejected, held. Newest last."""
    findings = [desk.filing(code), desk.progress(code, 2), desk.bad(COMMUNE, code="DUP-010"), desk.doubt()]
    for finding in findings:
        desk.one(finding)
    return [finding.envelope for finding in findings]


def test_messages_come_newest_first_and_page_by_page(ask, desk, mail):
    newest_first = [envelope.id for envelope in reversed(mail)]
    assert ids(ask("messages")) == newest_first
    assert ids(ask("messages", limit=3)) == newest_first[:3]
    assert ids(ask("messages", before=newest_first[2])) == newest_first[3:]
    assert ask("messages", before=newest_first[3]) == []
    assert ask("messages", before="nothing") == []


def test_messages_of_one_instant_are_each_on_one_page(ask, desk):
    findings = [desk.bad(body=f"<{n}/>".encode()) for n in range(5)]
    at = desk.clock.now
    from dataclasses import replace

    desk.take(*[f._replace(envelope=replace(f.envelope, received_at=at)) for f in findings])
    seen, before = [], None
    while page := ask("messages", limit=2, before=before):
        seen += ids(page)
        before = seen[-1]
    assert sorted(seen) == sorted(f.envelope.id for f in findings)


def test_messages_are_chosen_by_what_is_known_of_them(ask, desk, mail, code):
    filed, moved, refused, doubted = (envelope.id for envelope in mail)
    assert ids(ask("messages", state=Fate.REJECTED)) == [refused]
    assert ids(ask("messages", state=Fate.HELD)) == [doubted]
    assert ids(ask("messages", state=Fate.ACCEPTED)) == [moved, filed]
    assert ids(ask("messages", party=AGENCY)) == [moved]
    assert ids(ask("messages", loai="HS05")) == [moved]
    assert ids(ask("messages", ma_ho_so=code)) == [moved, filed]
    assert ids(ask("messages", code="DUP-010")) == [refused]
    assert ids(ask("messages", since=mail[1].received_at, until=mail[2].received_at)) == [moved]
    assert ask("messages", party=AGENCY, state=Fate.REJECTED) == []


@pytest.mark.parametrize("code", ["%", "DUP_010", "DUP-01", "UP-010", "", ",", "' OR 1=1 --"])
def test_a_code_is_found_as_it_is_and_nothing_near_it(ask, mail, code):
    assert ask("messages", code=code) == []


def test_any_code_of_a_verdict_is_found_and_the_first_is_the_cause(ask, desk):

    one = desk.bad()
    problems = (Problem("DUP-010", {}, Location(xpath="/lt:A[1]/lt:B[12]")), Problem("DOS-001", {}))
    desk.one(one._replace(problems=problems))
    (message,) = ask("messages", code="DOS-001")
    assert (message.codes, message.xpath) == (("DUP-010", "DOS-001"), "/lt:A/lt:B")
    (verdict,) = ask("verdicts", message.id)
    assert verdict.problems == problems


def test_failures_of_one_cause_are_counted_together_wherever_they_lie(ask, desk):
    one, two = desk.bad(xpath="/a[1]/b[3]"), desk.bad(xpath="/a[1]/b[4]", body=b"<2/>")
    desk.take(one, two, desk.bad(COMMUNE, xpath="/a[1]/b[3]"), desk.bad(xpath="/a[1]/c[1]"), desk.doubt())
    first, *others = ask("failures")
    assert (first.code, first.party, first.xpath, first.count) == ("DUP-010", PORTAL, "/a/b", 2)
    assert (first.first_at, first.last_at) == (one.envelope.received_at, two.envelope.received_at)
    assert first.example == two.envelope.id
    assert sorted((o.code, o.party, o.xpath, o.count) for o in others if o.xpath) == [
        ("DUP-010", PORTAL, "/a/c", 1),
        ("DUP-010", COMMUNE, "/a/b", 1),
    ]
    assert [o.code for o in others if o.xpath is None] == ["SIG-062"]
    assert [c.count for c in ask("failures", until=two.envelope.received_at)] == [1]
    assert len(ask("failures", limit=2)) == 2


def test_a_party_finds_what_it_sent_and_what_it_was_sent_and_nothing_else(ask, desk, code):
    filed = desk.filing(code, ma="shared")
    desk.one(filed)
    other = desk.note(code, sender=AGENCY, to=(PORTAL,), ma="shared")
    desk.one(other)
    third = desk.bad(COMMUNE, ma="shared")
    desk.one(third)

    assert ask("by_ma_thong_diep", PORTAL, "shared").id == filed.envelope.id  # its own goes before what it was sent
    assert ask("by_ma_thong_diep", AGENCY, "shared").id == other.envelope.id
    assert ask("by_ma_thong_diep", COMMUNE, "shared").id == third.envelope.id
    assert ask("by_ma_thong_diep", "stranger", "shared") is None
    assert {m.id for m in ask("find", "shared")} == {filed.envelope.id, other.envelope.id, third.envelope.id}


def test_what_was_sent_to_a_party_is_found_by_its_id(ask, desk, code):
    filed, told = desk.filing(code, ma="pushed"), desk.progress(code, 2, ma="pulled")
    desk.take(filed, told)
    assert ask("by_ma_thong_diep", AGENCY, "pushed").id == filed.envelope.id
    assert ask("by_ma_thong_diep", PORTAL, "pulled").id == told.envelope.id
    assert ask("by_ma_thong_diep", COMMUNE, "pulled") is None


def test_an_operator_finds_a_message_by_any_of_its_ids(ask, desk, code):
    filed = desk.filing(code)
    desk.one(filed)
    (delivery,) = ask("deliveries")
    for name in (filed.envelope.id, filed.thong_diep.ma_thong_diep, delivery.id):
        assert ids(ask("find", name)) == [filed.envelope.id]
    assert ask("find", "nothing") == []


def test_what_is_not_on_record_is_none(ask):
    assert ask("message", "x") is None
    assert ask("envelope", "x") is None
    assert ask("receipt", "x") is None
    assert ask("body", "x", "y") is None
    assert (ask("evidence", "y"), ask("body_of_anybody", "y")) == (None, None)
    assert ask("erased_at", "x", "y") is None
    assert ask("dossier", "x") is None
    assert ask("delivery", "x") is None
    assert ask("last_act", "x") is None
    assert (ask("verdicts", "x"), ask("changes", "x"), ask("attempts", "x"), ask("inboxed", "x")) == ([], [], [], [])


def test_held_messages_come_the_longest_waiting_first(ask, desk):
    first, second = desk.doubt(), desk.doubt()
    desk.one(first)
    judged = desk.clock.now
    desk.one(second)
    later = desk.clock.forward(hours=1)
    assert ids(ask("held", later)) == [first.envelope.id, second.envelope.id]
    assert ids(ask("held", later, limit=1)) == [first.envelope.id]
    assert ask("held", judged) == []


def test_dossiers_are_chosen_and_read_in_pages(ask, desk):
    due = desk.clock.now + timedelta(days=5)
    codes = [f"H19.901-260115-{n:04d}" for n in range(7)]
    for n, code in enumerate(codes):
        effect = Files(trang_thai=1, ma_tthc="1.000001", ngay_hen_tra=due + timedelta(days=n))
        desk.one(desk.finding(ma_ho_so=code, effects=[effect]))
    desk.one(desk.progress(codes[3], 2))
    opened = [ask("dossier", code) for code in codes]

    assert ask("dossiers", page=2) == opened
    assert ask("dossiers", states=[2]) == [opened[3]]
    assert ask("dossiers", states=[1], agency=AGENCY, portal=PORTAL, page=1) == [d for d in opened if d != opened[3]]
    assert ask("dossiers", agency=COMMUNE) == []
    assert ask("dossiers", states=[]) == []
    assert ask("dossiers", due_before=due + timedelta(days=2)) == opened[:2]
    assert ask("dossiers", opened_since=opened[4].opened_at) == opened[4:]
    assert ask("dossiers", opened_before=opened[4].opened_at) == opened[:4]
    assert ask("dossiers", changed_since=opened[3].changes[-1].recorded_at) == [opened[3]]


def test_dossiers_that_are_over_are_those_in_which_nothing_happened_since(ask, desk):
    codes = [f"H19.901-260115-{n:04d}" for n in range(3)]
    for code in codes:
        desk.one(desk.filing(code))
    for code, states in ((codes[0], (2, 4, 9)), (codes[1], (2, 4, 9)), (codes[2], (2,))):
        for state in states:
            desk.one(desk.progress(code, state))
    assert [ask("dossier", code).trang_thai for code in codes] == [9, 9, 2]
    over = [ask("dossier", code) for code in codes[:2]]
    last = over[1].changes[-1].occurred_at
    assert ask("dossiers", ended_before=last) == over[:1]
    assert ask("dossiers", ended_before=last + timedelta(seconds=1), page=1) == over
    assert ask("dossiers", ended_before=over[0].opened_at) == []


def test_the_log_is_read_in_order_in_pages_and_by_what_it_is_about(ask, store, desk, mail):
    lines = ask("log")
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert ask("log", after=2, limit=1) == lines[2:3]
    assert [line.what for line in ask("log", message=mail[2].id)] == ["message.rejected"]
    assert [line.message for line in ask("log", what="message.held")] == [mail[3].id]
    with store.read() as view:
        assert list(view.log_entries(page=3)) == lines
        assert list(view.log_entries(after=2, page=1)) == lines[2:]
        assert view.log_head().hash == lines[-1].hash


def test_a_rehearsal_gives_the_answer_that_the_message_would_get_and_leaves_nothing(desk, store, code):
    desk.one(desk.filing(code, ma="first"))
    findings = [
        desk.progress(code, 10),
        desk.filing(code, ma="first", body=b"<other/>"),
        desk.filing(code, ma="first", body=desk.filing(code, ma="first").envelope.body),
        desk.filing("H19.901-260115-9999"),
        desk.bad(),
        desk.progress(code, 2),
    ]
    with store.read() as view:
        before = view.messages(), view.log_head()
        rehearsed = [enter(f, view.rehearse([f]), desk.counter, desk.clock.now) for f in findings]
    with store.read() as view:
        assert (view.messages(), view.log_head()) == before
    assert [desk.one(finding) for finding in findings] == rehearsed
    assert [(a.fate, a.repeated) for a in rehearsed] == [
        (Fate.REJECTED, False),
        (Fate.REJECTED, False),
        (Fate.ACCEPTED, True),
        (Fate.ACCEPTED, False),
        (Fate.REJECTED, False),
        (Fate.ACCEPTED, False),
    ]


def test_a_rehearsal_waits_for_no_writer(desk, store, code):
    desk.one(desk.filing(code))
    finding = desk.progress(code, 2)
    with store.begin() as tx:
        ledger = tx.open([finding])  # holds the dossier, and on SQLite the whole file
        with store.read() as view:
            assert view.rehearse([finding]).dossiers == ledger.dossiers
        enter(finding, ledger, desk.counter, desk.clock.now)
        tx.write(ledger)


QUESTIONS = {
    "claim_due": lambda tx, now: tx.claim_due("x", now, 10, 60),
    "rescue": lambda tx, now: tx.rescue(now),
    "replay": lambda tx, now: tx.replay(["x"], who="a", reason="b", now=now),
    "parties_due": lambda tx, now: tx.parties_due(now),
    "park": lambda tx, now: tx.park(now),
    "parked for nothing": lambda tx, _: tx.parked_for_nothing(),
    "uncertain": lambda tx, _: tx.uncertain(),
    "acts since": lambda tx, now: tx.acts_since("x", now),
    "lanes": lambda tx, _: tx.lanes(held_only=True),
    "queues": lambda tx, _: tx.queues(),
    "held": lambda tx, now: tx.held(now),
    "failures": lambda tx, _: tx.failures(),
    "delivery_failures": lambda tx, _: tx.delivery_failures(),
    "rejected": lambda tx, _: tx.messages(state=Fate.REJECTED),
    "newest": lambda tx, _: tx.messages(limit=10),
    "of a dossier": lambda tx, _: tx.messages(ma_ho_so="x"),
    "by_ma_thong_diep": lambda tx, _: tx.by_ma_thong_diep("a", "b"),
    "find": lambda tx, _: tx.find("x"),
    "deliveries": lambda tx, _: tx.deliveries(message="x"),
    "attempts": lambda tx, _: tx.attempts("x"),
    "inboxed": lambda tx, _: tx.inboxed("x"),
    "inbox": lambda tx, _: tx.inbox_after("x", 5),
    "last_act": lambda tx, _: tx.last_act("x"),
    "log of a message": lambda tx, _: tx.log(message="x"),
    "dossier": lambda tx, _: tx.dossier("x"),
    "open dossiers": lambda tx, _: list(tx.dossiers(states=[1, 2])),
}


def plans_of(store, ask):
    """How SQLite says that it goes about each statement of this question."""
    plans = []

    def explain(_connection, cursor, statement, parameters, _context, many):
        if not many and statement.startswith(("SELECT", "WITH", "UPDATE")):
            asked = cursor.connection.cursor()
            rows = asked.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.extend(row[3] for row in rows)

    event.listen(store.engine, "before_cursor_execute", explain)
    with store.begin() as tx:
        ask(tx)
    event.remove(store.engine, "before_cursor_execute", explain)
    return plans


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_that_is_asked_often_reads_a_whole_table(sqlite_store: Store, desk_at, question):
    """SQLite explains each statement; a partial index counts, since it holds only what is open or refused."""
    desk = desk_at(sqlite_store)
    desk.one(desk.filing("H19.901-260115-0001"))
    plans = plans_of(sqlite_store, lambda tx: QUESTIONS[question](tx, desk.clock.now))
    large = {"message", "verdict", "delivery", "attempt", "inbox", "log", "dossier", "change", "body", "claim"}
    walks = [p for p in plans if p.startswith("SCAN") and p.split()[1] in large]
    partial = (
        "ix_delivery_due",
        "ix_delivery_lane",
        "ix_delivery_lease",
        "ix_delivery_parked",
        "ix_delivery_uncertain",
    )
    partial = (*partial, "ix_message_open")
    ordered = ("ix_message_received_at_id",)  # read from its end, for one page
    assert plans
    assert [p for p in walks if not p.endswith((*partial, *ordered))] == []


def test_what_was_refused_in_a_period_is_found_without_reading_what_was_accepted_in_it(sqlite_store: Store, desk_at):
    desk = desk_at(sqlite_store)
    desk.take(desk.filing("H19.901-260115-0001"), desk.progress("H19.901-260115-0002", 2))
    since, until = (desk.clock.now + timedelta(days=days) for days in (-1, 1))
    causes = []
    plans = plans_of(sqlite_store, lambda tx: causes.extend(tx.failures(since=since, until=until)))
    assert [cause.count for cause in causes] == [1]
    by = [plan for plan in plans if "message" in plan.split()]
    assert len(by) == 3  # how many, and their facts: of those rejected, of those held
    assert all("ix_message_open (state=? AND received_at" in plan for plan in by), plans


def test_lanes_name_what_stands_first(ask, desk, code):
    desk.take(desk.filing(code), desk.note(code), desk.note())
    lanes = ask("lanes")
    assert next((lane.lane, lane.open, lane.held, lane.first.state) for lane in lanes) == (
        code,
        2,
        False,
        DeliveryState.QUEUED,
    )
    assert ask("lanes", party=COMMUNE) == []
    assert len(ask("lanes", limit=1)) == 1
