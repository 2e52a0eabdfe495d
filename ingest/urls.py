"""Checks of DATABASE_URL and REDIS_URL, as strict as libpq and redis-py are. No message repeats a word of the URL.

libpq and redis-py quote the part that they could not parse, which may be a password with an unencoded character.
"""

import re
from urllib.parse import SplitResult, parse_qs, urlsplit

import psycopg
import redis
from psycopg.conninfo import conninfo_to_dict

_DATABASE_FORM = "must start with postgresql://, as in postgresql://user:password@host:5432/sluice"
_REDIS_FORM = "must be redis://host:6379/0, rediss://host:6380/0 or unix:///path/to/socket"
_ENCODE = "in user, password and name, characters such as @ : / ? # % are percent-encoded (@ is %40)"
_LARGEST_PORT = 65535


def wrong_database_url(url: str) -> str | None:
    """Return the fault in a URL of Postgres and its remedy; None if libpq can parse the URL."""
    if not url.startswith(("postgresql://", "postgres://")):
        return _DATABASE_FORM
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError as error:
        return _as_libpq_says(str(error), url)
    if "@" in parts.get("host", ""):
        return _ENCODE
    if not all(_is_port(port) for port in parts.get("port", "").split(",")):
        return f"its port must be a number from 1 to {_LARGEST_PORT}; {_ENCODE}"
    return None


def wrong_redis_url(url: str) -> str | None:
    """Return the fault in a URL of Redis or Valkey and its remedy; None if redis-py can parse the URL."""
    parts = _split(url)
    path = parts.path if parts.scheme == "unix" else parts.hostname
    if parts.scheme not in {"redis", "rediss", "unix"} or not path:
        return _REDIS_FORM
    if parts.scheme != "unix" and not re.fullmatch(r"/?[0-9]*", parts.path):
        return f"its path must be the number of a database; {_REDIS_FORM}"
    try:
        if parts.scheme != "unix" and parts.port == 0:
            return _REDIS_FORM
        redis.Redis.from_url(url).connection_pool.make_connection()
    except TypeError:
        return "it has a parameter after ? that redis-py does not know"
    except (ValueError, redis.RedisError):
        return f"redis-py cannot read it: {_REDIS_FORM}; {_ENCODE}"
    return None


def _as_libpq_says(text: str, url: str) -> str:
    named = re.fullmatch(r'invalid URI query parameter: "(\w+)"\s*', text)
    if named and "password" not in parse_qs(_split(url).query):
        return f"libpq knows no parameter {named[1]}: take it out"
    said = re.sub(r'[:\s]*(in )?"[^"]*"', "", text.partition(", use ")[0]).strip().removesuffix(" found")
    return f"libpq cannot read it ({said}); {_ENCODE}"


def _is_port(port: str) -> bool:
    return not port or (port.isascii() and port.isdigit() and 0 < int(port) <= _LARGEST_PORT)


def _split(url: str) -> SplitResult:
    """Return the parts of a URL; none of them if it cannot be one, such as `redis://[cache`."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
