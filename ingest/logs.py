"""Log lines: one JSON object each on standard error, with a stable event name and the ids of what it speaks of."""

import logging
import sys

import structlog


def configure(level: str, process: str) -> None:
    """Send every log line of this process, the libraries' included, to standard error as JSON.

    structlog hands its lines to the standard library, whose locks survive a fork.

    Args:
        level: the lowest level that is logged, such as `INFO`.
        process: `web`, `worker`, `sweep` or `cli`; stands in every line.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _in_process(process),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def _in_process(process: str) -> structlog.typing.Processor:
    def add(_logger: object, _name: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        line["process"] = process
        return line

    return add
