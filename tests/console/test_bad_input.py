"""What people and programs write into fields: every field of every page, and what comes of it is a page with a code."""

import contextlib
import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from desks import NOT_ARRIVED, Visitor
from offices import ROLES

from gateway.console.app import FORM_BYTES
from gateway.console.menu import PAGES, PUBLIC
from gateway.console.room import DeskCall
from gateway.core.batches import BatchKind
from gateway.core.operators import may
from gateway.core.problems import Lang, Stopped
from gateway.services.batches import replay_steps, start_batch
from gateway.services.operators import at_desk
from gateway.store import Unavailable

#: Everything that markup, SQL, templates, patterns and paths try, in one value.
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\" onmouseover=alert(1) x=\"' OR '1'='1'; DROP TABLE operators; --"
    "{{ 4321*4321 }}{% raw %}%_\\%../../../etc/passwd"
)
SHORT = '"><i>%'  # for fields of a few letters
STEERING = ("H19\u202e901\u2066", "a\x00b", "\ud800")
DATES = ("2026-02-31", "9999-12-31")
EVERY = [*PAGES, *PUBLIC]
GETS = [page for page in EVERY if page.method == "GET"]
POSTS = [page for page in EVERY if page.method == "POST"]


class Asked(dict):
    """What a form or an address brings, and which names a page asks it for: a new page joins these tests by itself."""

    def __init__(self, **given):
        super().__init__(given)
        self.names = set()

    def get(self, name, otherwise=None):
        self.names.add(name)
        return super().get(name, otherwise)


@pytest.fixture
def boss(persons):
    return persons["administrator"]


@pytest.fixture(scope="module")
def places(office):
    """What stands in the addresses of pages that are about one thing."""
    by = {"who": "operator:test", "reason": "thử", "now": office.clock.now}
    batch = start_batch(office.store, BatchKind.REPLAY, replay_steps(office.failed), **by)
    (delivery,) = office.failed
    return {
        "/thong-diep": delivery.message,
        "/luot-gui": delivery.id,
        "/co-quan": "so-tu-phap",
        "/dot": str(batch.number),
    }


def filled(page, places):
    """The address of a page, about something that is there where there is such a thing."""
    beginning, brace, rest = page.path.partition("/{")
    return f"{beginning}/{places.get(beginning, 'khong-co')}{rest.partition('}')[2]}" if brace else page.path


def fields_of(office, boss, page, places):
    """The names that a page reads from its form or its address."""
    today = f"{office.clock.now:%Y-%m-%d}"
    given = {"ben": "so-tu-phap", "ly-do": "thử", "tu": today} if page.method == "POST" else {}
    query, form, chosen = Asked(), Asked(**given), Asked()
    token = boss.cookies["ban-truc"]
    person = at_desk(office.store, token, office.clock.now, idle=timedelta(days=1))
    piece = re.search(r"{(\w+)}", page.path)
    place = {piece[1]: filled(page, places).split("/")[2]} if piece else {}
    call = DeskCall(
        room=office.room, lang=Lang.VI, now=office.clock.now, path=page.path, query=query, person=person, token=token,
        form=form, chosen=chosen, place=place,
    )  # fmt: skip
    with contextlib.suppress(Stopped):
        page.make(call)
    return sorted(query.names | form.names | chosen.names)


def bad_for(name, turn, longest):
    """What is tried in a field; of what may not be in any, one of its kinds in turn."""
    return [HOSTILE, SHORT, STEERING[turn % len(STEERING)], "x" * longest, *(DATES if name in {"tu", "den"} else ())]


def comes_back_as_text(seen, told):
    """A page, as text; what is refused has a code."""
    told = (*told, seen.status)
    assert seen.status in {200, 400, 404, 409}, told
    if not seen.headers["Content-Type"].startswith("text/html"):
        return
    assert seen.status == 200 or seen.codes, told
    for part in ("<script>alert", "<img", "<i>", 'onmouseover=alert(1) x="', "\u202e", str(4321 * 4321)):
        assert part not in seen.source, (*told, part)


