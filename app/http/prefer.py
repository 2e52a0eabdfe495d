"""The Prefer header (RFC 7240): waiting for a job, and strictness. What is malformed or unknown is ignored."""

import re
from dataclasses import dataclass

from flask import request

# The values of `handling` (section 4.4).
HANDLINGS = ("strict", "lenient")

# The text on `handling` in the OpenAPI document.
HANDLING = "handling=strict (members that an item should not have are errors) or lenient (warnings, default)"

# The limit of docs/contracts/operator.md section 4; clients and proxies give up not long after.
LONGEST_WAIT_SECONDS = 30

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_WORD = rf'{_NAME}|"(?:[^"\\]|\\.)*"'
# preference = token [ BWS "=" BWS word ] *( OWS ";" [ OWS parameter ] ), in a list; parameters mean nothing here.
_PREFERENCE = re.compile(
    rf"[ \t]*(?P<name>{_NAME})(?:[ \t]*=[ \t]*(?P<value>{_WORD}))?"
    rf"(?:[ \t]*;(?:[ \t]*{_NAME}(?:[ \t]*=[ \t]*(?:{_WORD}))?)?)*[ \t]*(?:,|$)"
)


@dataclass(frozen=True, slots=True)
class Preference:
    """The preferences of a client.

    Attributes:
        wait: seconds that it would wait, 30 at most; None where it does not say.
        respond_async: it would rather not wait. Together with `wait` this means: not longer than that (section 4.1).
        handling: `strict` or `lenient` (section 4.4): whether members that an item should not have are errors.
    """

    wait: int | None = None
    respond_async: bool = False
    handling: str | None = None

    @property
    def strict(self) -> bool:
        """True if unknown members of an item are errors."""
        return self.handling == "strict"

    def seconds(self, default: int) -> int:
        """Return how long to wait for the job.

        Args:
            default: where the client states no preference.
        """
        if self.wait is not None:
            return self.wait
        return 0 if self.respond_async else default


_NONE = Preference()


def applied(**preferences: str | int | None) -> dict[str, str]:
    """Return the header that says which preferences were honoured (section 3).

    Args:
        preferences: by their names, hyphens as underscores; of those that were not, None; of those without a value, "".
    """
    said = [
        name.replace("_", "-") + (f"={value}" if value != "" else "")
        for name, value in preferences.items()
        if value is not None
    ]
    return {"Preference-Applied": ", ".join(said)} if said else {}


def parse(headers: list[str]) -> Preference:
    """Read all Prefer headers of a request; of equal names the first counts (section 2).

    Args:
        headers: their values, in the order sent.
    """
    stated: dict[str, str] = {}
    for header in headers:
        position = 0
        while position < len(header):
            match = _PREFERENCE.match(header, position)
            if match is None:
                position = header.find(",", position) + 1 or len(header)
                continue
            stated.setdefault(match["name"].lower(), (match["value"] or "").strip('"'))
            position = match.end()
    handling = stated.get("handling", "").lower()
    return Preference(
        wait=_seconds(stated.get("wait", "")),
        respond_async="respond-async" in stated,
        handling=handling if handling in HANDLINGS else None,
    )


def stated() -> Preference:
    """Return the preferences of the current request."""
    sent = request.headers.get("Prefer")
    return parse([sent]) if sent else _NONE


def _seconds(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    # More digits than the limit has are over it, and int() would work for long on thousands of them.
    if len(digits) > len(str(LONGEST_WAIT_SECONDS)):
        return LONGEST_WAIT_SECONDS
    return min(int(digits or "0"), LONGEST_WAIT_SECONDS)
