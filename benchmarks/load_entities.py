"""The entities of the row `client-generator`: loads them by the client, one after the other from a generator.

python benchmarks/load_entities.py 1000000
"""

import sys

from sluice_client import Client

from benchmarks import items


def main() -> None:
    """Load as many as the command says; SLUICE_URL and SLUICE_KEY say where."""
    count = int(sys.argv[1])
    with Client() as client:
        report = client.entities.load(items.entity(number) for number in range(count))
    if report.created != count:
        sys.exit(f"{report.created} entities were created")


if __name__ == "__main__":
    main()
