"""The master keys of a data directory are for the database of its stack, and for no other."""

import pytest

from cli.options import settings_here
from cli.stack.datadir import DataDir

NAMED = "postgresql://sluice:one@db.example:6432/sluice"


@pytest.fixture
def data(tmp_path, monkeypatch):
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "SLUICE_MASTER_KEYS", "SLUICE_MASTER_KEYS_FILE", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    return DataDir(tmp_path)


def test_commands_use_the_keys_of_the_embedded_stack_beside_it(data):
    data.make_master_keys(data.database_url)
    assert settings_here(data.path).master_keys == data.read_master_keys(data.database_url) != ""


def test_commands_for_another_database_do_not_take_the_keys_of_the_stack(data, monkeypatch):
    data.make_master_keys(data.database_url)
    monkeypatch.setenv("DATABASE_URL", NAMED)
    assert settings_here(data.path).master_keys == ""


def test_commands_use_the_keys_of_a_stack_that_runs_on_their_database(data, monkeypatch):
    data.make_master_keys(NAMED)
    monkeypatch.setenv("DATABASE_URL", NAMED.replace("sluice:one@", "postgres:two@"))
    assert settings_here(data.path).master_keys == data.read_master_keys(NAMED) != ""
    monkeypatch.setenv("DATABASE_URL", f"{NAMED}_other")
    assert settings_here(data.path).master_keys == ""
    assert "one" not in "".join(path.read_text() for path in data.path.iterdir())
