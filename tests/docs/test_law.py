"""The law that the program rests on is dated data: every text has its dates in order, and says how sure it is."""

import re
import tomllib
from datetime import date
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
LAW = tomllib.loads((DOCS / "law.toml").read_text("utf-8"))


def test_every_text_has_its_days_in_order_and_says_how_sure_it_is():
    numbers = [one["number"] for one in LAW["text"]]
    assert len(set(numbers)) == len(numbers)
    for one in LAW["text"]:
        assert one.keys() <= {"number", "since", "until", "vi", "en", "certainty", "replaced_by", "replaces"}
        assert one["certainty"] in {"text", "secondary", "not-found"}
        assert one["vi"] != one["en"]
        assert one.get("since", date.min) < one.get("until", date.max)


def test_what_has_ended_names_what_came_after_it_and_that_begins_the_day_after():
    by_number = {one["number"]: one for one in LAW["text"]}
    for one in LAW["text"]:
        if "until" in one:
            assert (by_number[one["replaced_by"]]["since"] - one["until"]).days == 1


def test_the_table_was_compared_after_every_day_that_it_speaks_of_as_past():
    assert LAW["last_checked"] >= max(one["since"] for one in LAW["text"] if "since" in one)


def test_pages_and_defaults_of_today_name_the_city_and_todays_department():
    names = ("operate.md", "settings.md", "connectors.md", "integrate.md")
    pages = [page for page in DOCS.rglob("*.md") if page.name in names]
    assert {page.name for page in pages} == set(names)
    for page in pages:
        text = page.read_text("utf-8")
        assert "tỉnh Đồng Nai" not in text, page
        assert not re.search(r"/STTTT", text), page
