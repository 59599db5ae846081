"""Receivers' BienNhan: what a delivery is worth when its receipt proves something, and when it does not.

Over a real HTTP receiver that signs, with the keys of the samples.
"""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import pki
import pytest
from false_agency import Agency, Lienthong, Response, bien_nhan, run
from lxml import etree
from owed import Clock, Owing, agency
from parcels import parcel

from connectors.http import HttpLine
from connectors.registry import installed
from gateway.core.alerts import Alarm
from gateway.core.effects import KetQua
from gateway.core.limits import DEFAULT_LIMITS
from gateway.core.model import Address, DeliveryState
from gateway.core.parties import Parties, SignatureDemand, SignaturePolicy, SigningCertificate, WhenUnknown
from gateway.documents import canonical_document
from gateway.services import watch
from gateway.services.certificate_status import doubt
from gateway.services.outbox import Outbox, Pace
from schemas import write
from signing import known
from signing.certificates import read_certificate
from signing.seal import seal
from signing.sign import SigningKey, Variant, sign
from signing.trust import TrustView, load_tree

NOW = datetime(2026, 2, 1, 8, tzinfo=UTC)
OWN, OTHER = "so-tu-phap", "so-xay-dung"


def key(name):
    signer = pki.signer(name)
    return SigningKey(
        certificate=read_certificate(signer.der), raw=SigningKey.load(signer.key_pem, signer.cert_pem).raw
    )


def receipt(ma, body, *, signer=OWN, sender="H19.901", ket_qua=KetQua.CHAP_NHAN, digest=None, variant=None):
    """A BienNhan as an agency would write it; signed unless ``signer`` is None."""
    unsigned = write.bien_nhan(
        ma_thong_diep=str(uuid.uuid4()),
        noi_gui=Address(ma_dinh_danh=sender, ten_co_quan="Sở thử nghiệm"),
        noi_nhan=Address(ma_dinh_danh="H19.909", ten_co_quan="Cổng"),
        ma_thong_diep_goc=ma,
        ket_qua=ket_qua,
        loi=(),
        thoi_diem=NOW,
        bam_noi_dung=digest or hashlib.sha256(body).hexdigest(),
        so_tiep_nhan="TN-7",
    )
    return unsigned if signer is None else sign(unsigned, key(signer), variant or Variant(), at=NOW)


class Signing(Lienthong):
    """An agency that answers with what the test makes of the message's id and bytes."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def answer(self, request):
        ma = request.headers["mathongdiep"]
        self.effects.append(ma)
        made = self.make(ma, request.body)
        return made if isinstance(made, Response) else Response(201, body=made)


def registered(name, tree=None):
    signer = pki.signer(name)
    return SigningCertificate(der=signer.der, fingerprint=signer.fingerprint, tree=tree)


def delivered(store, make, *, policy=None, certificates=(OWN,), tree=None, settings=None):
    """One message to an agency that answers so; gives its delivery, attempt and the store's alerts."""
    clock = Clock(NOW)

    async def story():
        async with Agency(Signing(make)) as so:
            to = agency(
                settings={"url": so.url, "private_addresses": True, "timeout_s": 30.0, **(settings or {})},
                identifiers=("H19.901",),
                certificates=tuple(registered(name, tree) for name in certificates),
                signature=policy or SignaturePolicy(),
            )
            other = agency(2, identifiers=("H19.902",), certificates=(registered(OTHER),))
            owing = Owing(store, clock, to, other)
            owing.lane(to, 1)
            parties = Parties([*owing.parties])
            grown = load_tree("chinh-phu", b"".join(map(pem, pki.TREES["chinh-phu"])))
            trust = TrustView.build(parties, [grown])

            def doubted(answer, parcel, at):
                return doubt(answer, parcel, trust, parties, at, DEFAULT_LIMITS)

            async with HttpLine() as line:
                box = Outbox(store, parties, installed(), clock, line, Pace(grace_s=0.2), doubted)
                try:
                    await box.turn()
                    await box.settled()
                finally:
                    await box.finish()
            (delivery,) = owing.deliveries()
            return delivery

    delivery = run(story())
    with store.read() as view:
        (attempt,) = view.attempts(delivery.id)
        parties = Parties([])
    found = watch.alerts(store, parties, clock.now)
    return delivery, attempt, [alert for alert in found if alert.alarm is Alarm.RECEIPT_UNPROVEN]


