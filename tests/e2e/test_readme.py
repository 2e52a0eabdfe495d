"""The README's and the docs' blocks work as they stand there: a page's are pasted into one shell, in order."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.running import SLUICE, environment

ROOT = Path(__file__).parents[2]
# Only a reason right above a block keeps it from being pasted.
_BLOCK = re.compile(r"(<!-- not run: [^\n]+ -->\n)?```sh\n(.*?)```", re.DOTALL)


def blocks(page):
    """Return the blocks of a page that readers paste."""
    return [block for reason, block in _BLOCK.findall(page.read_text(encoding="utf-8")) if not reason]


PAGES = [page for page in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))] if blocks(page)]


def test_the_pages_that_show_calls_are_pasted():
    assert {page.stem for page in PAGES} >= {"README", "api", "operations"}


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request):
    return request.param


@pytest.fixture
def pasted(page, stack, tmp_path):
    """All blocks of a page pasted into one shell, one after the other, for a tenant of their own."""
    script = "\n".join(blocks(page)).replace("http://127.0.0.1:8000", stack.api.removesuffix("/operator-data-api"))
    script = script.replace("curl -sS ", "curl -sSw '\\n' ").replace(".venv/bin/sluice", str(SLUICE))
    own = f'$({SLUICE} keys create --prefix oh_live --tenant $({SLUICE} tenants create "Acme" --template tpl_igaming))'
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail"],
        input=script.replace("$(cat .sluice/key)", own),
        cwd=tmp_path,  # a block may write files
        env=environment(SLUICE_DATA_DIR=str(stack.data_dir)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_block_of_a_page_works_as_pasted(page, pasted):
    assert pasted.returncode == 0, pasted.stderr + pasted.stdout
    answers = [json.loads(line) for line in pasted.stdout.splitlines() if line.startswith("{")]
    text = "\n".join(blocks(page))
    unchanged = pasted.stdout.count("HTTP/1.1 304 ")
    assert len(answers) + unchanged == text.count("curl -sS ") - text.count("$(curl -sS "), "others go into a variable"
    assert pasted.stdout.count("event: end") == text.count("curl -sSN "), "a stream goes on to the end of its job"
    assert all(answer.get("success", True) is True and "error" not in answer for answer in answers), answers
    for job_id in re.findall(r'"jobId": ?"(job_[0-9a-f]+)"', pasted.stderr):
        assert job_id in pasted.stdout, "the job that a variable holds is polled"
