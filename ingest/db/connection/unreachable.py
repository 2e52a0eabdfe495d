"""Explain why there is no connection to the database, in libpq's own words, and what to do about it."""

import re

from ingest.db.connection.pool import connect
from ingest.errors import Unavailable

_ADVICE = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (
            r"unsupported startup parameter",
            "Take `options` out of DATABASE_URL and PGOPTIONS: the pooler refuses it. ALTER ROLE … SET can do as much",
        ),
        (
            r"no such database|no such user|server login|cannot connect to server|server conn crashed",
            "A pooler answers, and cannot reach this database as this user: see to its configuration and its log",
        ),
        (r'database ".*" does not exist', "Make it (CREATE DATABASE), or mend its name in DATABASE_URL"),
        (r'role ".*" does not exist', "Make that role (CREATE ROLE … LOGIN), or mend the user in DATABASE_URL"),
        (
            r"authentication failed|no password supplied|auth failed|SASL",
            "Mend user or password in DATABASE_URL (@ : / ? # % are percent-encoded there), PGPASSWORD or PGPASSFILE",
        ),
        (
            r"too many (clients|connections)|connection slots|no more connections allowed",
            "Raise max_connections (of a pooler: max_client_conn), or lower SLUICE_WEB_WORKERS or SLUICE_WEB_THREADS",
        ),
        (r"starting up|shutting down|recovery mode", "Wait for the server: it starts, stops or recovers"),
        (r"no pg_hba\.conf entry", "Let this user in from this address: the server's pg_hba.conf"),
        (
            r"could not translate host name|name or service not known|name resolution|resolve host",
            "Mend the host in DATABASE_URL, or this machine's name service",
        ),
        (
            r"connection refused|no such file or directory",
            "Start the server, or mend host and port in DATABASE_URL: nothing listens there",
        ),
        (
            r"timeout expired|timed out|no route to host|network is unreachable",
            "See that the host in DATABASE_URL runs, and that no firewall is between",
        ),
        (r"SSL|certificate", "Mend sslmode and sslrootcert in DATABASE_URL, or PGSSLMODE and PGSSLROOTCERT"),
    )
)
_OTHERWISE = "See to the server that DATABASE_URL names"


def advice_for(reason: str) -> str:
    """Return advice for the operator after a failed connection.

    Args:
        reason: the message of an Unavailable.
    """
    return next((advice for pattern, advice in _ADVICE if pattern.search(reason)), _OTHERWISE)


def why_unreachable(url: str, process: str) -> str:
    """Try to connect, and say what stands in the way; a pool says only that it got none.

    Args:
        url: libpq URL.
        process: as for `connect`.
    """
    try:
        connect(url, process).close()
    except Unavailable as error:
        return f"{error.message}. {advice_for(error.message)}"
    return "all connections of this process are in use, or were lost just now. Try again"
