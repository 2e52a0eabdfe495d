"""Proxies in front of the API that the operator trusts to say who has called them. Pure."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Self

from ingest.rights import Address, Network, allows, network_of

# Stands among networks for a proxy that connects by a Unix socket, and has no address.
UNIX = "unix"


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The proxies whose `X-Forwarded-For` is believed: each adds the address that it was called from at the end.

    Attributes:
        networks: where they are.
        unix: one connects by a Unix socket.
    """

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read networks and `unix`, with commas between.

        Raises:
            ValueError: a part is neither.
        """
        parts = {part.strip() for part in text.split(",")} - {""}
        return cls(tuple(network_of(part) for part in sorted(parts - {UNIX})), UNIX in parts)

    def client(self, peer: str, forwarded: str) -> Address | None:
        """Return the address that the first proxy of a chain of trusted ones was called from.

        Args:
            peer: the address at the other end of the connection; empty for a Unix socket.
            forwarded: `X-Forwarded-For`.

        Returns:
            None if it is not known.
        """
        hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
        address = _parsed(peer)
        trusted = self.unix if not peer else address is not None and allows(self.networks, address)
        while trusted and hops:
            address = _parsed(hops.pop())
            trusted = address is not None and allows(self.networks, address)
        return address


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
