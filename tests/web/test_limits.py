"""Every limit of documents raised: what keeps to it passes every floor, by every way in and out, by the same numbers."""

import base64
import hashlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import doors
import mail
import pytest

from connectors.data import data_of
from connectors.outcomes import Parcel
from gateway import wiring
from gateway.core.limits import CEILING, DEFAULT_LIMITS
from gateway.core.model import Delivery, DeliveryId, MaThongDiep, MessageId
from gateway.services import profiles
from gateway.services.bundles import gather
from gateway.store import Store, open_engine
from signing.evidence import outside, verify_bundle, write_bundle
from signing.sign import sign

RAISED = {
    "body_bytes": 5 * 2**20,
    "depth": 60,
    "elements": 30_000,
    "attributes": 48,
    "namespaces": 100,
    "name_bytes": 256 * 2**10,
    "text_bytes": 7 * 2**19,
}
# Just under each: what stands in the declaration, and the code by which the default refuses it.
UNDER = {
    "body_bytes": ("<d>" + ("<e>" + ">" * 50_000 + "x" * 2_500_000 + "</e>") * 2 + "</d>", "XML-002"),
    "depth": ("<d>" * 54 + "x" + "</d>" * 54, "XML-130"),
    "elements": ("<d>" + "<e/>" * 29_900 + "</d>", "XML-131"),
    "attributes": ("<d " + " ".join(f'a{n}="{n}"' for n in range(48)) + "/>", "XML-132"),
    "namespaces": ("<d " + " ".join(f'xmlns:n{n}="urn:{n}" n{n}:a=""' for n in range(46)) + ">"
                   + "<d " + " ".join(f'xmlns:m{n}="urn:m{n}"' for n in range(48)) + "/></d>", "XML-133"),
    "name_bytes": ("<d>" + "".join(f"<{'n' * 90}{n}/>" for n in range(2_600)) + "</d>", "XML-135"),
    "text_bytes": ("<d>" + "x" * 3_600_000 + "</d>", "XML-134"),
}  # fmt: skip
SENDER, RECEIVER = "cong-dvc", "ubnd-xa-thu-nghiem"


def filing(content):
    """HS01 with this declaration, signed by the portal."""
    bare = mail.nop(signer="").decode()
    bare = bare.replace(
        "<hs:TrangThaiHoSo>", "<hs:NgayTiepNhan>2026-01-15T08:15:00+07:00</hs:NgayTiepNhan><hs:TrangThaiHoSo>"
    )
    bare = bare.replace("</hs:HinhThuc>", "</hs:HinhThuc><hs:DonViXuLy>UBND xã (thử nghiệm)</hs:DonViXuLy>")
    before, end, after = bare.rpartition("</hs:NopHoSo>")
    declared = f'<hs:ToKhai><t:ToKhai xmlns:t="urn:to-khai" xmlns="urn:to-khai">{content}</t:ToKhai></hs:ToKhai>'
    return sign(f"{before}{declared}{end}{after}".encode(), mail.key(SENDER), at=datetime.now(UTC))


@pytest.fixture(scope="module")
def node(bare_gate, sample_settings, sqlite_template, tmp_path_factory):
    """A node whose every limit is raised: its gate and its door."""
    path = tmp_path_factory.mktemp("limits") / "lienthong.db"
    shutil.copyfile(sqlite_template, path)
    settings = replace(sample_settings, limits=replace(DEFAULT_LIMITS, **RAISED))
    gate = replace(
        bare_gate,
        store=Store(open_engine(f"sqlite:///{path}")),
        limits=settings.limits,
        deadlines=wiring.deadline_rules(settings),
    )
    door = doors.Door(gate, settings)
    yield gate, door
    door.stop()
    gate.store.dispose()


@pytest.fixture(scope="module")
def strict(node, sample_settings):
    """A door of the same node with the limits that a node has by default."""
    gate, _ = node
    door = doors.Door(replace(gate, limits=DEFAULT_LIMITS), sample_settings)
    yield door
    door.stop()


@pytest.mark.parametrize("limit", RAISED)
def test_what_is_just_under_a_raised_limit_passes_every_floor(limit, node, strict):
    gate, door = node
    content, code = UNDER[limit]
    body = filing(content)
    assert code in strict.send(body, SENDER, path="/v1/messages/check").codes  # over the default of just this limit
    answer = door.send(body, SENDER, path="/v1/messages/check")
    assert answer.status == 200, answer
    answer = door.send(body, SENDER)
    assert answer.status == 201, answer
    assert door.send(body, SENDER).status == 200  # by the known shape of its signature, and the first answer
    by_soap = filing(content)
    envelope = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        '<GuiThongDiep xmlns="http://www.dongnai.gov.vn/lienthong/dichvu/1.0">'
        f"<NoiDung>{base64.b64encode(by_soap).decode()}</NoiDung></GuiThongDiep></s:Body></s:Envelope>"
    )
    answer = door.ask(
        "POST", "/soap", envelope.encode(), by=SENDER, headers={"Content-Type": "text/xml; charset=utf-8"}
    )
    assert answer.status == 200, answer

    fed = {
        entry["BamNoiDung"]: entry["SoTiepNhan"]
        for entry in door.get("/v1/inbox?limit=100", RECEIVER).json["DanhSachMuc"]
    }
    for each in (body, by_soap):
        message = fed[hashlib.sha256(each).hexdigest()]
        assert door.get(f"/v1/messages/{message}/original", RECEIVER).body == each
    delivery = Delivery(
        id=DeliveryId("m.x"),
        message=MessageId("m"),
        ma_thong_diep=MaThongDiep("m"),
        loai="HS01",
        party=RECEIVER,
        lane="m",
        digest=hashlib.sha256(body).hexdigest(),
    )
    parcel = Parcel(delivery=delivery, body=body, party=gate.parties.get(RECEIVER))
    assert data_of(parcel)[0]["thong_diep"]["loai"] == "HS01"
    parts = gather(
        gate.store,
        gate.trust,
        gate.parties,
        message,
        own_identifier=gate.identity.ma_dinh_danh,
        own=[gate.key.certificate_der],
        profile=profiles.from_text,
    )
    report = verify_bundle(write_bundle(parts))
    assert {fit.step: fit.status for fit in report.fits}["signature"] == "passed", report.first_misfit
    assert next(one.what for one in outside(by_soap)) == "signature"


def test_no_limit_can_be_raised_beyond_what_records_are_read_by():
    assert all(value <= getattr(CEILING, name) for name, value in RAISED.items())
    assert set(RAISED) == set(UNDER) == set(DEFAULT_LIMITS.__dataclass_fields__)
