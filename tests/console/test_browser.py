"""A real browser: what an operator does on a bad morning, with the keyboard alone; axe finds nothing; nothing leaves the origin."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import chromium, logged_in
from desks import NOT_ARRIVED
from owed import Owing
from patience import PATIENCE_S
from playwright.sync_api import expect, sync_playwright

from gateway.console.menu import MENU
from gateway.console.room import BASE
from gateway.core.batches import BatchItemState
from gateway.core.model import DeliveryState


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=200 * PATIENCE_S)
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=chromium())
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def troubles(office):
    """Beside what is there: 427 deliveries of one cause that were given up, and nine of other causes."""
    party = office.room.registry()[0].get("so-tu-phap")
    Owing(office.store, office.clock, party).loose(party, 427 + 9)  # past the gate: no signature is judged here
    dead = office.settle(DeliveryState.DEAD, "DLV-032", most=427)
    others = office.settle(DeliveryState.DEAD, "DLV-020", most=5) + office.settle(
        DeliveryState.REFUSED, "DLV-034", most=4
    )
    assert (len(dead), len(others)) == (427, 9)
    office.others = {delivery.id: delivery.state for delivery in stood(office, others)}
    return sorted(delivery.id for delivery in dead)


def stood(office, deliveries):
    with office.store.read() as view:
        return [view.delivery(delivery.id) for delivery in deliveries]


@pytest.fixture(scope="module")
def desk(browser, office, troubles):
    """The operator's window; every request of it is on record."""
    page = logged_in(browser, office, "truc")
    page.asked = []
    page.context.on("request", lambda request: page.asked.append(request.url))
    return page


def go(page, words):
    """A link, by the keyboard."""
    link = page.get_by_role("link", name=words, exact=True).first
    link.focus()
    page.keyboard.press("Enter")


def press(page, words):
    """A button, by the keyboard."""
    button = page.get_by_role("button", name=words, exact=True).first
    button.focus()
    page.keyboard.press("Enter")


def agree(page, reason):
    """The reason, then yes."""
    page.get_by_label("Lý do, ghi vào nhật ký").fill(reason)
    page.keyboard.press("Enter")


def test_an_operator_finds_why_a_dossier_did_not_arrive(desk):
    go(desk, "Hồ sơ")
    desk.get_by_label("Mã hồ sơ hoặc phần đầu").fill(NOT_ARRIVED)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", level=1)).to_have_text(f"Hồ sơ {NOT_ARRIVED}")
    waits = desk.get_by_role("table", name="Việc cần người vận hành")
    waits.get_by_role("link").first.focus()
    desk.keyboard.press("Enter")
    expect(desk.get_by_text("DLV-031").first).to_be_visible()


def test_exactly_the_dead_of_one_cause_become_a_batch_that_a_second_person_approves(desk, browser, office, troubles):
    go(desk, "Nguyên nhân")
    heading = desk.get_by_role("heading", name=re.compile("^427 × DLV-032"))
    expect(heading).to_be_visible()
    button = heading.locator("xpath=following::button[normalize-space()='Gửi lại đúng nhóm này'][1]")
    button.focus()
    desk.keyboard.press("Enter")
    says = desk.get_by_text("Gửi lại 427 lượt, xét lại 0 thông điệp.")
    expect(says).to_be_visible()  # what would fail even now is found out for the first of them
    agree(desk, "bên nhận đã mở lại")
    expect(desk.get_by_text("chờ người thứ hai duyệt").first).to_be_visible()
    link = desk.get_by_role("link", name=re.compile(r"^Đợt \d+$"))
    number = int(link.inner_text().split()[1])
    with office.store.read() as view:
        kept = sorted(item.step.subject for item in view.every_batch_item(number, states=[BatchItemState.PLANNED]))
    assert kept == troubles
    desk.reload()  # the browser sends the form once more: told, and done once
    expect(desk.get_by_text("SYS-168")).to_be_visible()
    chief = logged_in(browser, office, "duyet")
    chief.goto(f"{chief.url}/dot/{number}")
    press(chief, "Duyệt đợt")
    agree(chief, "đồng ý")
    expect(chief.get_by_text(f"Đợt {number}: đang chạy.")).to_be_visible()
    chief.context.close()
    desk.number = number


