"""A gateway that serves takes over what is dropped in or imported, without a restart: declarations, agencies, procedures."""

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import nodes
import pytest
from patience import eventually, stays

sys.path.insert(0, str(Path(__file__).resolve().parent))

import mail
from recipes import payloads
from recipes.envelopes import envelope
from recipes.xmltext import Node, write

from gateway.services import publishing
from gateway.store import Store, open_engine
from signing.sign import sign

XA = "ubnd-xa-thu-nghiem"
STRICT = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:vd:to-khai" version="{version}"
 elementFormDefault="qualified"><xs:element name="ToKhaiKhaiSinh"><xs:complexType><xs:sequence>
 <xs:element name="SoCon" type="{kind}"/></xs:sequence></xs:complexType></xs:element></xs:schema>"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node of one worker with a folder for declarations."""
    folder = tmp_path_factory.mktemp("renewal") / "node"
    settings = {
        "parties": {"folder": "parties", "reload_s": 0.2},
        "schemas": {"declarations": "to-khai"},
    }
    (folder / "to-khai").mkdir(parents=True)
    with nodes.node(folder, settings=settings) as made:
        made.serve(workers=1)
        yield made


def filed(children="2", *, sender="cong-dvc", ma=None, tthc="1.001193", noi_gui=None, to=XA):
    """HS01 with a declaration of SoCon."""
    ma = ma or mail.ma_ho_so(to)
    inside = Node("tk:SoCon", text=children)
    declared = Node("tk:ToKhaiKhaiSinh", {"xmlns:tk": "urn:vd:to-khai"}, [inside])
    payload = dict(payloads.nop_ho_so("small", ma, "2026-01-15")) | {"MaTTHC": tthc}
    payload["ToKhai"] = Node("hs:ToKhai", children=[declared])
    office = mail.OFFICES[sender]
    root = envelope(
        "x", "HS01", "NopHoSo", payload, sender=office, to=[mail.OFFICES[to]], at=mail.now(), ma_ho_so=ma,
        ma_thong_diep=str(uuid.uuid4()),
    )  # fmt: skip
    text = write(root)
    body = text if isinstance(text, bytes) else text.encode()
    if noi_gui is not None:
        body = body.replace(f"<lt:MaDinhDanh>{office.ma}<".encode(), f"<lt:MaDinhDanh>{noi_gui}<".encode(), 1)
    return sign(body, mail.key(office.key), at=datetime.now(UTC))


def codes(node, body, party="cong-dvc"):
    """The problems of a message sent through the door; a fresh one each time."""
    told = node.post(body, party).json
    return [one.get("code") or one["MaChiTiet"] for one in told.get("problems") or told.get("DanhSachLoi") or ()]


def drop(node, name, text):
    """Put a file into the folder as a whole."""
    (node.folder / "to-khai" / f"{name}.part").write_text(text, "utf-8")
    (node.folder / "to-khai" / f"{name}.part").rename(node.folder / "to-khai" / name)


def test_a_declaration_that_is_dropped_in_is_enforced_by_version_without_a_restart(node):
    assert codes(node, filed("nhiều")) == ["XSD-053"]  # nothing to check it by yet: a remark
    drop(node, "1.001193.xsd", STRICT.format(version="1.0", kind="xs:positiveInteger"))
    assert eventually(lambda: codes(node, filed("nhiều")) == ["XSD-020"])
    assert codes(node, filed("2")) == []

    drop(node, "1.001193.xsd", STRICT.format(version="2.0", kind="xs:token"))
    assert eventually(lambda: codes(node, filed("nhiều")) == [])


def test_a_declaration_that_is_no_good_changes_nothing_and_is_told_once(node):
    drop(node, "1.001612.xsd", STRICT.format(version="1.0", kind="xs:positiveInteger"))
    wrong = {"ma": None, "tthc": "1.001612"}
    assert eventually(lambda: codes(node, filed("nhiều", **wrong)) == ["XSD-020"])
    drop(node, "1.001612.xsd", "<hỏng>")
    assert eventually(lambda: "the declarations are no good" in node.log("serve"))
    assert stays(lambda: node.log("serve").count("the declarations are no good") == 1)
    assert codes(node, filed("nhiều", **wrong)) == ["XSD-020"]  # what was in force stays so
    (node.folder / "to-khai" / "1.001612.xsd").unlink()
    assert eventually(lambda: codes(node, filed("nhiều", **wrong)) == ["XSD-053"])


def catalogue(node, name, version, text):
    """A version is published, as the command and HS18 do it."""
    store = Store(open_engine(f"sqlite:///{node.folder / 'node.sqlite3'}"))
    muc = publishing.from_bytes(name, text.encode())
    assert publishing.publish(store, name, version, muc, who="operator:test", now=datetime.now(UTC), reason="test")
    store.dispose()


def test_an_agency_is_known_by_its_aliases_from_the_catalogue_while_they_are_in_force(node):
    old = {"sender": XA, "to": "cong-dvc", "ma": "000.07.03.H19-260115-0001", "noi_gui": "000.07.03.H19"}
    assert codes(node, filed(**old), XA) == ["SIG-059"]  # nobody is known by that name
    ours = mail.OFFICES[XA].ma
    catalogue(node, "CoQuan", "1", f"Ma,Ten,BiDanh\n{ours},Xã thử nghiệm,000.07.03.H19\n")
    assert eventually(lambda: "SIG-059" not in codes(node, filed(**old), XA))
    asked = node.call("GET", "/v1/dossiers/000.07.03.H19-260115-0001", party=XA)
    assert (asked.status, asked.json["CoQuanXuLy"]) == (200, XA)  # a code with the old identifier is its own

    ended = f"Ma,Ten,BiDanh,HieuLucDen\n{ours},Xã thử nghiệm,000.07.03.H19,2026-01-31\n"
    catalogue(node, "CoQuan", "2", ended)
    later = old | {"ma": "000.07.03.H19-260115-0002"}
    assert eventually(lambda: codes(node, filed(**later), XA) == ["SIG-059"])


def test_an_agency_that_was_replaced_leads_to_its_successor(node):
    ours = mail.OFFICES[XA].ma
    merged = f"Ma,Ten,BiDanh,HieuLucDen,MaThayThe\nH10.99,Xã cũ,000.00.99.H10,2025-06-30,{ours}\n{ours},Xã mới,,,\n"
    catalogue(node, "CoQuan", "3", merged)
    born_before = {"sender": XA, "to": "cong-dvc", "ma": "000.00.99.H10-250115-0001"}
    assert eventually(lambda: "AUT-021" not in codes(node, filed(**born_before), XA))
    assert node.call("GET", "/v1/dossiers/000.00.99.H10-250115-0001", party=XA).status == 200


def test_procedures_that_the_catalogue_does_not_know_are_refused_from_then_on(node):
    assert "XSD-135" not in codes(node, filed(tthc="1.009999"))
    catalogue(node, "ThuTuc", "1", "Ma,Ten,MaLinhVuc\n1.001193,Đăng ký khai sinh,LV-01\n")
    assert eventually(lambda: "XSD-135" in codes(node, filed(tthc="1.009999")))
    assert "XSD-135" not in codes(node, filed(tthc="1.001193.000.00.00.H19"))
