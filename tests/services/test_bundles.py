"""The evidence of one message: gathered from the records, packed, and checked again without them."""

import asyncio
import io
import json
import shutil
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dated as letters
import pki
import pytest
import server
from arrivals import arrival
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dated import NOW
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.pki import Pki
from gateway import wiring
from gateway.core import chain
from gateway.core.ledger import LogLine
from gateway.core.model import BodyForm, Fate
from gateway.core.parties import SignatureDemand
from gateway.core.problems import Stopped
from gateway.documents import parse_bytes
from gateway.services import profiles
from gateway.services.archiving import ArchiveKeeper, make_archive
from gateway.services.bundles import HEAD_LINES, gather, seal_log
from gateway.services.certificate_status import Sources, refresh
from gateway.services.intake import receive, recheck
from gateway.services.restored import read_receipts
from gateway.store import Store, open_engine
from gateway.store.archives import Archives, month_of
from schemas.digests import schema_digests
from signing.evidence import read_bundle, verify_bundle, write_bundle
from signing.heads import HEAD, Heads
from signing.keyfiles import certificates_in
from signing.selfsigned import fresh_key
from signing.sign import SigningKey, sign
from signing.trust import TrustView

PORTAL, AGENCY = "cong-dvc", "so-tu-phap"
PROVEN = ["files", "digest", "certificates", "anchors", "status", "signature", "receipt", "log", "schemas"]


def with_kept_evidence(gate, sample_settings):
    """The gate after a round of asking, so that the lists it rests on are on record."""
    sources = [Sources(tree=tree.name, crl_files=tree.crls) for tree in sample_settings.trust.trees]

    async def ask():
        async with Pki() as pki_:
            await refresh(gate.store, gate.trust, gate.parties, sources, NOW, pki=pki_, force=True)

    asyncio.run(ask())
    return wiring.renewed(gate, sample_settings) or gate


def gathered(gate, message):
    return gather(
        gate.store,
        gate.trust,
        gate.parties,
        message,
        own_identifier=gate.identity.ma_dinh_danh,
        own=[gate.key.certificate_der],
        profile=profiles.from_text,
    )


@pytest.fixture
def judged(gate, sample_settings):
    """A gate, and the parts of a message that it accepted."""
    gate = with_kept_evidence(gate, sample_settings)
    body = letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY)
    (answer,) = receive([arrival(body, PORTAL)], gate, NOW)
    assert answer.fate is Fate.ACCEPTED
    return gate, gathered(gate, answer.message)


@pytest.fixture(scope="module")
def parts(bare_gate, sample_settings, sqlite_template, tmp_path_factory):
    """The parts of an accepted message, for tests that harm them; what they are does not depend on the database."""
    path = tmp_path_factory.mktemp("parts") / "lienthong.db"
    shutil.copyfile(sqlite_template, path)
    gate = with_kept_evidence(replace(bare_gate, store=Store(open_engine(f"sqlite:///{path}"))), sample_settings)
    (answer,) = receive([arrival(letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), PORTAL)], gate, NOW)
    yield gathered(gate, answer.message)
    gate.store.dispose()


def statuses(report):
    return {fit.step: fit.status for fit in report.fits}


def misfit(data, **more):
    found = verify_bundle(data, **more).first_misfit
    return None if found is None else (found.step, found.problem.code)


def anchors_of(parts):
    return frozenset(one for tree in parts.trees for one in tree.anchors) | frozenset(parts.own)


def test_a_bundle_holds_everything_and_fits_together(judged):
    _, parts = judged
    report = verify_bundle(write_bundle(parts), anchors=anchors_of(parts), schemas=schema_digests())
    expected = dict.fromkeys(PROVEN, "passed") | dict.fromkeys(("documents", "attached", "head"), "not-applicable")
    assert statuses(report) == expected, report.first_misfit
    assert report.passed
    assert parts.evidence.keys() == set(parts.verdict["facts"]["status"]["evidence"])
    assert "phongbi/1.0/ThongDiep.xsd" in parts.schemas


