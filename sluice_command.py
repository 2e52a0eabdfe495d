"""The `sluice` command, whatever else is called `cli` or `ingest` on the path: the installation comes first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cli import main  # only now is it this one

__all__ = ["main"]
