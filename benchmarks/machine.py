"""Facts on the machine and the servers that make a result comparable."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

# The same for every side, peers included: nobody is fast by promising less.
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_TELLING = ("server_version", *_DURABLE, "wal_sync_method", "shared_buffers", "max_wal_size")


def durable(conn: psycopg.Connection[Any]) -> None:
    """Stop here unless what this session commits is on disk."""
    for name, wanted in _DURABLE.items():
        found = conn.execute(f"SHOW {name}").fetchone()
        if found != (wanted,):
            raise SystemExit(f"{name} is {found}, and must be {wanted} for what is measured to mean anything")


def describe(database_url: str) -> dict[str, Any]:
    """The machine, and the settings as the server itself says them."""
    with psycopg.connect(database_url) as conn:
        durable(conn)
        settings = {name: conn.execute(f"SHOW {name}").fetchone()[0] for name in _TELLING}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": round(os.getloadavg()[0], 2),  # of whatever else runs here
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgres": settings,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
