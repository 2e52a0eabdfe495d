"""Log lines: one JSON object each on standard error, with a stable event name and the ids of what it speaks of.

    log: Logger = get_logger("worker.sweep")
    with bound_contextvars(job_id=...):
        log.info("job_ended", total=3)

No other file imports structlog, because this one keeps it from importing rich.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias


@contextmanager
def _absent(package: str) -> Iterator[None]:
    """Let imports of a package fail, as if it were not installed."""
    module = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment] # importlib's own mark of a module that is not to be found
    try:
        yield
    finally:
        del sys.modules[package]
        if module is not None:
            sys.modules[package] = module


# For colours, structlog imports rich, and that pygments: a quarter of the start of a process that writes JSON alone.
with _absent("rich"):
    import structlog

bind_contextvars = structlog.contextvars.bind_contextvars
bound_contextvars = structlog.contextvars.bound_contextvars
clear_contextvars = structlog.contextvars.clear_contextvars
get_logger = structlog.get_logger
Logger: TypeAlias = structlog.typing.FilteringBoundLogger


def bound(name: str) -> str | None:
    """Return what every log line of this context says under a name."""
    value: str | None = structlog.contextvars.get_contextvars().get(name)
    return value


_STANDARD_ERROR = 2
_to_json = json.JSONEncoder(default=repr).encode  # in ASCII: no text breaks a line, half a surrogate pair included


def configure(level: str, process: str) -> None:
    """Send every log line of this process, the libraries' included, to standard error as JSON.

    Args:
        level: the lowest level that is logged, such as `INFO`.
        process: `web`, `worker`, `sweep` or `cli`; stands in every line.
    """
    to_json = _rendered(process)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, to_json],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                to_json,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


class _Lines:
    """Writes our own lines past the standard library, of which each would cost four times as much.

    No lock, which a fork could inherit locked: a line is written in one call.

    Args:
        name: of the logger.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def info(self, line: str) -> None:
        """Write a line, of whatever level. Who logs may have committed its work: a full disk must not fail that."""
        with suppress(OSError):
            os.write(_STANDARD_ERROR, f"{line}\n".encode())

    debug = warning = error = critical = info


def _rendered(process: str) -> structlog.typing.Processor:
    def render(_logger: object, _name: str, line: structlog.typing.EventDict) -> str:
        return _to_json({**line, "process": process})

    return render
