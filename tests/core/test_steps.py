"""Work in steps: whoever wants no rest has what comes of it at once."""

import pytest

from gateway.core.steps import finished


def test_what_comes_of_it_is_given_when_every_step_was_made():
    made = []

    def steps():
        for number in range(3):
            made.append(number)
            yield
        return "page"

    assert finished(steps()) == "page"
    assert made == [0, 1, 2]


def test_work_without_a_step_is_done_too():
    def steps():
        return "page"
        yield

    assert finished(steps()) == "page"


def test_what_a_step_raises_is_raised():
    def steps():
        yield
        raise LookupError("no such page")

    with pytest.raises(LookupError, match="no such page"):
        finished(steps())
