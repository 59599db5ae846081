"""trust forecast | show | refresh."""

from pathlib import Path

import pki

from gateway.cli.trust import REASON_WORDS

ROOT = Path(__file__).parents[2]


def test_the_forecast_names_what_ends_the_nearest_first(cli, office):
    rows = cli("trust", "--json").rows
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert {row["kind"] for row in rows} >= {"certificate", "own", "anchor", "intermediate", "evidence"}
    assert rows == cli("trust", "forecast", "--json").rows


def test_what_is_over_is_a_finding_only_when_nothing_stands_in_for_it(cli, office):
    (expired,) = [row for row in cli("trust", "--json").rows if row["name"] == pki.signer("expired").fingerprint]
    assert (expired["days"] < 0, expired["last"]) == (True, False)
    assert cli("trust", "--within", "0").code == 0


def test_the_forecast_looks_as_far_as_it_is_asked_to(cli, office):
    assert "own" not in {row["kind"] for row in cli("trust", "--within", "30", "--json").rows}
    assert "own" in {row["kind"] for row in cli("trust", "--within", "800", "--json").rows}


def test_show_tells_good_bad_and_unknown_apart(cli, office):
    status = {row["certificate"]: row["status"] for row in cli("trust", "show", "--json").rows}
    names = ("cong-dvc", "revoked", "unknown-status")
    assert [status[pki.signer(name).fingerprint] for name in names] == ["good", "bad", "unknown"]


def test_in_vietnamese_status_and_reason_are_vietnamese_and_every_reason_has_its_words(cli, office):
    reasons = {row["reason"] for row in cli("trust", "show", "--json").rows}
    assert reasons <= set(REASON_WORDS)
    out = cli("trust", "show").out
    assert "hợp lệ" in out
    assert "theo CRL" in out
    assert not [word for word in ("good", "bad", "unknown", *REASON_WORDS) if f" {word} " in out]
    source = "".join((ROOT / "signing" / name).read_text("utf-8") for name in ("trust.py", "status.py"))
    assert all(f'"{reason}"' in source for reason in REASON_WORDS)  # words of a reason that nobody gives are no words


def test_a_list_that_was_exchanged_counts_at_once(cli, office):
    """What was judged by the lists of a moment ago says nothing of others."""
    name = pki.signer("cong-dvc").fingerprint
    lists = sorted((office.folder / "keys").glob("*.crl*"))
    assert lists

    def status():
        (row,) = [row for row in cli("trust", "show", "--json").rows if row["certificate"] == name]
        return row["status"]

    assert [status(), status()] == ["good", "good"]
    before = {file: file.read_bytes() for file in lists}
    for file in lists:  # somebody else's
        file.write_bytes(before[lists[lists.index(file) - 1]])
    assert status() == "unknown"
    for file in lists:
        file.write_bytes(before[file])
    assert status() == "good"


def test_a_refresh_is_recorded_and_names_sources_that_do_not_answer(cli, office):
    config = office.folder / "lienthong.toml"
    text = config.read_text().replace(
        'name = "chinh-phu"', 'name = "chinh-phu"\ncrl_urls = ["http://127.0.0.1:9/ca.crl"]'
    )
    config.write_text(text.replace("#private_addresses = false", "private_addresses = true"))
    result = cli("trust", "refresh", "--json")
    (row,) = result.rows
    assert result.code == 1
    assert [failure["address"] for failure in row["failures"]] == ["http://127.0.0.1:9/ca.crl"]
    assert pki.signer("cong-dvc").fingerprint in row["changed"]
    with office.store.read() as view:
        assert view.statuses_version() > 0


def test_a_viewer_may_not_refresh(cli, office):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text().replace('"administrator"', '"viewer"'))
    assert "SYS-040" in cli("trust", "refresh").err
