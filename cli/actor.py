"""The user who runs a command, for the audit log."""

import os
import pwd
from contextlib import suppress

import click

from ingest.db.tenants.audit import Actor


def actor() -> Actor:
    """Return the user of this process, and the command that it runs."""
    name = str(os.getuid())  # a container's user may have no name
    with suppress(KeyError):
        name = pwd.getpwuid(os.getuid()).pw_name
    context = click.get_current_context(silent=True)
    path = context.command_path.split()[1:] if context else []
    return Actor("command", name, " ".join(["sluice", *path]))
