"""The REST door, as a party's system meets it."""

import base64
import hashlib
import json
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import mail
import pki
import pytest
from lxml import etree
from patience import PATIENCE_S

from gateway.core.model import Fate
from gateway.web.routes import RouteAudience

PB = "{http://www.dongnai.gov.vn/lienthong/phongbi/1.0}"
HS = "{http://www.dongnai.gov.vn/lienthong/hoso/1.0}"
DV = "{http://www.dongnai.gov.vn/lienthong/dichvu/1.0}"


def id_of(message):
    return etree.fromstring(message).findtext(f"{PB}MaThongDiep")


def records(door):
    with door.gate.store.read() as view:
        return view.messages(limit=1000)


# -- a message in --


def test_a_dossier_is_answered_with_its_signed_receipt(door):
    message = mail.nop()
    answer = door.send(message, "cong-dvc", accept="application/xml")
    assert answer.status == 201
    receipt = etree.fromstring(answer.body)
    assert receipt.findtext(f"{PB}MaThongDiepGoc") == id_of(message)
    assert receipt.findtext(f".//{HS}KetQua") == "CHAP_NHAN"
    assert receipt.findtext(f".//{HS}BamNoiDung") == hashlib.sha256(message).hexdigest()
    assert receipt.find("{http://www.w3.org/2000/09/xmldsig#}Signature") is not None
    assert answer.headers["Location"] == f"/v1/messages/{id_of(message)}"
    assert answer.headers["ETag"] == f'"{hashlib.sha256(message).hexdigest()}"'
    assert answer.headers["Lienthong-Message-Id"] == receipt.findtext(f".//{HS}SoTiepNhan")


def test_the_same_bytes_again_get_the_same_receipt_and_have_no_second_effect(door):
    message = mail.nop()
    first = door.send(message, "cong-dvc", accept="application/xml")
    again = door.send(message, "cong-dvc", accept="text/xml")
    as_json = door.send(message, "cong-dvc")
    assert (first.status, again.status, as_json.status) == (201, 200, 200)
    assert first.body == again.body == base64.b64decode(as_json.json["BienNhan"])
    assert as_json.json["LapLai"] is True
    assert again.headers["Lienthong-Message-Id"] == first.headers["Lienthong-Message-Id"]
    assert len(door.get("/v1/inbox", "ubnd-xa-thu-nghiem").json["DanhSachMuc"]) == 1


def test_a_repeat_leaves_a_line_in_the_technical_log_and_none_in_the_book(door, caplog):
    caplog.set_level("INFO", logger="lienthong.intake")
    message = mail.nop()
    first = door.send(message, "cong-dvc")
    with door.gate.store.read() as view:
        head = view.log_head()
    assert not [r for r in caplog.records if r.message == "duplicate"]
    door.send(message, "cong-dvc")
    (line,) = [r for r in caplog.records if r.message == "duplicate"]
    told = (line.message_id, line.party, line.channel, line.digest)
    assert told == (first.json["SoTiepNhan"], "cong-dvc", "rest", hashlib.sha256(message).hexdigest())
    with door.gate.store.read() as view:
        assert view.log_head() == head


def test_the_same_id_with_other_content_is_a_named_conflict(door):
    name = str(uuid.uuid4())
    assert door.send(mail.nop(ma_thong_diep=name), "cong-dvc").status == 201
    answer = door.send(mail.nop(ma_thong_diep=name), "cong-dvc")
    assert answer.status == 409
    assert answer.codes == ["DUP-010"]
    receipt = etree.fromstring(base64.b64decode(answer.json["receipt"]))
    assert receipt.findtext(f".//{HS}KetQua") == "TRUNG_LAP"


