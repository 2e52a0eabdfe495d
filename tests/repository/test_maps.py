"""Maps: the docstring of a package names each of its files (CONTRIBUTING.md: a new file goes where it describes it)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PACKAGES = sorted(file.parent for file in ROOT.glob("ingest/**/__init__.py"))


@pytest.mark.parametrize("package", _PACKAGES, ids=lambda package: str(package.relative_to(ROOT)))
def test_the_docstring_of_a_package_names_each_of_its_files(package: Path) -> None:
    described = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    named = set(re.findall(r"\w+", described))
    files = {file.stem for file in package.glob("*.py")} | {file.parent.name for file in package.glob("*/__init__.py")}
    missing = files - {"__init__"} - named
    assert not missing, f"say in {package.relative_to(ROOT)}/__init__.py what these hold: {', '.join(sorted(missing))}"
