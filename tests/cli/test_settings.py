"""A node's settings: defaults, file, environment, command line; and what is said of each mistake."""

import ast
import os
from dataclasses import fields, replace
from pathlib import Path

import pytest
import sources

from gateway.core.allowances import Allowance
from gateway.core.limits import CEILING, DEFAULT_LIMITS, DocumentLimits
from gateway.core.parties import Parties
from gateway.core.problems import Lang, Stopped
from gateway.core.severity import Severity
from gateway.services.outbox import Pace
from gateway.settings import SECTIONS, Settings, example, find, leaves, load, node_secret, variable
from gateway.wiring import build


def write(tmp_path, text):
    file = tmp_path / "lienthong.toml"
    file.write_text(text)
    return file


def problems_of(file, env=None):
    with pytest.raises(Stopped) as stop:
        load(file, env or {})
    return stop.value.problems


def test_without_a_file_everything_is_at_its_default():
    loaded = load(None, {})
    assert loaded.settings.web.port == 8310
    assert loaded.origin("web.port").kind == "default"


def test_a_value_knows_the_line_it_came_from(tmp_path):
    loaded = load(write(tmp_path, "\n[web]\nport = 81\n"), {})
    assert loaded.settings.web.port == 81
    assert loaded.origin("web.port").place.endswith("lienthong.toml:3")
    assert loaded.origin("web.host").kind == "default"


def test_the_environment_goes_before_the_file_and_the_command_line_before_both(tmp_path):
    file = write(tmp_path, "[web]\nport = 81\nworkers = 2\n")
    env = {"LIENTHONG_WEB_PORT": "82", "LIENTHONG_WEB_WORKERS": "3"}
    loaded = load(file, env, {"web.workers": 4})
    assert (loaded.settings.web.port, loaded.settings.web.workers) == (82, 4)
    assert (loaded.origin("web.port").place, loaded.origin("web.workers").kind) == (
        "LIENTHONG_WEB_PORT",
        "command line",
    )


def test_a_wrong_value_in_the_environment_names_the_variable(tmp_path):
    (problem,) = problems_of(write(tmp_path, ""), {"LIENTHONG_WEB_PORT": "many"})
    assert (problem.code, problem.facts["file"]) == ("SYS-013", "LIENTHONG_WEB_PORT")


def test_a_variable_that_matches_no_setting_is_remarked_upon(tmp_path):
    (note,) = load(write(tmp_path, ""), {"LIENTHONG_WEB_PROT": "1"}).notes
    assert (note.code, note.facts["nearest"]) == ("SYS-029", "LIENTHONG_WEB_PORT")


def test_an_unknown_setting_names_file_line_and_the_nearest_known_one(tmp_path):
    (problem,) = problems_of(write(tmp_path, "[web]\nprot = 1\n"))
    assert (problem.code, problem.at.line, problem.facts["nearest"]) == ("SYS-012", 2, "port")


def test_paths_and_sqlite_files_are_relative_to_the_configuration(tmp_path):
    settings = load(write(tmp_path, '[key]\nfile = "k.pem"\ncertificate = "../c.pem"\n'), {}).settings
    assert settings.key.file == tmp_path / "k.pem"
    assert settings.key.certificate == (tmp_path / "../c.pem").resolve()
    assert settings.parties.folder == tmp_path / "parties"
    assert settings.database.url == f"sqlite:///{tmp_path}/lienthong.sqlite3"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('[web]\ntls_key = "k"\n', {"SYS-018"}),
        ('[web]\nclient_ca = "ca"\n', {"SYS-018"}),
        ('[key]\ncertificate = "c"\n', {"SYS-018"}),
        ("[limits]\nbody_bytes = 2000\n", {"SYS-018"}),
        ("[door]\nwait_s = 500\n", {"SYS-018"}),
        ("[work]\nrecheck_s = 86400\nhold_for_h = 1\n", {"SYS-018"}),
        ("[work]\nclaim = 64\n", {"SYS-018"}),
        ('[database]\nurl = "postgresql+psycopg://a:secret@h/d"\n', {"SYS-024"}),
        ("[web]\nport = 70000\n", {"SYS-015"}),
        ('[log]\nlevel = "LOUD"\n', {"SYS-014"}),
        ('[operators]\nan = "boss"\n', {"SYS-014"}),
        ('[[trust.trees]]\nname = "a"\nfiles = ["x"]\n[[trust.trees]]\nname = "a"\nfiles = ["y"]\n', {"SYS-025"}),
    ],
)
def test_what_cannot_be_meant_is_said_in_both_languages(tmp_path, text, codes):
    problems = problems_of(write(tmp_path, text))
    assert {problem.code for problem in problems} == codes
    for problem in problems:
        for lang in Lang:
            assert "…" not in problem.message(lang) + problem.remedy(lang), "a fact is missing from the sentence"


def test_a_password_never_stands_in_a_sentence(tmp_path):
    (problem,) = problems_of(write(tmp_path, '[database]\nurl = "postgresql+psycopg://a:hunter2@h/d"\n'))
    assert "hunter2" not in str(problem.facts)


