"""The SOAP door: the same judgement and receipts as REST, every operation, every fault; threats.md section 5.12."""

import base64
import hashlib
import http.client
import quopri
import uuid
from dataclasses import replace

import mail
import pki
import pytest
import zeep
import zeep.exceptions
import zeep.transports
from lxml import etree
from patience import PATIENCE_S
from requests import Session
from zeep.wsse.username import UsernameToken

from gateway.core.parties import Credentials
from gateway.core.soap_faults import SoapFaultStatus
from gateway.web import answers, soap

NS = answers.NAMESPACE
DV = f"{{{NS}}}"
S11, S12 = soap.SOAP11, soap.SOAP12
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"


def id_of(message):
    return etree.fromstring(message).findtext("{*}MaThongDiep")


def b64(data):
    return base64.b64encode(data).decode()


def enveloped(inner, version=S11, header=""):
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return f'<s:Envelope xmlns:s="{version}">{head}<s:Body>{inner}</s:Body></s:Envelope>'.encode()


def operation(name, **parameters):
    inner = "".join(f"<{k}>{v}</{k}>" for k, v in parameters.items())
    return f'<{name} xmlns="{NS}">{inner}</{name}>'


def call(door, body, by="cong-dvc", version=S11, **headers):
    kind = "text/xml; charset=utf-8" if version == S11 else "application/soap+xml; charset=utf-8"
    return door.ask("POST", "/soap", body, by=by, headers={"Content-Type": kind, **headers})


def fault(answer):
    """Code, problem codes and the whole detail of a fault."""
    root = etree.fromstring(answer.body)
    version = etree.QName(root).namespace
    found = root.find(f"{{{version}}}Body/{{{version}}}Fault")
    assert found is not None, answer
    code = found.findtext("faultcode") or found.findtext(f"{{{version}}}Code/{{{version}}}Value")
    detail = found.find(f".//{DV}LoiXuLy")
    return code.rpartition(":")[2], [e.text for e in detail.iterfind(f".//{DV}MaChiTiet")], detail


def records(door):
    with door.gate.store.read() as view:
        return view.messages(limit=1000)


class Client:
    """zeep, as an agency would use it."""

    def __init__(self, door, party, port="TrucLienThongSoap11", wsse=None):
        session = Session()
        session.trust_env = False
        if wsse is None:
            session.headers["Authorization"] = f"Bearer {pki.token(party)}"
        transport = zeep.transports.Transport(session=session, timeout=PATIENCE_S, operation_timeout=PATIENCE_S)
        url = f"http://127.0.0.1:{door.port}/soap?wsdl"
        self._client = zeep.Client(url, transport=transport, port_name=port, service_name="TrucLienThong", wsse=wsse)
        self._session = session

    def __getattr__(self, name):
        return getattr(self._client.service, name)

    def close(self):
        self._session.close()


@pytest.fixture(params=["TrucLienThongSoap11", "TrucLienThongSoap12"])
def client(request, door):
    made = []

    def client_(party):
        made.append(Client(door, party, request.param))
        return made[-1]

    yield client_
    for each in made:
        each.close()


# -- every operation, by a client that knows only the WSDL --


def test_a_message_over_soap_gets_the_receipt_of_rest_byte_for_byte(door, client):
    message = mail.nop()
    portal = client("cong-dvc")
    told = portal.GuiThongDiep(NoiDung=message)
    assert (told.KetQua, told.LapLai, told.MaThongDiep) == ("accepted", False, id_of(message))
    assert told.BamNoiDung == hashlib.sha256(message).hexdigest()
    by_rest = door.send(message, "cong-dvc", accept="application/xml")
    assert (by_rest.status, by_rest.body) == (200, told.BienNhan)
    assert portal.GuiThongDiep(NoiDung=message).LapLai is True
    other = mail.nop()
    first = door.send(other, "cong-dvc", accept="application/xml").body
    assert portal.GuiThongDiep(NoiDung=other).BienNhan == first


def test_a_check_over_soap_says_what_would_be_and_leaves_nothing(door, client):
    portal = client("cong-dvc")
    good = mail.nop()
    assert portal.KiemTraThongDiep(NoiDung=good).KetQua == "accepted"
    bad = portal.KiemTraThongDiep(NoiDung=good.replace(b"<hs:HinhThuc>0<", b"<hs:HinhThuc>7<"))
    assert bad.KetQua == "rejected"
    assert bad.DanhSachLoi.Loi[0].MaChiTiet.startswith("XSD-")
    assert bad.DanhSachLoi.Loi[0].Dong > 1
    assert records(door) == []


