from ipaddress import ip_address

import pytest

from ingest.rights import allows, network_of


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.7", "203.0.113.7/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_of_ipv4_is_one_in_either_spelling(text: str, network: str) -> None:
    assert str(network_of(text)) == network


@pytest.mark.parametrize("text", ["203.0.113.7/24", "2001:db8::1/32", "::ffff:203.0.113.7/120", "nobody", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|host bits"):
        network_of(text)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("203.0.113.7", True), ("198.51.100.7", False), ("2001:db8::7", True), ("2001:db9::7", False)],
)
def test_an_address_is_allowed_from_the_networks_that_have_it_alone(address: str, *, allowed: bool) -> None:
    networks = [network_of("::ffff:203.0.113.0/120"), network_of("2001:db8::/32")]
    assert allows(networks, ip_address(address)) is allowed
    assert not allows(networks, None)
