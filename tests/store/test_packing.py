"""What is kept in fewer bytes comes back as it was; stores of before are read, compared and continued."""

import hashlib
import re
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import sampling
from sqlalchemy import text

from gateway.core import chain
from gateway.core.ledger import enter
from gateway.core.problems import Problem
from gateway.store import Conflict, Store, packing
from gateway.store.archives import ArchivedBody, ArchiveReader, ArchiveWriter, opened, pattern_of
from gateway.store.compare import compare_with_log
from gateway.store.errors import Garbled
from gateway.store.packing import Pattern, certificate_mark, markup, pack, unpacked
from gateway.store.page import page_of

VERDICT = {
    "result": "passed",
    "checklist": {f"1.{n}": {"status": "passed", "reason": "ok", "source": f"Phụ lục II, {n}"} for n in range(10)},
    "facts": {
        "certificate": {"fingerprint": "ab" * 32, "subject": "CN=Sở Tư pháp (thử nghiệm)"},
        "odd": {"ư": [None, True, -(2**53)], "\U0001f600": '"\\/\x1f\x7f\u2028', "\uffff": {}, "": ["a", 1]},
    },
}


def letter(word):
    """A message as long as real ones are."""
    rows = "".join(f'<b:Dong xmlns:b="urn:b"><b:Ten>{word}</b:Ten></b:Dong>' for _ in range(9))
    return f"<?xml version='1.0'?>\n<a xmlns='urn:a'><Ho>{word}</Ho>{rows}<X509Certificate>TUlJ</X509Certificate></a>\n".encode()


def tray(desk, code, words=("một", "hai", "ba")):
    """Filings of one sender that are alike, one of them refused."""
    found = [desk.filing(f"{code}{n}", body=letter(word), verdict=VERDICT) for n, word in enumerate(words)]
    desk.take(*found, desk.bad(body=letter("hỏng")))
    return found


def raw(store, what):
    with store.engine.connect() as connection:
        return connection.execute(text(what)).all()


def agrees(store):
    """The chain is whole, and the tables say what it says."""
    with store.read() as view:
        assert chain.verify_chain(view.log_entries()).whole
    result = compare_with_log(store)
    assert (result.differences, result.older) == ([], {})


def test_messages_receipts_verdicts_and_lines_are_kept_in_fewer_bytes_and_come_back_as_they_were(store, desk, code):
    found = tray(desk, code)
    with store.read() as view:
        for finding in found:
            kept = view.body(finding.envelope.id, finding.envelope.digest)
            assert kept == view.envelope(finding.envelope.id).body == finding.envelope.body
            assert [one.facts for one in view.verdicts(finding.envelope.id)] == [VERDICT]
            (line,) = view.log(message=finding.envelope.id)
            assert line.facts["verdict"]["facts"] == chain.digest_of(VERDICT)
    for kept, stored in raw(store, "SELECT kept, length(bytes) FROM body WHERE kept > 200"):
        assert stored < kept / 2
    assert {facts for (facts,) in raw(store, "SELECT facts FROM log WHERE message IS NOT NULL")} == {"{}"}
    assert [facts for (facts,) in raw(store, "SELECT facts FROM verdict WHERE state = 'accepted'")] == ["{}"] * 3
    agrees(store)


def test_another_process_reads_what_this_one_packed_and_learns_nothing_twice(store, desk, desk_at, code):
    first = tray(desk, code)
    known = raw(store, "SELECT id FROM pattern ORDER BY id")
    other = desk_at(Store(store.engine))
    other.clock.now = desk.clock.now
    with other.store.read() as view:
        assert view.body(first[0].envelope.id, first[0].envelope.digest) == first[0].envelope.body
    tray(other, f"{code}9", ("bốn",))
    assert raw(store, "SELECT id FROM pattern ORDER BY id") == known != []
    agrees(store)


def test_what_a_transaction_learnt_that_failed_is_learnt_by_the_next(store, desk, code):
    one = desk.filing(code, body=letter("một"), verdict=VERDICT)

    def cut_short():
        with store.begin() as tx:
            ledger = tx.open([one])
            enter(one, ledger, desk.counter, desk.clock.now)
            tx.write(ledger)
            raise LookupError

    with pytest.raises(LookupError):
        cut_short()
    assert raw(store, "SELECT id FROM pattern") == []
    desk.one(one)
    with store.read() as view:
        assert view.body(one.envelope.id, one.envelope.digest) == one.envelope.body
    agrees(store)