def pem(name):
    return pki.maker.certificate_path(name).read_bytes()


def reason(attempt):
    return None if attempt.problem is None else (attempt.problem.code, attempt.problem.facts["reason"])


@pytest.mark.threat("T-RECEIPT")
def test_a_receipt_signed_by_its_party_counts(store):
    delivery, attempt, alerts = delivered(store, receipt)
    assert (delivery.state, reason(attempt), attempt.reference, alerts) == (DeliveryState.DELIVERED, None, "TN-7", [])
    assert b"SignatureValue" in attempt.receipt


def tampered(ma, body):
    return receipt(ma, body).replace(b"TN-7", b"TN-8")


def in_json(ma, body):
    text = f'{{"MaThongDiepGoc": "{ma}", "KetQua": "CHAP_NHAN", "BamNoiDung": "{hashlib.sha256(body).hexdigest()}"}}'
    return Response(201, "application/json", text.encode())


def bare(ma, body):
    whole = bien_nhan(ma, "CHAP_NHAN", body)
    return whole[whole.index(b"<BienNhan") : whole.index(b"</ThanPhan>")]


WORTHLESS = {
    "it was changed after signing": (tampered, "SIG-001"),
    "it is not signed": (lambda ma, body: receipt(ma, body, signer=None), "SIG-002"),
    "it is JSON": (in_json, "SIG-002"),
    "it is a bare BienNhan": (bare, "SIG-002"),
    "another party signed it": (lambda ma, body: receipt(ma, body, signer=OTHER), "SIG-050"),
    "another party signed it in its own name": (
        lambda ma, body: receipt(ma, body, signer=OTHER, sender="H19.902"),
        "SIG-050",
    ),
    "a stranger signed it": (lambda ma, body: receipt(ma, body, signer="stranger"), "SIG-050"),
    "it is from nobody that is registered": (lambda ma, body: receipt(ma, body, sender="H19.999"), "SIG-059"),
}


@pytest.mark.threat("T-RECEIPT")
@pytest.mark.parametrize("why", WORTHLESS)
def test_a_delivery_that_happened_stays_delivered_but_its_receipt_is_told_to_be_worthless_because(why, sqlite_store):
    make, code = WORTHLESS[why]
    delivery, attempt, alerts = delivered(sqlite_store, make)
    assert (delivery.state, reason(attempt)) == (DeliveryState.DELIVERED, ("DLV-029", code))
    (alert,) = alerts
    assert (alert.party, alert.facts["reason"], alert.facts["receipts"]) == ("so-1", code, 1)
    assert watch.alerts(sqlite_store, Parties([]), NOW + timedelta(days=2)) == []
    with sqlite_store.read() as view:
        (line,) = view.log(what="receipt.unproven")
    assert (line.who, line.facts["delivery"]) == ("so-1", delivery.id)


def test_where_a_receipt_is_demanded_a_worthless_one_is_no_clear_answer(sqlite_store):
    delivery, attempt, _ = delivered(sqlite_store, tampered, settings={"receipt": "required"})
    assert (delivery.state, attempt.problem.code) == (DeliveryState.UNKNOWN, "DLV-023")
    assert attempt.problem.facts["what"] == "BienNhan SIG-001"
    assert attempt.receipt is not None  # what came is kept


UNSIGNED = {
    "json": in_json,
    "bare": bare,
    "envelope": lambda ma, body: receipt(ma, body, signer=None),
    "nothing": lambda ma, body: Response(204),
}


