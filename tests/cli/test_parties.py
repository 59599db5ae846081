"""parties check | apply | list, and the profiles themselves (gateway.services.profiles)."""

import pki
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import PartyId
from gateway.core.operators import OperatorRole
from gateway.core.parties import (
    AfterFailure,
    CodeMeaning,
    LanePolicy,
    Parties,
    Party,
    Receives,
    RetryPolicy,
    Role,
    SignatureDemand,
    SignaturePolicy,
    SigningCertificate,
)
from gateway.core.problems import Lang, Stopped
from gateway.services.profiles import from_text, profile_differences, read_file, read_folder, to_text

GOOD = """\
id = "mot"
name = "Một"
role = "one-stop"
identifiers = ["H19.991"]
"""


def profile(tmp_path, text, name="mot"):
    file = tmp_path / f"{name}.toml"
    file.write_text(text, "utf-8")
    return file


def codes(tmp_path, text, trees=("a",)):
    from connectors.registry import installed

    with pytest.raises(Stopped) as stop:
        read_file(profile(tmp_path, text), trees, installed())
    for problem in stop.value.problems:
        for lang in Lang:
            assert "…" not in problem.message(lang).replace("“…”", "")
    return [(problem.code, problem.facts.get("key"), problem.at.line) for problem in stop.value.problems]


def test_every_sample_party_is_read_as_the_test_pki_reads_it():
    found = {party.id: party for party in read_folder(pki.SAMPLES / "parties", ["quoc-gia", "chinh-phu"])}
    for name, party in found.items():
        expected = pki.party(name)
        assert party.identifiers == expected.identifiers
        assert {c.fingerprint for c in party.certificates} == {c.fingerprint for c in expected.certificates}
        assert party.credentials == expected.credentials
        assert party.signature == expected.signature


def test_a_folder_that_may_not_be_read_is_not_an_empty_one(tmp_path, monkeypatch):
    profile(tmp_path, GOOD)

    def refused(_self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "iterdir", refused)  # whoever runs the tests may be root, who may read anything
    with pytest.raises(Stopped) as stop:
        read_folder(tmp_path)
    assert [problem.code for problem in stop.value.problems] == ["SYS-045"]


