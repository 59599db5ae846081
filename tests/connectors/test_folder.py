from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from false_agency import run
from hypothesis import given
from hypothesis import strategies as st
from parcels import BODY, MADE, parcel, party

from connectors.folder import file_name, folder
from connectors.http import HttpLine
from connectors.outcomes import NotThere, Parcel, Receipt, Refused, Uncertain, Unreachable

NAME = "20260115T083000.123456Z_00000000-0000-0000-0000-000000000001.xml"


async def put(what: Parcel, **settings: Any) -> Receipt:
    async with HttpLine() as line:
        configured = folder.configure(settings)
        return await folder.deliver(what, configured.settings, line.http(configured.common))


async def look(what: Parcel, **settings: Any) -> Receipt | NotThere | None:
    async with HttpLine() as line:
        configured = folder.configure(settings)
        return await folder.ask(what, configured.settings, line.http(configured.common))


def test_the_file_holds_the_original_bytes_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    receipt = run(put(parcel(), path=str(tmp_path)))
    assert receipt.reference == NAME
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == BODY


def test_names_sort_as_the_messages_came(tmp_path: Path) -> None:
    for number, second in ((1, 30), (2, 20), (3, 40)):
        run(put(parcel(number, created_at=MADE.replace(second=second)), path=str(tmp_path)))
    assert [name[-5] for name in sorted(file.name for file in tmp_path.iterdir())] == ["2", "1", "3"]


def test_other_bytes_under_the_same_name_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"other")
    with pytest.raises(Refused) as caught:
        run(put(parcel(), path=str(tmp_path)))
    assert caught.value.problem.code == "DLV-032"
    assert (tmp_path / NAME).read_bytes() == b"other"


def test_what_was_taken_is_not_put_there_again(tmp_path: Path) -> None:
    out, taken = tmp_path / "out", tmp_path / "taken"
    out.mkdir()
    taken.mkdir()
    settings = {"path": str(out), "taken": str(taken)}
    run(put(parcel(), **settings))
    (out / NAME).rename(taken / NAME)
    assert isinstance(run(look(parcel(), **settings)), Receipt)
    assert isinstance(run(put(parcel(), **settings)), Receipt)
    assert list(out.iterdir()) == []


def test_what_vanished_is_not_there(tmp_path: Path) -> None:
    run(put(parcel(), path=str(tmp_path)))
    (tmp_path / NAME).unlink()
    assert run(look(parcel(), path=str(tmp_path))) == NotThere()


def test_half_a_file_of_a_try_that_died_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / f".{NAME}.part").write_bytes(b"<ThongD")
    assert run(look(parcel(), path=str(tmp_path))) == NotThere()
    run(put(parcel(), path=str(tmp_path)))
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == BODY


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    for story in (put, look):
        with pytest.raises(Unreachable) as caught:
            run(story(parcel(), path=str(tmp_path / "not-mounted")))
        assert (caught.value.problem.code, caught.value.problem.facts["why"]) == ("DLV-008", "ENOENT")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_before_the_file_is_named_has_taken_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unreachable) as caught:
        run(put(parcel(), path=str(tmp_path)))
    assert caught.value.problem.facts["why"] == "ENOSPC"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_after_the_file_is_named_leaves_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = os.fsync

    def fails_second(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", fails_second)
    with pytest.raises(Uncertain):
        run(put(parcel(), path=str(tmp_path)))


@given(st.text())
def test_no_id_can_leave_the_folder(ma: str) -> None:
    name = file_name(parcel(ma_thong_diep=ma))
    assert Path("x", name).parent == Path("x")
    assert name.isascii()
    assert name.isprintable()
    assert not name.startswith(".")
    assert len(name) < 200
    assert name == file_name(parcel(ma_thong_diep=ma))


@given(st.text(), st.text())
def test_two_ids_never_share_a_file(one: str, other: str) -> None:
    assert (file_name(parcel(ma_thong_diep=one)) == file_name(parcel(ma_thong_diep=other))) == (one == other)


def test_the_party_is_not_needed_for_the_name(tmp_path: Path) -> None:
    run(put(parcel(to=party("folder")), path=str(tmp_path)))
    assert (tmp_path / NAME).exists()
