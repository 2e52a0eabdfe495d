"""Addresses that may be connected to: those of the public internet, whatever form they come in."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# Not reached over the public internet, or by more machines than one: the special-purpose registry of IANA (RFC 6890),
# multicast (RFC 5771), and relays of 6to4 (RFC 7526). They are named here because `is_global` of the standard library
# differs between versions of Python.
_CLOSED_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' own (RFC 6598)
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local, where clouds serve credentials
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)

# All that is public is in this block.
_GLOBAL_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # Teredo, ORCHID and other protocols
            "2001:db8::/32",
            "2002::/16",  # 6to4, which holds any address of version 4
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)

# The well-known prefix of NAT64 (RFC 6052), by which a network of version 6 alone reaches version 4.
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """True if an address is one of the public internet.

    Args:
        address: of version 4 or 6, as the resolver spells it.
    """
    try:
        known = ip_address(address)
    except ValueError:
        return False
    return _is_public_v4(known) if isinstance(known, IPv4Address) else _is_public_v6(known)


def _is_public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _CLOSED_V4)


def _is_public_v6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    inner = address.ipv4_mapped or (IPv4Address(address.packed[-4:]) if address in _NAT64 else None)
    if inner is not None:
        return _is_public_v4(inner)
    return address in _GLOBAL_V6 and not any(address in network for network in _CLOSED_V6)
