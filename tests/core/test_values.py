"""Values that are made often: frozen for whoever writes code, and plain for whoever runs it."""

from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import UTC, datetime

import pytest

from gateway.core.ledger import LogLine
from gateway.core.model import Acknowledgement, Claim, Delivery, Dossier, Envelope, ThongDiep
from gateway.core.values import made_often

CODE = """
from gateway.core.values import made_often

@made_often(frozen=True, slots=True, kw_only=True)
class Pair:
    left: int
    right: int

pair = Pair(left=1, right=2)
pair.left = 3
Pair(left=1)
"""


def test_the_type_checker_refuses_an_assignment(tmp_path):
    from mypy import api

    file = tmp_path / "pair.py"
    file.write_text(CODE, "utf-8")
    told, _, status = api.run([str(file), "--strict", "--cache-dir", str(tmp_path / "cache")])
    assert status == 1
    assert 'pair.py:10: error: Property "left" defined in "Pair" is read-only' in told
    assert 'pair.py:11: error: Missing named argument "right"' in told


def test_two_of_the_same_fields_are_one_value_as_frozen_ones_are():
    @made_often(frozen=True, slots=True, kw_only=True)
    class Plain:
        left: int
        right: str | None = None

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Frozen:
        left: int
        right: str | None = None

    for kind in (Plain, Frozen):
        assert len({kind(left=1), kind(left=1), kind(left=2)}) == 2
        assert replace(kind(left=1), right="r") == kind(left=1, right="r") != kind(left=1)
    assert hash(Plain(left=1)) == hash(Frozen(left=1))
    assert repr(Plain(left=1)).rpartition(".")[2] == "Plain(left=1, right=None)"
    with pytest.raises(FrozenInstanceError):
        Frozen(left=1).left = 2
    with pytest.raises(AttributeError):
        Plain(left=1).middle = 2


@pytest.mark.parametrize("kind", [Acknowledgement, Claim, Delivery, Dossier, Envelope, LogLine, ThongDiep])
def test_what_is_made_for_each_message_is_made_by_plain_assignments(kind):
    made = object.__new__(kind)
    name = kind.__slots__[0]
    setattr(made, name, datetime.now(UTC))  # a frozen one would raise
    assert getattr(made, name) is not None
