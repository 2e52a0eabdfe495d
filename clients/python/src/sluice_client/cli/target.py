"""The server and the key that a command talks with: options, the environment, or the key of a stack on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from sluice_client._sync.client import Client
from sluice_client.cli.ends import Misconfigured

_LOCAL_URL = "http://127.0.0.1:8000"
_PROBE_SECONDS = 10.0  # with all tries: a person waits
_Command = TypeVar("_Command", bound=Any)


class Target(NamedTuple):
    """The address of a server, and a key of its operator API."""

    url: str
    key: str

    def client(self) -> Client:
        """Open a client that waits for the server as long as clients do."""
        return Client(self.url, key=self.key)

    def probe(self) -> Client:
        """Open a client that soon gives a server up that is away."""
        return Client(self.url, key=self.key, timeout=_PROBE_SECONDS)


def target_options(command: _Command) -> _Command:
    """Give a command the options --url and --key."""
    url = click.option(
        "--url", metavar="URL", envvar="SLUICE_URL", default=_LOCAL_URL, show_default=True, show_envvar=True,
        help="The server.",
    )  # fmt: skip
    key = click.option(
        "--key", metavar="KEY|@FILE", envvar="SLUICE_KEY", show_envvar=True,
        help="A key of its API, or the file that holds one; else .sluice/key, which `sluice up` writes.",
    )  # fmt: skip
    return url(key(command))


def target_of(url: str, key: str | None) -> Target:
    """Return the server that a command talks with.

    Raises:
        Misconfigured: there is no key, or none that can be one.
    """
    if key is None:
        local = Path(os.environ.get("SLUICE_DATA_DIR") or ".sluice") / "key"
        if not local.exists():
            raise Misconfigured(f"no key: say --key KEY, --key @FILE or SLUICE_KEY, or run where {local} is")
        secret = _read(local)
    else:
        secret = _read(Path(key[1:])) if key.startswith("@") else key.strip()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise Misconfigured("the key is none: it should look like oh_live_…")
    if "://" not in url:
        raise Misconfigured(f"the address {url} should begin with http:// or https://")
    return Target(url, secret)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"the key cannot be read from {path}: {getattr(error, 'strerror', None) or error}"
        ) from error
