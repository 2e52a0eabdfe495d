"""Each OpenAPI document is valid, whole in itself and true of its examples: the whole one, and one for each API."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import public

DOCUMENTS = {"operator": "/openapi/operator.json", "public": "/openapi/public.json", "whole": "/openapi.json"}


@pytest.fixture(params=DOCUMENTS)
def document(app: Flask, request: pytest.FixtureRequest) -> dict[str, Any]:
    answer = app.test_client().get(DOCUMENTS[request.param])
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    made: dict[str, Any] = answer.get_json()
    return made


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document, but for what its examples hold."""
    if isinstance(part, dict):
        yield part
        for name, inner in part.items():
            if name not in {"example", "examples"}:
                yield from parts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from parts(inner)


def at(document: Any, reference: str) -> Any:
    """Return the part of a document that a reference leads to (RFC 6901)."""
    assert reference.startswith("#/"), "a document is whole in itself"
    found = document
    for token in reference[2:].split("/"):
        found = found[token.replace("~1", "/").replace("~0", "~")]
    return found


def examples(content: dict[str, Any]) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    yield from (example["value"] for example in content.get("examples", {}).values())


def test_each_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_reference_leads_somewhere_in_its_document(document: dict[str, Any]) -> None:
    references = [part["$ref"] for part in parts(document) if "$ref" in part]
    assert len(references) > 20
    for reference in references:
        assert at(document, reference) is not None


def test_every_example_is_of_its_shape(document: dict[str, Any]) -> None:
    contents = [inner for part in parts(document["paths"]) for inner in part.get("content", {}).values()]
    assert len(contents) > 50
    for content in contents:
        found = list(examples(content))
        assert found, content["schema"]
        schema = {**content["schema"], "components": document["components"]}
        for example in found:
            jsonschema.validate(example, schema, cls=jsonschema.Draft202012Validator)


def test_no_schema_lies_about_unused(document: dict[str, Any]) -> None:
    used = {part["$ref"].rpartition("/")[2] for part in parts(document) if "$ref" in part}
    assert set(document["components"]["schemas"]) - used == set()


def test_every_operation_has_a_name_and_a_tag_that_its_document_explains(document: dict[str, Any]) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert all(operation["operationId"] for operation in operations)
    tags = [tag["name"] for tag in document["tags"]]
    used = {tag for operation in operations for tag in operation["tags"]}
    assert not used - set(tags), f"say in TAGS of app/openapi/docs.py what these are: {sorted(used - set(tags))}"
    assert not set(tags) - used, f"no call has these tags; take them out of TAGS: {sorted(set(tags) - used)}"
    assert all(tag["description"] for tag in document["tags"])


def test_the_two_documents_have_each_call_of_the_whole_one_once(app: Flask) -> None:
    operator, of_public, whole = (app.test_client().get(address).get_json() for address in DOCUMENTS.values())
    assert not set(operator["paths"]) & set(of_public["paths"])
    service = {path for path, item in whole["paths"].items() for call in item.values() if call["tags"] == ["service"]}
    assert {**operator["paths"], **of_public["paths"]} == {
        path: item for path, item in whole["paths"].items() if path not in service
    }
    assert all(path.startswith(public.BASES[0]) for path in of_public["paths"])
    assert not [path for path in operator["paths"] if path.startswith(public.BASES)]
    assert set(operator["components"]["securitySchemes"]) == {"key"}
    assert set(of_public["components"]["securitySchemes"]) == {"key", "header"}


def test_the_pages_offer_the_document_of_each_api(app: Flask) -> None:
    page = app.test_client().get("/docs/").text
    for address in DOCUMENTS.values():
        assert f'"{address}"' in page


def test_an_answer_that_makes_something_leads_to_the_calls_about_it(document: dict[str, Any]) -> None:
    operations = {call["operationId"]: call for item in document["paths"].values() for call in item.values()}
    linked = {
        name: links
        for name, call in operations.items()
        for answer in call["responses"].values()
        if (links := answer.get("links"))
    }
    for name, links in linked.items():
        for link in links.values():
            taken = {place["name"] for place in operations[link["operationId"]]["parameters"] if place["in"] == "path"}
            assert set(link["parameters"]) <= taken, name
    if "writeEntities" in operations:
        assert {"getJob", "cancelJob", "streamJob", "downloadJobErrors", "getJobItem"} <= set(linked["writeEntities"])
        assert {"putUploadPart", "completeUpload", "deleteUpload"} <= set(linked["createUpload"])
        assert linked["createUpload"]["getUpload"]["parameters"] == {"upload_id": "$response.body#/data/uploadId"}
    if "getPublicJob" in operations:
        assert "getPublicJob" in linked["recordEvents"]