def test_a_refused_message_is_a_fault_with_problems_in_both_languages_and_its_receipt(door, client):
    message = mail.nop().replace(b"<hs:HinhThuc>0<", b"<hs:HinhThuc>7<")
    with pytest.raises(zeep.exceptions.Fault) as caught:
        client("cong-dvc").GuiThongDiep(NoiDung=message)
    detail = caught.value.detail
    assert detail.findtext(f".//{DV}KetQua") == "rejected"
    rest = door.send(message, "cong-dvc").json
    for row, element in zip(rest["problems"], detail.iterfind(f".//{DV}Loi"), strict=True):
        assert element.findtext(f"{DV}MaChiTiet") == row["code"]
        assert element.findtext(f"{DV}MoTa") == row["message"]["vi"]
        assert element.findtext(f"{DV}MoTaTiengAnh") == row["message"]["en"]
        assert element.findtext(f"{DV}CachXuLyTiengAnh") == row["remedy"]["en"]
        assert element.findtext(f"{DV}ViTri") == row["xpath"]
    receipt = etree.fromstring(base64.b64decode(detail.findtext(f".//{DV}BienNhan")))
    assert receipt.findtext(".//{*}KetQua") == "TU_CHOI"
    assert len(records(door)) == 2


def test_the_inbox_and_a_message_are_read_over_soap(door, client):
    sent = [mail.nop() for _ in range(3)]
    for message in sent:
        door.send(message, "cong-dvc")
    agency = client("ubnd-xa-thu-nghiem")
    page = agency.LayCapNhat(Sau=0, SoLuong=2)
    assert [m.ViTri for m in page.DanhSachMuc.Muc] == [1, 2]
    assert (page.ViTriCuoi, page.MoiNhat) == (2, 3)
    assert page.DauNhatKy.SoThuTu >= 3
    rest_of = agency.LayCapNhat(Sau=page.ViTriCuoi)
    assert [m.MaThongDiep for m in rest_of.DanhSachMuc.Muc] == [id_of(sent[2])]
    got = agency.LayThongDiep(MaThongDiep=rest_of.DanhSachMuc.Muc[0].SoTiepNhan)
    assert (got.NoiDung, got.KieuNoiDung) == (sent[2], "application/xml")
    assert not agency.LayCapNhat(Sau=3).DanhSachMuc  # how zeep reads a list without rows
    assert agency.LayCapNhat().ViTriCuoi == 3


def test_the_fate_and_the_dossier_are_asked_over_soap(door, client):
    code = mail.ma_ho_so()
    message = mail.nop(code)
    portal = client("cong-dvc")
    portal.GuiThongDiep(NoiDung=message)
    door.send(mail.tiep_nhan(code), "ubnd-xa-thu-nghiem")
    fate = portal.TrangThaiThongDiep(MaThongDiep=id_of(message))
    assert (fate.KetQua, fate.NoiGui, fate.CoBienNhan) == ("accepted", "H19.909", True)
    assert fate.DanhSachHopThu.HopThu[0].NoiNhan == "ubnd-xa-thu-nghiem"
    dossier = portal.TraCuuHoSo(MaHoSo=code)
    assert (dossier.MaHoSo, dossier.TrangThai) == (code, 2)
    assert [e.LoaiThongDiep for e in dossier.DanhSachSuKien.SuKien] == ["HS01", "HS03"]


@pytest.mark.parametrize(
    "ask",
    [
        ("TraCuuHoSo", "MaHoSo", "H19.901-260115-0001"),
        ("LayThongDiep", "MaThongDiep", str(uuid.uuid4())),
        ("TrangThaiThongDiep", "MaThongDiep", "x"),
    ],
)
def test_what_is_none_of_the_callers_business_is_a_client_fault(door, ask):
    name, parameter, value = ask
    answer = call(door, enveloped(operation(name, **{parameter: value})))
    code, codes, _ = fault(answer)
    assert answer.status == 500
    assert code == "Client"
    assert codes in (["SYS-121"], ["SYS-122"])


def test_every_answer_fits_the_schema_of_the_wsdl(door):
    from gateway.documents import parse_bytes

    types = parse_bytes(soap.wsdl().encode()).find(".//{http://www.w3.org/2001/XMLSchema}schema")
    schema = etree.XMLSchema(etree.fromstring(etree.tostring(types)))
    code = mail.ma_ho_so("so-tu-phap")
    message = mail.nop(code, to="so-tu-phap")
    bodies = [
        operation("GuiThongDiep", NoiDung=b64(message)),
        operation("KiemTraThongDiep", NoiDung=b64(b"<a/>")),
        operation("LayCapNhat"),
        operation("TraCuuHoSo", MaHoSo=code),
        operation("TrangThaiThongDiep", MaThongDiep=id_of(message)),
        operation("LayThongDiep", MaThongDiep=id_of(message)),
        operation("CapNhatTienDoHoSoMC", Goi="<MaHoSo>x</MaHoSo>"),
        operation("GuiThongDiep", NoiDung=b64(b"<a/>")),
        operation("TraCuuHoSo", MaHoSo="x"),
    ]
    for body in bodies:
        root = etree.fromstring(call(door, enveloped(body)).body)
        inner = root[0][0]
        if etree.QName(inner).localname == "Fault":
            inner = inner.find("detail")[0]
        schema.assertValid(etree.ElementTree(etree.fromstring(etree.tostring(inner))))


