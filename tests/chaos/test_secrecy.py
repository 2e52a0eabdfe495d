"""Data and keys of a client, good or bad, reach Postgres alone: no log at any level, and nothing in Redis."""

import re
from dataclasses import replace

import httpx2
import pytest

from ingest.settings import Settings
from tests.chaos.deployment import Deployment
from tests.chaos.model import NEEDLE
from tests.chaos.secrecy import all_commands, in_clear, nothing_is_told_outside, secrets_of
from tests.support.broker import Broker
from tests.support.factories import TOO_LARGE

_DEBUG = {"SLUICE_LOG_LEVEL": "DEBUG"}


@pytest.fixture
def settings(settings: Settings, broker: list[Broker]) -> Settings:
    return replace(settings, redis_url=broker[0].url)


def test_no_payload_and_no_key_is_ever_logged_or_sent_to_redis(deployment: Deployment, broker: list[Broker]) -> None:
    with all_commands(broker[0].url) as commands:
        deployment.web(**_DEBUG)
        deployment.worker(**_DEBUG)
        deployment.sweep(**_DEBUG)
        for client in (deployment.client(), deployment.public_client()):
            for _ in range(4):
                deployment.send(client, client.batch())
        _send_what_is_refused(deployment)
        deployment.witness().until_ended()
        nothing_is_told_outside(deployment)
    assert any('"level": "debug"' in line for line in deployment.lines())
    messages = [in_clear(command) for command in commands if "sluice.run_job" in command]
    assert any(re.search(r'\[\["job_[0-9a-f]{32}"\]', message) for message in messages), "messages are unpacked"
    told = [command for command in commands if any(secret in in_clear(command) for secret in secrets_of(deployment))]
    assert told == []


def _send_what_is_refused(deployment: Deployment) -> None:
    key = {"Authorization": f"Bearer {deployment.customers[0].operator_key}"}
    base = f"{deployment.api}/operator-data-api"
    refused = b'[{"entityType": "player", "externalId": "%s", "data": {"email": "%s", "vip_level": %s}}]'
    answers = [
        httpx2.post(
            f"{base}/batch/entities", headers=key, content=refused % (NEEDLE.encode(), NEEDLE.encode(), TOO_LARGE)
        ),
        httpx2.post(f"{base}/batch/entities", headers=key, content=b'[{"%s' % NEEDLE.encode()),
        httpx2.post(f"{base}/batch/{NEEDLE}", headers=key, json=[]),
        httpx2.post(f"{base}/batch/states", headers=key, params={"after": NEEDLE}, json=[NEEDLE]),
        httpx2.get(f"{base}/entities/{NEEDLE}", headers=key),
        httpx2.get(f"{base}/entities/a", headers={"Authorization": f"Bearer oh_live_{NEEDLE:x<32}"}),
        httpx2.post(f"{deployment.api}/v1/object/upsert", headers=key, json={"type": NEEDLE, "id": NEEDLE}),
    ]
    assert [answer.status_code for answer in answers] == [202, 400, 404, 404, 404, 401, 401]
