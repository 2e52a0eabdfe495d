"""Origins of web pages that may call the API from browsers (RFC 6454), as `SLUICE_CORS_ORIGINS` names them. Pure."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

# Stands alone, for pages of every origin.
ANY = "*"

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]*:[0-9a-f:.]*")


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins whose pages may call the API from browsers.

    Attributes:
        names: as browsers spell them in the header `Origin`.
        all_of_them: pages of every origin may.
    """

    names: frozenset[str] = frozenset()
    all_of_them: bool = False

    def __bool__(self) -> bool:
        return self.all_of_them or bool(self.names)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read origins with commas between, or `*`.

        Raises:
            ValueError: a part is no origin, is spelled as no browser spells it, or stands beside `*`.
        """
        parts = {part.strip() for part in text.split(",")} - {""}
        if parts == {ANY}:
            return cls(all_of_them=True)
        if ANY in parts:
            raise ValueError('"*" allows every origin: leave the others out, or leave it out')
        for part in sorted(parts):
            if part != (spelled := _spelled(part)):
                raise ValueError(f'browsers spell "{part}" as "{spelled}": write that')
        return cls(frozenset(parts))

    def allow(self, origin: str | None) -> bool:
        """True if pages of this origin may call; None stands for a request without one, which no other page made."""
        return origin is not None and (self.all_of_them or origin in self.names)


def _spelled(text: str) -> str:
    """Return an origin as browsers spell it: in lower case, without a default port, and with nothing after it.

    Raises:
        ValueError: the text is no origin of http or https.
    """
    no_origin = f'"{text}" is no origin, as in https://app.example or http://localhost:3000'
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(no_origin) from None
    if parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host):
        raise ValueError(f"{no_origin}; it has no pattern, and a name of other letters is written as xn--…")
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}" + ("" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}")
