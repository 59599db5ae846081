"""Pictures of every page of the console at 1280 and 390 px, from a store with a day's troubles in it: `make screenshots`.

To be looked at by a person after a change of pages; nothing compares them. `--lang en` takes them in English, `--dark` dark,
`--only qua-han,cong-khai` these and no others.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "pki"), str(ROOT / "tests" / "console"), str(ROOT / "tests")]

from browsing import chromium, logged_in  # noqa: E402
from desks import NOT_ARRIVED  # noqa: E402
from offices import Office  # noqa: E402
from played import furnish, play  # noqa: E402
from playwright.sync_api import Playwright, sync_playwright  # noqa: E402

from gateway.console.menu import MENU  # noqa: E402
from gateway.console.room import BASE  # noqa: E402
from gateway.store import open_engine, upgrade  # noqa: E402

WIDTHS = (1280, 390)


def main() -> None:
    """Takes the pictures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist" / "screenshots")
    asked.add_argument("--lang", choices=["vi", "en"], default="vi")
    asked.add_argument("--dark", action="store_true")
    asked.add_argument("--only", type=lambda text: text.split(","), help="names of pages, with commas between them")
    given = asked.parse_args()
    folder: Path = given.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        database = f"sqlite:///{place}/desk.db"
        engine = open_engine(database)
        upgrade(engine)
        engine.dispose()
        office = Office(Path(place), database)
        try:
            with sync_playwright() as driver:
                _take(office, driver, folder, given.lang, given.only, dark=given.dark)
        finally:
            office.close()
    print(folder)


def _take(office: Office, driver: Playwright, folder: Path, lang: str, only: list[str] | None, *, dark: bool) -> None:
    batch = play(office)
    furnish(office)
    with office.store.read() as view:
        message = next(one for one in view.messages(limit=500) if one.state == "rejected").id
        delivery = view.deliveries(limit=1000)[-1].id
    paths = {one.path.removeprefix(f"{BASE}").strip("/") or "sang-nay": one.path for one in MENU}
    paths |= {
        "vao": f"{BASE}/vao",
        "ho-so-xem": f"{BASE}/ho-so/xem?ma={NOT_ARRIVED}",
        "thong-diep-mot": f"{BASE}/thong-diep/{message}",
        "luot-gui": f"{BASE}/luot-gui/{delivery}",
        "co-quan-mot": f"{BASE}/co-quan/so-tu-phap",
        "co-quan-thay-doi": f"{BASE}/co-quan/so-tu-phap/thay-doi",
        "dot-mot": f"{BASE}/dot/{batch}",
        "cong-khai": f"{BASE}/cong-khai",
        "khong-co": f"{BASE}/khong-co",
    }
    plans = {
        "ke-hoach": (paths["nguyen-nhan"], "gui-lai"),
        "lap-lai": (paths["ho-so-xem"], "lap-lai"),
    }
    if unknown := set(only or ()) - {*paths, *plans}:
        sys.exit(f"no such page: {', '.join(sorted(unknown))}; there are {', '.join([*paths, *plans])}")
    browser = driver.chromium.launch(executable_path=chromium())
    for width in WIDTHS:
        page = logged_in(browser, office, "quan-tri", width=width)
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.goto(f"http://127.0.0.1:{office.listening.port}{BASE}?lang={lang}")
        for name, path in paths.items():
            if only and name not in only:
                continue
            page.goto(f"http://127.0.0.1:{office.listening.port}{path}")
            page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        for name, (path, act) in plans.items():
            if only and name not in only:
                continue
            page.goto(f"http://127.0.0.1:{office.listening.port}{path}")
            page.locator(f"form[action$='/viec/{act}'] button").first.click()
            page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
    browser.close()


if __name__ == "__main__":
    main()
