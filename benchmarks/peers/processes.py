"""Web servers and Celery workers of others, as children of this process, on the settings that ours have."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import redis

from cli.stack.procfile import LOCALHOST, address, free
from ingest.notify.broker import celery_app

_BIN = Path(sys.executable).parent
_TIMEOUT_SECONDS = 30.0


@contextmanager
def _child(argv: list[str], env: Mapping[str, str], log: Path) -> Iterator[None]:
    with (
        log.open("ab") as lines,
        subprocess.Popen(argv, env={**os.environ, **env}, stdout=lines, stderr=lines) as child,
    ):
        try:
            yield
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


@contextmanager
def web(app: str, env: Mapping[str, str], log: Path) -> Iterator[str]:
    """Serve an app by gunicorn, with the settings of `app/gunicorn.py`; its address."""
    port = free(None)
    argv = [str(_BIN / "gunicorn"), "-c", "app/gunicorn.py", app]
    with _child(argv, {**env, "SLUICE_BIND": f"{LOCALHOST}:{port}"}, log):
        until = time.monotonic() + _TIMEOUT_SECONDS
        while not _answers(port):
            if time.monotonic() > until:
                raise RuntimeError(f"{app} does not answer: see {log}")
            time.sleep(0.05)
        yield address(port)


@contextmanager
def worker(app: str, env: Mapping[str, str], log: Path) -> Iterator[None]:
    """A Celery worker with a prefork pool, as its app says; it is ready once it has taken its first message."""
    argv = [str(_BIN / "celery"), "--quiet", "--app", app, "worker", "--loglevel=WARNING"]
    with _child(argv, env, log):
        yield


def broker(redis_url: str) -> str:
    """The same Redis as Celery spells it, with no message left in it."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    return str(celery_app(redis_url).conf.broker_url)


def _answers(port: int) -> bool:
    with closing(http.client.HTTPConnection(LOCALHOST, port, timeout=5)) as connection:
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        return True
