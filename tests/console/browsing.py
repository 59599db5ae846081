"""A real browser: Chromium, driven by Playwright. It is the system's, nothing is downloaded."""

import os
import shutil

import pytest
from desks import SECRET
from patience import PATIENCE_S

from gateway.console.room import BASE


def chromium():
    """Where the browser is; without one a laptop skips with a sentence and CI fails."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        sentence = "no Chromium was found on PATH; install one (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(f"{sentence}; CI must have one")
        pytest.skip(sentence)
    return found


def logged_in(browser, office, name, width=1280):
    """A page of its own browser window, where this person is logged in."""
    window = browser.new_context(viewport={"width": width, "height": 900}, locale="vi-VN")
    window.set_default_timeout(1000 * PATIENCE_S)
    page = window.new_page()
    page.goto(f"http://127.0.0.1:{office.listening.port}{BASE}")
    page.get_by_label("Tên").fill(name)
    page.get_by_label("Mật khẩu").fill(SECRET)
    page.get_by_role("button", name="Đăng nhập").click()
    page.get_by_role("heading", name="Tổng quan", level=1).wait_for()
    return page