def test_a_bundle_of_an_archived_message_proves_what_it_proved_before(judged, sample_settings, tmp_path):
    gate, before = judged
    store = gate.store
    store.archives = Archives(tmp_path)
    keeper = ArchiveKeeper(
        store=store,
        archives=store.archives,
        key=gate.key,
        certificates=tuple(wiring.own_certificates(sample_settings)),
        gateway="H19.900",
    )
    with store.read() as view:
        month = month_of(view.message(before.message).received_at)
    make_archive(keeper, month, NOW)
    after = gathered(gate, before.message)
    with store.read() as view:
        assert view.archives()[0].bodies >= 2  # the message and its receipt are not in the database any more
    reports = [
        verify_bundle(write_bundle(one), anchors=anchors_of(one), schemas=schema_digests()) for one in (before, after)
    ]
    assert [report.passed for report in reports] == [True, True]
    assert statuses(reports[0]) == statuses(reports[1])
    assert replace(after, log=before.log, log_start=before.log_start) == before  # the log has gone on
    assert after.log[: len(before.log)] == before.log


def test_without_anchors_of_ones_own_the_report_says_that_they_are_taken_as_given(parts):
    report = verify_bundle(write_bundle(parts))
    assert statuses(report)["anchors"] == "undetermined"
    assert report.passed
    assert misfit(write_bundle(parts), anchors=frozenset()) == ("anchors", "SIG-131")


def test_the_same_parts_make_the_same_bytes_and_come_back_the_same(parts):
    data = write_bundle(parts)
    assert write_bundle(parts) == data
    assert write_bundle(read_bundle(data)) == data


def test_a_rejected_message_has_a_bundle_too(gate):
    body = letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY)
    body = body.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>A", 1)
    (answer,) = receive([arrival(body, PORTAL)], gate, NOW)
    assert answer.fate is Fate.REJECTED
    parts = gathered(gate, answer.message)
    report = verify_bundle(write_bundle(parts))
    assert report.passed, report.first_misfit
    assert parts.signed is None


def test_what_is_not_on_record_or_erased_has_no_bundle(judged):
    gate, parts = judged
    with pytest.raises(Stopped) as caught:
        gathered(gate, "khong-co")
    assert [problem.code for problem in caught.value.problems] == ["SIG-132"]
    with gate.store.begin() as tx:
        tx.erase({parts.message: [parts.digest]}, who="operator:thu", reason="hết hạn lưu", now=NOW)
    with pytest.raises(Stopped) as caught:
        gathered(gate, parts.message)
    assert [problem.code for problem in caught.value.problems] == ["SIG-133"]


# Every way in ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(bare_gate, sample_settings, sqlite_store):
    """A gate over SQLite with its evidence on record; the agency may send without a signature, and typed."""
    gate = with_kept_evidence(replace(bare_gate, store=sqlite_store), sample_settings)
    agency = gate.parties.get(AGENCY)
    agency = replace(
        agency, typed_submissions=True, signature=replace(agency.signature, default=SignatureDemand.ACCEPTED)
    )
    return replace(gate, parties=type(gate.parties)(agency if p.id == AGENCY else p for p in gate.parties))


def fit_of(gate, envelope, fate=Fate.ACCEPTED):
    (answer,) = receive([envelope], gate, envelope.received_at)
    assert answer.fate is fate, answer.problems
    parts = gathered(gate, answer.message)
    report = verify_bundle(write_bundle(parts), anchors=anchors_of(parts), schemas=schema_digests())
    assert report.passed, report.first_misfit
    return parts, statuses(report)


def filed(gate):
    """A dossier that the agency has taken in."""
    code = letters.ma_ho_so(AGENCY)
    body = letters.nop(code, to=AGENCY)
    taken = letters.tiep_nhan(code, sender=AGENCY)
    answers = receive([arrival(body, PORTAL), arrival(taken, AGENCY)], gate, NOW)
    assert {answer.fate for answer in answers} == {Fate.ACCEPTED}
    return code


