"""`make setup` gets over what an earlier one left behind."""

import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"
TOO_OLD = "#!/bin/sh\nexit 1\n"  # what the question for the version gets from an older Python


def make(folder, *arguments):
    """Run make there, as from a shell of its own."""
    return subprocess.run(
        ["/usr/bin/make", "--makefile", MAKEFILE, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("left", ["an older Python", "no pip", "nothing"])
def test_a_venv_that_cannot_be_used_is_made_anew(tmp_path, left):
    if left == "an older Python":
        executable(tmp_path / ".venv/bin/python", TOO_OLD)
    elif left == "no pip":
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    done = make(tmp_path, "venv", f"PYTHON={sys.executable}")
    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / ".venv/bin/pip", "--version"], check=False).returncode == 0


def test_a_python_that_is_too_old_is_refused_before_anything_is_made(tmp_path):
    done = make(tmp_path, "venv", f"PYTHON={executable(tmp_path / 'python3.10', TOO_OLD)}")
    assert done.returncode != 0
    assert "Sluice needs Python 3.11 or newer" in done.stderr
    assert not (tmp_path / ".venv").exists()
