"""None of the attack documents is accepted: from every seed, through the real door, with the store behind it.

Each is refused with exactly the codes that the generator gives it. The schema is asked before the signature, so at the door
an attack on what the schema sees may be answered by the schema; then the signature is asked alone.
"""

import http.server
import itertools
import os
import resource
import threading
import time
import uuid
from dataclasses import replace

import attacks
import paper
import pki
import pytest
import sampling
from paper import HS05, NOW

from gateway import wiring
from gateway.core.model import Address, Caller, Channel, Envelope, Fate, PartyId
from gateway.core.problems import Stopped
from gateway.documents import Checked, Kind, parse
from gateway.services.intake import expected, judge, receive
from gateway.settings import load
from schemas import write
from signing.sign import Variant
from signing.uris import C14N_10, C14N_11
from signing.verify import verify

SHAPES = {
    "enveloped": ("so-tu-phap", Variant(xades=False)),
    "by Id": ("so-tu-phap", Variant(xades=False, by_id=True)),
    "as JDK and .NET write": (
        "so-tu-phap",
        Variant(xades=False, canonicalisation=C14N_10, prefix="", name_canonicalisation=False, key_value=True),
    ),
    "XAdES": ("so-tu-phap", Variant()),
    "XAdES by Id, three references, inclusive": (
        "so-tu-phap",
        Variant(by_id=True, key_info_reference=True, canonicalisation=C14N_11, prefix=""),
    ),
    "XAdES, ECDSA": ("so-tu-phap-ecdsa", Variant()),
}
ALL = bool(os.environ.get("LIENTHONG_ALL_ATTACKS"))
# Of the attacks so many parts are made, and each of the next shapes or samples is given another: (families, attacks of each).
# There are as many shapes and more samples than parts, so that each part of each family goes through the door, and is made on a
# sample.
PARTS = (1, 1) if ALL else (2, 3)
PARTS_OF_A_SAMPLE = (1, 1) if ALL else (5, 3)
TIMES = 50  # what an attack may cost at most, in honest messages of its size; the dearest costs some seven of them
MEMORY_KB = 200 * 1024


@pytest.fixture(scope="module")
def gate():
    """The gate of the samples, with Sở Tư pháp's second kind of key registered too."""
    signer = pki.signer("gateway")
    given = {"key.file": signer.key_pem, "key.certificate": signer.cert_pem}
    settings = load(pki.SAMPLES / "lienthong.toml", env={}, given=given).settings
    parties = pki.parties()
    ecdsa = paper.registered("unregistered")
    agency = parties.get("so-tu-phap")
    agency = replace(agency, certificates=(*agency.certificates, ecdsa))
    others = [party for party in parties if party.id != agency.id]
    return wiring.build(settings, parties=type(parties)([*others, agency]))