def test_a_message_on_the_word_of_the_channel_has_a_bundle_that_says_so(small):
    parts, found = fit_of(small, arrival(letters.tien_do(filed(small), 4, sender=AGENCY, signer=""), AGENCY))
    assert (parts.basis, parts.signed, found["signature"], found["receipt"]) == (
        "channel",
        None,
        "not-applicable",
        "passed",
    )
    forged = replace(parts, basis="signature")
    assert misfit(write_bundle(forged))[0] == "signature"


def test_what_the_gateway_composed_is_proven_by_its_own_signature(small):
    fields = {"MaHoSo": filed(small), "NguoiXuLy": "A", "ThoiDiemXuLy": "20260116080000", "TrangThai": "4"}
    packet = replace(arrival(json.dumps(fields).encode(), AGENCY), form=BodyForm.CAP_NHAT_TIEN_DO_MC)
    parts, found = fit_of(small, packet)
    assert (parts.basis, found["signature"], found["anchors"]) == ("composed", "passed", "passed")
    assert parts.composed not in (None, parts.original)
    forged = replace(
        parts, composed=parts.composed.replace(b"<lt:NguoiGui", b"<lt:nguoiGui").replace(b"2026", b"2027", 1)
    )
    assert misfit(write_bundle(forged)) == ("signature", "SIG-124")


def test_a_time_stamp_is_judged_again_by_the_tree_that_vouched_for_it(small):
    now = NOW.replace(microsecond=0)
    body = letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY, signer="")
    signed = sign(body, letters.key(PORTAL), at=now, stamper=server.stamper(now))
    parts, found = fit_of(small, arrival(signed, PORTAL))
    assert (parts.verdict["facts"]["form"], found["signature"]) == ("xades-b-t", "passed")
    assert {tree.name for tree in parts.trees} == {"chinh-phu", "quoc-gia"}
    early = parts.verdict["facts"]["timestamps"][0] | {"time": "2020-01-01T00:00:00+00:00"}
    facts = parts.verdict["facts"] | {"timestamps": [early]}
    assert misfit(write_bundle(replace(parts, verdict=parts.verdict | {"facts": facts}))) == ("signature", "SIG-127")


def test_a_held_message_has_a_bundle_without_a_receipt(small):
    unknown = replace(small, trust=TrustView.build(small.parties, small.trust.trees.values()))
    parts, found = fit_of(unknown, arrival(letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), PORTAL), Fate.HELD)
    assert (parts.state, parts.receipt, found["receipt"], found["log"]) == ("held", None, "not-applicable", "passed")


# Another key since it came ---------------------------------------------------------------------------------------------


def with_a_new_key(gate, begins):
    """The gate after its key was changed for one whose certificate is not as old."""
    private, certificate = fresh_key("Trục liên thông", begins + timedelta(hours=1))
    key = SigningKey.of(load_pem_private_key(private, None), certificates_in(certificate)[0])
    assert key.certificate.not_before == begins
    known = gate.trust
    trust = TrustView(
        certificates={**known.certificates, key.fingerprint: key.certificate},
        trees=known.trees,
        verdicts=known.verdicts,
        own=known.own | {key.fingerprint},
        version=known.version,
    )
    return replace(gate, key=key, trust=trust)


def signed_at(document):
    return datetime.fromisoformat(parse_bytes(document).findtext(".//{*}SigningTime"))


def judged_under_a_new_key(gate, message, tmp_path):
    """The parts of a message that is judged again two hours later, under a key that is an hour old."""
    begins = NOW.replace(microsecond=0) + timedelta(hours=1)
    later = with_a_new_key(gate, begins)
    (again,) = recheck([message], later, NOW + timedelta(hours=2))
    assert (again.fate, [problem.code for problem in again.problems]) == (Fate.ACCEPTED, [])
    parts = gathered(later, message)
    assert (parts.received_at, signed_at(parts.receipt)) == (NOW, begins)
    report = verify_bundle(write_bundle(parts), anchors=anchors_of(parts), schemas=schema_digests())
    assert report.passed, report.first_misfit
    held = tmp_path / "bien-nhan.xml"
    held.write_bytes(parts.receipt)
    when = NOW + timedelta(days=1)
    (read,) = read_receipts(gate.store, [held], [later.key.certificate], gate.parties, gate.limits, when)
    assert (read.problem, read.number, read.on_record) == (None, message, True)
    return parts, begins, statuses(report)


