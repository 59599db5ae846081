"""A real browser: what an operator does on a bad morning, with the keyboard alone; axe finds nothing; nothing leaves the origin."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

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
from gateway.services.profiles import to_text

pytestmark = pytest.mark.together  # they go on where the one before has ended
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=1000 * PATIENCE_S)
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=chromium())
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def troubles(office):
    """Beside what is there: 427 deliveries of one cause that were given up, and ten of other causes."""
    party = office.room.registry()[0].get("so-tu-phap")
    Owing(office.store, office.clock, party).loose(party, 427 + 10)  # past the gate: no signature is judged here
    dead = office.settle(DeliveryState.DEAD, "DLV-032", most=427)
    others = office.settle(DeliveryState.DEAD, "DLV-020", most=6) + office.settle(
        DeliveryState.REFUSED, "DLV-034", most=4
    )
    assert (len(dead), len(others)) == (427, 10)
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


# The table of docs/vi/operate.md: each line of it is walked, and what a hand does is counted.


class Walk:
    """A way through the pages from the first one on. What is pressed counts; what is typed or chosen does not."""

    def __init__(self, page, office):
        self.page, self.clicks = page, 0
        page.goto(f"http://127.0.0.1:{office.listening.port}{BASE}")

    def press(self, what):
        """A link or a button, by the mouse."""
        self.clicks += 1
        what.first.click()

    def link(self, words):
        self.press(self.page.get_by_role("link", name=words, exact=True))

    def button(self, words):
        self.press(self.page.get_by_role("button", name=words, exact=True))

    def agree(self):
        """The reason, and yes; it has been done when the page says so."""
        self.page.get_by_label("Lý do, ghi vào nhật ký").fill("theo bảng")
        self.button("Thực hiện")
        expect(self.page.get_by_role("heading", level=1)).to_have_text(re.compile("^Đã thực hiện"))

    def dossier(self, code):
        """The page of a dossier whose code is known."""
        self.link("Hồ sơ")
        self.page.get_by_label("Mã hồ sơ hoặc phần đầu").fill(code)
        self.button("Tìm")
        expect(self.page.get_by_role("heading", level=1)).to_have_text(f"Hồ sơ {code}")

    def batch(self, number):
        """The page of a batch."""
        self.link("Đợt")
        self.press(self.page.locator(f"main a[href$='/dot/{number}']"))
        expect(self.page.get_by_role("heading", level=1)).to_have_text(re.compile(f"^Đợt {number}"))

    def party(self, name):
        """The page of a party."""
        self.link("Cơ quan")
        self.link(name)
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(name)

    def since(self, clicks):
        """What has been pressed since there were so many."""
        return self.clicks - clicks


def told_clicks(head):
    """What the table with this last column says: the numbers for each task."""
    lines = (ROOT / "docs/vi/operate.md").read_text("utf-8").splitlines()
    begins = next(number for number, line in enumerate(lines) if line.startswith("|") and line.endswith(f"| {head} |"))
    found = {}
    for line in lines[begins + 2 :]:
        if not line.startswith("|"):
            break
        first, *_, last = (cell.strip() for cell in line.strip("|").split("|"))
        found[first] = [int(number) for number in re.findall(r"(?<![\d.])\d+(?![\d.])", last)]
    return found


def sent_again_and_approved(office, desk, chief):
    """An operator starts a batch of one cause, a second person approves it, pauses it and goes on."""
    start = Walk(desk, office)
    start.link("Nguyên nhân")
    heading = desk.get_by_role("heading", name=re.compile("^6 × DLV-020"))
    start.press(heading.locator("xpath=following::button[normalize-space()='Gửi lại đúng nhóm này'][1]"))
    start.agree()
    sent = start.clicks
    batch = desk.get_by_role("link", name=re.compile(r"^Đợt \d+$"))
    number = int(batch.inner_text().split()[1])
    start.press(batch)
    expect(desk.get_by_role("heading", level=1)).to_have_text(re.compile(f"^Đợt {number}"))
    approve = Walk(chief, office)
    approve.batch(number)
    approve.button("Duyệt đợt")
    approve.agree()
    acts = []
    for act in ("Tạm dừng đợt", "Chạy tiếp đợt"):
        walk = Walk(chief, office)
        walk.batch(number)
        seen = walk.clicks
        walk.button(act)
        walk.agree()
        acts.append([seen, walk.since(seen)])
    assert acts[0] == acts[1]
    return {
        "Gửi lại đúng những lượt không thành công vì một nguyên nhân": [sent],
        "Gửi lại 542 lượt sau khi cơ quan hoạt động lại": [sent, start.since(sent)],
        "Duyệt đợt của người khác": [approve.clicks],
        "Tạm dừng, chạy tiếp, xem việc không thành công": acts[0],
    }


def looked_up(office, desk, chief):
    """What is only looked at."""
    why = Walk(desk, office)
    why.dossier(NOT_ARRIVED)
    looked = why.clicks
    expect(desk.get_by_text("Người đã xem, đã thực hiện").first).to_be_visible()
    why.press(desk.get_by_role("table", name="Việc cần người vận hành").get_by_role("link"))
    expect(desk.get_by_text("DLV-031").first).to_be_visible()
    causes = Walk(desk, office)
    causes.link("Nguyên nhân")
    expect(desk.get_by_role("heading", name=re.compile("× DLV-020")).first).to_be_visible()
    ends = Walk(desk, office)
    ends.link("Tình trạng")
    expect(desk.get_by_text("Chứng thư, cây tin cậy: hết hiệu lực trong một năm")).to_be_visible()
    report = Walk(desk, office)
    report.link("Thống kê")
    report.link("Tháng trước")
    with desk.expect_download() as file:
        report.link("Tải XLSX")
    assert file.value.suggested_filename.endswith(".xlsx")
    proof = Walk(chief, office)
    proof.link("Nhật ký")
    proof.button("Kiểm tra chuỗi nhật ký")
    expect(chief.get_by_text("Chuỗi nguyên vẹn")).to_be_visible()
    return {
        "Nguyên nhân hồ sơ không tới": [why.clicks],
        "Người đã xem hồ sơ": [looked],
        "Lỗi theo nguyên nhân": [causes.clicks],
        "Chứng thư sắp hết": [ends.clicks],
        "Báo cáo tháng cho lãnh đạo": [report.clicks],
        "Chứng minh nhật ký nguyên vẹn": [proof.clicks],
    }


def set_right(office, desk, chief):
    """What an export and a dossier's own events say otherwise than the record."""
    (letter,) = office.file(1, first=501)
    office.deliver()
    now = office.clock.now
    compare = Walk(desk, office)
    compare.link("Đối soát, lệch trạng thái")
    form = desk.locator("form[action$='/lech/doi-soat']")
    form.locator("select[name=ben]").select_option("so-tu-phap")
    for name, day in (("tu", now - timedelta(days=2)), ("den", now + timedelta(days=1))):
        form.locator(f"input[name={name}]").fill(f"{day:%Y-%m-%d}")
    export = f"Mã;Trạng thái\n{letter.ma_ho_so};4\n".encode()
    columns = '[columns]\nMaHoSo = "Mã"\nTrangThaiHoSo = "Trạng thái"\n'.encode()
    files = (("tep", "xuat.csv", export), ("cot", "cot.toml", columns))
    for name, called, body in files:
        field = form.locator(f"input[name={name}]")
        field.set_input_files({"name": called, "mimeType": "text/plain", "buffer": body})
    compare.button("Đối soát với tệp")
    expect(desk.get_by_role("heading", level=1)).to_contain_text("Đối soát: ")
    compare.agree()
    with office.store.engine.begin() as connection:  # as its events do not say
        connection.exec_driver_sql(f"UPDATE dossier SET trang_thai = 9 WHERE ma_ho_so = '{NOT_ARRIVED}'")
    again = Walk(desk, office)
    again.dossier(NOT_ARRIVED)
    again.button("Lập lại trạng thái")
    again.agree()
    return {
        "Đối soát với tệp của một bên, khắc phục": [compare.clicks],
        "Lập lại trạng thái của một hồ sơ": [again.clicks],
    }


