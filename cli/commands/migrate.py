"""`sluice migrate`: bring the database's schema up to date."""

from pathlib import Path

import click

from cli.options import data_dir_option, database, json_option, print_json
from ingest.db.connection.migrate import migrate as apply


@click.command()
@data_dir_option
@json_option
def migrate(data_dir: Path, *, as_json: bool) -> None:
    """Apply the migrations that the database has not had. Run twice, or by two at once, it is harmless.

    Example: DATABASE_URL=postgresql://sluice@db.internal/sluice sluice migrate
    """
    with database(data_dir) as conn:
        applied = apply(conn)
    if as_json:
        print_json({"applied": applied})
    else:
        click.echo("\n".join(f"applied {name}" for name in applied) or "the database is up to date")