def test_a_rejected_message_is_told_everything_and_recorded(door):
    message = (
        mail.nop()
        .replace(b"<hs:HinhThuc>0<", b"<hs:HinhThuc>7<")
        .replace(b"<hs:LoaiDoiTuong>1<", b"<hs:LoaiDoiTuong>x<")
    )
    answer = door.send(message, "cong-dvc")
    assert answer.status == 422
    document = answer.json
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["outcome"] == "rejected"
    assert len(document["problems"]) >= 2
    for problem in document["problems"]:
        assert problem["line"] >= 1
        assert problem["column"] >= 1
        assert problem["xpath"].startswith("/lt:ThongDiep/")
        assert problem["message"]["vi"]
        assert problem["remedy"]["en"]
    (record,) = records(door)
    assert record.state is Fate.REJECTED
    assert record.id == document["message_id"]
    with door.gate.store.read() as view:
        assert view.body(record.id, record.digest) == message


def test_a_failed_first_attempt_does_not_burn_the_id(door):
    name = str(uuid.uuid4())
    assert (
        door.send(mail.nop(ma_thong_diep=name).replace(b"<hs:HinhThuc>0<", b"<hs:HinhThuc>7<"), "cong-dvc").status
        == 422
    )
    assert door.send(mail.nop(ma_thong_diep=name), "cong-dvc").status == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not xml", 400),
        (b"<a>", 400),
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", 400),
        ("<a>ệ</a>".encode("utf-16"), 415),
        (b"\xff\xfe\x00\x01", 415),
        (b"<a/>", 422),
    ],
)
def test_unreadable_messages_are_refused_and_recorded(door, body, status):
    answer = door.send(body, "cong-dvc")
    assert answer.status == status
    (record,) = records(door)
    assert (record.state, record.digest) == (Fate.REJECTED, hashlib.sha256(body).hexdigest())


def test_unsigned_and_wrongly_signed_messages_are_refused(door):
    for message in (mail.nop(signer=""), mail.nop(signer="so-xay-dung"), mail.nop(signer="unregistered")):
        answer = door.send(message, "cong-dvc")
        assert answer.status in (403, 422)
        assert all(code.startswith(("SIG-", "AUT-")) for code in answer.codes)
    assert {record.state for record in records(door)} == {Fate.REJECTED}


def test_nobody_sends_in_the_name_of_another(door):
    answer = door.send(mail.nop(), "so-xay-dung")
    assert answer.status in (403, 422)
    assert door.get("/v1/inbox", "ubnd-xa-thu-nghiem").json["DanhSachMuc"] == []


def test_a_large_message_is_judged_in_a_thread_and_recorded_like_any_other(open_door):
    door = open_door(big_bytes=1000)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(door.send(mail.nop(), "cong-dvc").status)) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert answers == [201] * 12
    assert len(records(door)) == 12


def test_a_check_says_the_same_and_leaves_nothing(door):
    good = mail.nop()
    bad = good.replace(b"<hs:HinhThuc>0<", b"<hs:HinhThuc>7<")
    checked = door.send(good, "cong-dvc", path="/v1/messages/check")
    assert (checked.status, checked.json["KetQua"]) == (200, "accepted")
    assert "BienNhan" not in checked.json
    assert "SoTiepNhan" not in checked.json
    refused = door.send(bad, "cong-dvc", path="/v1/messages/check")
    assert (refused.status, refused.codes) == (422, door.send(bad, "cong-dvc").codes)
    assert len(records(door)) == 1
    assert door.send(good, "cong-dvc").status == 201
    assert door.send(good, "cong-dvc", path="/v1/messages/check").json["LapLai"] is True


def test_a_check_meets_what_is_on_record(door):
    code = mail.ma_ho_so()
    assert door.send(mail.tien_do(code, 4), "ubnd-xa-thu-nghiem", path="/v1/messages/check").codes == ["DOS-001"]
    name = str(uuid.uuid4())
    door.send(mail.nop(ma_thong_diep=name), "cong-dvc")
    assert door.send(mail.nop(ma_thong_diep=name), "cong-dvc", path="/v1/messages/check").status == 409
    assert len(records(door)) == 1


# -- what became of it --


