"""Addresses as they are written."""

import pytest

from gateway.core.addresses import host_and_port


@pytest.mark.parametrize(
    ("host", "written"),
    [("127.0.0.1", "127.0.0.1:80"), ("cong.vn", "cong.vn:80"), ("::1", "[::1]:80"), ("fe80::1", "[fe80::1]:80")],
)
def test_an_ipv6_address_stands_in_brackets(host, written):
    assert host_and_port(host, 80) == written
