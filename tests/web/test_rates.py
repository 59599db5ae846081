"""Rates without memory of single requests."""

import pytest
from full import files_of_at_most

from gateway.web.rates import Rates


def test_a_burst_passes_and_then_the_rate_holds():
    rates = Rates()
    passed = sum(rates.wait_s("a", per_s=2, burst=4, now=100.0) == 0 for _ in range(10))
    assert passed == 4
    assert rates.wait_s("a", per_s=2, burst=4, now=100.0) == pytest.approx(0.5)
    assert rates.wait_s("a", per_s=2, burst=4, now=100.5) == 0
    assert rates.wait_s("a", per_s=2, burst=4, now=100.5) > 0


def test_the_long_run_is_the_rate_whatever_the_pattern():
    rates = Rates()
    passed = sum(rates.wait_s("a", per_s=5, burst=10, now=1000 + n / 100) == 0 for n in range(6000))  # 60 s
    assert 5 * 60 <= passed <= 5 * 60 + 10


def test_one_key_does_not_slow_another():
    rates = Rates()
    while rates.wait_s("a", per_s=1, burst=1, now=5.0) == 0:
        pass
    assert rates.wait_s("b", per_s=1, burst=1, now=5.0) == 0


def test_looking_takes_nothing():
    rates = Rates()
    assert rates.wait_s("a", per_s=1, burst=1, take=False, now=5.0) == 0
    assert rates.wait_s("a", per_s=1, burst=1, now=5.0) == 0
    assert rates.wait_s("a", per_s=1, burst=1, take=False, now=5.0) == pytest.approx(1.0)


def test_workers_of_one_node_share_a_rate(tmp_path):
    one, other = Rates(tmp_path / "rates"), Rates(tmp_path / "rates")
    assert one.wait_s("a", per_s=1, burst=2, now=5.0) == 0
    assert other.wait_s("a", per_s=1, burst=2, now=5.0) == 0
    assert one.wait_s("a", per_s=1, burst=2, now=5.0) > 0
    assert other.wait_s("a", per_s=1, burst=2, now=5.0) > 0
    one.close()
    other.close()


def test_the_file_has_its_place_on_the_disk_before_anybody_maps_it(tmp_path):
    """Whoever touches a page that has none, on a full file system, is ended by SIGBUS."""
    Rates(tmp_path / "rates").close()
    made = (tmp_path / "rates").stat()
    assert made.st_blocks * 512 >= made.st_size == 2**21


@pytest.mark.hostile
def test_where_there_is_no_room_for_the_file_the_rates_are_the_process_s_own(tmp_path, caplog):
    with files_of_at_most(2**10):
        rates = Rates(tmp_path / "rates")
    assert rates.wait_s("a", per_s=1, burst=1, now=5.0) == 0
    assert rates.wait_s("a", per_s=1, burst=1, now=5.0) > 0
    assert caplog.text.count("rates are each worker's own") == 1
    rates.close()