def test_the_same_bytes_again_get_the_first_receipt_byte_for_byte(store, desk, code):
    receipt = letter("xác nhận tiếp nhận thông điệp")
    first = desk.filing(code, body=letter("một"), receipt=receipt)
    again = desk.filing(code, body=letter("một"), ma=first.ma_thong_diep)
    assert desk.one(first).receipt == receipt
    answer = desk.one(again)
    assert (answer.repeated, answer.receipt) == (True, receipt)


@pytest.mark.parametrize(
    ("database_url", "empty_database_url"),
    [("sqlite", "sqlite"), pytest.param("postgres", "postgres", marks=pytest.mark.postgres)],
    indirect=True,
)
def test_a_store_of_before_is_read_compared_and_continued(store, desk, desk_at, code, as_before, monkeypatch):
    monkeypatch.setattr(packing, "LEAST", 2**40)  # as was written before anything was packed
    first = tray(desk, code)
    monkeypatch.undo()
    assert raw(store, "SELECT count(*) FROM pattern") == [(0,)]
    old = as_before(store, "0008")
    agrees(old)
    later = desk_at(old)
    later.clock.now = desk.clock.now
    second = tray(later, f"{code}9", ("bốn", "năm"))
    with old.read() as view:
        for finding in (*first, *second):
            assert view.body(finding.envelope.id, finding.envelope.digest) == finding.envelope.body
            assert view.verdicts(finding.envelope.id)[0].facts == VERDICT
    assert {packed is None for (packed,) in raw(old, "SELECT packed FROM verdict WHERE state = 'accepted'")} == {
        True,
        False,
    }
    agrees(old)


def deflated(content, pattern=None):
    """As content was packed until zstd was among the dependencies."""
    like = pattern is not None and len(content) <= packing.LARGE
    deflate = zlib.compressobj(3, wbits=-15, **({"zdict": pattern.content} if like else {}))
    head = b"\x01" + pattern.id.to_bytes(8) if like else b"\x00"
    packed = head + deflate.compress(content) + deflate.flush()
    return packed if packing.LEAST <= len(content) > len(packed) else content


def test_what_was_deflated_before_is_read_compared_archived_and_continued(
    store, desk, desk_at, code, tmp_path, monkeypatch
):
    monkeypatch.setattr(packing, "pack", deflated)
    first = tray(desk, code)
    desk.one(long := desk.filing(f"{code}8", body=letter("dài" * 9000)))  # packed without a pattern
    monkeypatch.undo()
    old = desk_at(Store(store.engine))
    old.clock.now = desk.clock.now
    agrees(old.store)
    second = tray(old, f"{code}9", ("bốn", "năm"))
    with old.store.read() as view:
        for finding in (*first, *second):
            assert view.body(finding.envelope.id, finding.envelope.digest) == finding.envelope.body
            assert view.verdicts(finding.envelope.id)[0].facts == VERDICT
        assert view.body(long.envelope.id, long.envelope.digest) == long.envelope.body
        stored = view.stored_bodies([one.envelope.id for one in (*first, *second, long)])
        numbers = {pattern_of(one.stored, one.kept) for one in stored} - {None}
        patterns = view.patterns(numbers)
    agrees(old.store)
    assert {one.stored[:1] for one in stored if len(one.stored) < one.kept} == {b"\x00", b"\x01", b"\x03"}
    assert patterns.keys() == numbers != set()
    writer = ArchiveWriter(tmp_path / "thang")
    writer.patterns(patterns)
    writer.bodies(stored)
    writer.bodies([ArchivedBody(digest="ab" * 32, stored=stored[0].stored, kept=stored[0].kept, total=stored[0].kept)])
    writer.close()
    writer.publish(tmp_path / "thang")
    with opened(tmp_path / "thang") as file:
        assert list(ArchiveReader(file).wrong_bodies()) == ["ab" * 32]


@pytest.mark.threat("T-ERASED")
def test_what_is_erased_is_in_no_pattern(store, desk, code):
    """Neither what the message said, nor what was noted of it."""
    quoted = (Problem("AUT-017", {"name": "LOI-NOI-3300" * 20}),)
    facts = {**VERDICT, "documents": {"a": {"signatures": [], "name": "TEN-TEP-4411"}}}
    one = desk.filing(code, body=letter("THAN-THU-1188"), verdict=facts, problems=quoted)
    desk.one(one)
    with store.begin() as tx:
        tx.erase({one.envelope.id: [one.envelope.digest]}, who="operator:lan", reason="hết hạn", now=desk.clock.now)
    with store.read() as view:
        assert view.body(one.envelope.id, one.envelope.digest) is None
        assert view.verdicts(one.envelope.id)[0].facts == VERDICT
    kept = b"".join(bytes(content) for (content,) in raw(store, "SELECT bytes FROM pattern"))
    assert b"TUlJ" in kept
    assert not [mark for mark in (b"THAN-THU", b"LOI-NOI", b"TEN-TEP") if mark in kept]
    agrees(store)


