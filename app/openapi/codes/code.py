"""The type of an error code's page."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An error code, as its page tells of it; names of members, headers and settings stand in backquotes.

    Attributes:
        name: as it stands in answers, in item errors, in warnings or in a job's `error`.
        meaning: one sentence, for lists too.
        cause: the usual reasons.
        remedy: what its reader does now.
        message: an example of the message that comes with it.
    """

    name: str
    meaning: str
    cause: str
    remedy: str
    message: str
