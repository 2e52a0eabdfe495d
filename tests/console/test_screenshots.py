"""Pictures of the screens for README and docs, in both themes: taken where `make screenshots` asks for them."""

import os
import time
from pathlib import Path

import pytest
import redis

from ingest.jobs import JobOptions
from ingest.notify.tallies import ITEMS
from tests.console.conftest import Visit
from tests.support.factories import entity

_FOLDER = os.environ.get("SLUICE_SCREENSHOTS", "")

pytestmark = pytest.mark.skipif(not _FOLDER, reason="`make screenshots` takes them")


def _count_items(visit: Visit) -> None:
    """Have the last five minutes be those of a usual day, too."""
    now = int(time.time()) // ITEMS.seconds
    with redis.Redis.from_url(visit.site.redis_url) as broker:
        for ago in range(ITEMS.windows + 2):
            broker.set(f"sluice:{ITEMS.name}:{now - ago}", 90_000 + 40_000 * (ago * 7 % 11) // 11 - 30_000 * (ago > 40))


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
    _count_items(visit)
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
