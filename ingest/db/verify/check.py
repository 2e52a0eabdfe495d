"""The type of a check: an invariant, the query for the rows that break it, and the message for the operator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant of the stored data.

    Attributes:
        name: stable, for programs.
        invariant: what always holds, in one sentence.
        wrong: what is wrong where it does not, in words, without a full stop.
        advice: what the operator does then.
        prefix: of the public ids that the query finds (`ingest.ids`); None: a tenant's UUID, which has none.
        query: finds what breaks the invariant, as rows of a UUID, or NULL where nothing public names the row, and a
            detail as text. It may use %(stuck_after)s and %(deadline)s, in seconds.
    """

    name: str
    invariant: str
    wrong: str
    advice: str
    prefix: str | None
    query: str
