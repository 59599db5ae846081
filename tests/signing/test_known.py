"""Both ways of verifying judge the same documents: the quick one (signing.known) and the long one, which is its referee."""

import base64
import itertools
import math
import random
import re
from dataclasses import replace
from datetime import timedelta

import attacks
import paper
import pki
import pytest
import sampling
from lxml import etree
from paper import HS05, KIND, NOW, World, party
from test_attacks import ALL, SHAPES, SIGNERS, arrival, chosen, gate, trap  # noqa: F401 - fixtures

from gateway.core.parties import SignaturePolicy
from gateway.core.problems import Stopped
from gateway.documents import Checked, Kind, parse
from gateway.services.intake import judge
from signing import known
from signing.sign import Variant, sign, variants
from signing.structure import SIGNATURE
from signing.uris import C14N_10, DS, EXC_C14N
from signing.verify import SignatureRefused, verify

LANG = HS05.replace(b"<lt:ThongDiep ", b'<lt:ThongDiep xml:lang="vi" xmlns="urn:x" xmlns:khac="urn:y" ')


@pytest.fixture(autouse=True)
def afresh():
    known.forget()
    yield
    known.forget()


def told(body, there, at=NOW, kind=KIND, composed=False):
    """Everything that verify() says of a document, to be compared; and whether it was told quickly."""
    document = parse(there.envelope(body))
    checked = Checked(document=replace(document, composed=composed), kind=kind)
    try:
        attested = verify(checked, there.trust, there.parties, at)
    except SignatureRefused as refused:
        return ("refused", [problem.as_dict() for problem in refused.problems], refused.verdict), False
    facts = (
        "accepted",
        etree.tostring(attested.root, method="c14n"),
        attested.signed_bytes,
        attested.verdict,
        attested.signer,
        attested.basis,
        attested.evidence,
        [problem.as_dict() for problem in attested.doubts],
    )
    return facts, attested.same


class There(World):
    """The world of paper.py, with the cover that it puts on."""

    envelope = staticmethod(paper.envelope)


class Gated:
    """The registry of the samples."""

    def __init__(self, gate, sender="so-tu-phap"):  # noqa: F811
        self.trust, self.parties, self.sender, self.limits = gate.trust, gate.parties, sender, gate.limits

    def envelope(self, body):
        return arrival(body, self.sender)


class Tally:
    """How often the two ways were held against each other."""

    def __init__(self):
        self.compared = self.quick = self.recognised = 0
        self.differing = []

    def compare(self, name, body, there, **more):
        """Both ways over one document."""
        try:
            recognised = known.look(parse(there.envelope(body)).root) is not None
        except Stopped:
            return None  # it never reaches a signature
        with known.suspended():
            slow, was_quick = told(body, there, **more)
            assert not was_quick
        fast, was_quick = told(body, there, **more)
        self.compared += 1
        self.recognised += recognised
        self.quick += was_quick
        if slow != fast:
            self.differing.append((name, slow, fast))
        return fast[0]


# What is genuine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signer", ["so-tu-phap", "cong-dvc", "ubnd-xa-thu-nghiem", "so-xay-dung"])
def test_every_way_of_signing_that_is_accepted_travels_quickly_from_its_second_message_on(signer):
    key = paper.key(signer)
    there = There(party(signer))
    least = {"ubnd-xa-thu-nghiem": 384, "so-xay-dung": 512}.get(signer, 256)
    tally = Tally()
    slow = []
    for variant in [one for one in variants(key.certificate.family) if one.bits >= least][:: 1 if ALL else 5]:
        first, second = (
            sign(body, key, variant, at=at)
            for body, at in (
                (LANG, NOW),
                (LANG.replace(b"Th\xe1\xbb\x8b", b"Th\xe1\xbb\x8b V\xc4\x83n"), NOW - timedelta(hours=1)),
            )
        )
        assert told(first, there)[0][0] == "accepted", variant
        before = tally.quick
        assert tally.compare(variant, second, there) == "accepted", variant
        if tally.quick == before:
            slow.append(variant)
    assert tally.differing == []
    assert slow == []
    assert tally.quick == tally.compared >= (54 if ALL else 54 // 5)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("many lines", lambda body: re.sub(rb"></(?!lt:|hs:)", b">\n</", body)),
        (
            "a root with the signature's prefix",
            lambda body: body.replace(b"<lt:ThongDiep ", b'<lt:ThongDiep xmlns:ds="%b" ' % DS.encode()),
        ),
    ],
)
@pytest.mark.parametrize("c14n", [EXC_C14N, C14N_10])
def test_what_stands_round_a_signature_changes_nothing(what, change, c14n):
    there, key = There(), paper.key()
    variant = Variant(canonicalisation=c14n)
    tally = Tally()
    for _ in range(3):
        body = sign(change(HS05), key, variant, at=NOW)
        assert tally.compare(what, body, there) == "accepted"
        told(body, there)
    assert tally.differing == []
    assert tally.quick == 2


