"""On a file a tray is entered before its turn. What was changed meanwhile counts all the same, as if it had never been entered."""

import asyncio
import shutil
from dataclasses import dataclass, field, fields, replace

import dated as letters
import pytest
from arrivals import arrival
from dated import NOW
from sqlalchemy import select

from gateway.core.allowances import HEAD_BYTES, Spending, Spent
from gateway.core.allowed import NodeAllowance
from gateway.core.chain import verify_chain
from gateway.core.model import Fate
from gateway.core.steps import finished
from gateway.services.intake import Gate, commit_apart, drafting, judge_tray, record
from gateway.store import Store, StoreError, open_engine, tables
from gateway.store.compare import compare_with_log

PORTAL, XA, RSA = "cong-dvc", "ubnd-xa-thu-nghiem", "gateway-rsa"
OWN = "6f1d4b54-4d0e-4a52-9a39-6d7e2a1f0001"


@pytest.fixture
def steady_gate(bare_gate, monkeypatch):
    """A gate that signs the same in the same way each time, so that rows can be compared: by RSA, under no chance id."""
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * (2 * size))
    return replace(bare_gate, key=letters.key(RSA))


@pytest.fixture
def store_of(sqlite_template, tmp_path):
    """Opens stores by the name of their file, as many of one as asked for: each is what another process knows of it."""
    stores = []

    def opened(name):
        path = tmp_path / f"{name}.db"
        if not path.exists():
            shutil.copyfile(sqlite_template, path)
        stores.append(Store(open_engine(f"sqlite:///{path}")))
        return stores[-1]

    yield opened
    for store in stores:
        store.dispose()


def recorded_apart(findings, gate, meanwhile=lambda: None, **more):
    """The answers; ``meanwhile`` happens when the tray is entered and waits for its turn."""

    async def recorded():
        before = [meanwhile]

        async def apart(act):
            if before:
                before.pop()()
            return await asyncio.to_thread(act)

        return await commit_apart(findings, gate, NOW, apart, finished(drafting(findings, gate, NOW)), **more)

    return asyncio.run(recorded())


def on_record(store):
    """Every row of every table, what is packed as it is read. Of two processes that learn what is alike each packs by its own."""
    agrees(store)
    with store.engine.connect() as connection:
        found = {name: connection.execute(select(table)).all() for name, table in tables.metadata.tables.items()}
    del found["pattern"]
    with store.read() as view:
        found["body"] = [(row.owner, row.digest, view.body(row.owner, row.digest)) for row in found["body"]]
        found["verdict"] = [one for row in found["message"] for one in view.verdicts(row.id)]
        found["log"] = list(view.log_entries())
    return {name: sorted(map(repr, rows)) for name, rows in found.items()}


def agrees(store):
    """The chain is whole, and the tables say what it says."""
    with store.read() as view:
        assert verify_chain(view.log_entries()).whole
    result = compare_with_log(store)
    assert (result.differences, result.older) == ([], {})


def test_a_tray_is_entered_in_small_steps(store_of, steady_gate):
    gate = replace(steady_gate, store=store_of("own"))
    some = [filed(letters.ma_ho_so(XA)) for _ in range(5)]
    findings = judge_tray([arrival(body, party) for body, party in some], gate)
    rests = sum(1 for _ in drafting(findings, gate, NOW))
    assert rests >= 3 * len(some), "somebody else may come while one is entered, packed, and written down"


def told(answers):
    return [[getattr(answer, one.name) for one in fields(answer)] for answer in answers]


def filed(code, own=None, note=None):
    return letters.nop(code, to=XA, ma_thong_diep=own, note=note), PORTAL


def taken_in(code):
    return letters.tiep_nhan(code), XA


def moved(code, state=4):
    return letters.tien_do(code, state), XA


def an_id():
    """Another message has it."""
    return (
        [],
        [filed(letters.ma_ho_so(XA), OWN, "khác")],
        [filed(letters.ma_ho_so(XA), OWN), filed(letters.ma_ho_so(XA))],
    )


def the_same_bytes():
    """They came to both, and what follows them only to us."""
    code = letters.ma_ho_so(XA)
    both = filed(code)
    return [], [both], [both, taken_in(code)]


def an_id_twice_in_a_tray():
    """And a third time elsewhere."""
    code = letters.ma_ho_so(XA)
    return [], [filed(code, OWN, "ba")], [filed(code, OWN, "một"), filed(code, OWN, "hai")]


def a_dossier_that_nobody_had():
    """The same code was opened by another message."""
    code = letters.ma_ho_so(XA)
    return [], [filed(code, note="khác")], [filed(code), taken_in(code)]


def a_dossier_on_record():
    """It went on, and goes on twice in our tray."""
    code = letters.ma_ho_so(XA)
    return [filed(code), taken_in(code)], [moved(code)], [moved(code), moved(code, 5)]


def a_dossier_that_was_awaited():
    """What was about no dossier when it was entered is about one."""
    code = letters.ma_ho_so(XA)
    return [], [filed(code)], [taken_in(code), moved(code)]


