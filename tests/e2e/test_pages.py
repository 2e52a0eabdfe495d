"""Every block of a page does what it shows: a reader pastes them, in order, into one shell and one interpreter."""

import json
import re

import pytest

from tests.e2e.running import SLUICE, command_result, environment
from tests.support.pages import ROOT, blocks, filled, pages
from tests.support.pasted import Pasted
from tests.support.shown import covers, documents, missing_lines

_HERE = {"sh", "python"}  # tests/e2e/test_typescript_client.py runs those of TypeScript
_ELSEWHERE = {ROOT / "docs/how-to/backup-and-restore.md"}  # tests/e2e/test_backup.py runs it on a database of its own
PAGES = [
    page
    for page in pages()
    if page not in _ELSEWHERE and any(block.language in _HERE and not block.reason for block in blocks(page))
]


def test_the_pages_that_people_start_with_are_run():
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert names >= {"README.md", "clients/python/README.md", "docs/how-to/call-the-api.md"}
    assert names >= {str(page.relative_to(ROOT)) for page in (ROOT / "docs" / "tutorial").glob("*.md")}


@pytest.fixture
def pasted(stack, tmp_path):
    """A shell and an interpreter in a folder that looks like a checkout, for a tenant of their own."""
    folder, own = tmp_path / "sluice", tmp_path / "own"
    for made in (folder / ".sluice", folder / ".venv" / "bin", own):
        made.mkdir(parents=True)
    for name in ("clients", "deploy", "examples"):
        (folder / name).symlink_to(ROOT / name)
    for program in SLUICE.parent.iterdir():
        (folder / ".venv" / "bin" / program.name).symlink_to(program)
    at = {"SLUICE_DATA_DIR": str(stack.data_dir)}
    tenant = command_result("tenants", "create", "Acme", "--template", "tpl_igaming", **at)["id"]
    key = command_result("keys", "create", "--prefix", "oh_live", "--tenant", tenant, **at)["key"]
    (folder / ".sluice" / "key").write_text(f"{key}\n")
    client = str(ROOT / "clients" / "python" / "src")
    opened = Pasted(folder, own, environment(SLUICE_URL=_server(stack), SLUICE_KEY=key, PYTHONPATH=client, **at))
    yield opened
    opened.close()


def _server(stack):
    return stack.api.removesuffix("/operator-data-api")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_a_page_does_what_it_shows(stack, pasted, page):
    seen, ran = "", None
    for block in blocks(page):
        if block.language in _HERE and not block.reason:
            text = filled(block.text, seen).replace("http://127.0.0.1:8000", _server(stack))
            ran = pasted.run(block.language, text)
            seen += ran.out + ran.err
            _hold_answers(block.text, ran)
        elif block.language == "json" and ran:
            assert any(covers(json.loads(block.text), document) for document in documents(ran.out)), (block, ran)
        elif block.language == "text" and ran:
            assert not missing_lines(block.text, ran.out + ran.err), (block, ran)
        else:
            ran = None


def _hold_answers(text, ran):
    """Each curl of a block has an answer, and none is a refusal."""
    answers = [answer for answer in documents(ran.out) if isinstance(answer, dict)]
    unchanged = ran.out.count("HTTP/1.1 304 ")
    shown = len(re.findall(r"(?<!\$\()curl -sS ", text))
    assert len(answers) + unchanged >= shown, ran.out  # others go into a variable
    assert ran.out.count("event: end") == text.count("curl -sSN "), "a stream goes on to the end of its job"
    assert all(answer.get("success", True) is True and "error" not in answer for answer in answers), answers