def test_what_was_signed_before_our_key_began_is_acknowledged_by_it_from_its_first_moment_on(small, tmp_path):
    unknown = replace(small, trust=TrustView.build(small.parties, small.trust.trees.values()))
    (held,) = receive([arrival(letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), PORTAL)], unknown, NOW)
    assert held.fate is Fate.HELD
    _, _, found = judged_under_a_new_key(small, held.message, tmp_path)
    assert (found["signature"], found["receipt"]) == ("passed", "passed")


def test_a_packet_that_came_before_our_key_began_is_composed_anew_under_it(small, tmp_path):
    code = letters.ma_ho_so(AGENCY)
    fields = {"MaHoSo": code, "NguoiXuLy": "A", "ThoiDiemXuLy": "20260116080000", "TrangThai": "4"}
    packet = replace(arrival(json.dumps(fields).encode(), AGENCY), form=BodyForm.CAP_NHAT_TIEN_DO_MC)
    (refused,) = receive([packet], small, NOW)
    assert refused.fate is Fate.REJECTED  # its dossier is not here yet
    filing = [arrival(letters.nop(code, to=AGENCY), PORTAL), arrival(letters.tiep_nhan(code, sender=AGENCY), AGENCY)]
    assert {answer.fate for answer in receive(filing, small, NOW)} == {Fate.ACCEPTED}
    parts, begins, found = judged_under_a_new_key(small, refused.message, tmp_path)
    assert (parts.basis, found["signature"], found["receipt"]) == ("composed", "passed", "passed")
    assert signed_at(parts.composed) == begins


# The first thing that does not fit ------------------------------------------------------------------------------------


def other(parts):
    return parts.original.replace(b"</lt:ThongDiep>", b" </lt:ThongDiep>")


TAMPERED = {
    "original": (lambda p: replace(p, original=other(p)), ("digest", "SIG-123")),
    "original and its digest": (
        lambda p: replace(p, original=other(p), digest=__import__("hashlib").sha256(other(p)).hexdigest()),
        ("signature", "SIG-124"),
    ),
    "signed bytes": (lambda p: replace(p, signed=p.signed + b" "), ("signature", "SIG-125")),
    "verdict": (
        lambda p: replace(p, verdict={**p.verdict, "annex_i": {"conforms": True, "deviations": ["x"]}}),
        ("signature", "SIG-127"),
    ),
    "status": (
        lambda p: replace(
            p,
            verdict={
                **p.verdict,
                "facts": {
                    **p.verdict["facts"],
                    "status": {**p.verdict["facts"]["status"], "until": "2099-01-01T00:00:00+00:00"},
                },
            },
        ),
        ("status", "SIG-126"),
    ),
    "revocation evidence": (
        lambda p: replace(p, evidence={name: body[:-1] + b"\0" for name, body in p.evidence.items()}),
        ("certificates", "SIG-122"),
    ),
    "a certificate": (
        lambda p: replace(p, certificates={name: pki.signer("stranger").der for name in p.certificates}),
        ("certificates", "SIG-122"),
    ),
    "another party's registration": (
        lambda p: replace(p, registration=replace(p.registration, identifiers=("H19.901",))),
        ("signature", "SIG-124"),
    ),
    "the receipt of another message": (lambda p: replace(p, receipt=p.original), ("receipt", "SIG-128")),
    "a log line": (
        lambda p: replace(p, log=(replace(p.log[0], who="operator:ai"), *p.log[1:])),
        ("log", "SIG-129"),
    ),
    "no log": (lambda p: replace(p, log=()), ("log", "SIG-121")),
    "no receipt": (lambda p: replace(p, receipt=None), ("receipt", "SIG-121")),
    "no verdict": (lambda p: replace(p, verdict={}), ("signature", "SIG-127")),
    "the message's id": (lambda p: replace(p, message="20260101000000000-0000000000"), ("receipt", "SIG-128")),
    "what became of it": (lambda p: replace(p, state="rejected"), ("receipt", "SIG-128")),
    "why": (lambda p: replace(p, problems=({"code": "SIG-064"},)), ("log", "SIG-129")),
    "who brought it": (lambda p: replace(p, party="so-tai-chinh"), ("log", "SIG-129")),
    "its type": (lambda p: replace(p, loai="HS05"), ("log", "SIG-129")),
    "when it came": (
        lambda p: replace(p, received_at=p.received_at + timedelta(seconds=1)),
        ("signature", "SIG-127"),
    ),
    "the facts of the verdict": (
        lambda p: replace(p, verdict={**p.verdict, "facts": {**p.verdict["facts"], "signing_time": None}}),
        ("signature", "SIG-127"),
    ),
    "played down to the word of the channel": (
        lambda p: replace(p, basis="channel", signed=None, signed_digest=None),
        ("log", "SIG-129"),
    ),
    "played down, with a verdict to match": (
        lambda p: replace(
            p, basis="channel", signed=None, signed_digest=None, verdict={**p.verdict, "basis": "channel"}, documents=()
        ),
        ("log", "SIG-129"),
    ),
    "a certificate that is not there": (
        lambda p: replace(p, certificates=dict(list(p.certificates.items())[1:])),
        ("certificates", "SIG-121"),
    ),
    "received before the certificate": (
        lambda p: replace(p, received_at=datetime(2020, 1, 1, tzinfo=UTC)),
        ("signature", "SIG-124"),
    ),
}


