"""One shell and one interpreter for all blocks of a page, as a reader has them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# Runs each program that its standard input names in one namespace, with the environment that the shell exports by then.
_INTERPRETER = """
import contextlib, json, os, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    program = json.loads(line)
    os.environ.update(program["environment"])
    with open(program["out"], "w") as out, contextlib.redirect_stdout(out):
        try:
            exec(compile(open(program["path"]).read(), program["path"], "exec"), names)
        except Exception:
            open(program["err"], "w").write(traceback.format_exc())
            sys.exit(1)
    print("done", flush=True)
"""


class Ran(NamedTuple):
    """The result of a block: all that it printed."""

    out: str
    err: str


class Pasted:
    """Runs the blocks of one page, one after the other.

    Args:
        folder: the folder in which they run.
        own: a folder for the files of this class.
        environment: that of both programs.
    """

    def __init__(self, folder: Path, own: Path, environment: dict[str, str]) -> None:
        self._own = own
        self._count = 0
        self._shell = self._program(["/bin/bash", "-euo", "pipefail"], folder, environment)
        warnings = ["-W", "error", "-u", "-c", _INTERPRETER]
        self._python = self._program([sys.executable, *warnings], folder, environment)

    @staticmethod
    def _program(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, language: str, text: str) -> Ran:
        """Run a block, `sh` or `python`.

        Raises:
            AssertionError: it failed; with all that it printed.
        """
        self._count += 1
        path, out, err = (self._own / f"{self._count}.{name}" for name in (language, "out", "err"))
        path.write_text(text, encoding="utf-8")
        err.touch()
        if language == "sh":
            exported = self._own / "environment"
            line = f". '{path}' >'{out}' 2>'{err}' </dev/null; env -0 >'{exported}'; echo done"
            program = self._shell
        else:
            program = self._python
            named = {"path": str(path), "out": str(out), "err": str(err), "environment": self._exported()}
            line = json.dumps(named)
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(f"{line}\n")
        program.stdin.flush()
        done = program.stdout.readline() == "done\n"
        ran = Ran(out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))
        assert done, f"{text}\n{ran.out}\n{ran.err}"
        return ran

    def _exported(self) -> dict[str, str]:
        exported = self._own / "environment"
        if not exported.exists():
            return {}
        pairs = exported.read_bytes().decode(errors="surrogateescape").rstrip("\0").split("\0")
        return dict(pair.split("=", 1) for pair in pairs)

    def close(self) -> None:
        """End both programs."""
        for program in (self._shell, self._python):
            program.kill()
            program.communicate()
