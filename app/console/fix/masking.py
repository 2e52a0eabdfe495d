"""Show that there are personal data, and what they look like, without showing them. Pure."""

_DOTS = "•••"


def masked(text: str) -> str:
    """Return a text with its first characters alone, as in `a•••@e•••.com`; empty where it is empty."""
    if not text:
        return ""
    local, at, domain = text.rpartition("@")
    if not at or not local:
        return text[0] + _DOTS if len(text) > len(_DOTS) else _DOTS
    host, dot, top = domain.rpartition(".")
    return f"{local[0]}{_DOTS}@{host[:1]}{_DOTS}{dot}{top if dot else ''}"