def test_the_sender_sees_the_fate_of_its_message(door):
    message = mail.nop()
    sent = door.send(message, "cong-dvc").json
    by_own_id = door.get(f"/v1/messages/{id_of(message)}", "cong-dvc").json
    by_ours = door.get(f"/v1/messages/{sent['SoTiepNhan']}", "cong-dvc").json
    in_upper_case = door.get(f"/v1/messages/{id_of(message).upper()}", "cong-dvc").json
    assert by_own_id == by_ours == in_upper_case
    assert by_own_id["KetQua"] == "accepted"
    assert by_own_id["NoiGui"] == "H19.909"
    assert by_own_id["DanhSachHopThu"] == [{"NoiNhan": "ubnd-xa-thu-nghiem", "ViTri": 1}]
    xml = etree.fromstring(door.get(f"/v1/messages/{id_of(message)}", "cong-dvc", Accept="application/xml").body)
    assert xml.tag == f"{DV}ThongTinThongDiep"
    assert xml.findtext(f"{DV}SoTiepNhan") == sent["SoTiepNhan"]


def test_the_sender_alone_sees_how_each_item_of_its_signature_came_out(door):
    message = mail.nop()
    changed = message.replace(b"</hs:TenTTHC>", b" </hs:TenTTHC>")
    assert door.send(changed, "cong-dvc").codes == ["SIG-001"]
    rows = door.get(f"/v1/messages/{id_of(message)}", "cong-dvc").json["DanhSachMucKiem"]
    assert [(row["Muc"], row["MaLyDo"]) for row in rows if row["KetLuan"] == "failed"] == [("2.4", "digest")]
    assert door.send(message, "cong-dvc").status == 201
    rows = door.get(f"/v1/messages/{id_of(message)}", "cong-dvc").json["DanhSachMucKiem"]
    assert not [row for row in rows if row["KetLuan"] == "failed"]
    assert "DanhSachMucKiem" not in door.get(f"/v1/messages/{id_of(message)}", "ubnd-xa-thu-nghiem").json


def test_a_message_that_is_pushed_shows_its_delivery(door):
    message = mail.nop(to="so-tu-phap")
    door.send(message, "cong-dvc")
    (delivery,) = door.get(f"/v1/messages/{id_of(message)}", "cong-dvc").json["DanhSachGiaoNhan"]
    assert delivery["NoiNhan"] == "so-tu-phap"
    assert delivery["TrangThaiGiaoNhan"] == "queued"
    assert delivery["SoLanThu"] == 0


def test_original_bytes_and_receipt_come_back_exactly(door):
    message = mail.nop()
    receipt = door.send(message, "cong-dvc", accept="application/xml").body
    for who in ("cong-dvc", "ubnd-xa-thu-nghiem"):
        original = door.get(f"/v1/messages/{id_of(message)}/original", who)
        assert (original.status, original.body) == (200, message)
        assert original.headers["ETag"] == f'"{hashlib.sha256(message).hexdigest()}"'
        digest = base64.b64encode(hashlib.sha256(message).digest()).decode()
        assert original.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert door.get(f"/v1/messages/{id_of(message)}/receipt", "cong-dvc").body == receipt


def test_what_was_erased_is_gone_and_not_unknown(door):
    message = mail.nop()
    accepted = door.send(message, "cong-dvc").json
    with door.gate.store.begin() as tx:
        digest = hashlib.sha256(message).hexdigest()
        tx.erase({accepted["SoTiepNhan"]: [digest]}, who="operator:test", reason="thử", now=datetime.now(UTC))
    answer = door.get(f"/v1/messages/{id_of(message)}/original", "cong-dvc")
    assert (answer.status, answer.codes) == (410, ["SYS-124"])
    assert door.get(f"/v1/messages/{id_of(message)}/receipt", "cong-dvc").body == base64.b64decode(accepted["BienNhan"])


def test_a_fault_of_ours_is_a_problem_with_a_reference_and_no_word_of_the_fault(door):
    door.app.door.take_over(replace(door.gate, parties=None))  # nothing can be looked up any more
    answer = door.get("/v1/inbox", "cong-dvc")
    assert (answer.status, answer.codes) == (500, ["SYS-120"])
    assert answer.headers["X-Request-Id"] in answer.json["detail"]
    assert "NoneType" not in answer.body.decode()


