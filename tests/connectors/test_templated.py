"""The connector made of configuration, against far sides of every shape of the field, none of them with a line of Python."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cong_quoc_gia import SAMPLES, ma_ho_so, nop_ho_so, tien_do
from false_agency import Agency, Fault, Response, run, uuid
from lxml import etree
from owed import Clock, Owing, agency
from parcels import parcel
from shapes import ASKED, PARTNERS, SECRET, SHAPES, profile, settings_of
from test_qcvn120 import steps

from connectors.call_plan import HttpSettings
from connectors.http import HttpLine
from connectors.outcomes import Answered, NotThere, Parcel, ParcelFile, Receipt, Refused, Uncertain, Unreachable
from connectors.registry import installed
from connectors.templated import templated
from gateway.core.model import Attempt, AttemptOutcome, BodyForm
from gateway.core.problems import Lang, Stopped
from gateway.services.outbox import Outbox

every = pytest.mark.parametrize("shape", sorted(SHAPES))


class Side:
    """One example with its far side."""

    def __init__(self, shape: str, agency: Agency, far: Any, line: HttpLine, table: dict[str, Any]) -> None:
        self.agency, self.far = agency, far
        self.party = replace(profile(shape), connector_settings=table)
        configured = templated.configure({"private_addresses": True, "timeout_s": 60.0, **table})
        self.settings: HttpSettings = configured.settings
        self.http = line.http(configured.common)
        self.remembered: dict[str, Any] = {}
        self.attempts: list[Attempt] = []
        self.files: tuple[ParcelFile, ...] = ()

    def parcel(self, number: int, body: bytes, loai: str) -> Parcel:
        return replace(
            parcel(number, body, self.party, loai=loai),
            remembered=dict(self.remembered),
            attempts=tuple(self.attempts),
            files=self.files,
        )

    async def send(self, number: int, body: bytes, loai: str) -> Receipt:
        """As the outbox does it: what is to be remembered is, of a receipt and of a failure."""
        try:
            receipt = await templated.deliver(self.parcel(number, body, loai), self.settings, self.http)
        except Answered as answered:
            self.remembered |= answered.remember
            self._tried(answered.reference)
            raise
        self.remembered |= receipt.remember
        self.attempts.clear()
        return receipt

    def _tried(self, reference: str | None) -> None:
        at = Clock().now
        what = parcel().delivery.id
        outcome = AttemptOutcome.UNCERTAIN
        self.attempts.append(
            Attempt(
                delivery=what,
                number=1,
                kind="send",
                started_at=at,
                ended_at=at,
                outcome=outcome,
                reference=reference,
            )
        )

    async def ask(self, number: int, body: bytes, loai: str) -> Receipt | NotThere | None:
        return await templated.ask(self.parcel(number, body, loai), self.settings, self.http)


@asynccontextmanager
async def side(shape: str, folder: Path, **more: Any) -> AsyncIterator[Side]:
    far = SHAPES[shape]()
    async with Agency(far) as agency_, HttpLine() as line:
        table = {**settings_of(shape)(agency_.url, folder), **more}
        yield Side(shape, agency_, far, line, table)


# Every shape


@every
def test_a_dossier_and_its_news_are_brought_over(shape: str, tmp_path: Path) -> None:
    async def story() -> Any:
        async with side(shape, tmp_path) as s:
            await s.send(1, nop_ho_so(1), "HS01")
            await s.send(1, tien_do(1), "HS05")
            return s.far

    far = run(story())
    assert far.effects.count(uuid(1)) >= 1
    assert far.calls


def test_the_land_system_is_told_by_the_key_that_it_gave(tmp_path: Path) -> None:
    async def story() -> Any:
        async with side("dat-dai", tmp_path) as s:
            receipt = await s.send(1, nop_ho_so(1), "HS01")
            assert (receipt.reference, receipt.remember) == ("BN0001", {"so_bien_nhan": "BN0001"})
            await s.send(1, tien_do(1), "HS05")
            body = (SAMPLES / "HS07-nop-bo-sung-day-du.xml").read_bytes()
            await s.send(1, body.replace(b"H19.901-260115-0002", b"H19.901-260115-0001"), "HS07")
            return s.far.calls

    (first, dossier), (second, news), (third, more) = run(story())
    assert [path.rpartition("/")[2] for path in (first, second, third)] == [
        "TiepNhanHoSo",
        "CapNhatTrangThaiHoSo",
        "BoSungHoSo",
    ]
    assert news["SoBienNhan"] == more["SoBienNhan"] == "BN0001"
    assert news["TrangThai"] in {"DangXuLy", "ChoBoSung", "DaCoKetQua", "DaTra", "2"}  # by the table of the profile
    assert isinstance(news["ThoiDiem"], int)
    assert len(dossier["NgayNhan"].split("/")) == 3


def test_without_the_key_nothing_is_made_up(tmp_path: Path) -> None:
    async def story() -> Answered:
        async with side("dat-dai", tmp_path) as s:
            with pytest.raises(Refused) as caught:
                await s.send(1, tien_do(1), "HS05")
            assert s.far.calls == []
            return caught.value

    problem = run(story()).problem
    assert (problem.code, problem.facts["field"]) == ("DLV-034", "trang-thai: so_bien_nhan")


def test_six_steps_give_each_other_what_they_need(tmp_path: Path) -> None:
    async def story() -> Any:
        async with side("mot-cua-igate", tmp_path) as s:
            await s.send(1, with_files(2), "HS01")
            await s.send(1, tien_do(1), "HS05")
            return s.far

    far = run(story())
    names = [name for name, _ in far.calls]
    assert names == ["SoHoSoKeTiep", "TaiTep", "TaiTep", "NoiHoSo", "CapNhatTienTrinh", "CapNhatTrangThai"]
    assert far.files == [b"%PDF-1.4 tep 1", b"%PDF-1.4 tep 2"]
    dossier = far.dossiers["H19.901-260115-0001"]
    assert dossier["so"] == "IG-00001"
    assert [tep["id"] for tep in dossier["tep"]] == [1, 2]
    assert dossier["ngayNop"].endswith(".000")
    assert dossier["ngayNop"][10] == "T"
    assert far.rows[0]["so"] == "IG-00001"
    assert far.rows[0]["thoiDiem"][2] == far.rows[0]["thoiDiem"][5] == "/"


def with_files(count: int) -> bytes:
    """HS01 about dossier 1 with so many small files."""
    import base64

    root = etree.fromstring(nop_ho_so(1))
    space = etree.QName(root).namespace
    manifest = root.find(f"{{{space}}}DanhSachDinhKem")
    if manifest is None:
        manifest = etree.SubElement(root, f"{{{space}}}DanhSachDinhKem")
    for child in list(manifest):
        manifest.remove(child)
    for number in range(1, count + 1):
        row = etree.SubElement(manifest, f"{{{space}}}DinhKem")
        for name, text in (
            ("MaDinhKem", f"T{number}"),
            ("TenTep", f"tệp {number}.pdf"),
            ("LoaiTep", "application/pdf"),
            ("NoiDung", base64.b64encode(f"%PDF-1.4 tep {number}".encode()).decode()),
        ):
            etree.SubElement(row, f"{{{space}}}{name}").text = text
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


LARGE = b"%PDF-1.7\n" + bytes(range(256)) * 4000


def with_a_large_file(folder: Path) -> tuple[bytes, tuple[ParcelFile, ...]]:
    """HS01 with a small file inside it, and one that was brought to the gateway beside it."""
    digest = hashlib.sha256(LARGE).hexdigest()
    root = etree.fromstring(with_files(2))
    row = root.findall(".//{*}DinhKem")[1]
    row[-1].tag = row[-1].tag.replace("NoiDung", "DuongDan")
    row[-1].text = f"lienthong:sha256:{digest}"
    path = folder / "tep-tren-truc"
    path.write_bytes(LARGE)
    file = ParcelFile(digest=digest, size=len(LARGE), media_type="application/pdf", path=path)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True), (file,)


def test_a_step_uploads_a_file_that_lies_beside_the_message_and_goes_on_after_a_cut(tmp_path: Path) -> None:
    body, files = with_a_large_file(tmp_path)

    async def story() -> Any:
        async with side("mot-cua-igate", tmp_path) as s:
            s.files, came = files, 0

            def once(response: Response) -> Response:
                nonlocal came
                came += 1
                if came == 2:  # the next request is the large file: it is cut in its middle
                    s.agency.fault, s.agency.times = Fault.CUT_MID_BODY, 1
                return response

            s.far.spoil = once
            with pytest.raises(Uncertain):
                await s.send(1, body, "HS01")
            assert s.far.files == [b"%PDF-1.4 tep 1"]
            await s.send(1, body, "HS01")
            return s.far

    far = run(story())
    assert [name for name, _ in far.calls] == ["SoHoSoKeTiep", "TaiTep", "TaiTep", "NoiHoSo"]
    assert far.files == [b"%PDF-1.4 tep 1", LARGE], "of the second try only what was not answered"


def test_a_file_may_be_the_whole_body_of_a_step(tmp_path: Path) -> None:
    body, files = with_a_large_file(tmp_path)
    calls = settings_of("mot-cua-igate")("http://127.0.0.1:1", tmp_path)["calls"]
    raw = {**calls, "tai-tep": {**calls["tai-tep"], "upload": {"type": "row.loai"}, "method": "PUT"}}

    async def story() -> list[Any]:
        async with side("mot-cua-igate", tmp_path, calls=raw) as s:
            s.files, came = files, []

            def take(request: Any) -> Response:
                came.append((request.method, request.headers["content-type"], request.body))
                return Response(200, "application/json", b'{"status": "OK", "tep": {"id": 1, "bam": "x"}}')

            s.far._TaiTep = take
            await s.send(1, body, "HS01")
            return came

    assert run(story()) == [("PUT", "application/pdf", b"%PDF-1.4 tep 1"), ("PUT", "application/pdf", LARGE)]


def test_a_file_that_is_not_on_this_machine_is_never_sent_as_an_empty_one(tmp_path: Path) -> None:
    body, _ = with_a_large_file(tmp_path)

    async def story() -> Any:
        async with side("mot-cua-igate", tmp_path) as s:
            with pytest.raises(Refused) as caught:
                await s.send(1, body, "HS01")
            return caught.value.problem.code, s.far.files

    assert run(story()) == ("DLV-074", [b"%PDF-1.4 tep 1"])


def test_a_step_that_fails_is_gone_on_from_there(tmp_path: Path) -> None:
    async def story() -> Any:
        async with side("mot-cua-igate", tmp_path) as s:
            spoilt = 0

            def once(response: Response) -> Response:
                nonlocal spoilt
                spoilt += 1
                return Response(500, "text/html", b"<html/>") if spoilt == 4 else response

            s.far.spoil = once
            with pytest.raises(Uncertain):
                await s.send(1, with_files(2), "HS01")
            await s.send(1, with_files(2), "HS01")
            return s.far

    far = run(story())
    names = [name for name, _ in far.calls]
    assert names == ["SoHoSoKeTiep", "TaiTep", "TaiTep", "NoiHoSo", "NoiHoSo"]  # one number, each file once
    assert far.dossiers["H19.901-260115-0001"]["so"] == "IG-00001"


def test_statuses_of_theirs_are_fetched_as_packets_and_confirmed(tmp_path: Path) -> None:
    async def story() -> tuple[list[Any], Any]:
        async with side("mot-cua-igate", tmp_path) as s:
            s.far.waiting = [
                {
                    "id": n,
                    "maHoSo": f"H19.901-260115-000{n}",
                    "canBo": "Bộ phận một cửa",
                    "thoiDiem": "15/01/2026 08:30:00",
                    "trangThai": "DXL",
                }
                for n in (1, 2)
            ]
            found = [one async for one in templated.pull(s.party, s.settings, s.http)]
            return found, s.far.waiting

    found, left = run(story())
    assert left == []
    assert [one.form for one in found] == [BodyForm.CAP_NHAT_TIEN_DO_MC] * 2
    from schemas import qcvn120

    packet = qcvn120.read_json(found[0].body, "CapNhatTienDoHoSoMC", qcvn120.Dialect.of(profile("mot-cua-igate")))
    assert packet.fields["ThoiDiemXuLy"] == "20260115083000"
    assert (packet.fields["TrangThai"], packet.trang_thai_goc) == ("4", "DXL")


def test_the_tax_authority_reads_the_document_inside_the_envelope(tmp_path: Path) -> None:
    async def story() -> Any:
        async with side("thue", tmp_path) as s:
            await s.send(7, tien_do(7).replace("Sở Tư pháp".encode(), b"A &amp; B"), "HS05")
            return s.far.calls

    ((_, data),) = run(story())
    assert data.findtext("HEADER/MSG_ID") == uuid(7)
    assert data.findtext("BODY/ROW/VALUE") == "H19.901-260115-0007"


# What far sides do wrong


def bom(response: Response) -> Response:
    return replace(response, body=b"\xef\xbb\xbf" + response.body)


def utf16(response: Response) -> Response:
    text = response.body.decode().replace('encoding="utf-8"', 'encoding="utf-16"')
    return replace(response, body=text.encode("utf-16"))


def windows(response: Response) -> Response:
    text = response.body.decode().replace('encoding="utf-8"', 'encoding="windows-1252"')
    plain = "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in text)
    return replace(response, media=response.media.partition(";")[0] + "; charset=windows-1252", body=plain.encode())


@every
@pytest.mark.parametrize("spoil", [bom, utf16, windows], ids=["bom", "utf-16", "windows-1252"])
def test_an_answer_in_another_encoding_is_read(
    shape: str, spoil: Callable[[Response], Response], tmp_path: Path
) -> None:
    async def story() -> None:
        async with side(shape, tmp_path) as s:
            s.far.spoil = spoil
            assert isinstance(await s.send(1, nop_ho_so(1), "HS01"), Receipt)

    run(story())


SPOILT = {
    "a page for people": lambda r: Response(200, "text/html", b"<!DOCTYPE html><html><body>ok</body></html>"),
    "an empty body": lambda r: replace(r, body=b""),
    "an empty object": lambda r: Response(200, "application/json", b"{}"),
    "an array": lambda r: Response(200, "application/json", b"[1, 2]"),
    "a number": lambda r: Response(200, "application/json", b"7"),
    "null": lambda r: Response(200, "application/json", b"null"),
    "the wrong type": lambda r: Response(
        200, "application/json", b'{"error_code": {"a": 1}, "message": [], "Code": null}'
    ),
    "half of it": lambda r: replace(r, body=r.body[: len(r.body) // 2]),
    "an encoding that is none": lambda r: replace(r, media="application/json; charset=x-viscii", body=b"\x80"),
    "bytes of another encoding": lambda r: replace(r, body=b'{"a": "\xff\xfd\x80"}'),
    "deep nesting": lambda r: Response(200, "application/json", b"[" * 200_000),
    "a document type": lambda r: Response(200, "text/xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    "500": lambda r: Response(500, "text/html", b"<html/>"),
}


@every
@pytest.mark.parametrize("what", SPOILT)
def test_an_answer_without_what_was_agreed_on_is_uncertain(shape: str, what: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with side(shape, tmp_path) as s:
            s.far.spoil = SPOILT[what]
            with pytest.raises(Uncertain) as caught:
                await s.send(1, nop_ho_so(1), "HS01")
            assert caught.value.problem.code in {"DLV-022", "DLV-023"}

    if shape == "cong-quoc-gia-lgsp":
        SHAPES_SKIP_LOGIN(tmp_path, what)
    else:
        run(story())


def SHAPES_SKIP_LOGIN(folder: Path, what: str) -> None:
    """Where the log-in itself has a second call, the answer is spoilt after it."""

    async def story() -> None:
        async with side("cong-quoc-gia-lgsp", folder) as s:
            await s.send(9, nop_ho_so(9), "HS01")
            s.far.spoil = SPOILT[what]
            with pytest.raises(Uncertain):
                await s.send(1, nop_ho_so(1), "HS01")

    run(story())


@pytest.mark.parametrize("shape", sorted(ASKED))
@pytest.mark.parametrize("what", SPOILT)
def test_a_look_up_without_what_was_agreed_on_is_never_not_there(shape: str, what: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with side(shape, tmp_path) as s:
            await s.send(1, nop_ho_so(1), "HS01")
            s.far.spoil = SPOILT[what]
            with pytest.raises(Unreachable):
                await s.ask(1, nop_ho_so(1), "HS01")

    run(story())


@pytest.mark.parametrize("shape", sorted(ASKED))
def test_what_a_party_has_of_a_dossier_is_asked_by_its_code(shape: str, tmp_path: Path) -> None:
    """A dossier that is not there is told by its code alone; an answer without the field agreed on tells nothing."""

    async def story() -> Any:
        async with side(shape, tmp_path) as s:
            await s.send(1, nop_ho_so(1), "HS01")

            async def heard(number: int) -> Any:
                return await templated.heard(ma_ho_so(number), s.party, s.settings, s.http)

            there, missing = await heard(1), await heard(7)
            s.far.spoil = lambda r: replace(r, body=r.body.replace(b'"TrangThaiHoSo"', b'"trangThai"'))
            with pytest.raises(Unreachable) as caught:
                await heard(1)
            return there, missing, caught.value.problem.code

    assert run(story()) == ({"TrangThaiHoSo": "2"}, {}, "DLV-023")


def test_what_is_compared_of_a_look_up_is_looked_through(tmp_path: Path) -> None:
    table = settings_of("mot-cua-tinh")("https://mot-cua.example", tmp_path)
    wrong = {**table, "look_up": {**table["look_up"], "believes": {"NgayHen": "answer.a", "NgayTra": "ansver.b"}}}
    with pytest.raises(Stopped) as stop:
        templated.configure(wrong)
    assert [problem.code for problem in stop.value.problems] == ["SYS-014", "DLV-070"]
    without = {**table, "look_up": {k: v for k, v in table["look_up"].items() if k != "believes"}}
    configured = templated.configure(without)

    async def story() -> Any:
        async with HttpLine() as line:
            return await templated.heard(
                "x", profile("mot-cua-tinh"), configured.settings, line.http(configured.common)
            )

    assert run(story()) is None


@pytest.mark.parametrize("shape", sorted(ASKED))
def test_a_look_up_in_another_field_than_agreed_is_unreadable(shape: str, tmp_path: Path) -> None:
    """The look-up that answers in ``result`` was once taken for “not there”."""

    async def story() -> Answered:
        async with side(shape, tmp_path) as s:
            await s.send(1, nop_ho_so(1), "HS01")
            s.far.spoil = lambda r: replace(r, body=r.body.replace(b'"result"', b'"ketQua"'))
            with pytest.raises(Unreachable) as caught:
                await s.ask(1, nop_ho_so(1), "HS01")
            return caught.value

    assert run(story()).problem.code == "DLV-023"


@every
def test_a_hundred_megabytes_are_not_read(shape: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with side(shape, tmp_path) as s:
            await s.send(9, nop_ho_so(9), "HS01")
            s.agency.fault = Fault.HUGE
            with pytest.raises(Uncertain) as caught:
                await s.send(
                    1, tien_do(1) if shape != "dat-dai" else nop_ho_so(1), "HS05" if shape != "dat-dai" else "HS01"
                )
            assert caught.value.problem.code == "DLV-024"

    run(story())


@pytest.mark.parametrize("shape", ["cong-quoc-gia-lgsp", "trung-tam-hcc", "mot-cua-tinh"])
def test_a_dossier_that_is_there_already_is_updated_instead(shape: str, tmp_path: Path) -> None:
    async def story() -> list[Any]:
        async with side(shape, tmp_path) as s:
            s.far.strict = True
            s.far.dossiers["H19.901-260115-0001"] = {"TrangThaiHoSo": "1"}
            await s.send(1, nop_ho_so(1), "HS01")
            return s.far.calls

    first, second = run(story())
    said = [str(one) for one in (first, second)]
    assert ["False" in said[0], "True" in said[1]] == [True, True]


@pytest.mark.parametrize("shape", ["cong-quoc-gia-lgsp", "mot-cua-tinh"])
def test_a_far_side_that_says_both_there_and_not_there_is_no_endless_story(shape: str, tmp_path: Path) -> None:
    async def story() -> list[Any]:
        async with side(shape, tmp_path) as s:
            await s.send(9, nop_ho_so(9), "HS01")
            s.far.calls.clear()

            def contradicts(response: Response) -> Response:
                updating = s.far.calls[-1][1]["isUpdating"] == "True"
                code, text = ("-3", "Hồ sơ không tồn tại") if updating else ("3", "Hồ sơ đã tồn tại")
                return replace(response, body=json.dumps({"error_code": code, "message": text}).encode())

            s.far.spoil = contradicts
            with pytest.raises(Refused) as caught:
                await s.send(1, nop_ho_so(1), "HS01")
            assert caught.value.problem.code == "DLV-047"
            return s.far.calls

    assert len(run(story())) == 2


# Tokens


@pytest.mark.parametrize("shape", ["cong-quoc-gia-lgsp", "dat-dai", "mot-cua-igate", "mot-cua-tinh"])
def test_one_token_serves_until_it_is_over_and_then_one_more_is_got(shape: str, tmp_path: Path) -> None:
    async def story() -> tuple[int, int]:
        async with side(shape, tmp_path) as s:
            for number in (1, 2, 3):
                await s.send(number, nop_ho_so(number), "HS01")
                s.remembered.clear()
            before = s.far.logins
            s.far.calls_left = 0  # the next call meets a token that is over
            await s.send(4, nop_ho_so(4), "HS01")
            return before, s.far.logins

    assert run(story()) == (1, 2)


def test_a_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    async def story() -> int:
        async with side("cong-quoc-gia-lgsp", tmp_path) as s:
            s.far.lasts = 0.02
            for number in (1, 2, 3):
                await s.send(number, nop_ho_so(number), "HS01")
                await asyncio.sleep(0.03)
            refused = [
                r
                for r in s.agency.requests
                if r.headers.get("authorization", "") not in {"", f"Bearer the-{s.far.logins}"}
            ]
            assert refused
            return s.far.logins

    assert run(story()) == 3


def test_a_token_that_ends_amid_the_rows_doubles_none(tmp_path: Path) -> None:
    async def story() -> Any:
        async with side("cong-quoc-gia-lgsp", tmp_path) as s:
            s.far.calls_left = 3  # the session, and two of four chunks
            await s.send(1, steps(34), "HS17")
            return s.far

    far = run(story())
    assert far.logins == 2
    assert [row["NoiDungXuLy"] for row in far.rows] == [f"bước {n + 1}" for n in range(34)]
    assert [len(said["data"]) for _, said in far.calls] == [10, 10, 10, 4]


@pytest.mark.parametrize("shape", ["cong-quoc-gia-lgsp", "dat-dai", "mot-cua-igate", "mot-cua-tinh"])
def test_a_far_side_that_never_takes_our_tokens_is_met_twice_and_not_for_ever(shape: str, tmp_path: Path) -> None:
    async def story() -> int:
        async with side(shape, tmp_path) as s:
            s.far.knows = lambda token: False
            with pytest.raises(Unreachable):
                await s.send(1, nop_ho_so(1), "HS01")
            assert s.far.effects == []
            return s.far.logins

    assert run(story()) <= 2


@pytest.mark.parametrize("shape", ["cong-quoc-gia-lgsp", "dat-dai", "mot-cua-tinh"])
def test_a_log_in_that_is_refused_is_told_without_its_answer(shape: str, tmp_path: Path) -> None:
    async def story() -> Answered:
        (tmp_path / "bi-mat").write_text("sai")
        async with side(shape, tmp_path) as s:
            with pytest.raises(Unreachable) as caught:
                await s.send(1, nop_ho_so(1), "HS01")
            return caught.value

    error = run(story())
    assert error.problem.code == "DLV-009"
    assert error.answer is None


# Rows


def test_rows_that_were_not_taken_are_told_apart_and_sent_again_alone(tmp_path: Path) -> None:
    async def story() -> tuple[Answered, list[Any]]:
        async with side("cong-quoc-gia-lgsp", tmp_path) as s:
            bad = {"bước 3", "bước 12"}

            def some(response: Response) -> Response:
                said = json.loads(response.body)
                if isinstance(said.get("data"), list):
                    rows = s.far.calls[-1][1]["data"]
                    said["data"] = [{"error_code": "12" if row["NoiDungXuLy"] in bad else "00"} for row in rows]
                return replace(response, body=json.dumps(said).encode())

            s.far.spoil = some
            with pytest.raises(Refused) as caught:
                await s.send(1, steps(15), "HS17")
            bad.clear()
            await s.send(1, steps(15), "HS17")
            return caught.value, [[row["NoiDungXuLy"] for row in said["data"]] for _, said in s.far.calls]

    refused, chunks = run(story())
    assert (refused.problem.code, refused.problem.facts["rows"]) == ("DLV-036", [3, 12])
    assert chunks[2:] == [["bước 3", "bước 12"]]


def test_fewer_outcomes_than_rows_are_unreadable(tmp_path: Path) -> None:
    async def story() -> None:
        async with side("cong-quoc-gia-lgsp", tmp_path) as s:
            s.far.spoil = lambda r: replace(r, body=r.body.replace(b'{"error_code": "00"}, ', b"", 1))
            with pytest.raises(Uncertain) as caught:
                await s.send(1, steps(3), "HS17")
            assert caught.value.problem.facts["what"] == "data"

    run(story())


# Through the outbox: what is remembered is on record


def test_what_a_party_told_of_a_dossier_is_on_record_for_the_next_message(store: Any, tmp_path: Path) -> None:
    clock = Clock()

    async def story() -> Any:
        far = SHAPES["dat-dai"]()
        async with Agency(far) as agency_, HttpLine() as line:
            table = {"private_addresses": True, **settings_of("dat-dai")(agency_.url, tmp_path)}
            to = agency(1, connector="http", settings=table)
            owing = Owing(store, clock, to)
            code = "H19.901-260115-0001"
            owing.lane(to, ma_ho_so=code, body=nop_ho_so(1))
            outbox = Outbox(store, owing.parties, installed(), clock, line)
            await outbox.turn()
            await outbox.settled()
            with store.read() as view:
                assert view.remembered(to.id, code) == {"so_bien_nhan": "BN0001"}
                assert view.remembered(to.id, "H19.901-260115-0002") == {}
            await outbox.finish()
            assert owing.states() == ["delivered"]
            return far

    assert run(story()).dossiers


# What the check refuses


BASE = {"url": "https://a.example/", "secrets": {"khoa": "env:X"}, "values": {"v": "1"}}


def refused(**table: Any) -> list[Any]:
    """What is wrong with such a table."""
    with pytest.raises(Stopped) as caught:
        templated.configure({**BASE, **table})
    for problem in caught.value.problems:
        for lang in Lang:
            assert "…" not in problem.message(lang)
    return list(caught.value.problems)


def one_call(text: str, name: str = "a.json", **call: Any) -> dict[str, Any]:
    """A table whose one call has this template."""
    return {"send": {"HS01": ["a"]}, "calls": {"a": {"body": name, **call}}, "texts": {name: text}}


@pytest.mark.parametrize(
    ("text", "line", "why", "found", "nearest"),
    [
        ('{\n "a": {{ ho_so.MaHoso }}}', 2, "name", "ho_so.MaHoso", "MaHoSo"),
        ("{{ hoso }}", 1, "name", "hoso", "ho_so"),
        ("{{ secret.khao }}", 1, "name", "secret.khao", "khoa"),
        ("{{ got.so }}", 1, "name", "got.so", "–"),
        ("{{ token }}", 1, "name", "token", "tien_do"),
        ("{{ ho_so.TaiLieuNop.Ten }}", 1, "name", "ho_so.TaiLieuNop.Ten", "[0]"),
        ("{% for x in ho_so %}{% endfor %}", 1, "list", "ho_so", "–"),
        ("{{ ho_so.MaHoSo | ma_hoa }}", 1, "name", "| ma_hoa", "–"),
        ('{{ ho_so.NgayTiepNhan | date("dd/mm/YYYY") }}', 1, "date form", "dd/mm/YYYY: YYYY", "yyyy"),
        ('{{ ho_so.MaHoSo | date("dd/MM/yyyy") }}', 1, "date form", "ho_so.MaHoSo | date", "–"),
        ("[\n\n{{ x", 3, "syntax", "unexpected end of template, expected 'end of print statement'.", "–"),
        ("{% for i in range(1000000000) %}{% endfor %}", 1, "not allowed", "Call", "–"),
        ("{{ 'a' * 1000000000 }}", 1, "not allowed", "Mul", "–"),
        ("{{ 9 ** 9 ** 9 }}", 1, "not allowed", "Pow", "–"),
        ("{% set a = 1 %}", 1, "not allowed", "Assign", "–"),
        ("{% include 'a.json' %}", 1, "not allowed", "Include", "–"),
        ("{% import 'a.json' as a %}", 1, "not allowed", "Import", "–"),
        ("{% extends 'a.json' %}", 1, "not allowed", "Extends", "–"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", 1, "not allowed", "Macro", "–"),
        ("{{ ''.__class__.__mro__ }}", 1, "name", "''.__class__", "–"),
        ("{{ _out.party }}", 1, "not allowed", "_out", "–"),
        ("{{ ho_so['MaHo' ~ 'So'] }}", 1, "not allowed", "ho_so[?]", "–"),
        (
            "{% for x in ho_so.TaiLieuNop recursive %}{{ loop(x) }}{% endfor %}",
            1,
            "not allowed",
            "for a, b | if | recursive",
            "–",
        ),
    ],
)
def test_a_template_that_may_not_be_used_is_refused_with_its_line_and_the_nearest_name(
    text: str, line: int, why: str, found: str, nearest: str
) -> None:
    problem = refused(**one_call(text))[0]
    facts = problem.facts
    assert problem.code == "DLV-070"
    assert (facts["template"], facts["line"], facts["why"], facts["found"], facts["nearest"]) == (
        "a.json",
        line,
        why,
        found,
        nearest,
    )


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.json", '{"a": {{ ho_so.MaHoSo }},}', "JSON"),
        ("a.json", '{"a": }', "JSON"),
        ("a.json", '{% if ho_so.Fax %}{"a": 1}{% endif %}', "JSON"),  # nothing, where the dossier has none
        ("a.xml", "<a>{{ ho_so.MaHoSo }}</b>", "XML"),
        ("a.xml", "<!DOCTYPE a><a>{{ ho_so.MaHoSo }}</a>", "XML"),
    ],
)
def test_a_template_that_does_not_always_write_its_form_is_refused(name: str, text: str, why: str) -> None:
    (problem,) = refused(**one_call(text, name))
    assert (problem.code, problem.facts["key"]) == ("DLV-071", "calls.a.body")
    assert str(problem.facts["why"]).startswith(why)


def test_a_value_in_a_tag_is_refused() -> None:
    (problem,) = refused(**one_call("<a><{{ ho_so.MaHoSo }}/></a>", "a.xml"))
    assert (problem.code, problem.facts["why"]) == ("DLV-070", "place")


@pytest.mark.parametrize(
    ("table", "key", "nearest"),
    [
        ({"send": {"HS01": ["tiep-nhna"]}, "calls": {"tiep-nhan": {}}}, "send.HS01", "tiep-nhan"),
        ({"send": {"HS99": ["a"]}, "calls": {"a": {}}}, "send.HS99", "HS19"),
        ({"calls": {"a": {"if_exists": "b"}}}, "calls.a.if_exists", "–"),
        (
            {"calls": {"a": {"body": "khong-co.json"}}, "texts": {"khong-co-.json": "1"}},
            "calls.a.body",
            "khong-co-.json",
        ),
        ({"calls": {}, "look_up": {"call": "x", "agrees": "true"}}, "look_up.call", "–"),
        (
            {
                "calls": {},
                "login": {"grant": "password", "url": "https://a.example/t", "username": "u", "password": "kho"},
            },
            "login.password",
            "khoa",
        ),
    ],
)
def test_a_name_of_nothing_is_refused_with_the_nearest(table: dict[str, Any], key: str, nearest: str) -> None:
    problem = next(p for p in refused(**table) if p.code == "SYS-014")
    assert (problem.facts["key"], problem.facts["nearest"]) == (key, nearest)


@pytest.mark.parametrize(
    ("call", "key"),
    [
        ({"answer": {"code": "a"}}, "calls.a.answer.delivered"),
        ({"method": "GET", "form": {"a": "b"}}, "calls.a.method"),
        ({"answer": {"rows": "a"}}, "calls.a.answer.rows"),
        ({"headers": {"Content-Length": "1"}}, "calls.a.headers.Content-Length"),
        ({"headers": {"X\r\nY": "1"}}, "calls.a.headers.X\r\nY"),
        ({"answer": {"reads": "nothing"}, "take": {"a": "answer"}}, "calls.a.answer.reads"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(call: dict[str, Any], key: str) -> None:
    problems = refused(send={"HS01": ["a"]}, calls={"a": call})
    assert ("DLV-054", key) in [(p.code, p.facts["key"]) for p in problems]


def test_a_template_outside_the_profile_s_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ngoai.json").write_text("1")
    inner = tmp_path / "trong"
    inner.mkdir()
    for name in ("../ngoai.json", str(tmp_path / "ngoai.json"), "khong-co.json"):
        with pytest.raises(Stopped) as caught:
            templated.embedded({**BASE, "calls": {"a": {"body": name}}}, inner)
        assert caught.value.problems[0].code == "DLV-054"


# What cannot be done by data


def test_loops_in_loops_end_in_a_refusal_and_not_in_an_endless_try(tmp_path: Path) -> None:
    deep = "{% for a in dinh_kem %}{% for b in dinh_kem %}{% for c in dinh_kem %}{% endfor %}{% endfor %}{% endfor %}1"

    async def story() -> Answered:
        table = {"texts": {"mang.json": deep, "tien-do.json": "1"}}
        async with side("trung-tam-hcc", tmp_path, **table) as s:
            with pytest.raises(Refused) as caught:
                await s.send(1, with_files(200), "HS01")
            assert s.agency.requests == []
            return caught.value

    problem = run(story()).problem
    assert problem.code == "DLV-034"
    assert problem.facts["field"] == "tao-moi: for"


def test_a_request_beyond_its_bound_is_refused(tmp_path: Path) -> None:
    async def story() -> Answered:
        texts = {"mang.json": "[{{ thong_diep.base64 }}]", "tien-do.json": "1"}
        async with side("trung-tam-hcc", tmp_path, texts=texts, request_bytes=20_000) as s:
            with pytest.raises(Refused) as caught:
                await s.send(1, with_files(200), "HS01")
            assert s.agency.requests == []
            return caught.value

    assert run(story()).problem.facts["why"] == "20000+"


def test_what_a_message_says_cannot_become_structure(tmp_path: Path) -> None:
    evil = '"}, "isUpdating": "x\\u0022 {{ secret.khoa }} &lt;/a&gt;&#13;&#10;X: y'

    async def story() -> Any:
        async with side("trung-tam-hcc", tmp_path) as s:
            body = tien_do(1).replace(b"H19.901-260115-0001", b"H19.901-260115-0001")
            root = etree.fromstring(body)
            found = next(e for e in root.iter() if etree.QName(e).localname == "NoiDungXuLy")
            found.text = evil
            await s.send(1, etree.tostring(root, encoding="utf-8", xml_declaration=True), "HS05")
            return s.far.rows

    (row,) = run(story())
    assert row["NoiDungXuLy"] == evil
    assert set(row) <= {
        "MaHoSo",
        "NguoiXuLy",
        "ChucDanh",
        "ThoiDiemXuLy",
        "PhongBanXuLy",
        "NoiDungXuLy",
        "TrangThai",
        "NgayBatDau",
        "NgayKetThucTheoQuyDinh",
    }


def test_no_example_needs_a_line_of_python() -> None:
    files = [file for file in PARTNERS.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".toml", ".json", ".xml"}
    assert {file.parent.name for file in files if file.suffix == ".toml"} == set(SHAPES)


def test_secrets_are_no_part_of_a_profile() -> None:
    for shape in SHAPES:
        assert SECRET not in str(profile(shape))
        assert all(
            where.startswith(("env:", "file:"))
            for where in profile(shape).connector_settings.get("secrets", {}).values()
        )