# -- MTOM --


def mtom(
    message, *, cid="m1@x", href="cid:m1@x", parts=None, boundary="b0", version=S11, root_type=None, start="<root@x>"
):
    kind = root_type or ("text/xml" if version == S11 else "application/soap+xml")
    include = f'<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="{href}"/>'
    root = enveloped(operation("GuiThongDiep", NoiDung=include), version)
    pieces = [(f'Content-Type: application/xop+xml; charset=UTF-8; type="{kind}"\r\nContent-ID: <root@x>', root)]
    pieces += (
        parts
        if parts is not None
        else [
            (
                f"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{cid}>",
                message,
            )
        ]
    )
    body = b"".join(
        b"--" + boundary.encode() + b"\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in pieces
    )
    content_type = (
        f'multipart/related; boundary="{boundary}"; type="application/xop+xml"; start="{start}"; start-info="{kind}"'
    )
    return body + b"--" + boundary.encode() + b"--\r\n", content_type


@pytest.mark.parametrize("version", [S11, S12])
def test_a_message_as_an_mtom_part_is_the_same_message(door, version):
    message = mail.nop()
    body, kind = mtom(message, version=version)
    answer = door.ask("POST", "/soap", body, by="cong-dvc", headers={"Content-Type": kind})
    assert answer.status == 200, answer
    receipt = base64.b64decode(etree.fromstring(answer.body).findtext(f".//{DV}BienNhan"))
    assert door.send(message, "cong-dvc", accept="application/xml").body == receipt


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("base64", base64.encodebytes), ("BASE64", base64.b64encode), ("quoted-printable", quopri.encodestring)],
)
def test_an_mtom_part_may_be_encoded_for_transfer(door, encoding, encode):
    message = mail.nop()
    head = f"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: {encoding}\r\nContent-ID: <m1@x>"
    body, kind = mtom(message, parts=[(head, encode(message))])
    answer = door.ask("POST", "/soap", body, by="cong-dvc", headers={"Content-Type": kind})
    assert answer.status == 200, answer
    receipt = base64.b64decode(etree.fromstring(answer.body).findtext(f".//{DV}BienNhan"))
    assert door.send(message, "cong-dvc", accept="application/xml").body == receipt, "the very same bytes"


def test_a_message_larger_than_libxml2s_longest_text_travels_as_a_part(open_door):
    door = open_door(limits={"body_bytes": 16 * 2**20})
    message = b"<a>" + b"x" * 12_000_000 + b"</a>"
    body, kind = mtom(message)
    answer = door.ask("POST", "/soap", body, by="cong-dvc", headers={"Content-Type": kind})
    assert records(door)[0].digest == hashlib.sha256(message).hexdigest()
    assert fault(answer)[1][0].startswith("XML-")


PART = "Content-Type: a/b\r\nContent-ID: <m1@x>"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"href": "http://evil.example/x"}, "SYS-138"),
        ({"href": "file:///etc/passwd"}, "SYS-138"),
        ({"href": "cid:other@x"}, "SYS-138"),
        ({"href": "m1@x"}, "SYS-138"),
        ({"parts": []}, "SYS-138"),
        ({"parts": [(PART, b"<a/>"), ("Content-ID: <m2@x>", b"unused")]}, "SYS-138"),
        ({"parts": [(PART, b"<a/>"), (PART, b"<b/>")]}, "SYS-137"),
        ({"parts": [(PART + "\r\nContent-Transfer-Encoding: base64", b"PGEvPg=!")]}, "SYS-137"),
        ({"parts": [("Content-Type: a/b", b"<a/>")]}, "SYS-137"),
        ({"parts": [(f"Content-ID: <p{n}@x>", b"") for n in range(70)]}, "SYS-137"),
        ({"start": "<nobody@x>"}, "SYS-137"),
        ({"boundary": "b\\x00"}, "SYS-137"),
    ],
)
def test_packages_that_point_elsewhere_or_hold_too_much_are_refused(door, changes, code):
    body, kind = mtom(b"<a/>", **changes)
    answer = door.ask("POST", "/soap", body, by="cong-dvc", headers={"Content-Type": kind})
    assert answer.status == 500, answer
    assert fault(answer)[1] == [code]
    assert records(door) == []


def test_an_include_outside_a_package_is_refused(door):
    include = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:a"/>'
    answer = call(door, enveloped(operation("GuiThongDiep", NoiDung=include)))
    assert answer.status == 500
    assert fault(answer)[1] == ["XML-144"]


# -- who calls --