def test_what_the_caller_has_already_is_not_sent_again(door):
    message = mail.nop()
    door.send(message, "cong-dvc")
    message_address = f"/v1/messages/{id_of(message)}"
    for address in (
        f"{message_address}/original",
        f"{message_address}/receipt",
        "/openapi.json",
        "/docs",
        "/soap?wsdl",
    ):
        whole = door.get(address, "cong-dvc")
        tag = whole.headers["ETag"]
        for known in (tag, f'W/"x", {tag}', "*"):
            again = door.get(address, "cong-dvc", **{"If-None-Match": known})
            assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
        assert door.get(address, "cong-dvc", **{"If-None-Match": '"x"'}).body == whole.body
    assert door.get(f"{message_address}/original", "so-xay-dung", **{"If-None-Match": "*"}).status == 404


def test_a_position_that_does_not_exist_yet_confirms_nothing(door):
    door.send(mail.nop(), "cong-dvc")
    refused = door.get("/v1/inbox?after=1000", "ubnd-xa-thu-nghiem")
    assert (refused.status, refused.codes) == (409, ["SYS-143"])
    assert refused.json["problems"][0]["message"]["en"].endswith(
        "its newest one is 1."
    )  # the reader is told where it really stands
    with door.gate.store.read() as view:
        assert view.reader("ubnd-xa-thu-nghiem").confirmed == 0


def test_a_rejected_message_can_be_asked_for_with_its_problems(door):
    body = b"<a>"
    number = door.send(body, "cong-dvc").json["message_id"]
    fate = door.get(f"/v1/messages/{number}", "cong-dvc").json
    assert fate["KetQua"] == "rejected"
    assert fate["DanhSachLoi"][0]["MaChiTiet"].startswith("XML-")
    assert fate["DanhSachLoi"][0]["MoTaTiengAnh"]
    assert door.get(f"/v1/messages/{number}/original", "cong-dvc").body == body
    nothing = door.get(f"/v1/messages/{number}/receipt", "cong-dvc")
    assert (nothing.status, nothing.codes) == (404, ["SYS-126"])


def test_others_messages_do_not_exist(door):
    message = mail.nop()
    number = door.send(message, "cong-dvc").json["SoTiepNhan"]
    for name in (id_of(message), number, str(uuid.uuid4()), "20260101000000000-0123456789", "anything"):
        for tail in ("", "/original", "/receipt"):
            answer = door.get(f"/v1/messages/{name}{tail}", "so-xay-dung")
            assert (answer.status, answer.codes) == (404, ["SYS-121"])
    assert door.get(f"/v1/messages/{id_of(message)}/receipt", "ubnd-xa-thu-nghiem").status == 404  # its sender's alone


# -- inbox --


def test_the_inbox_is_ordered_and_without_a_gap(door):
    sent = [mail.nop() for _ in range(7)]
    for message in sent:
        assert door.send(message, "cong-dvc").status == 201
    seen, after = [], 0
    while True:
        page = door.get(f"/v1/inbox?after={after}&limit=3", "ubnd-xa-thu-nghiem").json
        assert page["MoiNhat"] == 7
        if not page["DanhSachMuc"]:
            break
        seen += page["DanhSachMuc"]
        after = page["ViTriCuoi"]
    assert [entry["ViTri"] for entry in seen] == list(range(1, 8))
    assert [entry["MaThongDiep"] for entry in seen] == [id_of(message) for message in sent]
    assert door.get(seen[0]["DuongDan"], "ubnd-xa-thu-nghiem").body == sent[0]
    assert seen[0]["NoiGui"] == "H19.909"
    with door.gate.store.read() as view:
        assert view.reader("ubnd-xa-thu-nghiem").confirmed == 7
    assert door.get("/v1/inbox", "cong-dvc").json["DanhSachMuc"] == []


