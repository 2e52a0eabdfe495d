"""cli.md: each command of `sluice` with its `--help`, as click prints it."""

import inspect
import re
from collections.abc import Iterator

import click

from cli import main
from reference import markdown

_WIDTH = 100

_INTRODUCTION = """\
Each command prints this with `--help`. Commands that show something print it as JSON with `--json`. A command reads
its settings from the environment, as the processes do ([settings](settings.md)), or finds the stack of `sluice up`
in `.sluice`. Where there is no server, `pip install './clients/python[cli]'` brings `load`, `jobs watch` and `top`
as commands of `sluice-client`.

| exit code | means |
|---|---|
| 0 | it is done |
| 1 | it is not, and the message says why |
| 2 | wrong usage |
| 78 | settings are wrong or missing; the message names each |

Those of `sluice load` are in its help."""


def page() -> str:
    """Return the page."""
    main_context = main.make_context(
        "sluice", [], None, resilient_parsing=True, max_content_width=_WIDTH, terminal_width=_WIDTH
    )
    return markdown.page("Commands", _INTRODUCTION, *_sections(main, main_context))


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the section of a command, and those of the commands in it."""
    yield f"## {context.command_path}\n\n```text\n{_help(command, context)}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _sections(inner, inner.make_context(name, [], context, resilient_parsing=True))


def _help(command: click.Command, context: click.Context) -> str:
    text = inspect.cleandoc(command.get_help(context))
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
