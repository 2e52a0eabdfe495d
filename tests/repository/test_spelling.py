"""The words of code and pages are spelled right; pyproject.toml lists those that are meant otherwise."""

import subprocess
import sys

from tests.repository.test_docs import PAGES, ROOT, files

_FOLDERS = ("app", "benchmarks", "cli", "clients", "deploy", "ingest", "reference", "tests", "worker")
_TEXTS = {".css", ".html", ".js", ".py", ".sql", ".template", ".ts", ".yml"}
_OTHERS = ("Makefile", "Procfile", "Dockerfile", "docker-compose.yml", "pyproject.toml", ".env.example")
_NOT_OURS = {"vendor", "guide_pages", "dist", "build"}  # packages of others, and what is built


def test_no_word_of_code_or_pages_is_misspelled():
    code = [file for folder in _FOLDERS for file in files(folder) if file.suffix in _TEXTS]
    ours = [file for file in code if not _NOT_OURS & {*file.parts}]
    check = [sys.executable, "-m", "codespell_lib", *ours, *PAGES, *(ROOT / name for name in _OTHERS)]
    result = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
