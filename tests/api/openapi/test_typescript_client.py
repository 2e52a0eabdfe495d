"""The TypeScript client has the operations, error codes and types that the OpenAPI documents have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.openapi.codes import statuses
from app.openapi.docs import document
from tests.support.node import CLIENT, needs_node, run

_SOURCES = CLIENT / "src"
_ARGUMENT = re.compile(r"{\w+}")
_CONSTANT = re.compile(r"^const (\w+) = [\"`](\S+)[\"`];$", re.MULTILINE)
_OPERATION = re.compile(r"^  (\w+): [\"`]([^\"`]+)[\"`],$", re.MULTILINE)


@pytest.fixture
def told(app: Flask) -> dict[str, dict[str, Any]]:
    """The operations of both APIs, by their names."""
    return {
        operation["operationId"]: {**operation, "call": f"{method.upper()} {_ARGUMENT.sub('{}', path)}"}
        for path, item in document(app)["paths"].items()
        for method, operation in item.items()
        if operation["tags"] != ["service"]
    }


def table() -> dict[str, list[str]]:
    """The client's calls: each operation with its method, path and marks."""
    source = (_SOURCES / "operations.ts").read_text(encoding="utf-8")
    texts = dict(_CONSTANT.findall(source))
    known = {}
    for name, text in _OPERATION.findall(source):
        call = text
        while "${" in call:
            call = re.sub(r"\${(\w+)}", lambda match: texts[match[1]], call)
        known[name] = call.split(" ")
    assert len(known) > 50
    return known


def test_every_operation_of_the_documents_is_one_of_the_clients(told: dict[str, dict[str, Any]]) -> None:
    calls = {name: " ".join(call[:2]) for name, call in table().items()}
    jobs = {name: call.replace("/operator-data-api", "/api/public/v1") for name, call in calls.items() if "Job" in name}
    public = {name.replace("Job", "PublicJob"): call for name, call in jobs.items()}
    assert {name: operation["call"] for name, operation in told.items()} == {**calls, **public}


def test_a_key_is_sent_with_each_call_that_takes_one(told: dict[str, dict[str, Any]]) -> None:
    takes = {
        name
        for name, operation in told.items()
        if "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
    }
    assert takes == {name for name, call in table().items() if "key" in call[2:]}


def test_writes_without_a_key_are_sent_once_unless_a_repeat_does_no_harm() -> None:
    harmless = {"changeKey", "changeSettings", "changeWebhook", "putUploadPart", "upsertObject", "upsertObjects"}
    free = {name for name, (method, _, *marks) in table().items() if method != "GET" and not {"key", "once"} & {*marks}}
    assert free == harmless


def test_only_calls_whose_answer_has_no_envelope_are_marked_bare(told: dict[str, dict[str, Any]]) -> None:
    marked = {name for name, call in table().items() if "bare" in call}
    for name, operation in told.items():
        good = [answer for status, answer in operation["responses"].items() if status < "300"]
        shapes = [
            answer["content"]["application/json"]["schema"]
            for answer in good
            if "application/json" in answer.get("content", {})
        ]
        enveloped = all({"success", "data"} == {*shape.get("properties", {})} for shape in shapes)
        assert enveloped is (name.replace("PublicJob", "Job") not in marked), name


def test_every_code_of_an_answer_is_in_the_union() -> None:
    source = (_SOURCES / "errors.ts").read_text(encoding="utf-8")
    union = source.partition("export type AnswerCode =")[2].partition(";")[0]
    assert set(re.findall(r'"(\w+)"', union)) == {*statuses()}


@needs_node
def test_the_types_are_those_of_the_document(app: Flask, tmp_path: Path) -> None:
    made = tmp_path / "schema.ts"
    run("node", "make-schema.js", made, input=json.dumps(document(app)))
    assert made.read_text(encoding="utf-8") == (_SOURCES / "schema.ts").read_text(encoding="utf-8"), (
        "`make client-types` makes them anew"
    )
