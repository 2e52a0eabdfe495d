"""`sluice crypto`: the master keys that encrypt secrets."""

import click

from ingest import crypto as engine


@click.group()
def crypto() -> None:
    """Make the keys that encrypt secrets at rest, such as those of webhooks.

    Example: sluice crypto generate
    """


@crypto.command()
def generate() -> None:
    """Print a new master key, for SLUICE_MASTER_KEYS.

    To replace a key, put the new one in front of it, separated by a comma: the first one encrypts, all of them decrypt.
    A master key and the database together are enough to sign messages as this installation. Keep a copy of the key:
    without it, the secrets of all webhooks must be rotated.

    Example: sluice crypto generate
    """
    click.echo(engine.generate())
