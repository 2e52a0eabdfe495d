"""A bad item never sinks a good one, whatever is wrong with it."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection
from ingest.db.jobs import item_errors
from ingest.engine.executor import Executor
from ingest.jobs import Effect, JobState
from tests.support.factories import TOO_LARGE, changed, entity, event, state
from tests.support.meanwhile import Watched
from tests.support.seen import deposits, effect_counts, job_of, numbers

# Texts that are invalid items of every kind, with the code of each error.
_BAD_ANYWHERE = [
    (b"null", "VALIDATION_FAILED"),
    (b"17", "VALIDATION_FAILED"),
    (b'"text"', "VALIDATION_FAILED"),
    (b"[]", "VALIDATION_FAILED"),
    (b"{}", "VALIDATION_FAILED"),
    (b'"\\ud800"', "VALIDATION_FAILED"),
    (b'{"externalId": "\\udc00"}', "VALIDATION_FAILED"),
    (b'{"externalId": "a\\u0000b"}', "VALIDATION_FAILED"),
    (b'{"externalId": %s}' % (b"9" * 5_000), "VALIDATION_FAILED"),
    (b'{"externalId": 1e1000000000000000000000}', "VALIDATION_FAILED"),
    (b'{"externalId": "%s"}' % (b"x" * 501), "VALIDATION_FAILED"),
    (b"[" * 150 + b"]" * 150, "VALIDATION_FAILED"),
]
_BAD = {
    "entities": [
        *_BAD_ANYWHERE,
        (b'{"entityType": "player", "externalId": "x", "data": {}}', "VALIDATION_FAILED"),
        (b'{"entityType": "ship", "externalId": "x", "data": {}}', "VALIDATION_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data": {"a": "\\u0000"}}', "VALIDATION_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data": {"a": "\\udfff"}}', "VALIDATION_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data2": {}}', "VALIDATION_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data": {"n": %s}}' % TOO_LARGE, "WRITE_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data": {"n": -1E1000000000000000000000}}', "VALIDATION_FAILED"),
    ],
    "events": [
        *_BAD_ANYWHERE,
        (b'{"externalId": "player_000001", "eventType": "transaction", "data": {}}', "VALIDATION_FAILED"),
        (b'{"externalId": "player_000001", "eventType": "session", "data": {}, "timestamp": 5}', "VALIDATION_FAILED"),
        (b'{"externalId": "nobody", "eventType": "session", "data": {}}', "NOT_FOUND"),
        (b'{"externalId": "player_000001", "eventType": "session", "data": {"n": %s}}' % TOO_LARGE, "WRITE_FAILED"),
    ],
    "states": [
        *_BAD_ANYWHERE,
        (b'{"externalId": "player_000001", "stateKey": "mood", "value": 1}', "VALIDATION_FAILED"),
        (b'{"externalId": "player_000001", "stateKey": "balance"}', "VALIDATION_FAILED"),
        (b'{"externalId": "nobody", "stateKey": "balance", "value": 1}', "NOT_FOUND"),
        (b'{"externalId": "player_000001", "stateKey": "balance", "value": %s}' % TOO_LARGE, "WRITE_FAILED"),
    ],
}
_GOOD: dict[str, Callable[[int], dict[str, Any]]] = {
    "entities": entity,
    "events": lambda number: event(number % 10),
    "states": lambda number: state(number % 10, value=number),
}


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("block_items", [1, 5, 1_000])
@pytest.mark.parametrize("kind", _BAD)
def test_a_bad_item_never_sinks_a_good_one(
    kind: str, block_items: int, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    texts: list[bytes] = []
    for number, (bad, _) in enumerate(_BAD[kind]):
        texts += [bad, json.dumps(_GOOD[kind](100 + number)).encode()]
    job_id = submit(kind, b"[" + b",".join(texts) + b"]", block_items=block_items)
    executor.run(job_id, seconds=60)
    job = job_of(observer, job_id)
    assert job.status is JobState.COMPLETED
    assert sum(job.effects.values()) == job.total == 2 * len(_BAD[kind])
    errors = item_errors.of_job(observer, job_id, limit=100)
    assert [(error.index, error.code) for error in errors] == [
        (2 * number, code) for number, (_, code) in enumerate(_BAD[kind])
    ]
    assert all(error.message for error in errors)
    assert (job.effects[Effect.FAILED], job.succeeded) == (len(_BAD[kind]), len(_BAD[kind]))


def test_an_error_has_index_id_code_and_message_as_the_contract_words_them(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1), entity(2, data={"phone": "1"})])
    executor.run(job_id, seconds=60)
    [error] = item_errors.of_job(observer, job_id, limit=10)
    assert (error.index, error.external_id, error.code, error.message) == (
        1,
        "player_000002",
        "VALIDATION_FAILED",
        'Missing required field: "email"',
    )


@pytest.mark.usefixtures("players")
def test_an_item_that_kills_whoever_checks_it_is_an_error_and_its_neighbours_are_written(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    def die_of_a_bonus(name: str) -> None:
        if name == "bonus":
            os.kill(os.getpid(), signal.SIGKILL)

    sent = deposits(6)
    sent[3] = event(3, eventType="bonus")
    job_id = submit("events", sent)
    observer.execute("UPDATE job_blocks SET deliveries = 2 WHERE job_id = %s", (job_id,))
    changed(executor, template_cache=Watched(die_of_a_bonus)).run(job_id, seconds=60)
    assert numbers(observer) == [0, 1, 2, 4, 5]
    [error] = item_errors.of_job(observer, job_id, limit=10)
    assert (error.index, error.code, error.message) == (
        3,
        "VALIDATION_FAILED",
        "Checking this item ended the process three times",
    )


@pytest.mark.usefixtures("players")
def test_many_deliveries_blame_no_item_that_can_be_checked(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(6))
    observer.execute("UPDATE job_blocks SET deliveries = 1000 WHERE job_id = %s", (job_id,))
    executor.run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.CREATED: 6}