def test_the_inbox_speaks_xml_too(door):
    door.send(mail.nop(), "cong-dvc")
    root = etree.fromstring(door.get("/v1/inbox", "ubnd-xa-thu-nghiem", Accept="application/xml").body)
    assert root.tag == f"{DV}TrangCapNhat"
    assert [e.findtext(f"{DV}ViTri") for e in root.iterfind(f"{DV}DanhSachMuc/{DV}Muc")] == ["1"]


def test_a_long_poll_ends_when_news_arrive(open_door):
    door = open_door(wait_s=10 * PATIENCE_S, exchange_s=20 * PATIENCE_S)
    got, ask = [], f"/v1/inbox?after=0&wait={10 * PATIENCE_S:.0f}"  # longer than we wait for its end
    poll = threading.Thread(target=lambda: got.append(door.get(ask, "ubnd-xa-thu-nghiem")), daemon=True)
    poll.start()
    door.is_waited_at()
    door.send(mail.nop(), "cong-dvc")
    poll.join(PATIENCE_S)
    assert len(got[0].json["DanhSachMuc"]) == 1


def test_a_long_poll_needs_no_looking_every_so_often(open_door, monkeypatch):
    """What is committed tells, here by the same process."""
    monkeypatch.setattr("gateway.web.waiters._EVERY_S", 100 * PATIENCE_S)
    test_a_long_poll_ends_when_news_arrive(open_door)


def test_a_long_poll_without_news_ends_empty(door):
    answer = door.get("/v1/inbox?after=0&wait=1", "ubnd-xa-thu-nghiem")
    assert (answer.status, answer.json["DanhSachMuc"]) == (200, [])


# -- dossiers --


def test_the_parties_of_a_dossier_see_its_timeline(door):
    code = mail.ma_ho_so()
    for message, by in (
        (mail.nop(code), "cong-dvc"),
        (mail.tiep_nhan(code), "ubnd-xa-thu-nghiem"),
        (mail.tien_do(code, 4), "ubnd-xa-thu-nghiem"),
    ):
        answer = door.send(message, by)
        assert answer.status == 201, answer
    for who in ("cong-dvc", "ubnd-xa-thu-nghiem"):
        timeline = door.get(f"/v1/dossiers/{code}", who).json
        assert (timeline["MaHoSo"], timeline["TrangThai"]) == (code, 4)
        assert [event["LoaiThongDiep"] for event in timeline["DanhSachSuKien"]] == ["HS01", "HS03", "HS05"]
        moments = [event[name] for event in timeline["DanhSachSuKien"] for name in ("ThoiDiem", "NhanLuc")]
        assert all(moment.endswith("+07:00") for moment in (timeline["NgayNopHoSo"], *moments))  # naming rule N3
    root = etree.fromstring(door.get(f"/v1/dossiers/{code}", "cong-dvc", Accept="text/xml").body)
    assert root.findtext(f"{DV}TrangThai") == "4"
    assert len(root.findall(f"{DV}DanhSachSuKien/{DV}SuKien")) == 3
    for who in ("so-xay-dung", "so-tu-phap"):
        answer = door.get(f"/v1/dossiers/{code}", who)
        assert (answer.status, answer.codes) == (404, ["SYS-122"])
    news = door.get("/v1/inbox", "cong-dvc").json["DanhSachMuc"]
    assert [(entry["LoaiThongDiep"], entry["TrangThai"]) for entry in news] == [("HS03", 2), ("HS05", 4)]


def test_an_impossible_move_is_a_problem_that_names_the_possible_ones(door):
    code = mail.ma_ho_so()
    door.send(mail.nop(code), "cong-dvc")
    answer = door.send(mail.tien_do(code, 10), "ubnd-xa-thu-nghiem")
    assert answer.status in (409, 422)
    assert answer.codes == ["DOS-010"]


# -- nobody, strangers, others --


def every_call(door):
    for route in door.app.routes:
        address = route.address.format(
            id=str(uuid.uuid4()),
            ma_ho_so="H19.902.01-260115-0001",
            ten="CapNhatTienDoHoSoMC",
            code="XSD-021",
            phan="mapi",
            viec="g",
            mien="hoso",
            phien_ban="1.0",
            tep="NopHoSo.xsd",
            muc="problems",
            digest="ab" * 32,
        )
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            yield route, method, address


