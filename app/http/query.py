"""Query parameters: a call takes those that its description names, each once, and refuses all others.

A parameter states what the OpenAPI document shows of it and reads its own value, so that the two cannot differ.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import request

from ingest.errors import InvalidParameter
from ingest.items.fields import parse_timestamp
from ingest.nearest import did_you_mean

_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(ABC):
    """Base of all query parameters.

    Attributes:
        name: its name in the query.
        text: its purpose, unless its values say so.
        required: true if every request must have it.
    """

    name: str
    text: str = ""
    required: bool = False

    @property
    @abstractmethod
    def schema(self) -> Mapping[str, Any]:
        """Its values, in the JSON Schema of OpenAPI."""

    @abstractmethod
    def parse(self, text: str | None) -> Any:
        """Return the value that a text spells, or the default where there is none.

        Raises:
            InvalidParameter: it spells no value of this parameter.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Parameter):
    """Any text; the view looks at it further.

    Attributes:
        form: its `format` in OpenAPI's words, for people and generators.
        most: the most characters, of 1 or more; None where the view has its own rule.
        pattern: of what the view takes, for the document.
    """

    form: str | None = None
    most: int | None = None
    pattern: str | None = None

    @property
    def schema(self) -> Mapping[str, Any]:
        """Its values."""
        lengths = {"minLength": 1, "maxLength": self.most} if self.most else {}
        told = {"format": self.form, "pattern": self.pattern}
        return {"type": "string", **{name: value for name, value in told.items() if value}, **lengths}

    def parse(self, text: str | None) -> str | None:
        """As of Parameter: any text of so many characters, without NUL, which Postgres stores nowhere."""
        if self.most and text is not None and ("\0" in text or not 1 <= len(text) <= self.most):
            raise InvalidParameter(self.name, f"{self.name} must be 1 to {self.most} characters, none of them NUL")
        return text

    def read(self) -> str | None:
        """Return what the query says; None where it does not."""
        return self.parse(request.args.get(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Parameter):
    """A whole number from 1 on.

    Attributes:
        most: the largest that is taken.
        default: where it is absent.
    """

    most: int
    default: int

    @property
    def schema(self) -> Mapping[str, Any]:
        """Its values."""
        return {"type": "integer", "minimum": 1, "maximum": self.most, "default": self.default}

    def parse(self, text: str | None) -> int:
        """As of Parameter: a number within its bounds."""
        return self.default if text is None else _whole(self.name, text, least=1, most=self.most)

    def read(self) -> int:
        """Return the number that the query says.

        Raises:
            InvalidParameter: it is none, or out of bounds.
        """
        return self.parse(request.args.get(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Parameter):
    """A whole number that limits something; where it is absent, nothing does.

    Attributes:
        least: the smallest that is taken.
        most: the largest.
    """

    least: int
    most: int

    @property
    def schema(self) -> Mapping[str, Any]:
        """Its values."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def parse(self, text: str | None) -> int | None:
        """As of Parameter: a number within its bounds; None where it is absent."""
        return None if text is None else _whole(self.name, text, least=self.least, most=self.most)

    def read(self) -> int | None:
        """Return the number that the query says; None where it does not.

        Raises:
            InvalidParameter: it is none, or out of bounds.
        """
        return self.parse(request.args.get(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Parameter):
    """One of a few words.

    Attributes:
        words: all of them; the first is the default.
    """

    words: tuple[str, ...]

    @property
    def schema(self) -> Mapping[str, Any]:
        """Its values."""
        return {"type": "string", "enum": list(self.words), "default": self.words[0]}

    def parse(self, text: str | None) -> str:
        """As of Parameter: one of its words."""
        return _one_of(self.name, self.words, text)

    def read(self) -> str:
        """Return the word that the query says.

        Raises:
            InvalidParameter: it is another word.
        """
        return self.parse(request.args.get(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Parameter):
    """One of a few words, if only what has this word is wanted.

    Attributes:
        words: all of them.
    """

    words: tuple[str, ...]

    @property
    def schema(self) -> Mapping[str, Any]:
        """Its values."""
        return {"type": "string", "enum": list(self.words)}

    def parse(self, text: str | None) -> str | None:
        """As of Parameter: one of its words, or None where it is absent."""
        return None if text is None else _one_of(self.name, self.words, text)

    def read(self) -> str | None:
        """Return the word that the query says; None where it does not.

        Raises:
            InvalidParameter: it is another word.
        """
        return self.parse(request.args.get(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters(Parameter):
    """One or several of a few words, with commas between, if only what has one of them is wanted.

    Attributes:
        words: all of them.
    """

    words: tuple[str, ...]

    @property
    def schema(self) -> Mapping[str, Any]:
        """Its values."""
        word = "|".join(self.words)
        return {"type": "string", "pattern": f"^({word})(,({word}))*$"}

    def parse(self, text: str | None) -> Sequence[str]:
        """As of Parameter: some of its words; none where it is absent."""
        if text is None:
            return ()
        words = text.split(",")
        if not set(words) <= set(self.words):
            most = ", ".join(self.words)
            raise InvalidParameter(self.name, f"{self.name} must be one or several of {most}, with commas between")
        return words

    def read(self) -> Sequence[str]:
        """Return the words that the query says; none where it does not.

        Raises:
            InvalidParameter: it says another word.
        """
        return self.parse(request.args.get(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp(Parameter):
    """A point in time, as timestamps are sent."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """Its values."""
        return {"type": "string", "format": "date-time"}

    def parse(self, text: str | None) -> datetime | None:
        """As of Parameter: a time, in UTC where it has no zone; None where it is absent."""
        timestamp = None if text is None else parse_timestamp(text)
        if text is not None and timestamp is None:
            form = "a time in ISO 8601, as in 2026-04-06T12:00:00Z; a + in it is sent as %2B"
            raise InvalidParameter(self.name, f"{self.name} must be {form}")
        return timestamp

    def read(self) -> datetime | None:
        """Return the time that the query says; None where it does not.

        Raises:
            InvalidParameter: it is none.
        """
        return self.parse(request.args.get(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Parameter):
    """`true` or `false`.

    Attributes:
        default: where it is absent.
    """

    default: bool

    @property
    def schema(self) -> Mapping[str, Any]:
        """Its values."""
        return {"type": "boolean", "default": self.default}

    def parse(self, text: str | None) -> bool:
        """As of Parameter: True if it is `true`."""
        return _one_of(self.name, ("true", "false") if self.default else ("false", "true"), text) == "true"

    def read(self) -> bool:
        """Return True if the query says `true`.

        Raises:
            InvalidParameter: it is another word.
        """
        return self.parse(request.args.get(self.name))


def _whole(name: str, text: str, *, least: int, most: int) -> int:
    """Return the number that a text is."""
    good = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and least <= int(text) <= most
    if not good:
        raise InvalidParameter(name, f"{name} must be a whole number from {least} to {most}")
    return int(text)


def _one_of(name: str, words: Sequence[str], text: str | None) -> str:
    """Return the word that a text is, or the first one where there is none."""
    word = words[0] if text is None else text
    if word not in words:
        raise InvalidParameter(name, f"{name} must be {' or '.join(words)}")
    return word


def check(known: Collection[str]) -> None:
    """Refuse a query that says more than the call understands: to ignore `?mod=merge` would replace all of `data`.

    Args:
        known: the names of the parameters that the call takes.

    Raises:
        InvalidParameter: a parameter is unknown, or stands twice.
    """
    if not request.query_string:
        return
    for name, values in request.args.lists():
        if name not in known:
            takes = f"this call takes {', '.join(known) or 'none'}"
            raise InvalidParameter(name, f'Unknown query parameter "{name}"{did_you_mean(name, known)}: {takes}')
        if len(values) > 1:
            raise InvalidParameter(name, f'The query parameter "{name}" stands {len(values)} times; send it once')
