"""A file of CSV, typed by its template alone: `examples/planes.csv` through a running stack."""

import json
import re
from pathlib import Path

import httpx2
import pytest

from tests.e2e.running import sluice

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def client(stack):
    """A client of a tenant that has chosen the template of the flights."""
    folder = {"SLUICE_DATA_DIR": str(stack.data_dir)}
    tenant = sluice("tenants", "create", "Flights", **folder).stdout.strip()
    key = sluice("keys", "create", "--prefix", "oh_live", "--tenant", tenant, **folder).stdout.strip()
    with httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=30) as made:
        template = json.loads((EXAMPLES / "template.json").read_text(encoding="utf-8"))
        assert made.put(f"{stack.api}/templates/tpl_flights", json=template).status_code == 200
        assert made.put(f"{stack.api}/settings", json={"templateId": "tpl_flights"}).status_code == 200
        yield made


def test_a_csv_whose_header_has_no_types_is_typed_by_its_template(stack, client):
    text = (EXAMPLES / "planes.csv").read_text(encoding="ascii")
    sent = re.sub(r"\bNA\b", "", text.replace("tailnum", "externalId", 1)) + "N1,,Glider,x,y,two,1,,none\n"
    answer = client.post(
        f"{stack.api}/batch/entities?entityType=plane",
        content=sent.encode(),
        headers={"Content-Type": "text/csv", "Prefer": "wait=30"},
    )
    job = answer.json()["data"]
    assert (answer.status_code, job["succeeded"], job["failed"]) == (200, 3_322, 1)
    [error] = job["errors"]
    assert (error["index"], error["line"], error["field"]) == (3_322, 3_324, "/data/engines")
    assert error["message"] == 'Column "engines" must be a number as JSON writes it, such as 145.50'
    stored = client.get(f"{stack.api}/entities/N10156").json()["data"]["data"]
    assert stored == {
        "year": 2004,
        "type": "Fixed wing multi engine",
        "manufacturer": "EMBRAER",
        "model": "EMB-145XR",
        "engines": 2,
        "seats": 55,
        "engine": "Turbo-fan",
    }