def test_without_credentials_nothing_but_what_is_open_answers(door):
    open_ = {(r.method, r.address) for r in door.app.routes if r.who is RouteAudience.ANYONE}
    assert {address for _, address in open_} >= {"/healthz", "/readyz"}
    assert not any(address.startswith("/v1") for _, address in open_)
    for route, method, address in every_call(door):
        answer = door.ask(method, address, b"<a/>" if method in ("POST", "PUT", "PATCH") else None)
        methods = {r.method for r in door.app.routes if r.address == route.address}
        effective = "GET" if method == "HEAD" and "HEAD" not in methods else method
        if effective not in methods:
            assert answer.status == 405, (method, address)
            assert set(answer.headers["Allow"].split(", ")) & {"GET", "POST", "PATCH"}
        elif route.address.startswith("/dvcqg"):  # says no in its own form
            assert answer.json["error_code"] == "1", (method, address)
        elif (effective, route.address) not in open_:
            assert answer.status == (500 if route.address == "/soap" else 401), (method, address)  # there by a fault
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert records(door) == []


def test_a_locked_party_gets_nothing(door):
    for route, method, address in every_call(door):
        if route.who is not RouteAudience.ANYONE and method == route.method:
            answer = door.ask(method, address, b"<a/>" if method == "POST" else None, by="don-vi-bi-khoa")
            if address.startswith("/dvcqg"):
                assert answer.json["error_code"] == "1", (method, address)
                continue
            assert answer.status == (500 if address == "/soap" else 403), (method, address)  # there by a fault
            assert answer.codes == ["AUT-105"] if method == "GET" else True
    assert records(door) == []


def test_operators_pages_are_closed_to_parties(door):
    assert door.get("/metrics").status == 401
    answer = door.get("/metrics", "cong-dvc")
    assert (answer.status, answer.codes) == (403, ["AUT-106"])


def test_a_party_over_its_rate_is_told_when_to_come_again(open_door, with_party):
    door = open_door(parties=with_party("cong-dvc", rate_per_s=0.5))
    assert door.get("/v1/inbox", "cong-dvc").status == 200
    answer = door.get("/v1/inbox", "cong-dvc")
    assert (answer.status, answer.codes) == (429, ["SYS-116"])
    assert int(answer.headers["Retry-After"]) >= 1
    assert door.get("/v1/inbox", "ubnd-xa-thu-nghiem").status == 200


def test_errors_speak_the_callers_language_and_form(door):
    english = door.get("/v1/inbox", **{"Accept-Language": "en", "Accept": "application/json"})
    assert english.json["title"] == "Not authenticated"
    assert english.headers["Content-Language"] == "en"
    assert english.headers["Content-Type"] == "application/problem+json"
    vietnamese = door.get("/v1/inbox", Accept="text/xml")
    assert vietnamese.headers["Content-Type"].startswith("application/problem+xml")
    assert etree.fromstring(vietnamese.body).findtext("{urn:ietf:rfc:7807}title") == "Chưa xác thực"
    by_default = door.ask("POST", "/v1/messages", b"<a/>", headers={"Content-Type": "application/xml"})
    assert by_default.headers["Content-Type"].startswith("application/problem+xml")


def test_a_held_message_is_202_and_its_receipt_follows(open_door, bare_gate):
    from dataclasses import replace

    from gateway.services import intake
    from signing.trust import TrustView

    door = open_door()
    known = door.gate.trust
    door.app.door.take_over(replace(door.gate, trust=TrustView.build(door.gate.parties, known.trees.values(), ())))
    message = mail.nop()
    answer = door.send(message, "cong-dvc")
    assert answer.status == 202, answer
    assert answer.json["KetQua"] == "held"
    assert answer.json["DanhSachLoi"][0]["GuiLaiDuoc"] is True
    assert door.send(message, "cong-dvc", accept="application/xml").status == 202
    waiting = door.get(f"/v1/messages/{id_of(message)}/receipt", "cong-dvc")
    assert (waiting.status, waiting.codes) == (404, ["SYS-123"])
    (ack,) = intake.recheck([answer.json["SoTiepNhan"]], door.gate, door.app.door.clock())
    assert ack.fate is Fate.ACCEPTED
    assert door.get(f"/v1/messages/{id_of(message)}/receipt", "cong-dvc").body == ack.receipt
    assert door.send(message, "cong-dvc", accept="application/xml").body == ack.receipt


