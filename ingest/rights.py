"""The rights of API keys: to do what, until when, from where and how often. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, TypeAlias

from ingest.errors import Forbidden
from ingest.timestamps import timestamp_or_none

READ, WRITE, ADMIN = SCOPES = ("read", "write", "admin")

# In place of a scope, of calls that every key may make.
ANY = "any"

MOST_ADDRESSES = 100
MOST_REQUESTS_PER_MINUTE = 1_000_000

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of a key.

    Attributes:
        scopes: some of SCOPES.
        expires_at: when it opens nothing any more; None: it never expires.
        addresses: the networks that it may be used from; None: all.
        requests_per_minute: its own limit, below those of its tenant; None: it has none.
    """

    scopes: Sequence[str] = SCOPES
    expires_at: datetime | None = None
    addresses: Sequence[Network] | None = None
    requests_per_minute: int | None = None


def shown(rights: Rights) -> dict[str, Any]:
    """Return rights as the wire shows them, and the audit log."""
    return {
        "scopes": list(rights.scopes),
        "expiresAt": timestamp_or_none(rights.expires_at),
        "addresses": None if rights.addresses is None else [str(network) for network in rights.addresses],
        "requestsPerMinute": rights.requests_per_minute,
    }


def check_within(own: Rights, wanted: Mapping[str, Any]) -> None:
    """Raise if somebody would give a key more than its own has.

    Args:
        own: the rights of the key that is used.
        wanted: fields of Rights, by their names.

    Raises:
        Forbidden: they are more; the message says which.
    """
    if missing := [scope for scope in wanted.get("scopes", ()) if scope not in own.scopes]:
        raise Forbidden(f"This key has not the scope {missing[0]}, so it cannot give it to a key")
    if _exceeds(own.expires_at, wanted, "expires_at"):
        raise Forbidden("This key expires, so it cannot give a key a later time than its own: set expiresAt")
    if _exceeds(own.requests_per_minute, wanted, "requests_per_minute"):
        raise Forbidden(
            f"This key may make {own.requests_per_minute} requests a minute, so it can give a key no more: set "
            "requestsPerMinute"
        )
    if own.addresses is not None and "addresses" in wanted:
        given = wanted["addresses"]
        if given is None or not all(any(_lies_in(network, outer) for outer in own.addresses) for network in given):
            raise Forbidden("This key may be used from some addresses alone, so it can give a key no others")


def _exceeds(own: Any, wanted: Mapping[str, Any], name: str) -> bool:
    return own is not None and name in wanted and (wanted[name] is None or wanted[name] > own)


def _lies_in(network: Network, outer: Network) -> bool:
    return network.version == outer.version and network.subnet_of(outer)  # type: ignore[arg-type] # of one version


def network_of(text: str) -> Network:
    """Return a network, or a single address, as it is spelled.

    One of IPv4 in the spelling of IPv6, as ::ffff:203.0.113.0/120, is returned as one of IPv4: clients have addresses
    of IPv4 whatever the spelling of their server.

    Raises:
        ValueError: it is neither.
    """
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & _IPV4_BITS, network.prefixlen - _MAPPED.prefixlen))
    return network


# RFC 4291 section 2.5.5.2.
_MAPPED = IPv6Network("::ffff:0:0/96")
_IPV4_BITS = 2**32 - 1


def allows(addresses: Sequence[Network], address: Address | None) -> bool:
    """True if an address lies in one of these networks; an unknown one lies in none."""
    return address is not None and any(address in network for network in addresses)
