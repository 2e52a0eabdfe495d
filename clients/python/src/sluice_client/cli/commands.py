"""The commands of `sluice-client`."""

from __future__ import annotations

import click

from sluice_client.cli.load import load
from sluice_client.cli.top import top
from sluice_client.cli.watch import watch


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sluice-client")
def main() -> None:
    """Load files into Sluice, and watch what becomes of them."""


@main.group()
def jobs() -> None:
    """Watch jobs."""


main.add_command(load)
main.add_command(top)
jobs.add_command(watch)
jobs.add_command(top)