def test_oversight_sees_what_happened_and_not_what_was_written(open_door, with_party):
    from gateway.core.parties import Role

    door = open_door(parties=with_party("so-xay-dung", role=Role.OVERSIGHT))
    code = mail.ma_ho_so()
    number = door.send(mail.nop(code), "cong-dvc").json["SoTiepNhan"]
    assert door.get(f"/v1/messages/{number}", "so-xay-dung").json["KetQua"] == "accepted"
    assert door.get(f"/v1/dossiers/{code}", "so-xay-dung").json["MaHoSo"] == code
    assert door.get(f"/v1/messages/{number}/original", "so-xay-dung").status == 404
    assert door.get(f"/v1/messages/{number}/receipt", "so-xay-dung").status == 404


def test_no_personal_data_reaches_the_log(door, caplog):
    caplog.set_level("DEBUG", logger="lienthong")
    message = mail.nop(note="Nguyễn Văn Ánh 075990000001")
    door.send(message, "cong-dvc")
    door.send(message.replace(b"<hs:HinhThuc>0<", b"<hs:HinhThuc>Ng%s<" % b"uyen Van Anh"), "cong-dvc")
    text = json.dumps(
        [{**vars(record), "args": str(record.args), "exc_info": None} for record in caplog.records], default=str
    )
    assert '"answered"' in text
    for secret in ("Nguyễn", "075990000001", "uyen Van Anh", pki.token("cong-dvc")):
        assert secret not in text


def test_an_agency_counts_its_own_dossiers_and_oversight_all(open_door, with_party):
    from gateway.core.parties import Role

    door = open_door(parties=with_party("don-vi-loi", role=Role.OVERSIGHT))
    for _ in range(2):
        code = mail.ma_ho_so()
        door.send(mail.nop(code), "cong-dvc")
        door.send(mail.tiep_nhan(code), "ubnd-xa-thu-nghiem")
    door.send(mail.nop(mail.ma_ho_so("so-xay-dung"), to="so-xay-dung"), "cong-dvc")
    path = "/v1/report?since=2026-01-01&until=2027-01-01&by=co-quan"

    def filed(who):
        return {row["CoQuan"]: row for row in door.get(path, who).json["DanhSachDong"]}

    assert set(filed("don-vi-loi")) == {"ubnd-xa-thu-nghiem", "so-xay-dung"}
    assert set(filed("ubnd-xa-thu-nghiem")) == {"ubnd-xa-thu-nghiem"}
    sheet = door.get(path, "ubnd-xa-thu-nghiem", Accept="text/csv")
    assert sheet.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert sheet.body.decode("utf-8-sig").splitlines()[1].startswith("ubnd-xa-thu-nghiem,")
    xml = etree.fromstring(door.get(path, "ubnd-xa-thu-nghiem", Accept="text/xml").body)
    assert xml.findtext(f"{DV}DanhSachDong/{DV}Dong/{DV}CoQuan") == "ubnd-xa-thu-nghiem"
    assert door.get(path, "cong-dvc").codes == ["AUT-108"]
    for query in ("", "?since=2026-01-01", "?since=2026-02-30&until=2026-03-01", "?since=2026-02-01&until=2026-01-01",
                  "?since=2000-01-01&until=2026-01-01", "?since=2026-01-01&until=2026-02-01&by=x"):  # fmt: skip
        assert door.get(f"/v1/report{query}", "don-vi-loi").codes == ["SYS-114"]
