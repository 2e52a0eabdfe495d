"""Pictures of the screens for README and docs, in both themes: taken where `make screenshots` asks for them."""

import os
from pathlib import Path

import pytest

from ingest.jobs import JobOptions
from tests.console.conftest import Visit
from tests.support.factories import entity

_FOLDER = os.environ.get("SLUICE_SCREENSHOTS", "")

pytestmark = pytest.mark.skipif(not _FOLDER, reason="`make screenshots` takes them")


def _jobs(visit: Visit) -> dict[str, str]:
    """Make jobs of a usual day; return the addresses of the screens about them, by their names."""
    players = [entity(number) for number in range(1_000)]
    visit.submit(players, options=JobOptions(label="Players of the night"))
    wrong = [entity(number, entityType="plyer") for number in range(2_000, 2_023)]
    without = [entity(number, data={"vip_level": 3}) for number in range(3_000, 3_014)]
    bad = visit.submit([*players[:200], *wrong, *without], options=JobOptions(label="CRM export, Monday"))
    visit.submit(players[:400], options=JobOptions(label="Check of the new feed", validate_only=True))
    visit.run_jobs()
    visit.submit(players, options=JobOptions(label="Balances of the week"))
    whose = f"tenant={visit.tenant.public_id}"
    return {
        "jobs": f"/jobs?{whose}",
        "job": f"/jobs/{bad}",
        "errors": f"/jobs/{bad}/errors",
        "load": f"/load?{whose}",
        "entity": f"/entities?id=player_000007&{whose}",
        "keys": f"/keys?{whose}",
        "templates": f"/templates?{whose}",
        "tenants": "/tenants",
        "system": "/system",
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_of_the_screens_are_taken(visit: Visit, theme: str) -> None:
    page = visit.open(operator=True, color_scheme=theme)
    page.set_viewport_size({"width": 1100, "height": 700})
    for name, path in _jobs(visit).items():
        page.goto(f"{visit.site.address}{path}")
        page.screenshot(path=Path(_FOLDER) / f"console-{name}-{theme}.png", scale="css")