def test_shapes_that_differ_only_in_who_refers_to_whom_are_both_known():
    there, key = There(), paper.key()
    bodies = [HS05, HS05.replace(b"<lt:ThongDiep ", b'<lt:ThongDiep Id="goc" ')]
    for body in bodies:
        told(sign(body, key, at=NOW), there)
    assert kept() == 2
    tally = Tally()
    for body in bodies:
        assert tally.compare("the root's Id", sign(body, key, at=NOW), there) == "accepted"
    assert (tally.differing, tally.quick) == ([], 2)


def test_the_order_of_rules_and_a_policy_hold_on_the_quick_way_too():
    key = paper.key()
    there = There()
    told(sign(HS05, key, at=NOW), there)
    tally = Tally()
    late = There(party(paper.registered(paper.SIGNER, valid_to=NOW - timedelta(days=1))))
    strict = There(party(paper.SIGNER, policy=SignaturePolicy(timestamp=True)))
    body = sign(HS05, key, at=NOW)
    for world in (late, strict, There(party("so-tu-phap-2"))):
        assert tally.compare("policy", body, world) == "refused"
    assert tally.compare("clock", sign(HS05, key, at=NOW + timedelta(hours=1)), there) == "refused"
    assert tally.compare("old", body, there, at=NOW + timedelta(days=9000)) == "refused"
    assert tally.differing == []
    assert tally.recognised == tally.compared


def test_a_message_of_ours_is_judged_alike(gate):  # noqa: F811
    there = There(own=[paper.key("gateway").certificate_der])
    told(sign(HS05, paper.key("gateway"), at=NOW), there, composed=True)
    tally = Tally()
    assert tally.compare("ours", sign(HS05, paper.key("gateway"), at=NOW), there, composed=True) == "accepted"
    assert tally.compare("not ours", sign(HS05, paper.key(), at=NOW), there, composed=True) == "refused"
    assert (tally.differing, tally.quick, tally.recognised) == ([], 1, 1)


def test_a_shape_is_known_only_after_the_long_way_has_accepted_one(monkeypatch):
    there = There()
    forged = paper.signed().replace(b"<hs:TrangThai>4", b"<hs:TrangThai>9")
    assert told(forged, there)[0][0] == "refused"
    assert known._shapes == {}
    told(paper.signed(), there)
    assert kept() == 1
    monkeypatch.setattr(known, "MOST", 3)
    for prefix in "abcdef":
        told(paper.signed(variant=Variant(prefix=prefix)), there)
    assert kept() == 3


def kept():
    """How many shapes are known."""
    return sum(map(len, known._shapes.values()))


def named(signer, spaces=0):
    """Signed, with the signer's name beside its certificate, as many programs write it, and so many spaces before it."""
    name = f"</ds:X509Certificate>{' ' * spaces}<ds:X509SubjectName>CN={signer}</ds:X509SubjectName>"
    return paper.signed(signer=signer).replace(b"</ds:X509Certificate>", name.encode())


def test_who_writes_its_own_name_travels_quickly_however_many_others_do(monkeypatch):
    monkeypatch.setattr(known, "MOST", 3)
    signers = ["so-tu-phap", "so-tu-phap-2", "so-xay-dung", "ubnd-xa-thu-nghiem"]
    there = There(party(*signers))
    for quickly in (False, True):
        for signer in signers:
            facts, was_quick = told(named(signer), there)
            assert (facts[0], was_quick) == ("accepted", quickly), signer


