"""Follow a job: wait for its end, or have each of its moves told."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from sluice_client import _aio
from sluice_client._async.transport import AsyncTransport
from sluice_client.errors import JobFailed, RateLimited, TransportError, Unavailable, WaitTimeout
from sluice_client.log import LOG
from sluice_client.models import JobInfo
from sluice_client.options import HELD_SECONDS
from sluice_client.retry import jitter, passes

if TYPE_CHECKING:
    import httpx2

    from sluice_client._async.job import AsyncJob

_LAST_LOOK_SECONDS = 1.0  # that may go beyond the time of a wait
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, _GROWTH = 0.05, 1.0, 1.6


async def ended(
    job: AsyncJob,
    transport: AsyncTransport,
    timeout: float | None,
    *,
    on_progress: Callable[[JobInfo], object] | None,
    check: bool,
    patient: bool,
) -> JobInfo:
    """Wait for the end of a job, as `AsyncJob.ended` says, and return what it shows then."""
    until = math.inf if timeout is None else time.monotonic() + timeout
    pause, tag = _FIRST_PAUSE_SECONDS, ""
    while True:
        left, info = until - time.monotonic(), None
        try:
            response = await _look(job, transport, tag, left)
        except (Unavailable, RateLimited, TransportError) as error:
            left = until - time.monotonic()
            if not (patient and passes(error)) or (left <= 0 and not job.info):
                raise
            LOG.warning("%s is waited for while the server cannot answer", job.id)
            pause = max(pause, getattr(error, "retry_after", None) or 0.0)
        else:
            if response.content:  # none is a 304
                info = job.info = transport.decoded(response, JobInfo)
                tag = response.headers.get("ETag", "")
        if info and on_progress:
            on_progress(info)
        if job.info and job.info.ended:
            break
        if left <= 0 and job.info and timeout is not None:
            raise WaitTimeout(job.info, timeout)
        await _aio.sleep(max(0.0, min(pause, until - time.monotonic())))
        pause = min(pause * _GROWTH, _LONGEST_PAUSE_SECONDS)
    if check and job.info.status != "completed":
        raise JobFailed(job.info)
    return job.info


async def _look(job: AsyncJob, transport: AsyncTransport, tag: str, left: float) -> httpx2.Response:
    """Return the server's answer about a job, held back while it is as its tag says.

    Args:
        job: that is followed.
        transport: to the server.
        tag: of the job as it was seen; empty if it was not.
        left: seconds of the wait.
    """
    held = max(0, int(min(HELD_SECONDS, left)))
    headers = {"If-None-Match": tag, "Prefer": f"wait={held}"} if tag else {}
    return await transport.send("getJob", job.id, headers=headers, within=max(left, _LAST_LOOK_SECONDS))


async def moves(job: AsyncJob, transport: AsyncTransport) -> AsyncIterator[JobInfo]:
    """Yield a job as it moves, until it has ended; a stream that breaks is taken up again behind its last event."""
    last, tries, silent_since = "", 0, math.inf
    while not (job.info and job.info.ended):
        tries += 1
        try:
            async with _aio.closing(_streamed(job, transport, last)) as events:
                async for number, info in events:
                    last, tries, silent_since = number, 0, math.inf
                    job.info = info
                    yield info
        except (Unavailable, RateLimited, TransportError) as error:
            silent_since = min(silent_since, time.monotonic())
            if not passes(error) or time.monotonic() - silent_since >= transport.timeout:
                raise
        else:
            silent_since = math.inf
        if not (job.info and job.info.ended):
            await _aio.sleep(jitter(tries + 1))


async def _streamed(job: AsyncJob, transport: AsyncTransport, last: str) -> AsyncIterator[tuple[str, JobInfo]]:
    """Yield the events of a stream behind one, each with its id."""
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
    async with transport.streamed("streamJob", job.id, headers=headers) as response:
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            await job.refresh()  # 204: the end was seen
        number = data = ""
        async for line in response.aiter_lines():
            name, _, text = line.partition(":")
            if name == "id":
                number = text.removeprefix(" ")
            elif name == "data":
                data = text.removeprefix(" ")
            elif not line and data:  # an event is whole at its blank line alone
                yield number, transport.decoded_text(data, JobInfo)
                data = ""