def of_parties(office, desk, chief):
    """A party's profile and its standing."""
    party = office.room.registry()[0].get("so-xay-dung")
    with office.store.begin() as tx:
        changed = {party.id: to_text(replace(party, versions={"HS05": ("1.0",)}))}
        tx.apply_parties(changed, who="operator:lan", reason="chỉ còn đọc 1.0", now=office.clock.now)
    before = Walk(desk, office)
    before.party(party.name)
    before.press(desk.locator("a[href*='/thay-doi']"))
    expect(desk.get_by_role("table", name="Nội dung khác nhau")).to_contain_text("versions.HS05")
    pushed = office.room.registry()[0].get("so-tu-phap")  # the other one pulls, and is not called
    clicks = []
    for name, act in ((pushed.name, "Tạm dừng gửi tới bên này"), (party.name, "Khóa bên này")):
        order = Walk(chief, office)
        order.party(name)
        order.button(act)
        order.agree()
        clicks.append(order.clicks)
    assert clicks[0] == clicks[1]
    return {
        "Hồ sơ bên trước đây ghi gì, ai đã sửa": [before.clicks],
        "Tạm dừng gửi tới một bên, khóa một bên": [clicks[0]],
    }


SAME = {  # the lines of the trial month whose way is one of the console's own table
    "Vì sao hồ sơ không tới": "Nguyên nhân hồ sơ không tới",
    "Ai đã xem hồ sơ": "Người đã xem hồ sơ",
    "Chứng thư sắp hết hạn": "Chứng thư sắp hết",
    "Khóa một bên": "Tạm dừng gửi tới một bên, khóa một bên",
}


def test_each_task_takes_as_many_clicks_as_the_table_says(browser, office, desk):
    chief, walked = logged_in(browser, office, "quan-tri"), {}
    for walk in (looked_up, sent_again_and_approved, set_right, of_parties):
        walked |= walk(office, desk, chief)
    chief.context.close()
    console, month = told_clicks("Số lần bấm"), told_clicks("Số lần bấm ở bàn trực")
    assert {task: walked.get(task) for task in console} == console
    with_clicks = {task: clicks for task, clicks in month.items() if clicks}
    assert {task: walked.get(SAME.get(task, task)) for task in with_clicks} == with_clicks
    assert len(console) == 12
    assert len(with_clicks) == 8