def test_a_pattern_that_was_changed_by_another_way_shows_in_every_row_that_needs_it(store, desk, code):
    found = tray(desk, code)
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM pattern WHERE key LIKE 'message%'"))
        connection.execute(text("UPDATE pattern SET bytes = :other WHERE key LIKE 'verdict%'"), {"other": b"x"})
    reader = Store(store.engine)
    told = {(one.table, one.row) for one in compare_with_log(reader).differences}
    assert {("body", finding.envelope.digest) for finding in found} <= told
    assert {("verdict", f"{finding.envelope.id} 1") for finding in found} <= told


def test_a_process_goes_on_after_the_database_went_back_behind_what_it_has_learnt(store, desk, code):
    """Put back to an earlier moment, or failed over to a standby that lagged: nobody tells the processes."""
    tray(desk, code)
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM pattern"))
    (later,) = tray(desk, f"{code}9", ("bốn",))
    with Store(store.engine).read() as view:
        for digest in (later.envelope.digest, view.message(later.envelope.id).receipt):
            assert hashlib.sha256(view.body(later.envelope.id, digest)).hexdigest() == digest
        assert view.verdicts(later.envelope.id)[0].facts == VERDICT
        assert chain.verify_chain(view.log(message=later.envelope.id)).number
    told = {one.row for one in compare_with_log(Store(store.engine)).differences}
    assert not [row for row in told if row in {later.envelope.digest, f"{later.envelope.id} 1"}]


def test_what_is_on_record_already_is_not_written_again(store, desk, code):
    tray(desk, code)
    known = raw(store, "SELECT id, made_at FROM pattern ORDER BY id")
    desk.clock.forward(hours=1)
    tray(desk, f"{code}9", ("bốn",))
    assert raw(store, "SELECT id, made_at FROM pattern ORDER BY id") == known != []


def test_what_cannot_be_unpacked_is_an_error_and_never_other_bytes(store, desk, code):
    found = tray(desk, code)
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM pattern"))
    reader = Store(store.engine)
    for ask in (lambda view, one: view.body(one.id, one.digest), lambda view, one: view.envelope(one.id)):
        with pytest.raises(Garbled, match=found[0].envelope.digest) as garbled, reader.read() as view:
            ask(view, found[0].envelope)
        assert (garbled.value.code, garbled.value.facts) == ("SYS-209", {"digest": found[0].envelope.digest})


def pattern_of_few_numbers(monkeypatch):
    """As if somebody had tried until another text had the number of the first."""

    def of(content):
        return Pattern(7, content[-packing.LONGEST :], hashlib.sha256(content[-packing.LONGEST :]).digest())

    monkeypatch.setattr(Pattern, "of", of)


@pytest.mark.parametrize("trays", [1, 2, 3])
def test_two_patterns_of_one_number_take_nothing_from_each_other(trays, store, desk, desk_at, code, monkeypatch):
    """Learnt in one tray, in two of one process, in two processes."""
    pattern_of_few_numbers(monkeypatch)
    one = desk.filing(f"{code}1", body=letter("một"), verdict=VERDICT)
    other = desk.filing(f"{code}2", body=letter("hai").replace(b"TUlJ", b"TUlK"), verdict=VERDICT)
    if trays == 1:
        desk.take(one, other)
    else:
        desk.take(one)
        second = desk if trays == 2 else desk_at(Store(store.engine))
        second.clock.now = desk.clock.now
        second.take(other)
    assert [number for (number,) in raw(store, "SELECT id FROM pattern")] == [7]
    for reader in (store, Store(store.engine)):
        with reader.read() as view:
            for finding in (one, other):
                assert view.body(finding.envelope.id, finding.envelope.digest) == finding.envelope.body
                assert view.verdicts(finding.envelope.id)[0].facts == VERDICT
    agrees(store)


