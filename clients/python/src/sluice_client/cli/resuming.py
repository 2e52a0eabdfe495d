"""The command that goes on with a load, to be pasted into a shell."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

_NEVER_AGAIN = {"key", "resume"}


def resume_command(context: click.Context) -> str:
    """Return the command that goes on with this one.

    A key of the command line stands in none that is printed: SLUICE_KEY takes its place.
    """
    told = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    key = context.params.get("key") or ""
    words = [_program(context), "--resume"]
    if "key" in told and key.startswith("@"):
        words += ["--key", shlex.quote(key)]
    for parameter in context.command.params:
        if parameter.name in told - _NEVER_AGAIN and isinstance(parameter, click.Option):
            words += map(shlex.quote, _spelled(parameter, context.params[parameter.name]))
    files = [shlex.quote(name) for name in context.params["files"]]
    if any(name.startswith("-") and name != "-" for name in context.params["files"]):
        files.insert(0, "--")
    secret = "key" in told and not key.startswith("@")
    return " ".join([*(['SLUICE_KEY="$SLUICE_KEY"'] if secret else []), *words, *files])


def _program(context: click.Context) -> str:
    """Return the command's own words, with the path of the program where it was started by one."""
    _, _, rest = context.command_path.partition(" ")
    started = sys.argv[0]
    program = started if "/" in started else context.command_path.partition(" ")[0]
    return f"{shlex.quote(program)} {rest}".strip()


def _spelled(option: click.Option, value: Any) -> Iterator[str]:
    if option.is_flag:
        yield option.opts[-1] if value else option.secondary_opts[-1]
        return
    for one in value if option.multiple else [value]:
        yield option.opts[-1]
        yield str(one)
