"""The README's calls work as they stand there, pasted block by block into one shell."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.running import SLUICE, environment

README = Path(__file__).parents[2] / "README.md"
_SECTIONS = ("## Use it", "## Tenants and keys")


def blocks():
    """What the two sections that show calls tell to paste."""
    text = README.read_text(encoding="utf-8")
    sections = [text.partition(f"\n{title}\n")[2].partition("\n## ")[0] for title in _SECTIONS]
    return [block for section in sections for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


@pytest.fixture
def pasted(stack):
    """All blocks pasted into one shell, one after the other, for a tenant of their own."""
    script = "\n".join(blocks()).replace("http://127.0.0.1:8000", stack.api.removesuffix("/operator-data-api"))
    script = script.replace("curl -sS", "curl -sSw '\\n'").replace(".venv/bin/sluice", str(SLUICE))
    own = f'$({SLUICE} keys create --prefix oh_live --tenant $({SLUICE} tenants create "Acme" --template tpl_igaming))'
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail"],
        input=script.replace("$(cat .sluice/key)", own),
        env=environment(SLUICE_DATA_DIR=str(stack.data_dir)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_call_of_the_readme_works_as_pasted(pasted):
    assert pasted.returncode == 0, pasted.stderr
    answers = [json.loads(line) for line in pasted.stdout.splitlines() if line.startswith("{")]
    calls = sum(block.count("curl -sS") for block in blocks())
    assert len(answers) == calls - 1, "the first answer goes to the terminal, beside the job's id"
    assert all(answer.get("success", True) is True and "error" not in answer for answer in answers), answers
    assert answers[0]["data"]["id"] in pasted.stderr
