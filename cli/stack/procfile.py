"""The programs of the Procfile, which is the one place that says how each is started, and where they listen."""

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from cli.errors import PortTaken, StackError
from cli.stack.child import Program

LOCALHOST = "127.0.0.1"

_ROOT = Path(__file__).resolve().parents[2]
# A worker puts its job down at the end of a block; one that cannot is killed, and loses that block's transaction only.
# A try of `webhooks` may take 15 s; one that is cut off is made again.
_GRACE_SECONDS = {"worker": 20.0, "webhooks": 20.0}


def programs(port: int, flower_port: int, extra: Mapping[str, str]) -> dict[str, Program]:
    """Return the programs by their names, and `migrate`, which ends.

    Args:
        port: where the API shall listen.
        flower_port: where flower shall listen.
        extra: variables that their environment has besides this process's.

    Raises:
        StackError: there is no Procfile beside this package.
    """
    procfile = _ROOT / "Procfile"
    if not procfile.exists():
        raise StackError(
            f"there is no {procfile}: the stack runs from a clone of the repository, installed by `make setup`"
        )
    env = {
        **os.environ,
        **extra,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        # Before anything that the user's path calls `worker` or `ingest`; Python must not leave the folder out either.
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
        "SLUICE_BIND": f"{LOCALHOST}:{port}",
        "FLOWER_ADDRESS": LOCALHOST,
        "FLOWER_PORT": str(flower_port),
    }
    lines = [line.partition(":") for line in procfile.read_text(encoding="utf-8").splitlines() if line.strip()]
    lines.append(("migrate", ":", "sluice migrate"))  # no line of the file: a foreman stops all when one of them ends
    return {
        name: Program(
            name,
            ("/bin/sh", "-c", f"exec {command.strip()}"),
            cwd=_ROOT,
            env=env,
            grace_seconds=_GRACE_SECONDS.get(name, 10.0),
        )
        for name, _, command in lines
    }


def free(port: int | None) -> int:
    """Return a port of this machine on which nobody listens.

    Args:
        port: the one wanted; None: any.

    Raises:
        PortTaken: it cannot be listened on.
    """
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does: TIME_WAIT is no listener
        try:
            probe.bind((LOCALHOST, port or 0))
        except OSError as error:
            raise PortTaken(
                f"port {port} of {LOCALHOST} cannot be used: {error.strerror}; choose another one"
            ) from None
        return int(probe.getsockname()[1])


def address(port: int) -> str:
    """Return the URL of what listens there."""
    return f"http://{LOCALHOST}:{port}"
