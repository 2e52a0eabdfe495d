"""Digests of what tenants with personal data send are stored encrypted, and work as ever."""

import hashlib
import json
from typing import Any

import psycopg
import pytest
from flask import Flask

from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.api.operator.idempotency import KEY, Call, each_call, replayed, rows, send
from tests.api.operator.test_sealed_items import other_key, without_personal_data
from tests.api.operator.uploads import begin, complete, digest, put
from tests.support.factories import entity

Observer = psycopg.Connection[tuple[Any, ...]]

_LINE = json.dumps(entity()).encode() + b"\n"
_BARE = 32  # bytes of a SHA-256
_STORED = """
SELECT fingerprint FROM idempotency_keys UNION ALL SELECT digest FROM upload_parts WHERE whole
"""
_WRITTEN = ("entities", "events", "states", "jobs")


def _stored(observer: Observer) -> list[bytes]:
    return [row[0] for row in observer.execute(_STORED)]


@pytest.fixture
def player(api: Api) -> Api:
    """An API that has player_000001."""
    assert api.post("/entities", entity()).status_code == 201
    return api


@each_call
def test_a_fingerprint_is_encrypted_and_tells_a_repeat_from_another_request(
    player: Api, observer: Observer, call: Call
) -> None:
    assert send(player, call).status_code == call.status
    [fingerprint] = _stored(observer)
    assert len(fingerprint) > _BARE
    assert replayed(send(player, call))
    refused(send(player, call, Prefer="handling=strict"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_the_digest_of_a_part_is_encrypted_and_shown_as_its_sender_computes_it(api: Api, observer: Observer) -> None:
    upload = begin(api)
    for part, line in ((2, _LINE * 2), (1, _LINE)):
        assert data(put(api, upload, part, line))["digest"] == digest(line)
    assert data(put(api, upload, 1, _LINE * 3))["digest"] == digest(_LINE * 3)
    shown = data(api.get(f"/batch/uploads/{upload}"))["parts"]
    assert [part["digest"] for part in shown] == [digest(_LINE * 3), digest(_LINE * 2)]
    assert all(len(stored) > _BARE for stored in _stored(observer))
    dump = str(observer.execute("SELECT p::text FROM upload_parts p").fetchall())
    assert hashlib.sha256(_LINE * 3).hexdigest() not in dump


def test_without_personal_data_digests_are_bare(api: Api, observer: Observer) -> None:
    without_personal_data(api)
    upload = begin(api)
    assert put(api, upload, 1, _LINE).status_code == 200
    assert api.post("/batch/entities", [entity()], Idempotency_Key=KEY).status_code == 202
    assert [len(stored) for stored in _stored(observer)] == [_BARE] * 2


def test_bare_digests_of_before_go_on_working(api: Api) -> None:
    without_personal_data(api)
    upload = begin(api)
    assert put(api, upload, 1, _LINE).status_code == 200
    assert api.post("/batch/entities", [entity()], Idempotency_Key=KEY).status_code == 202
    assert api.put("/settings", {"templateId": "tpl_igaming"}).status_code == 200
    assert data(api.get(f"/batch/uploads/{upload}"))["parts"][0]["digest"] == digest(_LINE)
    assert replayed(api.post("/batch/entities", [entity()], Idempotency_Key=KEY))
    refused(api.post("/batch/entities", [entity(2)], Idempotency_Key=KEY), 422, "IDEMPOTENCY_KEY_REUSED")


@each_call
def test_a_repeat_whose_key_is_lost_is_an_error_and_writes_nothing(
    player: Api, observer: Observer, app: Flask, settings: Settings, call: Call
) -> None:
    send(player, call)
    before = [rows(observer, table) for table in _WRITTEN]
    with other_key(app, settings):
        refused(send(player, call), 500, "SECRET_UNREADABLE", 'no key "test"')
    assert [rows(observer, table) for table in _WRITTEN] == before
    assert replayed(send(player, call))


def test_an_upload_whose_digests_have_a_lost_key_can_still_be_completed(
    api: Api, app: Flask, settings: Settings
) -> None:
    upload = begin(api)
    put(api, upload, 1, _LINE)
    with other_key(app, settings):
        refused(api.get(f"/batch/uploads/{upload}"), 500, "SECRET_UNREADABLE", 'no key "test"')
        assert put(api, upload, 1, _LINE).status_code == 200
        assert complete(api, upload, 1).status_code == 202
