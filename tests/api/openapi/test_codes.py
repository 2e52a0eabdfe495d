"""Every error code has a page, every page a code that the product answers with, and each refusal links to its page."""

import ast
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import guide
from app.http.describe import describe
from app.http.errors import HTTP_CODES, STATUS
from app.openapi import docs
from app.openapi.apis import OPERATOR
from app.openapi.codes import CODES, address, places, statuses
from app.openapi.error_pages import markdown
from ingest import errors
from ingest.errors import SluiceError
from ingest.jobs import ITEM_ERROR_CODES, JOB_ERROR_CODES, WARNING_CODES

ROOT = Path(__file__).parents[3]
_PRODUCT = ("app", "ingest", "worker")
_A_CODE = re.compile(r"[A-Z]{3,}(?:_[A-Z]+)*")

# Errors that end a process, a job or a delivery: no request is answered with them.
_NO_ANSWERS = {errors.SettingsError, errors.WrongDatabase, errors.RoleRefused, errors.JobUnrunnable}

_ADVICE = "add it to answers.py, items.py or jobs.py in app/openapi/codes/, and run `make docs-reference`"


def sources() -> Iterator[tuple[str, str]]:
    for folder in _PRODUCT:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")


def classes(error: type[SluiceError]) -> Iterator[type[SluiceError]]:
    yield error
    for inner in error.__subclasses__():
        yield from classes(inner)


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Each call of a source, with the name of its function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_every_code_has_a_page() -> None:
    used = {*statuses(), *ITEM_ERROR_CODES, *WARNING_CODES, *JOB_ERROR_CODES}
    missing = sorted(used - set(CODES))
    assert not missing, f"these codes have no page: {missing}; {_ADVICE}"


def test_every_page_is_of_a_code_that_is_answered() -> None:
    extra = [name for name in CODES if not places(name)]
    assert not extra, f"nothing answers with these codes: {extra}; take their pages out of app/openapi/codes/"


def test_every_error_of_a_request_has_a_status() -> None:
    concrete = {*classes(errors.RequestError), *classes(errors.DatabaseError)}
    abstract = {errors.RequestError, errors.DatabaseError}
    missing = sorted(error.__name__ for error in concrete - abstract - set(STATUS))
    assert not missing, f"give these classes of ingest/errors.py a status in STATUS of app/http/errors.py: {missing}"
    named = {error for error in classes(SluiceError) if "code" in vars(error)}
    unknown = sorted(error.__name__ for error in named - {SluiceError} - _NO_ANSWERS - set(STATUS))
    assert not unknown, f"answers have no status for these: {unknown}"


def test_every_code_that_is_written_out_in_the_source_is_listed() -> None:
    """Codes of items and of jobs stand in calls and in SQL, beside the lists that clients read."""
    listed = {
        **dict.fromkeys(("ItemError", "item_error"), ITEM_ERROR_CODES),
        "ItemWarning": WARNING_CODES,
        "control.fail": JOB_ERROR_CODES,
    }
    strange = []
    for file, source in sources():
        for name, call in calls(source):
            texts = [part.value for part in ast.walk(call) if isinstance(part, ast.Constant)]
            codes = [text for text in texts if isinstance(text, str) and _A_CODE.fullmatch(text)]
            strange += [f"{file}: {code}" for code in codes if code not in listed.get(name, codes)]
        of_jobs = re.findall(r"error_code = (?:CASE WHEN [^\n]+ THEN )?'([A-Z_]+)'", source)
        strange += [f"{file}: {code}" for code in of_jobs if code not in JOB_ERROR_CODES]
    assert not strange, f"list these in ITEM_ERROR_CODES, WARNING_CODES or JOB_ERROR_CODES of ingest/jobs.py: {strange}"


def test_every_code_of_a_job_is_written_somewhere() -> None:
    written = "\n".join(source for file, source in sources() if "openapi" not in file and file != "ingest/jobs.py")
    assert [code for code in JOB_ERROR_CODES if not re.search(rf"""['"]{code}['"]""", written)] == []


def test_the_proxy_answers_with_codes_that_have_a_page() -> None:
    proxy = (ROOT / "deploy" / "nginx.conf.template").read_text(encoding="utf-8")
    codes = re.findall(r'"code": "([A-Z_]+)"', proxy)
    assert codes
    assert [code for code in codes if code not in CODES] == []


