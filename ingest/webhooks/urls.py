"""The URLs that a webhook may have. What a name resolves to is checked at each try: `ingest.webhooks.sending`."""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from ingest.errors import WrongUrl
from ingest.webhooks.addresses import is_public

LONGEST = 2_000

# Ports below are those of mail, shells and other services, which a webhook must not speak to.
_FIRST_FREE_PORT = 1_024
_HTTPS_PORT = 443
_LAST_PORT = 65_535

# Visible ASCII but for what browsers and libraries read differently, or rewrite.
_CHARACTERS = re.compile(r"[!-~]+")
_ODD = re.compile(r"[\\\"<>^`{|}#]")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*")
# Such a last label makes an address of the whole, however odd its spelling: https://url.spec.whatwg.org
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")


class Target(NamedTuple):
    """The parts of a URL that a request needs.

    Attributes:
        scheme: `https`, or `http` in closed networks.
        host: a name or an address, the latter without brackets.
        port: from 1 on.
        authority: host and port, as the header Host has them.
        path: with the query.
    """

    scheme: str
    host: str
    port: int
    authority: str
    path: str


def parse(url: str, *, allow_private: bool) -> Target:
    """Return the parts of a URL that a webhook may have.

    Args:
        url: as a client told it.
        allow_private: take http, any port, and addresses that are not public too.

    Raises:
        WrongUrl: it may not have it; the message says what to change.
    """
    if len(url) > LONGEST:
        raise WrongUrl(f"Must have at most {LONGEST} characters")
    if not _CHARACTERS.fullmatch(url) or _ODD.search(url):
        raise WrongUrl("Must be ASCII without spaces and fragments: percent-encode the path, give a name as in xn--…")
    parts = _split(url)
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes or not parts.hostname:
        raise WrongUrl(f"Must begin with {' or '.join(f'{scheme}://' for scheme in schemes)} and a host")
    if "@" in parts.netloc:
        raise WrongUrl("Must have no user and no password; the signature tells the receiver who calls")
    host = _host(parts.hostname, allow_private=allow_private)
    port = _port(parts, allow_private=allow_private)
    authority = f"[{host}]" if ":" in host else host
    usual = port == (_HTTPS_PORT if parts.scheme == "https" else 80)
    return Target(
        parts.scheme,
        host,
        port,
        authority if usual else f"{authority}:{port}",
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise WrongUrl("Must be a URL") from None


def _host(host: str, *, allow_private: bool) -> str:
    address = _address(host)
    if address is None:
        if not _NAME.fullmatch(host):
            raise WrongUrl("Must have a name of letters, digits, hyphens and dots, or an address, as its host")
        is_closed = host == "localhost" or host.endswith(".localhost")
    else:
        is_closed = not is_public(address)
    if is_closed and not allow_private:
        raise WrongUrl("Must not be of this machine or of a private network")
    return address or host


def _address(host: str) -> str | None:
    """Return the address that a host is, in its usual spelling; None where it is a name."""
    try:
        if ":" in host:
            return str(IPv6Address(host))
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            return str(IPv4Address(host))
    except ValueError:
        raise WrongUrl("Must have an address in its usual form as its host, as in 192.0.2.1") from None
    return None


def _port(parts: SplitResult, *, allow_private: bool) -> int:
    try:
        told = parts.port
    except ValueError:
        told = 0
    port = (_HTTPS_PORT if parts.scheme == "https" else 80) if told is None else told
    least = 1 if allow_private else _FIRST_FREE_PORT
    if port != _HTTPS_PORT and not least <= port <= _LAST_PORT:
        raise WrongUrl(f"Must have the port {_HTTPS_PORT}, or one from {least} to {_LAST_PORT}")
    return port
