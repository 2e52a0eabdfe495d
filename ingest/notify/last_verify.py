"""Keep the outcome of the last `sluice verify` in Redis, where the console finds it.

Not in the database: a backup that is restored would bring the verdict on another one along, and `sluice verify` only
reads.
"""

from datetime import datetime

import msgspec
import redis

_KEY = "sluice:verified"


class LastVerify(msgspec.Struct, frozen=True):
    """The outcome of `sluice verify`.

    Attributes:
        checks: as many were made.
        wrong: the names of those that found something.
        unfinished: the names of those that took too long.
    """

    at: datetime
    checks: int
    wrong: list[str]
    unfinished: list[str]


def keep(client: redis.Redis, outcome: LastVerify) -> None:
    """Replace what was kept of the run before.

    Raises:
        redis.RedisError: it does not answer.
    """
    client.set(_KEY, msgspec.json.encode(outcome))


def read(client: redis.Redis) -> LastVerify | None:
    """Return the outcome of the last run; None: there was none, or Redis has forgotten it.

    Raises:
        redis.RedisError: it does not answer.
    """
    kept = client.get(_KEY)
    try:
        return None if kept is None else msgspec.json.decode(kept, type=LastVerify)
    except msgspec.MsgspecError:  # another version's
        return None
