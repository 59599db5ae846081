"""Where two lists lie while they are compared, and what becomes of them."""

from contextlib import suppress
from pathlib import Path

import pytest

from gateway.store import SideBook, Store, Unavailable, open_engine


def opened():
    """The files that this process has open, by the names that they had."""
    names = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            names.append(str(link.readlink()))
    return [name for name in names if "side-book" in name]


def test_the_lists_lie_beside_the_database_and_a_process_that_is_killed_leaves_nothing(sqlite_url):
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    store = Store(open_engine(sqlite_url))
    with store.side_book() as book:
        book.put_ours("a", {"state": "4"})
        (name,) = opened()
        assert Path(name).parent.parent == file.parent
        assert [one for one in file.parent.iterdir() if one.is_dir()] == []
        for number in range(5000):
            book.put_theirs(f"{number:0200}", {"state": "4"}, number)
        assert book.bytes > 1_000_000
        assert len([pair for pair in book.differing() if pair.ours is None]) == 5000
    assert opened() == []
    store.dispose()


def test_where_that_folder_is_not_there_they_lie_where_temporary_files_do_and_nowhere_is_an_error(
    tmp_path, monkeypatch
):
    with SideBook(tmp_path / "not there") as book:
        book.put_ours("a", {"state": "4"})
        assert len(opened()) == 1
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nor there"))
    with pytest.raises(Unavailable, match="No such file"):
        SideBook(tmp_path / "not there")
