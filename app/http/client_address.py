"""The address of a request's client, also behind proxies that the operator trusts."""

from ipaddress import IPv6Address, ip_network

from flask import request

from app.http.services import services
from ingest.rights import Address

# A client of IPv6 has so long a prefix for itself, with 2 ** 64 addresses (RFC 6177).
_OF_ONE_CLIENT = 64


def client_address() -> Address | None:
    """Return the address of this request's client; None if it is not known."""
    return services().trusted_proxies.client(
        request.environ.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", "")
    )


def client_network() -> str:
    """Return the address of this request's client, of IPv6 the network of /64 that one client has for itself."""
    address = client_address()
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _OF_ONE_CLIENT), strict=False))
    return str(address)