@pytest.fixture
def basic_door(open_door, with_party):
    digest = hashlib.sha256(b"xa:m\xe1\xba\xadt kh\xe1\xba\xa9u & b\xc3\xad m\xe1\xba\xadt").hexdigest()
    party = "ubnd-xa-thu-nghiem"
    credentials = Credentials(basic={"xa": digest}, token_sha256=pki.party(party).credentials.token_sha256)
    return open_door(parties=with_party(party, credentials=credentials))


PASSWORD = "mật khẩu & bí mật"


def token(user="xa", password=PASSWORD, kind="", extra=""):
    from xml.sax.saxutils import escape

    attribute = f' Type="{kind}"' if kind else ""
    return (
        f'<w:Security xmlns:w="{WSSE}" s:mustUnderstand="1"><w:UsernameToken><w:Username>{user}</w:Username>'
        f"<w:Password{attribute}>{escape(password)}</w:Password></w:UsernameToken>{extra}</w:Security>"
    )


def test_nobody_is_told_so_by_a_fault_before_the_body_is_read(door):
    answer = call(door, enveloped(operation("LayCapNhat")), by=None)
    assert answer.status == 500
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert fault(answer)[:2] == ("Client", ["AUT-101"])


def test_a_username_token_by_zeep_is_the_party(basic_door):
    client = Client(basic_door, None, wsse=UsernameToken("xa", PASSWORD))
    assert client.LayCapNhat().MoiNhat == 0
    client.close()
    client = Client(basic_door, None, wsse=UsernameToken("xa", "wrong"))
    with pytest.raises(zeep.exceptions.Fault, match="AUT-102"):
        client.LayCapNhat()
    client.close()


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        (token(password="falsch"), ["AUT-102"]),
        (token(user="nobody"), ["AUT-102"]),
        (
            token(
                kind="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
            ),
            ["SYS-139"],
        ),
        (token() + token(), ["SYS-139"]),
        (
            token(extra=f'<u:Timestamp xmlns:u="{WSU}"><u:Expires>2020-01-01T00:00:00Z</u:Expires></u:Timestamp>'),
            ["SYS-141"],
        ),
        (
            token(extra=f'<u:Timestamp xmlns:u="{WSU}"><u:Created>2120-01-01T00:00:00Z</u:Created></u:Timestamp>'),
            ["SYS-141"],
        ),
        (token(extra=f'<u:Timestamp xmlns:u="{WSU}"><u:Created>soon</u:Created></u:Timestamp>'), ["SYS-139"]),
        ("<x/>", ["AUT-101"]),
        ("", ["AUT-101"]),
    ],
)
def test_other_security_headers_are_refused(basic_door, header, codes):
    answer = call(basic_door, enveloped(operation("LayCapNhat"), header=header), by=None)
    assert fault(answer)[1] == codes
    assert answer.status == 500


def test_a_header_that_does_not_end_is_not_read_for_ever(basic_door):
    body = f'<s:Envelope xmlns:s="{S11}"><s:Header><x>'.encode() + b"y" * 300_000
    answer = call(basic_door, body, by=None)
    assert (answer.status, fault(answer)[1]) == (500, ["SYS-142"])


def test_a_username_token_and_http_credentials_must_be_of_one_party(basic_door):
    body = enveloped(operation("LayCapNhat"), header=token())
    assert call(basic_door, body, by="ubnd-xa-thu-nghiem").status == 200
    assert fault(call(basic_door, body, by="cong-dvc"))[1] == ["AUT-104"]


def test_what_the_beginning_says_the_whole_must_say_too(basic_door):
    good = enveloped(operation("LayCapNhat"), header=token())
    trick = good.replace(b"</s:Header>", b"<!-- </s:Header> --></s:Header>", 1)
    assert call(basic_door, trick, by=None).status in (200, 500)
    late = (
        b'<!--<s:Envelope xmlns:s="'
        + S11.encode()
        + b'"><s:Header>'
        + token().encode()
        + b"</s:Header>-->"
        + enveloped(operation("LayCapNhat"))
    )
    assert call(basic_door, late, by=None).status == 500
    assert b"TraLoi" not in call(basic_door, late, by=None).body


def test_a_username_token_is_not_taken_where_others_can_listen(basic_door, monkeypatch):
    from gateway.web.exchange import Exchange

    monkeypatch.setattr(Exchange, "is_private", property(lambda self: False))
    answer = call(basic_door, enveloped(operation("LayCapNhat"), header=token()), by=None)
    assert fault(answer)[1] == ["SYS-140"]


# -- envelopes --

GOOD = operation("LayCapNhat")
USUAL, BY_HTTP = "cong-dvc", "ubnd-xa-thu-nghiem"


@pytest.fixture
def two_kinds(open_door, with_party):
    """A door where one party wants the status of HTTP with its faults."""
    return open_door(parties=with_party(BY_HTTP, soap_faults=SoapFaultStatus.BY_HTTP))


