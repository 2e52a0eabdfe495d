"""Pipes whose senders pause: what has come is read, and nothing behind it is waited for."""

import io
from collections.abc import Iterator

import pytest
from sluice_client.cli.heads import headed
from sluice_client.cli.reading import Reading, buffered
from sluice_client.cli.sources import JSON, Form
from sluice_client.cutting import CSV, LINES

BLANK_LINES_AND_A_MARK = b"\xef\xbb\xbf\n \r\n"


def pipe(*pieces: bytes) -> io.BufferedReader:
    """A pipe through which pieces come one by one; to wait for more than these fails."""

    def sent() -> Iterator[bytes]:
        yield from pieces
        pytest.fail("waited for more")

    return buffered(sent(), io.BytesIO())  # type: ignore[return-value] # as it is


@pytest.mark.parametrize(
    "pieces",
    [
        (b'{"externalId"', b': "a"}\n'),
        (b'{"externalId": "', b"a" * 70_000, b'"}\n{'),
        (BLANK_LINES_AND_A_MARK, b'{"externalId": "a"}', b"\n"),
        (BLANK_LINES_AND_A_MARK, b"[", b'{"externalId": "a"}', b', {"'),
        (b'[{"externalId": "a"}', b"]"),
        (b"externalId,", b"n\n" ),
    ],
)  # fmt: skip
def test_the_head_of_a_pipe_has_its_first_record_however_it_comes(pieces: tuple[bytes, ...]) -> None:
    head, whole = headed(pipe(*pieces))
    assert head == b"".join(pieces)
    assert whole.read(len(head)) == head


def test_a_pipe_without_a_record_is_its_own_head() -> None:
    for content in (b"", b"\n", b"[", b"[]", b'{"externalId": "a"}'):
        head, whole = headed(io.BufferedReader(io.BytesIO(content)))  # type: ignore[arg-type] # of bytes
        assert (head, whole.read()) == (content, content)


RECORDS = {
    LINES: (b'{"n": 1}\n{"n"', b": 2}\n"),
    JSON: (b'[{"n": 1},{"n"', b": 2},"),
    CSV: (b"n\n1\n", b"2\n"),
}


@pytest.mark.parametrize("form", RECORDS)
def test_the_first_records_of_a_pipe_are_read_without_those_behind(form: str) -> None:
    reading = Reading(Form(form), records=2, filled={"eventType": "session"})
    read = reading.opened(pipe(*RECORDS[form])).read()
    filled = b'{"eventType":"session","n":1}\n{"eventType":"session","n":2}\n'
    assert read == (b"n\n1\n2\n" if form == CSV else filled)


@pytest.mark.parametrize("form", [LINES, JSON])
def test_lines_that_lack_a_member_are_read_as_they_come(form: str) -> None:
    read = Reading(Form(form), filled={"eventType": "session"}).opened(pipe(*RECORDS[form]))
    one = b'{"eventType":"session","n":1}\n'
    assert read.read(2 * len(one)) == one + one.replace(b"1", b"2")
