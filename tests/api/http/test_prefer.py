"""Prefer, as RFC 7240 words it."""

import time

import pytest

from app.http.prefer import Preference, parse


@pytest.mark.parametrize(
    ("headers", "wait", "respond_async"),
    [
        ([], None, False),
        (["wait=10"], 10, False),
        (["WAIT = 10"], 10, False),
        (['wait="10"'], 10, False),
        (["respond-async"], None, True),
        (["respond-async, wait=10"], 10, True),
        (["respond-async", "wait=10"], 10, True),
        (['return=minimal; foo="a,b;c"; bar, wait=10'], 10, False),
        (["wait=1, wait=9"], 1, False),
        (["wait=0"], 0, False),
        (["wait=31"], 30, False),
        (["wait=" + "9" * 5000], 30, False),
        (["wait=000000000000012"], 12, False),
        (["wait"], None, False),
        (["wait="], None, False),
        (["wait=-1"], None, False),
        (["wait=1.5"], None, False),
        (["wait=soon, wait=5"], None, False),
        (["@@@, wait=5"], 5, False),
        (["", ",,,", "wait=5"], 5, False),
        (["wait=\u0665"], None, False),
    ],
)
def test_section_4_prefer_is_read_as_the_rfc_words_it(
    headers: list[str], wait: int | None, *, respond_async: bool
) -> None:
    assert parse(headers) == Preference(wait, respond_async)


def test_section_4_a_wait_counts_before_respond_async_and_both_before_the_setting() -> None:
    assert Preference(wait=5, respond_async=True).seconds(20) == 5
    assert Preference(wait=0).seconds(20) == 0
    assert Preference(respond_async=True).seconds(20) == 0
    assert Preference().seconds(20) == 20


@pytest.mark.parametrize(
    "evil", ["a;" * 4000 + "\x01", "a " * 4000, "; ;" * 2500, '"\\' * 4000, "a=b;c=d;" * 1000 + "@"]
)
def test_no_header_takes_long_to_read(evil: str) -> None:
    began = time.process_time()
    parse([evil])
    assert time.process_time() - began < 0.5
