"""An interface that comes to an end says so with every answer, good or not; docs/en/versions.md."""

from datetime import UTC, datetime

import pytest

from gateway.core.problems import Stopped
from gateway.settings import load

SINCE, END = datetime(2026, 6, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)


def told(answer):
    return {name: answer.headers[name] for name in ("Deprecation", "Sunset", "Link") if name in answer.headers}


def test_what_ends_says_since_when_and_until_when_and_nothing_else_does(open_door):
    door = open_door(
        deprecated={"/soap": SINCE, "/v1": END, "/v1/inbox": SINCE}, sunset={"/soap": END, "/v1/inbox": END}
    )
    ends = {
        "Deprecation": "@1780272000",
        "Sunset": "Tue, 01 Jun 2027 00:00:00 GMT",
        "Link": '</docs>; rel="deprecation"; type="text/html"',
    }
    assert told(door.get("/v1/inbox", "cong-dvc")) == ends
    assert told(door.get("/v1/inbox")) == ends, "who is refused is told too"
    assert told(door.ask("POST", "/soap", b"<a/>", by="cong-dvc", headers={"Content-Type": "text/xml"})) == ends
    later = told(door.get("/v1/dossiers/x", "cong-dvc"))
    assert later == {"Deprecation": "@1811808000", "Link": ends["Link"]}
    assert told(door.get("/healthz")) == told(door.get("/v1x")) == {}


def test_without_a_word_nothing_ends(door):
    assert told(door.get("/v1/inbox", "cong-dvc")) == {}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('deprecated = { "/v2" = 2026-06-01T00:00:00+07:00 }', "SYS-012"),
        ('sunset = { "/soap" = 2027-06-01T00:00:00+07:00 }', "SYS-018"),  # nobody was told before
        (
            'deprecated = { "/soap" = 2027-06-01T00:00:00+07:00 }\nsunset = { "/soap" = 2026-06-01T00:00:00+07:00 }',
            "SYS-018",
        ),
        ('deprecated = { "/soap" = "2027" }', "SYS-013"),
    ],
)
def test_an_end_that_cannot_be_meant_is_refused(tmp_path, text, code):
    file = tmp_path / "lienthong.toml"
    file.write_text(f'[node]\nidentifier = "H19.900"\nname = "x"\n[door]\n{text}\n')
    with pytest.raises(Stopped) as caught:
        load(file, env={})
    assert code in [problem.code for problem in caught.value.problems]
