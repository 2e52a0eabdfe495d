"""Write the synchronous client from the asynchronous one; with `--check`, only say whether it is up to date."""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "src" / "sluice_client"

_RULES = [
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b_?Async(?=[A-Z])", lambda match: "_" if match[0].startswith("_") else ""),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\ba(iter_\w+|read|close)\(", r"\1("),
    (r"\b_aio\b", "_io"),
    (r"\b_async\b", "_sync"),
]
_HEAD = '"""Made by make_sync.py of _async/{}: change that file, then `make client`."""\n'
_DOCSTRING = re.compile(r'\A""".*?"""\n', re.DOTALL)


def synchronous(source: str, name: str) -> str:
    """Return the synchronous twin of a module's source, formatted.

    Args:
        source: of the asynchronous module.
        name: of its file.
    """
    text = _DOCSTRING.sub(_HEAD.format(name), source, count=1)
    for pattern, replacement in _RULES:
        text = re.sub(pattern, replacement, text)
    text = text.replace(_HEAD.format(name).replace("_async", "_sync"), _HEAD.format(name))
    for command in (["check", "--select", "I,F811", "--fix-only", "--quiet"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(PACKAGE / "_sync" / name), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> int:
    """Return 0 if each twin is as it should be, or has been written; 1 where one is stale under `--check`."""
    stale = []
    for module in sorted((PACKAGE / "_async").glob("*.py")):
        twin = PACKAGE / "_sync" / module.name
        wanted = synchronous(module.read_text(encoding="utf-8"), module.name)
        if not twin.exists() or twin.read_text(encoding="utf-8") != wanted:
            stale.append(module.name)
            if "--check" not in sys.argv:
                twin.write_text(wanted, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"stale twins of {', '.join(stale)}: run `make client`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
