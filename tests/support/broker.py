"""A Valkey of the test's own, to be killed and paused."""

import os
import signal
import subprocess
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from cli.stack import servers as embedded


class Broker:
    """Answers when made.

    Args:
        socket: where it shall listen.
    """

    def __init__(self, socket: Path) -> None:
        self.url = f"unix://{socket}"
        argv = [str(embedded.valkey_binary()), "--port", "0", "--unixsocket", str(socket), "--save", ""]
        self.popen = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        retry = Retry(ConstantBackoff(0.05), 200)
        with redis.Redis.from_url(self.url, retry=retry, retry_on_error=[redis.ConnectionError]) as client:
            client.ping()

    def pause(self) -> None:
        os.kill(self.popen.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.popen.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def again(self) -> "Broker":
        """Another one in its place, with nothing in it."""
        return Broker(Path(self.url.removeprefix("unix://")))