@pytest.mark.parametrize(
    ("body", "version", "status", "code", "codes"),
    [
        (b"<a/>", S11, 400, "VersionMismatch", ["SYS-130"]),
        (enveloped(GOOD, "http://www.w3.org/2001/12/soap-envelope"), S11, 400, "VersionMismatch", ["SYS-130"]),
        (enveloped(GOOD, S12), S11, 400, "Sender", ["SYS-131"]),
        (enveloped(GOOD, S11), S12, 400, "Client", ["SYS-131"]),
        (enveloped(""), S11, 400, "Client", ["SYS-131"]),
        (enveloped(GOOD + GOOD), S11, 400, "Client", ["SYS-131"]),
        (enveloped(GOOD + "text"), S11, 400, "Client", ["SYS-131"]),
        (enveloped(GOOD).replace(b"</s:Body>", b"</s:Body><s:Body/>"), S11, 400, "Client", ["SYS-131"]),
        (enveloped(GOOD).replace(b"</s:Body>", b"</s:Body><x/>"), S11, 400, "Client", ["SYS-131"]),
        (enveloped(GOOD, header="<s:Body/>").replace(b"s:Header>", b"s:Foo>"), S11, 400, "Client", ["SYS-131"]),
        (enveloped(f'<s:Body xmlns:s="{S11}">{GOOD}</s:Body>'), S11, 400, "Client", ["SYS-131"]),
        (enveloped(GOOD, header='<x s:mustUnderstand="1"/>'), S11, 500, "MustUnderstand", ["SYS-132"]),
        (enveloped(GOOD, S12, header='<x s:mustUnderstand="true"/>'), S12, 500, "MustUnderstand", ["SYS-132"]),
        (enveloped(GOOD, "urn:khac"), S12, 500, "VersionMismatch", ["SYS-130"]),
        (enveloped(GOOD, header=f"<s:Body>{GOOD}</s:Body>"), S11, 400, "Client", ["SYS-131"]),
        (
            enveloped(GOOD, header=f"<x><s:Envelope><s:Body>{GOOD}</s:Body></s:Envelope></x>"),
            S11,
            400,
            "Client",
            ["SYS-131"],
        ),
        (enveloped(GOOD, header="<x/>" * 65), S11, 400, "Client", ["SYS-131"]),
        (enveloped(f'<Khac xmlns="{NS}"/>'), S11, 500, "Client", ["SYS-133"]),
        (enveloped('<LayCapNhat xmlns="urn:khac"/>'), S12 and S11, 500, "Client", ["SYS-133"]),
        (enveloped(operation("LayCapNhat", Khac="1")), S11, 500, "Client", ["SYS-136"]),
        (enveloped(operation("LayCapNhat", Sau="-1")), S11, 500, "Client", ["SYS-136"]),
        (enveloped(operation("LayCapNhat", Sau="x")), S11, 500, "Client", ["SYS-136"]),
        (enveloped(operation("GuiThongDiep")), S11, 500, "Client", ["SYS-136"]),
        (enveloped(operation("GuiThongDiep", NoiDung="!!!")), S11, 500, "Client", ["SYS-136"]),
        (enveloped(operation("GuiThongDiep", NoiDung="<x/>")), S11, 500, "Client", ["SYS-136"]),
        (
            enveloped(
                operation("GuiThongDiep", NoiDung=b64(b"<a/>")).replace(
                    "<NoiDung>", "<NoiDung>PGEvPg==</NoiDung><NoiDung>"
                )
            ),
            S11,
            500,
            "Client",
            ["SYS-136"],
        ),
        (enveloped(operation("TraCuuHoSo", MaHoSo=" ")), S12 and S11, 500, "Client", ["SYS-136"]),
    ],
)
def test_envelopes_that_are_wrong_are_faults_that_say_what(two_kinds, body, version, status, code, codes):
    """By HTTP 500, which every toolkit reads; ``status`` is what a party is told that wants the status of HTTP."""
    for party, told in ((USUAL, 500), (BY_HTTP, status)):
        answer = call(two_kinds, body, by=party, version=version)
        found, problem_codes, _ = fault(answer)
        assert (found, problem_codes, answer.status) == (code, codes, told)
    assert records(two_kinds) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        enveloped(GOOD)[:-5],
        b"<!DOCTYPE x>" + enveloped(GOOD),
        b"<!DOCTYPE s:Envelope [<!ENTITY x 'y'>]>" + enveloped(operation("TraCuuHoSo", MaHoSo="&x;")),
        enveloped("<?pi x?>" + GOOD),
        enveloped(GOOD).decode().encode("utf-16"),
        b"<a " * 50_000,
        b"<a>" * 100_000,
        b"<!--" * 50_000,
    ],
)
def test_an_envelope_that_cannot_be_read_is_a_fault_and_on_record(two_kinds, body):
    for party, told in ((USUAL, {500}), (BY_HTTP, {400, 413, 415})):
        answer = call(two_kinds, body, by=party)
        assert answer.status in told
        assert fault(answer)[1][0].startswith("XML-")
    assert {(record.channel, record.state) for record in records(two_kinds)} == {("soap", "rejected")}
    assert len(records(two_kinds)) == 2
    assert two_kinds.get("/healthz").status == 200


