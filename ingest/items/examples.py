"""Example items of a template, one of each type of entity or event, or of each state's key: a file to start from."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ingest.items.templates import Template, TypeRules
from ingest.items.types.example import good_values

# Stands for a value that must be there and of which no example is known.
UNKNOWN = "?"


def example_items(template: Template, kind: str, now: datetime) -> list[dict[str, Any]]:
    """Return items that a batch call takes; those of events and states belong to the first of the entities.

    Args:
        template: by which they are good, but for values that are UNKNOWN.
        kind: `entities`, `events` or `states`.
        now: with a zone: when the events happened.
    """
    if kind == "entities":
        return [
            {"externalId": f"example-{number}", "entityType": name, "data": _data(rules)}
            for number, (name, rules) in enumerate(template.entity_types.items(), 1)
        ]
    if kind == "events":
        timestamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return [
            {
                "externalId": "example-1",
                "eventType": name,
                "timestamp": timestamp,
                "eventId": f"example-event-{number}",
                "data": _data(rules),
            }
            for number, (name, rules) in enumerate(template.event_types.items(), 1)
        ]
    return [
        {
            "externalId": "example-1",
            "stateKey": key,
            "value": next(good_values(template.states.get(key, True)), UNKNOWN),
        }
        for key in template.state_keys
    ]


def _data(rules: TypeRules) -> Mapping[str, Any]:
    """Return an example of each field that rules list; of optional ones only those of which one is known."""
    found = {
        name: next((value for value in good_values(rules.fields.get(name, True)) if value is not None), None)
        for name in rules.listed
    }
    return {
        name: UNKNOWN if value is None else value
        for name, value in found.items()
        if value is not None or name in rules.required
    }