def test_a_party_needs_four_lines(tmp_path):
    party = read_file(profile(tmp_path, GOOD))
    assert (party.receives, party.signature.default, party.enabled) == (Receives.PULL, SignatureDemand.REQUIRED, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace('id = "mot"', 'id = "hai"'), [("SYS-014", "id", 1)]),
        (GOOD.replace("H19.991", "X"), [("SYS-017", "identifiers", 4)]),
        (GOOD.replace("one-stop", "onestop"), [("SYS-014", "role", 3)]),
        (GOOD.replace("one-stop", "gateway"), [("SYS-014", "role", 3)]),
        (GOOD + "enabled = false\n", [("SYS-016", "disabled_reason", 1)]),
        (GOOD + 'receives = "push"\n', [("SYS-016", "connector.name", 1)]),
        (GOOD + 'credentials = { token = "x" }\n', [("SYS-012", "credentials.token", 5)]),
        (GOOD + 'credentials = { token_sha256 = "x" }\n', [("SYS-017", "credentials.token_sha256", 5)]),
        (GOOD + 'certificates = [{ file = "none.pem" }]\n', [("SYS-020", "certificates[1].file", 5)]),
        (GOOD + 'certificates = [{ file = "mot.toml" }]\n', [("SYS-021", "certificates[1].file", 5)]),
        (GOOD + 'signature = { HS17 = "maybe" }\n', [("SYS-014", "signature.by_type.HS17", 5)]),
        (GOOD + "maps = { TrangThaiHoSo = { x = 12 } }\n", [("SYS-014", "maps.TrangThaiHoSo.x", 5)]),
        (GOOD + "maps = { TrangThai = { x = 0 } }\n", [("SYS-014", "maps.TrangThai.x", 5)]),
        (GOOD + 'maps = { HinhThuc = { "" = "1" } }\n', [("SYS-017", "maps.HinhThuc.", 5)]),
        (GOOD + 'maps = { TrangThaiHS = { x = "1" } }\n', [("SYS-012", "maps.TrangThaiHS", 5)]),
        (GOOD + 'formats = { ThoiDiemXuli = "yyyyMMdd" }\n', [("SYS-012", "formats.ThoiDiemXuli", 5)]),
        (GOOD + 'formats = { ChuHoSo = "yyyyMMdd" }\n', [("SYS-012", "formats.ChuHoSo", 5)]),
        (GOOD + 'formats = { ThoiDiemXuLy = "YYYY-MM-dd" }\n', [("SYS-061", "formats.ThoiDiemXuLy", 5)]),
        (GOOD + 'formats = { ThoiDiemXuLy = "yyyy-MM-ddTHH:mm" }\n', [("SYS-061", "formats.ThoiDiemXuLy", 5)]),
        (GOOD + "limits = { NoiDungXuli = 100 }\n", [("SYS-012", "limits.NoiDungXuli", 5)]),
        (GOOD + "limits = { MaHoSo = 10 }\n", [("SYS-012", "limits.MaHoSo", 5)]),
        (GOOD + "limits = { NoiDungXuLy = 0 }\n", [("SYS-015", "limits.NoiDungXuLy", 5)]),
        (GOOD + 'privileges = ["everything"]\n', [("SYS-014", "privileges", 5)]),
        (GOOD + "retry = { longest_s = 0 }\n", [("SYS-015", "retry.longest_s", 5)]),
        (GOOD + "nmae = 1\n", [("SYS-012", "nmae", 5)]),
        (GOOD + 'receives = "push"\nconnector = { name = "rset", url = "http://a" }\n', [("DLV-056", None, 6)]),
        (GOOD + 'receives = "push"\nconnector = { name = "rest", ulr = "http://a" }\n', None),
    ],
)
def test_every_mistake_has_its_code_key_and_line(tmp_path, text, expected):
    found = codes(tmp_path, text)
    if expected is None:
        assert {line for _, _, line in found} == {6}
        assert "SYS-012" in {code for code, _, _ in found}
    else:
        assert found == expected


def test_a_certificate_of_a_tree_that_there_is_not_names_the_nearest(tmp_path):
    (tmp_path / "c.pem").write_bytes((pki.KEYS / "cong-dvc.cert.test.pem").read_bytes())
    text = GOOD + 'certificates = [{ file = "c.pem", tree = "chinhphu" }]\n'
    with pytest.raises(Stopped) as stop:
        read_file(profile(tmp_path, text), ["chinh-phu", "quoc-gia"])
    assert stop.value.problems[0].facts["nearest"] == "chinh-phu"


def test_paths_and_secrets_of_a_connector_are_taken_from_the_profile_s_folder(tmp_path):
    from connectors.registry import installed

    text = (
        GOOD
        + 'receives = "push"\nconnector = { name = "rest", url = "https://a", ca = "ca.pem", authorization = "file:t" }\n'
    )
    party = read_file(profile(tmp_path, text), None, installed())
    assert party.connector_settings["ca"] == str(tmp_path / "ca.pem")
    assert party.connector_settings["authorization"] == f"file:{tmp_path}/t"


@pytest.mark.parametrize(
    "line",
    ['identifiers = ["H19.991"]', 'credentials = { token_sha256 = "%s" }' % ("a" * 64)],
    ids=["identifier", "token"],
)
def test_what_belongs_to_one_party_is_not_another_s(tmp_path, line):
    profile(tmp_path, GOOD.replace('["H19.991"]', '["H19.991", "H19.995"]') + (line if "cred" in line else ""))
    other = GOOD.replace("mot", "hai").replace('["H19.991"]', '["H19.992"]')
    other = other.replace('["H19.992"]', '["H19.991"]') if "ident" in line else other + line
    profile(tmp_path, other, "hai")
    with pytest.raises(Stopped) as stop:
        read_folder(tmp_path)
    (problem,) = stop.value.problems
    assert (problem.code, "mot.toml" in problem.facts["second"] + problem.facts["first"]) == ("SYS-025", True)


