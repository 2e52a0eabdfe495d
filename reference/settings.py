"""settings.md: each setting of .env.example, with what stands above it there."""

import re
from collections.abc import Iterator
from pathlib import Path

from reference import markdown

_EXAMPLE = Path(__file__).parents[1] / ".env.example"
_SECTION = re.compile(r"^# --- (.+) ---$")
_SETTING = re.compile(r"^(?:# )?([A-Z][A-Z_]+)=(.*)$")
_PAGE = re.compile(r"\bdocs/([\w/-]+\.md)")


def page() -> str:
    """Return the page."""
    introduction, *blocks = _EXAMPLE.read_text(encoding="utf-8").strip().split("\n\n")
    _, _, usage = introduction.partition("\n#\n")
    return markdown.page("Settings", _prose(usage.splitlines()), *_parts(blocks))


def _parts(blocks: list[str]) -> Iterator[str]:
    """Yield the heading of each section, and each setting; settings that share their words come together."""
    for block in blocks:
        lines = block.splitlines()
        if section := _SECTION.match(lines[0]):
            yield f"## {section[1].partition(' (')[0].replace('`', '')}"
            continue
        settings = [found for line in lines if (found := _SETTING.match(line))]
        yield from (f"### {name}\n\n{_default(value)}" for name, value in (setting.groups() for setting in settings))
        yield _prose([line for line in lines if not _SETTING.match(line)])


def _default(value: str) -> str:
    return f"Default: `{value}`" if value else "Default: none"


def _prose(lines: list[str]) -> str:
    text = "\n".join(line.removeprefix("#").strip() for line in lines)
    return _PAGE.sub(r"[this page](../\1)", text)
