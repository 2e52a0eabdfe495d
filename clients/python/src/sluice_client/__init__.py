"""The Python client of Sluice.

_async     AsyncClient and AsyncPublicClient: calls, jobs, loads; one connection for all of them
_sync      their twins Client and PublicClient, made of `_async` by `make client`
_aio, _io  what differs between the two beyond `await`
models     the server's answers
reports    what a load tells
telling    its progress, and a warning of many errors; bar draws it
log        the logger
reading    a source that is read in a thread
limits     the limits of batches
errors     one tree, each error with what to do
arguments  arguments that are refused before anything is sent
values     Python values as exact JSON
retry      when a call is made again
sending    what a request bears
refusals   answers that refuse, or never came
answers    answers as values
frames     data frames as items
files      files to load
cutting    where they are cut into parts
compressed what gzip or zstd has compressed
journal    of a load that may break off
operations every operation of the server
testing    a server in memory, for tests
"""

from typing import TYPE_CHECKING, Any

from sluice_client._sync.client import Client, PublicClient
from sluice_client._sync.job import Job
from sluice_client.errors import (
    ApiError,
    Conflict,
    Forbidden,
    ForkedClient,
    Invalid,
    ItemsFailed,
    JobFailed,
    LoadTooLarge,
    Misconfigured,
    NotFound,
    OtherLoad,
    RateLimited,
    Redirected,
    SluiceError,
    TooLarge,
    TransportError,
    Unauthorized,
    Unavailable,
    UnknownFormat,
    UnreadableFile,
    UnsupportedValue,
    UnwritableFile,
    WaitTimeout,
)
from sluice_client.models import ItemError, JobInfo
from sluice_client.options import BatchOptions
from sluice_client.reports import Accepted, ItemFailed, JobEnded, PartSent, Progress, Report
from sluice_client.version import VERSION

__all__ = [
    "Accepted",
    "ApiError",
    "AsyncClient",
    "AsyncJob",
    "AsyncPublicClient",
    "BatchOptions",
    "Client",
    "Conflict",
    "Forbidden",
    "ForkedClient",
    "Invalid",
    "ItemError",
    "ItemFailed",
    "ItemsFailed",
    "Job",
    "JobEnded",
    "JobFailed",
    "JobInfo",
    "LoadTooLarge",
    "Misconfigured",
    "NotFound",
    "OtherLoad",
    "PartSent",
    "Progress",
    "PublicClient",
    "RateLimited",
    "Redirected",
    "Report",
    "SluiceError",
    "TooLarge",
    "TransportError",
    "Unauthorized",
    "Unavailable",
    "UnknownFormat",
    "UnreadableFile",
    "UnsupportedValue",
    "UnwritableFile",
    "WaitTimeout",
]

__version__ = VERSION

if TYPE_CHECKING:
    from sluice_client._async.client import AsyncClient, AsyncPublicClient
    from sluice_client._async.job import AsyncJob


def __getattr__(name: str) -> Any:
    """Return an asynchronous class, imported now: programs without any do not wait for the import of asyncio."""
    if name in {"AsyncClient", "AsyncPublicClient"}:
        from sluice_client._async import client as home  # noqa: PLC0415 # late on purpose
    elif name == "AsyncJob":
        from sluice_client._async import job as home  # type: ignore[no-redef] # noqa: PLC0415 # likewise
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(home, name)
