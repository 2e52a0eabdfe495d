"""`GET /capabilities` says what the installation enforces, and all of it (docs/contracts/jobs.md section 1)."""

import dataclasses
import gzip
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import zstandard

from app import create_app
from app.http.services import Services
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.api.operator.test_options import send
from tests.support.factories import entity

# Settings that limit nothing which a client sends, or reads.
_NOT_SHOWN = {
    "database_url": "where the server is",
    "redis_url": "where the server is",
    "web_workers": "how many processes, which answer alike",
    "web_threads": "how many threads, which answer alike",
    "web_streams": "of each process; beyond it a client is told 503, and polls",
    "keepalive_seconds": "of a connection, which a client opens again",
    "cors_origins": "what browsers ask for themselves",
    "behind_proxy": "a warning of the server's",
    "trusted_proxies": "where the server is",
    "worker_processes": "how many processes, which run jobs alike",
    "job_deadline_seconds": "a guard of the server's, which no job that moves meets",
    "log_level": "of the server's log",
    "metrics": "of the server",
    "metrics_bind": "where the server is",
    "metrics_tenants": "of the server's metrics",
    "traces": "of the server",
    "traces_ratio": "of the server's traces",
    "console": "pages for people, which no client calls",
    "database_dir": "where the server is",
    "min_free_disk_bytes": "of the server's disk",
    "master_keys": "a secret; whether there are any is shown",
    "webhook_allow_private": "a flag, which is shown beside the events of webhooks",
}


def leaves(value: Any) -> Iterator[Any]:
    """Every value in a document that holds no others."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    else:
        yield value


def capabilities(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = data(api.get("/capabilities"))
    return found


def test_every_setting_that_limits_a_client_is_shown_as_it_is_set(settings: Settings, api: Api) -> None:
    shown = [field.name for field in dataclasses.fields(Settings) if field.name not in _NOT_SHOWN]
    changed: dict[str, Any] = {
        name: f"{7_000 + number}/hour" if name.startswith("rate_") else 7_000 + number
        for number, name in enumerate(shown)
    }
    made = create_app(dataclasses.replace(settings, **changed))
    told = list(leaves(capabilities(Api(made, api.tenant, api.key))))
    services: Services = made.extensions["sluice"]
    services.close()
    assert {name: value for name, value in changed.items() if value not in told} == {}


def test_each_exemption_is_of_a_setting_that_is_there() -> None:
    assert set(_NOT_SHOWN) <= {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize("kind", ["entities", "events", "states"])
def test_the_parameters_are_those_that_the_calls_take(api: Api, kind: str) -> None:
    told = {found["name"]: found["schema"] for found in capabilities(api)["parameters"] if kind in found["kinds"]}
    call = api.document["paths"][f"/operator-data-api/batch/{kind}"]["post"]
    taken = {found["name"]: found["schema"] for found in call["parameters"] if found["in"] == "query"}
    assert told == taken
    message = refused(send(api, "nonsense=1", [], kind=kind), 400, "INVALID_INPUT")
    assert message.endswith(f"this call takes {', '.join(told)}")


def test_each_bound_of_a_parameter_is_enforced_as_it_is_told(api: Api) -> None:
    numbers = [found for found in capabilities(api)["parameters"] if found["schema"]["type"] == "integer"]
    assert {found["name"] for found in numbers} >= {"maxErrors", "deadline"}
    for found in numbers:
        least, most = found["schema"]["minimum"], found["schema"]["maximum"]
        for value, status in ((least - 1, 400), (least, 202), (most, 202), (most + 1, 400)):
            answer = send(api, f"{found['name']}={value}", [entity()])
            assert answer.status_code == status, (found["name"], value)


_BODIES = {
    "array": msgspec.json.encode([entity()]),
    "lines": msgspec.json.encode(entity()) + b"\n",
    "csv": b"externalId,entityType,email\np1,player,a@example.com\n",
}
_ENCODE = {"identity": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


def test_each_format_in_each_coding_is_taken_and_no_other(api: Api) -> None:
    told = capabilities(api)
    forms = {found["form"]: found["contentTypes"] for found in told["formats"]}
    assert set(forms) == set(_BODIES), "give a new form a body above"
    assert set(told["contentCodings"]) == set(_ENCODE)
    for form, content_types in forms.items():
        for content_type in content_types:
            for coding in told["contentCodings"]:
                answer = api.post(
                    "/batch/entities",
                    body=_ENCODE[coding](_BODIES[form]),
                    Content_Type=content_type,
                    Content_Encoding=coding,
                )
                assert answer.status_code == 202, (content_type, coding)
    for headers in (
        {"Content_Type": "application/xml"},
        {"Content_Type": "application/json", "Content_Encoding": "br"},
    ):
        refused(api.post("/batch/entities", body=_BODIES["array"], **headers), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_an_array_may_have_as_many_items_as_are_told(api: Api) -> None:
    for kind, most in capabilities(api)["limits"]["arrayItems"].items():
        refused(send(api, "", [{}] * (most + 1), kind=kind), 400, "INVALID_INPUT", str(most))
        assert send(api, "", [{}] * most, kind=kind).status_code == 202


def test_each_mode_is_taken(api: Api) -> None:
    for mode in capabilities(api)["modes"]:
        assert send(api, f"mode={mode}", [entity()]).status_code == 202


def test_it_needs_a_key_and_takes_no_parameter(api: Api) -> None:
    refused(api.app.test_client().get("/operator-data-api/capabilities"), 401, "UNAUTHORIZED")  # type: ignore[arg-type] # a response
    refused(api.get("/capabilities?all=1"), 400, "INVALID_INPUT", "all")


def test_a_tenant_without_a_template_may_ask(new_api: Any) -> None:
    assert new_api(template=None).get("/capabilities").status_code == 200
