"""Addresses as they are written."""

import pytest

from gateway.core.addresses import forwarded_ip, host_and_port


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("host", "written"),
    [("127.0.0.1", "127.0.0.1:80"), ("cong.vn", "cong.vn:80"), ("::1", "[::1]:80"), ("fe80::1", "[fe80::1]:80")],
)
def test_an_ipv6_address_stands_in_brackets(host, written):
    assert host_and_port(host, 80) == written


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9:51234 ", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("[2001:db8::9]:443", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
        ("cong.vn:80", None),
        ("203.0.113.9:123456", None),
        ("", None),
    ],
)
def test_what_a_proxy_names_is_an_address_with_or_without_a_port(said, address):
    found = forwarded_ip(said)
    assert (None if found is None else str(found)) == address
