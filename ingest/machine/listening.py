"""Find the address that web listens on, and whether other machines can reach it."""

import ipaddress
from collections.abc import Mapping

_DEFAULT = "127.0.0.1:8000"  # gunicorn's own


def open_addresses(environ: Mapping[str, str]) -> list[str]:
    """Return the addresses at which web listens for other machines too.

    Args:
        environ: in it SLUICE_BIND, one or more of `host:port`, `unix:path` and `fd://number`, counts before PORT.
    """
    port = environ.get("PORT")
    bound = environ.get("SLUICE_BIND") or (f"0.0.0.0:{port}" if port else _DEFAULT)
    return [address for address in bound.replace(",", " ").split() if not _is_local(address)]


def _is_local(address: str) -> bool:
    if address.startswith(("unix:", "fd://")):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
