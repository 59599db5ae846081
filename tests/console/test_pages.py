"""Every page answers whoever may see it, in both languages, without an outside file."""

import pytest

from gateway.console.menu import MENU
from gateway.console.room import BASE

PATHS = [one.path.removeprefix(BASE) for one in MENU]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_of_the_menu_answers_in_both_languages(persons, path):
    for lang, word in (("vi", "Đăng xuất"), ("en", "Log out")):
        seen = persons["administrator"].get(f"{path}?lang={lang}")
        assert (seen.status, f'<html lang="{lang}">' in seen.source, word in seen.text) == (200, True, True), seen.text
