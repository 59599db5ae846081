"""log verify | export."""

import json

import pytest

HS01 = "accepted/HS01-nop-ho-so-toi-thieu"


def test_the_chain_of_a_node_is_whole(cli, office):
    office.receive(HS01)
    (row,) = cli("log", "verify", "--json").rows
    assert row["whole"]
    assert row["entries"] == len(cli("log", "export", "--json").rows)


def test_an_export_verifies_elsewhere_without_a_database(cli, office, tmp_path):
    office.receive(HS01)
    (tmp_path / "nhat-ky.jsonl").write_text(cli("log", "export", "--json").out)
    elsewhere = tmp_path / "x"
    elsewhere.mkdir()
    result = cli("log", "verify", "--file", tmp_path / "nhat-ky.jsonl", folder=elsewhere)
    assert (result.code, "nguyên vẹn" in result.out) == (0, True)


@pytest.mark.parametrize("harm", ["change", "cut", "insert", "garble"])
def test_a_harmed_export_is_found_out(cli, office, tmp_path, harm):
    office.receive(HS01)
    lines = cli("log", "export", "--json").out.splitlines()
    if harm == "change":
        row = json.loads(lines[1])
        lines[1] = json.dumps({**row, "who": "operator:somebody-else"})
    elif harm == "cut":
        del lines[1]
    elif harm == "insert":
        lines.insert(1, lines[1])
    else:
        lines[1] = "{"
    file = tmp_path / "nhat-ky.jsonl"
    file.write_text("\n".join(lines) + "\n")
    result = cli("log", "verify", "--file", file)
    assert result.code == 1
    assert ("SYS-045" if harm == "garble" else "SYS-050") in result.err


def test_a_cut_at_the_end_is_found_out_by_a_witness(cli, office, tmp_path):
    office.receive(HS01)
    rows = cli("log", "export", "--json").rows
    file = tmp_path / "nhat-ky.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    witness = f"{rows[-1]['number']}:{rows[-1]['hash']}"
    assert cli("log", "verify", "--file", file).code == 0
    assert cli("log", "verify", "--file", file, "--witness", witness).code == 1
    assert cli("log", "verify", "--witness", witness).code == 0


def test_a_witness_that_is_none_is_wrong_usage(cli, office):
    assert cli("log", "verify", "--witness", "x").code == 2