def test_it_is_paused_goes_on_and_what_failed_is_seen_to_come_without_a_touch(desk, office):
    desk.goto(f"http://127.0.0.1:{office.listening.port}{BASE}/dot/{desk.number}")
    press(desk, "Tạm dừng đợt")
    agree(desk, "chờ bên nhận")
    go(desk, f"Đợt {desk.number}")
    office.work(turns=2)
    expect(desk.get_by_text("chưa tới lượt").first).to_be_visible()
    press(desk, "Chạy tiếp đợt")
    agree(desk, "xong rồi")
    go(desk, f"Đợt {desk.number}")
    expect(desk.locator("main[data-fresh]")).to_be_visible()
    office.work(turns=24)  # some twenty at a turn
    office.settle(DeliveryState.DELIVERED, None, most=425)
    office.settle(DeliveryState.REFUSED, "DLV-031", most=10)
    office.work(turns=3, seconds=60)
    failed = desk.get_by_role("table", name="Việc không thành công, việc đã có người khác thay đổi")
    expect(failed.get_by_role("row")).to_have_count(3)  # its head and two that failed; the page asks again by itself
    with office.store.read() as view:
        assert {name: view.delivery(name).state for name in office.others} == office.others
        assert view.batch(desk.number).count(BatchItemState.DONE) == 425


def test_a_viewer_sees_it_all_and_can_do_none_of_it(browser, office, desk):
    page = logged_in(browser, office, "xem", width=390)
    for path in ("/nguyen-nhan", f"/dot/{desk.number}", f"/ho-so/xem?ma={NOT_ARRIVED}"):
        page.goto(f"http://127.0.0.1:{office.listening.port}{BASE}{path}")
        assert page.locator("form[action*='/viec/']").count() == 0
    page.context.close()


def test_axe_finds_nothing_on_any_page_wide_narrow_or_dark(browser, office, desk):
    with office.store.read() as view:
        message = next(one for one in view.messages(limit=1000) if one.state == "rejected").id
        delivery = view.deliveries()[0].id
    more = [
        "/vao",
        f"/ho-so/xem?ma={NOT_ARRIVED}",
        f"/thong-diep/{message}",
        f"/luot-gui/{delivery}",
        "/co-quan/so-tu-phap",
        f"/dot/{desk.number}",
        "/cong-khai",
        "/khong-co",
    ]
    paths = [one.path for one in MENU] + [f"{BASE}{path}" for path in more]
    page = logged_in(browser, office, "quan-tri", width=320)
    axe, found = Axe(), []
    for number, path in enumerate(paths):
        page.emulate_media(color_scheme=["light", "dark"][number % 2])
        page.goto(f"http://127.0.0.1:{office.listening.port}{path}")
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        found += [(path, "wider than 320 px")] if wide else []
        found += [
            (path, one["id"], one["nodes"][0]["html"][:200])
            for one in axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        ]
    assert found == []
    page.context.close()


def test_the_first_stop_of_the_keyboard_leads_to_the_content_and_where_it_stands_is_seen(desk):
    desk.goto(desk.url)
    desk.keyboard.press("Tab")
    assert desk.evaluate("document.activeElement.className") == "skip"
    assert desk.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    desk.keyboard.press("Enter")
    expect(desk).to_have_url(re.compile("#noi-dung$"))


def test_no_request_has_left_the_origin_and_no_page_needs_a_script(desk, browser, office):
    assert len(desk.asked) > 30
    assert {url for url in desk.asked if not url.startswith(f"http://127.0.0.1:{office.listening.port}/")} == set()
    plain = browser.new_context(java_script_enabled=False, storage_state=desk.context.storage_state()).new_page()
    plain.goto(f"http://127.0.0.1:{office.listening.port}{BASE}/dot/{desk.number}")
    expect(plain.get_by_role("heading", level=1)).to_be_visible()
    plain.context.close()