@pytest.mark.parametrize(
    "header",
    [
        '<x s:mustUnderstand="0"/>',
        '<x s:mustUnderstand="1" s:actor="http://other.example/"/>',
        '<w:ReplyTo xmlns:w="http://www.w3.org/2005/08/addressing" s:mustUnderstand="1"><w:Address>http://www.w3.org/2005/08/addressing/anonymous</w:Address></w:ReplyTo>',
    ],
)
def test_headers_that_ask_nothing_of_us_are_let_be(door, header):
    assert call(door, enveloped(GOOD, header=header)).status == 200


def test_a_soap_1_2_fault_names_what_it_did_not_understand_and_the_versions_it_speaks(door):
    entry = '<k:Khac xmlns:k="urn:k&amp;h" s:mustUnderstand="true"/>'
    root = etree.fromstring(call(door, enveloped(GOOD, S12, header=entry), version=S12).body)
    said = root.find(f"{{{S12}}}Header/{{{S12}}}NotUnderstood")
    prefix, _, name = said.get("qname").partition(":")
    assert (said.nsmap[prefix], name) == ("urn:k&h", "Khac")
    for version in (S11, S12):
        root = etree.fromstring(call(door, enveloped(GOOD, "urn:khac"), version=version).body)
        assert root.tag == f"{{{version}}}Envelope"
        spoken = root.findall(f"{{{version}}}Header/{{{S12}}}Upgrade/{{{S12}}}SupportedEnvelope")
        assert [e.nsmap[e.get("qname").partition(":")[0]] for e in spoken] == [S12, S11]


def test_the_doors_own_refusals_are_faults_too(door):
    wire = http.client.HTTPConnection("127.0.0.1", door.port, timeout=PATIENCE_S)
    wire.putrequest("POST", "/soap")
    for name, value in (("Authorization", f"Bearer {pki.token('cong-dvc')}"), ("Content-Length", "0"), ("Expect", "x")):
        wire.putheader(name, value)
    wire.putheader("Content-Type", "application/soap+xml")
    wire.endheaders()
    answer = wire.getresponse()
    root = etree.fromstring(answer.read())
    wire.close()
    assert (answer.status, root.tag) == (500, f"{{{S12}}}Envelope")
    assert root.findtext(f".//{DV}MaChiTiet") == "SYS-115"


def test_the_address_of_the_wsdl_serves_as_that_of_the_service(door):
    for query, status in (("wsdl", 200), ("WSDL", 200), ("khac=1", 500)):
        kind = {"Content-Type": "text/xml"}
        assert door.ask("POST", f"/soap?{query}", enveloped(GOOD), by="cong-dvc", headers=kind).status == status


@pytest.mark.parametrize("name", ["ReplyTo", "FaultTo"])
def test_no_answer_is_sent_to_a_foreign_address(door, name):
    header = f'<w:{name} xmlns:w="http://www.w3.org/2005/08/addressing"><w:Address>http://evil.example/</w:Address></w:{name}>'
    assert fault(call(door, enveloped(GOOD, header=header)))[1] == ["SYS-135"]


def test_a_message_id_is_related_to(door):
    header = '<w:MessageID xmlns:w="http://www.w3.org/2005/08/addressing">urn:uuid:1&amp;2</w:MessageID>'
    root = etree.fromstring(call(door, enveloped(GOOD, header=header)).body)
    assert root.findtext(".//{http://www.w3.org/2005/08/addressing}RelatesTo") == "urn:uuid:1&2"


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        (f'"{NS}/LayCapNhat"', None),
        (f"{NS}/LayCapNhat", None),
        (f'"{NS}#LayCapNhat"', None),
        (f'"{NS}/TrucLienThongPortType/LayCapNhatRequest"', None),
        ('""', None),
        (f'"{NS}/GuiThongDiep"', ["SYS-134"]),
        ('"urn:x"', ["SYS-134"]),
    ],
)
def test_the_bodys_name_decides_and_soapaction_must_fit_or_be_empty(door, value, codes):
    answer = call(door, enveloped(GOOD), SOAPAction=value)
    assert answer.status == (200 if codes is None else 500)
    assert codes is None or fault(answer)[1] == codes


