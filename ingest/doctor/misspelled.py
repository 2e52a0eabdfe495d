"""Variables that look like settings of Sluice and are none: whoever misspells a setting runs with its default."""

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches

from ingest.settings import Settings

_PREFIX = "SLUICE_"

# No settings of a process: those of commands, of docker-compose.yml, and of tests.
_OTHERS = ("BIND", "DATA_DIR", "URL", "KEY", "JOURNALS", "ADDRESS", "PORT", "FLOWER_PORT", "FAULT", "FAULT_ITEM")


def unknown_settings(names: Iterable[str]) -> list[str]:
    """Return the names among these that look like settings and are none, each with the setting that it is near to."""
    known = {*_OTHERS, *(setting.name.upper() for setting in fields(Settings))}
    ours = sorted(name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))
    return [f"{_PREFIX}{name}{_hint(name, known)}" for name in ours if name.removesuffix("_FILE") not in known]


def _hint(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {_PREFIX}{near[0]}?)" if near else ""
