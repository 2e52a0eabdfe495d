"""The version of the package, as in its pyproject.toml."""

VERSION = "0.1.0"
