"""A command is imported when it runs, and listed by the first sentence of its help all the same."""

import subprocess
import sys

import click
import pytest

from cli import main
from cli.commands.jobs import jobs
from cli.lazy import LazyGroup

_LIBRARIES = {"celery", "cryptography", "httpx2", "marshmallow", "msgspec", "psycopg", "redis", "rich", "structlog"}
_HELP = "import sys; from cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"


def test_the_help_of_sluice_imports_no_library_of_its_commands() -> None:
    done = subprocess.run([sys.executable, "-c", _HELP], capture_output=True, text=True, check=True)
    assert "Apply the migrations that the database has not had." in done.stdout
    assert _LIBRARIES & set(done.stdout.split()) == set()


@pytest.mark.parametrize("group", [main, jobs], ids=["sluice", "jobs"])
def test_a_command_is_listed_by_the_first_sentence_of_its_help(group: click.Group) -> None:
    assert isinstance(group, LazyGroup)
    for name, lazy in group.lazy.items():
        command = lazy.load()
        assert command.name == name
        assert click.Command(name, help=lazy.summary).get_short_help_str(1_000) == command.get_short_help_str(1_000)
