from ipaddress import ip_address

import pytest

from ingest.proxies import TrustedProxies

_NEAR = "10.0.0.0/8,2001:db8::/32"


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ("", "203.0.113.7", "", "203.0.113.7"),
        ("", "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        (_NEAR, "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        (_NEAR, "10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (_NEAR, "2001:db8::1", "2001:db9::1", "2001:db9::1"),
        (_NEAR, "10.0.0.1", "192.0.2.1, 198.51.100.1", "198.51.100.1"),
        (_NEAR, "10.0.0.1", "192.0.2.1, 198.51.100.1 , 10.0.0.2", "198.51.100.1"),
        (_NEAR, "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (_NEAR, "10.0.0.1", "", "10.0.0.1"),
        (_NEAR, "::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (_NEAR, "10.0.0.1", "192.0.2.1, unknown", None),
        (_NEAR, "10.0.0.1", "192.0.2.1, ", None),
        (_NEAR, "", "198.51.100.1", None),
        ("unix", "", "198.51.100.1", "198.51.100.1"),
        ("unix", "10.0.0.1", "198.51.100.1", "10.0.0.1"),
        ("unix, 10.0.0.0/8", "", "198.51.100.1, 10.0.0.1", "198.51.100.1"),
    ],
)
def test_a_client_is_the_last_hop_that_is_no_trusted_proxy(
    trusted: str, peer: str, forwarded: str, client: str | None
) -> None:
    found = TrustedProxies.parse(trusted).client(peer, forwarded)
    assert found == (None if client is None else ip_address(client))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "nginx", "10.0.0.0/8;unix"])
def test_what_is_no_network_is_no_proxy(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|host bits"):
        TrustedProxies.parse(text)
