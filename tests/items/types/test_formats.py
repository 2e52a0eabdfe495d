"""Each format takes what its standard takes, and nothing else."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.items.types import formats
from ingest.items.types.formats import FORMATS

TAKEN = {
    "email": [
        "ada@example.com",
        "a.b+c@sub.example.co",
        "te~st@example.com",
        '"joe bloggs"@example.com',
        "ü@exämple.de",
        "joe@[127.0.0.1]",
        "joe@[IPv6:::1]",
        "a@b",
    ],
    "date": ["2026-04-06", "2024-02-29", "0001-01-01"],
    "date-time": [
        "1963-06-19T08:30:06.283185Z",
        "1963-06-19t08:30:06z",
        "1990-12-31T15:59:50.123-08:00",
        "1998-12-31T23:59:60Z",
        "1998-12-31T15:59:60.123-08:00",
    ],
    "time": ["08:30:06Z", "08:30:06.28Z", "23:59:60Z", "01:29:60+01:30", "00:00:00+23:59"],
    "uuid": ["2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2EB8AA08-AA98-11EA-B4AA-73B441D16380"],
    "uri": [
        "http://foo.bar/?baz=qux#quux",
        "urn:oasis:names:specification:docbook",
        "mailto:a@b.c",
        "tel:+1-816-555-1212",
        "ldap://[2001:db8::7]/c=GB?objectClass?one",
        "http://foo.com/blah_(wikipedia)_blah#cite-1",
        "a:",
    ],
    "ipv4": ["192.168.0.1", "87.10.0.1"],
    "ipv6": ["::1", "2001:db8::8:800:200C:417A", "::ffff:192.168.0.1"],
    "country": ["DE", "US", "MT"],
    "currency": ["EUR", "XAU", "ZWG"],
}
REFUSED = {
    "email": [
        "",
        "2962",
        ".test@example.com",
        "te..st@example.com",
        "a@",
        "@b",
        "a@b..c",
        "a@-b.c",
        "a b@c.d",
        "joe@[127.0.0.300]",
        "a@b.c\n",
        "x" * 65 + "@b.c",
    ],
    "date": [
        "2026-4-06",
        "2026-02-30",
        "2023-02-29",
        "20260406",
        "2026-W14-1",
        "2026-04-06 ",
        "२०२६-04-06",
        "0000-01-01",
    ],
    "date-time": [
        "1990-02-31T15:59:59.123-08:00",
        "1990-12-31T15:59:59-24:00",
        "1963-06-19 08:30:06Z",
        "1963-06-19T08:30:06",
        "2013-350T01:01:01",
        "1998-12-31T22:59:60Z",
        "2026-04-06",
        "",
    ],
    "time": ["08:30:06", "24:00:00Z", "00:60:00Z", "00:00:61Z", "22:59:60Z", "8:3:6Z", "08:30:06-8:00", "12:00:00.Z"],
    "uuid": [
        "2eb8aa08-aa98-11ea-b4aa-73b441d1638",
        "2eb8aa08aa9811eab4aa73b441d16380",
        "{2eb8aa08-aa98-11ea-b4aa-73b441d16380}",
    ],
    "uri": [
        "//foo.bar/?baz=qux",
        "/abc",
        "abc",
        "http:// shouldfail.com",
        "\\\\WINDOWS\\share",
        ":// should fail",
        "http://[::1",
        "http://[x]/",
        "http://a/%zz",
        "http://a/\n",
        "1http://a",
    ],
    "ipv4": [
        "127.0.0.0.1",
        "256.256.256.256",
        "127.0",
        "087.10.0.1",
        "0x7f000001",
        "2130706433",
        "१.0.0.1",
        "1.2.3.4/8",
    ],
    "ipv6": ["12345::", "::abef\n", "1:1:1:1:1:1:1:1:1", "fe80::1%eth0", "::1/64", "1::2::3", "127.0.0.1"],
    "country": ["de", "XX", "DEU", "", "UK"],
    "currency": ["eur", "DEM", "EURO", ""],
}


def test_every_format_is_tried() -> None:
    assert {*TAKEN} == {*REFUSED} == {*FORMATS}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TAKEN.items() for text in texts])
def test_a_text_of_the_format_is_taken(name: str, text: str) -> None:
    assert FORMATS[name].holds(text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts])
def test_any_other_text_is_refused(name: str, text: str) -> None:
    assert not FORMATS[name].holds(text)


_LABELS = st.text("aZ0-_", max_size=64) | st.sampled_from(["a" * 60, "a" * 63, "a" * 64])


@given(st.lists(_LABELS, min_size=1, max_size=3), st.lists(_LABELS, min_size=1, max_size=4))
@example(["a"], ["a" * 64])
@example(["a" * 65], ["a"])
@example(["a+b", "c"], ["a-b", "example"])
@example(["a" * 30, "b" * 30], ["-".join(["c" * 20] * 3)])
def test_a_plain_or_common_email_is_one_by_its_parts_too(local: list[str], domain: list[str]) -> None:
    text = f"{'.'.join(local)}@{'.'.join(domain)}"
    if formats._PLAIN_EMAIL.fullmatch(text) or formats._COMMON_EMAIL.fullmatch(text):
        assert formats._is_email_by_its_parts(text)


@pytest.mark.parametrize("name", FORMATS)
def test_the_example_of_a_message_is_of_the_format(name: str) -> None:
    assert FORMATS[name].holds(FORMATS[name].example)