def test_who_packed_against_a_number_that_another_took_meanwhile_begins_again(store, desk, desk_at, code, monkeypatch):
    pattern_of_few_numbers(monkeypatch)
    one = desk.filing(f"{code}1", body=letter("một"), verdict=VERDICT)
    other = desk.filing(f"{code}2", body=letter("hai").replace(b"TUlJ", b"TUlK"), verdict=VERDICT)
    with store.read() as view:
        drafted = view.rehearse([one])
        enter(one, drafted, desk.counter, desk.clock.now)
        page = page_of(drafted, view.packer())
    second = desk_at(Store(store.engine))
    second.clock.now = desk.clock.now
    second.take(other)

    def late():
        with store.begin() as tx:
            tx.open([one])
            tx.write(drafted, page)

    with pytest.raises(Conflict):
        late()
    desk.take(one)
    with Store(store.engine).read() as view:
        for finding in (one, other):
            assert view.body(finding.envelope.id, finding.envelope.digest) == finding.envelope.body
    agrees(store)


@pytest.mark.parametrize("one", sampling.samples("accepted")[::9], ids=lambda one: one.name)
def test_the_markup_of_a_message_has_none_of_its_words(one):
    bare = markup(one.body)
    if bare is None:
        assert b"<!" in one.body or not one.body.lstrip(b"\xef\xbb\xbf").startswith(b"<")
        return
    words = {word.strip() for word in re.findall(rb">([^<]+)<", one.body)} - {b""}
    certificates = set(re.findall(rb"X509Certificate>([^<]+)<", one.body))
    assert not [word for word in words - certificates if b">" + word + b"<" in bare]
    packed = pack(one.body, Pattern.of(bare))
    assert unpacked(packed, len(one.body), lambda _: bare[-packing.LONGEST :]) == one.body


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b"<a><!-- Ten --></a>",
        b"<a><![CDATA[Ten]]></a>",
        b"<a><?Ten x?></a>",
        b"<a b='x>Ten\"'/>",
        b'<a b="x>Ten" c="Ten">',
        b"<a><X509Certificate>Nguy\xe1\xbb\x85n</X509Certificate></a>",
    ],
)
def test_what_is_more_than_elements_and_text_makes_no_pattern(document):
    bare = markup(document)
    assert bare is None or b"Ten" not in bare


def test_attributes_are_left_out_of_a_pattern_but_for_names_of_spaces_and_algorithms():
    bare = markup(b'<a xmlns="urn:x" Id="Nguyen" c=\'Van\'><b Algorithm="http://a/b"/>An</a>')
    assert bare == b'<a xmlns="urn:x" Id="" c=""><b Algorithm="http://a/b"/></a>'


def test_packing_is_undone_exactly_or_refused():
    pattern = Pattern.of(b"mot hai ba bon nam " * 40)
    content = pattern.content + bytes(range(256))
    packed = pack(content, pattern)
    assert len(packed) < 400
    assert unpacked(packed, len(content), {pattern.id: pattern.content}.get) == content
    assert unpacked(pack(content), len(content), {}.get) == content
    assert pack(b"ngan") == b"ngan"
    noise = hashlib.shake_256(b"x").digest(4000)
    assert pack(noise) is noise
    assert len(pack(b"a" * 100_000, pattern)) < 1000  # a long one goes without
    old = deflated(content, pattern)
    assert unpacked(old, len(content), {pattern.id: pattern.content}.get) == content
    bomb = pack(b"a" * 60_000_000)
    assert len(bomb) < 6000
    wide = b"\x02\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00"  # a frame that asks for 128 MiB, and holds nothing
    for broken in (
        packed[:-1], packed + b"x", b"\x07" + packed[1:], b"\x02\xff\xff", b"", bomb, wide,
        old[:-1], old + b"x", b"\x00\xff\xff",
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"pack|whole"):
            unpacked(broken, len(content), {pattern.id: pattern.content}.get)
    with pytest.raises(ValueError, match="whole"):
        unpacked(packed, len(content) - 1, {pattern.id: pattern.content}.get)
    with pytest.raises(ValueError, match="pattern"):
        unpacked(packed, len(content), {}.get)


def test_threads_share_what_packs_against_a_pattern():
    pattern = Pattern.of(letter("mẫu") * 4)
    texts = [letter(f"{number} " * (number % 40 + 1)) for number in range(400)]
    with ThreadPoolExecutor(8) as threads:
        packed = list(threads.map(lambda content: pack(content, pattern), texts))
    assert [unpacked(one, 2**20, {pattern.id: pattern.content}.get) for one in packed] == texts


def test_a_sender_with_another_certificate_has_another_pattern():
    assert certificate_mark(letter("x")) != certificate_mark(letter("x").replace(b"TUlJ", b"TUlK")) != ""
    assert certificate_mark(b"<a/>") == ""
