"""The commands of `sluice-client`."""

from __future__ import annotations

import click

from sluice_client.cli.load import load


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sluice-client")
def main() -> None:
    """Load files into Sluice, and watch what becomes of them."""


main.add_command(load)
