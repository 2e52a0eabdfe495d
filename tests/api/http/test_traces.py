"""Spans of requests outside the sample: those that a fault of Sluice ends are sent all the same."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.http import request_log, traces
from ingest.traces import process
from tests.support.otlp import Spans, receiving_spans

_TRACE = "0af7651916cd43dd8448eb211c80319c"
_UNSAMPLED = {"traceparent": f"00-{_TRACE}-b7ad6b7169203331-00"}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    with receiving_spans() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.endpoint)
        process.begin("web", 1)
        yield received
        process.end()


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__)
    request_log.follow(app)
    traces.follow(app)
    app.add_url_rule("/answers/<int:status>", view_func=lambda status: (traces.traceparent(), status))
    return app.test_client()


def test_a_request_outside_the_sample_has_a_span_only_if_sluice_failed(spans: Spans, client: FlaskClient) -> None:
    named = [client.get(f"/answers/{status}", headers=_UNSAMPLED).text for status in (202, 404, 503)]
    process.end()
    [span] = spans.all()
    assert span.failed
    assert (span.trace, span.attributes["error.type"], span.kind) == (_TRACE, "503", "SERVER")
    assert f"00-{span.trace}-{span.parent}-00" == named[-1]


def test_a_request_in_the_sample_says_that_sluice_failed(spans: Spans, client: FlaskClient) -> None:
    for status in (400, 500):
        client.get(f"/answers/{status}")
    process.end()
    assert [(span.failed, span.attributes.get("error.type")) for span in spans.all()] == [(False, None), (True, "500")]


def test_a_method_that_http_has_not_is_in_no_span(spans: Spans, client: FlaskClient) -> None:
    assert client.open("/answers/200", method="NEEDLE").status_code == 405
    process.end()
    [span] = spans.all()
    assert span.name == "_OTHER"
    assert "NEEDLE" not in span.text