@pytest.mark.parametrize("page", GETS, ids=[page.path for page in GETS])
@pytest.mark.threat("T-DESK-MARKUP")
def test_whatever_is_written_into_a_field_comes_back_as_a_page_and_as_text(office, boss, places, page):
    path = filled(page, places)
    for turn, name in enumerate(fields_of(office, boss, page, places)):
        for value in bad_for(name, turn, 7000):
            given = quote(value.encode("utf-8", "surrogatepass"))
            comes_back_as_text(boss.get(f"{path}?{name}={given}"), (path, name, value[:40]))
    if "{" in page.path:
        for value in bad_for("", 0, 3000):
            piece = quote(value.encode("utf-8", "surrogatepass"), safe="")
            seen = boss.get(re.sub(r"{\w+}", piece.replace("\\", ""), page.path))
            comes_back_as_text(seen, (page.path, value[:40]))
            assert seen.status != 200, (page.path, value[:40])


def send(who, page, path, fields):
    """A form to where it goes, as its page would."""
    if not page.uploads:
        return who.send(path, fields)
    brought = [(n, v.decode("utf-8", "replace") if isinstance(v, bytes) else v) for n, v in fields.items()]
    return who.send_files(path, brought, {"tep": ("a.csv", b"a"), "cot": ("cot.toml", b"")})


@pytest.mark.parametrize("page", POSTS, ids=[page.path for page in POSTS])
@pytest.mark.threat("T-DESK-MARKUP")
def test_whatever_a_form_brings_is_told_as_text_and_does_nothing(office, boss, places, page):
    path, token = filled(page, places), dict(boss.get("/dot").forms("/ra")[0])["the"]
    names = fields_of(office, boss, page, places)
    with office.store.read() as view:
        before = view.log_head()
    for turn, name in enumerate(names):
        given = {"the": token, "ly-do": "thử", "ben": "so-tu-phap"}
        for value in bad_for(name, turn, 100_000):
            if name == "ly-do" and not page.path.startswith("/viec/") and value in {HOSTILE, SHORT}:
                continue  # a reason like any other: then somebody has looked
            seen = send(boss, page, path, {**given, name: value.encode("utf-8", "surrogatepass")})
            comes_back_as_text(seen, (path, name, value[:40]))
            assert seen.status != 200 or not page.path.endswith("/lam"), (path, name, value[:40])
    with office.store.read() as view:
        assert view.log_head() == before
        assert view.operator("xem") is not None


