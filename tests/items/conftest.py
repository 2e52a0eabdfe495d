import json
from datetime import UTC, datetime

import pytest

from ingest.items.templates import Template


@pytest.fixture
def template() -> Template:
    """One type with a required field and one without, of entities and of events, and two state keys."""
    schema = {
        "entity_types": {"player": {"required": ["email"], "optional": ["phone"]}, "operator": {}},
        "event_types": {"transaction": {"required": ["type", "amount"]}, "session": {}},
        "state_keys": ["balance", "kyc_status"],
        "pii_fields": {"player": ["email"]},
    }
    return Template.from_row(
        {
            "id": 1,
            "slug": "tpl_test",
            "name": "Test",
            "version": "1.0",
            "schema": json.dumps(schema),
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
    )