def something_else():
    """Nothing that the tray rests on: but numbers and places have gone on."""
    code, other = letters.ma_ho_so(XA), letters.ma_ho_so(XA)
    return [filed(code)], [filed(other), taken_in(other)], [taken_in(code), moved(code), (b"<not xml", PORTAL)]


@pytest.mark.parametrize(
    "case",
    [
        an_id,
        the_same_bytes,
        an_id_twice_in_a_tray,
        a_dossier_that_nobody_had,
        a_dossier_on_record,
        a_dossier_that_was_awaited,
        something_else,
    ],
)
def test_what_another_process_records_before_our_turn_counts_as_if_it_had_come_first(case, steady_gate, store_of):
    trays = [
        judge_tray(
            [arrival(body, party) for body, party in tray], steady_gate
        )  # judged once: their ids are ours to give
        for tray in case()
    ]
    before, meanwhile, ours = trays
    ordered = [replace(steady_gate, store=store_of("one after the other")) for _ in range(2)]
    crossed = [replace(steady_gate, store=store_of("at once")) for _ in range(2)]
    for gate, _ in (ordered, crossed):
        if before:
            record(before, gate, NOW)
    record(meanwhile, ordered[1], NOW)
    expected = told(record(ours, ordered[0], NOW))
    others = []
    answers = recorded_apart(ours, crossed[0], lambda: others.extend(record(meanwhile, crossed[1], NOW)))
    assert {answer.fate for answer in others} == {Fate.ACCEPTED}
    assert told(answers) == expected
    assert on_record(crossed[0].store) == on_record(ordered[0].store)


@dataclass(frozen=True, kw_only=True)
class Watched(Gate):
    """Notes, for each receipt that it signs, whether others could write meanwhile."""

    seen: list = field(default_factory=list)
    other: Store

    def seal(self, finding, fate, problems):
        """As every gate."""
        try:
            self.other.prove()
        except StoreError:
            self.seen.append("held up")
        else:
            self.seen.append("free")
        return super().seal(finding, fate, problems)


def test_what_is_entered_holds_others_up_only_where_something_has_changed(
    steady_gate, sqlite_template, tmp_path, store_of
):
    store_of("watched")
    other = Store(open_engine(f"sqlite:///{tmp_path / 'watched.db'}", busy_timeout_s=0.05))

    def gate():
        plain = {one.name: getattr(steady_gate, one.name) for one in fields(Gate)}
        return Watched(**plain | {"store": store_of("watched")}, other=other)

    def conflict():
        own = f"{OWN[:-4]}{len(bodies):04d}"
        tray = [filed(letters.ma_ho_so(XA), own, "một"), filed(letters.ma_ho_so(XA), own, "hai")]
        bodies.extend(tray)
        return judge_tray([arrival(body, party) for body, party in tray], steady_gate)

    bodies = []
    undisturbed = gate()
    answers = recorded_apart(conflict(), undisturbed)
    assert [answer.fate for answer in answers] == [Fate.ACCEPTED, Fate.REJECTED]
    assert undisturbed.seen == ["free"]
    disturbed, ours = gate(), conflict()
    first = ours[0]._replace(envelope=replace(ours[0].envelope, id="20261124040000000-0000000000"))
    recorded_apart(ours, disturbed, lambda: record([first], replace(steady_gate, store=store_of("watched")), NOW))
    assert disturbed.seen == ["free", "held up"]
    other.dispose()


def test_what_is_refused_is_counted_once_however_often_it_was_entered(steady_gate, store_of):
    spending = Spending(NodeAllowance())
    spending.take_over({}, NOW)
    party = steady_gate.parties.get(PORTAL)
    refused = b"<x>" + b"a" * HEAD_BYTES
    findings = judge_tray([arrival(refused, PORTAL), arrival(filed(letters.ma_ho_so(XA), OWN)[0], PORTAL)], steady_gate)
    gate, other = (replace(steady_gate, store=store_of("counted")) for _ in range(2))
    meanwhile = judge_tray([arrival(filed(letters.ma_ho_so(XA), OWN, "khác")[0], PORTAL)], steady_gate)
    recorded_apart(findings, gate, lambda: record(meanwhile, other, NOW), spending=spending)
    with gate.store.read() as view:
        assert view.spent([Spent.REFUSED], spending.day) == {(Spent.REFUSED, party.id): len(refused)}


def test_of_what_is_beyond_an_allowance_only_the_beginning_is_kept(steady_gate, store_of):
    spending = Spending(NodeAllowance(refused_bytes_per_day=HEAD_BYTES + 100))
    spending.take_over({}, NOW)
    bodies = [b"<x>" + word * HEAD_BYTES for word in (b"a", b"b")]
    findings = judge_tray([arrival(body, PORTAL) for body in bodies], steady_gate)
    gate = replace(steady_gate, store=store_of("cut"))
    answers = recorded_apart(findings, gate, spending=spending)
    with gate.store.read() as view:
        kept = [view.body(answer.message, answer.digest) for answer in answers]
    assert kept == [bodies[0], bodies[1][:HEAD_BYTES]]
    agrees(gate.store)
