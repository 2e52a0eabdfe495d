"""An installation as it comes, whatever the environment of this process says: the pages show defaults."""

import os

from ingest.settings import Settings

_SERVERS = {"DATABASE_URL": "postgresql://localhost", "REDIS_URL": "redis://localhost"}  # nothing connects to them


def default_settings() -> Settings:
    """Return settings of which each has its default."""
    environment = dict(os.environ)
    os.environ.clear()
    os.environ.update(_SERVERS)
    try:
        return Settings.from_env()
    finally:
        os.environ.clear()
        os.environ.update(environment)
