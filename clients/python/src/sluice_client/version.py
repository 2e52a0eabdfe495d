"""The version of the package, which its pyproject.toml reads from here."""

VERSION = "0.1.0"
