"""Small documents for the schema tests, and the stations that look at them."""

from datetime import UTC, datetime

import pytest

from gateway.core.model import Address, Basis, Caller, Channel, Envelope, MessageId, PartyId
from gateway.core.problems import Stopped
from gateway.documents import Attested, parse
from schemas.catalog import bundled
from schemas.check import check
from schemas.read import read
from schemas.write import Header, thong_diep

AT = datetime(2026, 1, 15, 2, 0, tzinfo=UTC)  # when everything here arrives
UUID = "0b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90"
MA_HO_SO = "H19.901-260115-0001"


@pytest.fixture(scope="session")
def catalog():
    """The bundled catalogue."""
    return bundled()


@pytest.fixture
def at():
    """When everything here arrives."""
    return AT


def _envelope(body, at=AT):
    cover = {"caller": Caller(party=PartyId("so-tu-phap"), by="token"), "channel": Channel.CLI}
    return Envelope.of(body, id=MessageId("m"), received_at=at, **cover)


@pytest.fixture
def envelope():
    """Bytes to Envelope."""
    return _envelope


@pytest.fixture
def header():
    """A header for any message; keywords replace."""

    def make(**changes):
        given = {
            "ma_thong_diep": UUID,
            "loai": "HS05",
            "noi_gui": Address(ma_dinh_danh="H19.901", ten_co_quan="Sở Tư pháp (thử nghiệm)"),
            "noi_nhan": (Address(ma_dinh_danh="H19.909"),),
            "thoi_diem_tao": datetime(2026, 1, 15, 1, 30, tzinfo=UTC),
            "ma_ho_so": MA_HO_SO,
        }
        return Header(**{**given, **changes})

    return make


@pytest.fixture
def hs05(header):
    """An accepted HS05 as text, one element a line, so that lines and columns can be told."""
    fields = {
        "MaHoSo": MA_HO_SO,
        "NguoiXuLy": "Nguyễn Văn Ánh",
        "ThoiDiemXuLy": datetime(2026, 1, 15, 1, 30, tzinfo=UTC),
        "TrangThai": 4,
    }
    text = thong_diep(header(), "CapNhatTienDo", fields).decode()
    start = text.index("<hs:CapNhatTienDo")
    tag = text[start : text.index(">", start)]
    root = text.index(">", text.index("<lt:ThongDiep"))  # prefixes are declared at the root, as many senders write them
    text = text[:root] + tag.removeprefix("<hs:CapNhatTienDo") + text[root:].replace(tag, "<hs:CapNhatTienDo", 1)
    return text.replace("><", ">\n<")


@pytest.fixture
def parsed():
    """Bytes or text to Document."""
    return lambda body, at=AT: parse(_envelope(body.encode() if isinstance(body, str) else body, at))


@pytest.fixture
def checked(parsed, catalog):
    """Bytes or text to Checked."""
    return lambda body, with_catalog=None, at=AT: check(parsed(body, at), with_catalog or catalog)


@pytest.fixture
def letter(parsed, catalog):
    """Bytes or text to ThongDiep, unsigned, through all stations of this area. Raises Stopped."""

    def run(body, with_catalog=None, at=AT):
        using = with_catalog or catalog
        document = parsed(body, at)
        done = check(document, using)
        attested = Attested(
            envelope=document.envelope, body=document.body, root=document.root, kind=done.kind, basis=Basis.CHANNEL
        )
        return read(attested, using)

    return run


@pytest.fixture
def problems(letter):
    """Bytes or text to the problems that stop it; empty when it is accepted."""

    def run(body, with_catalog=None, at=AT):
        try:
            letter(body, with_catalog, at)
        except Stopped as stop:
            return stop.problems
        return ()

    return run


@pytest.fixture
def codes(problems):
    """Bytes or text to the codes that stop it, in the order of the document."""
    return lambda body, with_catalog=None, at=AT: [p.code for p in problems(body, with_catalog, at)]
