"""No payload and no key leaves the database: not in a log line of any process, and not in Redis."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from tests.chaos.deployment import Deployment
from tests.chaos.model import NEEDLE

_END = "the end of it"


def secrets_of(deployment: Deployment) -> list[str]:
    """Return the text that stands in every document of the clients, and their keys."""
    return [NEEDLE, *(key for customer in deployment.customers for key in (customer.operator_key, customer.public_key))]


def nothing_is_told_outside(deployment: Deployment) -> None:
    """Looks at all that every process has said, and at all that Redis holds now."""
    secrets = secrets_of(deployment)
    for line in deployment.lines():
        assert not any(secret in line for secret in secrets), f"a log line tells: {line}"
    for name, held in all_that_redis_holds(deployment.settings.redis_url).items():
        assert not any(secret in held for secret in secrets), f"Redis holds it: {name}"


def all_that_redis_holds(redis_url: str) -> dict[str, str]:
    """Every key of every database, with its name and all of its value, messages unpacked."""
    found = {}
    with redis.Redis.from_url(redis_url) as client:
        databases = [int(name.removeprefix("db")) for name in client.info("keyspace")]
        for number in databases:
            client.execute_command("SELECT", number)
            for name in client.scan_iter():
                held = [name, *_members(client, name)]
                found[f"{number}: {name!r}"] = " ".join(unpacked(part) for part in held)
    return found


def _members(client: redis.Redis, name: bytes) -> list[bytes]:
    """Read by its type: a DUMP may be packed."""
    read: dict[bytes, Any] = {
        b"none": list,  # gone since it was named
        b"string": lambda: [client.get(name) or b""],
        b"list": lambda: client.lrange(name, 0, -1),
        b"set": lambda: client.smembers(name),
        b"zset": lambda: client.zrange(name, 0, -1),
        b"hash": lambda: [part for pair in client.hgetall(name).items() for part in pair],
    }
    return [*read[client.type(name)]()]


def unpacked(value: bytes) -> str:
    """A text, and the body of a message in clear beside it: kombu writes it in base64."""
    text = value.decode(errors="replace")
    try:
        message = json.loads(text)
    except ValueError:
        return text
    # In the hash of what is not acknowledged, a message stands in a list.
    if isinstance(message, list) and message:
        message = message[0]
    body = message.get("body") if isinstance(message, dict) else None
    return f"{text} {base64.b64decode(body).decode(errors='replace')}" if isinstance(body, str) else text


@contextmanager
def all_commands(redis_url: str) -> Iterator[list[str]]:
    """Every command that Redis is sent, with its values; complete when the block has been left."""
    commands: list[str] = []
    # No timeout: while processes start, seconds may pass without a command.
    unhurried = redis.Redis.from_url(redis_url, socket_timeout=None)
    with redis.Redis.from_url(redis_url) as client, unhurried.monitor() as monitor:

        def listen() -> None:
            for command in monitor.listen():
                commands.append(command["command"])
                if _END in commands[-1]:
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield commands
        finally:
            client.echo(_END)
            thread.join()


def in_clear(command: str) -> str:
    """Return a command with the bodies of the messages in it unpacked."""
    return " ".join(
        [command, *(unpacked(part.encode().decode("unicode_escape").encode()) for part in _MESSAGE.findall(command))]
    )


_MESSAGE = re.compile(r"\{.*\}")
