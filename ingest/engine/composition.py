"""Make an executor: the one place where its parts are put together."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import WORKER, Connections, open_pool
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.announcer import Announcer
from ingest.engine.block_runner import BlockRunner
from ingest.engine.executor import Executor
from ingest.engine.group_runner import GroupRunner
from ingest.engine.runner import TRIES, JobRunner
from ingest.engine.turns import Turn
from ingest.notify.job_end import JobEndSignal
from ingest.notify.notifier import Notifier
from ingest.notify.progress import Progress
from ingest.settings import Settings


def make_executor(
    settings: Settings,
    notifier: Notifier,
    *,
    progress: Progress | None = None,
    template_cache: TemplateCache | None = None,
    keys: MasterKeys | None = None,
    wakes_requests: bool = True,
    connections: int = 1,
    tries: int = TRIES,
    watchdog: Callable[[int], AbstractContextManager[object]] = nullcontext,
) -> Executor:
    """Make an executor with database connections of its own: after the fork, never before.

    Args:
        settings: where the servers are, the largest item, and the master keys.
        notifier: of this process.
        progress: of this process; None: one of its own.
        template_cache: of this process; None: one of its own.
        keys: the master keys of this process; None: they are read from the settings.
        wakes_requests: False in a request that runs its own job, for which no other request waits.
        connections: as many jobs may run at once.
        tries: as of JobRunner.
        watchdog: as of BlockRunner.
    """
    job_end = JobEndSignal(settings.redis_url) if wakes_requests else None
    progress = progress or Progress(settings.redis_url)
    announcer = Announcer(notifier, job_end, progress)
    keys = keys or MasterKeys.parse(settings.master_keys)
    blocks = BlockRunner(template_cache or TemplateCache(), progress, Turn(), watchdog, settings.max_item_bytes, keys)
    return compose(open_pool(settings.database_url, WORKER, size=connections), announcer, blocks, tries)


def compose(pool: Connections, announcer: Announcer, blocks: BlockRunner, tries: int = TRIES) -> Executor:
    """Put the parts of an executor together.

    Args:
        pool: of worker connections.
        announcer: as of JobRunner, like those below.
        blocks: likewise.
        tries: likewise.
    """
    runner = JobRunner(pool, announcer, blocks, tries)
    return Executor(pool, announcer.notifier, runner, GroupRunner(runner), blocks.turn)
