"""What each party may send: so many messages a second, so many bytes a day, so many bytes of refused bodies kept."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import doors
import mail
import pki
import pytest
from test_soap import b64, call, enveloped, fault, operation

from gateway.core.allowed import PartyAllowance
from gateway.services.intake import recheck
from gateway.services.watch import alerts

SENDER, OTHER, RECEIVER = "cong-dvc", "so-xay-dung", "ubnd-xa-thu-nghiem"
HEAD = 64 * 1024


def records(door):
    with door.gate.store.read() as view:
        return view.messages(limit=1000)


def kept(door, record):
    with door.gate.store.read() as view:
        return view.body(record.id, record.digest)


def put_off(answer, code, most_s):
    """That an answer is 429 with this code and a wait of whole seconds within reason."""
    assert (answer.status, answer.codes) == (429, [code]), answer
    assert 0 < int(answer.headers["Retry-After"]) <= most_s
    return True


@pytest.fixture
def allowed(open_door, with_party):
    """A door where the portal may send so much."""
    return lambda **allowance: open_door(parties=with_party(SENDER, allowance=PartyAllowance(**allowance)))


@pytest.fixture
def at(gate, sample_settings, with_party):
    """Doors of one node whose clock is ``at.now``; ``at(bytes_per_day=…)`` opens one more."""
    opened = []

    def open_(name=SENDER, **allowance):
        its = replace(gate, parties=with_party(name, allowance=PartyAllowance(**allowance)))
        opened.append(doors.Door(its, sample_settings, clock=lambda: open_.now))
        return opened[-1]

    open_.now = mail.datetime.now(mail.UTC)
    yield open_
    for one in opened:
        one.stop()


# -- messages a second --


@pytest.mark.threat("T-FLOOD")
def test_more_messages_than_allowed_are_put_off_by_every_way_in_and_nobody_else_is(allowed):
    door = allowed(messages_per_s=0.01, burst=2)
    assert [door.send(mail.nop(), SENDER).status for _ in range(2)] == [201, 201]
    late = mail.nop()
    assert put_off(door.send(late, SENDER), "SYS-117", 200)
    assert put_off(door.send(late, SENDER, path="/v1/messages/check"), "SYS-117", 200)
    for name in ("GuiThongDiep", "KiemTraThongDiep"):
        answer = call(door, enveloped(operation(name, NoiDung=b64(late))))
        assert (answer.status, fault(answer)[:2]) == (500, ("Server", ["SYS-117"]))
        assert int(answer.headers["Retry-After"]) > 0
    assert len(records(door)) == 2
    assert door.get("/v1/inbox", SENDER).status == 200  # reading is not sending
    assert door.send(b"<khong/>", OTHER).status == 422  # judged, not put off


def test_a_batch_is_as_many_messages_as_it_holds(open_door, with_party):
    party = with_party(RECEIVER, typed_submissions=True, allowance=PartyAllowance(messages_per_s=0.01, burst=3))
    door = open_door(parties=party)
    batch = json.dumps({"DanhSachGoi": [{"MaHoSo": f"x{n}"} for n in range(3)]}).encode()
    headers = {"Content-Type": "application/json"}
    path = "/v1/submissions/CapNhatTienDoHoSoMC"
    assert door.ask("POST", path, batch, by=RECEIVER, headers=headers).status == 200
    assert put_off(door.ask("POST", path, batch, by=RECEIVER, headers=headers), "SYS-117", 200)


# -- bytes a day --


@pytest.mark.threat("T-FLOOD")
def test_a_days_bytes_are_over_for_every_worker_after_a_restart_too_and_begin_anew_the_next_day(at):
    first, second = mail.nop(), mail.nop()
    most = len(first) + len(second) - 1
    door = at(bytes_per_day=most)
    assert door.send(first, SENDER).status == 201
    other = at(bytes_per_day=most)  # another worker, or node: it knows what is on record
    assert put_off(other.send(second, SENDER), "SYS-118", 86_400)
    door.stop()
    again = at(bytes_per_day=most)
    assert put_off(again.send(second, SENDER), "SYS-118", 86_400)
    answer = call(again, enveloped(operation("GuiThongDiep", NoiDung=b64(second))))
    assert (answer.status, fault(answer)[1]) == (500, ["SYS-118"])
    assert again.send(second, SENDER, path="/v1/messages/check").status == 200  # nothing is kept of that
    assert again.get("/v1/inbox", SENDER).status == 200
    at.now += timedelta(days=1)
    assert again.send(second, SENDER).status == 201


def test_what_two_workers_took_is_added_up(at):
    messages = [mail.nop() for _ in range(4)]
    most = sum(map(len, messages)) - 1
    one, two = at(bytes_per_day=most), at(bytes_per_day=most)
    assert [door.send(body, SENDER).status for door, body in zip((one, two, one), messages, strict=False)] == [201] * 3
    for door in (one, two):  # what is not on record yet is put there when they stop
        door.stop()
    assert put_off(at(bytes_per_day=most).send(messages[3], SENDER), "SYS-118", 86_400)


# -- refused bodies --


@pytest.mark.threat("T-FLOOD")
@pytest.mark.parametrize("way", ["rest", "soap"])
def test_of_a_body_that_is_too_long_the_beginning_is_kept_and_what_is_said_of_it_is_true(way, open_door):
    limit = 100_000
    door = open_door(limits={"body_bytes": limit, "text_bytes": limit}, big_bytes=limit)
    body = b"<a>" + b"x" * 400_000 + b"</a>"
    if way == "rest":
        answer = door.send(body, SENDER)
        told = (
            answer.json["problems"][0]["detail_en"]
            if "detail_en" in answer.json["problems"][0]
            else answer.body.decode()
        )
    else:
        answer = call(door, body)
        limit = limit * 4 // 3 + HEAD
        told = answer.body.decode()
    assert answer.status == (413 if way == "rest" else 500)
    (record,) = records(door)
    assert kept(door, record) == body[:HEAD]
    assert record.digest == hashlib.sha256(body[:HEAD]).hexdigest()  # of what was kept, and said so
    assert f"more than {limit}" in told or f"hơn {limit}" in told, told
    assert str(HEAD) in told
    fate = door.get(f"/v1/messages/{record.id}", SENDER).json
    assert "SoByte" not in fate  # nobody counted them
    assert f"hơn {limit}" in json.dumps(fate, ensure_ascii=False)


def test_a_long_body_that_begins_like_an_accepted_message_is_no_repeat_of_it(open_door):
    limit = 70_000
    door = open_door(limits={"body_bytes": limit, "text_bytes": limit}, big_bytes=limit)
    message = mail.nop()
    message += b"\n" * (HEAD - len(message))  # white space after the root, up to what is kept of a long body
    assert door.send(message, SENDER).status == 201
    answer = door.send(message + b" " * 20_000, SENDER)
    assert (answer.status, answer.codes) == (413, ["XML-002"])


@pytest.mark.threat("T-FLOOD")
def test_refused_bodies_are_kept_whole_until_the_days_allowance_is_over(allowed):
    bodies = [b"<khong>" + bytes([65 + n]) * 200_000 + b"</khong>" for n in range(3)]
    door = allowed(refused_bytes_per_day=450_000)
    assert [door.send(body, SENDER).status for body in bodies] == [422] * 3
    found = {record.digest: record for record in records(door)}
    sizes = [len(kept(door, found[hashlib.sha256(body).hexdigest()])) for body in bodies]
    assert sizes == [len(bodies[0]), len(bodies[1]), HEAD]
    last = found[hashlib.sha256(bodies[2]).hexdigest()]
    assert last.total_bytes == len(bodies[2])  # length and digest are those of all of it
    (again,) = recheck([last.id], door.gate, last.received_at)
    assert [problem.code for problem in again.problems] == ["SYS-066"]
    body = mail.nop() + b"\n" * 100_000
    assert door.send(body, SENDER).status == 201
    (record,) = [one for one in records(door) if one.digest == hashlib.sha256(body).hexdigest()]
    assert kept(door, record) == body  # what is accepted is always kept whole


# -- an alert, and figures --


@pytest.mark.threat("T-FLOOD")
def test_somebody_is_told_before_an_allowance_ends(at):
    body = b"<khong>" + b"x" * 80_000 + b"</khong>"
    most = len(body) * 10 // 9
    door = at(bytes_per_day=most, refused_bytes_per_day=most)
    assert door.send(body, SENDER).status == 422

    def told(now):
        found = [one for one in alerts(door.gate.store, door.gate.parties, now) if one.alarm == "allowance"]
        return [(one.party, one.subject, one.facts["code"], one.facts["problem"]["percent"]) for one in found]

    assert told(at.now) == [(SENDER, "bytes", "SYS-086", 90), (SENDER, "refused", "SYS-087", 90)]
    assert told(at.now + timedelta(days=1)) == []


def test_figures_tell_who_was_put_off_and_how_much_is_used_up(gate, sample_settings, with_party):
    token = hashlib.sha256(b"lt_van_hanh_0123456789").hexdigest()
    settings = replace(sample_settings, door=replace(sample_settings.door, operator_tokens_sha256=(token,)))
    body = mail.nop()
    allowance = PartyAllowance(bytes_per_day=2 * len(body) - 1)
    door = doors.Door(replace(gate, parties=with_party(SENDER, allowance=allowance)), settings)
    try:
        assert door.send(body, SENDER).status == 201
        assert door.send(mail.nop(), SENDER).status == 429
        text = door.get("/metrics", Authorization="Bearer lt_van_hanh_0123456789").body.decode()
    finally:
        door.stop()
    assert f'lienthong_allowance_refusals_total{{allowance="bytes_per_day",party="{SENDER}"}} 1.0' in text
    (used,) = [line for line in text.splitlines() if line.startswith("lienthong_allowance_used_ratio{")]
    assert f'party="{SENDER}"' in used
    assert 0.5 < float(used.rpartition(" ")[2]) < 0.6


# -- strangers --


@pytest.mark.threat("T-FLOOD")
def test_strangers_of_one_address_are_put_off_without_a_line_and_a_party_beside_them_is_not(
    gate, sample_settings, caplog
):
    settings = replace(sample_settings, allowance=replace(sample_settings.allowance, strangers_per_s=0.1))
    door = doors.Door(gate, settings)
    caplog.set_level("INFO")
    try:
        knocks = [door.send(b"<a/>", None, Authorization=f"Bearer lt_ai_{'x' * 40}") for _ in range(4)]
        assert [answer.status for answer in knocks] == [401, 429, 429, 429]
        assert put_off(knocks[-1], "SYS-128", 20)
        answer = call(door, enveloped(operation("LayCapNhat", Sau="0")), by=None)
        assert (answer.status, fault(answer)[1]) == (500, ["SYS-128"])
        lines = [record for record in caplog.records if record.name.startswith("lienthong.web")]
        assert len(lines) == 2  # the refusal and the access log's line of the first; none of the others
        assert door.get("/v1/inbox", SENDER).status == 200
    finally:
        door.stop()
    assert records(door) == []


def test_an_unreadable_envelope_that_only_shows_a_certificate_is_nobodys(door):
    """Anybody has a party's certificate: nothing may be recorded or counted in its name before it has signed."""
    token = f'<w:BinarySecurityToken xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">{b64(pki.signer(RECEIVER).der)}</w:BinarySecurityToken>'  # fmt: skip
    header = (
        '<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">'
        f'{token}<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></w:Security>'
    )
    body = enveloped("<a>", header=header)  # not well-formed
    answer = call(door, body, by=None)
    assert fault(answer)[1] == ["AUT-101"]
    assert records(door) == []
