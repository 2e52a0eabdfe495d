"""Import a command when it runs: the libraries of all commands together take longer than most of them."""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any, NamedTuple

import click

_AROUND_A_NAME = 6  # columns, in the lists of click


class Lazy(NamedTuple):
    """A command that is not imported yet.

    Attributes:
        place: `module:name` of the command.
        summary: the first sentence of its help, with which a list names it without importing it.
    """

    place: str
    summary: str

    def load(self) -> click.Command:
        """Return the command, imported by now."""
        command: click.Command = resolve_name(self.place)
        return command


class LazyGroup(click.Group):
    """A group that imports a command when it is called.

    Args:
        lazy: the commands that are imported late, by their names; commands may be added as usual besides.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted([*super().list_commands(ctx), *self.lazy])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or None if there is none."""
        return self.lazy[cmd_name].load() if cmd_name in self.lazy else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write all commands as click does, but for the imports."""
        names = self.list_commands(ctx)
        limit = formatter.width - _AROUND_A_NAME - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(name, limit)) for name in names])

    def _summary(self, name: str, limit: int) -> str:
        command = click.Command(name, help=self.lazy[name].summary) if name in self.lazy else self.commands[name]
        return command.get_short_help_str(limit)