@pytest.mark.threat("T-EVIDENCE")
@pytest.mark.parametrize("what", TAMPERED)
def test_the_first_thing_that_does_not_fit_is_named(what, parts):
    change, expected = TAMPERED[what]
    assert misfit(write_bundle(change(parts))) == expected


def test_another_witness_of_the_log_is_heard(parts):
    last = parts.log[-1]
    assert misfit(write_bundle(parts), witnesses={last.number: last.hash}) is None
    assert misfit(write_bundle(parts), witnesses={last.number: "0" * 64}) == ("log", "SIG-129")


def test_another_schema_is_named(parts):
    known = dict(schema_digests())
    known["phongbi/1.0/ThongDiep.xsd"] = "0" * 64
    assert misfit(write_bundle(parts), schemas=known) == ("schemas", "SIG-130")


@pytest.mark.threat("T-EVIDENCE")
def test_a_log_of_before_bases_stood_in_it_does_not_prove_that_nothing_was_signed(parts):
    before, lines = parts.log_start.hash, []
    for line in parts.log:
        facts = {k: v for k, v in line.facts.items() if k not in ("basis", "verdict", "message", "schemas")}
        before = chain.link(before, replace(line, facts=facts))
        lines.append(replace(line, facts=facts, hash=before))
    old = replace(parts, log=tuple(lines))
    assert statuses(verify_bundle(write_bundle(old)))["signature"] == "passed"
    played_down = replace(old, basis="channel", signed=None, signed_digest=None)
    assert statuses(verify_bundle(write_bundle(played_down)))["signature"] == "undetermined"


def test_schemas_that_came_after_the_judgement_are_said_to_be_others(parts):
    since = {**parts.schemas, "hoso/9.9/Moi.xsd": "0" * 64}
    report = verify_bundle(write_bundle(replace(parts, schemas=since)), schemas=since)
    assert (misfit(write_bundle(parts), schemas=dict(parts.schemas)), statuses(report)["schemas"]) == (
        None,
        "undetermined",
    )


# Heads of the log ---------------------------------------------------------------------------------------------------


def sealed(gate, at=NOW):
    return seal_log(gate.store, gate.key, gateway=gate.identity.ma_dinh_danh, now=at, every=timedelta(hours=1))


def noted(gate, count):
    with gate.store.begin() as tx:
        for _ in range(count):
            tx.note(LogLine(what="test", who="gateway"), NOW)