def test_all_mistakes_of_all_files_come_at_once(tmp_path):
    profile(tmp_path, GOOD + "x = 1\n")
    profile(tmp_path, "id = 1\n", "hai")
    with pytest.raises(Stopped) as stop:
        read_folder(tmp_path)
    assert {problem.facts["file"].rpartition("/")[2] for problem in stop.value.problems} == {"mot.toml", "hai.toml"}


_text = st.text(min_size=1, max_size=12)
_parties = st.builds(
    Party,
    id=st.just(PartyId("mot")),
    name=_text,
    role=st.sampled_from(Role),
    identifiers=st.tuples(st.just("H19.991")),
    receives=st.sampled_from(Receives),
    enabled=st.booleans(),
    certificates=st.lists(
        st.builds(
            SigningCertificate,
            der=st.binary(min_size=1, max_size=20),
            fingerprint=st.just("f"),
            tree=st.none() | st.just("a"),
            valid_from=st.none() | st.datetimes(timezones=st.just(__import__("datetime").UTC)),
            purposes=st.frozensets(st.sampled_from(["message", "seal"])),
        ),
        max_size=1,  # a certificate is registered once
    ).map(tuple),
    signature=st.builds(
        SignaturePolicy,
        default=st.sampled_from(SignatureDemand),
        by_type=st.dictionaries(st.sampled_from(["HS01", "HS17"]), st.sampled_from(SignatureDemand)),
        signed_pdf=st.frozensets(st.just("HS11")),
        xades_types=st.frozensets(st.just("HS11")),
        algorithms_by_type=st.dictionaries(st.just("HS11"), st.just(("a", "b"))),
        trees_by_type=st.dictionaries(st.just("HS11"), st.just(("quoc-gia",))),
        timestamp_types=st.frozensets(st.just("HS11")),
    ),
    maps=st.dictionaries(st.just("TrangThaiHoSo"), st.dictionaries(_text, _text, max_size=2), max_size=1),
    versions=st.dictionaries(st.just("HS05"), st.just(("1.0", "1.1")), max_size=1),
    may_send_to=st.none() | st.just(("hai",)),
    rate_per_s=st.none() | st.floats(1, 100),
    lane=st.builds(LanePolicy, after_failure=st.sampled_from(AfterFailure)),
    meaning=st.builds(CodeMeaning, Trang8LaTamDung=st.none() | st.booleans()),
    retry=st.builds(RetryPolicy, longest_s=st.integers(1, 86_400)),
    connector_settings=st.dictionaries(_text, st.integers() | st.booleans() | _text, max_size=2),
)


@given(_parties)
def test_a_profile_survives_the_registry(party):
    assert from_text(to_text(party)) == party
    assert to_text(from_text(to_text(party))) == to_text(party)


@given(_parties, _parties)
def test_a_difference_is_empty_exactly_for_equal_profiles(one, other):
    assert (profile_differences(Parties([one]), [other]) == []) == (to_text(one) == to_text(other))