def test_the_action_of_soap_1_2_stands_in_the_media_type(door):
    kind = f'application/soap+xml; charset=utf-8; action="{NS}/GuiThongDiep"'
    assert fault(door.ask("POST", "/soap", enveloped(GOOD, S12), by="cong-dvc", headers={"Content-Type": kind}))[1] == [
        "SYS-134"
    ]
    assert (
        door.ask(
            "POST",
            "/soap",
            enveloped(GOOD, S12),
            by="cong-dvc",
            headers={"Content-Type": kind.replace("GuiThongDiep", "LayCapNhat")},
        ).status
        == 200
    )


def test_two_soapactions_are_a_bad_request(door):
    answer, closed = door.raw(
        b"POST /soap HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nSOAPAction: a\r\nSOAPAction: b\r\n"
        b"Authorization: Bearer " + pki.token("cong-dvc").encode() + b"\r\nContent-Length: 4\r\n\r\n<a/>"
    )
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"<MaChiTiet>SYS-108</MaChiTiet>" in answer
    assert closed


def test_what_is_wrong_before_there_is_a_call_is_a_fault_too(door):
    """Each is told in an envelope, by 500: the words reach whoever reads what a SOAP toolkit throws."""
    token = b"Authorization: Bearer " + pki.token("cong-dvc").encode() + b"\r\n"
    start = b"POST /soap HTTP/1.1\r\nHost: x\r\n" + token
    raw = {
        "SYS-107": start + b"X: " + b"x" * 9000 + b"\r\n\r\n",  # a header too long
        "SYS-106": start + b"no header\r\n\r\n",  # a head that is none
        "SYS-105": start + b"Content-Type: text/xml\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    }
    for code, sent in raw.items():
        answer, closed = door.raw(sent)
        assert (answer.split(b" ", 2)[1], closed) == (b"500", True), answer
        assert f"<MaChiTiet>{code}</MaChiTiet>".encode() in answer, answer
    asked = {
        ("/soap", "text/html"): "SYS-102",
        ("/soap", "text/xml; charset=utf-16"): "SYS-103",
        ("/soap/GuiThongDiep", "text/xml"): "SYS-112",
    }
    for (path, kind), code in asked.items():
        answer = door.ask("POST", path, enveloped(GOOD), by="cong-dvc", headers={"Content-Type": kind})
        assert (answer.status, fault(answer)[1]) == (500, [code])


def test_get_and_others_are_not_calls(door):
    """Who looks with a browser, or speaks something else than SOAP, is told like anywhere."""
    assert (door.get("/soap/x").status, door.get("/soap/x").codes) == (404, ["SYS-112"])
    for method in ("PUT", "DELETE"):
        answer = door.ask(method, "/soap", by="cong-dvc")
        assert (answer.status, answer.codes, answer.headers["Allow"]) == (405, ["SYS-113"], "GET, HEAD, POST")


def test_a_node_may_keep_the_status_of_http_and_a_party_of_it_may_not(open_door, with_party):
    party = with_party(USUAL, soap_faults=SoapFaultStatus.ALWAYS_500)
    door = open_door(parties=party, soap_faults=SoapFaultStatus.BY_HTTP)
    assert call(door, enveloped(GOOD), by=None).status == 401
    for who, told in ((BY_HTTP, 415), (USUAL, 500)):
        answer = door.ask("POST", "/soap", b"<a/>", by=who, headers={"Content-Type": "text/html"})
        assert (answer.status, fault(answer)[1]) == (told, ["SYS-102"])


def test_what_a_fault_is_about_stands_in_the_metrics(door):
    call(door, enveloped(GOOD), by=None)
    call(door, enveloped(operation("TraCuuHoSo", MaHoSo="x")))
    told = door.app.door.metrics.text().decode()
    for status in (401, 404):
        assert f'lienthong_http_requests_total{{method="POST",route="/soap",status="{status}"}} 1.0' in told


def test_what_toolkits_write_is_understood(door):
    """SoapUI's comments, SOAP::Lite's types, .NET's nil, unqualified parameters, CDATA, any order, white space."""
    body = (
        '<?xml version="1.0" encoding="utf-8"?>\n<!-- a comment -->'
        f'<soapenv:Envelope xmlns:soapenv="{S11}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:n="{NS}">\n <soapenv:Header/>\n <soapenv:Body>\n'
        "  <n:LayCapNhat>\n   <!--Optional:-->\n   <SoLuong xsi:type='xsd:int'><![CDATA[5]]></SoLuong>\n"
        "   <n:Sau><!-- x -->0</n:Sau><n:Cho xsi:nil='true'/>\n  </n:LayCapNhat>\n </soapenv:Body>\n</soapenv:Envelope>\n<!-- end -->"
    )
    assert call(door, body.encode()).status == 200
    assert call(door, b"\xef\xbb\xbf" + body.encode()).status == 200


def test_a_soap_body_over_the_limit_is_a_fault_and_on_record(open_door):
    door = open_door(limits={"body_bytes": 2048})
    answer = call(door, enveloped(operation("GuiThongDiep", NoiDung="A" * 200_000)))
    assert answer.status == 500
    assert fault(answer)[1] == ["XML-002"]
    assert [record.state for record in records(door)] == ["rejected"]


def test_a_message_over_the_limit_inside_a_small_enough_envelope_is_refused_too(open_door):
    door = open_door(limits={"body_bytes": 4096})
    answer = call(door, enveloped(operation("GuiThongDiep", NoiDung=b64(b"x" * 5000))))
    assert fault(answer)[1] == ["XML-002"]
    (record,) = records(door)
    assert record.total_bytes == 5000


# -- the description --


def test_the_wsdl_needs_nothing_from_elsewhere_and_names_the_address_it_was_asked_under(door):
    answer = door.get("/soap?wsdl")
    root = etree.fromstring(answer.body)
    assert not root.findall(".//{*}import")
    assert not root.findall(".//{*}include")
    addresses = {e.get("location") for e in root.iter("{*}address")}
    assert addresses == {f"http://127.0.0.1:{door.port}/soap"}
    assert door.get("/soap?WSDL").status == 200
    assert door.get("/soap").status == 400
    assert door.get("/soap?xsd=../../etc/passwd").status == 400


def test_a_hostile_host_does_not_reach_the_wsdl(door):
    answer, _ = door.raw(b'GET /soap?wsdl HTTP/1.1\r\nHost: evil"><x>\r\nConnection: close\r\n\r\n')
    assert b"evil" not in answer


def test_no_name_that_a_request_brings_along_stands_in_wsdl_or_description(door):
    for place in (b"/soap?wsdl", b"/openapi.json"):
        asked = b"GET " + place + b" HTTP/1.1\r\nHost: truc.example.net\r\nConnection: close\r\n\r\n"
        answer, _ = door.raw(asked)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"truc.example.net" not in answer
    assert f'location="http://127.0.0.1:{door.port}/soap"'.encode() in door.get("/soap?wsdl").body
    assert door.get("/openapi.json").json["servers"] == [{"url": "/"}]


def test_the_public_address_of_the_settings_stands_in_the_wsdl(open_door, sample_settings):
    settings = replace(sample_settings, web=replace(sample_settings.web, public_url="https://truc.example/lt/"))
    answer = open_door(settings=settings).get("/soap?wsdl")
    assert b'location="https://truc.example/lt/soap"' in answer.body


def test_the_packets_of_the_wsdl_have_the_fields_of_their_own_schemas():
    from gateway.documents import parse_bytes
    from schemas import qcvn120

    xs = "{http://www.w3.org/2001/XMLSchema}"
    types = {t.get("name"): t for t in parse_bytes(soap.wsdl().encode()).iter(f"{xs}complexType") if t.get("name")}

    def fields(type_name):
        return [(e.get("name"), e.get("type")) for e in types[type_name].iter(f"{xs}element")]

    def compare(shape, type_name):
        found = [row for row in fields(type_name) if row[0] != "MaGui"]
        assert [name for name, _ in found] == [child.name for child in shape.children], type_name
        for child, (_, kind) in zip(shape.children, found, strict=True):
            if child.children:
                compare(child, kind.removeprefix("tns:"))
            else:
                assert kind == "xs:string"

    for name in ("CapNhatTienDoHoSoMC", "DongBoHoSoMC"):
        compare(qcvn120._shape(name), f"Goi{name}Structure")


def test_faults_of_an_operation_are_http_500_in_both_versions(door):
    inner = operation("GuiThongDiep", NoiDung=b64(b"<a/>"))
    one, two = call(door, enveloped(inner)), call(door, enveloped(inner, S12), version=S12)
    assert (one.status, two.status) == (500, 500)
    assert (fault(one)[0], fault(two)[0]) == ("Client", "Sender")
    root = etree.fromstring(two.body)
    (text,) = root.findall(f".//{{{S12}}}Text")  # gSOAP takes no second one
    assert text.get("{http://www.w3.org/XML/1998/namespace}lang") == "vi"
    found = {name: root.findtext(f".//{{{NS}}}{name}") for name in ("MoTa", "MoTaTiengAnh")}
    assert text.text == f"XSD-001: {found['MoTa']} {root.findtext(f'.//{DV}CachXuLy')}"
    assert found["MoTaTiengAnh"].startswith("The root element is")


def test_a_keep_alive_connection_survives_a_fault(door):
    wire = http.client.HTTPConnection("127.0.0.1", door.port, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {pki.token('cong-dvc')}", "Content-Type": "text/xml"}
    for _ in range(3):
        wire.request("POST", "/soap", enveloped(f'<Khac xmlns="{NS}"/>'), headers)
        assert wire.getresponse().read()
    wire.close()