def test_the_page_of_all_codes_is_made_of_the_catalogue() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    assert page == markdown(), "docs/reference/errors.md is out of date: run `make docs-reference`"


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_a_page_says_meaning_cause_and_remedy_in_whole_sentences(code: Any) -> None:
    for text in (code.meaning, code.cause, code.remedy):
        assert re.match(r"[A-Z`]", text), text
        assert text.endswith("."), text
        assert "  " not in text, text
        assert text.count("`") % 2 == 0, text
    assert len(code.meaning) <= 120, code.meaning
    assert code.message


@pytest.mark.parametrize("name", CODES)
def test_each_code_has_a_page_of_its_own_that_needs_no_network(app: Flask, name: str) -> None:
    page = app.test_client().get(address(name))
    assert (page.status_code, page.mimetype) == (200, "text/html")
    text = unescape(re.sub("</?code>", "`", page.text))
    for part in (name, CODES[name].meaning, CODES[name].cause, CODES[name].remedy, CODES[name].message):
        assert part in text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert re.findall(r"<(?:script|style|img|link|iframe)|style=|src=", page.text) == []
    in_guide = f"/guide/reference/errors/#{name.lower()}"
    assert set(re.findall('href="([^"]*)"', page.text)) - {in_guide} == {"/docs/errors"}
    assert (in_guide in page.text) == guide.PAGES.is_dir()


def test_a_refusal_names_the_page_of_its_code(app: Flask) -> None:
    client = app.test_client()
    error = client.get("/operator-data-api/settings").get_json()["error"]
    assert error["docs"] == address(error["code"]) == "/docs/errors/UNAUTHORIZED"
    assert CODES[error["code"]].remedy.partition("`")[0] in client.get(error["docs"]).text


@pytest.mark.parametrize("path", ["/docs/errors", "/docs/errors/"])
def test_the_list_of_codes_links_to_each_page(app: Flask, path: str) -> None:
    page = app.test_client().get(path)
    assert page.status_code == 200
    assert re.findall('href="([^"]*)"', page.text) == [address(name) for name in CODES]


@pytest.mark.parametrize("name", ["NO_SUCH_CODE", "%3Cscript%3E", "gone"])
def test_a_code_that_does_not_exist_has_no_page(app: Flask, name: str) -> None:
    page = app.test_client().get(f"/docs/errors/{name}")
    assert page.status_code == 404
    assert page.mimetype == "application/json"


def test_each_refusal_of_the_document_names_its_codes_and_links_to_their_pages(app: Flask) -> None:
    found = set()
    for path, item in docs.document(app)["paths"].items():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if int(status) < 400 or operation["tags"] == ["service"]:
                    continue
                codes = set(answer["content"]["application/json"]["examples"])
                assert codes, (path, status)
                assert set(re.findall(r"\(/docs/errors/(\w+)\)", answer["description"])) == codes
                found |= codes
    # An address that takes no such method, and an HTTP message that is none, belong to no call.
    of_no_call = {HTTP_CODES[405], HTTP_CODES[501]}
    assert found == set(statuses()) - of_no_call


def test_the_codes_of_items_and_jobs_link_to_their_pages(app: Flask) -> None:
    schemas = docs.document(app)["components"]["schemas"]
    job_error = schemas["Job"]["properties"]["error"]["oneOf"][0]
    for shape, codes in (
        (schemas["ItemError"], ITEM_ERROR_CODES),
        (schemas["ItemWarning"], WARNING_CODES),
        (job_error, JOB_ERROR_CODES),
    ):
        linked = re.findall(r"\(([^)]+)\)", shape["properties"]["code"]["description"])
        assert linked == [address(code) for code in codes]


def test_a_fault_that_is_no_class_of_an_error_is_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"getThing: name in `faults` the classes .* faults=\(NotFound"):
        describe("A thing", operation="getThing", answers={}, faults=(404,))


def test_every_refusal_of_a_repeat_a_body_or_a_job_is_added_by_itself(app: Flask) -> None:
    paths = docs.document(app, OPERATOR)["paths"]
    job = paths["/operator-data-api/batch/jobs/{job_id}"]["get"]["responses"]
    assert {"400", "404", "410"} <= set(job)
    upsert = paths["/operator-data-api/entities"]["post"]["responses"]
    assert {"IDEMPOTENCY_IN_PROGRESS", "MASTER_KEY_MISSING"} == set(
        upsert["409"]["content"]["application/json"]["examples"]
    )
    assert {"408", "413", "415"} <= set(upsert)