def test_who_signs_in_ever_new_ways_has_its_own_shapes_forgotten_and_nobody_elses(monkeypatch):
    monkeypatch.setattr(known, "MOST", 3)
    there = There(party("so-tu-phap", "so-xay-dung"))
    told(named("so-xay-dung"), there)
    for spaces in range(9):
        assert told(named("so-tu-phap", spaces), there)[0][0] == "accepted"
    assert told(named("so-xay-dung"), there)[1]
    assert kept() == 1 + 3


def test_shapes_are_kept_of_so_many_certificates_and_no_more(monkeypatch):
    monkeypatch.setattr(known, "CERTIFICATES", 2)
    there = There(party("so-tu-phap", "so-tu-phap-2", "so-xay-dung"))
    for signer in ("so-tu-phap", "so-tu-phap-2", "so-xay-dung"):
        told(paper.signed(signer=signer), there)
    assert len(known._shapes) == 2
    assert [told(paper.signed(signer=signer), there)[1] for signer in ("so-xay-dung", "so-tu-phap")] == [True, False]


# What is not ----------------------------------------------------------------------------------------------------------


@pytest.mark.threat(
    "T-XSW", "T-COVERAGE", "T-TRANSFORM", "T-ALGORITHM", "T-KEY", "T-ID", "T-NODE", "T-PRESENCE", "T-XADES"
)
@pytest.mark.parametrize("shape", SHAPES)
def test_both_ways_say_the_same_of_every_attack(shape, gate, trap):  # noqa: F811
    name, variant = SHAPES[shape]
    signer = "unregistered" if name == "so-tu-phap-ecdsa" else name
    seed = attacks.Seed(paper.signed(HS05, signer, variant), paper.key(signer), paper.key("so-xay-dung"), trap[0])
    against(seed, Gated(gate), turn=9 + [*SHAPES].index(shape))


@pytest.mark.threat("T-XSW", "T-COVERAGE", "T-PRESENCE")
@pytest.mark.parametrize(
    "sample", chosen() if ALL else chosen()[::2], ids=lambda sample: sample.name.removeprefix("accepted/")
)
def test_both_ways_say_the_same_of_every_attack_on_a_sample(sample, gate, trap):  # noqa: F811
    finding = judge(arrival(sample.body, sample.sender), gate)
    if finding.signed_bytes is None:
        pytest.skip("this sample travels unsigned; there is no signature to attack")
    signer = next(name for name in SIGNERS if pki.signer(name).fingerprint == finding.thong_diep.signer.fingerprint)
    seed = attacks.Seed(sample.body, paper.key(signer), paper.key("stranger"), trap[0])
    against(
        seed, Gated(gate, sample.sender), turn=[one.name for one in chosen()].index(sample.name) // (1 if ALL else 2)
    )


# Of the attacks: (families, attacks of each), of each next seed others; all seeds together ask for all.
PARTS = (1, 1) if ALL else (5, 3)
EACH = math.prod(PARTS)


def against(seed, there, *, turn):
    """Attacks as they are, and once more with what they did to the rest of the document under the seed's own signature.

    All of them, and all neighbours, with LIENTHONG_ALL_ATTACKS (make attacks-known).
    """
    kind = Kind(loai="HS05", goc="-", phien_ban="1.0")
    assert told(seed.body, there, kind=kind)[0][0] == "accepted"
    assert told(seed.body, there, kind=kind)[1], "the neighbour of all the attacks travels quickly"
    tally = Tally()
    made = [attack.body for attack in attacks.part(seed, turn, *PARTS)]
    cut_again = {again for body in made if (again := cut(body, seed.body)) is not None}
    mutated = list(mutations(seed.body, 100))[turn % EACH :: EACH]
    for number, body in enumerate(itertools.chain(made, sorted(cut_again), mutated)):
        outcome = tally.compare(number, body, there, kind=kind)
        if outcome == "accepted":  # what changes nothing that is signed: white space behind the root, a quoting
            assert told(body, there, kind=kind)[0][1:3] == told(seed.body, there, kind=kind)[0][1:3], body
    assert tally.differing == []
    assert tally.recognised >= (200 if ALL else 2), "too few came as far as the quick way"


