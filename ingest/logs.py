"""Log lines: one JSON object each on standard error, with a stable event name and the ids of what it speaks of."""

import json
import logging
import os
import sys
from contextlib import suppress

import structlog

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
