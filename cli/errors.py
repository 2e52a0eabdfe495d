"""Errors of the command line, each with its exit code.

SluiceError (ingest.errors)      exit 1
├── SettingsError                exit 78, EX_CONFIG of sysexits.h
└── StackError                   exit 1: the stack cannot run
    ├── DataDirInUse             exit 75, EX_TEMPFAIL: another stack runs on these data
    └── PortTaken                exit 69, EX_UNAVAILABLE: somebody else listens there
"""

from typing import ClassVar

from ingest.errors import SettingsError, SluiceError


class StackError(SluiceError):
    """The stack cannot be started, or does not stay up; the message says why."""

    exit_code: ClassVar[int] = 1


class DataDirInUse(StackError):
    """Another process runs a stack on the same data directory."""

    exit_code = 75


class PortTaken(StackError):
    """A port that the stack should listen on is taken."""

    exit_code = 69


def exit_code(error: SluiceError) -> int:
    """Return the code with which the command ends for an error."""
    if isinstance(error, StackError):
        return error.exit_code
    return 78 if isinstance(error, SettingsError) else 1