def test_the_registry_keeps_a_profile_as_its_first_version_did():
    """Nodes of two versions may share a database for a while, and evidence bundles are read for years."""
    kept = (
        '{"certificates":[],"connector_settings":{},"credentials":{"basic":{},"client_certificate_sha256":[],'
        '"token_sha256":[]},"enabled":true,"formats":{},"id":"a","identifiers":["H19.1"],"lane_after_failure":"continue",'
        '"limits":{},"maps":{},"name":"A","privileges":[],"receives":"pull","retry":{"give_up_after_h":168.0,'
        '"longest_s":90},"role":"portal","signature":{"algorithms":[],"algorithms_by_type":{},"by_type":{},'
        '"default":"required","signed_pdf":[],"status_unknown":"hold","timestamp":false,"timestamp_types":[],'
        '"trees_by_type":{},"xades":false,"xades_types":[]},"trang_8_la_tam_dung":true,"typed_submissions":false,'
        '"versions":{}}'
    )
    party = from_text(kept)
    assert (party.lane.after_failure, party.meaning.Trang8LaTamDung) == (AfterFailure.CONTINUE, True)
    assert party.retry == RetryPolicy(longest_s=90)
    assert to_text(party) == kept


def test_a_profile_written_by_a_later_version_is_read_without_what_is_new():
    assert from_text('{"id":"a","name":"A","role":"portal","identifiers":["H19.1"],"tomorrow":1}').id == "a"


# The commands


def test_apply_puts_files_into_force_with_author_and_reason(cli, office):
    history = cli("parties", "list", "--history", "cong-dvc", "--json").rows
    assert [(row["version"], row["reason"]) for row in history] == [(1, "test")]
    assert history[0]["author"].startswith("operator:")
    assert {row["party"] for row in cli("parties", "list", "--json").rows} >= {"cong-dvc", "so-tu-phap"}
    assert "(one-stop)" in cli("parties", "list").out  # the word of the file stands beside the role's name


def test_apply_again_changes_nothing(cli, office):
    result = cli("parties", "apply", "--yes", "--reason", "again")
    assert (result.code, "Không khác" in result.out) == (0, True)
    assert cli("parties", "list", "--history", "cong-dvc", "--json").rows[-1]["version"] == 1


def lock(office):
    file = office.folder / "parties" / "cong-dvc.toml"
    file.write_text(file.read_text() + 'enabled = false\ndisabled_reason = "thử"\n')


def test_a_changed_file_is_only_a_difference_until_it_is_applied(cli, office):
    lock(office)
    shown = cli("parties", "check").out
    assert "enabled: True → False" in shown
    assert next(row for row in cli("parties", "list", "--json").rows if row["party"] == "cong-dvc")["enabled"]
    assert cli("parties", "apply", "--yes", "--reason", "khóa thử").code == 0
    assert not next(row for row in cli("parties", "list", "--json").rows if row["party"] == "cong-dvc")["enabled"]
    log = cli("log", "export", "--json").rows
    assert any("khóa thử" in str(row["facts"]) for row in log)


def test_a_dry_run_shows_and_changes_nothing(cli, office):
    lock(office)
    assert "enabled" in cli("parties", "apply", "--dry-run").out
    assert cli("parties", "list", "--history", "cong-dvc", "--json").rows[-1]["version"] == 1


def test_without_a_reason_nothing_is_applied(cli, office):
    lock(office)
    result = cli("parties", "apply", "--yes")
    assert (result.code, "SYS-041" in result.err) == (1, True)


def test_a_party_without_a_file_stays_unless_its_removal_is_asked_for(cli, office):
    (office.folder / "parties" / "don-vi-loi.toml").unlink()
    assert "don-vi-loi" not in cli("parties", "apply", "--yes", "--reason", "x").out
    assert "BỎ don-vi-loi" in cli("parties", "apply", "--yes", "--reason", "x", "--remove-missing").out
    assert "don-vi-loi" not in {row["party"] for row in cli("parties", "list", "--json").rows}


def test_a_broken_file_stops_the_whole_act(cli, office):
    (office.folder / "parties" / "so-tu-phap.toml").write_text("id = 1")
    result = cli("parties", "apply", "--yes", "--reason", "x")
    assert (result.code, "so-tu-phap.toml:1:1 SYS-013" in result.err) == (1, True)


def test_a_viewer_may_look_and_not_apply(cli, office):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text().replace('"administrator"', f'"{OperatorRole.VIEWER}"'))
    assert cli("parties", "list").code == 0
    result = cli("parties", "apply", "--yes", "--reason", "x")
    assert (result.code, "SYS-040" in result.err) == (1, True)


