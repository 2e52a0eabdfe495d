"""Forms of webhooks."""

from marshmallow import ValidationError, fields, validate

from app.operator.forms import UNIQUE, BoundedList, Form, Name
from ingest.webhooks import urls
from ingest.webhooks.message import EVENTS


def _events() -> BoundedList:
    event = fields.String(validate=validate.OneOf(EVENTS, error="Must be one of: {choices}."))
    return BoundedList(event, most=len(EVENTS), validate=[validate.Length(1), _distinct], metadata=UNIQUE)


def _distinct(events: list[str]) -> None:
    if len(set(events)) < len(events):
        raise ValidationError("Must name each once.")


class NewWebhookForm(Form):
    """`POST /webhooks`."""

    url = Name(urls.LONGEST, required=True)
    events = _events()
    description = Name(allow_none=True)


class WebhookChangesForm(Form):
    """`PATCH /webhooks/{id}`: what is not named stays."""

    url = Name(urls.LONGEST)
    events = _events()
    description = Name(allow_none=True)
    enabled = fields.Boolean(truthy={True}, falsy={False})
