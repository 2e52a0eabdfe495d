"""Pages of Markdown and their blocks, which tests run as a reader pastes them."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = ("sh", "python", "ts")

# Only a reason right above a block keeps it from being run.
_BLOCK = re.compile(r"(?:<!-- not run: ([^\n]+) -->\n)?^( *)```(\w+)\n(.*?)^\2```$", re.DOTALL | re.MULTILINE)

# A word of a page that stands for an id, and the ids of earlier answers that it stands for: the last one counts.
PLACEHOLDERS = {
    "JOB_ID": re.compile(r"\bjob_[0-9a-f]{32}\b"),
    "UPLOAD_ID": re.compile(r"\bupl_[0-9a-f]{32}\b"),
    "WEBHOOK_ID": re.compile(r"\bwhk_[0-9a-f]{32}\b"),
    "KEY_ID": re.compile(r"(?<=\"id\": \")[0-9a-f-]{36}"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: as it stands behind the fence.
        text: between the fences.
        line: of the page, from 1.
        reason: the reason why it is not run; None where it is.
    """

    language: str
    text: str
    line: int
    reason: str | None


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[3], textwrap.dedent(found[4]), text[: found.start(3)].count("\n") + 1, found[1])
        for found in _BLOCK.finditer(text)
    ]


def pages() -> list[Path]:
    """Return the pages with blocks to run: those of people who use, run or load; each block runs, or says why not."""
    folders = (ROOT, ROOT / "docs", ROOT / "clients" / "python", ROOT / "clients" / "typescript", ROOT / "examples")
    found = {page for folder in folders for page in folder.glob("*.md")} | set((ROOT / "docs").rglob("*.md"))
    return sorted(page for page in found if any(block.language in RUN for block in blocks(page)))


def filled(text: str, seen: str) -> str:
    """Return a block in which each placeholder is the last id of its sort that was seen."""
    for word, pattern in PLACEHOLDERS.items():
        if re.search(rf"\b{word}\b", text) and (ids := pattern.findall(seen)):
            text = re.sub(rf"(?<![$\w]){word}\b(?!=)", ids[-1], text)
    return text


def counts() -> Iterator[tuple[str, int]]:
    """Yield how many blocks are run, by language, and how many are not."""
    found = [block for page in pages() for block in blocks(page) if block.language in RUN]
    for language in RUN:
        yield language, sum(block.language == language and block.reason is None for block in found)
    yield "not run", sum(block.reason is not None for block in found)
