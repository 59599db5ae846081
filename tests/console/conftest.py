"""An office with a console: the samples' parties, messages that went well and badly, and persons of every role."""

import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from offices import ROLES, Office


@pytest.fixture(scope="module")
def office(tmp_path_factory, sqlite_template):
    """One for a module: its tests leave alone what others look at."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copyfile(sqlite_template, folder / "desk.db")
    made = Office(folder, f"sqlite:///{folder / 'desk.db'}")
    made.receive("accepted/HS01-nop-ho-so-toi-thieu")
    made.receive("rejected/SIG-001-sua-noi-dung")
    made.failed = made.fail()
    yield made
    made.close()


class Persons:
    """A logged-in browser for each role, made when it is asked for, anew when its session may be over."""

    def __init__(self, office):
        self.office = office
        self.made = {}

    def __getitem__(self, role):
        now = self.office.clock.now
        since, visitor = self.made.get(role, (None, None))
        if since is None or now - since > timedelta(minutes=5):
            name = next(name for name, one in ROLES.items() if one == role)
            visitor = self.office.visitor(name)
            self.made[role] = now, visitor
        return replace(visitor, cookies=dict(visitor.cookies))


@pytest.fixture(scope="module")
def persons(office):
    """A logged-in browser for each role."""
    return Persons(office)


@pytest.fixture
def viewer(persons):
    return persons["viewer"]


@pytest.fixture
def operator(persons):
    return persons["operator"]
