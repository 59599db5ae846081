"""drift: what a party does not know of a dossier, and whose turn it is."""

from gateway.settings import load
from gateway.wiring import renewed

AXIS = (
    'connector = { name = "edxml", url = "https://truc.invalid/gui", organ_id = "H19.900", organ_name = "Trục" }\n'
    'receives = "push"\n'
)


def test_what_a_party_was_not_told_yet_is_listed_with_the_fields_that_differ(cli, office):
    file = office.folder / "parties" / "cong-dvc.toml"
    file.write_text(file.read_text("utf-8").replace('receives = "pull"\n', AXIS), "utf-8")
    assert cli("parties", "apply", "--yes", "--reason", "cổng nói dạng trục văn bản").code == 0
    office.gate = renewed(office.gate, load(office.folder / "lienthong.toml", env={}).settings)
    assert (cli("drift").code, cli("drift", "--json").rows) == (0, [])

    office.receive("journeys/muc-do-3/01-HS01-nop-ho-so")
    office.receive("journeys/muc-do-3/02-HS03-tiep-nhan", "so-tu-phap")
    found = cli("drift", "--party", "cong-dvc", "--json")
    (row,) = found.rows
    assert (found.code, row["party"], row["cause"], row["turn"]) == (3, "cong-dvc", "waiting", "gateway")
    assert row["fields"]["TrangThaiHoSo"] == {"theirs": None, "true": "2"}
    people = cli("drift")
    assert people.code == 3
    assert row["ma_ho_so"] in people.out
    assert "bên phải xử lý: trục" in people.out

    reads = cli("drift", "--party", "so-tu-phap")
    assert reads.code == 0
    assert "đọc thông điệp" in reads.err
