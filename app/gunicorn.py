"""gunicorn's settings: `gunicorn -c app/gunicorn.py 'app:create_app()'`.

Where it listens: `SLUICE_BIND` (`host:port` or `unix:path`) if set, else `0.0.0.0:$PORT` if that is set, else
`127.0.0.1:8000`. The last two are gunicorn's own rule.
"""

import logging
import os
import resource
import sys
from typing import Any

from ingest import logs
from ingest.environment import drop_strays
from ingest.logs import get_logger
from ingest.machine.listening import open_addresses
from ingest.metrics import process as measuring
from ingest.settings import Settings
from ingest.traces import process as tracing

if "GUNICORN_CMD_ARGS" in drop_strays():
    # gunicorn has read it by now, and would set it over what stands here: begin again without it.
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 # itself, as it was started

_settings = Settings.from_env_or_exit()
logs.configure(_settings.log_level, "web")

if "SLUICE_BIND" in os.environ:
    bind = os.environ["SLUICE_BIND"]

worker_class = "app.server.connections.Worker"
workers = _settings.web_workers
threads = _settings.web_threads
preload_app = False  # connections and threads do not survive a fork

# An id of 500 characters may take 6,000 bytes in a path, 12 for each emoji (docs/contracts/operator.md section 3).
limit_request_line = 8190

# Longer than a balancer in front keeps its own end open, which is 60 s mostly: a request that is sent down a connection
# while it is closed is lost, and a POST is not sent again.
keepalive = _settings.keepalive_seconds

# Connections of a process, silent ones included; beyond them the longest silent one is closed. Half of the files that
# it may have open, since requests need some too.
worker_connections = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

# gunicorn sends files and waits for the client for ever. Its C parser saves 26 of some 1,200 microseconds of a request,
# and takes an unknown Transfer-Encoding for a malformed one.
sendfile = False
http_parser = "python"

# Nobody's header says where Sluice lies, or how it was reached: it makes no absolute address of its own.
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

# Longer than the longest wait for a job: a request that waits is answered before its process ends.
graceful_timeout = 33

# It would be one file a user for all of their servers, and nobody here talks to it.
control_socket_disable = True

# Requests are logged by app/http/request_log.py; gunicorn's own lines go where all others go.
accesslog = None
errorlog = None


def _without_what_was_sent(record: logging.LogRecord) -> bool:
    """Log the type of an error that comes past the app: its text may quote the request, with a key or an id in it."""
    if str(record.msg).startswith("Error handling request"):
        record.msg, record.args = "Error handling request", ()
        record.exc_info = record.exc_text = None
    return True


def on_starting(server: Any) -> None:  # noqa: ARG001 # gunicorn passes it
    """Let gunicorn's log lines through to the root logger, which writes JSON; warn where keys travel in the clear."""
    logging.getLogger("gunicorn.error").propagate = True
    logging.getLogger("gunicorn.error").addFilter(_without_what_was_sent)
    if not _settings.behind_proxy and (addresses := open_addresses(os.environ)):
        get_logger("app.gunicorn").warning("open_without_proxy", addresses=addresses)
    if _settings.metrics:
        measuring.begin_shared("web")


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001 # gunicorn passes them
    """Have a web process trace."""
    if _settings.traces:
        tracing.begin("web", _settings.traces_ratio)


def worker_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 # gunicorn passes them
    """Send the last spans of a web process that ends."""
    tracing.end()


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 # gunicorn passes it
    """Take a web process that has ended out of the gauges."""
    if _settings.metrics:
        measuring.forget_child(worker.pid)


def on_exit(server: Any) -> None:  # noqa: ARG001 # gunicorn passes it
    """Remove what was counted."""
    if _settings.metrics:
        measuring.end_shared()