def test_a_secret_file_that_others_can_read_is_refused(tmp_path):
    file = tmp_path / "p"
    file.write_text("word\n")
    file.chmod(0o600)
    assert node_secret(file, "database.password_file") == "word"
    file.chmod(0o640)
    with pytest.raises(Stopped) as stop:
        node_secret(file, "database.password_file")
    assert [problem.code for problem in stop.value.problems] == ["SYS-023"]


def test_a_missing_file_is_a_sentence(tmp_path):
    (problem,) = problems_of(tmp_path / "none.toml")
    assert problem.code == "SYS-010"


def test_the_configuration_is_found_in_a_folder_above(tmp_path):
    file = write(tmp_path, "")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find(below) == file
    assert find(below, Path("other")) == Path("other")


def test_the_example_of_each_language_is_a_valid_file_that_changes_nothing(tmp_path):
    for lang in Lang:
        loaded = load(write(tmp_path, example(lang)), {})
        assert leaves(loaded.settings) == leaves(load(write(tmp_path, ""), {}).settings)


def test_the_example_sets_what_it_is_given(tmp_path):
    text = example(Lang.VI, {"web.port": 99, "node.name": 'Tên "lạ"', "operators": {"an": "viewer"}})
    settings = load(write(tmp_path, text), {}).settings
    assert (settings.web.port, settings.node.name, settings.operators) == (99, 'Tên "lạ"', {"an": "viewer"})


def test_every_setting_says_what_it_means_in_both_languages():
    assert set(SECTIONS) == {f.name for f in fields(Settings)}
    for key, f, _ in leaves(Settings()):
        assert f.metadata["vi"], key
        assert f.metadata["en"], key
        assert f.metadata["vi"] != f.metadata["en"], key


def test_every_setting_is_read_by_somebody():
    """An option that nobody reads does nothing. Limits and paces are handed down whole (below)."""
    read = set()
    for file in sources.files():
        if file.relative_to(sources.ROOT).parts[0] in ("gateway", "schemas"):
            read |= {node.attr for node in sources.nodes(file) if isinstance(node, ast.Attribute)}
    whole = {f.name for kind in (DocumentLimits, Allowance, Pace) for f in fields(kind)}
    assert [key for key, f, _ in leaves(Settings()) if f.name not in read | whole] == []


def test_no_node_can_be_set_beyond_the_limits_that_records_are_read_by():
    ceiling = {f.name: f.metadata["at_most"] for f in fields(DocumentLimits)}
    assert replace(DEFAULT_LIMITS, **ceiling) == CEILING
    assert Settings().limits == DEFAULT_LIMITS


def test_the_worker_has_a_setting_for_each_of_its_paces():
    assert {f.name for f in fields(Pace)} <= {f.name for f in fields(type(Settings().work))}


def test_environment_names_are_plain():
    assert variable(("web", "port")) == "LIENTHONG_WEB_PORT"
    assert os.environ.get("LIENTHONG_WEB_PORT") is None


def test_a_rule_beyond_the_schema_can_be_softened_for_one_message_type(tmp_path):
    file = write(tmp_path, '[rules.severity]\n"HS05.thu-tu-khop" = "warn"\n')
    gate = build(load(file, {}).settings, parties=Parties([]))
    assert gate.catalog.rules.severity == {"HS05.thu-tu-khop": Severity.WARN}


def test_a_rule_that_does_not_exist_is_named_with_the_nearest_one(tmp_path):
    (problem,) = problems_of(write(tmp_path, '[rules.severity]\n"HS05.thu-tu-khopp" = "warn"\n'))
    assert (problem.code, problem.facts["nearest"]) == ("SYS-012", "thu-tu-khop")


def test_a_rule_that_guards_integrity_cannot_be_softened(tmp_path):
    (problem,) = problems_of(write(tmp_path, '[rules.severity]\ndinh-kem-dung-bam = "off"\n'))
    assert problem.code == "SYS-012"


def test_a_list_in_the_environment_is_written_with_commas(tmp_path):
    env = {"LIENTHONG_DOOR_TRUSTED_PROXIES": "10.1.0.0/16, ::1", "LIENTHONG_KEY_PREVIOUS": "a.pem"}
    loaded = load(write(tmp_path, ""), env)
    assert loaded.settings.door.trusted_proxies == ("10.1.0.0/16", "::1")
    assert loaded.settings.key.previous == (tmp_path / "a.pem",)
    assert loaded.notes == ()


def test_what_is_no_network_and_what_is_no_digest_is_said_before_anything_starts(tmp_path):
    for text in (
        'trusted_proxies = ["10.1.0.0/99"]',
        'trusted_proxies = ["a.example"]',
        'operator_tokens_sha256 = ["abc"]',
    ):
        (problem,) = problems_of(write(tmp_path, f"[door]\n{text}\n"), {})
        assert (problem.code, problem.at.line) == ("SYS-017", 2)


def test_an_empty_path_is_none_where_it_may_be_left_out_and_wrong_elsewhere(tmp_path):
    assert load(write(tmp_path, '[web]\ntls_key = ""\n'), {}).settings.web.tls_key is None
    (problem,) = problems_of(write(tmp_path, '[parties]\nfolder = ""\n'), {})
    assert (problem.code, problem.at.line) == ("SYS-017", 2)
