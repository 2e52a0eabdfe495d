"""The address of a request's client, also behind proxies that the operator trusts."""

from flask import request

from app.http.services import services
from ingest.rights import Address


def client_address() -> Address | None:
    """Return the address of this request's client; None if it is not known."""
    return services().trusted_proxies.client(
        request.environ.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", "")
    )
