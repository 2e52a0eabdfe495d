"""Every committed change of every job, kept by the database itself: it outlives whatever is killed."""

import os
import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import psycopg

# A guard against hanging; tests/chaos/mutants.py, which waits for things that never happen, makes it shorter.
TIMEOUT_SECONDS = float(os.environ.get("CHAOS_TIMEOUT_SECONDS", "60"))

_KEEP = """
CREATE TABLE history (
    no bigint GENERATED ALWAYS AS IDENTITY, job_id uuid, status text, processed integer, at timestamptz);
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO history (job_id, status, processed, at)
    VALUES (NEW.id, NEW.status, NEW.total - NEW.unprocessed, clock_timestamp());
    PERFORM pg_notify('history', '');
    RETURN NULL;
END $$;
CREATE TRIGGER keep_history AFTER INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION keep_history();
"""


def keep(database_url: str) -> None:
    """Keep the history of jobs from now on."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(_KEEP)


class Witness:
    """Looks at the database, and is woken by every change of a job."""

    def __init__(self, database_url: str) -> None:
        self.conn = psycopg.connect(database_url, autocommit=True)
        self.conn.execute("LISTEN history")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.conn.execute(query.encode(), values).fetchall()

    def one(self, query: str, *values: Any) -> Any:
        return self.rows(query, *values)[0][0]

    def until(self, fact: Callable[[], bool], why: str, *, within: float = TIMEOUT_SECONDS) -> None:
        """Return once the fact holds; `within` is a guard against hanging, not a goal."""
        deadline = time.monotonic() + within
        while not fact():
            left = deadline - time.monotonic()
            assert left > 0, f"waited {within:.0f} s for {why}"
            for _ in self.conn.notifies(timeout=min(left, 1.0), stop_after=1):
                break

    def until_ended(self, job_ids: Iterable[UUID] | None = None, *, within: float = TIMEOUT_SECONDS) -> None:
        """All jobs, or those named, have ended."""
        query = "SELECT count(*) FROM jobs WHERE ended_at IS NULL AND (%s::uuid[] IS NULL OR id = ANY(%s))"
        wanted = None if job_ids is None else list(job_ids)
        self.until(lambda: self.one(query, wanted, wanted) == 0, "all jobs to end", within=within)

    def blocks_done(self, job_id: UUID) -> int:
        done: int = self.one("SELECT count(*) FROM job_blocks WHERE job_id = %s AND NOT open", job_id)
        return done

    def until_blocks_done(self, job_id: UUID, blocks: int) -> None:
        self.until(lambda: self.blocks_done(job_id) >= blocks, f"{blocks} blocks of the job")

    def ended_at(self, job_id: UUID) -> Any:
        return self.one("SELECT ended_at FROM jobs WHERE id = %s", job_id)
