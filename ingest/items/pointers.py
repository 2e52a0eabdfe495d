"""Places in items: the way to a member, as a JSON Pointer and as people read it; and what is wrong there. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_WHOLE = "_schema"  # marshmallow's name for what is about an object as a whole

# The way to a member of an item: names, and places in arrays.
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with an item.

    Attributes:
        path: the way to it.
        text: the message for the sender.
    """

    path: Path
    text: str

    def __str__(self) -> str:
        """Return the message, as marshmallow's own messages are texts."""
        return self.text


def pointer(path: Path) -> str:
    """Return the way to a member as a JSON Pointer (RFC 6901 section 3)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def flat(messages: Any, path: Path = ()) -> Iterator[Fault]:
    """Yield all messages of marshmallow, which may be nested, in the order of the fields.

    Args:
        messages: of a ValidationError: by field, in lists, or one text.
        path: the way to what they are about.
    """
    match messages:
        case dict():
            for name, inner in messages.items():
                yield from flat(inner, path if name == _WHOLE else (*path, name))
        case list():
            for inner in messages:
                yield from flat(inner, path)
        case _:
            yield Fault(path, str(messages))


def dotted(path: Path) -> str:
    """Return the way to a member as people read it, as in `address.lines[1]`."""
    first, *rest = path
    return str(first) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)
