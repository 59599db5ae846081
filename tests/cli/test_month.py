"""A month in the life of a gateway, as `make play-month` makes it, in a short form: all that a month brings is in it."""

import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.alerts import current_alerts
from gateway.core import chain
from gateway.core.model import DeliveryState, Fate
from gateway.core.problems import Problem
from gateway.services.desk import Choice, plan_replay
from gateway.services.intake import judge
from gateway.store.compare import compare_with_log
from gateway.wiring import registry_looked_at

TOOL = Path(__file__).parents[2] / "tools" / "month.py"
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """Ten days of it with some three hundred messages; nobody of the console, whose passwords cost more than all of it."""
    before = list(sys.path)
    found = importlib.util.spec_from_file_location("month_tool", TOOL)
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    sys.path[:] = before
    made = module.Month(tmp_path_factory.mktemp("month"), 300, NOW, days=10, persons={})
    made.live()
    yield made
    made.store.dispose()


def test_its_log_and_its_tables_agree(month):
    assert chain.verify_chain(month.store.log_entries()).whole
    found = compare_with_log(month.store)
    assert (found.differences, found.rows["party"]) == ([], 15)
    assert found.rows["message"] >= 270  # what an agency that was away would have answered was not sent


def test_what_needs_a_person_is_all_there(month):
    settings = month.loaded.settings
    parties, trust = registry_looked_at(settings, month.store)
    groups = {
        (group.alarm.value, group.party): group for group in current_alerts(settings, month.store, parties, trust, NOW)
    }
    assert groups["lane-held", "so-tu-phap"].cause == "DLV-060"
    assert groups["ending", "so-y-te"].facts["days"] == 11
    held = groups["message-held", "xa-binh-an"]
    with month.store.read() as view:
        assert len(held.alerts) == view.held_count()
    assert "…" not in Problem(held.cause, held.facts).message()
    assert {"message-held", "inbox-unread", "drift", "status-missing"} <= {alarm for alarm, _ in groups}


def test_messages_failed_of_several_causes_and_would_be_judged_anew(month):
    with month.store.read() as view:
        causes = {cause.code for cause in view.failures()}
        looked = [line for line in view.log(limit=10_000) if line.what == "message.read"]
        late = view.deliveries(states=[DeliveryState.DEAD], limit=100)
    assert {"SIG-001", "SIG-062"} <= causes
    assert len(looked) >= 10
    assert {one.problem.facts["last"] for one in late} == {"DLV-001"}
    plan = plan_replay(month.store, Choice(states=frozenset({"dead"})), lambda envelope: judge(envelope, month.gate))
    assert (len(plan.deliveries), plan.would_fail) == (len(late), [])
    held = plan_replay(month.store, Choice(states=frozenset({"held"})), lambda envelope: judge(envelope, month.gate))
    assert {message.state for message in held.messages} == {Fate.HELD}
    assert len(held.would_fail) == len(held.messages)
