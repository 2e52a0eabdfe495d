"""Arguments that would not do what their caller means are refused before anything is sent."""

import asyncio
import datetime as dt

import msgspec
import pytest

from sluice_client import Client, PublicClient, UnsupportedValue
from sluice_client.testing import fake

PLAYER = {"entityType": "player", "externalId": "p1", "data": {"email": "a@example.com"}}


class Model:
    """As pydantic's models are, which iterate over their fields."""

    def model_dump(self):
        return PLAYER

    def __iter__(self):
        return iter(PLAYER.items())


class Table:
    """As data frames are, which iterate over the names of their columns."""

    def __dataframe__(self):
        """Tell what it is."""

    def __iter__(self):
        return iter(PLAYER)


@pytest.fixture
def server():
    return fake()


@pytest.fixture
def client(server):
    with server.client() as opened:
        yield opened
    assert server.requests == []


@pytest.mark.parametrize("items", [PLAYER, b"{}", bytearray(b"{}"), Model(), Table()])
def test_one_item_is_not_taken_apart_as_many(client, items):
    with pytest.raises(TypeError, match=r"load takes (many items.*put an item into a list|rows)"):
        client.entities.load(items)


@pytest.mark.parametrize("items", [PLAYER, "rows.csv", bytearray(b"{}"), Model(), Table()])
def test_one_item_is_not_taken_apart_as_a_batch(client, items):
    with pytest.raises(TypeError, match="send takes"):
        client.entities.send(items)


@pytest.mark.parametrize("call", ["record_events", "upsert_objects", "send_events", "send_objects"])
def test_one_item_is_not_taken_apart_in_the_public_api(call):
    with PublicClient("http://fake", key="k") as client, pytest.raises(TypeError, match=f"{call} takes many items"):
        getattr(client, call)({"event": "Paid"})


@pytest.mark.parametrize("name", ["in_flight", "batch_items", "batch_bytes"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_size_of_a_load_is_a_whole_number_from_1(client, name, value, error):
    with pytest.raises(error, match=f"{name} must be"):
        client.entities.load([PLAYER], **{name: value})


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (float("nan"), ValueError), ("1", TypeError)])
def test_a_source_that_never_ends_is_flushed_after_some_time(client, value, error):
    with pytest.raises(error, match="flush_seconds must be"):
        client.entities.load([PLAYER], flush_seconds=value)


def test_the_asynchronous_client_refuses_likewise(server):
    async def program():
        async with server.async_client() as client:
            await client.entities.load([PLAYER], in_flight=0)

    with pytest.raises(ValueError, match="in_flight must be"):
        asyncio.run(program())


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"deadline": 1.5}, "deadline must be a whole number of seconds, not 1.5"),
        ({"deadline": dt.timedelta(minutes=1)}, "deadline must be a whole number of seconds"),
        ({"max_errors": True}, "max_errors must be a whole number"),
        ({"label": 5}, "label must be a text, not 5"),
        ({"atomic": "yes"}, "atomic must be True or False"),
        ({"strict": "yes"}, "strict must be True or False"),
        ({"mode": "upsert"}, "mode must be 'replace' or 'merge', not 'upsert'"),
        ({"wait": 60}, r"from 0 to 30.*not 60; job.wait\(timeout="),
        ({"wait": -1}, "from 0 to 30"),
        ({"wait": 1.5}, "from 0 to 30"),
        ({"content_type": "text/csv"}, "content_type would have no effect"),
    ],
)
def test_an_option_says_what_it_takes(client, option, message):
    with pytest.raises((TypeError, ValueError), match=message):
        client.entities.send([PLAYER], **option)


def test_an_upload_and_the_check_of_a_template_wait_no_longer_than_the_server(client):
    for call in (lambda: client.uploads.complete("upl_1", 1, wait=60), lambda: client.templates.check("t", wait=60)):
        with pytest.raises(ValueError, match="from 0 to 30"):
            call()


@pytest.mark.parametrize(
    "option",
    [{"batch_items": 1}, {"batch_bytes": 1}, {"in_flight": 1}, {"flush_seconds": 1}, {"null_policy": "omit"}],
)
def test_what_has_no_effect_on_a_file_is_refused(client, option):
    with pytest.raises(TypeError, match="would have no effect: a file is one job"):
        client.entities.load("rows.csv", **option)


def test_what_has_no_effect_on_items_is_refused(client):
    with pytest.raises(TypeError, match="resume, part_bytes would have no effect"):
        client.entities.load([PLAYER], resume=False, part_bytes=1)
    with pytest.raises(ValueError, match="part_bytes must be 1 at least"):
        client.entities.load("rows.csv", part_bytes=0)


@pytest.mark.parametrize(("timeout", "error"), [(None, TypeError), ("60", TypeError), (-1, ValueError)])
def test_the_time_of_a_call_is_a_number_of_seconds(server, timeout, error):
    with pytest.raises(error, match="timeout must be"):
        server.client(timeout=timeout)


@pytest.mark.parametrize("name", ["numbers", "null_policy"])
@pytest.mark.parametrize("kind", [Client, PublicClient])
def test_a_word_that_a_client_does_not_know_is_refused_when_it_is_made(kind, name):
    with pytest.raises(ValueError, match=f"{name} must be one of"):
        kind("http://fake", key="k", **{name: "s"})


def test_a_raw_item_of_several_lines_is_one_item(server):
    pretty = msgspec.Raw(msgspec.json.format(msgspec.json.encode(PLAYER), indent=2))
    with server.client() as client:
        assert client.entities.load([pretty, {**PLAYER, "externalId": "p2"}]).created == 2
    assert server.entities["p1"].data == PLAYER["data"]


@pytest.mark.parametrize("text", [b"", b" \n"])
def test_a_raw_item_of_nothing_is_refused(client, text):
    with pytest.raises(UnsupportedValue, match="Raw of nothing"):
        client.entities.send([PLAYER, msgspec.Raw(text)])
