"""Safe output to a terminal: foreign text without control characters, and no traceback if output fails."""

import errno
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import click

# Control, format (such as those that turn the direction of text), surrogates, and line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_HARMLESS = frozenset("\t\u200c\u200d")  # some scripts and emoji are spelt with the last two, which join


def printable(text: str) -> str:
    """Return text with the characters escaped that would move a terminal's cursor, colour it or break the line."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in _HARMLESS or unicodedata.category(character) not in _UNSAFE:
        return character
    return character.encode("unicode_escape").decode()


def complain(message: str) -> None:
    """Print an error of one or more lines, each without control characters."""
    lines = (printable(line) for line in message.split("\n"))
    click.echo("Error: " + "\n".join(lines), err=True)


@contextmanager
def careful_output() -> Iterator[None]:
    """End with a sentence and exit status 1 where output cannot be written, and silently where nobody reads it.

    Characters that the locale has no form for are escaped, since an ASCII locale is no reason to print nothing.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # it may be closed, or anything under a test
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # TextIO does not promise it
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        if error.errno != errno.EPIPE:
            with suppress(OSError):
                complain(f"the output cannot be written: {error.strerror}" if not error.filename else str(error))
        _give_up(sys.stderr)
        raise SystemExit(1) from None


def _give_up(stream: IO[str] | None) -> None:
    """Throw away what is left to write: Python would try again at its end, and say how that failed."""
    with suppress(OSError, ValueError, AttributeError):
        stream.flush()  # type: ignore[union-attr] # AttributeError
        return
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr] # likewise