@pytest.mark.parametrize("form", UNSIGNED)
def test_a_party_whose_profile_takes_unsigned_receipts_is_believed_on_the_word_of_the_channel(form, sqlite_store):
    policy = SignaturePolicy(by_type={"HS02": SignatureDemand.ACCEPTED})
    assert reason(delivered(sqlite_store, UNSIGNED[form], policy=policy)[1]) is None


def test_a_bare_success_claims_nothing_and_is_no_worthless_receipt(sqlite_store):
    delivery, attempt, alerts = delivered(sqlite_store, UNSIGNED["nothing"])
    assert (delivery.state, reason(attempt), alerts) == (DeliveryState.DELIVERED, None, [])


def test_an_answer_of_another_kind_is_no_worthless_receipt(sqlite_store):
    answer = Response(200, "application/json", b'{"ok": true}')
    assert reason(delivered(sqlite_store, lambda ma, body: answer)[1]) is None


def test_a_receipt_that_no_strict_reader_takes_is_no_clear_answer(sqlite_store):
    delivery, attempt, _ = delivered(
        sqlite_store, lambda ma, body: receipt(ma, body).replace(b"</lt:ThongDiep>", b"<!-- x --></lt:ThongDiep>")
    )
    assert (delivery.state, attempt.problem.code) == (DeliveryState.UNKNOWN, "DLV-023")
    assert attempt.problem.facts["what"] == "XML, XML-111"


def test_a_signature_that_is_there_is_looked_at_even_where_none_is_demanded(sqlite_store):
    policy = SignaturePolicy(by_type={"HS02": SignatureDemand.ACCEPTED})
    assert reason(delivered(sqlite_store, tampered, policy=policy)[1]) == ("DLV-029", "SIG-001")


def test_a_policy_that_is_off_looks_at_no_signature(sqlite_store):
    policy = SignaturePolicy(by_type={"HS02": SignatureDemand.OFF})
    assert reason(delivered(sqlite_store, tampered, policy=policy)[1]) is None


@pytest.mark.parametrize(("when_unknown", "expected"), [("hold", ("DLV-029", "SIG-062")), ("warn", None)])
def test_a_certificate_whose_status_is_unknown_proves_as_much_as_the_policy_says(when_unknown, expected, sqlite_store):
    policy = SignaturePolicy(status_unknown=WhenUnknown(when_unknown))
    attempt = delivered(sqlite_store, receipt, policy=policy, tree="chinh-phu")[1]
    assert reason(attempt) == expected


def test_the_receipt_of_other_bytes_is_no_receipt_at_all(sqlite_store):
    delivery, attempt, _ = delivered(sqlite_store, lambda ma, body: receipt(ma, body, digest="0" * 64))
    assert (delivery.state, attempt.problem.code) == (DeliveryState.UNKNOWN, "DLV-025")
    assert delivery.due_at is not None  # it is sent again: same id, same bytes


@pytest.mark.threat("T-RECEIPT")
def test_a_receipt_whose_root_is_of_another_namespace_proves_nothing_whatever_was_seen_before():
    """It has the same fields by the same signer, in the shape of its signature; only the envelope is none of ours."""
    to = agency(identifiers=("H19.901",), certificates=(registered(OWN),))
    parties = Parties([to])
    trust, about = TrustView.build(parties), parcel(to=to)
    unsigned = receipt(about.ma_thong_diep, about.body, signer=None)
    root = etree.fromstring(unsigned)
    other = etree.Element("{urn:khac}ThongDiep", nsmap={"x": "urn:khac"})
    other.extend(root)
    genuine, foreign = (seal(one, key(OWN), at=NOW) for one in (unsigned, canonical_document(other)))

    def proves(answer):
        found = doubt(answer, about, trust, parties, NOW, DEFAULT_LIMITS)
        return "proven" if found is None else found.facts["reason"]

    known.forget()
    told = [proves(foreign), proves(genuine), proves(foreign)]
    assert [*told, proves(genuine)] == ["SIG-090", "proven", "SIG-090", "proven"]
