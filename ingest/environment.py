"""Variables that libraries read past our settings. They are removed, so that our settings alone count.

Celery takes its broker from CELERY_BROKER_URL, gunicorn its address from GUNICORN_CMD_ARGS, libpq the server from
PGHOST or PGSERVICE for whatever DATABASE_URL leaves out: a part of Sluice would talk to other servers than the rest.
"""

import os
from collections.abc import Iterable

from psycopg.pq import Conninfo

_PREFIXES = ("CELERY_", "FLASK_")
_NAMES = frozenset(
    {
        *("GUNICORN_CMD_ARGS", "BROKER_URL", "RESULT_BACKEND", "CONFIG_MODULE", "LOADER"),  # the last four: `celery`'s
        *("PGSERVICEFILE", "PGSYSCONFDIR", "PGDATESTYLE", "PGTZ", "PGGEQO"),
        *(option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar),
    }
)

# These select identity, trust and encryption, but never another server. Session options may stay too: Sluice sets its
# own after them.
_KEPT_PREFIXES = ("PGPASS", "PGSSL", "PGGSS", "PGKRB", "PGREQUIRE")
_KEPT_NAMES = frozenset({"PGCHANNELBINDING", "PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION", "PGOPTIONS"})


def strays(names: Iterable[str]) -> list[str]:
    """Return the variables among these that a library would read past our settings, in alphabetical order."""
    return sorted(name for name in names if _is_stray(name))


def drop_strays() -> list[str]:
    """Remove them from this process, and so from those that it starts; returns which were set."""
    found = strays(os.environ)
    for name in found:
        del os.environ[name]
    return found


def _is_stray(name: str) -> bool:
    if name in _KEPT_NAMES or name.startswith(_KEPT_PREFIXES):
        return False
    return name in _NAMES or name.startswith(_PREFIXES)
