"""The formats that a text may be held to (docs/contracts/templates.md): each is a test, and words for messages."""

import re
from collections.abc import Callable
from datetime import date
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from ingest.items.types.codes import COUNTRIES, CURRENCIES


class Format(NamedTuple):
    """A format.

    Attributes:
        holds: returns what is true of a text that is of it, and of no other.
        noun: of such a text, with an example.
        plain: likewise, by one look of `re`, of the commonest texts; None where `holds` is as fast.
    """

    holds: Callable[[str], object]
    noun: str
    plain: Callable[[str], object] | None = None

    @property
    def example(self) -> str:
        """A text of the format: that of its noun."""
        return self.noun.split('"')[1]


# RFC 5321 section 4.1.2: a dot-string or a quoted string, and a domain or an address literal; RFC 6531 adds other
# scripts. Lengths: section 4.5.3.1.
_ATOM = r"[^\s\x00-\x20()<>\[\]:;@\\,.\"\x7f]+"
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_EMAIL = re.compile(
    rf"(?P<local>{_ATOM}(?:\.{_ATOM})*|\"(?:[^\"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*\")"
    rf"@(?P<domain>(?:{_LABEL}\.)*{_LABEL}|\[(?P<literal>[0-9A-Za-z:.]+)\])"
)
_MOST_LOCAL, _MOST_DOMAIN, _MOST_LABEL = 64, 255, 63


# Most addresses, which are short and need no look at their parts, and among them the commonest: five and seven times as
# fast. No part of the commonest is too long, since three times 20 characters and two hyphens still make a label.
_PLAIN_LABEL = "[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*"
_PLAIN_EMAIL = re.compile(
    rf"(?=.{{,{_MOST_LABEL}}}\Z)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@{_PLAIN_LABEL}(?:\.{_PLAIN_LABEL})*"
)
_COMMON_EMAIL = re.compile(
    r"[A-Za-z0-9_+-]{1,30}(?:\.[A-Za-z0-9_+-]{1,30})?@[A-Za-z0-9]{1,20}(?:[.-][A-Za-z0-9]{1,20}){1,2}"
)


def _is_email(text: str) -> bool:
    return _PLAIN_EMAIL.fullmatch(text) is not None or _is_email_by_its_parts(text)


def _is_email_by_its_parts(text: str) -> bool:
    match = _EMAIL.fullmatch(text)
    if match is None or len(match["local"].encode()) > _MOST_LOCAL or len(match["domain"].encode()) > _MOST_DOMAIN:
        return False
    literal = match["literal"]
    if literal is not None:
        return _is_ipv6(literal[5:]) if literal.lower().startswith("ipv6:") else _is_ipv4(literal)
    return all(len(label) <= _MOST_LABEL for label in match["domain"].split("."))


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# RFC 3339 section 5.6. A leap second is one of the last minute of a day in UTC.
_TIME = re.compile(
    r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)(?:\.\d+)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<hours>[01]\d|2[0-3]):(?P<minutes>[0-5]\d))",
    re.ASCII,
)
_MINUTES_OF_A_DAY = 24 * 60


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    if match["second"] != "60":
        return True
    ahead = int(match["hours"] or 0) * 60 + int(match["minutes"] or 0)
    local = int(match["hour"]) * 60 + int(match["minute"])
    return (local + (ahead if match["sign"] == "-" else -ahead)) % _MINUTES_OF_A_DAY == _MINUTES_OF_A_DAY - 1


def _is_date_time(text: str) -> bool:
    return len(text) > len("2026-04-06") and text[10] in "Tt" and _is_date(text[:10]) and _is_time(text[11:])


_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

# RFC 3986 appendix A, with a scheme; the host is looked at further where it is an address in brackets.
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    r"(?://(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?"
    r"(?:\[(?P<literal>[^\]]*)\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::\d*)?"
    rf"(?:/{_PCHAR}*)*|/(?:{_PCHAR}+(?:/{_PCHAR}*)*)?|{_PCHAR}+(?:/{_PCHAR}*)*|)"
    rf"(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?",
    re.ASCII,
)
_FUTURE = re.compile(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+")


def _is_uri(text: str) -> bool:
    match = _URI.fullmatch(text)
    if match is None:
        return False
    literal = match["literal"]
    return literal is None or _is_ipv6(literal) or _FUTURE.fullmatch(literal) is not None


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return text.isascii()


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return text.isascii() and "%" not in text  # a zone belongs to a machine (RFC 4007), not to the address


FORMATS: dict[str, Format] = {
    "email": Format(_is_email, 'an e-mail address such as "ada@example.com"', _COMMON_EMAIL.fullmatch),
    "date": Format(_is_date, 'a date such as "2026-04-06"'),
    "date-time": Format(_is_date_time, 'a time of RFC 3339 such as "2026-04-06T12:00:01.5Z"'),
    "time": Format(_is_time, 'a time of day with its zone such as "12:00:01Z"'),
    "uuid": Format(_UUID.fullmatch, 'a UUID such as "0198a9a2-7b1f-7c3e-9d55-3c1f2f9f6a10"'),
    "uri": Format(_is_uri, 'a URI such as "https://example.com/a"'),
    "ipv4": Format(_is_ipv4, 'an IPv4 address such as "192.0.2.1"'),
    "ipv6": Format(_is_ipv6, 'an IPv6 address such as "2001:db8::1"'),
    "country": Format(COUNTRIES.__contains__, 'a two-letter country code of ISO 3166-1, in capitals, such as "DE"'),
    "currency": Format(CURRENCIES.__contains__, 'a three-letter currency code of ISO 4217, in capitals, such as "EUR"'),
}
