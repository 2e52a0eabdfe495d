"""The limits and forms of an installation, and its workers."""

from __future__ import annotations

from typing import Any

from sluice_client.models.shapes import Camel, Snake


class Format(Camel):
    """A form of batch bodies, and its content types."""

    form: str
    content_types: list[str]


class Preferences(Snake):
    """The values that the header Prefer may have: seconds to wait, and handlings."""

    wait: int
    handling: list[str]


class UploadForms(Camel):
    """The forms that an upload may have."""

    kinds: list[str]
    content_types: list[str]
    content_codings: list[str]


class WebhookForms(Camel):
    """The webhooks of an installation."""

    events: list[str]
    available: bool
    private_addresses: bool


class Parameter(Snake):
    """A parameter of batch calls, and the kinds whose call takes it."""

    name: str
    schema: dict[str, Any]
    description: str
    kinds: list[str]


class Capabilities(Camel):
    """The limits, formats, codings, parameters and modes of an installation."""

    kinds: list[str]
    limits: dict[str, Any]
    rates: dict[str, str]
    formats: list[Format]
    content_codings: list[str]
    content_digests: list[str]
    modes: list[str]
    preferences: Preferences
    uploads: UploadForms
    webhooks: WebhookForms
    parameters: list[Parameter]


class Workers(Camel):
    """The processes of an installation that run jobs.

    Attributes:
        running: idle or busy; None while Redis does not answer.
        busy: those that work at a job at this moment; None behind a pooler, where the server cannot tell.
    """

    running: int | None
    busy: int | None
