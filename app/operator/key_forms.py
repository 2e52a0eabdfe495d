"""Forms of API keys."""

from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import ValidationError, fields, validate

from app.operator.forms import UNIQUE, BoundedList, Form, Name, Uuid, distinct
from ingest.rights import MOST_ADDRESSES, MOST_REQUESTS_PER_MINUTE, SCOPES, Network, network_of

# A century: more would leave the range of dates on the way back.
_LONGEST = timedelta(days=36_500)


class _Network(fields.String):
    """A network as in 203.0.113.0/24, or a single address."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Network:  # type: ignore[override] # no text
        text = super()._deserialize(value, *args, **kwargs)
        try:
            return network_of(text)
        except ValueError:
            raise ValidationError("Must be an address, or a network as in 203.0.113.0/24.") from None


def _future(time: datetime) -> None:
    now = datetime.now(UTC)
    if not now < time <= now + _LONGEST:
        raise ValidationError("Must be a time to come, within a century.")


class _RightsForm(Form):
    """The rights of a key, which may all be left out."""

    scopes = BoundedList(
        fields.String(validate=validate.OneOf(SCOPES, error="Must be one of: {choices}.")),
        most=len(SCOPES),
        validate=[validate.Length(1), distinct],
        metadata=UNIQUE,
    )
    expires_at = fields.AwareDateTime(format="iso", allow_none=True, data_key="expiresAt", validate=_future)
    addresses = BoundedList(_Network(), most=MOST_ADDRESSES, allow_none=True, validate=[validate.Length(1)])
    requests_per_minute = fields.Integer(
        strict=True,
        allow_none=True,
        data_key="requestsPerMinute",
        validate=validate.Range(1, MOST_REQUESTS_PER_MINUTE),
    )


class NewKeyForm(_RightsForm):
    """`POST /api-keys`: what is not named is as of the key that makes it."""

    label = Name(required=True)
    operator_id = Uuid(data_key="operatorId")


class KeyChangesForm(_RightsForm):
    """`PATCH /api-keys`: what is not named stays."""

    id = Uuid(required=True)
    label = Name()