def test_a_connector_slower_than_the_lease_is_refused(cli, office):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text().replace("#lease_s = 120.0", "lease_s = 5.0"))
    assert "SYS-039" in cli("parties", "check").out


def test_the_mistakes_of_the_connector_are_told_with_all_the_others(tmp_path):
    text = GOOD + 'recieves = "push"\n[connector]\nname = "rest"\nurl = 5\ntiemout_s = 3\n[retry]\nlongest_s = -1\n'
    assert codes(tmp_path, text) == [
        ("SYS-012", "recieves", 5),
        ("SYS-015", "retry.longest_s", 11),
        ("SYS-013", "url", 8),
        ("SYS-012", "tiemout_s", 9),
    ]


def spoken(cli, *arguments):
    result = cli("parties", "versions", *arguments, "--json")
    return {(row["party"], row["loai"]): row for row in result.rows}, result


def test_which_party_speaks_which_version_is_told_from_the_registry_and_from_what_came(cli, office):
    for name, party in (("HS01-nop-ho-so-toi-thieu", "cong-dvc"), ("HS03-tiep-nhan-toi-thieu", "so-tu-phap")):
        assert office.receive(f"accepted/{name}", party).fate == "accepted"
    file = office.folder / "parties" / "cong-dvc.toml"
    file.write_text('versions = { HS05 = ["1.0"] }\n' + file.read_text("utf-8"), "utf-8")
    assert cli("parties", "apply", "--yes", "--reason", "x").code == 0
    rows, result = spoken(cli)
    assert result.code == 0
    told = rows["cong-dvc", "HS05"]
    assert (told["reads"], told["sent"], told["served"]) == (["1.0"], [], ["1.0", "1.1"])
    seen = rows["so-tu-phap", "HS03"]
    assert (seen["reads"], seen["sent"][0]["version"], seen["sent"][0]["count"]) == (None, "1.0", 1)
    assert set(spoken(cli, "so-tu-phap")[0]) == {("so-tu-phap", "HS03")}
    assert not any(row["sent"] for row in spoken(cli, "--since", "2999-01-01")[0].values())
    table = cli("parties", "versions").out
    assert "mọi phiên bản" in table
    assert "Không hạn chế phiên bản, chưa gửi gì: " in table
    assert "every version" in cli("--lang", "en", "parties", "versions").out


def test_a_version_that_the_gateway_does_not_have_is_named(cli, office):
    file = office.folder / "parties" / "cong-dvc.toml"
    file.write_text('versions = { HS05 = ["9.9"] }\n' + file.read_text("utf-8"), "utf-8")
    assert cli("parties", "apply", "--yes", "--reason", "x").code == 0
    rows, result = spoken(cli)
    assert (result.code, rows["cong-dvc", "HS05"]["strange"], "SYS-051" in result.err) == (1, ["9.9"], True)
    assert "SYS-042" in cli("parties", "versions", "nobody").err


def test_a_rule_named_for_a_party_is_kept_with_its_severity_and_an_unknown_one_told_with_the_nearest(cli, node):
    profile = node / "parties" / "mot.toml"
    text = 'id = "mot"\nname = "Một"\nrole = "portal"\nidentifiers = ["H19.1"]\n\n[rules]\n"HS03.{}" = "reject"\n'
    profile.write_text(text.format("dich-vu-thoi-han"), "utf-8")
    assert cli("parties", "check").code in (0, 1)
    party = read_file(profile)
    assert from_text(to_text(party)).rules == {"HS03.dich-vu-thoi-han": "reject"}
    profile.write_text(text.format("dich-vu-thoi-hann"), "utf-8")
    result = cli("parties", "check")
    assert (result.code, "dich-vu-thoi-han" in result.out + result.err) == (1, True)
    assert "SYS-012" in result.out + result.err
