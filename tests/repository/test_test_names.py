"""Processes that run the tests side by side must collect the same names."""

import gzip

import pytest


@pytest.mark.parametrize("sent", [gzip.compress(b"a"), gzip.compress(b"b"), b"text"])
def test_a_name_has_no_bytes_that_may_differ_with_the_clock(request: pytest.FixtureRequest, sent: bytes) -> None:
    name = request.node.name.partition("[")[2].rstrip("01]")
    assert name == ("text" if sent == b"text" else "sent")
