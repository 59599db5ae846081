"""Fresh messages for the tests of the doors: valid, signed, each with its own id. Built from the samples' recipes."""

import base64
import hashlib
import itertools
import sys
import uuid
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pki

from signing.sign import SigningKey, sign
from signing.trust import CertificateStatus, StatusWord, TrustView, load_tree

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "samples"))

from recipes import payloads
from recipes.envelopes import envelope
from recipes.people import PORTAL, TU_PHAP, XA, XAY_DUNG
from recipes.xmltext import write

_numbers = itertools.count(1)
OFFICES = {office.id: office for office in (PORTAL, TU_PHAP, XA, XAY_DUNG)}
VN = timezone(timedelta(hours=7))


@cache
def key(name):
    """The signing key of a party of the samples."""
    signer = pki.signer(name)
    return SigningKey.load(signer.key_pem, signer.cert_pem)


def trust_in(parties):
    """Trust in these parties: every certificate of theirs is known to be good."""
    trees = [
        load_tree(name, b"".join(pki.maker.certificate_path(one).read_bytes() for one in certificates))
        for name, certificates in pki.TREES.items()
    ]
    now = datetime.now(UTC)
    good = [
        CertificateStatus(fingerprint=c.fingerprint, status=StatusWord.GOOD, as_of=now, until=now + timedelta(days=30))
        for party in parties
        for c in party.certificates
    ]
    return TrustView.build(parties, trees, good)


def ma_ho_so(agency="ubnd-xa-thu-nghiem"):
    """A dossier code nobody used yet."""
    return f"{OFFICES[agency].ma}-260115-{next(_numbers):04d}"


def now(minutes=0):
    """An instant near now, Vietnamese time, whole seconds."""
    return (datetime.now(UTC).astimezone(VN).replace(microsecond=0) + timedelta(minutes=minutes)).isoformat()


def nop(
    code=None,
    *,
    sender="cong-dvc",
    to="ubnd-xa-thu-nghiem",
    signer=None,
    ma_thong_diep=None,
    note=None,
    now=None,
    files=(),
):
    """HS01: a dossier filed online, signed by its portal. ``note`` makes it as long as one likes."""
    code = code or ma_ho_so(to)
    payload = payloads.nop_ho_so("small", code, "2026-01-15")
    late = {"NgayNopHoSo": payload.pop("NgayNopHoSo")}
    if note is not None:
        payload = {**payload, "GhiChu": note}
    if files:
        papers = [{"TenTepDinhKem": "bản vẽ", "MaDinhKem": row["MaDinhKem"]} for row in files]
        payload = {**payload, "DanhSachTaiLieuNop": {"TaiLieuNop": papers}}
    payload = {**payload, **late}
    return _signed("HS01", "NopHoSo", payload, code, sender, to, signer, ma_thong_diep, now, files)


def named(content, ma="ban-ve", kind="application/pdf", **changes):
    """A row of the manifest that names a file brought to the gateway."""
    digest = hashlib.sha256(content).hexdigest()
    row = {"MaDinhKem": ma, "TenTep": "bản vẽ.pdf", "LoaiTep": kind, "SoByte": str(len(content)), "BamSHA256": digest}
    return {**row, "DuongDan": f"lienthong:sha256:{digest}", **changes}


def inside(content, ma="ban-ve", kind="application/pdf"):
    """A row of the manifest that carries its file in the message."""
    row = named(content, ma, kind, NoiDung=base64.b64encode(content).decode())
    del row["DuongDan"]
    return row


def tiep_nhan(code, *, sender="ubnd-xa-thu-nghiem", to="cong-dvc", signer=None, now=None):
    """HS03: the agency takes the dossier in."""
    payload = payloads.tiep_nhan("small", code, "2026-01-15")
    return _signed("HS03", "TiepNhanHoSo", payload, code, sender, to, signer, now=now)


def tien_do(code, state, *, sender="ubnd-xa-thu-nghiem", to="cong-dvc", signer=None, at=None, now=None):
    """HS05: a step of the dossier."""
    payload = payloads.tien_do("small", code, at or "2026-01-16T08:00:00+07:00", str(state))
    return _signed("HS05", "CapNhatTienDo", payload, code, sender, to, signer, now=now)


def _signed(loai, goc, payload, code, sender, to, signer, ma_thong_diep=None, now=None, files=()):
    now = now or datetime.now(UTC)
    root = envelope(
        "x",
        loai,
        goc,
        payload,
        sender=OFFICES[sender],
        to=[OFFICES[to]],
        at=now.astimezone(VN).replace(microsecond=0).isoformat(),
        ma_ho_so=code,
        ma_thong_diep=ma_thong_diep or str(uuid.uuid4()),
        dinh_kem=files,
    )
    body = write(root)
    body = body if isinstance(body, bytes) else body.encode("utf-8")
    name = OFFICES[sender].key if signer is None else signer
    return body if name == "" else sign(body, key(name), at=now)