def cut(attacked, original):
    """The attack's document with the original's signature as its last child, so that it travels in a known shape."""
    parser = etree.XMLParser(resolve_entities=False)
    try:
        root, seed = etree.fromstring(attacked, parser), etree.fromstring(original, parser)
    except etree.XMLSyntaxError:
        return None
    if root.getroottree().docinfo.doctype:
        return None
    for own in list(root.iterchildren(SIGNATURE)):
        root.remove(own)
    root.append(seed[-1])
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def mutations(body, count):
    """The same document with something changed: every value of the signature in several ways, and bytes anywhere."""
    chance = random.Random(11)
    start = re.search(rb"<(?:[\w.-]+:)?Signature[ >]", body).start()
    values = re.finditer(rb'(?<=>)[^<>]{4,}(?=</)|(?<==")[^"]*(?=")', body[start:])
    for match in values:
        at, text = start + match.start(), match[0]
        for other in altered(text, chance):
            yield body[:at] + other + body[at + len(text) :]
    for _ in range(count):
        at = chance.randrange(len(body))
        yield body[:at] + bytes([body[at] ^ (1 << chance.randrange(7))]) + body[at + 1 :]


def altered(text, chance):
    middle = len(text) // 2
    yield text[:middle] + b"\n" + text[middle:]
    yield text[:middle] + b" " + text[middle:]
    yield text[:middle] + b"&#13;\n" + text[middle:]
    yield text[:middle] + b"&#x41;" + text[middle + 1 :]
    yield b" " + text + b" "
    yield text[:-1]
    yield text + b"A"
    yield b""
    yield text[:middle] + (b"B" if text[middle : middle + 1] != b"B" else b"C") + text[middle + 1 :]
    if text.endswith(b"="):  # other bits where nothing counts them
        letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        last = text.rstrip(b"=")
        yield last[:-1] + letters[letters.index(last[-1:]) ^ 1 : (letters.index(last[-1:]) ^ 1) + 1] + text[len(last) :]
        yield last
    if re.fullmatch(rb"\d{4}-.*Z", text):
        yield from (b"2026-11-24T03:59:60Z", b"2026-02-30T04:00:00Z", b"0000-01-01T00:00:00Z", b"2026-11-23T24:00:00Z",
                       b"2026-11-24T18:30:00+14:30", b"2026-11-24T04:00:00.1234567Z", b"2026-11-24T04:00:00", b"2026-11-24T11:00:00+07:00")  # fmt: skip


def test_a_signature_of_another_key_in_a_known_shape_is_refused_with_the_same_words():
    there = There(party("so-tu-phap", "so-tu-phap-2"))
    mine, other = paper.signed(), paper.signed(signer="so-tu-phap-2")
    told(mine, there)
    told(other, there)
    tally = Tally()
    value = re.compile(rb"(?<=SignatureValue>)[^<]+")
    mixed = value.sub(value.search(other)[0], mine)
    assert tally.compare("value of another key", mixed, there) == "refused"
    certificate = re.compile(rb"(?<=X509Certificate>)[^<]+")
    stranger = certificate.sub(base64.b64encode(pki.signer("stranger").der), mine)
    assert tally.compare("certificate of a stranger", stranger, there) == "refused"
    assert (
        tally.compare("certificate of the other", certificate.sub(certificate.search(other)[0], mine), there)
        == "refused"
    )
    assert (tally.differing, tally.recognised) == ([], 2)  # a stranger's certificate has taught nothing


@pytest.mark.parametrize(
    "sample",
    (sampling.samples("accepted") + sampling.samples("rejected"))[:: 1 if ALL else 5],
    ids=lambda sample: sample.name,
)
def test_both_ways_judge_every_sample_and_its_neighbours_alike(sample, gate):  # noqa: F811
    """The whole judgement; a shape is known from the sample itself, where it is accepted."""
    first = judge(arrival(sample.body, sample.sender), gate)
    neighbours = [sample.body]
    if first.signed_bytes is not None and SIGNATURE.encode()[1:30] in sample.body:
        neighbours += list(mutations(sample.body, 10))[:: 20 if ALL else 50]
    for body in neighbours:
        quick = judge(arrival(body, sample.sender), gate)
        with known.suspended():
            slow = judge(arrival(body, sample.sender), gate)
        assert outcome(quick) == outcome(slow)


def outcome(finding):
    return (
        finding.problems,
        finding.verdict,
        finding.signed_bytes,
        finding.thong_diep,
        finding.ma_thong_diep,
        finding.loai,
        finding.ma_ho_so,
        finding.evidence,
        finding.composed is None,
    )