@pytest.fixture(scope="module")
def trap():
    """An address that must never be asked for anything, and the list of what it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/bay", asked
    server.shutdown()
    server.server_close()
    thread.join()


_numbers = itertools.count(1)


def arrival(body, sender="so-tu-phap", at=NOW):
    caller = Caller(party=PartyId(sender), by="token")
    number = f"20261124040000000-{next(_numbers):010x}"
    return Envelope.of(body, id=number, caller=caller, channel=Channel.REST, received_at=at)


def seed_of(shape, trap):
    name, variant = SHAPES[shape]
    signer = "unregistered" if name == "so-tu-phap-ecdsa" else name
    return attacks.Seed(paper.signed(HS05, signer, variant), paper.key(signer), paper.key("so-xay-dung"), trap)


def by_the_signature(body, sender, gate, loai="HS05"):
    """The codes that refuse a document before or by its signature, the schema left out; none where it passes."""
    try:
        document = parse(arrival(body, sender), gate.limits)
        checked = Checked(document=document, kind=Kind(loai=loai, goc="-", phien_ban="1.0"))
        verify(checked, gate.trust, gate.parties, NOW)
    except Stopped as stop:
        return {problem.code for problem in stop.problems}
    return set()


def cost(body, gate):
    """CPU seconds of one judgement; the lesser of two, since a first one may load what all later ones use."""

    def once():
        before = time.process_time()
        judge(arrival(body), gate)
        return time.process_time() - before

    return min(once(), once())


def in_honest_messages(attack, gate):
    """What an attack costs, measured by an honest message of its size, judged by the same process in the same moment."""
    content = b"ket qua\n" * (max(80, len(attack.body) - len(HS05)) * 3 // 32)
    file = write.Tep(ma="kq-1", ten="ket-qua.txt", loai="text/plain", noi_dung=content)
    agency, portal = (
        Address(ma_dinh_danh=gate.parties.get(name).identifiers[0]) for name in ("so-tu-phap", "cong-dvc")
    )
    header = write.Header(
        ma_thong_diep=str(uuid.uuid4()),
        loai="HS11",
        noi_gui=agency,
        noi_nhan=(portal,),
        thoi_diem_tao=NOW,
        ma_ho_so="H19.901-260115-0001",
    )
    fields = {
        "MaHoSo": header.ma_ho_so,
        "NgayKetThucXuLy": NOW,
        "DanhSachGiayToKetQua": {"GiayToKetQua": [{"TenGiayTo": "Kết quả", "MaDinhKem": "kq-1"}]},
        "HinhThuc": "0",
    }
    honest = paper.signed(write.thong_diep(header, "TraKetQua", fields, (file,)))
    assert expected(judge(arrival(honest), gate)) is Fate.ACCEPTED
    return cost(attack.body, gate) / cost(honest, gate), attack.name


@pytest.mark.threat(
    "T-XSW", "T-COVERAGE", "T-TRANSFORM", "T-ALGORITHM", "T-KEY", "T-ID", "T-NODE", "T-PRESENCE", "T-XADES"
)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_attack_on_a_signed_message_is_accepted(shape, gate, trap):
    address, asked = trap
    seed = seed_of(shape, address)
    assert expected(judge(arrival(seed.body), gate)) is Fate.ACCEPTED, "the neighbour of all the attacks"
    made = attacks.part(seed, [*SHAPES].index(shape), *PARTS)
    accepted, wrong, costs = [], [], []
    for attack in made:
        before = time.process_time()
        finding = judge(arrival(attack.body), gate)
        costs.append((time.process_time() - before, attack))
        if expected(finding) is not Fate.REJECTED:
            accepted.append(attack.name)
        codes = {problem.code for problem in finding.problems}
        if all(code.startswith("XSD-") for code in codes):
            codes = by_the_signature(attack.body, "so-tu-phap", gate)
        if codes != attack.codes:
            wrong.append((attack.name, sorted(codes), sorted(attack.codes)))
    assert accepted == []
    assert wrong == []
    assert len(made) >= (500 if ALL else 60)
    dearest = [attack for _, attack in sorted(costs, key=lambda row: row[0])[-8 if ALL else -3 :]]
    assert [row for row in (in_honest_messages(attack, gate) for attack in dearest) if row[0] > TIMES] == []
    assert asked == []


CHOSEN = (
    *("HS01-nop-ho-so-toi-thieu", "HS05-tien-do-toi-thieu", "HS11-tra-ket-qua-toi-thieu"),
    *("KY-chung-thu-thu-hai", "KY-kieu-dotnet", "KY-kieu-java", "KY-p384", "KY-rsa-pkcs1", "KY-rsa-pss"),
    *("KY-xades-3-tham-chieu", "KY-xades-c14n-11", "KY-xades-theo-id", "KY-xmldsig-p256"),
    *("VIET-khong-gian-ten-mac-dinh", "VIET-khong-khai-bao", "VIET-tham-chieu-ky-tu", "VIET-xml-lang"),
)


def chosen():
    """A sample of every shape of signature, of every spelling that touches one, and of three kinds of message.

    All samples there are with LIENTHONG_ALL_ATTACKS (make attacks).
    """
    if ALL:
        return sampling.samples("accepted")
    return [sampling.sample(f"accepted/{name}.xml") for name in CHOSEN]


@pytest.mark.threat("T-XSW", "T-COVERAGE", "T-PRESENCE")
@pytest.mark.parametrize("sample", chosen(), ids=lambda sample: sample.name.removeprefix("accepted/"))
def test_no_attack_on_an_accepted_sample_passes_the_signature(sample, gate, trap):
    """The signature alone must refuse them; what the schema would refuse besides is not asked.

    A part of the attacks on each sample, another part on the next, unless LIENTHONG_ALL_ATTACKS asks for all.
    """
    address, asked = trap
    finding = judge(arrival(sample.body, sample.sender), gate)
    if finding.signed_bytes is None:
        assert "SIG-" not in str([problem.code for problem in finding.problems])
        pytest.skip("this sample travels unsigned; there is no signature to attack")
    signer = next(name for name in SIGNERS if pki.signer(name).fingerprint == finding.thong_diep.signer.fingerprint)
    turn = [one.name for one in chosen()].index(sample.name)
    seed = attacks.Seed(sample.body, paper.key(signer), paper.key("stranger"), address)
    made = attacks.part(seed, turn, *PARTS_OF_A_SAMPLE)
    assert len(made) >= (250 if ALL else 10)
    wrong = []
    for attack in made:
        codes = by_the_signature(attack.body, sample.sender, gate, finding.loai)
        if codes != attack.codes:
            wrong.append((attack.name, sorted(codes), sorted(attack.codes)))
    assert wrong == []
    assert asked == []


SIGNERS = ("so-tu-phap", "so-tu-phap-2", "cong-dvc", "ubnd-xa-thu-nghiem", "so-xay-dung", "gateway", "gateway-rsa")


@pytest.fixture(scope="module")
def made(trap):
    """A XAdES message, and attacks of every family on it."""
    seed = seed_of("XAdES", trap[0])
    return seed, attacks.attacks(seed)[:: 1 if ALL else 12]


@pytest.mark.threat("T-NO-EFFECT")
def test_an_attack_leaves_a_record_and_no_effect(gate, store, made):
    """Attacks on a XAdES message, recorded in one tray after the other; then the message itself is accepted as if new."""
    gate = replace(gate, store=store)
    seed, all_made = made
    small = [attack for attack in all_made if len(attack.body) < 100_000]
    envelopes = [arrival(attack.body) for attack in small]
    for start in range(0, len(envelopes), 64):
        for ack in receive(envelopes[start : start + 64], gate, NOW):
            assert ack.fate is Fate.REJECTED
    with store.read() as view:
        assert all(view.message(envelope.id).state == Fate.REJECTED for envelope in envelopes)
        assert view.dossier("H19.901-260115-0001") is None
        assert view.deliveries() == []
        assert [view.head(party.id) for party in gate.parties] == [0] * len(gate.parties)
    (ack,) = receive([arrival(seed.body)], gate, NOW)
    told = [problem.code for problem in ack.problems if problem.code.startswith(("DUP-", "SIG-", "XML-", "XSD-"))]
    assert told == [], "its id is free"


def test_the_attacks_together_stay_within_the_memory_of_one_message(gate, trap):
    """Those that are made to be large, unless LIENTHONG_ALL_ATTACKS asks for all."""
    large = None if ALL else [attacks.shape, attacks.objects, attacks.bombs]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for attack in attacks.attacks(seed_of("XAdES", trap[0]), large):
        judge(arrival(attack.body), gate)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_KB