@pytest.mark.threat("T-LOG-HEAD")
def test_the_head_is_signed_once_an_hour_when_something_has_happened(gate):
    assert sealed(gate) is None  # an empty log has no head
    noted(gate, 1)
    assert sealed(gate).number == 1
    assert sealed(gate, NOW + timedelta(hours=2)) is None  # nothing but the head itself has happened
    noted(gate, 1)
    assert sealed(gate, NOW + timedelta(minutes=59)) is None
    assert sealed(gate, NOW + timedelta(hours=1)).number == 3
    noted(gate, HEAD_LINES)
    assert sealed(gate, NOW + timedelta(hours=1, seconds=10)) is not None  # very much has been written
    with gate.store.read() as view:
        heads = Heads([gate.key.certificate])
        assert chain.verify_chain(heads.through(view.log_entries())).whole
        assert (heads.seen, heads.newest.number, heads.wrong) == (3, 4 + HEAD_LINES, [])


def test_what_was_written_between_a_head_and_its_line_is_signed_at_the_next_turn(gate):
    noted(gate, 2)
    with gate.store.begin() as tx:  # as where somebody wrote entry 2 while the head of entry 1 was being signed
        tx.note(LogLine(what=HEAD, who="gateway", facts={"number": 1}), NOW)
    assert sealed(gate, NOW + timedelta(minutes=59)) is None
    assert sealed(gate, NOW + timedelta(hours=1)).number == 3
    assert sealed(gate, NOW + timedelta(hours=3)) is None


@pytest.mark.threat("T-LOG-HEAD")
def test_a_signed_head_after_the_message_is_in_its_bundle_and_covers_it(judged):
    gate, before = judged
    sealed(gate, NOW)
    parts = gathered(gate, before.message)
    assert parts.log[-1].what == HEAD
    report = verify_bundle(write_bundle(parts), anchors=anchors_of(parts), schemas=schema_digests())
    assert (report.first_misfit, statuses(report)["head"]) == (None, "passed")
    cut = replace(parts, log=parts.log[1:], log_start=chain.Head(parts.log[0].number, parts.log[0].hash))
    assert misfit(write_bundle(cut))[0] == "log"  # the judgement is gone


def repacked(data, change):
    """The zip with its members changed by ``change(dict)``; the list inside stays."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda f: f.pop("receipt.xml"), "SIG-121"),
        (lambda f: f.update({"receipt.xml": b"khac"}), "SIG-122"),
        (lambda f: f.update({"them.xml": b"khac"}), "SIG-122"),
        (lambda f: f.pop("bundle.json"), "SIG-120"),
        (lambda f: f.update({"bundle.json": b"{}"}), "SIG-120"),
        (lambda f: f.update({"../../etc/passwd": b"x"}), "SIG-120"),
        (lambda f: f.update({f"evidence/{n:064x}.bin": b"" for n in range(600)}), "SIG-120"),
        (
            lambda f: f.update(
                {"bundle.json": json.dumps({**json.loads(f["bundle.json"]), "format": "khac"}).encode()}
            ),
            "SIG-120",
        ),
    ],
)
def test_a_zip_that_is_not_as_its_list_says_is_refused(change, code, parts):
    assert misfit(repacked(write_bundle(parts), change)) == ("files", code)


def test_a_zip_bomb_is_refused():
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("original.bin", "w") as file,
    ):
        for _ in range(130):
            file.write(bytes(2**20))
    assert misfit(out.getvalue()) == ("files", "SIG-120")


@given(st.binary(max_size=300))
@settings(max_examples=30)
def test_no_bytes_make_it_raise(data):
    assert verify_bundle(data).first_misfit.step == "files"


def test_time_passes_and_the_bundle_still_fits(parts, monkeypatch):
    """Nothing in the check asks what time it is: a bundle is judged as of its message's arrival."""
    data = write_bundle(parts)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=20 * 365)

    for module in ("signing.evidence", "signing.verify", "signing.status", "signing.trust"):
        monkeypatch.setattr(f"{module}.datetime", Later)
    assert verify_bundle(data).passed