@pytest.mark.threat("T-DESK-FORM")
@pytest.mark.threat("T-DESK-ROLE")
@pytest.mark.threat("T-DESK-SESSION")
def test_every_form_needs_its_session_its_token_and_its_role_and_no_page_is_seen_without(office, persons, places):
    over = office.visitor("quan-tri")
    office.clock.forward(minutes=31)
    tokens = {role: dict(persons[role].get("/dot").forms("/ra")[0])["the"] for role in ROLES.values()}
    boss, nobody = persons["administrator"], office.visitor()
    made_up = Visitor(over.port, cookies={"ban-truc": "x" * 43})
    for turn, page in enumerate(page for page in EVERY if page.role is not None):
        path, shut_out = filled(page, places), [over, made_up][turn % 2]
        lacking = [role for role in ROLES.values() if role not in may(page.role)]
        lacks = lacking[turn % len(lacking)] if lacking else None
        if page.method == "GET":
            assert nobody.ask("GET", f"/ban-truc{path}").status == 303, path
            seen = shut_out.get(path)
            assert (seen.status, seen.codes) == (401, ["SYS-166"]), path
            if lacks is not None:
                assert persons[lacks].get(path).codes == ["SYS-171"], (path, lacks)
            continue
        right = {"the": tokens["administrator"], "ly-do": "thử"}
        seen = send([nobody, shut_out][turn // 2 % 2], page, path, right)
        assert (seen.status, seen.codes) == (401, ["SYS-166"]), path
        for wrong in ({}, {"the": tokens["viewer"]}):
            assert send(boss, page, path, {"ly-do": "thử", **wrong}).codes == ["SYS-167"], (path, wrong)
        if lacks is not None:
            assert send(persons[lacks], page, path, {**right, "the": tokens[lacks]}).codes == ["SYS-171"], (path, lacks)
        if path.endswith("/lam"):
            assert send(boss, page, path, {**right, "ke-hoach": "' OR 1=1"}).codes == ["SYS-168"], path


def test_a_line_that_is_too_long_is_refused_before_it_is_read(office, boss):
    seen = boss.ask("GET", "/ban-truc/ho-so?ma=" + "x" * 100_000)
    assert seen.status in {400, 414, 431}


def test_a_form_that_is_too_long_is_told_and_a_reason_of_100_kb_too(office, operator):
    page = operator.get(f"/luot-gui/{office.failed[0].id}")
    fields = dict(page.forms("/viec/gui-lai")[0])
    assert operator.send("/viec/gui-lai", {**fields, "id": "x" * (FORM_BYTES + 1)}).codes == ["SYS-170"]
    plan = operator.plan(page, "gui-lai")
    for reason in ("x" * 100_000, "đảo\u202echiều", "a\x00b"):
        assert operator.do(plan, "gui-lai", reason=reason).codes == ["SYS-170"]
    assert len(operator.log_in("x" * 100_000, "y" * 100_000).codes) == 1


@pytest.mark.parametrize(
    "body", [b"\xff\xfe=%zz", b"{}", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n"]
)
def test_a_body_that_is_no_form_is_refused(office, operator, body):
    for kind in (
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/plain",
    ):
        seen = operator.ask("POST", "/ban-truc/viec/gui-lai", headers={"Content-Type": kind}, body=body)
        assert (seen.status, seen.codes[0]) in {(403, "SYS-167"), (400, "SYS-170")}


@pytest.mark.parametrize(
    "path",
    [
        "/thong-diep/khong-co",
        "/luot-gui/khong-co",
        "/co-quan/khong-co",
        "/dot/999999",
        "/canh-bao/khong-co",
        "/lech/khong-co",
        "/ho-so/xem?ma=KHONG-CO",
    ],
)
def test_what_is_not_there_is_told_with_its_name(boss, path):
    seen = boss.get(path)
    assert (seen.status, seen.codes) == (404, ["SYS-042"])


def test_another_persons_id_in_a_form_does_not_act(office, operator):
    page = operator.get(f"/luot-gui/{office.failed[0].id}")
    fields = dict(page.forms("/viec/gui-lai")[0])
    for name in ("khong-co", NOT_ARRIVED + "x", "' OR 1=1", "*"):
        assert operator.send("/viec/gui-lai", {**fields, "id": name}).codes == ["SYS-042"]
    assert operator.send("/viec/dot-tam-dung", {**fields, "so": "-1"}).codes == ["SYS-170"]
    assert operator.send("/viec/dot-tam-dung", {**fields, "so": "99"}).codes == ["SYS-042"]


def test_an_address_that_is_none_is_a_page_with_a_code(office, boss):
    assert [boss.ask("GET", path).codes for path in ("/ban-truc/x/y", "/khac", "/ban-truc/tinh/x")] == [["SYS-169"]] * 3
    nobody = office.visitor().ask("GET", "/ban-truc/x/y")
    assert '<a href="/ban-truc">' in nobody.source  # who is not logged in has no menu to go back by
    assert boss.ask("DELETE", "/ban-truc/ho-so").status in {404, 405}


def test_a_database_that_is_away_is_a_page_with_a_code_and_no_traceback(office, persons, places, monkeypatch):
    boss = persons["administrator"]
    token = dict(boss.get("/dot").forms("/ra")[0])["the"]
    reads, left = type(office.store).read, [0]

    def away(store, **_):
        if not left[0]:
            raise Unavailable("connection to server at 10.1.2.3 failed: secret")
        left[0] -= 1
        return reads(store)

    monkeypatch.setattr(type(office.store), "read", away)
    monkeypatch.setattr(type(office.store), "begin", away)
    monkeypatch.setattr(type(office.store), "log_entries", away)
    for page in EVERY:
        path = filled(page, places)
        for there in (0, 1):  # from the beginning, and after the session was found
            left[0] = there if page.role is not None else 0
            given = {"the": token, "ly-do": "thử", "ben": "so-tu-phap", "tu": "2026-01-01"}
            seen = boss.get(path) if page.method == "GET" else send(boss, page, path, given)
            assert (seen.status, seen.codes) == (503, ["SYS-119"]), (path, there, seen.text)
            assert "10.1.2.3" not in seen.source
            assert "Traceback" not in seen.source
    left[0] = 0
    assert boss.send("/ra", {"the": token}).codes == ["SYS-119"]


def test_a_fault_of_our_own_is_a_page_with_a_code_and_says_nothing_of_the_inside(office, boss, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(type(office.room), "registry", broken)
    seen = boss.get("")
    assert (seen.status, seen.codes, "secret inside" in seen.source) == (500, ["SYS-172"], False)
