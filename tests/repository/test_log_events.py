"""docs/reference/log-events.md lists every event that the product logs, with its fields, and none that is gone."""

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
_OF_EVERY_LINE = {"job_id", "request_id"}
_EVENT = re.compile(r"[a-z]+(_[a-z]+)*")


def _calls() -> dict[str, set[str]]:
    """The events of the source, each with the fields that its calls name."""
    found: dict[str, set[str]] = {}
    for folder in ("app", "cli", "ingest", "worker"):
        for file in (_ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and (event := _event(node)):
                    found.setdefault(event, set()).update(keyword.arg for keyword in node.keywords if keyword.arg)
    return found


def _event(call: ast.Call) -> str | None:
    match call.func:
        case ast.Attribute(attr=level, value=ast.Name(id="log") | ast.Call(func=ast.Name(id="get_logger"))):
            logs = level in _LEVELS
        case ast.Name(id="write"):  # a method of the log, chosen by the line's level
            logs = True
        case _:
            logs = False
    match call.args:
        case [ast.Constant(value=str(text)), *_] if logs and _EVENT.fullmatch(text):
            return text
    return None


def _rows() -> dict[str, str]:
    page = (_ROOT / "docs/reference/log-events.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|", page, re.MULTILINE))


def test_the_page_lists_each_event_in_the_order_of_the_alphabet() -> None:
    assert list(_rows()) == sorted(_calls())


@pytest.mark.parametrize(("event", "fields"), sorted(_calls().items()))
def test_the_page_names_the_fields_of_an_event(event: str, fields: set[str]) -> None:
    assert fields - _OF_EVERY_LINE <= set(re.findall(r"`(\w+)`", _rows()[event]))
