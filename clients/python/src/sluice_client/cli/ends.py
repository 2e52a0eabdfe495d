"""The ends of a load: exit codes, and the words for what ended it.

0   every item was taken
1   nothing could be done: a bad key, a wrong kind, a file that cannot be read
2   wrong usage
3   the load has ended, and some items were not taken
4   --max-errors has ended it; the rest is unprocessed
69  the server is away (EX_UNAVAILABLE of sysexits.h)
75  interrupted or put off: run the printed command again (EX_TEMPFAIL)
78  wrong configuration (EX_CONFIG)
130 Ctrl-C
"""

from __future__ import annotations

from sluice_client.errors import ApiError, OtherLoad, RateLimited, SluiceError, TransportError, Unavailable

GOOD, NOTHING_DONE, USAGE, SOME_FAILED, TOO_MANY_FAILED = 0, 1, 2, 3, 4
AWAY, PUT_OFF, MISCONFIGURED, INTERRUPTED = 69, 75, 78, 130


# The option of the command that an option of a load comes from, where it has another name.
_OPTIONS = {
    "columns": "--map",
    "contentType": "--format",
    "dateFormat": "--date-format",
    "decimalComma": "--decimal-comma",
    "empty": "--null",
    "entity_type": "--type",
    "event_type": "--type",
    "filled": "--type",
    "form": "--format",
    "partBytes": "--segment",
    "records": "--stop-after",
    "validate_only": "--dry-run",
}

# Words of the server's messages, and those that a person at a shell needs in their place.
_WORDS = {
    "; add it": "; add it, or give one this name by --map",
    "?entityType=": "--type",
    "?eventType=": "--type",
    "?delimiter=": "--delimiter ",
}


class Misconfigured(SluiceError):
    """The address or the key cannot be told from options, environment and files."""


class PutOff(SluiceError):
    """The load should not go on without a decision of its user."""


class Terminated(SluiceError):
    """The loader was asked to end, by SIGTERM."""


def code_of(error: BaseException) -> int:
    """Return the exit code of a load that an error has ended."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, (PutOff, OtherLoad, Terminated, RateLimited)):
        return PUT_OFF
    if isinstance(error, (TransportError, Unavailable)):
        return AWAY
    return MISCONFIGURED if isinstance(error, Misconfigured) else NOTHING_DONE


def told(error: BaseException) -> str:
    """Return what a person reads of an error."""
    if isinstance(error, ApiError):
        message = error.message
        for theirs, ours in _WORDS.items():
            message = message.replace(theirs, ours)
        request = f" (request {error.request_id})" if error.request_id else ""
        return f"the server says {error.status} {error.code}: {message}{request}"
    if isinstance(error, OtherLoad):
        others = sorted({_OPTIONS.get(name, f"--{name.replace('_', '-')}") for name in error.differ})
        return (
            f"an earlier load of {error.path}, which broke off, had another {', '.join(others)}: say the same again to "
            "go on with it, or --restart to begin anew"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__
